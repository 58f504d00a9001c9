// Package frame holds a message in each of the forms in which viewers get it: WebSocket,
// server-sent event, JSON, and compressed, by itself or referring to what a viewer was sent before.
// It also reads the frames that clients send.
//
// The package is pure and has no owner. A Message is made once and shared by all shards: each of
// its forms is made by whoever needs it first and never changes after that. A Batch and an Input
// belong to the shard that made them.
package frame

import (
	"bytes"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"goalcast"
)

// Encoding is a form in which a message goes over a wire.
type Encoding uint8

// The encodings; the first three are those of the transports, in their order.
const (
	WebSocket Encoding = iota // a whole text frame
	SSE                       // a server-sent event, with its empty line
	JSON                      // bare, for long polls
	// WebSocket compressed, where both sides agreed on it and it is worth it; each message by
	// itself
	Deflate
	encodings

	// Context is Deflate, but a message may refer to the one before; see context.go. A message by
	// itself looks the same in both.
	Context = encodings
)

// Compressed says whether the peer may send compressed messages as well.
func (e Encoding) Compressed() bool { return e == Deflate || e == Context }

// Class is what is promised of a message's delivery; a label of counters.
type Class uint8

// The classes.
const (
	ClassEvent Class = iota
	ClassState
	ClassSnapshot
	ClassControl // hello, reset, stale, error, bye, pong, close, keep-alive
	Classes      // how many there are
)

// ClassNames are the classes as labels.
var ClassNames = [Classes]string{"event", "state", "snapshot", "control"}

// Message is one frame for any number of viewers. It is encoded at most once for each encoding, by
// whoever needs it first; lists hold pointers to it. The exported fields are set when it is made.
type Message struct {
	Kind     goalcast.FrameType // or another word for what is no frame
	Class    Class
	ID       string        // the SSE id: a cursor from which the stream can be resumed; empty where there is none
	Seq      uint64        // of an event: its place in the hub's own count, from 1, which never starts over; else 0
	Text     func() []byte // makes the JSON; called once, by whoever needs it first
	Deflater *Deflater     // nil for what one viewer alone gets, and for short control messages: never compressed

	once, deflating sync.Once
	text            []byte // JSON: the tail of the WebSocket frame
	forms           [encodings]atomic.Pointer[[]byte]
	context         contextForms
}

// Of makes the message of a frame. It is not compressed.
func Of(c Class, f goalcast.Frame) *Message { return &Message{Kind: f.Type, Class: c, Text: f.Encode} }

// Fixed makes a control message that has no JSON: its bytes for WebSocket and SSE are given; nil
// sends nothing.
func Fixed(kind goalcast.FrameType, websocket, sse []byte) *Message {
	m := &Message{Kind: kind, Class: ClassControl}
	m.once.Do(func() {})
	m.forms[WebSocket].Store(&websocket)
	m.forms[Deflate].Store(&websocket)
	m.forms[SSE].Store(&sse)
	none := []byte{}
	m.forms[JSON].Store(&none)
	return m
}

// Close makes a WebSocket close frame. Other transports get nothing and are just closed.
func Close(code goalcast.CloseCode, reason string) *Message {
	return Fixed("close", ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason))), nil)
}

// Stale says whether the bus is silent.
func Stale(silent bool) *Message {
	return Of(ClassControl, goalcast.Frame{Type: goalcast.FrameStale, Stale: &silent})
}

// Bye makes a goodbye: who gets it comes back after the delay, with the cursor if there is one.
func Bye(reason goalcast.Reason, retry time.Duration, cursor goalcast.Cursor) *Message {
	f := goalcast.Frame{Type: goalcast.FrameBye, Reason: reason, Retry: retry.Milliseconds()}
	if !cursor.IsZero() {
		f.Cursor = &cursor
	}
	m := Of(ClassControl, f)
	m.Retry(f.Retry)
	return m
}

// Retry has an event stream's browser wait so many milliseconds before it comes back, from now on.
// It is called before the message is shared.
func (m *Message) Retry(ms int64) {
	m.Bytes(WebSocket) // which makes the text
	sse := append([]byte("retry: "+strconv.FormatInt(ms, 10)+"\n"), m.sse()...)
	m.forms[SSE].Store(&sse)
}

// Bytes gives the message in an encoding, understandable by itself. The result is shared and must
// not be changed.
func (m *Message) Bytes(e Encoding) []byte {
	if e == Context {
		e = Deflate
	}
	if b := m.forms[e].Load(); b != nil {
		return *b
	}
	m.once.Do(m.encodeText)
	if b := m.forms[e].Load(); b != nil {
		return *b
	}
	b := m.text
	switch e {
	case SSE:
		b = m.sse()
	case Deflate:
		m.deflating.Do(m.deflate)
		return *m.forms[e].Load()
	}
	m.forms[e].CompareAndSwap(nil, &b)
	return *m.forms[e].Load()
}

// Size is what a message in a list counts for, in bytes. It may go out as fewer.
func (m *Message) Size(e Encoding) int { return len(m.Bytes(e)) }

// JSON gives the message's text; nil if it has none.
func (m *Message) JSON() []byte {
	m.once.Do(m.encodeText)
	return m.text
}

// encodeText makes the JSON and the WebSocket frame around it, which are one piece of memory.
func (m *Message) encodeText() {
	frame := ws.MustCompileFrame(ws.NewTextFrame(m.Text()))
	m.Text = nil
	h := ws.Header{Fin: true, OpCode: ws.OpText, Length: int64(len(frame))}
	for n := ws.HeaderSize(h); ; n-- { // the header's size depends on the length without it
		h.Length = int64(len(frame) - n)
		if ws.HeaderSize(h) == n {
			m.text = frame[n:]
			break
		}
	}
	m.forms[WebSocket].Store(&frame)
}

// deflate makes the compressed form: whichever shard needs it first, while the others wait for it.
func (m *Message) deflate() {
	frame := m.Deflater.frame(m.text)
	if frame == nil {
		frame = *m.forms[WebSocket].Load()
	}
	m.forms[Deflate].Store(&frame)
}

// sse writes the message as the HTML standard wants it. JSON has line breaks only where somebody's
// own JSON was passed on as it was.
func (m *Message) sse() []byte {
	b := make([]byte, 0, len(m.text)+len(m.Kind)+len(m.ID)+24)
	b = append(append(append(b, "event: "...), m.Kind...), '\n')
	if m.ID != "" {
		b = append(append(append(b, "id: "...), m.ID...), '\n')
	}
	text := m.text
	if bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.ReplaceAll(text, []byte{'\r'}, []byte{' '})
	}
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		b = append(append(append(b, "data: "...), line...), '\n')
	}
	return append(b, '\n')
}
