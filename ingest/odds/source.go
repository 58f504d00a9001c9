package odds

import (
	"context"
	"time"

	"goalcast"
)

// Source is one connection to a provider of odds, for as long as its process holds the source.
type Source interface {
	// Run connects, reads and tells sink until ctx ends or the connection is of no more use. The
	// runner calls it again after a pause that grows; what it needs to resume is kept by Sink.Keep.
	// When Run returns, everything it started has ended.
	Run(ctx context.Context, sink Sink) error
}

// Later is the error of a source whose provider said when to come back (Retry-After).
type Later struct {
	Err   error
	After time.Duration
}

func (l Later) Error() string { return l.Err.Error() }

// Unwrap gives the error itself.
func (l Later) Unwrap() error { return l.Err }

// Sink takes what a source tells. A source calls it from one goroutine, in the provider's order.
// Event is always the provider's own id of a match; the sink knows, or learns, which match that is.
// At is the provider's time of what is told, UTC; zero where the provider gives none.
type Sink interface {
	// Alive says that the provider was heard, also where it had nothing to say. A source that is
	// not heard for its time to live is shut.
	Alive(at time.Time)
	// Down shuts all matches of the source: the provider said that its prices are not to be
	// trusted, or the connection is gone. Each match opens again with its next Image only.
	Down(reason Reason)
	// Fixture says what match an event is. It may be called again with other words.
	Fixture(Fixture)
	// Image replaces all markets of an event: those that are not in it are gone. It is fresh: where
	// the provider has deltas, every one up to now is in it.
	Image(event string, at time.Time, markets []Market)
	// Change replaces single markets of an event, each as a whole.
	Change(event string, at time.Time, markets []Market)
	// Suspend shuts single markets of an event, by key; without keys all of them, and no market of
	// the event is shown until a Change or an Image opens it.
	Suspend(event string, at time.Time, markets ...string)
	// Settle tells how bets on a market ended, or takes that back.
	Settle(event string, at time.Time, settlements []Settlement)
	// Quota says how many requests the provider still allows; an alarm is raised below a tenth.
	Quota(remaining, limit int)
	// Kept is what Keep was given last, by whatever process held the source; nil at first.
	Kept() []byte
	// Keep remembers a small text for whoever holds the source next: a place to resume from.
	Keep(text []byte)
}

// Reason says why no price is shown. A source gives ReasonProvider or ReasonConnection.
type Reason = goalcast.GateReason

// The reasons that a source can have.
const (
	ReasonProvider   = goalcast.GateProvider   // the provider says that its prices are not to be trusted
	ReasonConnection = goalcast.GateConnection // there is no connection to the provider
)

// Fixture is what a provider says of one of its events.
type Fixture struct {
	Event       string // the provider's id
	Competition string // the provider's id or name; may be empty
	Kickoff     time.Time
	Home, Away  string // names
}
