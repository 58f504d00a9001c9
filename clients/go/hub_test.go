package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"goalcast"
	client "goalcast/clients/go"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for anything before it fails.
const limit = time.Minute

// scriptedHub does what a test tells it: WebSocket, event stream and long poll at /v1/live, frames
// of wire version 1. A long poll is answered with the first frame that is sent.
type scriptedHub struct {
	*httptest.Server
	mu      sync.Mutex
	refusal *refusal           // what the hub itself answers
	blocks  []client.Transport // what a network does not let through
	onVisit func(*visit)       // may be nil
	visits  []*visit
	checks  int // how often it was asked why
	refused []time.Time
	deaf    bool // it answers no pings
}

// refusal is a line of testdata/refusals.json.
type refusal struct {
	Code   goalcast.Code
	Final  bool
	Status int
}

// visit is one connection, or one poll.
type visit struct {
	transport client.Transport
	query     url.Values
	header    http.Header
	at        time.Time
	out       chan []byte
	end       chan websocket.StatusCode // 0: without a word
	once      sync.Once

	mu       sync.Mutex
	received []goalcast.ClientMessage // without pings
	pings    int
}

func newHub(t *testing.T) *scriptedHub {
	t.Helper()
	h := &scriptedHub{}
	h.Server = httptest.NewServer(h)
	t.Cleanup(func() {
		h.mu.Lock()
		for _, v := range h.visits {
			v.close(0)
		}
		h.mu.Unlock()
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

// set changes the hub.
func (h *scriptedHub) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *scriptedHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	way, check := client.Poll, r.URL.Query().Has("check")
	switch {
	case r.Header.Get("Upgrade") != "":
		way = client.WebSocket
	case r.Header.Get("Accept") == "text/event-stream":
		way = client.EventStream
	}
	h.mu.Lock()
	no, blocked := h.refusal, slices.Contains(h.blocks, way) && !check
	if check {
		h.checks++
	} else if no != nil {
		h.refused = append(h.refused, time.Now())
	}
	h.mu.Unlock()
	switch {
	case blocked:
		w.WriteHeader(http.StatusForbidden)
	case no != nil && !no.Final && way == client.EventStream:
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "event: bye\ndata: {\"type\":\"bye\",\"reason\":%q,\"retry\":300}\n\n", no.Code)
	case no != nil:
		w.Header().Set("Content-Type", "application/problem+json")
		if !no.Final {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(no.Status)
		fmt.Fprintf(w, `{"type":"about:blank","status":%d,"code":%q,"detail":"refused: %[2]s"}`, no.Status, no.Code)
	case check:
		w.WriteHeader(http.StatusNoContent)
	default:
		h.serve(w, r, way)
	}
}

func (h *scriptedHub) serve(w http.ResponseWriter, r *http.Request, way client.Transport) {
	v := &visit{transport: way, query: r.URL.Query(), header: r.Header, at: time.Now(), out: make(chan []byte, 100),
		end: make(chan websocket.StatusCode, 1)}
	var c *websocket.Conn
	if way == client.WebSocket {
		var err error
		if c, err = websocket.Accept(w, r, nil); err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
	}
	h.mu.Lock()
	h.visits = append(h.visits, v)
	onVisit := h.onVisit
	h.mu.Unlock()
	if onVisit != nil {
		onVisit(v)
	}
	switch way {
	case client.WebSocket:
		go h.read(c, v)
		v.write(r.Context(), func(text []byte) error {
			return c.Write(context.Background(), websocket.MessageText, text)
		}, func(code websocket.StatusCode) {
			if code != 0 {
				_ = c.Close(code, "")
			}
		})
	case client.EventStream:
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		flusher := http.NewResponseController(w)
		_ = flusher.Flush()
		v.write(r.Context(), func(text []byte) error {
			fmt.Fprintf(w, "event: any\r\ndata: %s\r\n\r\n", text)
			return flusher.Flush()
		}, func(websocket.StatusCode) {})
	case client.Poll:
		w.Header().Set("Content-Type", "application/json")
		select {
		case text := <-v.out:
			var f goalcast.Frame
			_ = json.Unmarshal(text, &f)
			fmt.Fprintf(w, `{"cursor":"%s","frames":[%s]}`, cursorOf(f), text)
		case <-v.end:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
		}
	}
}

func cursorOf(f goalcast.Frame) string {
	if f.Cursor == nil {
		return ""
	}
	return f.Cursor.String()
}

// write sends what the test sends until the visit ends.
func (v *visit) write(ctx context.Context, send func([]byte) error, end func(websocket.StatusCode)) {
	for {
		select { // what was sent before the end comes first
		case text := <-v.out:
			if send(text) != nil {
				return
			}
			continue
		default:
		}
		select {
		case text := <-v.out:
			if send(text) != nil {
				return
			}
		case code := <-v.end:
			end(code)
			return
		case <-ctx.Done():
			return
		}
	}
}

func (h *scriptedHub) read(c *websocket.Conn, v *visit) {
	for {
		_, text, err := c.Read(context.Background())
		if err != nil {
			v.close(0)
			return
		}
		var m goalcast.ClientMessage
		if err := json.Unmarshal(text, &m); err != nil {
			panic(err)
		}
		h.mu.Lock()
		deaf := h.deaf
		h.mu.Unlock()
		v.mu.Lock()
		if m.Type == goalcast.FramePing {
			v.pings++
		} else {
			v.received = append(v.received, m)
		}
		v.mu.Unlock()
		if m.Type == goalcast.FramePing && !deaf {
			v.send(goalcast.Frame{Type: goalcast.FramePong, ID: m.ID, Time: time.Now().UnixMilli()})
		}
	}
}

func (v *visit) close(code websocket.StatusCode) { v.once.Do(func() { v.end <- code }) }

func (v *visit) send(frames ...goalcast.Frame) {
	for _, f := range frames {
		v.out <- f.Encode()
	}
}

func (v *visit) pinged() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pings
}

func (v *visit) got() []goalcast.ClientMessage {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.received)
}

