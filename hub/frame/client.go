package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"goalcast"
)

// maxFragments is of how many empty frames a client's message may consist. How long it may be, and
// so how many others there can be, is the caller's limit. fragmentsPerMessage is how many count as
// one message against the client's rate: some clients send a message in pieces of a few bytes.
const (
	maxFragments        = 32
	fragmentsPerMessage = 16
)

// CloseError is why a client's bytes end its connection.
type CloseError struct {
	Code   goalcast.CloseCode
	Reason string
}

func (e *CloseError) Error() string { return e.Reason }

// Input is what of a client's bytes could not be used yet.
type Input struct {
	Bytes      []byte // of an incomplete frame, or that came while nothing was to be read
	Standalone bool   // the client's compressed messages never refer to each other

	message   []byte // of a fragmented message, so far
	fragments int
	hollow    int  // fragments without a byte
	deflated  bool // that message is

	window []byte // what compressed messages said, while the next may refer to it; see inflate
	alone  uint8  // compressed messages in a row that did not
}

// Empty says whether nothing need be kept but Standalone.
func (in *Input) Empty() bool {
	return len(in.Bytes) == 0 && in.fragments == 0 && len(in.window) == 0
}

// ClientFrame is a client's frame, unmasked.
type ClientFrame struct {
	ws.Header
	Payload []byte
}

// Next reads the frame at the front of b, which it unmasks in place, and says how many bytes it is
// long: 0 while it is incomplete. A message may have so many bytes at most; deflate says that it
// may be compressed.
func (in *Input) Next(b []byte, most int, deflate bool) (ClientFrame, int, *CloseError) {
	if len(b) < 2 {
		return ClientFrame{}, 0, nil
	}
	reader := bytes.NewReader(b)
	h, err := ws.ReadHeader(reader)
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return ClientFrame{}, 0, &CloseError{goalcast.CloseProtocol, err.Error()}
		}
		// Incomplete. What can be judged from the first two bytes is judged now, so that nobody
		// waits for the rest of nonsense.
		h = ws.Header{Fin: b[0]&0x80 != 0, Rsv: b[0] & 0x70 >> 4, OpCode: ws.OpCode(b[0] & 0x0f),
			Masked: b[1]&0x80 != 0}
		if b[1]&0x7f > 125 {
			h.Length = 126
		}
		return ClientFrame{}, 0, in.check(h, deflate)
	}
	if bad := in.check(h, deflate); bad != nil {
		return ClientFrame{}, 0, bad
	}
	if short := b[1] & 0x7f; short == 126 && h.Length < 126 || short == 127 && h.Length < 1<<16 {
		return ClientFrame{}, 0, &CloseError{goalcast.CloseProtocol, "length not in its shortest form"}
	}
	if h.Length > int64(most) {
		return ClientFrame{}, 0, &CloseError{goalcast.CloseTooBig, "message too big"}
	}
	begin := len(b) - reader.Len()
	end := begin + int(h.Length)
	if end > len(b) {
		return ClientFrame{}, 0, nil
	}
	payload := b[begin:end]
	ws.Cipher(payload, h.Mask, 0)
	return ClientFrame{Header: h, Payload: payload}, end, nil
}

func (in *Input) check(h ws.Header, deflate bool) *CloseError {
	state := ws.StateServerSide
	// a message's first frame, and no other bit
	if deflate && h.Rsv == rsv1 && h.OpCode.IsData() && h.OpCode != ws.OpContinuation {
		state = state.Set(ws.StateExtended)
	}
	if in.fragments > 0 {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return &CloseError{goalcast.CloseProtocol, err.Error()}
	}
	return nil
}

// Counts says whether a frame counts against the client's rate of messages: all but most fragments
// do.
func (in *Input) Counts(f ClientFrame) bool {
	return f.OpCode != ws.OpContinuation || in.fragments%fragmentsPerMessage == 0
}

// Assemble adds a data frame to the message, of at most that many bytes, and returns it when it is
// whole; nil before.
func (in *Input) Assemble(f ClientFrame, most int, inflater *Inflater) ([]byte, *CloseError) {
	if f.OpCode == ws.OpBinary {
		return nil, &CloseError{goalcast.CloseUnsupported, "text only"}
	}
	whole := f.Payload
	if f.OpCode != ws.OpContinuation {
		in.deflated = f.Rsv != 0
	}
	if !f.Fin || in.fragments > 0 {
		in.fragments++
		if len(f.Payload) == 0 {
			in.hollow++
		}
		if in.hollow > maxFragments || len(in.message)+len(f.Payload) > most {
			return nil, &CloseError{goalcast.CloseTooBig, "message too big or in too many fragments"}
		}
		in.message = append(in.message, f.Payload...)
		if !f.Fin {
			return nil, nil
		}
		whole = in.message
		in.message, in.fragments, in.hollow = nil, 0, 0
	}
	if in.deflated {
		var bad *CloseError
		if whole, bad = in.inflate(whole, most, inflater); bad != nil {
			return nil, bad
		}
	}
	if !utf8.Valid(whole) {
		return nil, &CloseError{goalcast.CloseInvalid, "not UTF-8"}
	}
	if whole == nil {
		whole = []byte{}
	}
	return whole, nil
}

// inflate gives what a compressed message says. The hub's answer to the handshake asks that each
// stand for itself, so that nothing need be kept; but there are clients that go on with their
// window all the same. So what a client said is kept until some messages in a row have not referred
// to it, and for good if one has.
func (in *Input) inflate(compressed []byte, most int, inflater *Inflater) ([]byte, *CloseError) {
	const enough, whole = 4, 32 << 10
	text, bad := inflater.inflate(compressed, nil, most)
	switch {
	case in.Standalone:
		return text, bad
	case bad == nil && len(in.window) > 0 && in.alone < enough:
		in.alone++
	case bad != nil && bad.Code == goalcast.CloseInvalid && len(in.window) > 0:
		if text, bad = inflater.inflate(compressed, in.window, most); bad == nil {
			in.alone = enough + 1 // it keeps its window: so do we
		}
	}
	switch {
	case bad != nil:
		return nil, bad
	case in.alone == enough:
		in.window, in.Standalone = nil, true
	default:
		in.window = append(in.window, text...)
		in.window = in.window[max(0, len(in.window)-whole):]
	}
	return text, nil
}

// CloseReply says with which code a client's close frame is answered.
func CloseReply(payload []byte) *CloseError {
	if len(payload) == 0 {
		return &CloseError{Code: goalcast.CloseNormal}
	}
	if len(payload) == 1 {
		return &CloseError{goalcast.CloseProtocol, "close frame of one byte"}
	}
	code := goalcast.CloseCode(binary.BigEndian.Uint16(payload))
	if code > 4999 { // the library lets them pass
		return &CloseError{goalcast.CloseProtocol, "close code not allowed"}
	}
	switch err := ws.CheckCloseFrameData(ws.StatusCode(code), string(payload[2:])); {
	case err == nil:
		return &CloseError{Code: code}
	case errors.Is(err, ws.ErrProtocolInvalidUTF8):
		return &CloseError{goalcast.CloseInvalid, "reason not UTF-8"}
	default:
		return &CloseError{goalcast.CloseProtocol, "close code not allowed"}
	}
}
