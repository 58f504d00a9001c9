package betfair

import (
	"maps"
	"slices"
	"strings"
	"time"

	"goalcast/ingest/odds"
)

// book is what Betfair has said of its markets, and the place in its stream up to which it is all
// there. It knows no connection.
type book struct {
	initialClk, clk string
	publishedMS     int64 // the newest message in it
	markets         map[string]*market
	events          map[string]*event
	dirty           map[string]*event // something of them is not told
}

func newBook() *book {
	return &book{markets: map[string]*market{}, events: map[string]*event{}, dirty: map[string]*event{}}
}

// market is one of Betfair's.
type market struct {
	id      string
	def     *definition // nil: not heard yet
	lines   []line
	best    map[runner]offer
	settled []odds.Settlement // as told
	closed  int64             // when it was closed, by Betfair's time in ms; 0: it is not
}

// offer is the best price that can be had.
type offer struct {
	price odds.Price // 0: the text is no price
	text  string
}

// event is a match: what is known of it, and what the sink knows.
type event struct {
	id      string
	fixture odds.Fixture
	markets map[string]*market
	owners  map[string]*market // which market is told under a key

	open      bool                   // one of its markets is
	changed   bool                   // a definition did, so that keys may be others
	touched   []*market              // their prices changed, and were not told
	told      map[string]odds.Market // nil: nothing, on this connection
	known     bool                   // something, on any
	fixtureIs odds.Fixture           // as told
}

// limits are those of a book.
type limits struct {
	markets, runners int
	virtual          bool
}

// faults counts by their words what was not taken or told as it was.
type faults map[string]int

// apply makes a change. The market is nil if there is no place for it.
func (b *book) apply(c *marketChange, l limits, atMS int64, f faults) *market {
	m := b.markets[c.ID]
	if m == nil {
		if len(b.markets) >= l.markets {
			f["limit"]++
			return nil
		}
		m = &market{id: c.ID, best: map[runner]offer{}}
		b.markets[c.ID] = m
	}
	if c.Image {
		clear(m.best)
	}
	for i := range c.Runners {
		m.offers(&c.Runners[i], l, f)
	}
	if c.Definition != nil {
		b.define(m, c.Definition, l, atMS, f)
	}
	if m.def == nil {
		f["undefined"]++
		return m
	}
	ev := b.events[m.def.Event]
	b.dirty[ev.id] = ev
	if !slices.Contains(ev.touched, m) {
		ev.touched = append(ev.touched, m)
	}
	return m
}

// offers takes the best offer of a runner from a change.
func (m *market) offers(c *runnerChange, l limits, f faults) {
	ladder := c.Back
	if l.virtual {
		ladder = c.Display
	}
	key := runner{c.ID, c.Handicap}
	for _, level := range ladder {
		if len(level) != 3 {
			f["price"]++
			continue
		}
		if n, err := level[0].Float64(); err != nil || n != 0 {
			continue // not the best one
		}
		if size, err := level[2].Float64(); err == nil && size <= 0 {
			delete(m.best, key)
			continue
		}
		if _, ok := m.best[key]; !ok && len(m.best) >= l.runners {
			f["limit"]++
			continue
		}
		price, err := odds.ParsePrice(level[1].String())
		if err != nil {
			f["price"]++
		}
		m.best[key] = offer{price, level[1].String()}
	}
}

// define takes a definition, whichever event it is of.
func (b *book) define(m *market, d *definition, l limits, atMS int64, f faults) {
	if len(d.Runners) > l.runners {
		f["limit"]++
		d.Runners = nil
	}
	if m.def != nil && m.def.Event != d.Event {
		old := b.events[m.def.Event]
		delete(old.markets, m.id)
		old.changed = true
		b.dirty[old.id] = old
	}
	m.def, m.lines = d, linesOf(d)
	if len(m.lines) == 0 {
		f["key"]++
	}
	if _, ok := statuses[d.Status]; !ok {
		f["status"]++
	}
	switch {
	case d.Status != statusClosed:
		m.closed = 0
	case m.closed == 0:
		m.closed = max(atMS, 1)
	}
	ev := b.events[d.Event]
	if ev == nil {
		ev = &event{id: d.Event, markets: map[string]*market{}}
		b.events[d.Event] = ev
	}
	ev.markets[m.id] = m
	ev.changed = true
	ev.define(d)
}

// statuses are goalcast's words for Betfair's.
var statuses = map[string]odds.Status{statusOpen: odds.Open, statusSuspended: odds.Suspended,
	statusInactive: odds.Suspended, statusClosed: odds.Closed}

