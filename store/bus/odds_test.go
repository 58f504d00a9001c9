package bus

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store/bus/bustest"
)

// oddsRig is a bus with a book of one match, and who listens to it.
type oddsRig struct {
	*rig
	topic goalcast.Topic
	heard *bustest.Recorder
	now   time.Time
}

func newOddsRig(t *testing.T, url string) *oddsRig {
	r := &oddsRig{rig: newRig(t, url, Options{}), topic: goalcast.ForOdds(1), now: time.UnixMilli(1_790_000_000_000)}
	r.heard = r.listen()
	if _, _, err := r.bus.Follow(t.Context(), r.topic); err != nil {
		t.Fatal(err)
	}
	return r
}

// step publishes one step and says what became of it.
func (r *oddsRig) step(step goalcast.OddsStep) goalcast.OddsDone {
	r.t.Helper()
	step.Topic = r.topic
	done, err := r.bus.PublishOdds(r.t.Context(), r.now, []goalcast.OddsStep{step})
	if err != nil {
		r.t.Fatal(err)
	}
	return done[0]
}

func (r *oddsRig) want(what string, got goalcast.OddsDone, want goalcast.OddsOutcome) int64 {
	r.t.Helper()
	if got.Outcome != want {
		r.t.Fatalf("%s: outcome %d, want %d", what, got.Outcome, want)
	}
	return got.Gate
}

// book is what the bus has: "1x2@3", or "!shut goal" for the gate.
func (r *oddsRig) book() string {
	r.t.Helper()
	list, err := r.bus.latest(r.t.Context(), r.topic)
	if err != nil {
		r.t.Fatal(err)
	}
	var text []string
	for _, s := range list {
		if s.Key == goalcast.GateKey {
			g := goalcast.ReadGate(s.Value)
			text = append(text, strings.TrimSpace(fmt.Sprintf("!%s %s", g.State, g.Reason)))
			continue
		}
		text = append(text, fmt.Sprintf("%s@%d", s.Key, s.Version))
	}
	return strings.Join(text, ", ")
}

func (r *oddsRig) prices(version int64, keys ...string) (list []goalcast.State) {
	for _, key := range keys {
		list = append(list, goalcast.State{Topic: r.topic, Key: key, Version: version, Value: []byte(`{"st":"open"}`)})
	}
	return list
}

func gate(state goalcast.GateState, reason goalcast.GateReason) *goalcast.Gate {
	return &goalcast.Gate{State: state, Reason: reason, Since: 1}
}

var openGate = gate(goalcast.GateOpen, "")

func TestNoPriceGetsPastAShutGate(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newOddsRig(t, url)
		r.want("prices before any gate", r.step(goalcast.OddsStep{Fence: 1, Prices: r.prices(1, "1x2")}),
			goalcast.OddsShut)
		v := r.want("open", r.step(goalcast.OddsStep{Fence: 1, Set: openGate, Image: true,
			Prices: r.prices(1, "1x2", "ou:2.5")}), goalcast.OddsPublished)
		r.want("a change", r.step(goalcast.OddsStep{Fence: 1, Gate: v, Prices: r.prices(2, "1x2")}),
			goalcast.OddsPublished)
		if got := r.book(); got != "!open, 1x2@2, ou:2.5@1" {
			t.Error(got)
		}
		r.heard.Until("the change", func() bool { return r.heard.States["odds:1/1x2"].Version == 2 })

		shut := r.want("a goal, of somebody without a fence",
			r.step(goalcast.OddsStep{Set: gate(goalcast.GateSuspended, goalcast.GateGoal)}), goalcast.OddsPublished)
		if got := r.book(); got != "!suspended goal" || shut <= v {
			t.Errorf("%s, gate %d after %d", got, shut, v)
		}
		late := r.step(goalcast.OddsStep{Fence: 1, Gate: v, Prices: r.prices(3, "1x2")})
		if r.want("prices of who has not heard of it", late, goalcast.OddsShut) != shut {
			t.Errorf("told gate %d, want %d", late.Gate, shut)
		}
		r.want("opened by who has not heard of it", r.step(goalcast.OddsStep{Fence: 1, Gate: v, Set: openGate}),
			goalcast.OddsShut)
		r.want("prices while it is shut", r.step(goalcast.OddsStep{Fence: 1, Gate: shut, Prices: r.prices(3, "1x2")}),
			goalcast.OddsShut)
		r.want("opened by who knows", r.step(goalcast.OddsStep{Fence: 1, Gate: shut, Set: openGate, Image: true,
			Prices: r.prices(4, "1x2")}), goalcast.OddsPublished)
		if got := r.book(); got != "!open, 1x2@4" {
			t.Error(got)
		}
	})
}

