package store

import (
	"fmt"
	"reflect"
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
			list, err := s.RecentPushes(t.Context(), 5)
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
