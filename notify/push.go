package notify

import (
	"time"

	"goalcast"
)

// Content is what a push says, in all languages; the store keeps it as JSON.
type Content struct {
	// "goal", "goal_cancelled", "red_card", "red_card_cancelled", "period", "status", "penalty",
	// "penalty_cancelled", "penalty_missed", "message", "lineups",
	// "clip", "summary"
	Kind     string            `json:"kind"`
	User     goalcast.PushKind `json:"user,omitempty"` // what users switch it on and off by
	Texts    map[string]Text   `json:"texts"`
	NoScores map[string]Text   `json:"no_scores,omitempty"` // the same without score and scorer
	// of a shown notification: a newer one with the same tag replaces it
	Tag string `json:"tag"`
	// of waiting notifications: only the newest is kept for a phone that is off
	Collapse string `json:"collapse"`
	Thread   string `json:"thread"` // notifications that phones may group
	// "goals", "cards", "penalties", "matches", "messages", "clips": what the owner can mute
	Channel string `json:"channel"`
	High    bool   `json:"high,omitempty"`
	Silent  bool   `json:"silent,omitempty"` // it takes the place of one that made the sound, of another event
	// https address; not for who wants no scores: a picture may tell them
	Image string `json:"image,omitempty"`
	// Times.Received of the event: latency is measured from there
	Received int64 `json:"received,omitempty"`
	// Seen is the revision (Event.KeyOfAll) that phones may have shown live and then need no push
	// of. Empty: they get one whatever they have shown, as of all that replaces another push.
	Seen string            `json:"seen,omitempty"`
	Data map[string]string `json:"data"`
}

// Text is a notification in one language.
type Text goalcast.PushText

// Message is one push to one device.
type Message struct {
	Token string // a secret: never logged
	// Topics are those (goalcast.PushChannel) of which whoever listens to any gets the message,
	// once; Token is empty then
	Topics   []string
	Platform string // "android", "ios", "web", "bank"
	// Push names what is said: the same whenever it is tried again, and another when it says
	// something else. Messages with the same one differ in device, language and text only.
	Push     string
	Text     Text
	Language string // of Text
	Tag      string
	Collapse string
	Thread   string
	Channel  string
	Image    string // https address of a picture to show; empty for none; at most 512 bytes
	High     bool   // wakes the phone
	Silent   bool   // replaces what is shown without sound
	Expires  time.Time
	Told     time.Time // from when a device could have shown it at the earliest; zero: not known
	Data     map[string]string
}

// Outcome is what became of a message, as the package that has read the push service's
// answer understands it.
type Outcome string

// The outcomes of a message.
const (
	Delivered Outcome = "delivered" // the push service took it
	Gone      Outcome = "gone"      // there is no such device any more: delete its token
	Rejected  Outcome = "rejected"  // the service says that the message is wrong: our fault, an alarm, no retry
	// the service or one behind it does not accept our credentials: an alarm, no
	// retry; see Result.All
	Denied  Outcome = "denied"
	Foreign Outcome = "foreign" // the device's token or our project is another's: the answer does not tell which
	Later   Outcome = "later"   // try again, not before Result.After
	// the notifier's own: it is not sent, since the phone has shown live what it says
	Shown Outcome = "shown"
)

// ReasonUnregistered is the Result.Reason of a device whose app is gone: that is no fault of
// ours, however many say so.
const ReasonUnregistered = "unregistered"

// ReasonQuota is the Result.Reason of a message that was put off because too many were sent:
// such pauses are longer.
const ReasonQuota = "quota_exceeded"

// Result is the outcome of one message.
type Result struct {
	Outcome Outcome
	Reason  string        // the service's own code, in lower case: "unregistered", "quota_exceeded"; a metric label
	After   time.Duration // with Later: what the service asked for; 0 if it did not say
	Unsure  bool          // with Later: the message may have arrived all the same
	All     bool          // with Denied: so will be whatever else we send
	Err     error         // nil for Delivered

	Shortened bool      // the text was too long for the service: see Text.Fit
	Service   string    // the push service that answered: "fcm", a host; empty counts by platform
	At        time.Time // when the request was made, by the process's clock; zero if none was
}
