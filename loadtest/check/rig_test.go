package check

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/hub"
	"goalcast/hub/board"
	"goalcast/notify/fcm/fcmtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// match is the one that is played.
const match goalcast.MatchID = 9000000001

const home, away goalcast.TeamID = 9000000011, 9000000012

// rig is a real hub behind a proxy that may be up to something, and what it reads from and hears in
// place of a database and a bus.
type rig struct {
	t        *testing.T
	hub      *hub.Hub
	direct   string // the hub's base URL, also that of REST
	proxied  string
	fake     *fcmtest.Server
	firebase string
	sent     int                                       // pushes
	late     time.Duration                             // how late the push service's clock says that it is
	rest     func(goalcast.Snapshot) goalcast.Snapshot // what REST makes of a match; nil: nothing
	history  *History

	mu     sync.Mutex // guards the rest
	offset uint64
	now    int64 // ms since 1970; each thing has its own
	match  goalcast.Snapshot
	states map[string]goalcast.State
}

// Match and Matches are a database's.
func (r *rig) Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.match, nil
}

func (r *rig) Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	return nil, nil
}

// Follow is the bus's.
func (r *rig) Follow(_ context.Context, t goalcast.Topic) (list []goalcast.State, unfollow func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, st := range r.states {
		if st.Topic == t {
			list = append(list, st)
		}
	}
	return list, func() {}, nil
}

// newRig starts a hub, and a proxy with a plant in each connection; nil is none.
func newRig(t *testing.T, plant func() plant) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	r := &rig{t: t, states: map[string]goalcast.State{}}
	var err error
	if r.history, err = New("", Limits{PushWithin: time.Minute}); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	r.hub = hub.New(hub.Config{StateInterval: time.Millisecond}, board.New(r, log, reg), r, log, reg)
	r.hub.Reset(goalcast.Cursor{Epoch: "test"})
	r.hub.Stale(false)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.hub.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	mux := http.NewServeMux()
	mux.Handle("/v1/live", r.hub)
	mux.HandleFunc("GET /v1/matches/{id}", func(w http.ResponseWriter, _ *http.Request) {
		m, _ := r.Match(context.Background(), match)
		if r.rest != nil {
			m = r.rest(m)
		}
		_ = json.NewEncoder(w).Encode(m)
	})
	web := httptest.NewServer(mux)
	proxy := httptest.NewServer(&proxy{upstream: web.URL, plant: plant})
	r.direct, r.proxied = web.URL, proxy.URL
	r.fake = &fcmtest.Server{Now: func() time.Time { return time.Now().Add(r.late) }}
	r.fake.Deliver = func(d fcmtest.Delivery) {
		var p Push
		if err := json.Unmarshal([]byte(d.Data["push"]), &p); err != nil {
			t.Error(err)
		}
		p.Token, p.Key, p.At = d.Token, d.Key, d.At
		r.history.Push(p)
	}
	firebase := httptest.NewServer(r.fake)
	r.firebase = firebase.URL
	t.Cleanup(func() {
		stop()
		running.Wait()
		proxy.CloseClientConnections()
		proxy.Close()
		web.CloseClientConnections()
		web.Close()
		firebase.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	r.await("the hub", func() bool { return r.hub.Ready() == nil })
	r.play(goalcast.Event{ID: "fixture", Kind: goalcast.KindFixture, Fixture: &goalcast.Fixture{
		Home: goalcast.Team{ID: home, Name: "Harbour Rovers"}, Away: goalcast.Team{ID: away, Name: "Mill Athletic"},
		Kickoff: time.Now().UTC().Truncate(time.Second)}})
	return r
}

// await waits, and vouches for the prices meanwhile, as whoever holds their source does.
func (r *rig) await(what string, ok func() bool) {
	r.t.Helper()
	for began := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			r.t.Fatalf("never: %s", what)
		}
		r.mu.Lock()
		if gate, known := r.states[goalcast.GateKey]; known {
			r.hub.State(gate)
		}
		r.mu.Unlock()
	}
}

// tick is the time, in ms, that nothing else has.
func (r *rig) tick() int64 {
	r.now = max(r.now+1, time.Now().UnixMilli())
	return r.now
}

