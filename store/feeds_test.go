package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"goalcast"
)

// Feeds are counted by what came since a time; what is of a match that is on marks them.
func TestFeedStates(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := kickoff.Add(time.Hour)
		n := 0
		put := func(provider, feed string, match goalcast.MatchID, ago time.Duration, state goalcast.DocumentState,
			text string) goalcast.DocumentID {
			t.Helper()
			n++
			id := keep(t, s, goalcast.Document{Provider: provider, Feed: feed, Match: match, Body: fmt.Append(nil, n),
				Received: now.Add(-ago)})
			if state != goalcast.DocumentReceived {
				if err := s.FinishDocument(t.Context(), id, state, text); err != nil {
					t.Fatal(err)
				}
			}
			return id
		}
		states := func(playing ...goalcast.MatchID) []goalcast.FeedState {
			t.Helper()
			list, err := s.FeedStates(t.Context(), now.Add(-24*time.Hour), now.Add(-time.Hour), playing)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if list := states(7); len(list) != 0 {
			t.Errorf("%+v", list)
		}
		put("opta", "F1", 0, 25*time.Hour, goalcast.DocumentApplied, "")
		put("opta", "F9", 7, 2*time.Hour, goalcast.DocumentFailed, "old")
		put("opta", "F9", 7, 3*time.Minute, goalcast.DocumentApplied, "")
		bad := put("opta", "F9", 7, 2*time.Minute, goalcast.DocumentFailed, "no <Soccer>")
		put("opta", "F9", 8, time.Minute, goalcast.DocumentIgnored, "")
		last := put("opta", "F9", 7, time.Second, goalcast.DocumentReceived, "")
		clip := put("wsc", "", 0, 90*time.Minute, goalcast.DocumentApplied, "")
		want := []goalcast.FeedState{
			{Provider: "opta", Feed: "F9", Last: now.Add(-time.Second), Document: last, Playing: true, Hour: 4,
				Failed: 1, Ignored: 1, Waiting: 1, LastFailed: &goalcast.FailedDocument{ID: bad,
					At: now.Add(-2 * time.Minute), Error: "no <Soccer>"}},
			{Provider: "wsc", Last: now.Add(-90 * time.Minute), Document: clip},
		}
		if got := states(7, 9); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		for _, playing := range [][]goalcast.MatchID{nil, {9}} {
			if got := states(playing...); got[0].Playing || got[1].Playing {
				t.Errorf("of %v: %+v", playing, got)
			}
		}
		// the same bytes once more are heard of the feed
		same := goalcast.Document{Provider: "wsc", Body: fmt.Append(nil, n), Received: now}
		keep(t, s, same)
		if got := states(); !got[1].Last.Equal(now) || got[1].Hour != 0 {
			t.Errorf("%+v", got[1])
		}
	})
}

// Pushes are listed newest first, with their batches by what became of them.
func TestRecentPushes(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		now := s.Now()
		list := func() []goalcast.PushState {
			t.Helper()
			list, err := s.RecentPushes(t.Context(), goalcast.PushPlace{}, 5)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		if got := list(); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		push(t, s, 1, 0, 3, now)
		finish := func(batch int, state, reason string) {
			t.Helper()
			c, ok := claim(t, s, id(1, batch), now)
			if !ok {
				t.Fatal("not claimed")
			}
			if ok, err := s.FinishBatch(t.Context(), c, goalcast.PushResult{State: state, Reason: reason}); !ok {
				t.Fatal(err)
			}
		}
		finish(0, goalcast.BatchSent, "")
		finish(1, goalcast.BatchFailed, "expired")
		got := list()
		if len(got) != 1 || got[0].Event != "opta:1" || got[0].Match != 9 || got[0].State != goalcast.RecordShown ||
			string(got[0].Content) != `{"kind":"goal"}` || got[0].Planned.IsZero() {
			t.Fatalf("%+v", got)
		}
		want := []goalcast.PushCount{{State: "failed", Reason: "expired", Count: 1}, {State: "planned", Count: 1},
			{State: "sent", Count: 1}}
		if !reflect.DeepEqual(got[0].Batches, want) {
			t.Errorf("%+v", got[0].Batches)
		}
	})
}