func TestWhoLostASourcePublishesNothing(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newOddsRig(t, url)
		v := r.want("the first", r.step(goalcast.OddsStep{Fence: 7, Set: openGate, Prices: r.prices(1, "1x2")}),
			goalcast.OddsPublished)
		v = r.want("the next takes over", r.step(goalcast.OddsStep{Fence: 8, Gate: v, Set: openGate,
			Prices: r.prices(2, "1x2")}), goalcast.OddsPublished)
		for what, step := range map[string]goalcast.OddsStep{
			"prices": {Fence: 7, Gate: v, Prices: r.prices(3, "1x2")},
			"a gate": {Fence: 7, Gate: v, Set: openGate},
			"shut":   {Fence: 7, Set: gate(goalcast.GateSuspended, goalcast.GateSilent)},
			"a beat": {Fence: 7, Gate: v},
		} {
			r.want(what, r.step(step), goalcast.OddsFenced)
		}
		if got := r.book(); got != "!open, 1x2@2" {
			t.Error(got)
		}
		r.want("shut by anybody", r.step(goalcast.OddsStep{Set: gate(goalcast.GateSuspended, goalcast.GateReview)}),
			goalcast.OddsPublished)
		r.want("the fence outlives it", r.step(goalcast.OddsStep{Fence: 7, Gate: v, Set: openGate}),
			goalcast.OddsFenced)
	})
}

func TestAnImageRemovesWhatIsNotInIt(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newOddsRig(t, url)
		v := r.want("open", r.step(goalcast.OddsStep{Fence: 1, Set: openGate, Image: true,
			Prices: r.prices(5, "1x2", "ou:2.5", "btts")}), goalcast.OddsPublished)
		r.heard.Until("prices", func() bool { return len(r.heard.States) == 4 })
		r.want("an image", r.step(goalcast.OddsStep{Fence: 1, Gate: v, Image: true, Prices: r.prices(6, "1x2")}),
			goalcast.OddsPublished)
		if got := r.book(); got != "!open, 1x2@6" {
			t.Error(got)
		}
		r.heard.Until("what is gone", func() bool {
			gone := func(key string) bool { // said so, or not in what was read
				s, known := r.heard.States["odds:1/"+key]
				return !known || string(s.Value) == "null" && s.Version > 5
			}
			return gone("ou:2.5") && gone("btts") && r.heard.States["odds:1/1x2"].Version == 6
		})
		none := r.prices(7, "1x2")
		none[0].Value = nil
		r.want("one that is taken away", r.step(goalcast.OddsStep{Fence: 1, Gate: v, Prices: none}),
			goalcast.OddsPublished)
		if got := r.book(); got != "!open" {
			t.Error(got)
		}
	})
}

