package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/ingest/merge"
)

// run starts Run and returns what ends it and waits for it.
func (b *bench) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestPassingTroubleIsTriedAgain(t *testing.T) {
	away := fmt.Errorf("store: %w", goalcast.ErrUnavailable)
	for name, trouble := range map[string]*error{"update": new(error), "finish": new(error)} {
		b := newBench(t, Config{})
		trouble = map[string]*error{"update": &b.memory.UpdateErr, "finish": &b.memory.FinishErr}[name]
		*trouble = away
		if res, _ := b.send(t, b.url, body(oneGoal), "X-Meta-Feed-Type", "F24"); res.StatusCode != 200 {
			t.Fatalf("%s: %s", name, res.Status)
		}
		b.await(t, "a task", func(m *Memory) bool { return len(m.Tasks) == 1 })
		task := b.memory.Tasks[0]
		if task.Kind != TaskKind || task.ID != "ingest:document:1" || string(task.Payload) != "1" ||
			task.Retries != 10 || task.Delay != time.Second || !task.Urgent {
			t.Errorf("%s: task %+v", name, task)
		}
		if d, _ := b.memory.Document(t.Context(), 1); d.State != goalcast.DocumentReceived {
			t.Errorf("%s: state %s", name, d.State)
		}
		if err := b.ProcessTask(t.Context(), task.Payload); !errors.Is(err, goalcast.ErrUnavailable) ||
			errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("%s: while it lasts: %v", name, err)
		}
		b.memory.With(func() { *trouble = nil })
		if err := b.ProcessTask(t.Context(), task.Payload); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if b.memory.StatesNow()[goalcast.DocumentApplied] != 1 || len(b.memory.Log) != 2 {
			t.Errorf("%s: %v, %v", name, b.memory.States(), keys(b.memory.Log))
		}
		if n := testutil.ToFloat64(b.metrics.documents.WithLabelValues("plain", "F24", "retried")); n != 1 {
			t.Errorf("%s: retried %v", name, n)
		}
	}
}

func TestBusAwayIsTheOutboxesBusiness(t *testing.T) {
	b := newBench(t, Config{})
	b.memory.PublishErr = errors.New("bus is away")
	b.send(t, b.url, body(oneGoal))
	b.await(t, "the document", applied(1))
	if len(b.memory.Log) != 2 || len(b.memory.Published) != 0 {
		t.Errorf("log %v, published %v", keys(b.memory.Log), b.memory.Published)
	}
}

func TestReplayChangesNothing(t *testing.T) {
	b := newBench(t, Config{})
	b.send(t, b.url, body(oneGoal))
	b.await(t, "the document", applied(1))
	for range 3 {
		if err := b.Process(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.memory.Log) != 2 || len(b.memory.Published) != 2 {
		t.Errorf("log %v", keys(b.memory.Log))
	}
	for _, payload := range []string{"99", "x"} {
		if err := b.ProcessTask(t.Context(), []byte(payload)); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("document %s: %v", payload, err)
		}
	}
}

func TestDocumentOfAProviderThatIsGone(t *testing.T) {
	b := newBench(t, Config{})
	doc := goalcast.Document{Provider: "gone", Body: []byte("x"), Received: time.Now()}
	if err := b.memory.KeepDocument(t.Context(), &doc); err != nil {
		t.Fatal(err)
	}
	if err := b.Process(t.Context(), doc.ID); !errors.Is(err, goalcast.ErrPermanent) ||
		b.memory.StatesNow()[goalcast.DocumentFailed] != 1 {
		t.Errorf("%v, %v", err, b.memory.StatesNow())
	}
}

