package hub

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"goalcast"
)

// maxFragments is of how many empty frames a client's message may consist; how long it may be, and so how many others there can be, is Config.MaxMessage.
// fragmentsPerToken is how many count as one message for Config.MessageRate: some clients send a message in pieces of a few bytes.
const (
	maxFragments      = 32
	fragmentsPerToken = 16
)

// closeError is why a client's bytes end the connection.
type closeError struct {
	code   goalcast.CloseCode
	reason string
}

func (e *closeError) Error() string { return e.reason }

// input is what of a client's bytes could not be used yet.
type input struct {
	bytes     []byte // of an incomplete frame, or that came while the connection was paused
	message   []byte // of a fragmented message, so far
	fragments int
	hollow    int  // fragments without a byte
	deflated  bool // that message is

	window []byte // what compressed messages said, while the next may refer to it; see understand
	alone  uint8  // compressed messages in a row that did not
	resets bool   // none ever will
}

func (in *input) empty() bool { return len(in.bytes) == 0 && in.fragments == 0 && len(in.window) == 0 }

// frame is a client's frame, unmasked.
type frame struct {
	ws.Header
	payload []byte
}

// nextFrame reads the frame at the front of b, which it unmasks in place, and says how many bytes it is long: 0 while it is incomplete.
// fragmented says that a message has begun and not ended; deflate, that messages may be compressed; most, how many bytes a message may have.
func nextFrame(b []byte, most int, fragmented, deflate bool) (frame, int, *closeError) {
	if len(b) < 2 {
		return frame{}, 0, nil
	}
	reader := bytes.NewReader(b)
	h, err := ws.ReadHeader(reader)
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return frame{}, 0, &closeError{goalcast.CloseProtocol, err.Error()}
		}
		// Incomplete; what can be judged from the first two bytes is judged now, so that nobody waits for the rest of nonsense.
		h = ws.Header{Fin: b[0]&0x80 != 0, Rsv: b[0] & 0x70 >> 4, OpCode: ws.OpCode(b[0] & 0x0f), Masked: b[1]&0x80 != 0}
		if b[1]&0x7f > 125 {
			h.Length = 126
		}
		return frame{}, 0, checkHeader(h, fragmented, deflate)
	}
	if bad := checkHeader(h, fragmented, deflate); bad != nil {
		return frame{}, 0, bad
	}
	if short := b[1] & 0x7f; short == 126 && h.Length < 126 || short == 127 && h.Length < 1<<16 {
		return frame{}, 0, &closeError{goalcast.CloseProtocol, "length not in its shortest form"}
	}
	if h.Length > int64(most) {
		return frame{}, 0, &closeError{goalcast.CloseTooBig, "message too big"}
	}
	begin := len(b) - reader.Len()
	end := begin + int(h.Length)
	if end > len(b) {
		return frame{}, 0, nil
	}
	payload := b[begin:end]
	ws.Cipher(payload, h.Mask, 0)
	return frame{Header: h, payload: payload}, end, nil
}

func checkHeader(h ws.Header, fragmented, deflate bool) *closeError {
	state := ws.StateServerSide
	if deflate && h.Rsv == rsv1 && h.OpCode.IsData() && h.OpCode != ws.OpContinuation { // a message's first frame, and no other bit
		state = state.Set(ws.StateExtended)
	}
	if fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return &closeError{goalcast.CloseProtocol, err.Error()}
	}
	return nil
}

// assemble adds a data frame to the message, of at most that many bytes, and returns it when it is whole; nil before.
func (in *input) assemble(f frame, most int, unpack *inflater) ([]byte, *closeError) {
	if f.OpCode == ws.OpBinary {
		return nil, &closeError{goalcast.CloseUnsupported, "text only"}
	}
	whole := f.payload
	if f.OpCode != ws.OpContinuation {
		in.deflated = f.Rsv != 0
	}
	if !f.Fin || in.fragments > 0 {
		in.fragments++
		if len(f.payload) == 0 {
			in.hollow++
		}
		if in.hollow > maxFragments || len(in.message)+len(f.payload) > most {
			return nil, &closeError{goalcast.CloseTooBig, "message too big or in too many fragments"}
		}
		in.message = append(in.message, f.payload...)
		if !f.Fin {
			return nil, nil
		}
		whole = in.message
		in.message, in.fragments, in.hollow = nil, 0, 0
	}
	if in.deflated {
		var bad *closeError
		if whole, bad = in.understand(whole, most, unpack); bad != nil {
			return nil, bad
		}
	}
	if !utf8.Valid(whole) {
		return nil, &closeError{goalcast.CloseInvalid, "not UTF-8"}
	}
	if whole == nil {
		whole = []byte{}
	}
	return whole, nil
}

