package hub_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"goalcast"
)

// masked makes a client's frame.
func masked(op ws.OpCode, fin bool, payload []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, payload)))
}

// shake makes the handshake by hand, with bytes right behind it, and returns what comes after.
func shake(t testing.TB, n *node, topics string, behind []byte) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", n.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(limit))
	request := "GET /v1/live?topics=" + topics + " HTTP/1.1\r\nHost: x\r\n" +
		"Upgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := c.Write(append([]byte(request), behind...)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil || first && !strings.Contains(line, " 101 ") {
			t.Fatal(line, err)
		}
		if line == "\r\n" {
			return c, in
		}
	}
}

// closing reads up to the close frame and to the end of the connection after it.
func closing(t testing.TB, in *bufio.Reader) (ws.StatusCode, string, []ws.Frame) {
	t.Helper()
	var before []ws.Frame
	for {
		f, err := ws.ReadFrame(in) //lint:ignore SA1019 the peer is the hub under test
		if err != nil {
			t.Errorf("no close frame: %v", err)
			return 0, "", before
		}
		if f.Header.OpCode != ws.OpClose {
			before = append(before, f)
			continue
		}
		code, reason := ws.ParseCloseFrameData(f.Payload)
		if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
			t.Errorf("after the close frame: %q, %v", rest, err)
		}
		return code, reason, before
	}
}

func closeBody(code uint16, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, code), reason...)
}