func TestPricesThatNobodyVouchesForAreNotGiven(t *testing.T) {
	r := newOddsRig(t, testservers.Redis(t))
	odds := func(want string) {
		t.Helper()
		gate, prices, err := r.bus.Odds(t.Context(), 1, r.now)
		if got := fmt.Sprint(gate.State, gate.Reason, len(prices)); err != nil || got != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	odds("0")
	v := r.want("open", r.step(goalcast.OddsStep{Fence: 1, Set: openGate, Prices: r.prices(1, "1x2", "btts")}),
		goalcast.OddsPublished)
	odds("open2")
	r.now = r.now.Add(goalcast.GateSilence + time.Millisecond)
	odds("suspendedsilent0")
	r.want("a beat", r.step(goalcast.OddsStep{Fence: 1, Gate: v}), goalcast.OddsPublished)
	odds("open2")
	r.want("an image", r.step(goalcast.OddsStep{Fence: 1, Gate: v, Image: true, Prices: r.prices(2, "1x2")}),
		goalcast.OddsPublished)
	odds("open1")
	r.want("a goal", r.step(goalcast.OddsStep{Set: gate(goalcast.GateSuspended, goalcast.GateGoal)}),
		goalcast.OddsPublished)
	odds("suspendedgoal0")
}

// A step without anything in it tells that what is shown is still right.
func TestABeatIsHeard(t *testing.T) {
	r := newOddsRig(t, testservers.Redis(t))
	v := r.want("open", r.step(goalcast.OddsStep{Fence: 1, Set: openGate}), goalcast.OddsPublished)
	count := func() int {
		return len(slices.Collect(maps.Keys(r.heard.States)))
	}
	r.heard.Until("the gate", func() bool { return count() == 1 })
	r.heard.Lock()
	clear(r.heard.States)
	r.heard.Unlock()
	r.want("a beat", r.step(goalcast.OddsStep{Fence: 1, Gate: v}), goalcast.OddsPublished)
	r.heard.Until("the beat", func() bool { return r.heard.States["odds:1/!"].Version == v })
}

// A goal shuts the gate before it is told, whoever publishes it; where there are no prices it makes
// no gate, and a correction days later shuts nothing.
func TestAGoalShutsTheGate(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newOddsRig(t, url)
		r.want("open", r.step(goalcast.OddsStep{Fence: 1, Set: openGate, Image: true, Prices: r.prices(1, "1x2")}),
			goalcast.OddsPublished)
		r.heard.Until("the price", func() bool { return r.heard.States["odds:1/1x2"].Version == 1 })
		old := goals(1, 1, 1)
		old[0].Times.Received = time.Now().Add(-time.Hour).UnixMilli()
		r.publish(old...)
		if got := r.book(); got != "!open, 1x2@1" {
			t.Errorf("after an old goal: %s", got)
		}
		r.publish(append(goals(1, 2, 2), goals(2, 1, 1)...)...)
		if got := r.book(); got != "!suspended goal" {
			t.Errorf("after a goal: %s", got)
		}
		r.topic = goalcast.ForOdds(2)
		if got := r.book(); got != "" {
			t.Errorf("of a match without prices: %s", got)
		}
		r.heard.Until("gate and goal", func() bool {
			gate := goalcast.ReadGate(r.heard.States["odds:1/!"].Value)
			return gate.Reason == goalcast.GateGoal && len(r.heard.Events) == 3
		})
	})
}

// The clock of who publishes may go back: versions of the gate go up all the same.
func TestGatesGoUpWhateverTheClockSays(t *testing.T) {
	r := newOddsRig(t, testservers.Redis(t))
	var last int64
	for i := range 4 {
		r.now = r.now.Add(time.Duration(i%2*2-1) * time.Hour)
		v := r.want("a gate", r.step(goalcast.OddsStep{Fence: 1, Gate: last, Set: openGate}), goalcast.OddsPublished)
		if v <= last {
			t.Errorf("%d after %d", v, last)
		}
		last = v
	}
}

func TestOddsThatAreWrongAreRefused(t *testing.T) {
	r := newOddsRig(t, testservers.Redis(t))
	other := r.prices(1, "1x2")
	other[0].Topic = goalcast.ForOdds(2)
	for what, step := range map[string]goalcast.OddsStep{
		"nobody's prices":       {Prices: r.prices(1, "1x2")},
		"nobody's open gate":    {Set: openGate},
		"another match's price": {Fence: 1, Prices: other},
		"a gate as a price":     {Fence: 1, Prices: r.prices(1, goalcast.GateKey)},
		"a fence as a price":    {Fence: 1, Prices: r.prices(1, fenceKey)},
		"a negative version":    {Fence: 1, Prices: r.prices(-1, "1x2")},
	} {
		step.Topic = r.topic
		_, err := r.bus.PublishOdds(t.Context(), r.now, []goalcast.OddsStep{step})
		if !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
