package bus

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store/bus/bustest"
)

func TestBusKeepsOrderAndDropsRepeats(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, Options{})
		early := r.listen()
		for seq := int64(1); seq <= 250; seq += 50 {
			r.publish(append(goals(1, seq, seq+49), goals(2, seq, seq+49)...)...)
			r.publish(goals(1, max(1, seq-20), seq+49)...) // again, all of them known
		}
		r.publish(message("message:1", `"a"`))
		r.publish(message("message:1", `"a"`))
		late := r.another().listen()
		for _, e := range []*bustest.Recorder{early, late} {
			e.Until("all events", func() bool { return len(e.Events) >= 501 })
			for match := goalcast.MatchID(1); match <= 2; match++ {
				if got := e.Seqs(match); !slices.Equal(got, sequence(1, 250)) {
					t.Errorf("match %d: %v", match, got)
				}
			}
			if len(e.Events) != 501 || len(e.Resets) != 1 || e.Resets[0].Offset != 0 {
				t.Errorf("%d events and resets %v, want 501 and one", len(e.Events), e.Resets)
			}
		}
	})
}

func TestBusRefusesHoles(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, Options{})
		e := r.listen()
		r.publishAll(goals(1, 5, 6)...) // nothing is known of the match: taken
		fresh, held, err := r.bus.Publish(t.Context(), append(goals(1, 8, 9), goals(2, 1, 1)...))
		if err != nil || fresh != 1 || len(held) != 2 || held[0].Seq != 8 || held[1].Seq != 9 {
			t.Errorf("publish 8 and 9 after 6 = %d, %v, %v; want both held", fresh, held, err)
		}
		if fresh, held, err := r.bus.Publish(t.Context(), goals(3, 2, 2)); err != nil || fresh != 0 || len(held) != 1 {
			t.Errorf("publish 2 of an unknown match = %d, %v, %v; want it held", fresh, held, err)
		}
		for range 2 { // the second time all are known
			r.publish(goals(1, 7, 9)...)
		}
		e.Until("5 of match 1, 1 of match 2", func() bool { return len(e.Events) == 6 })
		if got := testutil.ToFloat64(r.bus.metrics.published); got != 6 {
			t.Errorf("published = %v, want 6", got)
		}
		if got := e.Seqs(1); !slices.Equal(got, sequence(5, 9)) {
			t.Errorf("heard %v, want 5 to 9", got)
		}
	})
}

func TestBusHandsOutHistory(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, Options{History: 700})
		r.publish(goals(1, 1, 1500)...)
		e := r.listen()
		if got := e.Seqs(1); !slices.Equal(got, sequence(801, 1500)) {
			t.Errorf("heard %d events, want 801 to 1500", len(got))
		}
		if got := testutil.ToFloat64(r.bus.metrics.gaps); got != 0 {
			t.Errorf("gaps = %v, want none: history is no gap", got)
		}
		r.publish(goals(1, 1501, 1501)...)
		e.Until("the next one", func() bool { return len(e.Events) == 701 })
	})
}

func TestListenEndsCleanly(t *testing.T) {
	t.Parallel()
	r := newRig(t, testservers.Redis(t), Options{})
	e := r.listen()
	if err := r.bus.Listen(t.Context(), e); err == nil {
		t.Error("two listen at once")
	}
}

// Installations that share a Redis, by another prefix or another database of it, hear, know and do
// nothing of each other.
func TestTwoInstallationsOnOneRedis(t *testing.T) {
	t.Parallel()
	url := testservers.Redis(t)
	for _, tt := range []struct {
		name   string
		a, b   string // databases
		prefix string // of b
	}{{"databases", "/0", "/1", ""}, {"prefixes", "/0", "/0", "staging"}} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newRig(t, url+tt.a, Options{}), newRig(t, url+tt.b, Options{Prefix: tt.prefix})
			ears := []*bustest.Recorder{a.listen(), b.listen()}
			for _, r := range []*rig{a, b} {
				if _, _, err := r.bus.Follow(t.Context(), goalcast.ForMatch(1)); err != nil {
					t.Fatal(err)
				}
			}
			a.publish(goals(1, 1, 3)...)
			b.publish(goals(1, 1, 2)...) // the same numbers: known to the other
			a.set(lineOf(1, "home", 5))
			b.set(lineOf(1, "home", 4), lineOf(1, "away", 1)) // older than the other's
			ears[0].Until("its own", func() bool {
				return len(ears[0].Events) == 3 &&
					ears[0].States["match:1/commentary/home"].Version == 5
			})
			ears[1].Until("its own", func() bool {
				return len(ears[1].Events) == 2 && ears[1].States["match:1/commentary/home"].Version == 4 &&
					ears[1].States["match:1/commentary/away"].Version == 1
			})
			// One more each, behind whatever might have come from the other.
			a.set(lineOf(1, "last", 1))
			b.set(lineOf(1, "last", 1))
			for i, e := range ears {
				e.Until("the last", func() bool { return e.States["match:1/commentary/last"].Version == 1 })
				e.Lock()
				if _, heard := e.States["match:1/commentary/away"]; heard != (i == 1) || len(e.Events) != 3-i ||
					len(e.Resets) != 1 {
					t.Errorf("installation %d heard %v, states %v, resets %v", i, e.All, e.States, e.Resets)
				}
				e.Unlock()
			}
			queues := []*Queue{NewQueue(a.redis, QueueOptions{}, testLog(t), prometheus.NewRegistry()),
				NewQueue(b.redis, QueueOptions{Prefix: tt.prefix}, testLog(t), prometheus.NewRegistry())}
			for i, q := range queues {
				if err := q.Enqueue(t.Context(), goalcast.Task{Kind: fmt.Sprintf("owner%d:do", i),
					ID: "one"}); err != nil {
					t.Fatal(err)
				}
				q.Handle("owner0:do", nil)
				for name := range q.config().Queues {
					if got, ours := q.names.ownQueue(name); !ours || got != "owner0.urgent" && got != "owner0.default" {
						t.Errorf("installation %d works on %s", i, name)
					}
				}
			}
			for i, q := range queues {
				states, err := q.Queues(t.Context())
				if err != nil || len(states) != 1 || states[0].Name != fmt.Sprintf("owner%d.default", i) ||
					states[0].Waiting != 1 {
					t.Errorf("queues of installation %d: %+v, %v", i, states, err)
				}
			}
		})
	}
}

// What the outbox gives back is taken for the event that was put there; another telling is not.
func TestFingerprintOutlivesTheOutbox(t *testing.T) {
	t.Parallel()
	e := goalcast.Event{ID: "a", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Seq: 3, Match: 7,
		Player: &goalcast.Player{ID: 1, Name: "<b>"}, Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
		Score: &goalcast.Score{Home: 1}, At: time.Now().In(time.FixedZone("", 3600)), Lineup: &goalcast.Lineup{},
		Clip: &goalcast.Clip{Include: []string{}}, Topics: []goalcast.Topic{goalcast.ForMatch(7)},
		Times: goalcast.Times{Received: 1}}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var back goalcast.Event
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	back.Times = goalcast.Times{Received: 2, Published: 3}
	if fingerprint(back) != fingerprint(e) {
		t.Error("an event that was kept is another")
	}
	back.Goal = &goalcast.Goal{Type: goalcast.OpenPlay, Assist: &goalcast.Player{ID: 2}}
	if fingerprint(back) == fingerprint(e) {
		t.Error("a goal with an assist is the one without")
	}
}
