package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
)

// Hub sends what comes over the bus to the viewers of this process. It is the bus's goalcast.Listener and the handler of GET /v1/live.
type Hub struct {
	cfg      Config
	board    *Board
	log      *slog.Logger
	metrics  *metrics
	limits   *limits
	states   *states
	deflater *deflater // nil: permessage-deflate is off
	interest interest
	shards   []*shard

	running  atomic.Bool
	draining atomic.Bool
	next     atomic.Uint32  // shard of the next connection
	working  sync.WaitGroup // goroutines that prepare subscriptions or end portable connections
	refreshs chan struct{}  // holds one token: a reset waits to be told to viewers

	// mu is the order of things: under it an event gets its place in the ring, on the board and in every inbox, and a join, with mu held
	// for reading, its snapshots or replay and its place in one inbox.
	mu       sync.RWMutex
	ring     ring
	seq      uint64
	heard    bool // something has come over the bus
	stale    bool
	resetAt  goalcast.Cursor // of the last reset
	resetFor string          // why
}

// New makes a hub. It takes no connections before Run. The bus may be nil, then there are no odds.
func New(cfg Config, board *Board, bus Bus, log *slog.Logger, reg prometheus.Registerer) *Hub {
	cfg = cfg.withDefaults()
	h := &Hub{
		cfg: cfg, board: board, log: log,
		limits:   newLimits(cfg),
		interest: interest{count: make(map[goalcast.Topic]int)},
		states:   &states{bus: bus, cfg: cfg, log: log, tables: make(map[goalcast.Topic]*tableEntry)},
		ring:     ring{maxEvents: cfg.Ring, maxBytes: cfg.RingBytes},
		refreshs: make(chan struct{}, 1),
	}
	if !cfg.NoDeflate {
		h.deflater = newDeflater(cfg.DeflateMin)
		h.deflater.earlier = h.earlier
		h.states.deflater, board.deflater = h.deflater, h.deflater
	}
	h.ring.restart(goalcast.Cursor{})
	for i := range cfg.Shards {
		h.shards = append(h.shards, newShard(h, i))
	}
	h.metrics = newMetrics(h, reg)
	return h
}

// Run serves connections until the context ends, then drops those that are left; Drain first. It returns when all has ended. A hub runs once.
func (h *Hub) Run(ctx context.Context) error {
	for i, s := range h.shards {
		p, err := newPoller()
		if err != nil {
			for _, s := range h.shards[:i] {
				s.poller.discard()
			}
			return err
		}
		s.poller = p
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range h.shards {
		g.Go(s.poller.run)
		g.Go(func() error {
			s.run(ctx.Done())
			s.poller.close()
			return nil
		})
	}
	g.Go(func() error { return h.housekeep(ctx) })
	g.Go(func() error { return h.refreshLoop(ctx) })
	h.running.Store(true)
	<-ctx.Done()
	h.running.Store(false)
	err := g.Wait()
	h.working.Wait()
	h.states.wait.Wait()
	return err
}

// housekeep ends what nobody needs any more.
func (h *Hub) housekeep(ctx context.Context) error {
	ticker := time.NewTicker(min(time.Second, h.cfg.FollowLinger))
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			h.states.sweep(now)
		case <-ctx.Done():
			return nil
		}
	}
}

// Reasons why the hub is not ready.
var (
	errNotRunning  = errors.New("hub does not run")
	errDraining    = errors.New("hub is draining")
	errSilent      = errors.New("nothing was heard of the bus yet")
	errStale       = errors.New("the bus is silent")
	errUnavailable = errors.New("not available now, try again")
)

// Ready returns nil if viewers should be sent here, or why not.
func (h *Hub) Ready() error {
	switch {
	case !h.running.Load():
		return errNotRunning
	case h.draining.Load():
		return errDraining
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	switch {
	case !h.heard:
		return errSilent
	case h.stale:
		return errStale
	}
	return nil
}

// Event sends an event to those who follow one of its topics; part of goalcast.Listener.
func (h *Hub) Event(p goalcast.Published) {
	now := time.Now()
	m := newEvent(p, 0, now, h.deflater)
	m.shards.Store(int32(len(h.shards)))
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Cursor.Epoch == h.ring.epoch && p.Cursor.Offset <= h.ring.last && h.heard {
		return // told twice
	}
	if !h.heard || p.Cursor.Epoch != h.ring.epoch || p.Cursor.Offset != h.ring.last+1 {
		h.resetLocked(goalcast.Cursor{Epoch: p.Cursor.Epoch, Offset: p.Cursor.Offset - 1})
	}
	h.seq++
	m.seq = h.seq
	h.ring.add(m)
	h.board.Event(p)
	h.postAll(op{kind: opEvent, msg: m})
}

// State gives a new value to those who follow its topic; part of goalcast.Listener.
func (h *Hub) State(st goalcast.State) {
	table := h.states.set(st, time.Now())
	if table == nil {
		return
	}
	for i, s := range h.shards {
		if !table.hinted[i].Swap(true) {
			s.inbox.post(op{kind: opState, arg: table})
		}
	}
}

// Stale tells viewers that nothing new can be known, or can be again; part of goalcast.Listener.
func (h *Hub) Stale(stale bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stale == stale && h.heard {
		return
	}
	h.stale = stale
	if h.heard || stale {
		h.postAll(op{kind: opStale, msg: staleMessage(stale), arg: stale})
	}
}

func staleMessage(stale bool) *message {
	return newFrame(classControl, goalcast.Frame{Type: goalcast.FrameStale, Stale: &stale})
}

// Reset forgets what was derived from events and has all viewers told; part of goalcast.Listener.
func (h *Hub) Reset(c goalcast.Cursor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.resetLocked(c)
}

func (h *Hub) resetLocked(c goalcast.Cursor) {
	if !h.heard {
		h.heard = true
		if !h.stale {
			h.postAll(op{kind: opStale, msg: staleMessage(false), arg: false}) // to those who came before the bus did
		}
	}
	h.resetFor = lostEvents
	if c.Epoch != h.ring.epoch {
		h.resetFor = otherEpoch
	}
	h.resetAt = c
	h.ring.restart(c)
	h.board.Reset(c)
	if h.interest.empty() {
		return // nobody to be told
	}
	h.ring.broken = true
	h.postAll(op{kind: opReset, arg: c})
	select {
	case h.refreshs <- struct{}{}:
	default:
	}
}

// postAll puts an op into every inbox.
func (h *Hub) postAll(o op) {
	for _, s := range h.shards {
		s.inbox.post(o)
	}
}

// Drain says goodbye to all viewers, spread over the time until the context's deadline, or over DrainTime. New ones are refused from
// now on. It returns when none is left or the context ends; then Run's context may be ended.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	span := h.cfg.DrainTime
	if deadline, ok := ctx.Deadline(); ok {
		span = min(span, time.Until(deadline)*8/10) // the rest is for the last ones to go
	}
	h.postAll(op{kind: opDrain, arg: max(span, time.Millisecond)})
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for h.limits.connections() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("drain: %d viewers left: %w", h.limits.connections(), ctx.Err())
		}
	}
	return nil
}
