package edge_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/edge"
	"goalcast/hub/board"
	"goalcast/store/bus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for anything before it fails.
const limit = 60 * time.Second

const secret = "secret-of-the-edge"

// house is an installation with a hub that serves edges: database, bus, board and server.
type house struct {
	t      *testing.T
	epoch  string
	offset uint64
	board  *board.Board
	server *edge.Server
	http   *httptest.Server
	line   *cable
	stop   func() // has the server leave
	reg    *prometheus.Registry

	mu      sync.Mutex
	snaps   map[goalcast.MatchID]goalcast.Snapshot
	states  map[goalcast.Topic][]goalcast.State
	follows map[goalcast.Topic]int
	deaf    bool   // the bus does not answer who wants to follow
	during  func() // happens once, after the bus has read and before it answers
}

// cable is a listener whose connections can be cut, those of WebSockets too.
type cable struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cable) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

func newHouse(t *testing.T, cfg edge.Config, private goalcast.Private) *house {
	t.Helper()
	h := &house{t: t, epoch: "e1", snaps: map[goalcast.MatchID]goalcast.Snapshot{},
		states: map[goalcast.Topic][]goalcast.State{}, follows: map[goalcast.Topic]int{}, reg: prometheus.NewRegistry()}
	quiet := slog.New(slog.DiscardHandler)
	cfg.Known = func(_ context.Context, visit func(goalcast.Topic)) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		for id, s := range h.snaps {
			for _, t := range append(s.Topics(id), goalcast.ForMatch(id)) {
				visit(t)
			}
		}
		if h.deaf {
			return goalcast.ErrUnavailable
		}
		return nil
	}
	cfg.Secrets = map[string][]string{"partner": {secret}}
	h.board = board.New(h, quiet, h.reg, board.Config{Private: private})
	h.server = edge.NewServer(cfg, h.board, h, quiet, h.reg)
	h.http = httptest.NewUnstartedServer(h.server)
	h.line = &cable{Listener: h.http.Listener}
	h.http.Listener = h.line
	h.http.Start()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.server.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		h.stop()
		h.http.Close()
	})
	return h
}

// begin has the bus say that there is nothing before.
func (h *house) begin() {
	h.both(func(l goalcast.Listener) { l.Reset(goalcast.Cursor{Epoch: h.epoch, Offset: h.offset}) })
	h.both(func(l goalcast.Listener) { l.Stale(false) })
}

func (h *house) both(tell func(goalcast.Listener)) {
	tell(h.board)
	tell(h.server)
}

// play publishes the next event of a match.
func (h *house) play(match goalcast.MatchID, topics ...goalcast.Topic) goalcast.Event {
	h.mu.Lock()
	snap := h.snaps[match]
	snap.ID = match
	e := goalcast.Event{ID: fmt.Sprint(match, "-", snap.Seq+1), Match: match, Seq: snap.Seq + 1, Revision: 1,
		Kind: goalcast.KindGoal, Topics: append(topics, goalcast.ForMatch(match))}
	h.snaps[match] = goalcast.Apply(snap, e)
	h.mu.Unlock()
	raw, err := json.Marshal(e)
	if err != nil {
		h.t.Fatal(err)
	}
	h.offset++
	p := goalcast.Published{Cursor: goalcast.Cursor{Epoch: h.epoch, Offset: h.offset}, Event: e, Raw: raw}
	h.both(func(l goalcast.Listener) { l.Event(p) })
	return e
}

// Match is part of board.Source.
func (h *house) Match(_ context.Context, id goalcast.MatchID) (goalcast.Snapshot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.snaps[id]
	if !ok {
		return s, goalcast.ErrNotFound
	}
	return s, nil
}

// Matches is part of board.Source.
func (h *house) Matches(_ context.Context, f goalcast.MatchFilter) (list []goalcast.Snapshot, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.snaps {
		if f.Chooses(s) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, goalcast.ByTime)
	return list, nil
}

