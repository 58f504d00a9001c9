package frame

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"goalcast"
)

// testMessage is how many bytes a message may have here.
const testMessage = 4 << 10

// run feeds bytes in pieces, as feed does, and returns the messages and how it ended.
func run(b []byte, step int, deflate bool) (messages []string, end goalcast.CloseCode) {
	var in Input
	var unpack Inflater
	var kept []byte
	for len(b) > 0 {
		n := min(step, len(b))
		kept = append(kept, b[:n]...)
		b = b[n:]
		for {
			f, used, bad := in.Next(kept, testMessage, deflate)
			if bad != nil {
				return messages, bad.Code
			}
			if used == 0 {
				break
			}
			kept = kept[used:]
			switch f.OpCode {
			case ws.OpClose:
				return messages, CloseReply(f.Payload).Code
			case ws.OpPing, ws.OpPong:
				continue
			}
			text, bad := in.Assemble(f, testMessage, &unpack)
			if bad != nil {
				return messages, bad.Code
			}
			if text != nil {
				messages = append(messages, string(text))
			}
		}
	}
	return messages, 0
}

// FuzzClientFrames feeds anything, whole and byte by byte: both must tell the same, nothing may
// crash, and every message is short UTF-8.
func FuzzClientFrames(f *testing.F) {
	frame := func(op ws.OpCode, fin bool, p string) []byte {
		return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(p)), [4]byte{1, 2, 3, 4}))
	}
	f.Add(frame(ws.OpText, true, `{"type":"ping"}`))
	f.Add(append(frame(ws.OpText, false, "a"), frame(ws.OpContinuation, true, "b")...))
	f.Add(frame(ws.OpClose, true, "\x03\xe8bye"))
	f.Add(frame(ws.OpText, true, string(bytes.Repeat([]byte("x"), 200))))
	packed := ws.NewTextFrame([]byte{0xca, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}) // "Hello" of RFC 7692, 7.2.3.1
	packed.Header.Rsv = rsv1
	f.Add(ws.MustCompileFrame(ws.MaskFrame(packed)))
	f.Add([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, deflate := range []bool{false, true} {
			compare(t, b, deflate)
		}
	})
}

func compare(t *testing.T, b []byte, deflate bool) {
	whole, wholeEnd := run(bytes.Clone(b), len(b)+1, deflate)
	bits, bitsEnd := run(bytes.Clone(b), 1, deflate)
	if wholeEnd != bitsEnd || len(whole) != len(bits) {
		t.Fatalf("whole: %q %d, byte by byte: %q %d", whole, wholeEnd, bits, bitsEnd)
	}
	for i, m := range whole {
		if m != bits[i] || !utf8.ValidString(m) || len(m) > testMessage {
			t.Fatalf("message %q, byte by byte %q", m, bits[i])
		}
	}
}

// A client's window is kept only while it may be needed: most clients forget theirs, and it would
// cost memory for nothing.
func TestAClientsWindowIsKeptWhileItMayBeNeeded(t *testing.T) {
	d := NewDeflater(1)
	text := []byte(`{"type":"ping","id":"` + strings.Repeat("abcdefghij", 20) + `"}`)
	var forgets, keeps Input
	var unpack Inflater
	var before []byte
	for i := range 200 {
		for in, window := range map[*Input][]byte{&forgets: nil, &keeps: before} {
			p := d.compressors.Get().(*compressor)
			p.begin(window)
			got, bad := in.inflate(bytes.Clone(p.next(text)), testMessage, &unpack)
			d.compressors.Put(p)
			if bad != nil || !bytes.Equal(got, text) {
				t.Fatalf("message %d: %q %v", i, got, bad)
			}
		}
		before = append(before, text...)
		before = before[max(0, len(before)-32<<10):]
	}
	if forgets.window != nil || !forgets.Empty() || !forgets.Standalone {
		t.Errorf("%d bytes are kept of a client that does not refer to them", len(forgets.window))
	}
	if n := len(keeps.window); n != 32<<10 || keeps.Standalone {
		t.Errorf("%d bytes are kept of one that does", n)
	}
}
