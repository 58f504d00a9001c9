package goalcast

import (
	"encoding/json"
	"slices"
	"strings"
)

// Published is an event on the bus: with its place in the stream, and as the JSON
// text that was put there.
type Published struct {
	Cursor Cursor
	Event  Event
	Raw    json.RawMessage // of Event; shared by all readers, never changed
}

// State is the newest value of one thing that changes often and whose past nobody wants: a price, a
// clock, a count. Of two with the same topic and key only the one with the higher version matters;
// viewers may see any of them or just the last.
type State struct {
	Topic Topic  `json:"topic"`
	Key   string `json:"key"` // within the topic: "1x2/home"; at most 120 bytes
	// goes up with each value, also across restarts: a time in ms or a provider's sequence
	Version int64           `json:"version"`
	Value   json.RawMessage `json:"value"`
	At      int64           `json:"at,omitempty"` // when the provider said it, ms since 1970 UTC
}

// Removed says that there is no such value any more.
func (s State) Removed() bool { return len(s.Value) == 0 || string(s.Value) == "null" }

// The keys of a match's states.
const (
	StatsKey      = "stats"       // what is counted: shots, corners, possession
	CommentaryKey = "commentary/" // and a language: the newest line
)

// Listed says whether a state's key is one that its topic has: see TopicInfo.States.
func (s State) Listed() bool {
	return slices.ContainsFunc(s.Topic.Kind.Info().States, func(key string) bool {
		return s.Key == key || (key == "" || strings.HasSuffix(key, "/")) && strings.HasPrefix(s.Key, key)
	})
}

// Listener is told what comes over the bus, by one goroutine at a time, in order. Its methods
// must not block for long.
type Listener interface {
	// Event is called for every event of the stream, offsets rising by one: gaps
	// were repaired before.
	Event(Published)
	// State is called for new values of topics that are listened to.
	State(State)
	// Reread is called with all values of such a topic when they were read: some may have been
	// missed, or be gone.
	Reread(Topic, []State)
	// Reset says that the stream cannot be continued: the bus lost its memory (another epoch), or
	// events were missed that it no longer has. What follows begins after the cursor; whatever
	// was derived from events must be read again. It is history up to the next Stale(false), which
	// comes after each Reset.
	Reset(Cursor)
	// Stale says whether the bus is silent. While it is, nothing new can be known; after false the
	// stream goes on, repaired, or Reset was called.
	Stale(bool)
}
