package hub

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"goalcast"
	"goalcast/hub/shard"
)

// A replay takes as long as it took: faster by its speed, and without what was a pause.
func TestWaitsOfAReplay(t *testing.T) {
	begin := time.Date(2026, 8, 22, 15, 0, 0, 0, time.UTC)
	topic := goalcast.ForMatch(7)
	var all []goalcast.Revision
	add := func(after time.Duration, e goalcast.Event) {
		if len(all) > 0 {
			after += all[len(all)-1].At.Sub(begin)
		}
		e.Match, e.Seq, e.Status, e.Revision = 7, int64(len(all)+1), goalcast.Confirmed, 1
		e.ID, e.Topics = fmt.Sprint(len(all)), []goalcast.Topic{topic}
		all = append(all, goalcast.Revision{Event: e, At: begin.Add(after)})
	}
	period := func(p goalcast.Period) goalcast.Event {
		return goalcast.Event{Kind: goalcast.KindPeriod, Period: p}
	}
	goal := goalcast.Event{Kind: goalcast.KindGoal, Goal: &goalcast.Goal{}}
	delay := func(d goalcast.DelayType, minute int) goalcast.Event {
		return goalcast.Event{Kind: goalcast.KindDelay, Delay: &goalcast.Delay{Type: d}, Period: goalcast.SecondHalf,
			Minute: minute}
	}
	add(0, goalcast.Event{Kind: goalcast.KindFixture, Fixture: &goalcast.Fixture{}})
	add(99*time.Hour, goalcast.Event{Kind: goalcast.KindLineup, Lineup: &goalcast.Lineup{Team: 1}})
	add(time.Hour, period(goalcast.FirstHalf))         // 0
	add(20*time.Minute, goal)                          // as it was
	add(-time.Second, goal)                            // another clock: 0
	add(27*time.Minute, period(goalcast.HalfTime))     // as it was
	add(15*time.Minute, period(goalcast.SecondHalf))   // 1 min
	add(10*time.Minute, delay(goalcast.Suspended, 55)) // as it was
	add(40*time.Minute, delay(goalcast.Resumed, 56))   // 1 min
	add(12*time.Hour, goal)                            // a feed broke: 30 min
	add(5*time.Minute, period(goalcast.FullTime))      // as it was
	add(30*time.Second, goal)                          // as it was
	add(24*time.Hour, goal)                            // 1 min
	want := []time.Duration{0, 20 * time.Minute, 0, 27 * time.Minute, time.Minute, 10 * time.Minute, time.Minute,
		30 * time.Minute, 5 * time.Minute, 30 * time.Second, time.Minute}
	r := &replay{topic: topic, speed: 1}
	if err := r.plan(all); err != nil {
		t.Fatal(err)
	}
	var waits []time.Duration
	for _, one := range r.told {
		waits = append(waits, one.wait)
	}
	if !slices.Equal(waits, want) || r.before != 2 || r.end() != len(all) {
		t.Errorf("%d before kick-off, then %v\nwant 2, then %v", r.before, waits, want)
	}
	for _, tt := range []struct{ speed, from int }{{1, 2}, {10, 2}, {60, 2}, {10, 7}, {10, 13}} {
		synctest.Test(t, func(t *testing.T) {
			r := *r
			r.speed, r.gone = tt.speed, make(chan struct{})
			start, due, n := time.Now(), time.Duration(0), tt.from
			over := false
			r.feed(tt.from, func(o shard.Op) bool {
				if _, over = o.(*shard.ReplayOver); over {
					return true
				}
				due += want[n-2] / time.Duration(tt.speed)
				n++
				if got := o.(*shard.Replayed).Message.ID; time.Since(start) != due || got != r.cursor(n).String() {
					t.Errorf("speed %d: %s after %v, want %d after %v", tt.speed, got, time.Since(start), n, due)
				}
				return true
			}, nil)
			if !over || n != len(all) || time.Since(start) != due {
				t.Errorf("from %d: ended at %d, over %v", tt.from, n, over)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // whose viewer has gone
		r := *r
		r.gone = make(chan struct{})
		time.AfterFunc(30*time.Minute, func() { close(r.gone) })
		posted := 0
		r.feed(2, func(shard.Op) bool { posted++; return true }, nil)
		if posted != 3 {
			t.Errorf("%d were posted in half an hour", posted)
		}
	})
}

// A match that was told of when it was over has no kick-off: then all comes that made it so.
func TestAReplayWithoutKickoff(t *testing.T) {
	topic := goalcast.ForMatch(7)
	one := func(seq int64, f goalcast.Fixture) goalcast.Revision {
		return goalcast.Revision{Event: goalcast.Event{ID: "f", Revision: int(seq), Seq: seq, Match: 7,
			Kind: goalcast.KindFixture, Fixture: &f, Topics: []goalcast.Topic{topic}}}
	}
	r := &replay{topic: topic, speed: 1}
	if err := r.plan([]goalcast.Revision{one(1, goalcast.Fixture{}),
		one(2, goalcast.Fixture{Halted: goalcast.Postponed}),
		one(3, goalcast.Fixture{Awarded: &goalcast.Score{Home: 3}})}); err != nil || r.before != 2 || len(r.told) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	r = &replay{topic: topic, speed: 1}
	if err := r.plan(nil); err != nil || string(r.matches) != "[]" || r.end() != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	huge := make([]goalcast.Revision, maxReplayBytes/1000)
	for i := range huge {
		huge[i] = one(int64(i+1), goalcast.Fixture{Awarded: &goalcast.Score{}, Venue: fmt.Sprintf("%01000d", i)})
	}
	if err := (&replay{topic: topic}).plan(huge); !errors.Is(err, errTooLong) {
		t.Errorf("%d bytes: %v", maxReplayBytes, err)
	}
}
