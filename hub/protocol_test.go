package hub_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"goalcast"
	"goalcast/hub"
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
	request := "GET /v1/live?topics=" + topics + " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
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

// TestMisbehaviour sends what RFC 6455 forbids, or what the hub does not want, whole, byte by byte, and right behind the handshake.
func TestMisbehaviour(t *testing.T) {
	text := []byte(`{"type":"ping"}`)
	unmasked := ws.MustCompileFrame(ws.NewTextFrame(text))
	rsv := masked(ws.OpText, true, text)
	rsv[0] |= 0x40
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
		{"reserved bit", rsv, 1002},
		{"reserved data opcode", masked(3, true, text), 1002},
		{"reserved control opcode", masked(11, true, nil), 1002},
		{"fragmented ping", masked(ws.OpPing, false, nil), 1002},
		{"ping too long", masked(ws.OpPing, true, make([]byte, 126)), 1002},
		{"close too long", masked(ws.OpClose, true, closeBody(1000, strings.Repeat("x", 124))), 1002},
		{"continuation of nothing", masked(ws.OpContinuation, true, text), 1002},
		{"text inside a fragmented text", append(masked(ws.OpText, false, text), masked(ws.OpText, true, text)...), 1002},
		{"16-bit length for a short frame", []byte{0x81, 0xfe, 0, 5, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'}, 1002},
		{"64-bit length for a short frame", append([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0}, "hello"...), 1002},
		{"length with the highest bit", []byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002},
		{"close of one byte", masked(ws.OpClose, true, []byte{3}), 1002},
		{"close with 1005", masked(ws.OpClose, true, closeBody(1005, "")), 1002},
		{"close with 999", masked(ws.OpClose, true, closeBody(999, "")), 1002},
		{"close with a reason that is not UTF-8", masked(ws.OpClose, true, closeBody(1000, "\xff")), 1007},
		{"text that is not UTF-8", masked(ws.OpText, true, []byte("\xc3\x28")), 1007},
		{"fragments that are not UTF-8 together", append(masked(ws.OpText, false, []byte("\xc3")), masked(ws.OpContinuation, true, []byte("\x28"))...), 1007},
		{"binary", masked(ws.OpBinary, true, text), 1003},
		{"over 4 kB", masked(ws.OpText, true, bytes.Repeat([]byte(" "), 4097)), 1009},
		{"fragments over 4 kB", append(masked(ws.OpText, false, make([]byte, 4000)), masked(ws.OpContinuation, true, make([]byte, 200))...), 1009},
		{"a gigabyte announced", []byte{0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0}, 1009},
		{"flood of fragments", fragments, 1009},
		{"flood of pings", bytes.Repeat(masked(ws.OpPing, true, nil), 200), 1008},
		{"flood of messages", bytes.Repeat(masked(ws.OpText, true, text), 200), 1008},
		{"polite close", masked(ws.OpClose, true, closeBody(1000, "bye")), 1000},
		{"close without code", masked(ws.OpClose, true, nil), 1000},
		{"close with a code of the application", masked(ws.OpClose, true, closeBody(4321, "")), 4321},
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

// TestGoodFrames sends what is allowed and unusual: control frames between fragments, empty fragments, several frames in one packet.
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
				got = append(got, r.Type+r.ID)
			}
			if text := strings.Join(got, " "); text != "hello stale pong frame hi snapshot pongü" && text != "hello pong frame hi snapshot pongü" {
				t.Errorf("got %s", text)
			}
		})
	}
}

