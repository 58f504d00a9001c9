package hub_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"goalcast"
	"goalcast/hub"
)

// message is an editor's word of some size; it belongs to a match's topic.
func message(match goalcast.MatchID, n, size int) goalcast.Event {
	return goalcast.Event{ID: fmt.Sprint("message:", n), Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindMessage, Match: match,
		Topics: []goalcast.Topic{goalcast.ForMatch(match)}, Message: json.RawMessage(`"` + strings.Repeat("x", size) +
			`"`)}
}

// TestSlowViewer has viewers who never read: they are cut, with the code or goodbye that says why,
// and resume; the others notice nothing.
func TestSlowViewer(t *testing.T) {
	for _, e := range engines[:2] {
		for _, kind := range []string{"gobwas", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				cfg := e.cfg
				cfg.MaxPending, cfg.SendBuffer = 8<<10, 16<<10
				n := start(t, w, cfg, false)
				w.fixture(1)
				slow := kinds[kind](t, n, query("match:1", goalcast.Cursor{}))
				until(t, slow, goalcast.FrameSnapshot)
				quick := dialCoder(t, n, query("match:1", goalcast.Cursor{}))
				until(t, quick, goalcast.FrameSnapshot)
				sent := 0
				for sent%16 != 0 || n.metric(t, "goalcast_hub_closed_total", "too_slow") == 0 {
					if sent++; sent > 20_000 {
						t.Fatal("never cut")
					}
					c := w.play(message(1, sent, 4000))
					if e := only(t, quick, goalcast.FrameEvent); *e.Cursor != c {
						t.Fatalf("the others: %s, want %s", e.Cursor, c)
					}
				}
				if got := n.metric(t, "goalcast_hub_subscriptions", ""); got != 1 {
					t.Errorf("%v subscriptions after the cut", got)
				}
				// what it gets when it reads at last is whole, in order, and says why it ends
				var last goalcast.Cursor
				count := 0
				for {
					r, err := slow.next(t)
					if kind == "sse" && err == nil && r.Type == goalcast.FrameBye {
						if r.Reason != "too_slow" || r.Retry <= 0 {
							t.Errorf("bye %s", r.raw)
						}
						if _, err := slow.next(t); !errors.Is(err, io.EOF) {
							t.Errorf("after bye: %v", err)
						}
						break
					}
					if err != nil {
						if text := err.Error(); kind == "sse" || !strings.Contains(text, "4008") ||
							!strings.Contains(text, "too slow") {
							t.Errorf("end: %v", err)
						}
						break
					}
					if r.Type == goalcast.FrameEvent {
						count++
						if r.Event.ID != fmt.Sprint("message:", count) {
							t.Errorf("event %d is %s", count, r.Event.ID)
						}
						last = *r.Cursor
					}
				}
				if count == 0 || count >= sent {
					t.Errorf("%d of %d", count, sent)
				}
				cfgd := dialCoder(t, n, query("match:1", last))
				only(t, cfgd, goalcast.FrameHello)
				if r, err := cfgd.next(t); err != nil || r.Type == goalcast.FrameEvent &&
					r.Event.ID != fmt.Sprint("message:", count+1) {
					t.Errorf("resumed with %.200s %v", r.raw, err)
				}
				wait(t, "the slow one is gone", func() bool { return n.metric(t, "goalcast_hub_connections", "") == 2 })
				wait(t, "nothing waits", func() bool { return n.metric(t, "goalcast_hub_pending_bytes", "") == 0 })
			})
		}
	}
}

// TestABurstCutsNobodyWhoReads: many times MaxPending at once reaches whoever reads all the time.
func TestABurstCutsNobodyWhoReads(t *testing.T) {
	for _, e := range engines {
		for _, kind := range []string{"websocket", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				cfg := e.cfg
				cfg.MaxPending, cfg.SendBuffer = 32<<10, 16<<10
				n := start(t, w, cfg, e.tls)
				w.fixture(1)
				dial := dialCoder
				if kind == "sse" {
					dial = dialSSE
				}
				v := dial(t, n, query("match:1", goalcast.Cursor{}))
				until(t, v, goalcast.FrameSnapshot)
				const events, size = 600, 1200 // 20 times MaxPending
				for i := range events {
					w.play(message(1, i, size))
				}
				for i := range events {
					r, err := v.next(t)
					if err != nil || r.Type != goalcast.FrameEvent || r.Event.ID != fmt.Sprint("message:", i) {
						t.Fatalf("event %d of %d: %.100s %v", i, events, r.raw, err)
					}
				}
			})
		}
	}
}