// Follow is part of edge.Bus.
func (h *house) Follow(_ context.Context, t goalcast.Topic) ([]goalcast.State, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deaf {
		return nil, nil, goalcast.ErrUnavailable
	}
	h.follows[t]++
	known := slices.Clone(h.states[t])
	if during := h.during; during != nil {
		h.during = nil
		h.mu.Unlock()
		during()
		h.mu.Lock()
	}
	return known, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.follows[t]--
	}, nil
}

func (h *house) set(st goalcast.State) {
	h.mu.Lock()
	h.states[st.Topic] = []goalcast.State{st}
	h.mu.Unlock()
	h.both(func(l goalcast.Listener) { l.State(st) })
}

func (h *house) followed(t goalcast.Topic) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.follows[t]
}

// ended is how many connections of edges ended for a reason.
func (h *house) ended(reason string) float64 { return h.count("goalcast_edge_ended_total", reason) }

func (h *house) count(name, label string) float64 { return count(h.t, h.reg, name, label) }

// count reads a counter by the value of its one label.
func count(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no %s of %s", name, label)
	return 0
}

// outpost is an edge: what it was told, in words.
type outpost struct {
	*edge.Client
	t   *testing.T
	reg *prometheus.Registry

	mu   sync.Mutex
	told []string
}

func newOutpost(t *testing.T, cfg edge.ClientConfig) *outpost {
	t.Helper()
	o := &outpost{t: t, reg: prometheus.NewRegistry()}
	if cfg.Secret == "" {
		cfg.Secret = secret
	}
	cfg.LastPause = 50 * time.Millisecond
	o.Client = edge.NewClient(cfg, slog.New(slog.DiscardHandler), o.reg)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Listen(ctx, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		o.Close()
	})
	return o
}

func (o *outpost) count(name, label string) float64 { return count(o.t, o.reg, name, label) }

func (o *outpost) note(format string, values ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, fmt.Sprintf(format, values...))
}

func (o *outpost) Event(p goalcast.Published) { o.note("%s %s", p.Cursor, p.Event.ID) }
func (o *outpost) State(s goalcast.State)     { o.note("%s=%s", s.Topic, s.Value) }
func (o *outpost) Reread(t goalcast.Topic, all []goalcast.State) {
	o.note("all of %s: %d", t, len(all))
}
func (o *outpost) Reset(c goalcast.Cursor) { o.note("reset %s", c) }
func (o *outpost) Stale(stale bool)        { o.note("stale %t", stale) }

// wait waits until the outpost was told exactly that.
func (o *outpost) wait(want ...string) {
	o.t.Helper()
	var got string
	await(o.t, fmt.Sprintf("what was told to be %q", want), func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		got = fmt.Sprint(o.told)
		return slices.Equal(o.told, want)
	}, func() string { return got })
}

func await(t *testing.T, what string, holds func() bool, is func() string) {
	t.Helper()
	for begin := time.Now(); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > limit {
			t.Fatalf("waited for %s: %s", what, is())
		}
	}
}

func nothing() string { return "" }

// TestStreamGoesOn: history first, then what comes; after a cut the edge goes on where it was, and
// after a reset where it is told to.
func TestStreamGoesOn(t *testing.T) {
	h := newHouse(t, edge.Config{}, nil)
	h.begin()
	h.play(1)
	h.play(2)
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	told := []string{"reset e1-0", "e1-1 1-1", "e1-2 2-1", "stale false"}
	o.wait(told...)
	h.play(1)
	told = append(told, "e1-3 1-2")
	o.wait(told...)

	h.line.cut()
	h.play(1)
	h.play(2)
	told = append(told, "e1-4 1-3", "e1-5 2-2")
	o.wait(told...)

	h.epoch, h.offset = "e2", 10
	h.begin()
	h.play(3)
	told = append(told, "reset e2-10", "stale false", "e2-11 3-1")
	await(t, "the other epoch", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.told) == len(told)
	}, nothing)
	// the event may be told before or after it is said that this was all
	o.mu.Lock()
	defer o.mu.Unlock()
	if rest := o.told[len(told)-3:]; rest[0] != "reset e2-10" || !slices.Contains(rest, "e2-11 3-1") ||
		!slices.Contains(rest, "stale false") {
		t.Errorf("after the reset: %q", rest)
	}
}