// define takes from a definition what it says of the match.
func (e *event) define(d *definition) {
	e.fixture.Event = e.id
	for _, text := range []string{d.OpenDate, d.MarketTime} {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			e.fixture.Kickoff = t.UTC()
			break
		}
	}
	if home, away, ok := strings.Cut(d.EventName, " v "); ok {
		e.fixture.Home, e.fixture.Away = home, away
	}
}

// own decides which market is told under which key: an open one before a closed one, then the
// first by id.
func (e *event) own(f faults) {
	e.changed = false
	e.owners = map[string]*market{}
	markets := slices.SortedFunc(maps.Values(e.markets), func(a, b *market) int {
		if (a.closed == 0) != (b.closed == 0) {
			return map[bool]int{true: -1, false: 1}[a.closed == 0]
		}
		return strings.Compare(a.id, b.id)
	})
	e.open = false
	for _, m := range markets {
		e.open = e.open || m.def.Status == statusOpen
		for _, l := range m.lines {
			switch e.owners[l.key] {
			case nil:
				e.owners[l.key] = m
			case m:
			default:
				f["twice"]++
			}
		}
	}
}

// all is the event's markets as they are to be told, by key.
func (e *event) all() []odds.Market {
	var out []odds.Market
	for _, key := range slices.Sorted(maps.Keys(e.owners)) {
		m := e.owners[key]
		for _, l := range m.lines {
			if l.key == key {
				out = append(out, m.as(l))
			}
		}
	}
	return out
}

// some is those of the markets that are touched.
func (e *event) some() []odds.Market {
	var out []odds.Market
	for _, m := range e.touched {
		for _, l := range m.lines {
			if e.owners[l.key] == m {
				out = append(out, m.as(l))
			}
		}
	}
	return out
}

// as is a line with its prices. A market that is not open has none, and one with a price that is
// none is not open.
func (m *market) as(l line) odds.Market {
	out := odds.Market{Key: l.key, Status: odds.Suspended, Selections: make([]odds.Selection, len(l.selections))}
	if status, ok := statuses[m.def.Status]; ok {
		out.Status = status
	}
	for i, s := range l.selections {
		out.Selections[i].Key = s.key
		o, ok := m.best[s.runner.key()]
		if !ok || out.Status != odds.Open || s.runner.Status != runnerActive {
			continue
		}
		if o.price == 0 {
			out.Status = odds.Suspended
		}
		out.Selections[i].Price, out.Selections[i].Text = o.price, o.text
	}
	if out.Status != odds.Open {
		for i := range out.Selections {
			out.Selections[i] = odds.Selection{Key: out.Selections[i].Key}
		}
	}
	return out
}

// settle returns what is to be told of how bets on a market ended, and takes it for told.
func (m *market) settle(f faults) []odds.Settlement {
	var now []odds.Settlement
	if m.def.Status == statusClosed {
		for _, l := range m.lines {
			if s, ok := settlement(m.def, l); ok {
				now = append(now, s)
			} else {
				f["result"]++
			}
		}
	}
	tell := resettle(m.settled, now)
	m.settled = now
	return tell
}

// inherit takes over from the book before an image what the image does not say: what was told of
// bets, the names of matches, and which events the sink still knows.
func (b *book) inherit(before *book) {
	for id, m := range b.markets {
		if old := before.markets[id]; old != nil {
			m.settled = old.settled
		}
	}
	for id, old := range before.events {
		ev := b.events[id]
		if ev == nil {
			if !old.known {
				continue
			}
			ev = &event{id: id, markets: map[string]*market{}, changed: true}
			b.events[id] = ev
		}
		ev.told, ev.known, ev.fixtureIs = old.told, old.known, old.fixtureIs
		if ev.fixture.Home == "" {
			ev.fixture.Competition, ev.fixture.Home, ev.fixture.Away =
				old.fixture.Competition, old.fixture.Home, old.fixture.Away
		}
	}
}

// forget drops markets that were closed before the time.
func (b *book) forget(beforeMS int64) {
	for id, m := range b.markets {
		if m.closed == 0 || m.closed >= beforeMS {
			continue
		}
		delete(b.markets, id)
		if ev := b.events[m.def.Event]; ev != nil {
			delete(ev.markets, id)
			ev.changed = true
			b.dirty[ev.id] = ev
		}
	}
}

// untold says that a sink is to be told all of the book.
func (b *book) untold() {
	for _, ev := range b.events {
		ev.told, ev.fixtureIs = nil, odds.Fixture{}
	}
}
