package shard

import (
	"time"

	"goalcast"
)

// Terms are what few viewers ask for beside topics. They never change. Viewers who ask for the same
// share them, so that they cost a viewer no memory of its own; who watches live and asks for
// nothing has none.
type Terms struct {
	Kinds  goalcast.KindSet // of events that come; the zero set is all
	Delay  time.Duration    // after which everything comes; whole seconds, 0 for at once
	Left   func()           // called when a connection with these terms has ended; nil without a delay
	Replay *Replay          // nil: it watches live, or with a delay
}

// accept has a connection, not yet joined, be served by terms; nil for none.
func (c *Conn) accept(t *Terms) {
	c.terms = t
	if t != nil && t.Kinds != 0 {
		c.set(filtered)
	}
}

// wants says whether an event's kind is among those that the viewer asked for. It is called for
// each delivery: most connections have no terms to be looked at.
func (c *Conn) wants(e *Event) bool { return c.state&filtered == 0 || c.terms.Kinds.Has(e.Of) }

// Delay is after how long everything comes to the viewer; 0 is at once. It never changes.
func (c *Conn) Delay() time.Duration {
	if c.terms == nil {
		return 0
	}
	return c.terms.Delay
}

// replay is what plays a match to the connection again; nil if it watches live.
func (c *Conn) replay() *Replay {
	if c.terms == nil {
		return nil
	}
	return c.terms.Replay
}
