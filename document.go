package goalcast

import "time"

// DocumentID numbers the documents in the order in which they were kept.
type DocumentID int64

// Document is what a provider sent, byte for byte. It is kept before anything is made of it and
// never changed; only what became of it (DocumentState, Error, Attempts) is.
type Document struct {
	ID       DocumentID
	Provider string            // "opta"
	Feed     string            // "F9", upper case, no leading zeros; empty if the provider did not say
	Match    MatchID           // 0 if it is of no one match, or not known before parsing
	Headers  map[string]string // names in lower case; none that holds a secret
	Body     []byte
	Digest   [32]byte  // SHA-256 of Body
	Size     int       // bytes of Body, also where Body was left out
	Received time.Time // UTC, last byte
	Repeats  int       // how often the same bytes came again from the same provider, feed and match; they are kept once
	Seen     time.Time // UTC, when they came last
	State    DocumentState
	Error    string // why it failed, for State DocumentFailed
	Attempts int    // how often it was tried
}

// DocumentState says what became of a document.
type DocumentState string

// The states of a document.
const (
	// kept, not yet worked on: a sweeper finds those that a crash left behind
	DocumentReceived DocumentState = "received"
	DocumentApplied  DocumentState = "applied" // worked on; whether it changed anything or not
	DocumentIgnored  DocumentState = "ignored" // understood, and of no use: a feed that is not read
	DocumentFailed   DocumentState = "failed"  // cannot be understood; can be replayed after a fix
)

// DocumentFilter chooses documents; zero fields choose all.
type DocumentFilter struct {
	Provider string
	Feed     string
	Match    MatchID
	Lists    bool // only those of no one match
	State    DocumentState
	From, To time.Time  // From <= received < To
	Before   DocumentID // only lower numbers: the next page
	Limit    int        // at most so many; 0 is the store's limit
}

// MatchRecord is a match as the store keeps it and ingest changes it, under the match's lock.
type MatchRecord struct {
	Snapshot Snapshot
	// Feeds is what each feed last said of the match: ingest's own memory (JSON), opaque to
	// everyone else. Empty at first.
	Feeds []byte
}

// Task is work for later in the durable queue: retries, replays, batches of pushes. Never the first
// way of a goal: idle workers poll.
type Task struct {
	Kind    string        // "ingest:document", "notify:batch": whose it is and what
	ID      string        // the same ID twice, while the first is not done, is one task
	Payload []byte        // small: ids, not bodies
	Delay   time.Duration // do not start before; 0 is at once
	Urgent  bool          // before all that is not
	Retries int           // how often to try again after an error, with growing pauses; 0 is not at all
}
