package odds

import (
	"maps"
	"time"

	"goalcast"
)

// The limits of events that nobody has mapped: their books are kept, so that their prices are there
// when they are mapped.
const (
	DefaultWaiting = 2000 // events
	waitingIdle    = 10 * time.Minute
	waitingSweep   = time.Second
)

// eventKey names an event: ids are unique within a source.
type eventKey struct{ source, event string }

// places are where the books of events are: at a match, or, while nobody knows which, at one that
// is never published. Those have ids below zero.
type places struct {
	of      map[eventKey]goalcast.MatchID
	waiting map[goalcast.MatchID]*match
	told    map[eventKey]time.Time // when prices of those that wait came last
	limit   int                    // of those that wait
	next    goalcast.MatchID
	swept   time.Time
	left    map[string]int                // by source: prices of events that found no place, since asked last
	byHand  map[goalcast.MatchID]bool     // what operators have shut
	recent  map[goalcast.MatchID]incident // in matches without prices: some may be mapped soon
}

func newPlaces() places {
	return places{of: map[eventKey]goalcast.MatchID{}, waiting: map[goalcast.MatchID]*match{},
		told: map[eventKey]time.Time{}, limit: DefaultWaiting, left: map[string]int{},
		recent: map[goalcast.MatchID]incident{}}
}

// place is where the book of an event is, which is the match given: 0 says that nobody knows which.
// The book is moved there if it was elsewhere. 0: too many events wait, this one is not kept.
func (b *Books) place(key eventKey, match goalcast.MatchID, now time.Time) goalcast.MatchID {
	was := b.places.of[key]
	switch {
	case match == 0 && was < 0:
		b.told[key] = now
		return was
	case match == was && was != 0:
		return was
	}
	book := b.take(key)
	if match == 0 {
		if match = b.wait(key, now); match == 0 {
			b.left[key.source]++
			return 0
		}
	}
	if other := b.match(match).books[key.source]; other != nil {
		b.place(eventKey{key.source, other.event}, 0, now)
	}
	b.match(match).give(key, book)
	b.places.of[key] = match
	return match
}

// take takes the book of an event from where it is; nil if there is none.
func (b *Books) take(key eventKey) *book {
	id, ok := b.places.of[key]
	if !ok {
		return nil
	}
	m := b.match(id)
	book := m.books[key.source]
	delete(m.books, key.source)
	delete(b.places.of, key)
	delete(b.told, key)
	if id < 0 {
		delete(b.waiting, id)
	} else if m.unmapped = true; m.from == key.source {
		m.from, b.urgent = "", true
	}
	return book
}

// wait makes a place for an event that nobody has mapped; 0 if there is none.
func (b *Books) wait(key eventKey, now time.Time) goalcast.MatchID {
	if len(b.waiting) >= b.limit && now.Sub(b.swept) >= waitingSweep {
		b.swept = now
		for other, told := range b.told {
			if now.Sub(told) > waitingIdle {
				b.take(other)
			}
		}
	}
	if len(b.waiting) >= b.limit {
		return 0
	}
	b.next--
	b.waiting[b.next] = newMatch(b.next)
	b.told[key] = now
	return b.next
}

// give puts the book of an event, or an empty one, to a match.
func (m *match) give(key eventKey, given *book) {
	if given == nil {
		given = &book{markets: map[string]Market{}}
	}
	given.event = key.event
	m.books[key.source], m.unmapped = given, false
}

// Map notes that an event is that match from now on, or that nobody knows which: 0.
func (b *Books) Map(source, event string, match goalcast.MatchID, now time.Time) {
	key := eventKey{source, event}
	if _, ok := b.places.of[key]; ok { // of others no price has come
		b.place(key, match, now)
	}
}

// Forget drops the book of an event that is over, and its match with the last one.
func (b *Books) Forget(source, event string) {
	id := b.places.of[eventKey{source, event}]
	b.take(eventKey{source, event})
	if m := b.matches[id]; m != nil && len(m.books) == 0 {
		delete(b.matches, id)
	}
}

// Ask notes that the database is about to be asked what operators have shut: what shut a gate
// before is in its answer.
func (b *Books) Ask() {
	for _, m := range b.matches {
		m.doubt.asked = m.doubt.reason != ""
	}
}

// ByHand takes in the answer: the matches that operators have shut.
func (b *Books) ByHand(shut map[goalcast.MatchID]bool) {
	b.byHand = shut
	for id, m := range b.matches {
		if m.doubt.asked {
			m.doubt = doubt{}
		}
		if m.byHand != shut[id] {
			m.byHand, b.urgent = shut[id], true
		}
	}
}

// Waiting says how many events wait for a match, and counts, by source, the prices that came since
// it was called last for events that found no place to wait.
func (b *Books) Waiting() (events int, left map[string]int) {
	left, b.left = b.left, map[string]int{}
	return len(b.waiting), left
}

// remember keeps what has happened in a match without prices for as long as prices from before may
// be told: its event may be mapped meanwhile.
func (b *Books) remember(e goalcast.Event, now time.Time) {
	switch reason := e.ShutsGate(); {
	case reason != "":
		maps.DeleteFunc(b.recent, func(_ goalcast.MatchID, i incident) bool { return now.Sub(i.began) > reviewTime })
		b.recent[e.Match] = incident{reason: reason, began: now}
	case e.Kind == goalcast.KindVAR && b.recent[e.Match].reason == goalcast.GateReview:
		b.recent[e.Match] = incident{reason: goalcast.GateGoal, began: now}
	}
}
