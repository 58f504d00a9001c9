package notify

import (
	"sync"
	"time"

	"goalcast"
)

// What the push service says of one device may be the fault of the device, of our message or of
// our credentials, and it does not always say which. It is judged by the other devices of the
// batch, of which those count that got a push before: strangers can register what they like, but
// nobody can make those fail.

// judgeLeast is how many such devices a batch must have to say something about us.
const judgeLeast = 10

// judgement is what the answers to a batch say when they are looked at together.
type judgement struct {
	delivered bool   // to one device at least: the credentials are right
	wrong     bool   // it is us: the service takes nothing, or refuses most devices that got pushes before
	reason    string // with wrong: of the first such answer
}

func judge(devices []goalcast.Device, results []Result) judgement {
	var j judgement
	proven, refused, all := 0, 0, false
	for i, r := range results {
		j.delivered = j.delivered || r.Outcome == Delivered
		all = all || r.All
		if j.reason == "" && r.blamesUs() {
			j.reason = r.Reason
		}
		if devices[i].Proven {
			proven++
			if r.blamesUs() || r.Outcome == Gone && r.Reason != ReasonUnregistered {
				refused++
			}
		}
	}
	j.wrong = all && !j.delivered || proven >= judgeLeast && 2*refused > proven
	return j
}

// blamesUs says whether the answer may be the fault of our credentials or project.
func (r Result) blamesUs() bool { return r.Outcome == Foreign || r.Outcome == Denied && r.All }

// gone says whether a device that was refused is to be deleted.
func (j judgement) gone(d goalcast.Device, r Result) bool {
	switch r.Outcome {
	case Gone:
		return r.Reason == ReasonUnregistered || !j.wrong
	case Foreign: // a token of another project: where ours is right and the token never was
		return j.delivered && !j.wrong && !d.Proven
	}
	return false
}

// How long a process sends nothing after the push service refused everything: longer each time, and
// then one batch to see.
const (
	brakeFirst = time.Second
	brakeMost  = 30 * time.Second
)

// brake stops sending while the push service takes nothing from us. It never waits.
type brake struct {
	mu      sync.Mutex
	pause   time.Duration // 0 while all is well
	until   time.Time
	probing bool // one batch is under way to see whether it is over
}

// open says whether enter would let a batch in.
func (b *brake) open(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.openLocked(now)
}

func (b *brake) openLocked(now time.Time) bool {
	return b.pause == 0 || !b.probing && !now.Before(b.until)
}

// enter asks whether a batch may be sent; leave says that it was dealt with.
func (b *brake) enter(now time.Time) (leave func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.openLocked(now):
		return nil, false
	case b.pause == 0:
		return func() {}, true
	}
	b.probing = true
	return func() {
		b.mu.Lock()
		b.probing = false
		b.mu.Unlock()
	}, true
}

// refused pulls the brake and returns for how long; first says that it was not pulled before.
func (b *brake) refused(now time.Time) (pause time.Duration, first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first = b.pause == 0
	if first || !now.Before(b.until) { // batches that were under way when it was pulled do not pull it further
		b.pause = min(max(brakeFirst, 2*b.pause), brakeMost)
		b.until = now.Add(b.pause)
	}
	return b.until.Sub(now), first
}

// rest is how long to leave a batch alone that was not let in: until the next one is let in to see,
// or has been.
func (b *brake) rest(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(brakeFirst, b.until.Sub(now))
}

// taken lets it go and says whether it was pulled.
func (b *brake) taken() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.pause > 0
	b.pause = 0
	return was
}

// braked pulls a service's brake or lets it go, by its answers to a batch, and returns how long
// nothing is sent to it; 0 if all is well.
func (n *Notifier) braked(s *service, j judgement) time.Duration {
	if j.wrong {
		pause, first := s.brake.refused(n.now())
		s.stopped.Set(1)
		if first {
			n.log.Error("the push service takes nothing from us: check credentials and project; no device is "+
				"deleted, sending to it stops", "service", s.name, "reason", j.reason)
		}
		return max(pause, time.Millisecond)
	}
	if j.delivered && s.brake.taken() {
		s.stopped.Set(0)
		n.log.Warn("the push service takes pushes again", "service", s.name)
		signal(n.sweep)
	}
	return 0
}
