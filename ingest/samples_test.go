package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/opta"
	"goalcast/ingest/opta/optatest"
	"goalcast/internal/samples"
	"goalcast/store"
)

// ground is an ingest with the real provider, a real server and the real embedded store.
type ground struct {
	*ingest.Ingest
	store *store.Store
	url   string

	mu       sync.Mutex
	events   []goalcast.Event                               // given to the bus
	sent     int                                            // documents kept or counted again
	finished map[goalcast.DocumentID]goalcast.DocumentState // of each that was kept: how it ended last; empty before
	errors   []string
	tell     chan struct{}
}

// watched is the store, and tells the ground when a document is done with.
type watched struct {
	*store.Store
	ground *ground
}

func (w watched) FinishDocument(ctx context.Context, id goalcast.DocumentID, s goalcast.DocumentState,
	text string) error {
	err := w.Store.FinishDocument(ctx, id, s, text)
	w.ground.mu.Lock()
	defer w.ground.mu.Unlock()
	w.ground.finished[id] = s
	if text != "" {
		w.ground.errors = append(w.ground.errors, text)
	}
	close(w.ground.tell)
	w.ground.tell = make(chan struct{})
	return err
}

func (w watched) KeepDocument(ctx context.Context, d *goalcast.Document) error {
	w.ground.mu.Lock() // the worker may end it before this returns
	defer w.ground.mu.Unlock()
	err := w.Store.KeepDocument(ctx, d)
	w.ground.sent++
	w.ground.finished[d.ID] += "" // an entry, also where nobody has worked on it yet
	return err
}

// Publish is the bus.
func (g *ground) Publish(_ context.Context, events []goalcast.Event) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, events...)
	return nil
}

// Enqueue is the queue, which nothing should come to.
func (g *ground) Enqueue(_ context.Context, t goalcast.Task) error {
	return fmt.Errorf("task %s", t.ID)
}

func newGround(t testing.TB) *ground {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	db := openStore(t, "sqlite::memory:")
	g := &ground{store: db, finished: map[goalcast.DocumentID]goalcast.DocumentState{}, tell: make(chan struct{})}
	g.Ingest = ingest.New(ingest.Config{Open: true}, watched{db, g}, g, g, []ingest.Provider{opta.New()}, log,
		prometheus.NewRegistry())
	server := httptest.NewServer(g.Handler())
	g.url = server.URL + "/feeds/opta"
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		server.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return g
}

// post sends a document as Opta does.
func (g *ground) post(t testing.TB, body []byte, headers http.Header) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range headers {
		r.Header[name] = values
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// await waits until so many documents were sent and all of them have come to their end; the same
// one sent twice ends once.
func (g *ground) await(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		g.mu.Lock()
		done, tell := g.sent, g.tell
		for _, state := range g.finished {
			if state == "" {
				done--
			}
		}
		g.mu.Unlock()
		if done >= n {
			return
		}
		select {
		case <-tell:
		case <-deadline:
			t.Fatalf("%d of %d documents done: %v", done, n, g.errors)
		}
	}
}

// newest is the last revision of each event that went to the bus.
func (g *ground) newest() map[string]goalcast.Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]goalcast.Event{}
	for _, e := range g.events {
		if e.Revision > out[e.ID].Revision {
			out[e.ID] = e
		}
	}
	return out
}

