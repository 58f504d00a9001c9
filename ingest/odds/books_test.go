package odds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// theBus is what Redis does with steps, of one match.
type theBus struct {
	gate    goalcast.Gate
	version int64
	fence   int64
	prices  map[string]int64
}

func (b *theBus) step(s goalcast.OddsStep) goalcast.OddsDone {
	refused := func(why goalcast.OddsOutcome) goalcast.OddsDone {
		return goalcast.OddsDone{Outcome: why, Gate: b.version, Now: b.gate}
	}
	shuts := s.Set != nil && s.Set.State != goalcast.GateOpen
	switch {
	case s.Fence < b.fence && (s.Fence > 0 || !shuts):
		return refused(goalcast.OddsFenced)
	case shuts && s.Fence == 0 && b.version == 0, !shuts && s.Gate != b.version,
		s.Set == nil && b.gate.State != goalcast.GateOpen:
		return refused(goalcast.OddsShut)
	}
	b.fence = max(b.fence, s.Fence)
	if s.Set != nil {
		b.version, b.gate = b.version+1, *s.Set
		clear(b.prices)
	}
	listed := map[string]bool{}
	for _, p := range s.Prices {
		if listed[p.Key] = true; p.Removed() {
			delete(b.prices, p.Key)
		} else {
			b.prices[p.Key] = p.Version
		}
	}
	maps.DeleteFunc(b.prices, func(key string, _ int64) bool { return s.Image && !listed[key] })
	return goalcast.OddsDone{Gate: b.version}
}

const testMatch goalcast.MatchID = 7

// desk is books of two sources, "first" and "second", and a bus.
type desk struct {
	t     *testing.T
	books *Books
	bus   *theBus
	now   time.Time
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, bus: &theBus{prices: map[string]int64{}}, now: time.UnixMilli(1_790_000_000_000)}
	d.books = NewBooks([]SourceConfig{{Name: "second", Priority: 2, TTL: 3 * time.Second},
		{Name: "first", Priority: 1, TTL: 3 * time.Second}}, time.Second)
	return d
}

func priced(keys ...string) (markets []Market) {
	for _, key := range keys {
		status := Open
		if cut, ok := strings.CutPrefix(key, "-"); ok {
			key, status = cut, Suspended
		}
		markets = append(markets, Market{Key: key, Status: status, Selections: []Selection{{Key: "home", Price: 2000}}})
	}
	return markets
}

// publish does what the runner does in a step, until there is no more to say.
func (d *desk) publish() {
	d.t.Helper()
	for range 5 {
		steps := d.books.Steps(1, d.now)
		if len(steps) == 0 {
			return
		}
		for _, s := range steps {
			d.books.Done(s, d.bus.step(s), d.now)
		}
	}
	d.t.Fatal("there is always something to publish")
}

