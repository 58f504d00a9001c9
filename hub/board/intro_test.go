package board

import (
	"context"
	"testing"
	"time"

	"goalcast"
)

// TestIntroWhenAMatchWasNotListed goes through what a match can have been between two of its
// events: in the lists all the time, or outside at some moment.
func TestIntroWhenAMatchWasNotListed(t *testing.T) {
	now := testTime
	at := func(d time.Duration) time.Time { return now.Add(d) }
	const day = 24 * time.Hour
	period := func(p goalcast.Period) goalcast.Event {
		return goalcast.Event{ID: "period", Revision: 1, Seq: 2, Status: goalcast.Confirmed, Kind: goalcast.KindPeriod,
			Match: 1, Period: p}
	}
	for _, tt := range []struct {
		name    string
		kickoff time.Time // zero: not planned
		period  goalcast.Period
		before  time.Time // the event before
		want    bool
	}{
		{"in the window all the time", at(time.Hour), "", at(-day), false},
		{"in play, planned yesterday evening", at(-20 * time.Hour), goalcast.SecondHalf, at(-19 * time.Hour), false},
		{"came into the window since", at(47 * time.Hour), "", at(-2 * time.Hour), true},
		{"far ahead", at(5 * day), "", at(-time.Minute), true},
		{"played days ago", at(-3 * day), goalcast.FullTime, at(-3 * day), true},
		{"left the window since", at(-25 * time.Hour), goalcast.FullTime, at(-22 * time.Hour), true},
		{"in play although planned for another day", at(5 * day), goalcast.FirstHalf, at(-time.Minute), false},
		{"goes on after days", at(-3 * day), goalcast.FirstHalf, at(-3 * day), true},
		{"not planned, in play", time.Time{}, goalcast.FirstHalf, at(-time.Minute), false},
		{"not planned, changed an hour ago", time.Time{}, "", at(-time.Hour), false},
		{"not planned, changed last week", time.Time{}, "", at(-7 * day), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, src := testBoard(Config{})
			b.now = func() time.Time { return now }
			first := fixture(1, tt.kickoff, 1)
			first.Times.Published = tt.before.UnixMilli()
			snap := goalcast.Apply(goalcast.Snapshot{}, first)
			if tt.period != "" {
				e := period(tt.period)
				e.Times.Published = tt.before.UnixMilli()
				snap = goalcast.Apply(snap, e)
			}
			src.snaps[1] = snap
			if _, _, err := b.Match(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
			tell := func(e goalcast.Event) bool {
				e.Times.Published = now.UnixMilli()
				in, unsure := b.Apply(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: uint64(e.Seq)},
					Event: e}, uint64(e.Seq))
				if unsure {
					t.Error("unsure of a match that is held")
				}
				return in != nil
			}
			if got := tell(goal(1, snap.Seq+1)); got != tt.want {
				t.Errorf("intro %v, want %v", got, tt.want)
			}
		})
	}
}

// TestIntroForANewTopic gives a match a team that it had not: those who follow the team do not know
// what happened before.
func TestIntroForANewTopic(t *testing.T) {
	b, src := testBoard(Config{})
	b.now = func() time.Time { return testTime }
	f := fixture(1, testTime, 1)
	src.snaps[1] = goalcast.Apply(goalcast.Apply(goalcast.Snapshot{}, f), goal(1, 2))
	if _, _, err := b.Match(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	f.Revision, f.Seq = 2, 3
	f.Fixture.Home.ID = 44
	f.Topics = f.Fixture.Topics(1)
	in, _ := b.Apply(goalcast.Published{Event: f}, 3)
	if in == nil || in.Known != 0 {
		t.Error("a new team's followers are not sent the match")
	}
}