func TestSubscribe(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			cfg := e.cfg
			cfg.MaxTopics = 3
			n := start(t, w, cfg, e.tls)
			for id := range goalcast.MatchID(5) {
				w.fixture(1 + id)
			}
			c := coder(t, n, query("match:1", goalcast.Cursor{}))
			v := coderViewer{c}
			until(t, v, goalcast.FrameSnapshot)
			say := func(text string) {
				t.Helper()
				ctx, cancel := context.WithTimeout(context.Background(), limit)
				defer cancel()
				if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			say(`{"type":"subscribe","topics":["match:2","team:10"],"id":"a"}`)
			for _, want := range []goalcast.Topic{goalcast.ForMatch(2), goalcast.ForTeam(10)} {
				if s := only(t, v, goalcast.FrameSnapshot); *s.Topic != want {
					t.Errorf("snapshot of %s, want %s", s.Topic, want)
				}
			}
			w.goal(2, 1)
			w.goal(1, 1) // by match:1 and team:10, once
			w.goal(2, 2)
			for _, want := range []string{"goal:2:1", "goal:1:1", "goal:2:2"} {
				if e := only(t, v, goalcast.FrameEvent); e.Event.ID != want {
					t.Errorf("event %s, want %s", e.Event.ID, want)
				}
			}
			say(`{"type":"subscribe","topics":["match:3"],"id":"b"}`)
			if r := only(t, v, goalcast.FrameError); r.Code != "too_many_topics" || r.ID != "b" {
				t.Errorf("error %s", r.raw)
			}
			say(`{"type":"unsubscribe","topics":["match:1","team:10","match:77"]}`)
			say(`{"type":"ping","id":"p"}`)
			if r := only(t, v, goalcast.FramePong); r.ID != "p" || r.Time == 0 {
				t.Errorf("pong %s", r.raw)
			}
			w.goal(1, 2)
			w.goal(2, 3)
			if e := only(t, v, goalcast.FrameEvent); e.Event.ID != "goal:2:3" {
				t.Errorf("event %s after unsubscribing from its match", e.Event.ID)
			}
			for text, code := range map[string]string{
				`{"type":"subscribe","topics":["match:x"],"id":"c"}`: "bad_topic",
				`{"type":"subscribe","id":"c"}`:                      "bad_frame",
				`{"type":"dance","id":"c"}`:                          "bad_frame",
				`nonsense`:                                           "bad_frame",
				`["type"]`:                                           "bad_frame",
			} {
				say(text)
				if r := only(t, v, goalcast.FrameError); r.Code != code {
					t.Errorf("%s: %s", text, r.raw)
				}
			}
			// the same again: unsubscribed, then subscribed twice in one go
			say(`{"type":"subscribe","topics":["match:3"]}`)
			say(`{"type":"subscribe","topics":["match:3","match:4"]}`)
			for range 3 {
				only(t, v, goalcast.FrameSnapshot)
			}
			w.goal(3, 1)
			w.goal(4, 1)
			only(t, v, goalcast.FrameEvent)
			if e := only(t, v, goalcast.FrameEvent); e.Event.ID != "goal:4:1" {
				t.Errorf("event %s", e.Event.ID)
			}
			v.cut()
			wait(t, "no subscription is left", func() bool { return n.metric(t, "goalcast_hub_subscriptions", "") == 0 })
		})
	}
}

// TestSubscribeWhilePlaying adds and drops topics on an open socket under load: no hole, no repeat.
func TestSubscribeWhilePlaying(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{MessageRate: 1e6, MessageBurst: 600}, false)
	for id := range goalcast.MatchID(4) {
		w.fixture(1 + id)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ctx.Err() == nil; i++ {
			w.goal(goalcast.MatchID(1+i%4), i)
			time.Sleep(time.Millisecond / 2) // the pace of the stream
		}
	}()
	c := coder(t, n, query("match:1", goalcast.Cursor{}))
	v := coderViewer{c}
	seq := make(map[goalcast.MatchID]int64)
	for i := range 60 {
		id := goalcast.MatchID(2 + i%3)
		if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"subscribe","topics":["match:%d"]}`, id)); err != nil {
			t.Fatal(err)
		}
		for {
			r, err := v.next(t)
			if err != nil {
				t.Fatal(err)
			}
			if r.Type == goalcast.FrameEvent {
				if have := seq[r.Event.Match]; r.Event.Seq != have+1 {
					t.Errorf("event %d of match %d after %d", r.Event.Seq, r.Event.Match, have)
				}
				seq[r.Event.Match] = r.Event.Seq
			}
			if r.Type == goalcast.FrameSnapshot {
				seq[r.Matches[0].ID] = r.Matches[0].Seq
				if r.Matches[0].ID == id {
					break
				}
			}
		}
		if i%2 == 1 {
			if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"unsubscribe","topics":["match:%d"]}`, id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	<-done
}
