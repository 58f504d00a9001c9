package odds

import (
	"fmt"
	"testing"
	"time"

	"goalcast"
)

// told has an image of an event of the source "first" taken in, as the sink does.
func (d *desk) told(event string, match goalcast.MatchID, keys ...string) goalcast.MatchID {
	id := d.books.place(eventKey{"first", event}, match, d.now)
	if id != 0 {
		d.books.Image("first", id, priced(keys...), d.now)
	}
	return id
}

func TestBookOfAnEventGoesWhereTheEventIsMapped(t *testing.T) {
	d := newDesk(t)
	if id := d.told("x", 0, "1x2"); id >= 0 {
		t.Fatalf("an event that nobody has mapped is at %d", id)
	}
	if steps := d.books.Steps(1, d.now); len(steps) != 0 {
		t.Errorf("it is published: %+v", steps)
	}
	d.books.Map("first", "x", testMatch, d.now)
	d.want("mapped", "open: 1x2")
	d.books.Map("first", "other", testMatch, d.now) // of which nothing was told: it has no book
	d.want("another without prices", "open: 1x2")
	d.books.Map("first", "x", 0, d.now)
	if !d.books.Urgent() {
		t.Error("a wrong mapping waits for a step")
	}
	d.want("taken back", "suspended unmapped")
	d.told("x", 0, "btts")
	d.want("told while nobody knows", "suspended unmapped")
	d.told("y", testMatch, "dnb")
	d.want("another event", "open: dnb")
	d.books.Map("first", "x", testMatch, d.now) // which the mapper does when y is not the match any more
	d.want("x instead of y", "open: btts")
	d.books.Map("first", "y", 0, d.now)
	d.want("y leaves later", "open: btts")
}

func TestBookThatWaitsIsShutWithItsSource(t *testing.T) {
	d := newDesk(t)
	d.told("x", 0, "1x2")
	d.books.Down("first", ReasonProvider)
	d.books.Map("first", "x", testMatch, d.now)
	d.want("it was down meanwhile", "suspended provider")
	d.told("x", testMatch, "1x2")
	d.want("a new image", "open: 1x2")
}

// Of two sources the other one goes on where the first was wrong.
func TestWrongMappingOfOneSourceLeavesTheOther(t *testing.T) {
	d := newDesk(t)
	d.told("x", testMatch, "1x2")
	d.books.place(eventKey{"second", "z"}, testMatch, d.now)
	d.books.Image("second", testMatch, priced("btts"), d.now)
	d.want("the first", "open: 1x2")
	d.books.Map("first", "x", 0, d.now)
	d.want("the second", "open: btts")
}

func TestEventsThatWaitAreLimited(t *testing.T) {
	d := newDesk(t)
	d.books.limit = 2
	for i, event := range []string{"a", "b", "c", "a"} {
		if id := d.told(event, 0, "1x2"); (id == 0) != (i == 2) {
			t.Errorf("%s is at %d", event, id)
		}
	}
	if n, left := d.books.Waiting(); n != 2 || left["first"] != 1 {
		t.Errorf("%d wait, %v were left", n, left)
	}
	if _, left := d.books.Waiting(); len(left) != 0 {
		t.Errorf("counted again: %v", left)
	}
	d.pass(waitingIdle/2, "first")
	d.told("a", 0, "1x2")
	d.pass(waitingIdle/2+time.Second, "first")
	if id := d.told("c", 0, "1x2"); id == 0 {
		t.Error("what was idle for long keeps its place")
	}
	d.books.Map("first", "a", testMatch, d.now)
	d.want("what was not idle", "open: 1x2")
	d.books.Forget("first", "a")
	d.books.Forget("first", "c")
	if n, _ := d.books.Waiting(); n != 0 || len(d.books.matches) != 0 || len(d.books.of) != 0 ||
		len(d.books.told) != 0 {
		t.Errorf("forgotten: %d wait, %d matches, %v, %v", n, len(d.books.matches), d.books.of, d.books.told)
	}
}

// What shut a gate while the database was being asked may not be in the answer.
func TestGateStaysShutUntilTheDatabaseWasAskedSince(t *testing.T) {
	for _, reason := range []goalcast.GateReason{goalcast.GateOperator, goalcast.GateUnmapped} {
		d := newDesk(t)
		d.told("x", testMatch, "1x2")
		d.want("before", "open: 1x2")
		shut := fmt.Sprint("suspended ", reason)
		d.books.Ask()
		d.shutByIngest(reason)
		d.pass(2*time.Second, "first") // a beat finds it
		d.want("shut", shut)
		d.books.ByHand(nil)
		d.want("the question came before", shut)
		d.books.Ask()
		d.books.ByHand(nil)
		d.want("asked since", "open: 1x2")
		d.books.ByHand(map[goalcast.MatchID]bool{testMatch: true})
		d.want("an operator has shut it", "suspended operator")
		d.books.Forget("first", "x")
		d.told("x", testMatch, "1x2")
		d.want("told again", "suspended operator")
	}
}

// A goal in a match that is mapped right after it: the prices that waited may be of before.
func TestGoalBeforeTheMappingShutsToo(t *testing.T) {
	d := newDesk(t)
	d.told("x", 0, "1x2")
	d.books.Event(goalcast.Event{Match: testMatch, Kind: goalcast.KindGoal, Revision: 1}, d.now)
	d.pass(time.Second, "first")
	d.books.Map("first", "x", testMatch, d.now)
	d.want("mapped", "suspended goal")
	d.pass(settleTime, "first")
	d.want("nothing was told since", "suspended goal")
	d.told("x", testMatch, "1x2")
	d.want("told since", "open: 1x2")
}
