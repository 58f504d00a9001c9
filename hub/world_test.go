package hub_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/hub"
	"goalcast/hub/board"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for anything before it fails.
const limit = 60 * time.Second

// world is a database and a bus in memory: what is played goes into the one and, in order, to every
// node on the other.
type world struct {
	mu      sync.Mutex
	epoch   string
	offset  uint64
	snaps   map[goalcast.MatchID]goalcast.Snapshot
	nodes   []goalcast.Listener
	reads   map[string]int            // by question
	down    error                     // what the database answers
	gate    chan struct{}             // if set, reading waits for it
	bad     map[goalcast.MatchID]bool // of these the database cannot make sense
	states  map[goalcast.Topic][]goalcast.State
	follows []string
	deaf    error // what the bus answers to who wants to follow states
	// what the database has of each match, and when the next revision will be committed
	told map[goalcast.MatchID][]goalcast.Revision
	now  time.Time

	// Of the nodes that start:
	board   board.Config
	reading bool // the bus has more for them, and does not say yet that this is all
}

func newWorld() *world {
	return &world{epoch: "e1", snaps: make(map[goalcast.MatchID]goalcast.Snapshot), reads: make(map[string]int),
		states: make(map[goalcast.Topic][]goalcast.State), told: make(map[goalcast.MatchID][]goalcast.Revision),
		now: time.Date(2026, 8, 22, 15, 0, 0, 0, time.UTC)}
}

func (w *world) Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error) {
	snap, err := goalcast.Snapshot{}, error(nil)
	w.mu.Lock()
	w.reads[fmt.Sprint("match:", id)]++
	s, ok := w.snaps[id]
	gate, down := w.gate, w.down
	if w.bad[id] {
		down = errors.New("a row that nobody can read")
	}
	w.mu.Unlock()
	if gate != nil { // it was read, and the answer takes its time
		select {
		case <-gate:
		case <-ctx.Done():
			return snap, ctx.Err()
		}
	}
	switch {
	case down != nil:
		err = down
	case !ok:
		err = goalcast.ErrNotFound
	default:
		snap = s
	}
	return snap, err
}

func (w *world) Matches(_ context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads[fmt.Sprintf("team:%d competition:%d", f.Team, f.Competition)]++
	var found []goalcast.Snapshot
	for _, s := range w.snaps {
		if f.Team > 0 && s.Home.ID != f.Team && s.Away.ID != f.Team || f.Competition > 0 &&
			s.Competition.ID != f.Competition ||
			s.Kickoff.Before(f.From) || !s.Kickoff.Before(f.To) {
			continue
		}
		found = append(found, s)
	}
	return found, w.down
}

// Told is what store.Told is.
func (w *world) Told(_ context.Context, id goalcast.MatchID, limit int) ([]goalcast.Revision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads[fmt.Sprint("told:", id)]++
	return append([]goalcast.Revision(nil), w.told[id][:min(limit, len(w.told[id]))]...), w.down
}

// later has the next revision committed so much later.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) Follow(_ context.Context, t goalcast.Topic) ([]goalcast.State, func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.follows = append(w.follows, "+"+t.String())
	return append([]goalcast.State(nil), w.states[t]...), func() { w.unfollow(t) }, w.deaf
}

func (w *world) unfollow(t goalcast.Topic) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.follows = append(w.follows, "-"+t.String())
}

// play commits an event and puts it on the bus.
func (w *world) play(e goalcast.Event) goalcast.Cursor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.playLocked(e)
}

func (w *world) playLocked(e goalcast.Event) goalcast.Cursor {
	if e.Kind != goalcast.KindMessage {
		s := w.snaps[e.Match]
		e.Seq = s.Seq + 1
		s = goalcast.Apply(s, e)
		w.snaps[e.Match] = s
		e.Score = &s.Score
		if e.Topics == nil {
			e.Topics = s.Topics(e.Match)
		}
	}
	kept := e
	kept.Times.Published = 0
	w.told[e.Match] = append(w.told[e.Match], goalcast.Revision{Event: kept, At: w.now})
	w.now = w.now.Add(time.Millisecond)
	w.offset++
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	p := goalcast.Published{Cursor: goalcast.Cursor{Epoch: w.epoch, Offset: w.offset}, Event: e, Raw: raw}
	for _, n := range w.nodes {
		n.Event(p)
	}
	return p.Cursor
}

