package goalcast

import (
	"encoding/json"
	"slices"
	"strconv"
)

// WireVersion is the version of the frames. Within it fields and frame types are added,
// never renamed or removed.
const WireVersion = 1

// FrameType is what a frame is; also the name of its SSE event. Clients ignore types and fields
// that they do not know.
type FrameType string

// The types of frame.
const (
	FrameHello FrameType = "hello" // first, always: what was understood of the request
	// a topic as it stands as of Cursor; without one: a match, ahead of an event of it
	FrameSnapshot FrameType = "snapshot"
	FrameEvent    FrameType = "event" // one event; Cursor is its place
	FrameState    FrameType = "state" // the newest value of one key
	FrameReset    FrameType = "reset" // the cursor that was handed in cannot be resumed from; snapshots follow
	FrameStale    FrameType = "stale" // the hub hears nothing from the bus (Stale true), or hears it again (false)
	FrameError    FrameType = "error" // the client asked for something wrong; the connection goes on
	FrameBye      FrameType = "bye"   // the hub is about to close; come back after Retry with Cursor
	// answers a client's ping; also comes unasked, as keep-alive with the newest cursor
	FramePong FrameType = "pong"
	// what is known of the viewer ends at Expires: an auth frame or another connection renews it
	FrameExpiring FrameType = "expiring"
	FrameRenewed  FrameType = "renewed" // answers an auth: it ends at Expires now

	FrameSubscribe   FrameType = "subscribe"   // from a client: a ClientMessage with topics
	FrameUnsubscribe FrameType = "unsubscribe" // from a client: a ClientMessage with topics
	FramePing        FrameType = "ping"        // from a client
	FrameAuth        FrameType = "auth"        // from a client: a new token
	FrameAck         FrameType = "ack"         // from a client: the events with these cursors were shown
)

// ServerFrames and ClientFrames list the types that the hub sends and those that it takes.
var (
	ServerFrames = []FrameType{FrameHello, FrameSnapshot, FrameEvent, FrameState, FrameReset, FrameStale, FrameError,
		FrameBye, FramePong, FrameExpiring, FrameRenewed}
	ClientFrames = []FrameType{FrameSubscribe, FrameUnsubscribe, FramePing, FrameAuth, FrameAck}
)

// Frame is any frame in either direction; a type uses few of its fields. The files in testdata/wire
// show one of each; clients' tests read them. Times are in ms since 1970 UTC, durations in ms.
type Frame struct {
	Type   FrameType `json:"type"`
	Cursor *Cursor   `json:"cursor,omitempty"`

	Version int     `json:"version,omitempty"` // hello: WireVersion
	Topics  []Topic `json:"topics,omitempty"`  // hello, subscribe, unsubscribe
	Ping    int64   `json:"ping,omitempty"`    // hello: the server sends something at least this often
	Time    int64   `json:"time,omitempty"`    // hello, pong: the hub's clock

	// ConflateMs: in a hello, states come at most this often, as was asked; in a subscribe, ask for
	// it, for the whole connection.
	ConflateMs int64 `json:"conflate_ms,omitempty"`

	Speed int `json:"speed,omitempty"` // hello of a replay: so many times as fast as it was

	DelayS int `json:"delay_s,omitempty"` // hello of who asked for it: everything comes so many seconds later

	// Kinds: in a hello of who asked for some kinds of event only, those that come.
	Kinds []Kind `json:"kinds,omitempty"`

	// OddsBeat: in a hello of who follows prices, something of each such topic comes at least this
	// often; who hears nothing for twice as long shows no price.
	OddsBeat int64 `json:"odds_beat,omitempty"`

	Topic *Topic `json:"topic,omitempty"` // snapshot: of what
	// Matches of a snapshot are those of the topic, by kick-off; a team's or
	// competition's without line-ups.
	Matches []Snapshot `json:"matches,omitempty"`
	States  []State    `json:"states,omitempty"` // snapshot: the newest values of the topic

	Event *Event `json:"event,omitempty"` // event
	State *State `json:"state,omitempty"` // state
	Sent  int64  `json:"sent,omitempty"`  // event, state: when the hub made the frame

	Reason Reason `json:"reason,omitempty"` // reset, bye
	Stale  *bool  `json:"stale,omitempty"`  // stale
	Code   Code   `json:"code,omitempty"`   // error
	Error  string `json:"error,omitempty"`  // error: for a developer's eyes
	Retry  int64  `json:"retry,omitempty"`  // bye: how long to wait before coming back
	ID     string `json:"id,omitempty"`     // ping, subscribe, auth: the client's own mark; returned in the answer

	// Expires is when a viewer's token or ticket ends: in a hello if it does, expiring, renewed.
	Expires int64  `json:"expires,omitempty"`
	Token   string `json:"token,omitempty"` // auth

	Ack     bool     `json:"ack,omitempty"`     // hello: the hub wants to know what is shown
	Cursors []Cursor `json:"cursors,omitempty"` // ack: those of the events that were shown; at most MaxAcks
}

