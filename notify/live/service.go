// Package live keeps the lock screens of phones up to date: a Live Activity on iOS, a notification
// that stays on Android, which shows the score of a match without a notification for each change.
// Each match has a channel at each push service, a broadcast channel or a topic: one request to it
// moves every phone that shows the match.
package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"goalcast"
)

// What a push does to the activity of a match on a phone.
const (
	Start  = "start"
	Update = "update"
	End    = "end"
)

// MaxAge is how long phones show an activity; after that they end it themselves.
const MaxAge = 8 * time.Hour

// Push is one state of a match, as it goes to phones.
type Push struct {
	Match goalcast.MatchID
	Event string          // Start, Update or End
	State json.RawMessage // content-state, an object
	// At orders the pushes of a channel, in whole seconds: a phone leaves out what is not after
	// what it shows.
	At time.Time
	// Stale is when a phone shows that the state is old, if nothing newer came; zero: never.
	Stale time.Time
	// Dismiss is when a phone takes an ended activity away; zero: when the phone wants.
	Dismiss time.Time
	High    bool // shown at once, whatever it costs the battery
	// Expires is how long the push service keeps it for a phone that is off; zero: not at all.
	Expires time.Time

	// Of a Start only.
	Channel    string          // that the activity listens to
	Type       string          // of Attributes, as the app names it
	Attributes json.RawMessage // what does not change, an object
	Title      string          // of the alert that announces it
	Body       string
}

// What a push service's error means; errors.Is finds it. Any other error may be gone on the next
// try.
var (
	// ErrNoChannel says that the service knows no such channel.
	ErrNoChannel = errors.New("no such channel")
	// ErrFull says that there are as many channels as the service allows.
	ErrFull = errors.New("no room for another channel")
	// ErrNoDevice says that a token to start activities is of no device of this app.
	ErrNoDevice = errors.New("no such device")
	// ErrDenied says that the service does not accept our credentials or our app: nothing else
	// will be accepted either.
	ErrDenied = errors.New("not accepted by the push service")
	// ErrRefused says that the request itself is wrong: a fault of ours, which no retry mends.
	ErrRefused = errors.New("refused by the push service")
)

// BusyError is the error of a service that takes no more for now.
type BusyError struct {
	After time.Duration // what it asked for; 0 if it did not say
	Err   error
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("the push service takes no more for now: %v", e.Err)
}

func (e *BusyError) Unwrap() error { return e.Err }
