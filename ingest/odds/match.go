package odds

import (
	"maps"
	"slices"
	"time"

	"goalcast"
)

const (
	// settleTime is how long after a goal, penalty or red card prices come back where the provider
	// did not suspend them: it may have known of it before us, or not know of it yet.
	settleTime = 30 * time.Second
	// reviewTime is how long a review may take that nobody says the end of.
	reviewTime = 5 * time.Minute
	// healthTime is how long a better source has to be well before it is gone back to.
	healthTime = 30 * time.Second
)

// match is the prices of one match: a book for each source that has it, and what is published of
// one of them.
type match struct {
	id    goalcast.MatchID
	books map[string]*book // by source

	from     string // the source that is shown; empty: none
	incident incident
	byHand   bool  // an operator has shut it
	doubt    doubt // somebody else has shut it
	unmapped bool  // a book was taken away, since it is of another match
	finished bool

	known   bool          // what the bus has of the gate, which is asked first
	gate    goalcast.Gate // as published
	version int64         // of the gate on the bus
	image   bool          // the next step has to have all there is
	dirty   map[string]bool
	last    int64 // version of the newest price
	beaten  time.Time

	shownAt   int64                // of the newest row of the history, ms
	rows      []goalcast.OddsShown // of the prices in the step that is on its way
	conflated int                  // markets that were changed again before they were published, since asked last
}

// doubt is that the bus, or somebody, says that the match is shut by hand, or for a wrong mapping:
// it is, until the database was asked since.
type doubt struct {
	reason goalcast.GateReason // empty: none
	asked  bool                // the database is being asked
}

// book is what one source says of a match.
type book struct {
	event     string // the source's id of the match
	markets   map[string]Market
	fresh     bool      // an image has come since the source was last down
	suspended bool      // all of it, by the source's word
	told      time.Time // when the source last changed something of it
	well      time.Time // since when it is fresh
}

// incident is what has happened on the pitch that prices do not know yet.
type incident struct {
	reason  goalcast.GateReason // empty: nothing
	began   time.Time
	stopped bool // the provider has suspended its markets since
}

func newMatch(id goalcast.MatchID) *match {
	return &match{id: id, books: map[string]*book{}, dirty: map[string]bool{}}
}

func (m *match) topic() goalcast.Topic { return goalcast.ForOdds(m.id) }

func (m *match) book(source string) *book {
	b := m.books[source]
	if b == nil {
		b = &book{markets: map[string]Market{}}
		m.books[source] = b
	}
	return b
}

// replace takes in an image.
func (m *match) replace(source string, markets []Market, now time.Time) {
	b := m.book(source)
	clear(b.markets)
	for _, market := range markets {
		b.markets[market.Key] = market
	}
	if !b.fresh {
		b.fresh, b.well = true, now
	}
	b.suspended, b.told = false, now
	if source == m.from {
		m.image = true
	}
	m.noticed(source)
}

// change takes in single markets.
func (m *match) change(source string, markets []Market, now time.Time) {
	b := m.book(source)
	for _, market := range markets {
		if b.markets[market.Key] = market; source == m.from {
			if m.dirty[market.Key] {
				m.conflated++
			}
			m.dirty[market.Key] = true
		}
	}
	b.suspended, b.told = false, now
	m.noticed(source)
}

// suspend shuts markets of a source; all of them without keys.
func (m *match) suspend(source string, keys []string, now time.Time) {
	b := m.book(source)
	b.told = now
	if len(keys) == 0 {
		b.suspended = true
	}
	for _, key := range keys {
		if market, ok := b.markets[key]; ok && market.Status == Open {
			market.Status = Suspended
			if b.markets[key] = market; source == m.from {
				m.dirty[key] = true
			}
		}
	}
	m.noticed(source)
}

// noticed sees whether the source that is shown has stopped its prices for an incident.
func (m *match) noticed(source string) {
	if source == m.from && m.incident.reason != "" && !m.books[source].sells() {
		m.incident.stopped = true
	}
}

// sells says whether anything of the book can be bet on.
func (b *book) sells() bool {
	if b.suspended {
		return false
	}
	for _, market := range b.markets {
		if market.Status == Open {
			return true
		}
	}
	return false
}

// happens takes in what shuts the gate.
func (m *match) happens(reason goalcast.GateReason, now time.Time) {
	m.incident = incident{reason: reason, began: now}
	if b := m.books[m.from]; b != nil && !b.sells() {
		m.incident.stopped = true // the provider was faster
	}
}

// reviewed ends a review: what came of it prices have to take in like a goal.
func (m *match) reviewed(now time.Time) {
	if m.incident.reason == goalcast.GateReview {
		m.incident = incident{reason: goalcast.GateGoal, began: now, stopped: m.incident.stopped}
	}
}

// over says whether the source's prices know of the incident: it has stopped them and sells again,
// or has had time enough.
func (m *match) over(now time.Time) bool {
	b := m.books[m.from]
	switch since := now.Sub(m.incident.began); {
	case m.incident.reason == "":
		return true
	case b == nil || !b.sells():
		return false
	case m.incident.reason == goalcast.GateReview:
		return since >= reviewTime
	default:
		return m.incident.stopped || since >= settleTime && b.told.After(m.incident.began)
	}
}