// TestMisbehaviour sends what RFC 6455 forbids, or what the hub does not want, whole, byte by byte,
// and right behind the handshake.
func TestMisbehaviour(t *testing.T) {
	text := []byte(`{"type":"ping"}`)
	unmasked := ws.MustCompileFrame(ws.NewTextFrame(text))
	reserved := func(bits byte, frame []byte) []byte {
		frame[0] |= bits
		return frame
	}
	together := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	fragments := masked(ws.OpText, false, []byte("a"))
	for range 40 {
		fragments = append(fragments, masked(ws.OpContinuation, false, nil)...)
	}
	for _, tt := range []struct {
		name string
		send []byte
		want ws.StatusCode
	}{
		{"unmasked", unmasked, 1002},
		{"unmasked ping", ws.MustCompileFrame(ws.NewPingFrame(nil)), 1002},
		{"unmasked close", ws.MustCompileFrame(ws.NewCloseFrame(closeBody(1000, ""))), 1002},
		{"unmasked end of a masked text", together(masked(ws.OpText, false, text),
			ws.MustCompileFrame(ws.NewFrame(ws.OpContinuation, true, nil))), 1002},
		{"reserved bit 1, not negotiated", reserved(0x40, masked(ws.OpText, true, text)), 1002},
		{"reserved bit 2", reserved(0x20, masked(ws.OpText, true, text)), 1002},
		{"reserved bit 3", reserved(0x10, masked(ws.OpText, true, text)), 1002},
		{"reserved bit of a ping", reserved(0x40, masked(ws.OpPing, true, nil)), 1002},
		{"reserved bit of a close", reserved(0x10, masked(ws.OpClose, true, closeBody(1000, ""))), 1002},
		{"reserved bit of a continuation", together(masked(ws.OpText, false, text),
			reserved(0x20, masked(ws.OpContinuation, true, nil))), 1002},
		{"reserved data opcode", masked(3, true, text), 1002},
		{"reserved control opcode", masked(11, true, nil), 1002},
		{"fragmented ping", masked(ws.OpPing, false, nil), 1002},
		{"fragmented pong", masked(ws.OpPong, false, nil), 1002},
		{"fragmented close", masked(ws.OpClose, false, closeBody(1000, "")), 1002},
		{"pong too long", masked(ws.OpPong, true, make([]byte, 126)), 1002},
		{"ping too long", masked(ws.OpPing, true, make([]byte, 126)), 1002},
		{"close too long", masked(ws.OpClose, true, closeBody(1000, strings.Repeat("x", 124))), 1002},
		{"continuation of nothing", masked(ws.OpContinuation, true, text), 1002},
		{"continuation behind the end", together(masked(ws.OpText, false, text), masked(ws.OpContinuation, true, nil),
			masked(ws.OpContinuation, true, text)), 1002},
		{"binary inside a fragmented text", together(masked(ws.OpText, false, text), masked(ws.OpBinary, true, text)),
			1002},
		{"text inside a fragmented text", append(masked(ws.OpText, false, text), masked(ws.OpText, true, text)...),
			1002},
		{"16-bit length for a short frame", []byte{0x81, 0xfe, 0, 5, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'}, 1002},
		{"64-bit length for a short frame", append([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0}, "hello"...),
			1002},
		{"64-bit length for a frame of 16 bits", together([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0},
			make([]byte, 256)), 1002},
		{"length with the highest bit", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002},
		{"close of one byte", masked(ws.OpClose, true, []byte{3}), 1002},
		{"close with 0", masked(ws.OpClose, true, closeBody(0, "")), 1002},
		{"close with 999", masked(ws.OpClose, true, closeBody(999, "")), 1002},
		{"close with 1004", masked(ws.OpClose, true, closeBody(1004, "")), 1002},
		{"close with 1005", masked(ws.OpClose, true, closeBody(1005, "")), 1002},
		{"close with 1006", masked(ws.OpClose, true, closeBody(1006, "")), 1002},
		{"close with 1015", masked(ws.OpClose, true, closeBody(1015, "")), 1002},
		{"close with 1016", masked(ws.OpClose, true, closeBody(1016, "")), 1002},
		{"close with 1100", masked(ws.OpClose, true, closeBody(1100, "")), 1002},
		{"close with 2000", masked(ws.OpClose, true, closeBody(2000, "")), 1002},
		{"close with 2999", masked(ws.OpClose, true, closeBody(2999, "")), 1002},
		{"close with 5000", masked(ws.OpClose, true, closeBody(5000, "")), 1002},
		{"close with 65535", masked(ws.OpClose, true, closeBody(65535, "")), 1002},
		{"close with a reason that is not UTF-8", masked(ws.OpClose, true, closeBody(1000, "\xff")), 1007},
		{"text that is not UTF-8", masked(ws.OpText, true, []byte("\xc3\x28")), 1007},
		{"UTF-8 longer than it has to be", masked(ws.OpText, true, []byte("\xc0\xaf")), 1007},
		{"half of a surrogate pair", masked(ws.OpText, true, []byte("\xed\xa0\x80")), 1007},
		{"beyond Unicode", masked(ws.OpText, true, []byte("\xf4\x90\x80\x80")), 1007},
		{"text that ends within a character", masked(ws.OpText, true, []byte("a\xe2\x82")), 1007},
		{"fragments that are not UTF-8 together", append(masked(ws.OpText, false, []byte("\xc3")),
			masked(ws.OpContinuation, true, []byte("\x28"))...), 1007},
		{"fragments that end within a character", together(masked(ws.OpText, false, []byte("\xe2")),
			masked(ws.OpContinuation, true, []byte("\x82"))), 1007},
		{"binary", masked(ws.OpBinary, true, text), 1003},
		{"over 4 kB", masked(ws.OpText, true, bytes.Repeat([]byte(" "), 4097)), 1009},
		{"fragments over 4 kB", append(masked(ws.OpText, false, make([]byte, 4000)), masked(ws.OpContinuation, true,
			make([]byte, 200))...), 1009},
		{"a gigabyte announced", []byte{0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0}, 1009},
		{"flood of fragments", fragments, 1009},
		{"flood of pings", bytes.Repeat(masked(ws.OpPing, true, nil), 200), 1008},
		{"flood of messages", bytes.Repeat(masked(ws.OpText, true, text), 200), 1008},
		{"polite close", masked(ws.OpClose, true, closeBody(1000, "bye")), 1000},
		{"close without code", masked(ws.OpClose, true, nil), 1000},
		{"close with a reason as long as there can be",
			masked(ws.OpClose, true, closeBody(1000, strings.Repeat("x", 123))), 1000},
		{"close with 1001", masked(ws.OpClose, true, closeBody(1001, "")), 1001},
		{"close with 1003", masked(ws.OpClose, true, closeBody(1003, "")), 1003},
		{"close with 1007", masked(ws.OpClose, true, closeBody(1007, "")), 1007},
		{"close with 1011", masked(ws.OpClose, true, closeBody(1011, "")), 1011},
		{"close with 3000", masked(ws.OpClose, true, closeBody(3000, "")), 3000},
		{"close with 4321", masked(ws.OpClose, true, closeBody(4321, "")), 4321},
		{"close with 4999", masked(ws.OpClose, true, closeBody(4999, "")), 4999},
		{"what comes behind a close", together(masked(ws.OpClose, true, closeBody(1000, "")),
			masked(ws.OpText, true, text), unmasked), 1000},
	} {
		for _, e := range engines[:2] {
			t.Run(e.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				cfg := e.cfg
				cfg.MessageBurst = 100 // fragments are frames too
				n := start(t, newWorld(), cfg, false)
				check := func(how string, in *bufio.Reader) {
					if code, reason, _ := closing(t, in); code != tt.want {
						t.Errorf("%s: closed with %d %q, want %d", how, code, reason, tt.want)
					}
				}
				c, in := shake(t, n, "", tt.send)
				check("behind the handshake", in)
				c.Close()
				c, in = shake(t, n, "", nil)
				c.Write(tt.send)
				check("whole", in)
				c.Close()
				c, in = shake(t, n, "", nil)
				for i := range tt.send {
					if _, err := c.Write(tt.send[i : i+1]); err != nil {
						break // closed already: the first bytes were enough
					}
				}
				check("byte by byte", in)
				c.Close()
				wait(t, "gone", func() bool { return n.metric(t, "goalcast_hub_connections", "") == 0 })
			})
		}
	}
}

// TestGoodFrames sends what is allowed and unusual: control frames between fragments, empty
// fragments, several frames in one packet.
func TestGoodFrames(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			w := newWorld()
			n := start(t, w, e.cfg, false)
			w.fixture(7)
			var send []byte
			send = append(send, masked(ws.OpText, false, []byte(`{"type":"subs`))...)
			send = append(send, masked(ws.OpPing, true, []byte("hi"))...)
			send = append(send, masked(ws.OpContinuation, false, nil)...)
			send = append(send, masked(ws.OpContinuation, true, []byte(`cribe","topics":["match:7"],"unknown":{}}`))...)
			send = append(send, masked(ws.OpText, true, []byte(`{"type":"ping","id":"ü"}`))...)
			send = append(send, masked(ws.OpPong, true, []byte("unasked"))...)
			// a character in three frames, pings with and without a body between them, the last
			// frame empty
			send = append(send, masked(ws.OpText, false, []byte("{\"type\":\"ping\",\"id\":\"\xe2"))...)
			send = append(send, masked(ws.OpPing, true, nil)...)
			send = append(send, masked(ws.OpContinuation, false, []byte("\x82"))...)
			send = append(send, masked(ws.OpPing, true, bytes.Repeat([]byte("p"), 125))...)
			send = append(send, masked(ws.OpContinuation, false, []byte("\xac\"}"))...)
			send = append(send, masked(ws.OpContinuation, true, nil)...)
			// a mask of zeros; lengths of 125, 126 and the most there may be
			send = append(send, ws.MustCompileFrame(ws.MaskFrameWith(ws.NewTextFrame([]byte(`{"type":"ping","id":"unmixed"}`)), [4]byte{}))...)
			for _, size := range []int{125, 126, 4096} {
				send = append(send, masked(ws.OpText, true, fmt.Appendf(nil, `{"type":"ping","id":"%d"%s}`, size,
					strings.Repeat(" ", size-len(`{"type":"ping","id":""}`)-len(fmt.Sprint(size)))))...)
			}
			send = append(send, masked(ws.OpClose, true, closeBody(1001, ""))...)
			_, in := shake(t, n, "", send)
			code, _, frames := closing(t, in)
			if code != 1001 {
				t.Errorf("closed with %d", code)
			}
			var got []string
			for _, f := range frames {
				if f.Header.OpCode == ws.OpPong {
					got = append(got, "pong frame "+string(f.Payload))
					continue
				}
				var r goalcast.Frame
				if err := json.Unmarshal(f.Payload, &r); err != nil || f.Header.Masked {
					t.Errorf("%q: %v", f.Payload, err)
				}
				got = append(got, string(r.Type)+r.ID)
			}
			want := "hello pong frame hi snapshot pongü pong frame  pong frame " + strings.Repeat("p", 125) +
				" pong€ pongunmixed pong125 pong126 pong4096"
			if text := strings.Join(got, " "); strings.Replace(text, " stale", "", 1) != want {
				t.Errorf("got  %s\nwant %s", text, want)
			}
		})
	}
}

