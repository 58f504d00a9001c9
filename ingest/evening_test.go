package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/merge"
	"goalcast/ingest/opta"
	"goalcast/ingest/opta/optatest"
	"goalcast/internal/samples"
	"goalcast/store"
)

// evening24 is an evening of twenty matches: an ingest with the real provider and the embedded
// store, and when each goal was published.
type evening24 struct {
	handler http.Handler

	mu    sync.Mutex
	goals map[goalcast.MatchID]time.Time // the goal of F7
	done  int                            // F24s that told their match's goals
	tell  chan struct{}
}

// urgentGoal ends the number of the goal that F7 tells of, and no F24; before
// it stands the match's.
const urgentGoal = "424242"

func (e *evening24) Publish(_ context.Context, events []goalcast.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range events {
		switch {
		case ev.Kind == goalcast.KindGoal && strings.HasSuffix(ev.ID, urgentGoal) && ev.Revision == 1:
			e.goals[ev.Match] = time.Now()
		case ev.Kind == goalcast.KindLineup && ev.Team%2 == 0: // one per F24: F7 here has no line-ups
			e.done++
		}
	}
	close(e.tell)
	e.tell = make(chan struct{})
	return nil
}

func (e *evening24) Enqueue(context.Context, goalcast.Task) error { return fmt.Errorf("no queue") }

// gated holds every F24 before it is read, until the gate is open.
type gated struct {
	opta.Provider
	gate chan struct{}
}

func (g gated) Read(doc goalcast.Document) (merge.Reading, error) {
	if doc.Feed == "F24" {
		<-g.gate
	}
	return g.Provider.Read(doc)
}

func newEvening(t testing.TB, p ingest.Provider) *evening24 {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	db, err := store.Open(context.Background(), "sqlite::memory:", log)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	e := &evening24{goals: map[goalcast.MatchID]time.Time{}, tell: make(chan struct{})}
	in := ingest.New(ingest.Config{Workers: 2, Open: true}, db, e, e, []ingest.Provider{p}, log,
		prometheus.NewRegistry())
	e.handler = in.Handler()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func (e *evening24) post(t testing.TB, feed string, match int, body []byte) {
	r := httptest.NewRequest(http.MethodPost, "/feeds/opta", bytes.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:4000", "127.0.0.1:8080"
	r.Header.Set("X-Meta-Feed-Type", feed)
	r.Header.Set("X-Meta-Game-Id", fmt.Sprint(match))
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("%s of match %d: %d %s", feed, match, w.Code, w.Body)
	}
}

// await waits until what happened is enough.
func (e *evening24) await(t testing.TB, enough func() bool) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		e.mu.Lock()
		ok, tell := enough(), e.tell
		e.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-tell:
		case <-deadline:
			t.Fatalf("%d goals, %d F24s", len(e.goals), e.done)
		}
	}
}

// tonight is the F24 of a whole match and a small F7 with a goal, of a match of that number.
func tonight(whole samples.Match, match int) (f24, f7 []byte) {
	f24 = bytes.Replace(whole.F24, fmt.Appendf(nil, `id="%d"`, whole.ID), fmt.Appendf(nil, `id="%d"`, match), 1)
	if missing := 900_000 - len(f24); missing > 0 { // as large as a real one, which is what makes it wait
		f24 = append(f24, fmt.Sprintf("<!--%*s-->", missing, "")...)
	}
	// no two matches share an event
	f24 = bytes.ReplaceAll(f24, []byte(`<Event id="`), fmt.Appendf(nil, `<Event id="%d`, match))
	small := strings.NewReplacer(`uID="f7"`, fmt.Sprintf(`uID="f%d"`, match), `TeamRef="t1"`,
		fmt.Sprintf(`TeamRef="t%d"`, whole.Home), `TeamRef="t2"`, fmt.Sprintf(`TeamRef="t%d"`, whole.Away)).Replace(
		strings.Replace(touchlessF7, "EVENT", fmt.Sprint(match)+urgentGoal, 1))
	return f24, []byte(small)
}

var touchlessF7 = optatest.MadeF7(30, "FirstHalf", "", 1, 0,
	`<Goal EventID="EVENT" Period="FirstHalf" PlayerRef="p11" Time="27" Type="Goal"/>`, "")

// Twenty F24s of 0.9 MB wait, and each worker that may take one has one; every goal in a small
// document goes by them.
func TestNoGoalWaitsBehindTwentyF24s(t *testing.T) {
	p := gated{opta.New(), make(chan struct{})}
	e := newEvening(t, p)
	open := sync.OnceFunc(func() { close(p.gate) })
	t.Cleanup(open) // also when the test ends early: what waits has to end
	whole := samples.MadeUpMatches(t)[1]
	var posts sync.WaitGroup
	for n := range 20 {
		f24, _ := tonight(whole, 9001+n)
		posts.Go(func() { e.post(t, "F24", 9001+n, f24) })
	}
	posts.Wait() // all are kept and answered, none is read
	for n := range 20 {
		_, f7 := tonight(whole, 9001+n)
		e.post(t, "F7", 9001+n, f7)
	}
	e.await(t, func() bool { return len(e.goals) == 20 })
	e.mu.Lock()
	if e.done != 0 {
		t.Errorf("%d F24s were applied before", e.done)
	}
	e.mu.Unlock()
	open()
	e.await(t, func() bool { return e.done == 20 })
}

// BenchmarkTwentyF24s posts the F24s of twenty matches at once, and while they are worked on a goal
// in a small document for each match. It reports how long all took, and how long the slowest goal.
func BenchmarkTwentyF24s(b *testing.B) {
	whole := samples.Matches(b)[1]
	var all, slowest time.Duration
	for b.Loop() {
		b.StopTimer()
		e := newEvening(b, opta.New())
		b.StartTimer()
		begin := time.Now()
		var posts sync.WaitGroup
		posted := make([]time.Time, 20)
		for n := range 20 {
			f24, f7 := tonight(whole, 9001+n)
			posts.Go(func() {
				e.post(b, "F24", 9001+n, f24)
				posted[n] = time.Now()
				e.post(b, "F7", 9001+n, f7)
			})
		}
		posts.Wait()
		e.await(b, func() bool { return len(e.goals) == 20 && e.done == 20 })
		all += time.Since(begin)
		for n, at := range posted {
			slowest = max(slowest, e.goals[goalcast.MatchID(9001+n)].Sub(at))
		}
	}
	b.ReportMetric(float64(all.Milliseconds())/float64(b.N), "all-ms")
	b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-goal-ms")
}
