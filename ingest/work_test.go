package ingest

import (
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// newQuiet is an Ingest without a server, for tests in a bubble.
func newQuiet(memory *Memory, cfg Config) *Ingest {
	return New(cfg, memory, memory, memory, []Provider{plain{}}, slog.New(slog.NewTextHandler(io.Discard, nil)),
		prometheus.NewRegistry())
}

func TestSmallDocumentsOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(1, 1<<30)
		var mu sync.Mutex
		var order []string
		let := make(chan struct{})
		add := func(name string, urgent bool, size int) {
			ok := w.add(job{urgent: urgent, size: int64(size), due: dueTime(time.Now(), size), run: func() {
				<-let
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			}})
			if !ok {
				t.Errorf("%s not taken", name)
			}
		}
		add("running", false, 900_000)
		synctest.Wait()
		add("F24", false, 900_000)
		add("another F24", false, 900_000)
		time.Sleep(300 * time.Millisecond)
		add("F9", true, 90_000)
		add("F7", true, 15_000)
		time.Sleep(time.Second) // what waits long enough is not overtaken any more
		add("late F9", true, 90_000)
		if n, bytes := w.waiting(); n != 5 || bytes != 1_995_000 {
			t.Errorf("%d wait, %d bytes", n, bytes)
		}
		close(let)
		w.close(time.Hour)
		if want := []string{"running", "F7", "F9", "F24", "another F24", "late F9"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		if n, bytes := w.waiting(); n != 0 || bytes != 0 {
			t.Errorf("%d wait, %d bytes", n, bytes)
		}
	})
}

func TestOneWorkerIsKeptForUrgentDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(3, 1<<30)
		let, urgent := make(chan struct{}), make(chan struct{})
		running := make(chan struct{}, 10)
		for range 5 {
			w.add(job{run: func() { running <- struct{}{}; <-let }})
		}
		synctest.Wait()
		if len(running) != 2 {
			t.Errorf("%d large ones run", len(running))
		}
		w.add(job{urgent: true, run: func() { close(urgent) }})
		<-urgent
		close(let)
		w.close(time.Hour)
		if len(running) != 5 || w.runOther != 0 {
			t.Errorf("%d ran, %d counted as running", len(running), w.runOther)
		}
	})
}

func TestWaitingBytesAreBounded(t *testing.T) {
	w := newWorkers(1, 100)
	let, started := make(chan struct{}), make(chan struct{})
	w.add(job{size: 1000, run: func() { close(started); <-let }}) // none waits: even a larger one is taken
	<-started
	for i, want := range []bool{true, true, false} {
		if got := w.add(job{size: 50, run: func() {}}); got != want {
			t.Errorf("job %d taken: %v", i, got)
		}
	}
	close(let)
	w.close(time.Hour)
	if w.add(job{run: func() {}}) {
		t.Error("taken after close")
	}
}

// Who leaves finishes what it has begun, and what can be begun in the time; the rest is given up.
func TestLeavingWithABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(1, 1<<30)
		done := 0
		for range 5 {
			w.add(job{urgent: true, size: 1, run: func() {
				time.Sleep(2 * time.Second)
				done++
			}})
		}
		if left := w.close(5 * time.Second); left != 2 || done != 3 {
			t.Errorf("%d done, %d given up", done, left)
		}
		if n, bytes := w.waiting(); n != 0 || bytes != 0 || w.add(job{run: func() {}}) {
			t.Errorf("%d of %d bytes wait", n, bytes)
		}
	})
}
