package goalcast

import "time"

// LiveChannel is what a push service moves a match by on all phones that show it, at once: a
// broadcast channel at Apple, a topic at Firebase.
type LiveChannel struct {
	Service string // "apns", or "fcm:" and the id of the project; with ID, and with Match, it is the only one
	ID      string // at the push service; no secret: phones are told it
	Match   MatchID
	Created time.Time

	Sent    time.Time // of the last push that was tried, in whole seconds: the next one is after it
	Shown   []byte    // the state of the last push that the service took, JSON; nil for none
	Opened  time.Time // when the match was first told as begun; zero: it has not
	Ended   time.Time // when phones were told that it is over; zero: they were not
	Started int64     // id of the last device on which an activity was to be started
}

// LiveDevice is a phone on which an activity can be started.
type LiveDevice struct {
	ID       int64
	Token    string // to start activities; a secret of the device: never logged
	Language string // of the app, as Device has it
}
