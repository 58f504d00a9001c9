package odds

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"goalcast"
)

// SourceConfig is what the books have to know of a source.
type SourceConfig struct {
	Name     string        // unique; a label of metrics
	Priority int           // of two sources for one match the one with the lower number is shown
	TTL      time.Duration // the source is shut when it was not heard for so long
}

// source is a provider as the books see it.
type source struct {
	name  string
	ttl   time.Duration
	heard time.Time
	down  goalcast.GateReason // why it is not to be trusted; empty if it is
}

// alive says whether the source was heard lately and is not down.
func (s *source) alive(now time.Time) bool { return s.down == "" && now.Sub(s.heard) <= s.ttl }

// Books are the prices of all matches, and what of them is published. They are pure: time is passed
// in. One goroutine owns them.
type Books struct {
	beat    time.Duration
	sources []*source // by priority
	matches map[goalcast.MatchID]*match
	urgent  bool // a gate may have to shut, which does not wait for a step
	places

	silenced []string // sources that were heard again after a silence, since asked last
}

// NewBooks makes the books of sources. Beat is how often an open gate is vouched for.
func NewBooks(sources []SourceConfig, beat time.Duration) *Books {
	b := &Books{beat: beat, matches: map[goalcast.MatchID]*match{}, places: newPlaces()}
	for _, s := range slices.SortedStableFunc(slices.Values(sources), func(a, b SourceConfig) int {
		return cmp.Compare(a.Priority, b.Priority)
	}) {
		b.sources = append(b.sources, &source{name: s.Name, ttl: s.TTL, down: ReasonConnection})
	}
	return b
}

func (b *Books) source(name string) *source {
	i := slices.IndexFunc(b.sources, func(s *source) bool { return s.name == name })
	return b.sources[i]
}

func (b *Books) match(id goalcast.MatchID) *match {
	if id < 0 {
		return b.waiting[id]
	}
	m := b.matches[id]
	if m == nil {
		m = newMatch(id)
		m.byHand, m.incident = b.byHand[id], b.recent[id]
		b.matches[id] = m
	}
	return m
}

// Heard notes that a source lives.
func (b *Books) Heard(source string, now time.Time) {
	s := b.source(source)
	if s.down == "" && now.Sub(s.heard) > s.ttl {
		b.Down(source, goalcast.GateSilent) // what came before the silence counts no more
		b.silenced = append(b.silenced, source)
	}
	s.heard = now
}

// Down shuts what a source has: each match opens again with the source's next image of it.
func (b *Books) Down(source string, reason goalcast.GateReason) {
	b.urgent = true
	b.source(source).down = reason
	for _, m := range b.matches {
		if book := m.books[source]; book != nil {
			book.fresh = false
		}
	}
	for _, m := range b.waiting {
		if book := m.books[source]; book != nil {
			book.fresh = false
		}
	}
}

// Image takes in all markets of a match.
func (b *Books) Image(source string, id goalcast.MatchID, markets []Market, now time.Time) {
	b.Heard(source, now)
	b.source(source).down = ""
	b.match(id).replace(source, markets, now)
}

// Change takes in single markets.
func (b *Books) Change(source string, id goalcast.MatchID, markets []Market, now time.Time) {
	b.Heard(source, now)
	b.match(id).change(source, markets, now)
}

// Suspend shuts markets by key, or all.
func (b *Books) Suspend(source string, id goalcast.MatchID, keys []string, now time.Time) {
	b.Heard(source, now)
	b.match(id).suspend(source, keys, now)
	b.urgent = b.urgent || len(keys) == 0
}

// Event takes in what happens in a match, as it comes over the bus.
func (b *Books) Event(e goalcast.Event, now time.Time) {
	m := b.matches[e.Match]
	if m == nil {
		b.remember(e, now)
		return
	}
	switch reason := e.ShutsGate(); {
	case reason != "":
		m.happens(reason, now)
		b.urgent = true
	case e.Kind == goalcast.KindVAR:
		m.reviewed(now)
	case e.Kind == goalcast.KindPeriod && e.Period == goalcast.FullTime && e.Counts():
		m.finished, b.urgent = true, true
	case e.Kind == goalcast.KindPeriod && e.Period == goalcast.FullTime:
		m.finished = false // it was not over
	}
}

// Shut shuts a match at once, for the reason operator or unmapped, until ByHand says what is so;
// with "" it may open again.
func (b *Books) Shut(id goalcast.MatchID, reason goalcast.GateReason) {
	b.match(id).doubt, b.urgent = doubt{reason: reason}, true
}

// Urgent says, once, that something may have to be shut at once.
func (b *Books) Urgent() bool {
	urgent := b.urgent
	b.urgent = false
	return urgent
}

// Silenced lists, once, the sources that were heard again after a silence: what they told before
// counts no more, which they do not know.
func (b *Books) Silenced() []string {
	list := b.silenced
	b.silenced = nil
	return list
}

// Steps lists what is to be published now. Done or Lost is called with each before the next time.
func (b *Books) Steps(fence int64, now time.Time) (steps []goalcast.OddsStep) {
	for _, id := range slices.Sorted(maps.Keys(b.matches)) {
		if step, ok := b.matches[id].step(b.sources, now, b.beat); ok {
			step.Fence = fence
			steps = append(steps, step)
		}
	}
	return steps
}

// Done takes in what became of a step, and lists what was shown since, for the history.
func (b *Books) Done(step goalcast.OddsStep, done goalcast.OddsDone, now time.Time) []goalcast.OddsShown {
	if m := b.matches[goalcast.MatchID(step.Topic.ID)]; m != nil {
		return m.done(step, done, now)
	}
	return nil
}

// Settles says whether a source's word on how bets on a match ended counts: it is the one that is
// shown, or, while none is, the first that has the match.
func (b *Books) Settles(name string, id goalcast.MatchID) bool {
	m := b.matches[id]
	switch {
	case m == nil:
		return true // nobody has it any more
	case m.from != "":
		return m.from == name
	}
	i := slices.IndexFunc(b.sources, func(s *source) bool { return m.books[s.name] != nil })
	return i < 0 || b.sources[i].name == name
}

// Lost is for a step of which nobody knows what became of it.
func (b *Books) Lost(step goalcast.OddsStep) {
	if m := b.matches[goalcast.MatchID(step.Topic.ID)]; m != nil {
		m.unknown()
	}
}