// TestEdgeOfAnEdge: what the first edge hears and holds is the second one's bus and database.
func TestEdgeOfAnEdge(t *testing.T) {
	h := newHouse(t, edge.Config{}, nil)
	h.begin()
	h.play(1)
	odds := goalcast.ForOdds(1)
	h.set(goalcast.State{Topic: odds, Key: "1x2", Version: 1, Value: json.RawMessage(`1`)})

	quiet, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	client := edge.NewClient(edge.ClientConfig{URL: h.http.URL, Secret: secret}, quiet, reg)
	between := board.New(client, quiet, reg)
	server := edge.NewServer(edge.Config{Secrets: map[string][]string{"next": {secret}}, Told: client.Told,
		Known: client.Known}, between, client, quiet, reg)
	listening := httptest.NewServer(server)
	ctx, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = client.Listen(ctx, bus.Listeners(between, server)) })
	parts.Go(func() { _ = server.Run(ctx) })
	t.Cleanup(func() { stop(); parts.Wait(); listening.Close(); client.Close() })

	last := newOutpost(t, edge.ClientConfig{URL: listening.URL})
	last.wait("reset e1-0", "e1-1 1-1", "stale false")
	h.play(1)
	last.wait("reset e1-0", "e1-1 1-1", "stale false", "e1-2 1-2")
	if s, err := last.Match(t.Context(), 1); err != nil || s.Seq != 2 {
		t.Error(s.Seq, err)
	}
	known, unfollow, err := last.Follow(t.Context(), odds)
	if err != nil || len(known) != 1 {
		t.Fatal(known, err)
	}
	h.set(goalcast.State{Topic: odds, Key: "1x2", Version: 2, Value: json.RawMessage(`2`)})
	last.wait("reset e1-0", "e1-1 1-1", "stale false", "e1-2 1-2", "all of odds:1: 1", "odds:1=2")
	unfollow()
	await(t, "the topic to be let go", func() bool { return h.followed(odds) == 0 }, nothing)
	topics := 0
	if err := last.Known(t.Context(), func(goalcast.Topic) { topics++ }); err != nil || topics == 0 {
		t.Error(topics, err)
	}
	h.mu.Lock()
	h.deaf = true
	h.mu.Unlock()
	if err := last.Known(t.Context(), func(goalcast.Topic) {}); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("half a list: %v", err)
	}
}

// TestUpstreamBehindTLS: the stream comes by HTTP/1.1 where the rest may come by HTTP/2, and a
// certificate that the edge does not know is not taken.
func TestUpstreamBehindTLS(t *testing.T) {
	h := newHouse(t, edge.Config{}, nil)
	h.begin()
	h.play(1)
	server := httptest.NewUnstartedServer(h.server)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o := newOutpost(t, edge.ClientConfig{URL: server.URL, RootCAs: roots})
	o.wait("reset e1-0", "e1-1 1-1", "stale false")
	if s, err := o.Match(t.Context(), 1); err != nil || s.Seq != 1 {
		t.Error(s.Seq, err)
	}
	stranger := newOutpost(t, edge.ClientConfig{URL: server.URL})
	await(t, "the certificate to be refused", func() bool {
		return stranger.count("goalcast_upstream_connects_total", "error") > 0
	}, nothing)
	stranger.wait()
}