// fixture makes a match of two made-up teams: home 10*id, away 10*id+1, competition 5.
func (w *world) fixture(id goalcast.MatchID) {
	w.play(goalcast.Event{ID: fmt.Sprint("fixture:", id), Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindFixture, Match: id,
		Fixture: &goalcast.Fixture{Competition: goalcast.Competition{ID: 5, Name: "Coastal League"},
			Kickoff: time.Now().UTC().Truncate(time.Second),
			Home:    goalcast.Team{ID: goalcast.TeamID(10 * id), Name: "Harbour Rovers"},
			Away:    goalcast.Team{ID: goalcast.TeamID(10*id + 1), Name: "Mill Athletic"}},
		Topics: []goalcast.Topic{goalcast.ForMatch(id), goalcast.ForTeam(goalcast.TeamID(10 * id)),
			goalcast.ForTeam(goalcast.TeamID(10*id + 1)), goalcast.ForCompetition(5)}})
}

// goal scores for the home side; n tells the goals of a match apart.
func (w *world) goal(id goalcast.MatchID, n int) goalcast.Cursor {
	return w.play(goalcast.Event{ID: fmt.Sprintf("goal:%d:%d", id, n), Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindGoal, Match: id,
		Team: goalcast.TeamID(10 * id), Period: goalcast.FirstHalf, Minute: min(1+n/60, 45), Second: n % 60,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
		Times: goalcast.Times{Provider: time.Now().UnixMilli(), Received: time.Now().UnixMilli(),
			Published: time.Now().UnixMilli()}})
}

// state gives a new price to all nodes.
func (w *world) state(match goalcast.MatchID, key string, version int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := goalcast.State{Topic: goalcast.ForOdds(match), Key: key, Version: version,
		Value: json.RawMessage(fmt.Sprintf(`{"price":%d}`, version))}
	list := w.states[st.Topic]
	for i := range list {
		if list[i].Key == key {
			list = append(list[:i], list[i+1:]...)
			break
		}
	}
	w.states[st.Topic] = append(list, st)
	for _, n := range w.nodes {
		n.State(st)
	}
}

// reset gives the stream another epoch.
func (w *world) reset(epoch string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch, w.offset = epoch, 0
	for _, n := range w.nodes {
		n.Reset(goalcast.Cursor{Epoch: epoch})
		n.Stale(false)
	}
}

func (w *world) read(question string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reads[question]
}

// node is a running hub behind a real HTTP server.
type node struct {
	*hub.Hub
	board *board.Board
	reg   *prometheus.Registry
	web   *httptest.Server
	stop  func()
}

// stream keeps what is played, to be given to a node later: what the bus has in its stream when a
// hub starts.
type stream struct{ all []goalcast.Published }

func (c *stream) Event(p goalcast.Published)            { c.all = append(c.all, p) }
func (*stream) State(goalcast.State)                    {}
func (*stream) Reread(goalcast.Topic, []goalcast.State) {}
func (*stream) Reset(goalcast.Cursor)                   {}
func (*stream) Stale(bool)                              {}

// unstarted is a node behind a server, of which nothing runs yet.
func unstarted(t testing.TB, w *world, cfg hub.Config) *node {
	t.Helper()
	n := newNode(t, w, cfg)
	n.web.Start()
	t.Cleanup(func() {
		n.web.CloseClientConnections()
		n.web.Close()
	})
	return n
}

func newNode(t testing.TB, w *world, cfg hub.Config) *node {
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	reg := prometheus.NewRegistry()
	n := &node{board: board.New(w, log, reg, w.board), reg: reg}
	n.Hub = hub.New(cfg, n.board, w, log, reg)
	n.web = httptest.NewUnstartedServer(n)
	n.web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	return n
}

// start runs a node on the world's bus; it ends with the test. tls serves HTTP/2 as well.
func start(t testing.TB, w *world, cfg hub.Config, tls bool) *node {
	t.Helper()
	return startWith(t, w, cfg, tls, nil)
}

// startAt runs a node that hears what was collected before it runs.
func startAt(t testing.TB, w *world, cfg hub.Config, history *stream) *node {
	t.Helper()
	return startWith(t, w, cfg, false, history.all)
}

