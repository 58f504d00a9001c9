package goalcast

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// PushLanguages are those that pushes are written in. A device with any other gets PushFallback.
var PushLanguages = []string{"nl", "fr", "de", PushFallback}

// PushFallback is the language of devices whose own is none of PushLanguages.
const PushFallback = "en"

// PushLanguage is the language that pushes to a device are written in, by the one of its app.
func PushLanguage(language string) string {
	if slices.Contains(PushLanguages, language) {
		return language
	}
	return PushFallback
}

// PushChannel names the topic at a push service by which devices of a language get what happens in
// one of ours: "nl.team.174". Its names are the store's, too.
func PushChannel(language string, t Topic) string {
	return language + "." + t.Kind.String() + "." + strconv.FormatInt(t.ID, 10)
}

// PushListeners stands, in the place of a device's number, for whoever listens to the topics of a
// push in the language of its batch.
const PushListeners int64 = 0

// TopicPhone is a device, and which topics of its push service it listens to (PushChannel).
type TopicPhone struct {
	ID       int64
	Token    string // empty if it cannot be read
	User     UserID
	Carrier  string
	Language string
	Proven   bool
	Prefers  bool     // its user has set something: what goes to all is not for him
	Follows  []Topic  // its user's
	Topics   []string // those that it surely listens to
	Unsure   []string // those that it may listen to, or not
	Due      int64    // since when it is to be looked at, in ms since 1970, as it was read
	Next     int64    // when to look at it next; 0: not before something changes
}

// TopicPush is a push that went to topics.
type TopicPush struct {
	Event  string
	Topics []Topic
	Open   bool // a batch to topics is not done yet
}

// PushText is a notification in one language.
type PushText struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// MessagePause is how long after an editor's message was pushed to a topic no other one is.
const MessagePause = 10 * time.Minute

// PauseError is why a message may not be pushed yet: another one was, to the same topic, less than
// MessagePause ago.
type PauseError struct{ Wait time.Duration } // until it may be

func (e *PauseError) Error() string {
	return fmt.Sprintf("a message was pushed to this topic less than %d minutes ago", MessagePause/time.Minute)
}

// PushID is what the pushes of an event are kept under: its own id; of the line-ups of a match,
// which are one push, one for both.
func (e Event) PushID() string {
	if e.Kind == KindLineup {
		return fmt.Sprintf("match:%d:lineups", e.Match)
	}
	return e.ID
}

// PushRecord is where the pushes of one event stand. There is one for every event that ever
// had something to push.
type PushRecord struct {
	// what it is kept under: Event.PushID, with the match in front where another match has an
	// event of that id ("1009316/opta:1")
	Event    string
	Match    MatchID // of the event
	Revision int     // the newest revision that was planned; 0 if none was
	State    string  // one of RecordNone, ...
	// when what is to be told became true, by the first revision that told it; zero if
	// nothing is to be told
	Since   time.Time
	Shown   time.Time // when revision Base was planned
	Base    int       // the revision whose batches went to all followers
	Told    int       // the newest revision that has batches: Base, or one that corrects it or takes it back
	Batches int       // how many batches Base has so far
	Open    bool      // there may be users after Cut whose devices are not in a batch yet
	Cut     UserID    // where the audience of Base that is in batches ends: for Store.Audience to go on from
	Expires time.Time // of Base's batches
	Print   string    // fingerprint of what is shown: the same text is not sent again
	Topics  []Topic   // whose followers were told
	ByTopic bool      // Base went to whoever listens to these (PushListeners), and to the others by their tokens
	Content []byte    // JSON of Content, of revision Revision; empty if nothing is to be told
	// devices of Base's audience that get nothing, or not at once, because their users want it so;
	// by reason
	Withheld map[string]int
}

// PushBatch is a part of the devices that get a push: at most a batch's size
// (notify.Config) of them.
type PushBatch struct {
	ID       string // "<event key>/<number>": the same plan made twice is the same batch
	Event    string
	Revision int
	Number   int
	Devices  []int64   // ids; nil if Source is set, and in a claim: see PushClaim
	Source   string    // the batch whose devices get this one, and nobody else; empty for a batch to followers
	Service  string    // the push service of its devices; empty: of several, or not known
	Language string    // of a batch to PushListeners; else empty
	Late     bool      // it is sent when no other batch of its service waits
	Created  time.Time // when it was planned
	Expires  time.Time // it is not sent at or after this time
	// when it should go: when the document came that told of the event, or, if its users want it
	// later, then. How late its messages are counts from here. Zero: not known
	Due time.Time

	// How the users of its devices want it. A batch with a Source has what that has.
	NotBefore time.Time // zero: at once
	Silent    bool      // without a sound
	NoScores  bool      // its text names neither the score nor who scored
}

// Waits says whether the batch was made to wait: its users want it later.
func (b PushBatch) Waits() bool { return b.NotBefore.After(b.Created) }

// DueBatch is a batch that can be claimed.
type DueBatch struct{ ID, Service string } // PushBatch.Service

// PushClaim is a batch that somebody may send until the lease ends, with all that he must know to
// decide whether it still should be.
type PushClaim struct {
	Batch   PushBatch
	Record  PushRecord
	Attempt int     // counts claims of this batch from 1: a worker that lost its lease changes nothing
	Devices []int64 // of the batch, or what an earlier attempt left over; nil for all that Reached has
	Newest  int     // newest revision of the event that the store knows
	Void    bool    // Newest takes the event back, and phones are not told: a replay found it out
	// with Source: devices that got or may have got the source, by whoever claimed it, also if he
	// never said what became of it
	Reached []int64
	Sent    int // with Source: the revision that the source showed; 0 if nobody said that it was sent
}

// PushBacklog is what waits to be pushed.
type PushBacklog struct {
	Events    int // revisions that are not planned, also those that wait for names
	Audiences int // events whose followers are not all in batches
	Batches   int // that are not done
	Held      int // batches that wait because their users want it so; they are not in Batches
}

// PushResult says what became of a claimed batch.
type PushResult struct {
	State     string // one of BatchPlanned, ..., but claimed
	Reason    string // why it was dropped or failed
	Revision  int    // what was shown, if anything was sent
	Reached   []int64
	Remaining []int64   // with BatchPlanned: the devices to try again; nil is what it was
	NotBefore time.Time // with BatchPlanned
	Tally     PushTally // of this attempt
}

// The states of a PushRecord.
const (
	RecordNone      = ""          // nothing to tell, or not yet looked at
	RecordShown     = "shown"     // told, and it stands
	RecordWithdrawn = "withdrawn" // told, and taken back
	// true, and never told: too old when it became known. It stays untold
	// whatever is corrected in it
	RecordMuted = "muted"
)

// The states of a batch.
const (
	BatchPlanned = "planned" // to be sent, again if NotBefore is set
	BatchClaimed = "claimed" // somebody is at it until the lease ends
	BatchSent    = "sent"    // done: all devices were tried, and what can be tried no more was counted
	BatchFailed  = "failed"  // given up as a whole
	BatchDropped = "dropped" // not sent, and rightly so
)
