package store

import (
	"testing"
	"time"

	"goalcast"
)

// The canary match can be read, and is in no list; partners are not told of it; its revisions go
// when they are old and on the bus.
func TestCanaryMatch(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		score := func(match goalcast.MatchID, seq int64) goalcast.Event {
			e := goalcast.Event{ID: "goal", Revision: int(seq), Seq: seq, Match: match, Kind: goalcast.KindGoal,
				Status: goalcast.Confirmed, Topics: []goalcast.Topic{goalcast.ForMatch(match)},
				Times: goalcast.Times{Received: time.Now().UnixMilli()}}
			if err := s.UpdateMatch(ctx, match, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
				error) {
				r.Snapshot = goalcast.Apply(r.Snapshot, e)
				return r, []goalcast.Event{e}, nil
			}); err != nil {
				t.Fatal(err)
			}
			return e
		}
		first := score(goalcast.CanaryMatch, 1)
		score(goalcast.CanaryMatch, 2)
		score(7, 1)
		list, err := s.Matches(ctx, goalcast.MatchFilter{Unplanned: true, From: time.Now().Add(-time.Hour)})
		if err != nil || len(list) != 1 || list[0].ID != 7 {
			t.Errorf("listed: %+v, %v", list, err)
		}
		if m, err := s.Match(ctx, goalcast.CanaryMatch); err != nil || m.Seq != 2 {
			t.Errorf("by its id: seq %d, %v", m.Seq, err)
		}
		if n, err := s.NumberEvents(ctx, 10); err != nil || n != 1 {
			t.Errorf("partners are told of %d events: %v", n, err)
		}
		if err := s.markPublished(ctx, []goalcast.Event{first}, s.Now()); err != nil {
			t.Fatal(err)
		}
		if n, err := s.PruneCanary(ctx, s.Now().Add(-time.Hour)); err != nil || n != 0 {
			t.Errorf("of the last hour %d are deleted: %v", n, err)
		}
		if n, err := s.PruneCanary(ctx, s.Now().Add(time.Hour)); err != nil || n != 1 {
			t.Errorf("%d are deleted, and 1 is on the bus: %v", n, err)
		}
		if left, err := s.Events(ctx, goalcast.CanaryMatch, 0, 10); err != nil || len(left) != 1 || left[0].Seq != 2 {
			t.Errorf("left: %+v, %v", left, err)
		}
		if other, err := s.Events(ctx, 7, 0, 10); err != nil || len(other) != 1 {
			t.Errorf("of another match: %+v, %v", other, err)
		}
	})
}
