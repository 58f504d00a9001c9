package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub/shard"
)

var testTime = time.Date(2026, 8, 22, 15, 0, 0, 0, time.UTC)

// TestRing compares resumes with a plain filter over all events, for any place to resume from.
func TestRing(t *testing.T) {
	r := ring{maxEvents: 100, maxBytes: 1 << 30}
	r.restart(goalcast.Cursor{Epoch: "e", Offset: 5})
	var all []*shard.Event
	for i := range uint64(400) {
		topics := []goalcast.Topic{goalcast.ForMatch(goalcast.MatchID(1 + rand.IntN(5))),
			goalcast.ForTeam(goalcast.TeamID(1 + rand.IntN(5))), goalcast.ForTeam(3)}
		p := goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: 6 + i},
			Event: goalcast.Event{Topics: topics}, Raw: []byte(`{}`)}
		m := shard.NewEvent(p, i, testTime, nil, 1)
		all = append(all, m)
		r.add(m)
		if len(r.events.list) > 100 {
			t.Fatal("too many events")
		}
		want := []goalcast.Topic{goalcast.ForMatch(goalcast.MatchID(1 + rand.IntN(6))),
			goalcast.ForTeam(goalcast.TeamID(1 + rand.IntN(6)))}
		since := 5 + rand.Uint64N(i+3)
		got, outcome := r.since(goalcast.Cursor{Epoch: "e", Offset: since}, want, 1<<30)
		switch {
		case since > r.last && outcome == goalcast.ResetAhead, since < r.first && outcome == goalcast.ResetTooOld:
			continue
		case outcome != resumed:
			t.Fatalf("since %d of %d to %d: %s", since, r.first, r.last, outcome)
		}
		var plain []*shard.Event
		for _, m := range all {
			if m.Cursor.Offset > since && slices.ContainsFunc(m.Topics, func(t goalcast.Topic) bool {
				return slices.Contains(want, t)
			}) {
				plain = append(plain, m)
			}
		}
		if !slices.Equal(got, plain) {
			t.Fatalf("since %d: %d events, want %d", since, len(got), len(plain))
		}
	}
	for _, m := range all {
		if got, want := r.at(m.Seq), slices.Contains(r.events.list, m); want && got != m || !want && got != nil {
			t.Errorf("event %d: found %v, in the ring %v", m.Seq, got != nil, want)
		}
	}
	indexed := 0
	for _, q := range r.topics {
		indexed += len(q.list)
	}
	if indexed > 300 {
		t.Errorf("%d entries in the index of 100 events", indexed)
	}
	small := ring{maxEvents: 100, maxBytes: 2000}
	small.restart(goalcast.Cursor{Epoch: "e"})
	for i := range uint64(100) {
		small.add(shard.NewEvent(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: 1 + i},
			Raw: fmt.Appendf(nil, `{"n":%d}`, i)}, i, testTime, nil, 1))
	}
	if small.bytes > 2000 || len(small.events.list) == 0 {
		t.Errorf("%d bytes in %d events", small.bytes, len(small.events.list))
	}
}

// A share of the time that makes no sense becomes the default.
func TestStateShare(t *testing.T) {
	for share, want := range map[float64]float64{0: 0.33, -1: 0.33, 2: 0.33, 1: 1, 0.1: 0.1} {
		if got := (Config{StateShare: share}).WithDefaults().StateShare; got != want {
			t.Errorf("a share of %v becomes %v", share, got)
		}
	}
}