// choose says which source is to be shown, by priority: the first that is well. A better one than
// that which is shown has to be well for a while first.
func (m *match) choose(sources []*source, now time.Time) string {
	for _, s := range sources {
		b := m.books[s.name]
		if b == nil || !b.fresh || !s.alive(now) {
			continue
		}
		if s.name == m.from || m.from == "" || now.Sub(b.well) >= healthTime || !m.shows(sources, now) {
			return s.name
		}
	}
	return ""
}

// shows says whether the source that is shown is still well.
func (m *match) shows(sources []*source, now time.Time) bool {
	i := slices.IndexFunc(sources, func(s *source) bool { return s.name == m.from })
	return i >= 0 && sources[i].alive(now) && m.books[m.from] != nil && m.books[m.from].fresh
}

// want is the gate as it should be now.
func (m *match) want(sources []*source, now time.Time) goalcast.Gate {
	g := goalcast.Gate{State: goalcast.GateSuspended, Since: now.UnixMilli()}
	switch {
	case m.finished:
		g.State, g.Reason = goalcast.GateClosed, goalcast.GateFinished
	case m.byHand:
		g.Reason = goalcast.GateOperator
	case m.doubt.reason != "":
		g.Reason = m.doubt.reason
	case !m.over(now):
		g.Reason = m.incident.reason
	case m.from == "":
		g.Reason = m.missing(sources, now)
	case m.books[m.from].suspended:
		g.Reason = goalcast.GateProvider
	default:
		g.State = goalcast.GateOpen
	}
	return g
}

// missing says why no source is shown: what the first by priority that has the match lacks.
func (m *match) missing(sources []*source, now time.Time) goalcast.GateReason {
	for _, s := range sources {
		if m.books[s.name] == nil {
			continue
		}
		switch {
		case s.down != "":
			return s.down
		case !s.alive(now):
			return goalcast.GateSilent
		}
		return goalcast.GateStart
	}
	if m.unmapped {
		return goalcast.GateUnmapped
	}
	return goalcast.GateStart
}

// step is what is to be published of the match now; false if nothing is.
func (m *match) step(sources []*source, now time.Time, beat time.Duration) (goalcast.OddsStep, bool) {
	step := goalcast.OddsStep{Topic: m.topic(), Gate: m.version}
	m.rows = nil
	if !m.known { // a beat: it is refused, and told why
		return step, true
	}
	if from := m.choose(sources, now); from != m.from {
		m.from, m.image = from, true // a book never mixes two
	}
	gate := m.want(sources, now)
	if gate.State != m.gate.State || gate.Reason != m.gate.Reason {
		step.Set = &gate
		m.image = gate.State == goalcast.GateOpen
	}
	if gate.State == goalcast.GateOpen {
		m.incident = incident{}
		m.prices(&step, now)
	}
	if step.Set == nil && len(step.Prices) == 0 && !step.Image &&
		(gate.State != goalcast.GateOpen || now.Sub(m.beaten) < beat) {
		return step, false
	}
	m.beaten = now
	return step, true
}

// prices puts what has changed into a step, or all there is.
func (m *match) prices(step *goalcast.OddsStep, now time.Time) {
	markets := m.books[m.from].markets
	keys := m.dirty
	if step.Image = m.image; m.image {
		keys = map[string]bool{}
		for key := range markets {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		m.last = max(m.last+1, now.UnixMilli())
		st := goalcast.State{Topic: m.topic(), Key: key, Version: m.last, At: now.UnixMilli()}
		if market, ok := markets[key]; ok {
			st.Value = market.encode()
		}
		step.Prices = append(step.Prices, st)
		m.rows = append(m.rows, m.row(key))
	}
	m.image = false
	clear(m.dirty)
}

// done takes in what became of a step, and lists what was shown since.
func (m *match) done(step goalcast.OddsStep, done goalcast.OddsDone, now time.Time) []goalcast.OddsShown {
	m.known, m.version = true, done.Gate
	if done.Outcome != goalcast.OddsPublished {
		m.gate, m.image = done.Now, true
		m.learn(done.Now.Reason, now)
		return m.shut()
	}
	if step.Set != nil {
		m.gate = *step.Set
	}
	return m.shown(step, now)
}

// learn takes in why somebody else has shut the gate.
func (m *match) learn(reason goalcast.GateReason, now time.Time) {
	switch reason {
	case goalcast.GateGoal, goalcast.GatePenalty, goalcast.GateRedCard, goalcast.GateReview:
		if m.incident.reason == "" {
			m.happens(reason, now)
		}
	case goalcast.GateOperator, goalcast.GateUnmapped:
		m.doubt = doubt{reason: reason}
	}
}

// unknown is for a step of which nobody knows what became of it.
func (m *match) unknown() { m.known, m.image = false, true }