// play commits a revision and publishes it.
func (r *rig) play(e goalcast.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.tick()
	e.Match, e.Topics, e.Seq = match, []goalcast.Topic{goalcast.ForMatch(match)}, r.match.Seq+1
	e.Revision, e.Times = max(e.Revision, 1), goalcast.Times{Received: now, Published: now}
	if e.Status == "" {
		e.Status = goalcast.Confirmed
	}
	r.match = goalcast.Apply(r.match, e)
	e.Score = &r.match.Score
	r.offset++
	r.hub.Event(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "test", Offset: r.offset}, Event: e, Raw: encode(e)})
}

// gate opens or shuts the gate of the prices; whatever it does takes all prices away.
func (r *rig) gate(state goalcast.GateState, reason goalcast.GateReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.tick()
	clear(r.states)
	r.stateLocked(goalcast.State{Key: goalcast.GateKey, Version: now, At: now,
		Value: goalcast.Gate{State: state, Reason: reason, Since: now}.Encode()})
}

// price tells what the home side wins at.
func (r *rig) price(thousandths int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.tick()
	r.stateLocked(goalcast.State{Key: "1x2", Version: now, At: now,
		Value: fmt.Appendf(nil, `{"st":"open","sel":{"home":{"p":%d}}}`, thousandths)})
}

func (r *rig) stateLocked(st goalcast.State) {
	st.Topic = goalcast.ForOdds(match)
	r.states[st.Key] = st
	r.hub.State(st)
}

// push sends a push to a phone, as a notifier does.
func (r *rig) push(token, key string, p Push) {
	r.t.Helper()
	r.sent++
	p.Match = match
	body := encode(map[string]any{"message": map[string]any{"token": token,
		"notification": map[string]string{"title": p.Kind}, "data": map[string]string{"push": string(encode(p))},
		"android": map[string]any{"ttl": "120s", "notification": map[string]any{"tag": key}}}})
	answer, err := http.Post(r.firebase+"/v1/projects/test/messages:send", "application/json", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s", answer.Status, text)
	}
}

// plant is shown each text that a connection brings, and gives what the viewer gets instead.
type plant func(f goalcast.Frame, text []byte) [][]byte

// proxy stands between viewers and a hub, WebSockets and event streams.
type proxy struct {
	upstream string
	plant    func() plant // of a connection; nil: it passes everything on
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	altered := func(_ goalcast.Frame, text []byte) [][]byte { return [][]byte{text} }
	if p.plant != nil {
		altered = p.plant()
	}
	through := func(text []byte) [][]byte {
		var f goalcast.Frame
		if err := json.Unmarshal(text, &f); err != nil {
			panic(err)
		}
		return altered(f, text)
	}
	if r.Header.Get("Upgrade") != "" {
		p.socket(w, r, through)
	} else {
		p.stream(w, r, through)
	}
}

func (p *proxy) socket(w http.ResponseWriter, r *http.Request, through func([]byte) [][]byte) {
	viewer, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = viewer.CloseNow() }()
	ctx := viewer.CloseRead(r.Context())
	hub, answer, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(p.upstream, "http")+r.URL.RequestURI(), nil)
	if err != nil {
		return
	}
	_ = answer
	defer func() { _ = hub.CloseNow() }()
	hub.SetReadLimit(maxFrame)
	for {
		_, text, err := hub.Read(ctx)
		if err != nil {
			return
		}
		for _, one := range through(text) {
			if viewer.Write(ctx, websocket.MessageText, one) != nil {
				return
			}
		}
	}
}

func (p *proxy) stream(w http.ResponseWriter, r *http.Request, through func([]byte) [][]byte) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, p.upstream+r.URL.RequestURI(), nil)
	if err != nil {
		panic(err)
	}
	request.Header = r.Header.Clone()
	request.Header.Del("Accept-Encoding")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	w.WriteHeader(answer.StatusCode)
	for lines := bufio.NewReader(answer.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil { // one of the two is gone
			return
		}
		data, found := strings.CutPrefix(line, "data:")
		if !found {
			continue
		}
		for _, text := range through([]byte(strings.TrimSpace(data))) {
			var f goalcast.Frame
			if err := json.Unmarshal(text, &f); err != nil {
				panic(err)
			}
			if f.Cursor != nil {
				fmt.Fprintf(w, "id: %s\n", f.Cursor)
			}
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", f.Type, text)
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// names of a plant's invariants, sorted.
func invariantsOf(found []Violation) (names []string) {
	for _, v := range found {
		names = append(names, v.Invariant)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