func (g *ground) snapshot(t *testing.T, id goalcast.MatchID) goalcast.Snapshot {
	t.Helper()
	s, err := g.store.Match(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pushed is a document as it was pushed at a moment.
type pushed struct {
	feed    string
	at      time.Time
	body    []byte
	headers http.Header
	score   goalcast.Score // counted, at that moment
}

// evening makes the documents of one match in the order of their time: an F24 and an F7 at each
// moment. In the match "VAR" the touches hold one goal more, deleted after 103 seconds. The F24s of
// the first are whole; of the others most events that tell nothing are left out.
func evening(t testing.TB, match string) (documents []pushed, full []byte) {
	m := samples.Matches(t)[map[string]int{"first": 0, "second": 1, "VAR": 1}[match]]
	full = m.F24
	if match == "VAR" {
		full = withDeletedGoal(t, m)
	}
	f7 := m.F7
	touches := optatest.ParseF24(full)
	if match != "first" {
		touches.Thin()
	}
	for i, at := range touches.Moments() {
		pair := []pushed{{feed: "F24", body: touches.Cut(at)}, {feed: "F7", body: optatest.CutF7(f7, at)}}
		if i%2 == 1 {
			slices.Reverse(pair) // now the one is first, now the other
		}
		for _, d := range pair {
			d.at, d.headers, d.score = at, optatest.Headers(d.feed, d.body, at), score(touches.CountAt(at))
			documents = append(documents, d)
		}
	}
	return documents, full
}

// withDeletedGoal puts a goal into an F24 as it stands there after it was taken back: an event of
// type 43 that was a 16.
func withDeletedGoal(t testing.TB, m samples.Match) []byte {
	t.Helper()
	began := regexp.MustCompile(`period_1_start="([^"]*)"`).FindSubmatch(m.F24)
	scorer := regexp.MustCompile(fmt.Sprintf(`player_id="(\d+)" team_id="%d"`, m.Home)).FindSubmatch(m.F24)
	if began == nil || scorer == nil {
		t.Fatal("no start of the game, or no player of the home team")
	}
	start, err := time.ParseInLocation("2006-01-02T15:04:05", string(began[1][:19]), optatest.London())
	if err != nil {
		t.Fatal(err)
	}
	at := start.Add(38*time.Minute + 3*time.Second)
	const local = "2006-01-02T15:04:05"
	gone := fmt.Sprintf(`<Event id="999999999" event_id="998" type_id="43" period_id="1" min="38" sec="3" player_id="%s" team_id="%d" outcome="1" `+
		`x="95.0" y="50.0" timestamp="%s.4" last_modified="%s"><Q id="1" qualifier_id="144" value="16" /></Event>`+"\n",
		scorer[1], m.Home, at.Format(local), at.Add(103*time.Second).Format(local))
	before, after, found := bytes.Cut(m.F24, []byte("</Game>"))
	if !found {
		t.Fatal("no end of the game")
	}
	return slices.Concat(before, []byte(gone), []byte("</Game>"), after)
}

func score(c optatest.Count) goalcast.Score { return goalcast.Score{Home: c.Home, Away: c.Away} }

func TestMatchesAsTheyWereLive(t *testing.T) {
	for _, match := range []string{"first", "second", "VAR"} {
		t.Run(match, func(t *testing.T) {
			documents, full := evening(t, match)
			whole := optatest.CountF24(full)
			id := goalcast.MatchID(whole.Match)

			inOrder := newGround(t)
			for i, d := range documents {
				if code := inOrder.post(t, d.body, d.headers); code != 200 {
					t.Fatalf("%s of %s: %d", d.feed, d.at, code)
				}
				inOrder.await(t, i+1)
				if d.feed == "F7" && i%2 == 0 {
					continue // what only the touches know of comes with the next
				}
				if got := inOrder.snapshot(t, id).Score; got != d.score {
					t.Errorf("after %s of %s: score %v, want %v", d.feed, d.at, got, d.score)
				}
			}
			for id, state := range inOrder.finished {
				if state != goalcast.DocumentApplied {
					t.Fatalf("document %d is %s: %v", id, state, inOrder.errors)
				}
			}
			checkWhole(t, inOrder.snapshot(t, id), whole)
			if gone := inOrder.newest()["opta:999999999"]; match == "VAR" && (gone.Revision != 2 || gone.Counts() ||
				int64(gone.Team) != whole.HomeTeam || gone.Goal == nil) {
				t.Errorf("goal taken back: %+v", gone)
			}
			checkStream(t, inOrder.events, inOrder.snapshot(t, id))

			disturbed := newGround(t)
			sent := disturb(documents)
			for _, d := range sent {
				if code := disturbed.post(t, d.body, d.headers); code != 200 {
					t.Fatalf("%s of %s: %d", d.feed, d.at, code)
				}
			}
			disturbed.await(t, len(sent))
			if got, want := ingest.Normal(disturbed.snapshot(t, id)), ingest.Normal(inOrder.snapshot(t,
				id)); !reflect.DeepEqual(got, want) {
				t.Errorf("disturbed:\n%+v\nin order:\n%+v", got, want)
			}
			checkStream(t, disturbed.events, disturbed.snapshot(t, id))
			sameEvents(t, disturbed.newest(), inOrder.newest())
		})
	}
}

// disturb doubles every document, swaps neighbours, and sends an old one again at the end.
func disturb(documents []pushed) (out []pushed) {
	for i := 0; i < len(documents); i += 2 {
		pair := documents[i:min(i+2, len(documents))]
		for j := len(pair) - 1; j >= 0; j-- {
			out = append(out, pair[j], pair[j])
		}
	}
	for i := 2; i+4 < len(out); i += 8 { // neighbours of the same feed, too
		out[i], out[i+4] = out[i+4], out[i]
	}
	return append(out, documents[len(documents)/3], documents[len(documents)/3+1])
}

// checkWhole holds the final snapshot against the count.
func checkWhole(t *testing.T, s goalcast.Snapshot, want optatest.Count) {
	t.Helper()
	got := optatest.Count{Match: int64(s.ID), HomeTeam: int64(s.Home.ID), AwayTeam: int64(s.Away.ID),
		Home: s.Score.Home, Away: s.Score.Away}
	for _, e := range s.Timeline {
		if !e.Counts() {
			continue
		}
		switch {
		case e.Kind == goalcast.KindCard && e.Card.Type == goalcast.Yellow:
			got.Yellow++
		case e.Kind == goalcast.KindCard && e.Card.Type == goalcast.SecondYellow:
			got.SecondYellow++
		case e.Kind == goalcast.KindCard:
			got.Reds++
		case e.Kind == goalcast.KindSubstitution && e.Substitution.On == nil:
			got.Left++
		case e.Kind == goalcast.KindSubstitution:
			got.Substitutions++
		}
		if e.Kind == goalcast.KindGoal && (e.Player == nil || e.Player.Name == "" || e.Clock == "" ||
			len(e.Topics) != 4) {
			t.Errorf("goal %+v", e)
		}
	}
	if got != want {
		t.Errorf("final snapshot counts %+v, want %+v", got, want)
	}
	if s.State != goalcast.Finished || s.Period != goalcast.FullTime || len(s.Lineups) != 2 ||
		s.Lineups[0].Team != s.Home.ID || s.HalfTime == nil {
		t.Errorf("state %s, period %s, %d line-ups, half time %v", s.State, s.Period, len(s.Lineups), s.HalfTime)
	}
	for _, l := range s.Lineups {
		if len(l.Players) < 14 {
			t.Errorf("line-up of %d players", len(l.Players))
		}
		for _, p := range l.Players {
			if p.Name == "" {
				t.Errorf("player %d of team %d without a name", p.ID, l.Team)
			}
		}
	}
}

// checkStream holds what went to the bus against the snapshot. Documents in flight together may be
// published in another order than they were committed, which the store's relay mends: so order is
// not looked at, holes and repeats are.
func checkStream(t *testing.T, events []goalcast.Event, s goalcast.Snapshot) {
	t.Helper()
	seen := map[int64]bool{}
	replayed := goalcast.Snapshot{}
	for _, e := range events {
		if seen[e.Seq] {
			t.Errorf("seq %d twice", e.Seq)
		}
		seen[e.Seq] = true
		replayed = goalcast.Apply(replayed, e)
	}
	if int64(len(seen)) != s.Seq || !reflect.DeepEqual(ingest.Normal(replayed), ingest.Normal(s)) {
		t.Errorf("%d events to seq %d make\n%+v\nnot\n%+v", len(seen), s.Seq, replayed, s)
	}
}

func sameEvents(t *testing.T, got, want map[string]goalcast.Event) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d events, want %d", len(got), len(want))
	}
	for id, w := range want {
		if g, ok := got[id]; !ok || !g.SameContent(w) {
			t.Errorf("%s:\n%+v\nwant\n%+v", id, g, w)
		}
	}
}