// understand gives what a compressed message says. The hub's answer to the handshake asks that each stand for itself, so that nothing need be kept; but
// there are clients that go on with their window all the same. So what a client said is kept until some messages in a row have not referred to it, and for
// good if one has.
func (in *input) understand(packed []byte, most int, unpack *inflater) ([]byte, *closeError) {
	const enough, whole = 4, 32 << 10
	text, bad := unpack.inflate(packed, nil, most)
	switch {
	case in.resets:
		return text, bad
	case bad == nil && len(in.window) > 0 && in.alone < enough:
		in.alone++
	case bad != nil && bad.code == goalcast.CloseInvalid && len(in.window) > 0:
		if text, bad = unpack.inflate(packed, in.window, most); bad == nil {
			in.alone = enough + 1 // it keeps its window: so do we
		}
	}
	switch {
	case bad != nil:
		return nil, bad
	case in.alone == enough:
		in.window, in.resets = nil, true
	default:
		in.window = append(in.window, text...)
		in.window = in.window[max(0, len(in.window)-whole):]
	}
	return text, nil
}

// closeReply says with which code a client's close frame is answered.
func closeReply(payload []byte) *closeError {
	if len(payload) == 0 {
		return &closeError{code: goalcast.CloseNormal}
	}
	if len(payload) == 1 {
		return &closeError{goalcast.CloseProtocol, "close frame of one byte"}
	}
	code := goalcast.CloseCode(binary.BigEndian.Uint16(payload))
	if code > 4999 { // the library lets them pass
		return &closeError{goalcast.CloseProtocol, "close code not allowed"}
	}
	switch err := ws.CheckCloseFrameData(ws.StatusCode(code), string(payload[2:])); err {
	case nil:
		return &closeError{code: code}
	case ws.ErrProtocolInvalidUTF8:
		return &closeError{goalcast.CloseInvalid, "reason not UTF-8"}
	default:
		return &closeError{goalcast.CloseProtocol, "close code not allowed"}
	}
}

// readable reads what a raw connection has to say, or that it is gone.
func (s *shard) readable(c *conn) {
	for range 4 { // then it is others' turn; the poller reports the rest again
		n, err := readSocket(int(c.fd), s.buffer)
		switch {
		case n > 0:
			c.asked = 0
			if c.transport == byWebSocket && c.state&(closing|lingering) == 0 {
				s.feed(c, s.buffer[:n])
			}
			if c.state&(dead|blocked|paused) != 0 || n < len(s.buffer) {
				return
			}
		case err != nil && wouldBlock(err):
			return
		default:
			s.drop(c, "gone")
			return
		}
	}
}

// feed takes a client's bytes in. They are the caller's: what must be kept is copied.
func (s *shard) feed(c *conn, b []byte) {
	if c.input == nil {
		c.input = &s.scratch
		c.input.resets = c.is(resetsWindow)
	}
	in := c.input
	if len(in.bytes) > 0 {
		in.bytes = append(in.bytes, b...)
		b = in.bytes
	}
	for c.state&(dead|closing|paused|blocked) == 0 {
		f, n, bad := nextFrame(b, s.hub.cfg.MaxMessage, in.fragments > 0, c.encoding.deflates())
		if bad != nil {
			s.closeFor(c, bad)
			break
		}
		if n == 0 {
			break
		}
		b = b[n:]
		s.frame(c, in, f)
	}
	if c.state&(dead|closing) != 0 {
		b = nil
		*in = input{}
	}
	if in.resets {
		c.set(resetsWindow)
	}
	in.bytes = append([]byte(nil), b...)
	switch {
	case in.empty():
		s.scratch, c.input = input{}, nil
	case in == &s.scratch:
		kept := s.scratch
		s.scratch, c.input = input{}, &kept
	}
}

// frame does what a client's frame asks for.
func (s *shard) frame(c *conn, in *input, f frame) {
	if piece := f.OpCode == ws.OpContinuation && in.fragments%fragmentsPerToken != 0; !piece && !s.mayTalk(c) {
		s.closeFor(c, &closeError{goalcast.ClosePolicy, "too many messages"})
		return
	}
	switch f.OpCode {
	case ws.OpPing:
		s.stats.heard[heardPing]++
		s.enqueue(c, newFixed("pong", ws.MustCompileFrame(ws.NewPongFrame(bytes.Clone(f.payload))), nil))
	case ws.OpPong:
		s.stats.heard[heardPong]++
	case ws.OpClose:
		s.stats.heard[heardClose]++
		s.closeFor(c, closeReply(f.payload))
	default:
		text, bad := in.assemble(f, s.hub.cfg.MaxMessage, &s.inflater)
		switch {
		case bad != nil:
			s.closeFor(c, bad)
		case text != nil:
			s.message(c, text)
		}
	}
}

// mayTalk takes one message from the client's allowance.
func (s *shard) mayTalk(c *conn) bool {
	const one = 100 // tokens are hundredths
	now := s.millis()
	full := uint64(s.hub.cfg.MessageBurst) * one
	gained := uint64(float64(now-c.refilled) * s.hub.cfg.MessageRate * one / 1000)
	if gained > 0 {
		c.tokens = uint16(min(uint64(c.tokens)+gained, full, 65_000))
		c.refilled = now
	}
	if c.tokens < one {
		return false
	}
	c.tokens -= one
	return true
}