// MaxAcks is how many events one ack may name.
const MaxAcks = 50

// ClientMessage is what a client sends, as the hub reads it. Topics are texts, so that an error
// can name the bad one.
type ClientMessage struct {
	Type       FrameType `json:"type"`
	Topics     []string  `json:"topics"`
	ID         string    `json:"id"`
	ConflateMs *int64    `json:"conflate_ms"` // nil: as it was
	Token      string    `json:"token"`
	Cursors    []string  `json:"cursors"`
}

// Code says why the hub refused something, for programs. It stands in problem+json, in
// error frames, and as the reason of the bye that an event stream gets instead of a refusal
// that may be over soon.
type Code string

// The codes.
const (
	CodeFull          Code = "full"
	CodeRate          Code = "rate"
	CodeDraining      Code = "draining"
	CodeStarting      Code = "starting"
	CodeUnavailable   Code = "unavailable"
	CodeReplaysFull   Code = "replays_full"
	CodeNoReplay      Code = "no_replay"
	CodeBadTopic      Code = "bad_topic"
	CodeTooManyTopics Code = "too_many_topics"
	CodeBadParameter  Code = "bad_parameter"
	CodeBadCursor     Code = "bad_cursor"
	CodeUnauthorized  Code = "unauthorized"
	CodeForbidden     Code = "forbidden"
	CodeBadOrigin     Code = "bad_origin"
	CodeBadFrame      Code = "bad_frame"
	CodeMethod        Code = "method_not_allowed"
)

// CodeInfo is how a code is told and what a client is to do after it.
type CodeInfo struct {
	Code    Code
	Status  int  // of the HTTP answer; 0 for what only an error frame says
	InFrame bool // an error frame may say it
	Final   bool // only another request can be right; otherwise the same one may be a little later
}

// Codes lists all codes. What is not listed is final.
var Codes = []CodeInfo{
	{Code: CodeFull, Status: 503},
	{Code: CodeRate, Status: 503},
	{Code: CodeDraining, Status: 503},
	{Code: CodeStarting, Status: 503},
	{Code: CodeUnavailable, Status: 503, InFrame: true},
	{Code: CodeReplaysFull, Status: 503},
	{Code: CodeNoReplay, Status: 404, Final: true},
	{Code: CodeBadTopic, Status: 400, InFrame: true, Final: true},
	{Code: CodeTooManyTopics, Status: 400, InFrame: true, Final: true},
	{Code: CodeBadParameter, Status: 400, Final: true},
	{Code: CodeBadCursor, Status: 400, Final: true},
	{Code: CodeUnauthorized, Status: 401, InFrame: true, Final: true},
	{Code: CodeForbidden, Status: 403, InFrame: true, Final: true},
	{Code: CodeBadOrigin, Status: 403, Final: true},
	{Code: CodeMethod, Status: 405, Final: true},
	{Code: CodeBadFrame, InFrame: true, Final: true},
}

// Info returns the line of Codes.
func (c Code) Info() CodeInfo {
	if i := slices.IndexFunc(Codes, func(info CodeInfo) bool { return info.Code == c }); i >= 0 {
		return Codes[i]
	}
	return CodeInfo{Code: c, Status: 400, Final: true}
}