// TestStalledViewer neither reads nor gets too much: it is cut when its socket took nothing for
// WriteTimeout.
func TestStalledViewer(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			cfg := e.cfg
			cfg.SendBuffer, cfg.WriteTimeout, cfg.MaxPending = 16<<10, 150*time.Millisecond, 64<<20
			n := start(t, w, cfg, false)
			w.fixture(1)
			v := dialGobwas(t, n, query("match:1", goalcast.Cursor{}))
			until(t, v, goalcast.FrameSnapshot)
			for i := range 3000 {
				w.play(message(1, i, 4000))
			}
			wait(t, "cut", func() bool {
				return n.metric(t, "goalcast_hub_closed_total", "stalled")+n.metric(t, "goalcast_hub_closed_total",
					"gone") == 1 &&
					n.metric(t, "goalcast_hub_connections", "") == 0
			})
		})
	}
}

// TestStatesConflate lets a viewer sleep through thousands of prices: it gets each key's newest,
// and memory stays bounded.
func TestStatesConflate(t *testing.T) {
	for _, e := range engines[:2] {
		for _, kind := range []string{"gobwas", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				const keys, rounds = 50, 1200
				w := newWorld()
				cfg := e.cfg
				cfg.SendBuffer, cfg.StateInterval, cfg.MaxPending = 8<<10, time.Millisecond, 64<<10
				// it sleeps as long as it takes to set all prices, which a busy machine does slowly
				cfg.WriteTimeout = time.Minute
				n := start(t, w, cfg, false)
				w.fixture(1)
				v := kinds[kind](t, n, query("odds:1,match:1", goalcast.Cursor{}))
				until(t, v, goalcast.FrameSnapshot)
				until(t, v, goalcast.FrameSnapshot)
				for r := 1; r <= rounds; r++ {
					for k := range keys {
						w.state(1, fmt.Sprint("selection/", k), int64(r))
					}
					if r%100 == 0 {
						time.Sleep(time.Millisecond) // lets a round of states go out; how many do is not checked
					}
				}
				c := w.goal(1, 1)
				newest := make(map[string]int64)
				got, goal := 0, false
				for done := 0; done < keys || !goal; {
					r, err := v.next(t)
					if err != nil {
						t.Fatal(err)
					}
					switch r.Type {
					case goalcast.FrameEvent:
						goal = *r.Cursor == c
					case goalcast.FrameState:
						got++
						if r.State.Version < newest[r.State.Key] {
							t.Errorf("%s went back from %d to %d", r.State.Key, newest[r.State.Key], r.State.Version)
						}
						if newest[r.State.Key] != rounds && r.State.Version == rounds {
							done++
						}
						newest[r.State.Key] = r.State.Version
					}
				}
				if got >= keys*rounds/2 {
					t.Errorf("%d of %d states: not conflated", got, keys*rounds)
				}
				t.Logf("%d of %d states", got, keys*rounds)
				if cut := n.metric(t, "goalcast_hub_closed_total", ""); cut != 0 {
					t.Errorf("%v cut", cut)
				}
			})
		}
	}
}

