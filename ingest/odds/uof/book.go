package uof

import (
	"slices"
	"time"

	"goalcast/ingest/odds"
)

// book is what the feed has said of all matches, whether it may be shown or not.
type book struct {
	cfg    *Config
	events map[string]*event
	// groups of each market id: "all", "score", "regular_play". A market that is not in it belongs
	// to every group, so that a bet_stop never misses it.
	groups  map[int64][]string
	refused func(reason string) // is told of what was not taken
}

// event is what the feed has said of one match.
type event struct {
	id      string
	at      int64 // the provider's time of the newest message
	heard   time.Time
	markets map[string]*market
	stops   map[stop]int64 // the provider's time of the last bet_stop
	fixture *odds.Fixture
	named   bool // the sink has the fixture
	told    bool // the sink has an image that still holds
}

// stop names what a bet_stop is about.
type stop struct {
	live  bool // it is of a producer that quotes during the match
	group string
}

const (
	allGroups = "all"
	maxGroups = 64 // of a match; a bet_stop of one more stops all
)

// market is what the feed has said of one market. Its selections are never changed, only replaced:
// the sink may keep them.
type market struct {
	odds.Market
	id       int64
	producer int
	live     bool // the producer quotes during the match
	at       int64
	shown    odds.Status // what the sink was told
}

// Why something was not taken; values of the metric.
const (
	refusedKey        = "key"        // letters, or length, of a market or selection
	refusedPrice      = "price"      // no price, or out of range
	refusedStatus     = "status"     // a state that we do not know
	refusedOutcomes   = "outcomes"   // a market opened without any, or with too many, or one twice
	refusedMarkets    = "markets"    // too many in one match
	refusedEvents     = "events"     // too many matches
	refusedSettlement = "settlement" // a result that we do not know
	refusedMessage    = "message"    // not well-formed, or too long
)

var refusals = []string{refusedKey, refusedPrice, refusedStatus, refusedOutcomes, refusedMarkets, refusedEvents,
	refusedSettlement, refusedMessage}

func newBook(cfg *Config, refused func(string)) *book {
	return &book{cfg: cfg, events: map[string]*event{}, refused: refused}
}

// event is that of the message, new if need be; nil where there are too many.
func (b *book) event(m *message, now time.Time) *event {
	e := b.events[m.event]
	if e == nil {
		if len(b.events) >= b.cfg.MaxEvents {
			b.refused(refusedEvents)
			return nil
		}
		e = &event{id: m.event, markets: map[string]*market{}, stops: map[stop]int64{}}
		b.events[m.event] = e
	}
	e.at, e.heard = max(e.at, m.at), now
	return e
}

// oddsChange takes the markets of an odds_change and returns those that changed.
func (b *book) oddsChange(e *event, m *message, live bool) []*market {
	changed := make([]*market, 0, len(m.markets))
	for i := range m.markets {
		if mk := b.quote(e, m, &m.markets[i], live); mk != nil {
			changed = append(changed, mk)
		}
	}
	return changed
}

// quote takes one market, unless what we know is newer or comes from a producer that goes first.
func (b *book) quote(e *event, m *message, q *quote, live bool) *market {
	key, ok := marketKey(q.id, q.specifiers)
	if !ok {
		b.refused(refusedKey)
		return nil
	}
	old := e.markets[key]
	same := old != nil && old.producer == m.producer
	switch {
	case old == nil && len(e.markets) >= b.cfg.MaxMarkets:
		b.refused(refusedMarkets)
		return nil
	case old == nil:
	case old.live && !live, same && m.at < old.at, !same && live == old.live && m.at < old.at:
		return nil
	case q.status == statusHandedOver && !same:
		return nil // whoever has it now has quoted it before
	}
	mk := &market{Market: odds.Market{Key: key}, id: q.id, producer: m.producer, live: live, at: m.at}
	if old != nil {
		mk.shown = old.shown
	}
	before := odds.Status("")
	if same {
		before, mk.Selections = old.Status, old.Selections
	}
	mk.Status = b.status(q.status, before)
	if len(q.outcomes) > 0 {
		if reason := mk.price(q, b.cfg.MaxSelections); reason != "" {
			b.refused(reason)
			mk.suspend()
		}
	} else if mk.Status == odds.Open && before != odds.Open {
		b.refused(refusedOutcomes)
		mk.suspend()
	}
	if m.at < b.stopped(e, q.id, live) {
		mk.suspend()
	}
	e.markets[key] = mk
	return mk
}

