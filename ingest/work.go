package ingest

import (
	"container/heap"
	"sync"
	"time"
)

// job is a document waiting to be read and applied.
type job struct {
	urgent bool      // small and of one match: a goal may be in it
	size   int64     // bytes held while it waits
	due    time.Time // the earliest is next
	run    func()    // must not panic
}

// dueTime lets small documents overtake large ones, and nothing wait for ever: each kB counts
// as a millisecond of arriving later, so that an F9 of 90 kB is before an F24 of 0.9 MB that
// came up to 0.8 s earlier.
func dueTime(received time.Time, size int) time.Time {
	return received.Add(time.Duration(size) * time.Microsecond)
}

// workers runs jobs, so many at once and no more. It has no goroutine while there is nothing to do.
type workers struct {
	limit    int   // goroutines
	maxBytes int64 // of waiting jobs
	runBytes int64 // of running jobs that are not urgent: what is made of a document takes several times its size

	mu      sync.Mutex // guards the rest
	idle    *sync.Cond // told when the last goroutine ends
	urgent  jobs
	other   jobs
	bytes   int64 // of waiting jobs
	running int
	inOther int64 // bytes of running jobs that are not urgent
	// of running those that are not urgent: always one less than limit, so that urgent
	// ones find a free worker
	runOther int
	closed   bool
}

// runBytes is the default of workers.runBytes.
const runBytes = 64 << 20

func newWorkers(limit int, maxBytes int64) *workers {
	w := &workers{limit: limit, maxBytes: maxBytes, runBytes: runBytes}
	w.idle = sync.NewCond(&w.mu)
	return w
}

// add takes a job; false if too many bytes wait already, or after close.
func (w *workers) add(j job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.bytes+j.size > w.maxBytes && w.bytes > 0 {
		return false
	}
	w.bytes += j.size
	if j.urgent {
		heap.Push(&w.urgent, j)
	} else {
		heap.Push(&w.other, j)
	}
	w.startLocked()
	return true
}

// startLocked starts as many goroutines as there is work for.
func (w *workers) startLocked() {
	for w.running < w.limit {
		next, ok := w.nextLocked()
		if !ok {
			return
		}
		w.running++
		go w.loop(next)
	}
}

// loop runs jobs until none is left that this goroutine may run.
func (w *workers) loop(j job) {
	for ok := true; ok; {
		j.run()
		w.mu.Lock()
		if !j.urgent {
			w.runOther--
			w.inOther -= j.size
		}
		if j, ok = w.nextLocked(); !ok {
			w.running--
			w.idle.Broadcast()
		}
		w.startLocked() // a large one that ended makes room for several
		w.mu.Unlock()
	}
}

func (w *workers) nextLocked() (job, bool) {
	from := &w.urgent
	mayOther := len(w.other) > 0 && w.runOther < max(1, w.limit-1) &&
		(w.inOther == 0 || w.inOther+w.other[0].size <= w.runBytes)
	switch {
	case len(w.urgent) == 0 && !mayOther:
		return job{}, false
	case len(w.urgent) == 0 || mayOther && w.other[0].due.Before(w.urgent[0].due):
		from = &w.other
		w.runOther++
		w.inOther += w.other[0].size
	}
	j := heap.Pop(from).(job)
	w.bytes -= j.size
	return j, true
}

// close refuses new jobs and waits for those that were taken. What then still waits after the time
// is given up; it says how many jobs those are.
func (w *workers) close(within time.Duration) (givenUp int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	late := time.AfterFunc(within, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		givenUp = len(w.urgent) + len(w.other)
		w.urgent, w.other, w.bytes = nil, nil, 0
	})
	defer late.Stop()
	for w.running > 0 {
		w.idle.Wait()
	}
	return givenUp
}

// waiting tells how many jobs wait and how many bytes they hold.
func (w *workers) waiting() (n int, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.urgent) + len(w.other), w.bytes
}

// jobs is a heap by due time.
type jobs []job

func (q jobs) Len() int           { return len(q) }
func (q jobs) Less(a, b int) bool { return q[a].due.Before(q[b].due) }
func (q jobs) Swap(a, b int)      { q[a], q[b] = q[b], q[a] }
func (q *jobs) Push(j any)        { *q = append(*q, j.(job)) }

func (q *jobs) Pop() any {
	old := *q
	last := len(old) - 1
	j := old[last]
	old[last] = job{} // lets go of the document
	*q = old[:last]
	return j
}
