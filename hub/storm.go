package hub

import (
	"runtime/debug"
	"time"
)

// A storm of joins leaves garbage that Go keeps until its heap has grown as much again. When the
// storm is over it is collected, and given back to the system.
const (
	stormJoins = 5_000       // so many joins since the last collection are a storm
	stormCalm  = 100         // with fewer joins from one look to the next, a second later, it is over
	stormPause = time.Minute // between two collections
)

// storms says when a storm is over.
type storms struct {
	seen      int64 // joins up to the last look
	collected int64 // and up to the last collection
	at        time.Time
}

// over looks at how many have joined so far.
func (s *storms) over(joined int64, now time.Time) bool {
	calm := joined-s.seen < stormCalm
	s.seen = joined
	if !calm || joined-s.collected < stormJoins || now.Sub(s.at) < stormPause {
		return false
	}
	s.collected, s.at = joined, now
	return true
}

// collectStorms collects what a storm of joins has left.
func (h *Hub) collectStorms(s *storms, now time.Time) {
	if s.over(h.joined.Load(), now) {
		debug.FreeOSMemory()
	}
}
