package goalcast

import (
	"encoding/json"
	"strconv"
)

// WireVersion is the version of the frames. Within it fields and frame types are added, never renamed or removed.
const WireVersion = 1

// The types of frame, in Frame.Type and as the SSE event name. Clients ignore types and fields that they do not know.
const (
	FrameHello    = "hello"    // first, always: what was understood of the request
	FrameSnapshot = "snapshot" // a topic as it stands as of Cursor; without one: a match, ahead of an event of it
	FrameEvent    = "event"    // one event; Cursor is its place
	FrameState    = "state"    // the newest value of one key
	FrameReset    = "reset"    // the cursor that was handed in cannot be resumed from; snapshots follow
	FrameStale    = "stale"    // the hub hears nothing from the bus (Stale true), or hears it again (false)
	FrameError    = "error"    // the client asked for something wrong; the connection goes on
	FrameBye      = "bye"      // the hub is about to close; come back after Retry with Cursor
	FramePong     = "pong"     // answers a client's ping; also comes unasked, as keep-alive with the newest cursor

	FrameSubscribe   = "subscribe"   // from a client: Topics
	FrameUnsubscribe = "unsubscribe" // from a client: Topics
	FramePing        = "ping"        // from a client
)

// Frame is any frame in either direction; a type uses few of its fields. The files in testdata/wire show one of each; clients' tests read them.
// Times are in ms since 1970 UTC, spans in ms.
type Frame struct {
	Type   string  `json:"type"`
	Cursor *Cursor `json:"cursor,omitempty"`

	Version int     `json:"version,omitempty"` // hello: WireVersion
	Topics  []Topic `json:"topics,omitempty"`  // hello, subscribe, unsubscribe
	Ping    int64   `json:"ping,omitempty"`    // hello: the server sends something at least this often
	Time    int64   `json:"time,omitempty"`    // hello, pong: the hub's clock

	ConflateMs int64 `json:"conflate_ms,omitempty"` // hello: states come at most this often, as was asked; subscribe: ask for it, for the whole connection

	Topic   *Topic     `json:"topic,omitempty"`   // snapshot: of what
	Matches []Snapshot `json:"matches,omitempty"` // snapshot: the matches of the topic, by kick-off; a team's or competition's without line-ups
	States  []State    `json:"states,omitempty"`  // snapshot: the newest values of the topic

	Event *Event `json:"event,omitempty"` // event
	State *State `json:"state,omitempty"` // state
	Sent  int64  `json:"sent,omitempty"`  // event, state: when the hub made the frame

	Reason string `json:"reason,omitempty"` // reset: "epoch", "too_old", "ahead", "gap", "too_much", "refresh", "bad_cursor"; bye: "drain", "too_slow", a refusal's code; ...
	Stale  *bool  `json:"stale,omitempty"`  // stale
	Code   string `json:"code,omitempty"`   // error: "bad_topic", "too_many_topics", "bad_frame", ...
	Error  string `json:"error,omitempty"`  // error: for a developer's eyes
	Retry  int64  `json:"retry,omitempty"`  // bye: how long to wait before coming back
	ID     string `json:"id,omitempty"`     // ping, subscribe: the client's own mark; returned in pong and error
}

// Encode gives the frame's JSON text. A frame always encodes.
func (f Frame) Encode() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic("frame " + f.Type + ": " + err.Error()) // only a RawMessage that is no JSON can do this; they are checked at the door
	}
	return b
}

// EventFrame is the event frame of a published event, built around the JSON text that came over the bus. Of the zero cursor the frame says nothing.
func EventFrame(p Published, sent int64) []byte {
	b := make([]byte, 0, len(p.Raw)+96)
	b = append(b, `{"type":"event"`...)
	if !p.Cursor.IsZero() {
		b = append(append(append(b, `,"cursor":"`...), p.Cursor.String()...), '"')
	}
	b = append(b, `,"event":`...)
	b = append(b, p.Raw...)
	b = append(b, `,"sent":`...)
	b = strconv.AppendInt(b, sent, 10)
	return append(b, '}')
}
