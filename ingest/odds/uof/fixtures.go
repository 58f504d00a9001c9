package uof

import (
	"slices"
	"time"
)

// fixtures are the matches whose names are to be asked for, one after the other: at the start there
// are thousands, and the provider counts requests.
type fixtures struct {
	limit    int
	queue    []string
	noted    map[string]bool // in the queue, asked for now, or given up
	busy     bool            // one is asked for
	due      time.Time
	failures int
}

// need puts a match into the queue, once.
func (f *fixtures) need(event string) {
	if f.noted[event] || len(f.queue) >= f.limit {
		return
	}
	if f.noted == nil || len(f.noted) > 4*f.limit {
		f.noted = map[string]bool{}
	}
	f.noted[event] = true
	f.queue = append(f.queue, event)
}

// again puts a match into the queue whose names may be others now.
func (f *fixtures) again(event string) {
	if !slices.Contains(f.queue, event) {
		delete(f.noted, event)
		f.need(event)
	}
}

// next takes a match out of the queue.
func (f *fixtures) next(now time.Time) (event string, ok bool) {
	if f.busy || len(f.queue) == 0 || now.Before(f.due) {
		return "", false
	}
	event, f.queue = f.queue[0], f.queue[1:]
	f.busy = true
	return event, true
}

// failed has a match asked for again, later.
func (f *fixtures) failed(event string, now time.Time, first, longest, wait time.Duration) {
	pause := longest
	if f.failures < 16 {
		pause = min(pause, first<<f.failures)
	}
	f.failures++
	f.due = now.Add(max(pause, wait))
	f.again(event)
}

// askFixture asks for the next one, if none is on its way.
func (r *session) askFixture(now time.Time) {
	id, ok := r.fixtures.next(now)
	if !ok {
		return
	}
	r.call(func() func() {
		fixture, err := r.api.fixture(r.ctx, id)
		return func() {
			r.fixtures.busy = false
			if err != nil {
				wait, again := retry(err)
				r.log.Warn("names of a match not known", "event", id, "again", again, "error", err)
				if again {
					r.fixtures.failed(id, time.Now(), r.cfg.RetryFirst, r.cfg.RetryLast, wait)
				}
				return
			}
			r.fixtures.failures = 0
			if e := r.book.events[id]; e != nil {
				e.fixture, e.named = &fixture, true
			}
			r.sink.Fixture(fixture)
			r.askFixture(time.Now())
		}
	})
}
