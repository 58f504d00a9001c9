package bus

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"goalcast"
)

// readPage is how many events one read of the stream returns: a few MB at most.
const readPage = 500

// The pause before a connection is replaced doubles from the first to the last, and is then taken
// at random from its upper half.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// fingerprintsKept is for how many past events the reader knows what they were, to notice when the
// bus went back in time.
const fingerprintsKept = 1024

// reader is one listener's place in the stream. Its goroutines are the events' session (reads and
// delivers), the watchdog, the heartbeat and one per state shard; mu makes them take turns at the
// listener.
type reader struct {
	bus      *Bus
	listener goalcast.Listener
	seed     maphash.Seed

	mu           sync.Mutex
	seen         goalcast.Cursor          // the last event delivered; zero before the first Reset
	fingerprints [fingerprintsKept]uint64 // of the last events, by offset
	lastSign     time.Time                // when the bus was last known to be alive
	stale        bool                     // true until the listener was told that it is live, and again after a silence
	reported     bool                     // the listener knows of the silence; at first it does not
	readings     readings
}

// Listen delivers what comes over the bus to the listener until ctx ends, and returns ctx's error.
// First comes Reset with a cursor, then the events after it that the bus still has (History of them
// at most), then Stale(false): from there on the listener is live. Missed messages are read from
// the stream before what came after them is delivered. Redis may go and come back, empty or not:
// the listener gets Stale, and the same beginning again where the stream cannot be continued. One
// Listen at a time.
func (b *Bus) Listen(ctx context.Context, l goalcast.Listener) error {
	b.mu.Lock()
	busy := b.listening
	b.listening = true
	b.mu.Unlock()
	if busy {
		return errors.New("listen: somebody listens already")
	}
	defer func() {
		b.mu.Lock()
		b.listening = false
		b.mu.Unlock()
		b.metrics.stale.Set(0)
	}()
	r := &reader{bus: b, listener: l, seed: maphash.MakeSeed(), lastSign: time.Now(), stale: true,
		readings: readings{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.again(ctx, "bus", r.session) })
	g.Go(func() error { return r.watch(ctx) })
	g.Go(func() error { return b.keepHeartbeat(ctx) })
	for _, s := range b.shards {
		g.Go(func() error { return s.run(ctx, r) })
	}
	return g.Wait()
}

// errMoved is the end of a subscription that a node of a cluster has ended, since its slot is
// another one's now.
var errMoved = fmt.Errorf("%w: the cluster has moved the channel", goalcast.ErrUnavailable)