// Pages of the list of pushes go on where the one before ended, also among those of one moment.
func TestPushesHavePages(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		sabotage(t, s, `INSERT INTO pushes (event_id, match_id, state, planned) VALUES ('a', 1, 'shown', 1000),
			('b', 1, 'shown', 2000), ('c', 1, 'shown', 2000), ('d', 1, 'muted', 2000), ('e', 1, '', 2000),
			('f', 1, 'shown', 3000)`)
		var got []string
		for place := (goalcast.PushPlace{}); ; {
			list, err := s.RecentPushes(t.Context(), place, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, p := range list {
				got = append(got, p.Event)
				place = goalcast.PushPlace{Planned: p.Planned, Event: p.Event}
			}
		}
		if want := []string{"f", "d", "c", "b", "a"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// Each device of a push is counted once, by what became of it, over all attempts.
func TestPushFigures(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if _, err := s.PushFigures(t.Context(), "opta:1"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		now := time.Now()
		push(t, s, 1, 0, 6, now)
		err := s.ExtendPush(t.Context(), "opta:1", func(r goalcast.PushRecord) (goalcast.PushRecord,
			[]goalcast.PushBatch, error) {
			r.Withheld = map[string]int{"off": 4, "held": 1}
			return r, nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		take := func(batch string, r goalcast.PushResult) {
			t.Helper()
			c, ok := claim(t, s, batch, now)
			if !ok || !finish(t, s, c, r) {
				t.Fatalf("%s is not to be had", batch)
			}
		}
		fcm := func(sent, failed int) goalcast.PushTally {
			return goalcast.PushTally{"fcm": {Sent: sent, Failed: map[string]int{"unregistered": failed},
				Removed: failed,
				Times:   goalcast.PushTimes{40: sent}}}
		}
		// first what can be tried again, then the rest, but for one device that was deleted
		// meanwhile
		again := fcm(4, 2)
		again.Add(goalcast.PushTally{"fcm": {Retried: map[string]int{"unavailable": 4}}})
		take(id(1, 0), goalcast.PushResult{State: goalcast.BatchPlanned, Revision: 1, Reached: []int64{1, 2, 3, 4},
			Remaining: []int64{7, 8, 9, 10}, Tally: again})
		if f := figures(t, s, "opta:1"); f.Revisions[0].Devices != 60 || f.Revisions[0].Waiting != 54 {
			t.Errorf("%+v", f)
		}
		take(id(1, 0), goalcast.PushResult{State: goalcast.BatchSent, Revision: 1, Reached: []int64{7, 8, 9},
			Tally: fcm(3, 0)})
		take(id(1, 1), goalcast.PushResult{State: goalcast.BatchDropped, Reason: "cancelled"})
		take(id(1, 2), goalcast.PushResult{State: goalcast.BatchFailed, Reason: "content: no such field"})
		sabotage(t, s, `UPDATE push_batches SET remaining = `+blob(s)+` WHERE number = 3`)
		if _, ok := claim(t, s, id(1, 3), now); ok {
			t.Error("an unreadable batch was claimed")
		}
		claim(t, s, id(1, 4), now)
		sabotage(t, s, `UPDATE push_batches SET tally = '{"fcm":7' WHERE number = 5`)
		want := goalcast.PushRevision{Revision: 1, Devices: 60, Waiting: 20,
			Unsent: map[string]int{"cancelled": 10, "content": 10, "unreadable": 10, "no_device": 1},
			Tally: goalcast.PushTally{"fcm": {Sent: 7, Failed: map[string]int{"unregistered": 2}, Removed: 2,
				Retried: map[string]int{"unavailable": 4}, Times: goalcast.PushTimes{40: 7}}}}
		f := figures(t, s, "opta:1")
		got := f.Revisions[0]
		if len(got.Batches) != 6 {
			t.Errorf("%+v", got.Batches)
		}
		got.Batches = nil
		if delete(got.Tally["fcm"].Failed, ""); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		if !reflect.DeepEqual(f.Withheld, map[string]int{"off": 4, "held": 1}) || f.Match != 9 || f.Revision != 1 {
			t.Errorf("%+v", f)
		}
		// its withdrawal goes to those who got it, when nobody sends the goal any more
		pass(t, s, time.Minute)
		push(t, s, 2, 1, 1, now)
		take(id(2, 0), goalcast.PushResult{State: goalcast.BatchSent, Revision: 2, Reached: []int64{1, 2, 3, 4, 7, 8,
			9},
			Tally: fcm(7, 0)})
		if f = figures(t, s, "opta:1"); len(f.Revisions) != 2 || f.Revisions[1].Devices != 7 ||
			f.Revisions[1].Tally["fcm"].Sent != 7 || f.Revisions[1].Waiting != 0 || len(f.Revisions[1].Unsent) != 0 {
			t.Errorf("%+v", f)
		}
		if _, err := s.PrunePushes(t.Context(), now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if f = figures(t, s, "opta:1"); len(f.Revisions) != 0 || f.Withheld != nil {
			t.Errorf("%+v is left", f)
		}
	})
}

// blob is a list of ids that cannot be read, in SQL.
func blob(s *Store) string {
	if s.dialect.forUpdate != "" {
		return `'\xff'::bytea`
	}
	return `x'ff'`
}

func figures(t *testing.T, s *Store, event string) goalcast.PushFigures {
	t.Helper()
	f, err := s.PushFigures(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