func startWith(t testing.TB, w *world, cfg hub.Config, tls bool, history []goalcast.Published) *node {
	t.Helper()
	n := newNode(t, w, cfg)
	if tls {
		n.web.EnableHTTP2 = true
		n.web.StartTLS()
	} else {
		n.web.Start()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	w.mu.Lock()
	n.Reset(goalcast.Cursor{Epoch: w.epoch, Offset: w.offset - uint64(len(history))})
	for _, p := range history {
		n.Event(p)
	}
	if !w.reading {
		n.Stale(false)
	}
	go func() { ended <- n.Run(ctx) }()
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	if !w.reading {
		wait(t, "hub runs", func() bool { return n.Ready() == nil })
	}
	n.stop = sync.OnceFunc(func() {
		w.mu.Lock()
		for i, other := range w.nodes {
			if other == goalcast.Listener(n) {
				w.nodes = append(w.nodes[:i], w.nodes[i+1:]...)
				break
			}
		}
		w.mu.Unlock()
		cancel()
		if err := <-ended; err != nil {
			t.Error("run:", err)
		}
		n.web.CloseClientConnections()
		n.web.Close()
	})
	t.Cleanup(n.stop)
	return n
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	pause := time.Millisecond
	for begin := time.Now(); !done(); time.Sleep(pause) {
		pause = min(2*pause, 20*time.Millisecond) // to gather metrics costs more than what is waited for
		if time.Since(begin) > limit {
			t.Fatal("waited in vain: ", what)
		}
	}
}

// metric sums the samples of a metric that have the label value, or all.
func (n *node) metric(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			match := label == ""
			for _, l := range m.Label {
				match = match || l.GetValue() == label
			}
			if match {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// received is a frame as a viewer got it.
type received struct {
	goalcast.Frame
	id   string // SSE only
	name string // SSE only
	raw  string
}

// viewer is a client of any kind. Its end is an error of next.
type viewer interface {
	next(t testing.TB) (received, error)
	cut() // without goodbye
}

// kinds are the ways to watch: independent clients for each transport.
var kinds = map[string]func(t testing.TB, n *node, query url.Values) viewer{
	"coder": dialCoder, "gobwas": dialGobwas, "deflate": dialDeflate, "context": dialContext, "sse": dialSSE,
	"poll": dialPoll,
}

func query(topics string, since goalcast.Cursor) url.Values {
	q := url.Values{}
	if topics != "" {
		q.Set("topics", topics)
	}
	if !since.IsZero() {
		q.Set("since", since.String())
	}
	return q
}

type coderViewer struct{ *websocket.Conn }

func dialCoder(t testing.TB, n *node, q url.Values) viewer { return coderViewer{coder(t, n, q)} }

func coder(t testing.TB, n *node, q url.Values) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c, _, err := websocket.Dial(ctx, n.web.URL+"/v1/live?"+q.Encode(),
		&websocket.DialOptions{HTTPClient: n.web.Client()})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(16 << 20)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

func (v coderViewer) next(t testing.TB) (received, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, b, err := v.Read(ctx)
	return decode(t, b, err)
}

func (v coderViewer) cut() { v.CloseNow() }

func decode(t testing.TB, b []byte, err error) (received, error) {
	t.Helper()
	if err != nil {
		return received{}, err
	}
	r := received{raw: string(b)}
	if err := json.Unmarshal(b, &r.Frame); err != nil {
		t.Errorf("frame %.200q: %v", b, err)
	}
	return r, nil
}

type gobwasViewer struct {
	net.Conn
	in *bufio.Reader
}

func dialGobwas(t testing.TB, n *node, q url.Values) viewer {
	t.Helper()
	d := ws.Dialer{Timeout: limit}
	if tr, ok := n.web.Client().Transport.(*http.Transport); ok && n.web.TLS != nil {
		d.TLSConfig = tr.TLSClientConfig.Clone()
		d.TLSConfig.NextProtos = nil
		d.TLSConfig.ServerName = "example.com"
	}
	c, in, _, err := d.Dial(context.Background(), strings.Replace(n.web.URL, "http", "ws", 1)+"/v1/live?"+q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if in == nil {
		in = bufio.NewReader(c)
	}
	return gobwasViewer{c, in}
}

func (v gobwasViewer) next(t testing.TB) (received, error) {
	_ = v.SetReadDeadline(time.Now().Add(limit))
	b, err := wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{v.in, v.Conn})
	return decode(t, b, err)
}

func (v gobwasViewer) cut() { v.Close() }

type sseViewer struct {
	io.Closer
	in *bufio.Reader
	id *string // as a browser keeps it: also of blocks without data
}

func dialSSE(t testing.TB, n *node, q url.Values) viewer {
	t.Helper()
	if n.web.TLS == nil { // raw: what the hub writes itself is read byte by byte
		c, err := net.Dial("tcp", n.web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /v1/live?%s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", q.Encode())
		_ = c.SetReadDeadline(time.Now().Add(3 * limit))
		in := bufio.NewReader(c)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkSSEHeader(t, res)
		return sseViewer{c, bufio.NewReader(res.Body), new(string)}
	}
	req, _ := http.NewRequest(http.MethodGet, n.web.URL+"/v1/live?"+q.Encode(), nil)
	req.Header.Set("Accept", "text/event-stream")
	res, err := n.web.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.ProtoMajor != 2 {
		t.Error("protocol:", res.Proto)
	}
	t.Cleanup(func() { res.Body.Close() })
	checkSSEHeader(t, res)
	return sseViewer{res.Body, bufio.NewReader(res.Body), new(string)}
}

func checkSSEHeader(t testing.TB, res *http.Response) {
	t.Helper()
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store",
		"X-Accel-Buffering":           "no",
		"Access-Control-Allow-Origin": "*"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
}

// block reads up to the next empty line, as the HTML standard says.
func (v sseViewer) block() (fields map[string]string, err error) {
	fields = make(map[string]string)
	for {
		line, err := v.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if id, ok := fields["id"]; ok {
				*v.id = id
			}
			return fields, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if old, ok := fields[name]; ok && name == "data" {
			value = old + "\n" + value
		}
		fields[name] = value
	}
}

func (v sseViewer) next(t testing.TB) (received, error) {
	for {
		f, err := v.block()
		if err != nil {
			return received{}, err
		}
		if data, ok := f["data"]; ok {
			r, err := decode(t, []byte(data), nil)
			r.id, r.name = f["id"], f["event"]
			if r.name != string(r.Type) {
				t.Errorf("event %q with a frame of type %q", r.name, r.Type)
			}
			return r, err
		}
	}
}

func (v sseViewer) cut() { v.Close() }

// pollViewer polls again and again, like a client would.
type pollViewer struct {
	n      *node
	q      url.Values
	frames *[]json.RawMessage
}

func dialPoll(_ testing.TB, n *node, q url.Values) viewer {
	return pollViewer{n, q, new([]json.RawMessage)}
}

var errCut = errors.New("cut")

func (v pollViewer) next(t testing.TB) (received, error) {
	for begin := time.Now(); len(*v.frames) == 0; {
		if time.Since(begin) > limit || v.q.Get("cut") != "" {
			return received{}, errCut
		}
		v.q.Set("wait", "2s")
		res, err := v.n.web.Client().Get(v.n.web.URL + "/v1/live?" + v.q.Encode())
		if err != nil {
			return received{}, err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			return received{}, fmt.Errorf("%s %s %w", res.Status, body, err)
		}
		var answer struct {
			Cursor goalcast.Cursor
			Frames []json.RawMessage
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Errorf("poll %.200q: %v", body, err)
		}
		v.q.Set("since", answer.Cursor.String())
		*v.frames = answer.Frames
	}
	b := (*v.frames)[0]
	*v.frames = (*v.frames)[1:]
	return decode(t, b, nil)
}

func (v pollViewer) cut() { v.q.Set("cut", "1") }

// until reads frames up to the first of the type and returns all.
func until(t testing.TB, v viewer, kind goalcast.FrameType) []received {
	t.Helper()
	var all []received
	for {
		r, err := v.next(t)
		if err != nil {
			t.Fatalf("waiting for %s after %d frames: %v", kind, len(all), err)
		}
		all = append(all, r)
		if r.Type == kind {
			return all
		}
	}
}

// only reads the next frame, which must be of the type; pongs, which are keep-alives, do not count.
func only(t testing.TB, v viewer, kind goalcast.FrameType) received {
	t.Helper()
	for {
		r, err := v.next(t)
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if r.Type == goalcast.FramePong && kind != goalcast.FramePong {
			continue
		}
		if r.Type != kind {
			t.Fatalf("got %s, want %s: %.300s", r.Type, kind, r.raw)
		}
		return r
	}
}

// rawSSE sends a request as it is and reads the event stream.
func rawSSE(t testing.TB, n *node, request string) viewer {
	t.Helper()
	c, err := net.Dial("tcp", n.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(limit))
	io.WriteString(c, request)
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	return sseViewer{c, bufio.NewReader(res.Body), new(string)}
}