// want publishes and compares the bus with "open: 1x2, ou:2.5" or "suspended goal".
func (d *desk) want(what, want string) {
	d.t.Helper()
	d.publish()
	got := strings.TrimSpace(fmt.Sprintf("%s %s", d.bus.gate.State, d.bus.gate.Reason))
	if keys := slices.Sorted(maps.Keys(d.bus.prices)); len(keys) > 0 {
		got += ": " + strings.Join(keys, ", ")
	}
	if got != want {
		d.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// pass lets time go by while sources are heard.
func (d *desk) pass(by time.Duration, sources ...string) {
	for until := d.now.Add(by); d.now.Before(until); {
		d.now = d.now.Add(500 * time.Millisecond)
		for _, s := range sources {
			d.books.Heard(s, d.now)
		}
		d.publish()
	}
}

// shutByIngest is what another process does before it publishes a goal.
func (d *desk) shutByIngest(reason goalcast.GateReason) {
	d.bus.step(goalcast.OddsStep{Set: &goalcast.Gate{State: goalcast.GateSuspended, Reason: reason}})
}

func TestPricesOfASourceAreShown(t *testing.T) {
	d := newDesk(t)
	d.books.Change("first", testMatch, priced("1x2"), d.now)
	d.want("deltas without an image", "suspended connection")
	d.books.Image("first", testMatch, priced("1x2", "ou:2.5"), d.now)
	d.want("an image", "open: 1x2, ou:2.5")
	d.books.Change("first", testMatch, priced("btts"), d.now)
	d.want("one more", "open: 1x2, btts, ou:2.5")
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.want("an image without the others", "open: 1x2")
	d.books.Suspend("first", testMatch, nil, d.now)
	d.want("all suspended", "suspended provider")
	d.books.Change("first", testMatch, priced("ou:2.5"), d.now)
	d.want("opened by the provider", "open: 1x2, ou:2.5")
}

func TestASourceThatIsNotHeardIsShut(t *testing.T) {
	d := newDesk(t)
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.pass(10*time.Second, "first")
	d.want("heard", "open: 1x2")
	d.pass(3 * time.Second)
	d.want("for its time to live", "open: 1x2")
	d.pass(500 * time.Millisecond)
	d.want("and longer", "suspended silent")
	d.books.Change("first", testMatch, priced("1x2"), d.now)
	d.want("a delta: what was missed meanwhile?", "suspended silent")
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.want("an image", "open: 1x2")
	d.books.Down("first", goalcast.GateProvider)
	d.want("the provider's own word", "suspended provider")
	d.books.Heard("first", d.now)
	d.want("a heartbeat", "suspended provider")
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.want("an image after it", "open: 1x2")
}

func TestAGoalShutsUntilThePricesKnowOfIt(t *testing.T) {
	goal := goalcast.Event{Match: testMatch, Kind: goalcast.KindGoal, Status: goalcast.Confirmed}
	start := func(t *testing.T) *desk {
		d := newDesk(t)
		d.books.Image("first", testMatch, priced("1x2"), d.now)
		d.want("before", "open: 1x2")
		return d
	}
	t.Run("the provider suspends later", func(t *testing.T) {
		d := start(t)
		d.shutByIngest(goalcast.GateGoal)
		d.books.Change("first", testMatch, priced("1x2"), d.now) // it was on its way
		d.want("a price that does not know", "suspended goal")
		d.books.Event(goal, d.now)
		d.want("heard over the bus", "suspended goal")
		d.books.Change("first", testMatch, priced("-1x2"), d.now)
		d.want("suspended by the provider too", "suspended goal")
		d.pass(10*time.Second, "first")
		d.books.Change("first", testMatch, priced("1x2"), d.now)
		d.want("opened by the provider", "open: 1x2")
	})
	t.Run("the provider was faster", func(t *testing.T) {
		d := start(t)
		d.books.Change("first", testMatch, priced("-1x2"), d.now)
		d.want("suspended market", "open: 1x2")
		d.shutByIngest(goalcast.GateGoal)
		d.books.Event(goal, d.now)
		d.want("goal", "suspended goal")
		d.books.Change("first", testMatch, priced("1x2"), d.now)
		d.want("opened by the provider", "open: 1x2")
	})
	t.Run("the provider never suspends", func(t *testing.T) {
		d := start(t)
		d.shutByIngest(goalcast.GateGoal)
		d.books.Event(goal, d.now)
		d.pass(settleTime-time.Second, "first")
		d.books.Change("first", testMatch, priced("1x2"), d.now)
		d.want("within the time", "suspended goal")
		d.pass(time.Second, "first")
		d.want("after it", "open: 1x2")
	})
	t.Run("nobody says the end of a review", func(t *testing.T) {
		d := start(t)
		review := goalcast.Event{Match: testMatch, Kind: goalcast.KindVAR, VAR: &goalcast.VAR{Outcome: "under_review"}}
		d.books.Event(review, d.now)
		d.pass(reviewTime-time.Second, "first")
		d.want("within the time", "suspended review")
		d.pass(time.Second, "first")
		d.want("after it", "open: 1x2")
		d.books.Event(review, d.now)
		d.books.Change("first", testMatch, priced("-1x2"), d.now)
		review.VAR = &goalcast.VAR{Outcome: "confirmed"}
		d.books.Event(review, d.now)
		d.want("decided", "suspended goal")
		d.books.Change("first", testMatch, priced("1x2"), d.now)
		d.want("and priced", "open: 1x2")
	})
	t.Run("the match ends", func(t *testing.T) {
		d := start(t)
		end := goalcast.Event{Match: testMatch, Kind: goalcast.KindPeriod, Period: goalcast.FullTime,
			Status: goalcast.Confirmed}
		d.books.Event(end, d.now)
		d.want("over", "closed finished")
		end.Status = goalcast.Cancelled
		d.books.Event(end, d.now)
		d.want("not over", "open: 1x2")
	})
}

func TestTwoSources(t *testing.T) {
	d := newDesk(t)
	d.books.Image("second", testMatch, priced("b1", "b2"), d.now)
	d.want("the only one", "open: b1, b2")
	d.books.Image("first", testMatch, priced("a1"), d.now)
	d.want("a better one has just come", "open: b1, b2")
	d.pass(healthTime, "first", "second")
	d.want("it has been well for a while", "open: a1")
	d.books.Change("second", testMatch, priced("b3"), d.now)
	d.want("the other one's prices", "open: a1")
	d.books.Down("first", goalcast.GateProvider)
	d.want("down", "open: b1, b2, b3")
	d.books.Image("first", testMatch, priced("a2"), d.now)
	d.want("up again", "open: b1, b2, b3")
	d.pass(healthTime/2, "first", "second")
	d.books.Down("first", goalcast.GateProvider)
	d.books.Image("first", testMatch, priced("a3"), d.now)
	d.pass(healthTime-time.Second, "first", "second")
	d.want("it flapped", "open: b1, b2, b3")
	d.books.Down("second", goalcast.GateProvider)
	d.want("no other is left", "open: a3")
	d.books.Down("first", goalcast.GateConnection)
	d.want("none", "suspended connection")
}

// Who takes a source over asks the bus first what has happened.
func TestTakingOver(t *testing.T) {
	d := newDesk(t)
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.want("before", "open: 1x2")
	d.shutByIngest(goalcast.GateGoal)
	bus := d.bus
	d = newDesk(t)
	d.bus = bus
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.want("taken over in a goal's second", "suspended goal")
	d.books.Change("first", testMatch, priced("-1x2"), d.now)
	d.want("the provider has heard of it", "suspended goal")
	d.books.Change("first", testMatch, priced("1x2"), d.now)
	d.want("and is done", "open: 1x2")

	*d.bus = theBus{prices: map[string]int64{}} // Redis lost its memory
	d.books.Change("first", testMatch, priced("1x2"), d.now)
	d.want("wiped", "open: 1x2")
}

func TestShutByHand(t *testing.T) {
	d := newDesk(t)
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.books.Shut(testMatch, goalcast.GateOperator)
	d.want("shut", "suspended operator")
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.want("a new image", "suspended operator")
	d.books.Shut(testMatch, "")
	d.want("let go", "open: 1x2")
}

func TestVersionsOfPricesGoUp(t *testing.T) {
	d := newDesk(t)
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.publish()
	last := d.bus.prices["1x2"]
	for i := range 5 {
		d.now = d.now.Add(time.Duration(1-i%2*2) * time.Second) // the clock goes back and forth
		d.books.Change("first", testMatch, priced("1x2"), d.now)
		d.publish()
		if v := d.bus.prices["1x2"]; v <= last {
			t.Errorf("%d after %d", v, last)
		}
		last = d.bus.prices["1x2"]
	}
}

// An open gate is vouched for once in a beat, and no more often.
func TestBeats(t *testing.T) {
	d := newDesk(t)
	d.books.Image("first", testMatch, priced("1x2"), d.now)
	d.publish()
	beats := 0
	for range 40 {
		d.now = d.now.Add(250 * time.Millisecond)
		d.books.Heard("first", d.now)
		for _, s := range d.books.Steps(1, d.now) {
			d.books.Done(s, d.bus.step(s), d.now)
			beats++
		}
	}
	if beats != 10 {
		t.Errorf("%d beats in 10 s", beats)
	}
}