// status reads the provider's; before is what the producer said before, or nothing.
func (b *book) status(told int64, before odds.Status) odds.Status {
	switch told {
	case statusMissing:
		if before != "" {
			return before
		}
		return odds.Open
	case statusActive:
		return odds.Open
	case statusInactive, statusSuspended, statusHandedOver:
		return odds.Suspended
	case statusSettled, statusCancelled:
		return odds.Closed
	}
	b.refused(refusedStatus)
	return odds.Suspended
}

func (mk *market) suspend() {
	if mk.Status == odds.Open {
		mk.Status = odds.Suspended
	}
}

// price reads the outcomes. What is wrong with one spoils the market: it is returned, and the
// market has no selections.
func (mk *market) price(q *quote, limit int) (refused string) {
	mk.Selections = nil
	if len(q.outcomes) > limit {
		return refusedOutcomes
	}
	all := make([]odds.Selection, 0, len(q.outcomes))
	seen := make(map[string]bool, len(q.outcomes))
	for _, o := range q.outcomes {
		key, ok := selectionKey(q.id, mk.Key, o.id)
		if !ok {
			return refusedKey
		}
		if seen[key] {
			return refusedOutcomes
		}
		seen[key] = true
		s := odds.Selection{Key: key, Text: o.odds}
		switch {
		case o.active == "0" || o.odds == "" && (o.active == "" || o.active == "1"):
		case o.active == "" || o.active == "1":
			var err error
			if s.Price, err = odds.ParsePrice(o.odds); err != nil {
				return refusedPrice
			}
		default:
			return refusedStatus
		}
		all = append(all, s)
	}
	mk.Selections = all
	return ""
}

// betStop suspends the markets of a bet_stop's groups. It returns those that changed, and whether
// nothing of the match is open any more.
func (b *book) betStop(e *event, m *message, live bool) (changed []*market, all bool) {
	groups := m.groups
	if len(groups) == 0 || slices.Contains(groups, allGroups) || len(groups)+len(e.stops) > maxGroups {
		groups = []string{allGroups}
	}
	for _, g := range groups {
		e.stops[stop{live, g}] = max(e.stops[stop{live, g}], m.at)
	}
	all = true
	for _, mk := range e.markets {
		if mk.Status != odds.Open {
			continue
		}
		if mk.live && !live || mk.at > m.at || !b.inGroups(mk.id, groups) {
			all = false
			continue
		}
		mk.Status, mk.at = odds.Suspended, m.at
		changed = append(changed, mk)
	}
	return changed, all
}

// stopped is when bets on a market were stopped last, by a producer that may.
func (b *book) stopped(e *event, id int64, live bool) (at int64) {
	for s, when := range e.stops {
		if (s.live || !live) && b.inGroups(id, []string{s.group}) {
			at = max(at, when)
		}
	}
	return at
}

func (b *book) inGroups(id int64, groups []string) bool {
	of, isKnown := b.groups[id]
	return !isKnown || groups[0] == allGroups || slices.ContainsFunc(groups, func(g string) bool {
		return slices.Contains(of, g)
	})
}

// distrust suspends all markets of a match of which a message could not be read. Each opens with
// its next quote.
func (e *event) distrust() {
	for _, mk := range e.markets {
		mk.suspend()
	}
}

// forget drops what a producer has quoted: all its odds are on their way.
func (b *book) forget(producer int) {
	for _, e := range b.events {
		for key, mk := range e.markets {
			if mk.producer == producer {
				delete(e.markets, key)
			}
		}
	}
}

// keepFor is how long a match is kept that has no open market and is not heard of.
const keepFor = 24 * time.Hour

// clean drops matches that are over. Nothing of them is shown.
func (b *book) clean(now time.Time) {
	for id, e := range b.events {
		if now.Sub(e.heard) > keepFor && !e.anyOpen() {
			delete(b.events, id)
		}
	}
}

func (e *event) anyOpen() bool {
	for _, mk := range e.markets {
		if mk.Status == odds.Open {
			return true
		}
	}
	return false
}