// visit waits for the n-th connection, from 0.
func (h *scriptedHub) visit(t *testing.T, n int) (v *visit) {
	t.Helper()
	until(t, fmt.Sprintf("connection %d", n), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.visits) > n {
			v = h.visits[n]
		}
		return v != nil
	})
	return v
}

func until(t *testing.T, what string, right func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !right(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s for %s", limit, what)
		}
	}
}

// heard is what a client told.
type heard struct {
	*client.Client
	mu       sync.Mutex
	events   []string // keys
	last     client.Event
	statuses []client.Status
	resets   []goalcast.Reason
	problems []client.Problem
	states   []goalcast.State
	changes  []client.Change
	err      error
	over     bool
	stop     context.CancelFunc
	ended    chan struct{}
}

// listen follows match 1 until the test ends.
func listen(t *testing.T, h *scriptedHub, change func(*client.Options)) *heard {
	t.Helper()
	o := client.Options{URL: h.URL, Topics: []goalcast.Topic{goalcast.ForMatch(1)}, Backoff: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), HTTP: h.Client()}
	e := &heard{}
	note := func(what func()) {
		e.mu.Lock()
		defer e.mu.Unlock()
		what()
	}
	o.OnStatus = func(s client.Status) { note(func() { e.statuses = append(e.statuses, s) }) }
	o.OnReset = func(r goalcast.Reason) { note(func() { e.resets = append(e.resets, r) }) }
	o.OnProblem = func(p client.Problem) { note(func() { e.problems = append(e.problems, p) }) }
	o.OnState = func(s goalcast.State) { note(func() { e.states = append(e.states, s) }) }
	o.OnMatch = func(c client.Change) { note(func() { e.changes = append(e.changes, c) }) }
	if change != nil {
		change(&o)
	}
	var err error
	if e.Client, err = client.New(o); err != nil {
		t.Fatal(err)
	}
	e.start(t)
	return e
}

// start listens, once more or for the first time.
func (e *heard) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e.stop, e.ended, e.over = cancel, make(chan struct{}), false
	t.Cleanup(e.leave)
	go func() {
		defer close(e.ended)
		for event, err := range e.Events(ctx) {
			e.mu.Lock()
			if e.err = err; err == nil {
				e.events, e.last = append(e.events, event.Key()), event
			}
			e.mu.Unlock()
		}
		e.mu.Lock()
		e.over = true
		e.mu.Unlock()
	}()
}

func (e *heard) leave() {
	e.stop()
	<-e.ended
}

// until waits until what was heard is right.
func (e *heard) until(t *testing.T, what string, right func() bool) {
	t.Helper()
	until(t, what, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return right()
	})
}

func (e *heard) phase() client.Phase {
	s, _ := e.Status()
	return s.Phase
}

// waits are those before each new try.
func (e *heard) waits() (waits []time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.statuses {
		if s.Phase == client.Reconnecting {
			waits = append(waits, s.Retry)
		}
	}
	return waits
}

func (e *heard) refusal() *client.Refusal {
	e.mu.Lock()
	defer e.mu.Unlock()
	var r *client.Refusal
	errors.As(e.err, &r)
	return r
}

var hello = goalcast.Frame{Type: goalcast.FrameHello, Version: goalcast.WireVersion, Ping: 25_000,
	Time: time.Now().UnixMilli()}

func cursor(offset int64) *goalcast.Cursor {
	return &goalcast.Cursor{Epoch: "e1", Offset: uint64(offset)}
}

// goal is one of match 1's home side: event and place have the same number.
func goal(offset int64) goalcast.Frame { return revision(offset, offset, 1, goalcast.Confirmed) }

func revision(offset, id int64, number int, status goalcast.Status) goalcast.Frame {
	return goalcast.Frame{Type: goalcast.FrameEvent, Cursor: cursor(offset), Sent: time.Now().UnixMilli(),
		Event: &goalcast.Event{ID: fmt.Sprint("opta:", id), Revision: number, Status: status, Kind: goalcast.KindGoal,
			Seq: offset, Match: 1, Topics: []goalcast.Topic{goalcast.ForMatch(1)}, Team: 11, Period: goalcast.FirstHalf,
			Minute: 12, Goal: &goalcast.Goal{}, Times: goalcast.Times{Received: time.Now().UnixMilli() - 9,
				Published: time.Now().UnixMilli() - 4}}}
}

func snapshotOf(topic goalcast.Topic, offset int64, matches ...goalcast.Snapshot) goalcast.Frame {
	return goalcast.Frame{Type: goalcast.FrameSnapshot, Cursor: cursor(offset), Topic: &topic, Matches: matches}
}

func match1(seq int64) goalcast.Snapshot {
	return goalcast.Snapshot{ID: 1, Seq: seq, Fixture: goalcast.Fixture{Home: goalcast.Team{ID: 11,
		Name: "KVC Oosterveke"}, Away: goalcast.Team{ID: 22, Name: "RFC Valmorin"}}, State: goalcast.Scheduled,
		Period: goalcast.PreMatch, Timeline: []goalcast.Event{}}
}

func snapshot(offset int64) goalcast.Frame {
	return snapshotOf(goalcast.ForMatch(1), offset, match1(0))
}

func keys(text string) []string { return strings.Fields(text) }