// TestWhatIsGoneIsAReset: who comes back to a hub that no longer has what it missed begins anew,
// with as much as it asks for.
func TestWhatIsGoneIsAReset(t *testing.T) {
	h := newHouse(t, edge.Config{Ring: 4}, nil)
	h.begin()
	for range 6 {
		h.play(1)
	}
	all := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	all.wait("reset e1-2", "e1-3 1-3", "e1-4 1-4", "e1-5 1-5", "e1-6 1-6", "stale false")
	few := newOutpost(t, edge.ClientConfig{URL: h.http.URL, History: 1})
	few.wait("reset e1-5", "e1-6 1-6", "stale false")

	conn := h.dial("?after=e1-1")
	if got := read(t, conn); !strings.HasPrefix(got, "r e1-2\ne e1-3 ") {
		t.Errorf("after an event that is gone: %s", got)
	}
	conn = h.dial("?after=e1-5")
	if got := read(t, conn); !strings.HasPrefix(got, "c e1-5\ne e1-6 ") || !strings.HasSuffix(got, "\nl") {
		t.Errorf("after an event that is there: %s", got)
	}
}

// dial connects as an edge does.
func (h *house) dial(query string) *websocket.Conn {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, h.http.URL+edge.Path+"bus"+query, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + secret}}})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func read(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	conn.SetReadLimit(-1)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, text, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSilenceIsTold: the edge knows when the upstream hears nothing, and when nothing is heard of
// the upstream.
func TestSilenceIsTold(t *testing.T) {
	h := newHouse(t, edge.Config{Beat: 10 * time.Millisecond}, nil)
	h.begin()
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL, StaleAfter: time.Second})
	o.wait("reset e1-0", "stale false")
	h.both(func(l goalcast.Listener) { l.Stale(true) })
	o.wait("reset e1-0", "stale false", "stale true")
	h.both(func(l goalcast.Listener) { l.Stale(false) })
	o.wait("reset e1-0", "stale false", "stale true", "stale false")

	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		_ = conn.Write(ctx, websocket.MessageText, []byte("r e1-0\nl\nz something of a later version"))
		for err == nil {
			_, _, err = conn.Read(ctx)
		}
	}))
	defer mute.Close()
	o = newOutpost(t, edge.ClientConfig{URL: mute.URL, StaleAfter: 200 * time.Millisecond})
	await(t, "the silence to be told", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.told) >= 3 && slices.Contains(o.told, "stale true")
	}, nothing)
}

// TestStatesAreFollowed: those known are the answer, those that come are told, all are read again
// after a cut, and nobody is asked for what nobody follows.
func TestStatesAreFollowed(t *testing.T) {
	h := newHouse(t, edge.Config{}, nil)
	h.begin()
	odds := goalcast.ForOdds(1)
	price := func(version int64) goalcast.State {
		return goalcast.State{Topic: odds, Key: "1x2", Version: version, Value: json.RawMessage(fmt.Sprint(version))}
	}
	h.set(price(1))
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	told := []string{"reset e1-0", "stale false"}
	o.wait(told...)
	known, unfollow, err := o.Follow(t.Context(), odds)
	if err != nil || len(known) != 1 || known[0].Version != 1 {
		t.Fatal(known, err)
	}
	told = append(told, "all of odds:1: 1")
	o.wait(told...)
	h.set(price(2))
	told = append(told, "odds:1=2")
	o.wait(told...)
	h.line.cut()
	told = append(told, "all of odds:1: 1")
	o.wait(told...)
	unfollow()
	await(t, "the topic to be let go", func() bool { return h.followed(odds) == 0 }, nothing)

	h.mu.Lock()
	h.deaf = true
	h.mu.Unlock()
	if _, _, err := o.Follow(t.Context(), odds); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("a bus that does not answer: %v", err)
	}
	await(t, "the edge to be cut", func() bool { return h.ended("states") > 0 }, nothing)
}

