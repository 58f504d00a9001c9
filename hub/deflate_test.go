package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"

	"goalcast"
	"goalcast/hub"
)

// dialDeflate is a viewer over a WebSocket that negotiates compression, each message for itself,
// and also compresses what it says.
func dialDeflate(t testing.TB, n *node, q url.Values) viewer {
	t.Helper()
	return dialCompressed(t, n, q, websocket.CompressionNoContextTakeover)
}

// dialContext is one that keeps what it was sent, so that later messages may refer to it, as
// browsers do.
func dialContext(t testing.TB, n *node, q url.Values) viewer {
	t.Helper()
	return dialCompressed(t, n, q, websocket.CompressionContextTakeover)
}

func dialCompressed(t testing.TB, n *node, q url.Values, mode websocket.CompressionMode) viewer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c, res, err := websocket.Dial(ctx, n.web.URL+"/v1/live?"+q.Encode(),
		&websocket.DialOptions{HTTPClient: n.web.Client(),
			CompressionMode: mode, CompressionThreshold: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Header.Get("Sec-WebSocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate;") {
		t.Errorf("extensions %q", got)
	}
	c.SetReadLimit(16 << 20)
	t.Cleanup(func() { c.CloseNow() })
	return coderViewer{c}
}

const (
	deflated = "permessage-deflate; client_no_context_takeover"
	alone    = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)

// TestDeflateOffers shakes hands with what clients offer: browsers, other libraries, and what makes
// no sense.
func TestDeflateOffers(t *testing.T) {
	n := start(t, newWorld(), hub.Config{}, false)
	off := start(t, newWorld(), hub.Config{NoDeflate: true}, false)
	for _, tt := range []struct{ name, offer, want string }{
		{"none", "", ""},
		{"Chromium", "permessage-deflate; client_max_window_bits", deflated},
		{"Firefox", "permessage-deflate", deflated},
		{"no context", "permessage-deflate; client_no_context_takeover; server_no_context_takeover", alone},
		{"no context of the server's", "permessage-deflate; server_no_context_takeover", alone},
		{"no context of the client's", "permessage-deflate; client_no_context_takeover", deflated},
		{"no context, whole window", "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
			alone + "; server_max_window_bits=15"},
		{"whole window", "permessage-deflate; server_max_window_bits=15", deflated + "; server_max_window_bits=15"},
		{"quoted", `permessage-deflate; server_max_window_bits="15"`, deflated + "; server_max_window_bits=15"},
		{"small window", "permessage-deflate; server_max_window_bits=10", ""},
		{"small window, or any", "permessage-deflate; server_max_window_bits=10, permessage-deflate; " +
			"client_max_window_bits=12", deflated},
		{"client's window", "permessage-deflate; client_max_window_bits=9", deflated},
		{"behind another extension", "x-sparkle; colour=red, permessage-deflate", deflated},
		{"old name", "x-webkit-deflate-frame", ""},
		{"unknown parameter", "permessage-deflate; speed=9", ""},
		{"window of 7", "permessage-deflate; server_max_window_bits=7", ""},
		{"window without bits", "permessage-deflate; server_max_window_bits", ""},
		{"parameter twice", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
		{"switch with a value", "permessage-deflate; client_no_context_takeover=1", ""},
		{"garbage", "permessage-deflate; ;=,,", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for node, want := range map[*node]string{n: tt.want, off: ""} {
				res := handshake(t, node.web, tt.offer)
				if got := strings.Join(res.Header.Values("Sec-WebSocket-Extensions"),
					"|"); res.StatusCode != http.StatusSwitchingProtocols || got != want {
					t.Errorf("%s: %q, want %q", res.Status, got, want)
				}
			}
		})
	}
}

// handshake asks for a WebSocket with the offer of extensions and leaves.
func handshake(t *testing.T, web *httptest.Server, offer string) *http.Response {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, web.URL+"/v1/live", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key":     "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions": offer} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil { // it has joined
		t.Error(err)
	}
	res.Body.Close()
	return res
}

// deflating is a client that sees frames as they are.
type deflating struct {
	io.Writer
	in io.Reader
}