// Reason is why a stream cannot be taken up again (reset) or ends (bye).
type Reason string

// The reasons of a reset.
const (
	ResetEpoch     Reason = "epoch"      // the stream is another one since
	ResetTooOld    Reason = "too_old"    // the events after the cursor are no longer here
	ResetAhead     Reason = "ahead"      // the cursor points to what this node has not heard of
	ResetTooMuch   Reason = "too_much"   // more happened since than is replayed
	ResetGap       Reason = "gap"        // the bus lost events, or this node did
	ResetRefresh   Reason = "refresh"    // the bus lost events, and what matches look like is just being read again
	ResetBadCursor Reason = "bad_cursor" // a Last-Event-ID that is none of ours
)

// The reasons of a bye. A bye instead of a refusal has the refusal's code: see Code.Bye.
const (
	ByeDrain   Reason = "drain"    // the node stops
	ByeTooSlow Reason = "too_slow" // too much waited, and nothing was taken
	ByeExpired Reason = "expired"  // the viewer's token has ended: come back with a new one
	// all of a replay was told: there is nothing to come back for
	ByeReplayOver Reason = "replay_over"
)

// ResetReasons and ByeReasons list the reasons there are.
var (
	ResetReasons = []Reason{ResetEpoch, ResetTooOld, ResetAhead, ResetTooMuch, ResetGap, ResetRefresh, ResetBadCursor}
	ByeReasons   = []Reason{ByeDrain, ByeTooSlow, ByeExpired, ByeReplayOver, CodeFull.Bye(), CodeRate.Bye(),
		CodeDraining.Bye(), CodeStarting.Bye(), CodeUnavailable.Bye(), CodeReplaysFull.Bye()}
)

// Bye is the reason of the bye that an event stream gets instead of a refusal.
func (c Code) Bye() Reason { return Reason(c) }

// CloseCode is why a WebSocket is closed. 4000 to 4999 are ours, the others are those of RFC
// 6455 and its registry.
type CloseCode uint16

// The codes with which the hub closes. A client that closes gets its own code back, or CloseNormal.
const (
	CloseNormal      CloseCode = 1000 // also at the end of a replay; a bye came before
	CloseGoingAway   CloseCode = 1001 // the node stops; a bye came before
	CloseProtocol    CloseCode = 1002 // what the client sent is no WebSocket
	CloseUnsupported CloseCode = 1003 // or binary
	CloseInvalid     CloseCode = 1007 // or no UTF-8, or not deflated
	ClosePolicy      CloseCode = 1008 // too many messages
	CloseTooBig      CloseCode = 1009 // a message over the limit
	CloseTryLater    CloseCode = 1013 // a match cannot be read now
	CloseExpired     CloseCode = 4001 // the viewer's token has ended; a bye came before
	CloseTooSlow     CloseCode = 4008 // too much waited and nothing was taken; come back with the last cursor
	CloseNoPong      CloseCode = 4009 // pings were not answered
)

// CloseCodes lists them.
var CloseCodes = []CloseCode{CloseNormal, CloseGoingAway, CloseProtocol, CloseUnsupported, CloseInvalid, ClosePolicy,
	CloseTooBig, CloseTryLater,
	CloseExpired, CloseTooSlow, CloseNoPong}

// Encode gives the frame's JSON text. A frame always encodes.
func (f Frame) Encode() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		// only a RawMessage that is no JSON can do this; they are checked at the door
		panic("frame " + string(f.Type) + ": " + err.Error())
	}
	return b
}

// DeltaFrame is the event frame of a revision as the database has it: what of a frame is not the
// same for all, the cursor, the time it was sent and the event's times.published, is not in it.
func DeltaFrame(event []byte) []byte {
	b := make([]byte, 0, len(event)+32)
	b = append(b, `{"type":"event","event":`...)
	return append(append(b, event...), '}')
}

// EventFrame is the event frame of a published event, built around the JSON text that came over the
// bus. Of the zero cursor the frame says nothing.
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