// TestStatesThatComeWhileATopicIsRead: what was read is never told behind what is newer.
func TestStatesThatComeWhileATopicIsRead(t *testing.T) {
	h := newHouse(t, edge.Config{}, nil)
	h.begin()
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	told := []string{"reset e1-0", "stale false"}
	o.wait(told...)
	follow := func(topic goalcast.Topic, during func()) {
		t.Helper()
		h.mu.Lock()
		h.during = during
		h.mu.Unlock()
		known, _, err := o.Follow(t.Context(), topic)
		if err != nil || len(known) != 1 {
			t.Error(known, err)
		}
		o.wait(told...)
		if h.followed(topic) != 1 {
			t.Errorf("%s is followed %d times", topic, h.followed(topic))
		}
	}
	price := func(topic goalcast.Topic) goalcast.State {
		return goalcast.State{Topic: topic, Key: "1x2", Version: 1, Value: json.RawMessage(`1`)}
	}
	one, two := goalcast.ForOdds(1), goalcast.ForOdds(2)
	told = append(told, "odds:1=1", "all of odds:1: 1")
	follow(one, func() { h.set(price(one)) })
	told = append(told, "all of odds:2: 1")
	follow(two, func() { h.server.Reread(two, []goalcast.State{price(two)}) })
}

// TestPricesStayWhereTheyAreNotPublic: an edge gets none of a hub that shows none to everybody.
func TestPricesStayWhereTheyAreNotPublic(t *testing.T) {
	h := newHouse(t, edge.Config{NoOdds: true}, nil)
	h.begin()
	odds := goalcast.ForOdds(1)
	h.set(goalcast.State{Topic: odds, Key: "1x2", Version: 1, Value: json.RawMessage(`1`)})
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	o.wait("reset e1-0", "stale false")
	known, unfollow, err := o.Follow(t.Context(), odds)
	if err != nil || len(known) != 0 || h.followed(odds) != 0 {
		t.Fatal(known, err)
	}
	unfollow()
}

// TestPrivateMatchesStayAtHome: an edge is told only that something was there.
func TestPrivateMatchesStayAtHome(t *testing.T) {
	const open, closed goalcast.CompetitionID = 5, 6
	h := newHouse(t, edge.Config{Told: func(context.Context, goalcast.MatchID, int) ([]goalcast.Revision, error) {
		return []goalcast.Revision{{Event: goalcast.Event{ID: "x"}}}, nil
	}}, goalcast.Private{closed: goalcast.PrivateRight(0)})
	for id, competition := range map[goalcast.MatchID]goalcast.CompetitionID{1: open, 2: closed} {
		snap := goalcast.Snapshot{ID: id}
		snap.Competition.ID, snap.Home.ID, snap.Kickoff = competition, 7, time.Now()
		h.snaps[id] = snap
	}
	h.begin()
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	o.wait("reset e1-0", "stale false")
	h.play(2, goalcast.ForTeam(7), goalcast.ForCompetition(closed))
	h.play(1, goalcast.ForTeam(7), goalcast.ForCompetition(open))
	o.wait("reset e1-0", "stale false", "e1-1 ", "e1-2 1-1")
	if s, err := o.Match(t.Context(), 1); err != nil || s.Seq != 1 {
		t.Error(s.Seq, err)
	}
	if _, err := o.Match(t.Context(), 2); !errors.Is(err, goalcast.ErrNotFound) {
		t.Error(err)
	}
	list, err := o.Matches(t.Context(), goalcast.MatchFilter{Team: 7, From: time.Now().Add(-time.Hour), Limit: 1})
	if err != nil || len(list) != 1 || list[0].ID != 1 {
		t.Error(list, err)
	}
	for id, want := range map[goalcast.MatchID]int{1: 1, 2: 0} {
		if told, err := o.Told(t.Context(), id, 10); err != nil || len(told) != want {
			t.Error(id, told, err)
		}
		topic := goalcast.ForMatch(id)
		_, unfollow, err := o.Follow(t.Context(), topic)
		if err != nil || h.followed(topic) != want {
			t.Error(id, h.followed(topic), err)
			continue
		}
		unfollow()
	}
}