func dialDeflating(t *testing.T, n *node, topics string) deflating {
	t.Helper()
	noContext := wsflate.Parameters{ServerNoContextTakeover: true}.Option()
	d := ws.Dialer{Timeout: limit, Extensions: []httphead.Option{noContext}}
	c, in, shaken, err := d.Dial(context.Background(), strings.Replace(n.web.URL, "http", "ws", 1)+"/v1/live?topics="+
		topics)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if len(shaken.Extensions) != 1 {
		t.Errorf("extensions %v", shaken.Extensions)
	}
	_ = c.SetDeadline(time.Now().Add(limit))
	if in == nil {
		return deflating{c, c}
	}
	return deflating{c, in}
}

// next reads a text frame as it came and unpacked; control frames are left out.
func (d deflating) next(t *testing.T) (raw, plain ws.Frame) {
	t.Helper()
	for {
		raw, err := ws.ReadFrame(d.in) //lint:ignore SA1019 the peer is the hub under test
		if err != nil {
			t.Fatal(err)
		}
		if raw.Header.OpCode.IsControl() {
			if raw.Header.Rsv != 0 {
				t.Error("a control frame is marked as compressed")
			}
			continue
		}
		if plain, err = wsflate.DecompressFrame(raw); err != nil {
			t.Fatal(err)
		}
		return raw, plain
	}
}

func second(_, f ws.Frame) []byte { return f.Payload }

// TestDeflateFrames looks at frames of all sizes: short ones are plain, long ones shorter than they
// were, all of them right and, to two viewers, the same bytes.
func TestDeflateFrames(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			w := newWorld()
			cfg := e.cfg
			cfg.DeflateMin, cfg.StateInterval = 400, time.Millisecond
			n := start(t, w, cfg, false)
			w.fixture(1)
			a, b := dialDeflating(t, n, "match:1,odds:1"), dialDeflating(t, n, "match:1")
			for range 3 {
				a.next(t) // hello, snapshots
			}
			b.next(t)
			b.next(t)
			packed, plain, in, out := 0, 0, 0, 0
			for size := 1; size <= 70_000; size = size*3 + 1 {
				w.play(message(1, size, size))
				raw, text := a.next(t)
				if other, _ := b.next(t); !bytes.Equal(other.Payload, raw.Payload) ||
					other.Header.Rsv != raw.Header.Rsv {
					t.Error("two viewers got different bytes")
				}
				r, _ := decode(t, text.Payload, nil)
				if r.Type != goalcast.FrameEvent || r.Event.ID != fmt.Sprint("message:", size) {
					t.Fatalf("got %.200s", text.Payload)
				}
				switch long := len(text.Payload) >= 400; {
				case raw.Header.Rsv == 0 && long, raw.Header.Rsv != 0 && !long:
					t.Errorf("%d bytes, compressed: %v", len(text.Payload), !long)
				case raw.Header.Rsv == 0:
					plain++
				default:
					packed++
					in, out = in+len(text.Payload), out+len(raw.Payload)
				}
			}
			if packed == 0 || plain == 0 || out >= in/2 {
				t.Errorf("%d compressed, %d plain, %d bytes for %d", packed, plain, out, in)
			}
			w.state(1, strings.Repeat("key", 40), 5) // short, plain, in a burst
			w.state(1, "b", 6)
			for range 2 {
				if raw, text := a.next(t); raw.Header.Rsv != 0 ||
					!bytes.Contains(text.Payload, []byte(`"type":"state"`)) {
					t.Errorf("state: %.200s", text.Payload)
				}
			}
			if got := n.metric(t, "goalcast_hub_deflated_bytes_total", "out"); got != float64(out) {
				t.Errorf("%v bytes compressed, want %d: each message once", got, out)
			}
			if got := n.metric(t, "goalcast_hub_deflate_handshakes_total", ""); got != 2 {
				t.Errorf("%v handshakes with deflate", got)
			}
		})
	}
}