// TestHandshakes sends what is no handshake of RFC 6455, and some that are, written in unusual
// ways.
func TestHandshakes(t *testing.T) {
	const good = "Host: x\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: " +
		"dGhlIHNhbXBsZSBub25jZQ==\n"
	for _, tt := range []struct {
		name, line, headers string
		status              int
	}{
		{"of the standard", "GET /?topics=match:1 HTTP/1.1", good, 101},
		{"other case, a list", "GET /?topics=match:1 HTTP/1.1", strings.NewReplacer("websocket", "WebSocket",
			"Upgrade\n", "keep-alive, UPGRADE\n").Replace(good), 101},
		{"without topics", "GET / HTTP/1.1", good, 101},
		{"protocols that nobody speaks", "GET / HTTP/1.1", good + "Sec-WebSocket-Protocol: chat, superchat\n", 101},
		{"extensions that nobody knows", "GET / HTTP/1.1", good + "Sec-WebSocket-Extensions: x-sparkle\n", 101},
		{"version 8", "GET / HTTP/1.1", strings.Replace(good, "13", "8", 1), 400},
		{"no version", "GET / HTTP/1.1", strings.Replace(good, "Sec-WebSocket-Version: 13\n", "", 1), 400},
		{"no key", "GET / HTTP/1.1", strings.Replace(good, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", "", 1),
			400},
		{"key of 15 bytes", "GET / HTTP/1.1", strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j",
			1), 400},
		{"two keys", "GET / HTTP/1.1", good + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n", 400},
		{"no Connection", "GET / HTTP/1.1", strings.Replace(good, "Connection: Upgrade\n", "", 1), 426},
		{"HTTP/1.0", "GET / HTTP/1.0", good, 426},
		{"POST", "POST / HTTP/1.1", good, 405},
	} {
		for _, e := range engines[:2] {
			t.Run(e.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				n := start(t, newWorld(), e.cfg, false)
				c, err := net.Dial("tcp", n.web.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(limit))
				if _, err := io.WriteString(c, strings.ReplaceAll(tt.line+"\n"+tt.headers+"\n", "\n",
					"\r\n")); err != nil {
					t.Fatal(err)
				}
				in := bufio.NewReader(c)
				answer, err := http.ReadResponse(in, nil)
				if err != nil || answer.StatusCode != tt.status {
					t.Fatalf("%v %v, want %d", answer, err, tt.status)
				}
				if tt.status != 101 {
					if got := n.metric(t, "goalcast_hub_refused_total", ""); got != 1 {
						t.Errorf("%v refusals are counted", got)
					}
					wait(t, "nobody is counted", func() bool {
						return n.metric(t, "goalcast_hub_connections", "") == 0
					})
					return
				}
				// the answer of RFC 6455, 1.3
				if got := answer.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
					t.Errorf("accept %q", got)
				}
				protocol := answer.Header.Values("Sec-WebSocket-Protocol")
				extensions := answer.Header.Values("Sec-WebSocket-Extensions")
				if len(protocol)+len(extensions) > 0 {
					t.Errorf("agreed to %q, %q", protocol, extensions)
				}
				f, err := ws.ReadFrame(in) //lint:ignore SA1019 the peer is the hub under test
				if err != nil || f.Header.OpCode != ws.OpText || !bytes.Contains(f.Payload, []byte(`"hello"`)) {
					t.Errorf("first frame %v %v", f, err)
				}
			})
		}
	}
}