// TestMatchesKnowWhatTheEdgeHasHeard: a hub that has heard less than the edge does not answer
// before it has heard the rest.
func TestMatchesKnowWhatTheEdgeHasHeard(t *testing.T) {
	h := newHouse(t, edge.Config{AnswerTime: limit}, nil)
	h.begin()
	h.play(1)
	ask := func(as string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.http.URL+edge.Path+"matches/match:1?as="+as,
			nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer res.Body.Close()
		var got edge.Matches
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil || len(got.Matches) != 1 {
			t.Error(got, err)
			return 0
		}
		return int(got.Matches[0].Seq)
	}
	if seq := ask("e1-1"); seq != 1 {
		t.Errorf("at %d", seq)
	}
	later := make(chan int, 1)
	go func() { later <- ask("e1-2") }()
	select {
	case seq := <-later:
		t.Errorf("answered before it had heard, at %d", seq)
	case <-time.After(50 * time.Millisecond):
	}
	h.play(1)
	if seq := <-later; seq != 2 {
		t.Errorf("at %d", seq)
	}
}

// TestWhoMayBeAnEdge: with the secret, while the hub hears the bus, and not too many.
func TestWhoMayBeAnEdge(t *testing.T) {
	h := newHouse(t, edge.Config{MaxEdges: 1, Guesses: func(r *http.Request) time.Duration {
		if r.URL.Query().Has("often") {
			return time.Minute
		}
		return 0
	}}, nil)
	status := func(query, shown string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.http.URL+edge.Path+"bus"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+shown)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	check := func(what, query, shown string, want int, reason string) {
		t.Helper()
		before := h.count("goalcast_edge_refused_total", reason)
		if got := status(query, shown); got != want || h.count("goalcast_edge_refused_total", reason) != before+1 {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	check("a wrong secret", "", "another", http.StatusUnauthorized, "unauthorized")
	check("too many of them", "?often", "another", http.StatusTooManyRequests, "rate_guesses")
	check("before the bus was heard", "", secret, http.StatusServiceUnavailable, "not_ready")
	h.begin()
	check("no WebSocket", "", secret, http.StatusUpgradeRequired, "handshake")
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	o.wait("reset e1-0", "stale false")
	check("one too many", "", secret, http.StatusServiceUnavailable, "too_many_edges")
	h.server.UseSecrets(map[string][]string{"partner": {"the-next-secret"}})
	check("a secret that was exchanged", "", secret, http.StatusUnauthorized, "unauthorized")
	if testutil.ToFloat64(h.gauge()) != 1 {
		t.Error("the edge is not counted")
	}
}

func (h *house) gauge() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "connections"}, func() float64 {
		families, err := h.reg.Gather()
		if err != nil {
			h.t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "goalcast_edge_connections" {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		return -1
	})
}

// TestSlowEdgeIsCut: one that takes nothing is cut and counted; the others are not held up.
func TestSlowEdgeIsCut(t *testing.T) {
	h := newHouse(t, edge.Config{MaxStates: 1 << 20, WriteTimeout: 200 * time.Millisecond}, nil)
	h.begin()
	topic := goalcast.ForOdds(1)
	slow := h.dial("")
	if got := read(t, slow); got != "r e1-0\nl" {
		t.Fatal(got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := slow.Write(ctx, websocket.MessageText, []byte("+"+topic.String())); err != nil {
		t.Fatal(err)
	}
	if got := read(t, slow); got != "a odds:1 []" && got != "a odds:1 null" {
		t.Fatal(got)
	}
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	o.wait("reset e1-0", "stale false")
	big := json.RawMessage(`"` + strings.Repeat("x", 100_000) + `"`)
	for version := int64(1); h.ended("slow") == 0; version++ { // until nothing more fits into the kernel
		if ctx.Err() != nil {
			t.Fatal("not cut")
		}
		h.set(goalcast.State{Topic: topic, Key: "k", Version: version, Value: big})
		time.Sleep(time.Millisecond)
	}
	h.play(1)
	o.wait("reset e1-0", "stale false", "e1-1 1-1")
}

// TestEdgeBehindTheRingIsCut: events wait for nobody. An edge that comes too late for one is cut,
// and begins anew when it comes back.
func TestEdgeBehindTheRingIsCut(t *testing.T) {
	h := newHouse(t, edge.Config{Ring: 4, WriteTimeout: limit}, nil)
	h.begin()
	late := h.dial("")
	if got := read(t, late); got != "r e1-0\nl" {
		t.Fatal(got)
	}
	big := json.RawMessage(`{"id":"` + strings.Repeat("x", 1<<20) + `"}`)
	for range 64 { // more than the kernel holds for a connection
		h.offset++
		h.server.Event(goalcast.Published{Cursor: goalcast.Cursor{Epoch: h.epoch, Offset: h.offset}, Raw: big})
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		if _, _, err := late.Read(ctx); err != nil {
			break
		}
	}
	await(t, "the edge to be cut", func() bool { return h.ended("slow") == 1 }, nothing)
	if got := read(t, h.dial("?history=1&after=e1-1")); !strings.HasPrefix(got, "r e1-63\ne e1-64 ") {
		t.Errorf("when it comes back: %.40s", got)
	}
}

// TestWhoLeavesSendsItsEdgesAway, and takes no new ones.
func TestWhoLeavesSendsItsEdgesAway(t *testing.T) {
	h := newHouse(t, edge.Config{}, nil)
	h.begin()
	o := newOutpost(t, edge.ClientConfig{URL: h.http.URL})
	o.wait("reset e1-0", "stale false")
	h.stop()
	await(t, "the edge to be told", func() bool {
		return h.ended("leaving") == 1 && o.count("goalcast_upstream_connects_total", "not_ready") > 0
	}, nothing)
}

// TestProxyPassesOnWhatEverybodyMayRead, without the reader's token, and nothing else.
func TestProxyPassesOnWhatEverybodyMayRead(t *testing.T) {
	asked := make(chan *http.Request, 10)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = fmt.Fprint(w, "matches")
	}))
	client := edge.NewClient(edge.ClientConfig{URL: upstream.URL, Secret: secret}, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	defer client.Close()
	proxy := client.Proxy()
	request := func(method, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		r.Header.Set("Authorization", "Bearer of-a-user")
		r.Header.Set("Cookie", "a=b")
		r.RemoteAddr = "192.0.2.7:1234"
		w := httptest.NewRecorder()
		w.Header().Set("X-Content-Type-Options", "nosniff")
		proxy.ServeHTTP(w, r)
		return w
	}
	if w := request(http.MethodGet, "/v1/matches?team=7"); w.Code != http.StatusOK || w.Body.String() != "matches" ||
		w.Header().Get("Etag") != `"1"` || len(w.Header()["X-Content-Type-Options"]) != 1 {
		t.Error(w.Code, w.Body)
	}
	r := <-asked
	if r.URL.String() != "/v1/matches?team=7" || r.Header.Get("X-Forwarded-For") != "192.0.2.7" ||
		r.Header.Get("Authorization")+r.Header.Get("Cookie") != "" {
		t.Error(r.URL, r.Header)
	}
	for _, refused := range [][2]string{{http.MethodPost, "/v1/matches"}, {http.MethodGet, "/v1/me"},
		{http.MethodGet, "/v1/me/follows"}, {http.MethodPut, "/v1/me/devices"}} {
		if w := request(refused[0], refused[1]); w.Code != http.StatusNotFound ||
			!strings.Contains(w.Body.String(), `"code":"not_at_edge"`) {
			t.Error(refused, w.Code, w.Body)
		}
	}
	upstream.Close()
	if w := request(http.MethodGet, "/v1/matches"); w.Code != http.StatusBadGateway {
		t.Error(w.Code, w.Body)
	}
	if len(asked) > 0 {
		t.Error("what was refused was passed on")
	}
}