// TestDeflateStates has bursts of compressed states overtaken and cut in pieces by small buffers.
func TestDeflateStates(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{SendBuffer: 4 << 10, StateInterval: time.Millisecond, DeflateMin: 1,
		MaxPending: 64 << 20}, false)
	w.fixture(1)
	v := dialContext(t, n, query("match:1,odds:1", goalcast.Cursor{}))
	until(t, v, goalcast.FrameSnapshot)
	until(t, v, goalcast.FrameSnapshot)
	const rounds, keys = 300, 40
	for i := 1; i <= rounds; i++ {
		for k := range keys {
			w.state(1, fmt.Sprint("selection/", k), int64(i))
		}
		w.play(message(1, i, 100*i))
	}
	newest, next := make(map[string]int64), 1
	for done := 0; done < keys || next <= rounds; {
		r, err := v.next(t)
		if err != nil {
			t.Fatal(err)
		}
		switch r.Type {
		case goalcast.FrameEvent:
			if r.Event.ID != fmt.Sprint("message:", next) {
				t.Fatalf("%s, want %d", r.Event.ID, next)
			}
			next++
		case goalcast.FrameState:
			before := newest[r.State.Key]
			if r.State.Version < before { // the same may come again
				t.Fatalf("%s: %d after %d", r.State.Key, r.State.Version, before)
			}
			if newest[r.State.Key] = r.State.Version; r.State.Version == rounds && before < rounds {
				done++
			}
		}
	}
}

// TestDeflateFromClient has clients compress: rightly, in fragments, and in all wrong ways.
func TestDeflateFromClient(t *testing.T) {
	pack := func(text string) ws.Frame {
		f, err := wsflate.CompressFrame(ws.NewTextFrame([]byte(text)))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	compile := func(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }
	part := func(op ws.OpCode, fin bool, rsv bool, payload []byte) []byte {
		f := ws.NewFrame(op, fin, payload)
		f.Header.Rsv = ws.Rsv(rsv, false, false)
		return compile(f)
	}
	whole := pack(`{"type":"ping","id":"abcabcabcabcabc"}`)
	rsv2 := whole
	rsv2.Header.Rsv = ws.Rsv(true, true, false)
	fragmented := append(part(ws.OpText, false, true, whole.Payload[:5]), part(ws.OpPing, true, false, nil)...)
	fragmented = append(fragmented, part(ws.OpContinuation, true, false, whole.Payload[5:])...)
	for _, tt := range []struct {
		name string
		send []byte
		want ws.StatusCode // 0: a pong
	}{
		{"whole", compile(whole), 0},
		{"fragments", fragmented, 0},
		{"plain all the same", compile(ws.NewTextFrame([]byte(`{"type":"ping","id":"abcabcabcabcabc"}`))), 0},
		{"bomb", compile(pack(strings.Repeat(" ", 1<<20))), 1009},
		{"just over 4 kB", compile(pack(strings.Repeat("{", 4097))), 1009},
		{"garbage", part(ws.OpText, true, true, []byte("\xff\xff\xff\xff")), 1007},
		{"not UTF-8", compile(pack("\xc3\x28")), 1007},
		{"second bit", compile(rsv2), 1002},
		{"compressed ping", part(ws.OpPing, true, true, nil), 1002},
		{"compressed continuation", append(part(ws.OpText, false, true, whole.Payload[:5]),
			part(ws.OpContinuation, true, true, whole.Payload[5:])...), 1002},
		{"compressed binary", part(ws.OpBinary, true, true, whole.Payload), 1003},
	} {
		for _, e := range engines[:2] {
			t.Run(e.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				n := start(t, newWorld(), e.cfg, false)
				d := dialDeflating(t, n, "")
				d.next(t) // hello
				if _, err := d.Write(tt.send); err != nil {
					t.Fatal(err)
				}
				if tt.want == 0 {
					if r, _ := decode(t, second(d.next(t)), nil); r.Type != goalcast.FramePong ||
						r.ID != "abcabcabcabcabc" {
						t.Errorf("got %s", r.raw)
					}
					return
				}
				for {
					f, err := ws.ReadFrame(d.in) //lint:ignore SA1019 the peer is the hub under test
					if err != nil {
						t.Fatal(err)
					}
					if f.Header.OpCode == ws.OpClose {
						if code, reason := ws.ParseCloseFrameData(f.Payload); code != tt.want {
							t.Errorf("closed with %d %q, want %d", code, reason, tt.want)
						}
						return
					}
				}
			})
		}
	}
}

