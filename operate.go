package goalcast

import "time"

// AlarmKind says what an alarm is about.
type AlarmKind string

// The kinds of alarm.
const (
	AlarmNotStarted AlarmKind = "not_started"  // a match, some time after its planned kick-off
	AlarmSilent     AlarmKind = "feed_silent"  // no document of a match in play for some time
	AlarmNoClip     AlarmKind = "no_clip"      // of a goal, some time after it
	AlarmClipFailed AlarmKind = "clip_failed"  // was given up: its upload failed, or its match was not found
	AlarmNoSummary  AlarmKind = "no_summary"   // video of a match, some time after its end
	AlarmUnreadable AlarmKind = "unreadable"   // documents of a feed that cannot be understood
	AlarmDisagree   AlarmKind = "disagreement" // feeds tell different things of a match for some time
	AlarmQueueLag   AlarmKind = "queue_lag"    // work waits too long
	// a provider's clock and ours differ, or its documents are long on their way
	AlarmClockSkew AlarmKind = "clock_skew"
	AlarmJobStale  AlarmKind = "job_stale" // a periodic job has not succeeded for some time
	// a document makes a step that football does not make, and is not believed yet
	AlarmHeld AlarmKind = "step_held"

	AlarmOddsSource AlarmKind = "odds_source" // prices of a source are not shown for some time
	AlarmOddsLate   AlarmKind = "odds_late"   // what a source tells is too old
	AlarmOddsQuota  AlarmKind = "odds_quota"  // a provider allows few more requests
	AlarmOddsStates AlarmKind = "odds_states" // a match has more markets than hubs show

	AlarmPartner AlarmKind = "partner_paused" // a partner is told of no events until its cursor is set
)

// AlarmKinds are all of them.
var AlarmKinds = []AlarmKind{AlarmNotStarted, AlarmSilent, AlarmNoClip, AlarmClipFailed, AlarmNoSummary,
	AlarmUnreadable, AlarmDisagree, AlarmQueueLag, AlarmClockSkew, AlarmJobStale, AlarmHeld, AlarmOddsSource,
	AlarmOddsLate, AlarmOddsQuota, AlarmOddsStates, AlarmPartner}

// Alarm is something that an operator should know. It opens once, and closes by itself when its
// reason is gone; the same reason later is another alarm.
type Alarm struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"` // what it is about, one open alarm each: "feed_silent:1009316"
	Kind    AlarmKind `json:"kind"`
	Match   MatchID   `json:"match,omitempty"`
	Text    string    `json:"text"`
	Opened  time.Time `json:"opened"`
	Closed  time.Time `json:"closed,omitzero"`
	Acked   time.Time `json:"acked,omitzero"` // somebody said that he takes care of it
	AckedBy string    `json:"acked_by,omitempty"`
}

// AlarmFilter chooses alarms; zero fields choose all.
type AlarmFilter struct {
	Open   bool // only those that are not closed
	Kind   AlarmKind
	Match  MatchID
	Before int64 // only those with a lower ID
	Limit  int   // at most so many; 0 is the store's limit
}

// FailedFeed is a feed of which documents could not be understood.
type FailedFeed struct {
	Provider, Feed string
	Documents      int
	Newest         DocumentID
}

// FailedClip is a clip that was given up, until a better cut of it comes or its
// document is replayed.
type FailedClip struct {
	ID    string
	Match MatchID // 0 if it was not found
	Title string
	Error string
}

// QueueState is one queue of work for later.
type QueueState struct {
	Name    string        `json:"name"`
	Waiting int           `json:"waiting"` // may start now
	Delayed int           `json:"delayed"` // not before a time; retries too
	Running int           `json:"running"`
	Dead    int           `json:"dead"` // given up: see DeadTask
	Oldest  time.Duration `json:"-"`    // how long the oldest of Waiting has waited
}