// again runs a session over and over until ctx ends, with growing pauses while it gets nowhere. A
// session returns whether it was up.
func (b *Bus) again(ctx context.Context, name string, session func(context.Context) (bool, error)) error {
	pause := firstPause
	for {
		up, err := session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c, ok := b.redis.client.(*redis.ClusterClient); ok {
			c.ReloadState(ctx) // the slot may be another node's now
		}
		if up {
			b.log.Warn("connection lost", "to", name, "error", err)
			pause = firstPause
		} else if pause == firstPause {
			b.log.Warn("no connection", "to", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
		pause = min(2*pause, lastPause)
	}
}

// keepHeartbeat tries to send the heartbeat, on behalf of all processes.
func (b *Bus) keepHeartbeat(ctx context.Context) error {
	t := time.NewTicker(b.options.Heartbeat)
	defer t.Stop()
	for {
		// An error is not logged: the reader notices the silence.
		_ = b.heartbeat(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// watch tells the listener when the bus has been silent for too long.
func (r *reader) watch(ctx context.Context) error {
	t := time.NewTimer(r.bus.options.StaleAfter)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			t.Reset(r.checkSilence())
		}
	}
}

// checkSilence tells the listener if the bus is silent, and says when to look again. It is not
// asked more often: what wakes up is most of what an idle process costs.
func (r *reader) checkSilence() (again time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	silence := time.Since(r.lastSign)
	if rest := r.bus.options.StaleAfter - silence; rest > 0 {
		return rest
	}
	if !r.reported {
		r.stale, r.reported = true, true
		r.bus.log.Warn("the bus is silent", "for", silence)
		r.bus.metrics.stale.Set(1)
		r.listener.Stale(true)
	}
	return r.bus.options.StaleAfter / 20
}

// subscribe asks for the messages of channels. It does not wait for the connection's own attempts
// to recover: the reader closes it at the first error and makes a new one.
func (b *Bus) subscribe(ctx context.Context, ps *redis.PubSub, channels ...string) error {
	if b.redis.cluster {
		return ps.SSubscribe(ctx, channels...)
	}
	return ps.Subscribe(ctx, channels...)
}

// open makes a connection without channels; nothing is dialled yet. It is closed when ctx ends,
// since reading does not heed ctx.
func (b *Bus) open(ctx context.Context) (ps *redis.PubSub, done func()) {
	if b.redis.cluster {
		ps = b.redis.client.SSubscribe(ctx)
	} else {
		ps = b.redis.client.Subscribe(ctx)
	}
	stop := context.AfterFunc(ctx, func() { ps.Close() })
	return ps, func() {
		stop()
		ps.Close()
	}
}

// session subscribes, reads what was missed, and delivers until something breaks.
func (r *reader) session(ctx context.Context) (up bool, err error) {
	ps, done := r.bus.open(ctx)
	defer done()
	if err := r.bus.subscribe(ctx, ps, r.bus.names.eventChannel()); err != nil {
		return false, wrapRedis("subscribe", err)
	}
	for {
		// The limit is that of silence, not shorter: a read that is given up in the middle of a
		// message cannot be taken up again.
		message, err := ps.ReceiveTimeout(ctx, r.bus.options.StaleAfter)
		if err != nil {
			return up, wrapRedis("receive", err)
		}
		switch m := message.(type) {
		case *redis.Subscription:
			if strings.HasSuffix(m.Kind, "unsubscribe") {
				return up, errMoved // nobody here ends it
			}
			// Only now is every later message certain to come; what came before is in the stream.
			if err := r.resume(ctx); err != nil {
				return up, err
			}
			up = true
		case *redis.Message:
			if err := r.message(ctx, m.Payload); err != nil {
				return up, err
			}
			if r.isStale() { // the silence ended just before the connection would have been given up
				if err := r.resume(ctx); err != nil {
					return up, err
				}
			}
		}
	}
}

// message takes an event or a heartbeat from the channel.
func (r *reader) message(ctx context.Context, payload string) error {
	kind, rest, _ := strings.Cut(payload, " ")
	epoch, rest, _ := strings.Cut(rest, " ")
	place, body, _ := strings.Cut(rest, " ")
	offset, err := strconv.ParseUint(place, 10, 64)
	if err != nil || kind != "e" && kind != "b" {
		return fmt.Errorf("unexpected message on the bus: %.80q", payload)
	}
	if r.take(kind == "e", goalcast.Cursor{Epoch: epoch, Offset: offset}, body) {
		return nil
	}
	return r.resume(ctx)
}

// take delivers an event that is the next one. false: something was missed, or the past has
// changed.
func (r *reader) take(isEvent bool, at goalcast.Cursor, body string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastSign = time.Now()
	switch {
	case at.Epoch != r.seen.Epoch:
		return false
	case !isEvent:
		return at.Offset == r.seen.Offset
	case at.Offset == r.seen.Offset+1:
		p := r.deliverLocked(entry{at.Offset, body})
		if ms := p.Event.Times.Published; ms > 0 {
			r.bus.metrics.lag.Observe(max(0, time.Since(time.UnixMilli(ms)).Seconds()))
		}
		return true
	case at.Offset <= r.seen.Offset: // read from the stream before it came here; if it is the same
		return r.samePastLocked(at.Offset, body)
	}
	return false
}

// samePastLocked reports whether a delivered event is still the one at its offset; true where that
// is not known any more.
func (r *reader) samePastLocked(offset uint64, body string) bool {
	if r.seen.Offset-offset >= fingerprintsKept {
		return true
	}
	kept := r.fingerprints[offset%fingerprintsKept]
	return kept == 0 || kept == r.fingerprint(body)
}

func (r *reader) fingerprint(body string) uint64 { return maphash.String(r.seed, body) }

func (r *reader) deliverLocked(e entry) goalcast.Published {
	r.seen.Offset = e.offset
	r.fingerprints[e.offset%fingerprintsKept] = r.fingerprint(e.body)
	p := r.bus.decode(r.seen.Epoch, e)
	r.listener.Event(p)
	return p
}
