package goalcast

import (
	"encoding/json"
	"fmt"
	"time"
)

// PartnerEvent is an event in the order in which partners are told.
type PartnerEvent struct {
	Number int64 // rises by one, without a hole; the place that a partner's cursor names
	Event  Event
	Raw    json.RawMessage // of Event, as it was committed
	Silent bool            // phones get nothing of it: a replay brought it
	At     time.Time       // when it was committed
	// Broken is why the event cannot be read: a later version's, or damage. nil for all others.
	Broken error
}

// PartnerState is where a partner stands: an installation of somebody else that is told of events.
type PartnerState struct {
	Name       string
	Cursor     int64     // number of the last event that it took, or that is not for it
	Sets       int       // how often an operator has set Cursor
	Configured time.Time // when a process last had the partner in its file
	Taken      time.Time // when it last took an event; zero: never

	// Of the event behind Cursor that is for it, as long as it has not been taken.
	Failing  time.Time // when it was first tried; zero: it was not
	Attempts int
	Retry    time.Time // it is not tried before this time
	Reason   string    // why the last attempt failed, as metrics call it
	Error    string    // and in words
	Paused   time.Time // since when nothing is sent until an operator sets Cursor; zero: it is sent

	// What is there for all partners.
	Newest int64 // number of the newest event; 0: there is none
	// Oldest is when the first event behind Cursor was committed, or the first that has no number
	// yet; zero: the partner has all there is.
	Oldest time.Time
}

// Lag is how long the oldest event has waited that the partner was not told of.
func (p PartnerState) Lag(now time.Time) time.Duration {
	if p.Oldest.IsZero() {
		return 0
	}
	return max(0, now.Sub(p.Oldest))
}

// ReachError says that a partner's cursor cannot be set there.
type ReachError struct{ First, Last int64 } // where it can

func (e *ReachError) Error() string {
	return fmt.Sprintf("a cursor from %d to %d can be set: events behind it are kept", e.First, e.Last)
}
