package hub

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"goalcast"
)

// encoding is a form in which a message goes over a wire. The first three are those of the transports, in their order.
type encoding uint8

const (
	encWS      encoding = iota // a whole WebSocket text frame
	encSSE                     // a server-sent event, with its empty line
	encJSON                    // bare, for long polls
	encDeflate                 // encWS compressed, where both sides agreed on that and it is worth it; each message for itself
	encodings

	encContext = encodings // encDeflate, but a message may refer to the one before: see chain.go. A message alone looks the same in both
)

// deflates says whether the peer may send compressed messages as well.
func (e encoding) deflates() bool { return e == encDeflate || e == encContext }

// class is a message's kind for counters: what sort of promise is kept by delivering it.
type class uint8

const (
	classEvent class = iota
	classState
	classSnapshot
	classControl // hello, reset, stale, error, bye, pong, close, keep-alive
	classes
)

var classNames = [classes]string{"event", "state", "snapshot", "control"}

// message is one frame for any number of viewers. It is encoded at most once for each encoding, by whoever needs it first, and never
// changed after that; lists hold pointers to it.
type message struct {
	kind   goalcast.FrameType // or another word for what is no frame
	class  class
	id     string // the SSE id: a cursor from which the stream can be taken up again; empty where there is none
	topics []goalcast.Topic
	match  goalcast.MatchID // of an event
	seq    uint64           // place in the hub's own count of events, from 1, which never starts over; 0 for what is no event
	cursor goalcast.Cursor  // of an event
	at     time.Time
	times  goalcast.Times
	shards atomic.Int32 // those that have not yet written it
	intro  *intro       // of an event: what goes ahead of it for those who may not know its match; nil mostly
	unsure bool         // of an event: they may not know its match, which was not held when it came

	deflater *deflater // nil for what one viewer alone gets, and for short control messages: they are never compressed

	once, deflating sync.Once
	encode          func() []byte // JSON; gone once it was called
	text            []byte        // JSON: the tail of the WebSocket frame
	forms           [encodings]atomic.Pointer[[]byte]
	chains          chains
}

// newMessage makes a message whose JSON is produced when the first viewer needs it.
func newMessage(kind goalcast.FrameType, c class, encode func() []byte) *message {
	return &message{kind: kind, class: c, encode: encode}
}

// newFrame makes a message of a frame.
func newFrame(c class, f goalcast.Frame) *message { return newMessage(f.Type, c, f.Encode) }

// newFixed makes a message that has no JSON: its bytes for WebSocket and SSE are given; nil sends nothing.
func newFixed(kind goalcast.FrameType, websocket, sse []byte) *message {
	m := &message{kind: kind, class: classControl}
	m.once.Do(func() {})
	m.forms[encWS].Store(&websocket)
	m.forms[encDeflate].Store(&websocket)
	m.forms[encSSE].Store(&sse)
	none := []byte{}
	m.forms[encJSON].Store(&none)
	return m
}

// newEvent makes the message of a published event. It is encoded at once: every shard is about to need it.
func newEvent(p goalcast.Published, seq uint64, now time.Time, d *deflater) *message {
	m := newMessage(goalcast.FrameEvent, classEvent, func() []byte { return goalcast.EventFrame(p, now.UnixMilli()) })
	m.id, m.topics, m.seq, m.cursor, m.at, m.times = p.Cursor.String(), p.Event.Topics, seq, p.Cursor, now, p.Event.Times
	m.match, m.deflater = p.Event.Match, d
	m.bytes(encWS)
	return m
}

// withoutCursor is the event for viewers who wait for a refresh: whoever has its cursor could go on from there, at any node, and never learn
// what was lost before it. It is not compressed: later events refer to those of the ring, which have their cursors.
func (m *message) withoutCursor(p goalcast.Published, now time.Time) *message {
	p.Cursor = goalcast.Cursor{}
	bare := newEvent(p, m.seq, now, nil)
	bare.cursor, bare.intro = m.cursor, m.intro
	bare.shards.Store(m.shards.Load())
	return bare
}

// newClose makes a WebSocket close frame; other transports get nothing and are just closed.
func newClose(code goalcast.CloseCode, reason string) *message {
	return newFixed("close", ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusCode(code), reason))), nil)
}

// bytes gives the message in an encoding, understandable by itself. The result is shared and must not be changed.
func (m *message) bytes(e encoding) []byte {
	if e == encContext {
		e = encDeflate
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
	case encSSE:
		b = m.sse()
	case encDeflate:
		m.deflating.Do(m.deflate)
		return *m.forms[e].Load()
	}
	m.forms[e].CompareAndSwap(nil, &b)
	return *m.forms[e].Load()
}

// encodeText makes the JSON and the WebSocket frame around it, which are one piece of memory.
func (m *message) encodeText() {
	frame := ws.MustCompileFrame(ws.NewTextFrame(m.encode()))
	m.encode = nil
	h := ws.Header{Fin: true, OpCode: ws.OpText, Length: int64(len(frame))}
	for n := ws.HeaderSize(h); ; n-- { // the header's size depends on the length without it
		h.Length = int64(len(frame) - n)
		if ws.HeaderSize(h) == n {
			m.text = frame[n:]
			break
		}
	}
	m.forms[encWS].Store(&frame)
}

// deflate makes the compressed form: whichever shard needs it first, while the others wait for it.
func (m *message) deflate() {
	frame := m.deflater.frame(m.text)
	if frame == nil {
		frame = *m.forms[encWS].Load()
	}
	m.forms[encDeflate].Store(&frame)
}

// sse writes the message as the HTML standard wants it. JSON text has line breaks only where somebody's own JSON was passed on as it was.
func (m *message) sse() []byte {
	b := make([]byte, 0, len(m.text)+len(m.kind)+len(m.id)+24)
	b = append(append(append(b, "event: "...), m.kind...), '\n')
	if m.id != "" {
		b = append(append(append(b, "id: "...), m.id...), '\n')
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

// size is what a message in a list counts for, in bytes; it may go out as fewer.
func (m *message) size(e encoding) int { return len(m.bytes(e)) }