// TestKilledAtEachPoint lets the work on a document go no further than the point, as in a process
// that is killed there, and lets another one take over.
func TestKilledAtEachPoint(t *testing.T) {
	for _, point := range []string{"kept", "parsed", "committed", "published"} {
		synctest.Test(t, func(t *testing.T) {
			memory := NewMemory()
			always := 100 * 365 * 24 * time.Hour // a bubble's clock begins in 2000
			dying := newQuiet(memory, Config{MaxAhead: always, Fault: func(at string) {
				if at == point {
					<-t.Context().Done()
					runtime.Goexit()
				}
			}})
			go func() {
				doc := goalcast.Document{Provider: "plain", Feed: "F24", Body: body(oneGoal), Received: time.Now()}
				_, _ = dying.keep(t.Context(), plain{}, &doc, passage{})
			}()
			synctest.Wait()
			if s := memory.StatesNow(); s[goalcast.DocumentReceived] != 1 {
				t.Fatalf("%s: %v", point, s)
			}
			if committed := len(memory.Log) == 2; committed != (point == "committed" || point == "published") {
				t.Errorf("%s: log %v", point, keys(memory.Log))
			}
			next := newQuiet(memory, Config{MaxAhead: always})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- next.Run(ctx) }()
			time.Sleep(9 * time.Second)
			synctest.Wait()
			if s := memory.StatesNow(); s[goalcast.DocumentReceived] != 1 {
				t.Errorf("%s: swept while another process may have it: %v", point, s)
			}
			time.Sleep(8 * time.Second)
			synctest.Wait()
			if s := memory.StatesNow(); s[goalcast.DocumentApplied] != 1 || len(memory.Log) != 2 {
				t.Errorf("%s: %v, log %v", point, s, keys(memory.Log))
			}
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSweeperTakesThemInOrderAndGoesOnAfterABadOne(t *testing.T) {
	b := newBench(t, Config{SweepEvery: time.Millisecond, SweepLimit: 3})
	old := time.Now().Add(-time.Minute)
	for minute := range 8 {
		text := body(says(sourceEvents, minute, fixture(), goal(1, home, minute+1, 5)))
		if minute == 2 {
			text = []byte("panic")
		}
		if err := b.memory.KeepDocument(t.Context(), &goalcast.Document{Provider: "plain", Body: text,
			Received: old}); err != nil {
			t.Fatal(err)
		}
	}
	b.run(t)
	b.await(t, "all of them", func(m *Memory) bool {
		return m.States()[goalcast.DocumentApplied] == 7 && m.States()[goalcast.DocumentFailed] == 1
	})
	var minutes []int
	for _, e := range b.memory.Log[1:] {
		minutes = append(minutes, e.Minute)
	}
	if !slices.Equal(minutes, []int{1, 2, 4, 5, 6, 7, 8}) {
		t.Errorf("minutes %v", minutes)
	}
}

func TestSweeperLeavesWhatAWorkerHas(t *testing.T) {
	b := newBench(t, Config{SweepEvery: time.Millisecond, SweepAge: time.Nanosecond})
	parsed, let := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.cfg.Fault = func(point string) {
		if point == "parsed" {
			once.Do(func() { close(parsed); <-let })
		}
	}
	b.send(t, b.url, body(oneGoal))
	<-parsed
	stop := b.run(t)
	b.sweep(t.Context())
	if d, _ := b.memory.Document(t.Context(), 1); d.Attempts != 0 {
		t.Errorf("%d attempts", d.Attempts)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); stop() }()
	select {
	case <-ended:
		t.Error("Run did not wait for the worker")
	case <-time.After(50 * time.Millisecond):
	}
	close(let)
	<-ended
	if d, _ := b.memory.Document(t.Context(), 1); d.State != goalcast.DocumentApplied || d.Attempts != 1 {
		t.Errorf("%s after %d attempts", d.State, d.Attempts)
	}

	// After Run has returned documents are kept, and left to whoever reads the queue.
	if res, _ := b.send(t, b.url, body(oneGoal)); res.StatusCode != 200 || len(b.memory.Tasks) != 1 ||
		string(b.memory.Tasks[0].Payload) != "2" {
		t.Errorf("%s, tasks %+v", res.Status, b.memory.Tasks)
	}
	if n := testutil.ToFloat64(b.metrics.left); n != 1 {
		t.Errorf("left %v", n)
	}
}

// TestAnswerDoesNotWaitForTheMatch answers while the match is locked.
func TestAnswerDoesNotWaitForTheMatch(t *testing.T) {
	b := newBench(t, Config{})
	let := make(chan struct{})
	b.cfg.Fault = func(point string) {
		if point == "parsed" {
			<-let
		}
	}
	res, _ := b.send(t, b.url, body(oneGoal))
	if d, _ := b.memory.Document(t.Context(), 1); res.StatusCode != 200 || d.State != goalcast.DocumentReceived {
		t.Errorf("%s, %s", res.Status, d.State)
	}
	close(let)
	b.await(t, "the document", applied(1))
}

// TestSenderGoesAwayTooSoon hangs up when the document has arrived and is not kept yet.
func TestSenderGoesAwayTooSoon(t *testing.T) {
	b := newBench(t, Config{})
	gone := make(chan (<-chan struct{}), 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gone <- r.Context().Done()
		b.Handler().ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	b.memory.Keeping = func() {
		hangUp()
		<-<-gone
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/feeds/plain",
		bytes.NewReader(body(oneGoal)))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := server.Client().Do(r); err == nil {
		res.Body.Close()
		t.Errorf("answered %s", res.Status)
	}
	b.await(t, "the document", applied(1))
}

// list is a fixture list of n matches, as of a minute.
func list(n, minute int, change func(goalcast.MatchID, *goalcast.Fixture)) merge.Reading {
	r := merge.Reading{Source: sourceList, Version: version(minute)}
	for id := goalcast.MatchID(1); id <= goalcast.MatchID(n); id++ {
		f := fixture()
		if change != nil {
			change(id, f)
		}
		r.Matches = append(r.Matches, merge.MatchReading{Match: id, Fixture: f})
	}
	return r
}

func TestListCostsOnlyWhatIsNewInIt(t *testing.T) {
	b := newBench(t, Config{})
	apply := func(r merge.Reading) (string, int) {
		before := b.memory.Updates
		done, err := b.apply(t.Context(), goalcast.Document{Provider: "plain", Received: time.Now()}, r)
		if err != nil {
			t.Fatal(err)
		}
		return done.outcome, b.memory.Updates - before
	}
	moved := func(id goalcast.MatchID, f *goalcast.Fixture) {
		if id == 7 {
			f.Kickoff = kickoff.Add(time.Hour)
		}
	}
	own := fixture()
	own.Kickoff, own.Home.Name = kickoff.Add(time.Hour), "Harbour"
	renamed := func(id goalcast.MatchID, f *goalcast.Fixture) {
		if moved(id, f); id == 7 {
			f.Home.Name = "Harbour (list)"
		}
	}
	for _, step := range []struct {
		name    string
		r       merge.Reading
		outcome string
		updates int
	}{
		{"first", list(50, 1, nil), "changed", 50},
		{"the same document", list(50, 1, nil), "unchanged", 0},
		{"a newer one, the same", list(50, 2, nil), "unchanged", 0},
		{"one match moved", list(50, 3, moved), "changed", 1},
		{"an older one, late", list(50, 1, nil), "unchanged", 0},
		{"one match more", list(51, 4, moved), "changed", 1},
		{"the match's own feed", merge.Reading{Source: sourceMatch, Version: version(5),
			Matches: []merge.MatchReading{{Match: 7, Fixture: own}}}, "changed", 1},
		{"another name, which nobody sees and is remembered", list(51, 6, renamed), "unchanged", 1},
	} {
		if outcome, updates := apply(step.r); outcome != step.outcome || updates != step.updates {
			t.Errorf("%s: %s, %d transactions", step.name, outcome, updates)
		}
	}
	if f := b.memory.Record(7).Snapshot.Fixture; !f.Kickoff.Equal(kickoff.Add(time.Hour)) {
		t.Errorf("kick-off %v", f.Kickoff)
	}
}

func TestOneBrokenMatchDoesNotHoldUpTheList(t *testing.T) {
	b := newBench(t, Config{})
	b.memory.records[2] = []byte(`{"Snapshot":{"id":2},"Feeds":"eA=="}`)
	_, err := b.apply(t.Context(), goalcast.Document{Provider: "plain"}, list(3, 1, nil))
	if !errors.Is(err, goalcast.ErrPermanent) || !strings.Contains(err.Error(), "match 2") {
		t.Errorf("%v", err)
	}
	for _, id := range []goalcast.MatchID{1, 3} {
		if b.memory.Record(id).Snapshot.FixtureRevision != 1 {
			t.Errorf("match %d not applied", id)
		}
	}
}

// TestMatchesOfAListAreAppliedTogether has none of four go on before the other three are as far.
func TestMatchesOfAListAreAppliedTogether(t *testing.T) {
	b := newBench(t, Config{})
	var committed atomic.Int32
	together := make(chan struct{})
	b.cfg.Fault = func(point string) {
		if point != "committed" {
			return
		}
		if committed.Add(1) == listWorkers {
			close(together)
		}
		select {
		case <-together:
		case <-t.Context().Done():
		case <-time.After(20 * time.Second):
			t.Error("one after the other")
		}
	}
	if _, err := b.apply(t.Context(), goalcast.Document{Provider: "plain"}, list(2*listWorkers, 1, nil)); err != nil {
		t.Error(err)
	}
	if n := committed.Load(); n != 2*listWorkers {
		t.Errorf("%d matches committed", n)
	}
}

// TestTroubleEndsAList: what has not begun by then is not begun, and the document is tried again.
func TestTroubleEndsAList(t *testing.T) {
	b := newBench(t, Config{})
	b.memory.UpdateErr = fmt.Errorf("store: %w", goalcast.ErrUnavailable)
	_, err := b.apply(t.Context(), goalcast.Document{Provider: "plain"}, list(50, 1, nil))
	if !errors.Is(err, goalcast.ErrUnavailable) || errors.Is(err, goalcast.ErrPermanent) {
		t.Error(err)
	}
	if n := b.memory.Updates; n > 2*listWorkers {
		t.Errorf("%d of 50 transactions were begun", n)
	}
}

func TestMatchThatStandsTwiceInAList(t *testing.T) {
	b := newBench(t, Config{})
	r := merge.Reading{Source: sourceEvents, Version: version(1), Matches: []merge.MatchReading{
		{Match: 5, Facts: []goalcast.Event{goal(1, home, 3, 4)}, Players: map[goalcast.PlayerID]string{4: "Four"}},
		{Match: 5, Fixture: fixture(), Facts: []goalcast.Event{goal(2, home, 4, 5)},
			Players: map[goalcast.PlayerID]string{5: "Five"}},
	}}
	checked, err := b.checked(goalcast.Document{Received: time.Now()}, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.apply(t.Context(), goalcast.Document{}, checked); err != nil {
		t.Fatal(err)
	}
	if s := b.memory.Record(5).Snapshot; s.Score.Home != 2 || s.Timeline[0].Player.Name != "Four" ||
		s.Timeline[1].Player.Name != "Five" {
		t.Errorf("%+v", s)
	}
}

func TestFeedLabelsAreBounded(t *testing.T) {
	b := newBench(t, Config{})
	seen := map[string]bool{}
	for i := range 500 {
		seen[b.metrics.feed(fmt.Sprint("F", i))] = true
	}
	if len(seen) != maxFeedLabels+1 || b.metrics.feed("F1") != "F1" || b.metrics.feed("") != "unknown" {
		t.Errorf("%d labels", len(seen))
	}
}
