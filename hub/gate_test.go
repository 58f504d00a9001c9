package hub_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
)

// setGate has the bus keep a gate of a match's prices and tell it. Shutting it
// takes the prices away.
func (w *world) setGate(match goalcast.MatchID, version int64, state goalcast.GateState, reason goalcast.GateReason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	topic := goalcast.ForOdds(match)
	st := goalcast.State{Topic: topic, Key: goalcast.GateKey, Version: version,
		Value: goalcast.Gate{State: state, Reason: reason, Since: version}.Encode()}
	w.states[topic] = slices.DeleteFunc(w.states[topic], func(old goalcast.State) bool {
		return old.Key == goalcast.GateKey || state != goalcast.GateOpen
	})
	w.states[topic] = append(w.states[topic], st)
	for _, n := range w.nodes {
		n.State(st)
	}
}

// shown reads what a viewer is told of a match's prices: "!open", "1x2=3".
func shown(t *testing.T, v viewer) string {
	t.Helper()
	all := until(t, v, goalcast.FrameState)
	return text(*all[len(all)-1].State)
}

func text(st goalcast.State) string {
	if st.Key == goalcast.GateKey {
		g := goalcast.ReadGate(st.Value)
		return fmt.Sprintf("!%s %s", g.State, g.Reason)
	}
	var price struct{ Price int64 }
	_ = json.Unmarshal(st.Value, &price)
	return fmt.Sprintf("%s=%d", st.Key, price.Price)
}

// TestAGateOvertakesPrices: a viewer who wants prices seldom hears of the gate at once, and never
// gets the prices that it made void.
func TestAGateOvertakesPrices(t *testing.T) {
	for _, e := range engines {
		for _, kind := range []string{"gobwas", "deflate", "context", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				cfg := e.cfg
				cfg.StateInterval = time.Millisecond
				n := start(t, w, cfg, e.tls)
				w.fixture(1)
				w.setGate(1, 1, goalcast.GateOpen, "")
				w.state(1, "1x2", 1)
				q := query("odds:1", goalcast.Cursor{})
				q.Set("conflate_ms", "60000")
				v := kinds[kind](t, n, q)
				snapshot := until(t, v, goalcast.FrameSnapshot)
				if s := snapshot[len(snapshot)-1]; len(s.States) != 1 || text(s.States[0]) != "!suspended start" {
					t.Errorf("what nobody has vouched for yet: %s", s.raw)
				}
				w.setGate(1, 1, goalcast.GateOpen, "") // somebody vouches for it
				for _, want := range []string{"!open ", "1x2=1"} {
					if got := shown(t, v); got != want {
						t.Fatalf("%q, want %q", got, want)
					}
				}
				wait(t, "how long that took", func() bool {
					return n.metric(t, "goalcast_hub_state_write_seconds", "") > 0
				})
				w.state(1, "1x2", 2) // in a minute
				w.setGate(1, 2, goalcast.GateSuspended, goalcast.GateGoal)
				if got := shown(t, v); got != "!suspended goal" {
					t.Fatalf("%q", got)
				}
				w.state(1, "1x2", 3) // of who has not heard of it
				w.setGate(1, 3, goalcast.GateOpen, "")
				w.setGate(1, 4, goalcast.GateClosed, goalcast.GateFinished)
				for _, want := range []string{"!open ", "!closed finished"} {
					if got := shown(t, v); got != want {
						t.Fatalf("%q, want %q", got, want)
					}
				}
			})
		}
	}
}

// TestASilentBusShutsGates: at once, at this hub; and they open with the first word after it.
func TestASilentBusShutsGates(t *testing.T) {
	everyway(t, hub.Config{StateInterval: time.Millisecond}, func(t *testing.T, w *world, n *node,
		dial func(string, goalcast.Cursor) viewer) {
		w.fixture(1)
		v := dial("odds:1", goalcast.Cursor{})
		until(t, v, goalcast.FrameSnapshot)
		w.setGate(1, 1, goalcast.GateOpen, "")
		w.state(1, "1x2", 1)
		awaitShown(t, v, "1x2=1")
		n.Stale(true)
		awaitShown(t, v, "!suspended bus")
		w.state(1, "1x2", 2)
		n.Stale(false)
		awaitShown(t, v, "!suspended silent")
		w.setGate(1, 1, goalcast.GateOpen, "")
		awaitShown(t, v, "1x2=2")
	})
}

// TestAGoalShutsTheGateAtAHubThatHasNotHeardOfIt: who publishes a goal shuts the gate first, but
// events and prices come to a hub over different connections. The goal is not seen beside a price
// from before, whichever is faster, nor is one behind it until the bus has told of a newer gate.
func TestAGoalShutsTheGateAtAHubThatHasNotHeardOfIt(t *testing.T) {
	for _, e := range engines {
		for _, kind := range []string{"gobwas", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				cfg := e.cfg
				cfg.StateInterval = time.Millisecond
				n := start(t, w, cfg, e.tls)
				w.fixture(1)
				v := kinds[kind](t, n, query("match:1,odds:1", goalcast.Cursor{}))
				until(t, v, goalcast.FrameSnapshot)
				until(t, v, goalcast.FrameSnapshot)
				w.setGate(1, 1, goalcast.GateOpen, "")
				w.state(1, "1x2", 1)
				awaitShown(t, v, "1x2=1")
				w.goal(1, 1)
				gate, told := "!open ", false
				next := func() (price string) {
					f, err := v.next(t)
					switch {
					case err != nil:
						t.Fatal(err)
					case f.Event != nil:
						told = true
					case f.State != nil && f.State.Key == goalcast.GateKey:
						gate = text(*f.State)
					case f.State != nil && gate == "!open ":
						return text(*f.State)
					}
					return ""
				}
				for !told {
					next()
				}
				if gate != "!suspended goal" {
					t.Fatalf("the goal comes behind %q", gate)
				}
				w.setGate(1, 1, goalcast.GateOpen, "") // of who has not heard of the goal
				w.state(1, "1x2", 2)
				w.setGate(1, 2, goalcast.GateSuspended, goalcast.GateGoal)
				w.setGate(1, 3, goalcast.GateOpen, "")
				w.state(1, "1x2", 3)
				for price := ""; price != "1x2=3"; price = next() {
					if price != "" {
						t.Fatalf("behind the goal %q is shown", price)
					}
				}
			})
		}
	}
}

// awaitShown reads until the viewer is told something of the prices; a poll begins with a snapshot
// each time.
func awaitShown(t *testing.T, v viewer, want string) {
	t.Helper()
	for {
		f, err := v.next(t)
		if err != nil {
			t.Fatalf("waiting for %q: %v", want, err)
		}
		if f.State != nil && text(*f.State) == want {
			return
		}
		for _, st := range f.States {
			if text(st) == want {
				return
			}
		}
	}
}