// TestRefusals is everything that is answered with a status instead of a stream.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name, query, origin string
		cfg                 hub.Config
		before              int // viewers that are in already
		status              int
		reason              string
	}{
		{name: "no topics", status: 400, reason: "topics"},
		{name: "bad topic", query: "topics=match:1,foo:2", status: 400, reason: "topics"},
		{name: "too many topics", query: "topics=match:1,match:2,match:3", cfg: hub.Config{MaxTopics: 2}, status: 400,
			reason: "topics"},
		{name: "bad cursor", query: "topics=match:1&since=!", status: 400, reason: "cursor"},
		{name: "bad wait", query: "topics=match:1&wait=soon", status: 400, reason: "wait"},
		{name: "bad query", query: "topics=%zz", status: 400, reason: "query"},
		{name: "origin", query: "topics=match:1", origin: "https://evil.example",
			cfg: hub.Config{Origins: []string{"*.good.example"}}, status: 403, reason: "origin"},
		{name: "forbidden", query: "topics=odds:1", cfg: hub.Config{NoOdds: true}, status: 403,
			reason: "forbidden"},
		{name: "connections", query: "topics=match:1", cfg: hub.Config{MaxConns: 2}, before: 2, status: 503,
			reason: "connections"},
		{name: "connections per address", query: "topics=match:1", cfg: hub.Config{MaxConnsPerIP: 2}, before: 2,
			status: 503, reason: "connections_per_ip"},
		{name: "handshake rate", query: "topics=match:1", cfg: hub.Config{HandshakeRate: .001, HandshakeMax: 2},
			before: 2, status: 503, reason: "handshake_rate"},
	} {
		for _, accept := range []string{"application/json", "text/event-stream", "websocket"} {
			if tt.name == "no topics" && accept == "websocket" {
				continue // it may subscribe later
			}
			t.Run(tt.name+"/"+accept, func(t *testing.T) {
				t.Parallel()
				n := start(t, newWorld(), tt.cfg, false)
				var in []viewer
				for range tt.before {
					v := dialCoder(t, n, query("match:5", goalcast.Cursor{}))
					until(t, v, goalcast.FrameSnapshot)
					in = append(in, v)
				}
				ask := func() *http.Response {
					req, _ := http.NewRequest(http.MethodGet, n.web.URL+"/v1/live?"+tt.query, nil)
					req.Header.Set("Accept", accept)
					req.Header.Set("Origin", tt.origin)
					if accept == "websocket" {
						req.Header.Set("Upgrade", "websocket")
						req.Header.Set("Connection", "Upgrade")
						req.Header.Set("Sec-WebSocket-Version", "13")
						req.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
					}
					res, err := n.web.Client().Do(req)
					if err != nil {
						t.Fatal(err)
					}
					return res
				}
				res := ask()
				defer res.Body.Close()
				var problem struct {
					Status int
					Detail string
				}
				if got := n.metric(t, "goalcast_hub_refused_total", tt.reason); got != 1 {
					t.Errorf("%v counted for %s", got, tt.reason)
				}
				if accept == "text/event-stream" && tt.status == 503 {
					if res.StatusCode != 200 { // TestRefusalsSayWhatToDoNext looks at the rest
						t.Errorf("event stream: %s", res.Status)
					}
				} else if err := json.NewDecoder(res.Body).Decode(&problem); err != nil || problem.Detail == "" ||
					problem.Status != tt.status || res.StatusCode != tt.status {
					t.Errorf("%s %v %v", res.Status, problem, err)
				}
				if got := res.Header.Get("Retry-After") != ""; got != (tt.status == 503) {
					t.Error("Retry-After:", res.Header.Get("Retry-After"))
				}
				if tt.cfg.MaxConns+tt.cfg.MaxConnsPerIP == 0 {
					return
				}
				in[0].cut() // and there is room again
				wait(t, "room", func() bool {
					res := ask()
					defer res.Body.Close()
					return res.StatusCode != 503 && res.Header.Get("Retry-After") == ""
				})
			})
		}
	}
}

func TestPreflightAndOrigins(t *testing.T) {
	n := start(t, newWorld(), hub.Config{Origins: []string{"good.example", "*.good.example", "https://only.example"}},
		false)
	for origin, want := range map[string]int{"https://good.example": 204, "http://www.good.example": 204,
		"https://only.example": 204,
		"http://only.example":  403, "https://good.example.evil.example": 403, "null": 403} {
		req, _ := http.NewRequest(http.MethodOptions, n.web.URL, nil)
		req.Header.Set("Origin", origin)
		res, err := n.web.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want || want == 204 && res.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: %s, allowed %q", origin, res.Status, res.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	res, err := n.web.Client().Post(n.web.URL, "text/plain", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Error("POST:", res.Status)
	}
}