// DeadTask is work that was given up after its retries. It can be revived.
type DeadTask struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Payload string    `json:"payload"`
	Error   string    `json:"error"`
	Tries   int       `json:"tries"`
	Died    time.Time `json:"died"`
}

// DeadPlace is where a page of dead tasks begins: behind this one. Zero is the front.
type DeadPlace struct {
	Died time.Time // whole seconds
	ID   string
}

// JobState is work that one of all processes does again and again.
type JobState struct {
	Name  string    `json:"name"`
	Owner string    `json:"owner,omitempty"` // who is at it now
	Began time.Time `json:"began,omitzero"`
	Ended time.Time `json:"ended,omitzero"`
	// Succeeded is when a run ended well last. While none has, it is since when the job is tried.
	Succeeded time.Time     `json:"succeeded,omitzero"`
	Period    time.Duration `json:"-"`
	Runs      int64         `json:"runs"`
	Failures  int64         `json:"failures"`
	Error     string        `json:"error,omitempty"` // of the last run
}

// Audience is what a hub node tells of its viewers.
type Audience struct {
	Node       string         `json:"node"` // the machine, and letters that differ from start to start
	Viewers    int            `json:"viewers"`
	Transports map[string]int `json:"transports"` // of these, by how they are connected
	Limit      int            `json:"limit"`      // more viewers are refused; 0: no limit
	Reason     string         `json:"reason"`     // why no viewers should be sent there; empty: they may
	Followed   int            `json:"followed"`   // topics that have viewers
	// Topics are those of them that most viewers follow. A viewer counts in each that it follows.
	Topics []TopicViewers `json:"topics"`
	Age    time.Duration  `json:"-"` // since it told that; set where it is read
}

// TopicViewers is how many follow a topic.
type TopicViewers struct {
	Topic   Topic `json:"topic"`
	Viewers int   `json:"viewers"`
}

// FeedState is what came of a feed since a time.
type FeedState struct {
	Provider, Feed string
	Last           time.Time  // when its last document came
	Document       DocumentID // the newest
	Playing        bool       // documents of a match that is asked about were among them

	// Documents of the last hour: all, and of these the ones that nobody understands, that are of
	// no use, and that are not worked on yet.
	Hour, Failed, Ignored, Waiting int

	LastFailed *FailedDocument // the newest that nobody understands; nil: there is none
}

// FailedDocument is one that could not be understood.
type FailedDocument struct {
	ID    DocumentID `json:"id"`
	At    time.Time  `json:"at"`
	Error string     `json:"error"`
}

// PushState is where the pushes of an event stand, for operators.
type PushState struct {
	Event    string
	Match    MatchID
	Revision int    // the newest that was planned
	State    string // of the record: RecordNone, ...
	Since    time.Time
	Planned  time.Time
	Open     bool   // its audience is not all in batches yet
	Content  []byte // JSON of what is shown, if anything is
	Batches  []PushCount
}

// PushCount counts the batches of a push that ended, or stand, in one way.
type PushCount struct {
	State  string `json:"state"`            // BatchPlanned, ...
	Reason string `json:"reason,omitempty"` // why they failed, or were dropped
	Count  int    `json:"batches"`
}

// PushPlace is where a page of the list of pushes begins: behind this one.
type PushPlace struct {
	Planned time.Time // zero: at the newest
	Event   string
}

// PushFigures are what became of the pushes of one event, for operators.
type PushFigures struct {
	PushState
	Withheld  map[string]int // followers' devices that get nothing, or not at once, by their users' wish; by reason
	Revisions []PushRevision // those that went to phones, in order
}

// PushRevision is what became of one revision's pushes: of the news, a correction of it, or its
// withdrawal.
type PushRevision struct {
	Revision int
	// in its batches. Of a correction or a withdrawal, of those that are done: who gets it is known
	// only when who got the news is
	Devices int
	Waiting int            // of Devices, to which something may still be sent
	Unsent  map[string]int // of Devices, to which nothing was sent; by reason
	Tally   PushTally      // of all others
	Batches []PushCount
}