// TestClientsDoOtherwiseThanAgreed: what a client does that it did not agree to, or that it agreed
// not to do, ends nothing as long as it can be understood.
func TestClientsDoOtherwiseThanAgreed(t *testing.T) {
	const messages = 12
	frame := func(op ws.OpCode, fin, packed bool, payload []byte) []byte {
		f := ws.NewFrame(op, fin, payload)
		f.Header.Rsv = ws.Rsv(packed, false, false)
		return ws.MustCompileFrame(ws.MaskFrame(f))
	}
	whole := func(payload []byte) []byte { return frame(ws.OpText, true, true, payload) }
	ask := func(i int) []byte { return fmt.Appendf(nil, `{"type":"ping","id":"%d"}`, i) }
	// compressor gives a client's messages; between them it forgets or keeps its window.
	compressor := func(level int, forget bool) func([]byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, level)
		if err != nil {
			t.Fatal(err)
		}
		return func(text []byte) []byte {
			b.Reset()
			if forget {
				w.Reset(&b)
			}
			_, err := w.Write(text)
			if err = errors.Join(err, w.Flush()); err != nil {
				t.Fatal(err)
			}
			return bytes.Clone(b.Bytes())
		}
	}
	bare := func(b []byte) []byte { return bytes.TrimSuffix(b, []byte{0, 0, 0xff, 0xff}) }
	keeps, keepsBest, forgets := compressor(6, false), compressor(9, false), compressor(6, true)
	final := func(text []byte) []byte {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 6)
		_, _ = w.Write(text)
		_ = w.Close()
		return append(b.Bytes(), 0)
	}
	pieces := func(size int, packed bool, payload []byte) (all []byte) {
		op := ws.OpText
		for len(payload) > size {
			all = append(all, frame(op, false, packed, payload[:size])...)
			payload, op, packed = payload[size:], ws.OpContinuation, false
		}
		return append(all, frame(op, true, packed, payload)...)
	}
	for name, message := range map[string]func(i int) []byte{
		"keeps its window":             func(i int) []byte { return whole(bare(keeps(ask(i)))) },
		"keeps its window, level 9":    func(i int) []byte { return whole(bare(keepsBest(ask(i)))) },
		"forgets it":                   func(i int) []byte { return whole(bare(forgets(ask(i)))) },
		"does not leave the end away":  func(i int) []byte { return whole(forgets(ask(i))) },
		"ends each message for good":   func(i int) []byte { return whole(final(ask(i))) },
		"compresses nothing":           func(i int) []byte { return frame(ws.OpText, true, false, ask(i)) },
		"marks what is not compressed": func(i int) []byte { return whole(ask(i)) },
		"sends pieces of a byte":       func(i int) []byte { return pieces(1, true, bare(forgets(ask(i)))) },
		"sends pieces, not compressed": func(i int) []byte { return pieces(3, false, ask(i)) },
		"a mask of zeros": func(i int) []byte {
			return ws.MustCompileFrame(ws.MaskFrameWith(ws.NewTextFrame(ask(i)), [4]byte{}))
		},
		"pongs that nobody asked for": func(i int) []byte {
			return append(frame(ws.OpPong, true, false, []byte("?")), frame(ws.OpText, true, false, ask(i))...)
		},
		"now compressed, now not": func(i int) []byte {
			return frame(ws.OpText, true, i%2 == 0, [][]byte{bare(forgets(ask(i))), ask(i)}[i%2])
		},
		"an empty message without bits": func(i int) []byte {
			return append(whole(nil), whole(bare(forgets(ask(i))))...)
		},
	} {
		var sent [][]byte
		for i := range messages {
			sent = append(sent, message(i))
		}
		for _, e := range engines[:2] {
			t.Run(e.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				n := start(t, newWorld(), e.cfg, false)
				d := dialDeflating(t, n, "")
				d.next(t) // hello
				for i, b := range sent {
					if _, err := d.Write(b); err != nil {
						t.Fatal(err)
					}
					for {
						r, _ := decode(t, second(d.next(t)), nil)
						if r.Type == goalcast.FramePong && r.ID == fmt.Sprint(i) {
							break
						}
						if r.Type != goalcast.FrameError || name != "an empty message without bits" {
							t.Fatalf("message %d is answered with %s", i, r.raw)
						}
					}
				}
			})
		}
	}
}