// TestKeepAlive has a viewer with nothing to see: it is pinged, with the cursor; one that does not
// answer is closed.
func TestKeepAlive(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			cfg := e.cfg
			cfg.PingInterval = 60 * time.Millisecond
			n := start(t, w, cfg, false)
			w.fixture(1)
			w.fixture(2)
			good := dialCoder(t, n, query("match:1", goalcast.Cursor{}))
			until(t, good, goalcast.FrameSnapshot)
			for range 12 { // four times as many as would end it
				if r := only(t, good, goalcast.FramePong); r.Cursor == nil || r.Cursor.Offset != 2 {
					t.Errorf("keep-alive %s", r.raw)
				}
			}
			good.cut() // who no longer reads does not answer either
			stream := dialSSE(t, n, query("match:1", goalcast.Cursor{}))
			until(t, stream, goalcast.FrameSnapshot)
			for range 2 { // a script sees it, and a browser keeps its id
				if r := only(t, stream, goalcast.FramePong); r.Cursor == nil || r.Cursor.Offset != 2 || r.Time == 0 ||
					r.id != r.Cursor.String() {
					t.Errorf("keep-alive of a stream: id %s, %s", r.id, r.raw)
				}
			}
			_, in := shake(t, n, "match:1", nil)
			code, _, frames := closing(t, in)
			pings := 0
			for _, f := range frames {
				if f.Header.OpCode == ws.OpPing {
					pings++
				}
			}
			if code != ws.StatusCode(goalcast.CloseNoPong) || pings != 3 {
				t.Errorf("closed with %d after %d pings", code, pings)
			}
			wait(t, "one is counted", func() bool { return n.metric(t, "goalcast_hub_closed_total", "no_pong") == 1 })
		})
	}
}

// TestDrain says goodbye to everybody, spread over the time, each with a cursor and a delay of its
// own, and refuses new ones.
func TestDrain(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			n := start(t, w, e.cfg, e.tls)
			w.fixture(1)
			const each = 20
			var viewers []viewer
			for _, kind := range []string{"coder", "gobwas", "sse"} {
				for range each {
					v := kinds[kind](t, n, query("match:1", goalcast.Cursor{}))
					until(t, v, goalcast.FrameSnapshot)
					viewers = append(viewers, v)
				}
			}
			cursor := w.goal(1, 1)
			drained := make(chan error, 1)
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			begin := time.Now()
			go func() { drained <- n.Drain(ctx) }()
			wait(t, "not ready", func() bool { return n.Ready() != nil })
			res, err := n.web.Client().Get(n.web.URL + "?topics=match:1")
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
				t.Error("while draining:", res.Status)
			}
			delays := make(map[int64]bool)
			ends := make(chan time.Duration, len(viewers))
			for i, v := range viewers {
				all := until(t, v, goalcast.FrameBye)
				bye := all[len(all)-1]
				if bye.Reason != "drain" || bye.Cursor == nil || *bye.Cursor != cursor || bye.Retry < 500 ||
					len(all) != 2 {
					t.Errorf("viewer %d: %d frames, %s", i, len(all), bye.raw)
				}
				delays[bye.Retry] = true
				_, err := v.next(t)
				if i < 2*each && !strings.Contains(fmt.Sprint(err), "1001") && !strings.Contains(fmt.Sprint(err),
					"StatusGoingAway") || i >= 2*each && !errors.Is(err, io.EOF) {
					t.Errorf("viewer %d ends with %v", i, err)
				}
				v.cut()
				ends <- time.Since(begin)
			}
			if err := <-drained; err != nil {
				t.Error(err)
			}
			if len(delays) < len(viewers)*3/4 {
				t.Errorf("%d different delays", len(delays))
			}
			if took := time.Since(begin); took < 800*time.Millisecond {
				t.Errorf("all gone after %v: not spread", took)
			}
		})
	}
}

