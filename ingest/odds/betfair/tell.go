package betfair

import (
	"maps"
	"slices"
	"time"

	"goalcast/ingest/odds"
)

// tell tells the sink what a message has changed. While prices are not to be trusted only
// settlements are told, which stay true. Once prices can be trusted, everything is told again.
func (r *run) tell(m *message, now time.Time) {
	f := faults{}
	defer r.count(f)
	fresh := r.fresh(m, now)
	if fresh {
		r.sink.Alive(m.at())
	} else if r.trusted {
		r.sink.Down(odds.ReasonProvider)
	}
	everything := fresh && (!r.trusted || r.anew)
	r.trusted, r.anew = fresh, r.anew && !fresh
	events := r.book.dirty
	if everything {
		events = r.book.events
	}
	for _, id := range slices.Sorted(maps.Keys(events)) {
		r.event(events[id], m.at(), everything, f)
	}
	clear(r.book.dirty)
}

// event tells what is new of one.
func (r *run) event(ev *event, at time.Time, everything bool, f faults) {
	changed, wasOpen := ev.changed, ev.open
	if changed {
		ev.own(f)
	}
	// Betfair shuts all markets of a match at a goal. When the first opens, all is told again: this
	// is the fresh image that a gate waits for which was shut meanwhile.
	everything = everything || ev.open && !wasOpen
	if ev.fixtureIs != ev.fixture && len(ev.markets) > 0 {
		ev.fixtureIs = ev.fixture
		r.sink.Fixture(ev.fixture)
	}
	if r.trusted {
		r.prices(ev, at, everything, changed)
	}
	for _, m := range ev.touched {
		if s := m.settle(f); len(s) > 0 {
			r.sink.Settle(ev.id, at, s)
		}
	}
	ev.touched = nil
	if r.trusted && len(ev.markets) == 0 {
		delete(r.book.events, ev.id)
	}
}

// prices tells an event's markets that are not as the sink knows them, or all of them where one is
// gone.
func (r *run) prices(ev *event, at time.Time, everything, changed bool) {
	var now []odds.Market
	if everything || changed || ev.told == nil {
		now = ev.all()
	} else {
		now = ev.some()
	}
	if everything || ev.told == nil || changed && ev.gone() {
		ev.told, ev.known = map[string]odds.Market{}, true
		for _, m := range now {
			ev.told[m.Key] = m
		}
		r.sink.Image(ev.id, at, now)
		return
	}
	now = slices.DeleteFunc(now, func(m odds.Market) bool { return same(m, ev.told[m.Key]) })
	for _, m := range now {
		ev.told[m.Key] = m
	}
	if len(now) > 0 {
		r.sink.Change(ev.id, at, now)
	}
}

// gone says whether a market that was told is none any more.
func (e *event) gone() bool {
	for key := range e.told {
		if e.owners[key] == nil {
			return true
		}
	}
	return false
}

func same(a, b odds.Market) bool {
	return a.Key == b.Key && a.Status == b.Status && slices.Equal(a.Selections, b.Selections)
}

// tellNames tells the names of matches that Betfair was asked for.
func (r *run) tellNames(known []odds.Fixture) {
	for _, f := range known {
		ev := r.book.events[f.Event]
		if ev == nil {
			continue
		}
		if f.Kickoff.IsZero() {
			f.Kickoff = ev.fixture.Kickoff
		}
		if ev.fixture = f; ev.fixtureIs != f {
			ev.fixtureIs = f
			r.sink.Fixture(f)
		}
	}
}