// TestPollAtDrain ends a waiting poll with the goodbye.
func TestPollAtDrain(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	p := dialPoll(t, n, query("match:1", goalcast.Cursor{Epoch: "e1", Offset: 1}))
	got := make(chan received, 1)
	go func() {
		r, _ := p.next(t)
		got <- r
	}()
	wait(t, "the poll waits", func() bool { return n.metric(t, "goalcast_hub_connections", "poll") == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := n.Drain(ctx); err != nil {
		t.Error(err)
	}
	if r := <-got; r.Type != goalcast.FrameBye {
		t.Errorf("got %s", r.raw)
	}
}

// TestPollTimesOut answers with nothing, and with a cursor that has moved on.
func TestPollTimesOut(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	w.fixture(2)
	res, err := n.web.Client().Get(n.web.URL + "?topics=match:1&since=e1-1&wait=20ms")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if want := `{"cursor":"e1-2","frames":[]}`; err != nil || strings.TrimSpace(string(body)) != want {
		t.Errorf("got %s %v, want %s", body, err, want)
	}
}

// TestSocketsEnd makes sure that descriptors go when viewers do, whoever ends it and however.
func TestSocketsEnd(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	begin := descriptors(t)
	for i := range 100 {
		c, err := net.Dial("tcp", n.web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		switch i % 4 {
		case 0: // half a request
			io.WriteString(c, "GET /v1/live?topics=match:1 HTTP/1.1\r\nHost: x\r\n")
		case 1:
			io.WriteString(c, "GET /v1/live?topics=match:1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
			if _, err := c.Read(make([]byte, 10)); err != nil {
				t.Error(err)
			}
		case 2:
			io.WriteString(c, "GET /v1/live?topics=match:1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "+
				"Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
			c.(*net.TCPConn).SetLinger(0) // ends with a reset
			if _, err := c.Read(make([]byte, 10)); err != nil {
				t.Error(err)
			}
		case 3:
			io.WriteString(c, "GET /v1/live?topics=match:1&since=e1-1 HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		c.Close()
	}
	wait(t, "descriptors go", func() bool { return descriptors(t) <= begin })
	wait(t, "nobody is counted", func() bool { return n.metric(t, "goalcast_hub_connections", "") == 0 })
	if bytes.Contains(fmt.Append(nil, n.Ready()), []byte("hub")) {
		t.Error(n.Ready())
	}
}

// An IPv6 customer has a whole network, and an IPv4 address can be written in two ways: each counts
// once.
func TestLimitPerAddressCountsNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.fixture(1)
	n := start(t, w, hub.Config{MaxConnsPerIP: 2, ClientIP: func(r *http.Request) string {
		return r.Header.Get("From-Address")
	}}, false)
	for _, addresses := range [][]string{
		{"2001:db8:7:7::1", "2001:db8:7:7::2", "2001:db8:7:7:ffff::3"},
		{"2001:db8:7:8::1", "2001:db8:7:8::1", "2001:db8:7:8::1"},
		{"203.0.113.9", "::ffff:203.0.113.9", "::ffff:cb00:7109"},
	} {
		var conns []*websocket.Conn
		for i, address := range addresses {
			c, res, err := websocket.Dial(t.Context(), n.web.URL+"/v1/live?topics=match:1",
				&websocket.DialOptions{HTTPHeader: http.Header{"From-Address": {address}}})
			if (err == nil) != (i < 2) || err != nil &&
				(res == nil || res.StatusCode != http.StatusServiceUnavailable) {
				t.Fatalf("%s is number %d of its network: %v %v", address, i+1, res, err)
			}
			if err == nil {
				conns = append(conns, c)
			}
		}
		for _, c := range conns {
			_ = c.CloseNow()
		}
	}
	wait(t, "all places to be given back", func() bool { return n.metric(t, "goalcast_hub_connections", "") == 0 })
}

// Apps and pages without a host have origins that can be named.
func TestOriginsWithoutAHost(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.fixture(1)
	n := start(t, w, hub.Config{Origins: []string{"null", "capacitor://localhost", "ionic://*", "file://"}}, false)
	for origin, want := range map[string]int{
		"null": 200, "capacitor://localhost": 200, "Capacitor://localhost": 200, "ionic://app": 200, "file://": 200,
		"capacitor://localhost.example.com": 403, "https://example.com": 403, "https://localhost": 403, "nullx": 403,
		"": 200,
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, n.web.URL+"/v1/live?topics=match:1&wait=0s",
			nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		res, err := n.web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		allowed := res.Header.Get("Access-Control-Allow-Origin")
		if res.StatusCode != want || want == 200 && allowed != origin {
			t.Errorf("%q: %d, allowed %q; want %d", origin, res.StatusCode, allowed, want)
		}
	}
}
