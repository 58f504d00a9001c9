package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/hub/board"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
	"goalcast/hub/limits"
	"goalcast/hub/shard"
	"goalcast/internal/cache"
	"goalcast/internal/eventlog"
)

// Hub sends what comes over the bus to the viewers of this process. It is the bus's
// goalcast.Listener and the handler of GET /v1/live.
type Hub struct {
	cfg      Config
	board    *board.Board
	log      *slog.Logger
	metrics  *metrics
	holders  holders
	terms    terms
	thens    *cache.Cache[matchSeq, *goalcast.Snapshot] // matches as they stood a moment ago
	trailing atomic.Int64                               // trails
	trailed  chan struct{}                              // holds one token: there is a first trail
	joined   atomic.Int64                               // viewers so far
	limits   *limits.Limits
	follow   *follow.Registry
	deflater *frame.Deflater // nil: permessage-deflate is off
	shards   []*shard.Shard

	running  atomic.Bool
	draining atomic.Bool
	ended    atomic.Bool    // Run has returned, or is about to
	next     atomic.Uint32  // shard of the next connection
	working  sync.WaitGroup // goroutines that prepare subscriptions or end portable connections
	refreshs chan struct{}  // holds one token: a reset waits to be told to viewers
	replays  atomic.Int64   // that are under way
	acks     chan ack       // that are to be handed on
	reading  chan struct{}  // one in it per match that is read to be played again
	waiting  atomic.Int64   // topics whose viewers wait for a refresh; of the refresh under way

	// mu is the order of things: under it an event gets its place in the ring, on the board and in
	// every inbox, and a join, with mu held for reading, its snapshots or replay and its place in
	// one inbox.
	mu       sync.RWMutex
	ring     ring
	seq      uint64
	heard    bool // something has come over the bus
	caught   bool // all that the bus had when the hub came to it, or was reset, is in the ring
	lived    bool // was caught once
	stale    bool
	turn     chan struct{}   // closed, and another made, when caught or stale becomes true
	resets   uint64          // counts resets
	resetAt  goalcast.Cursor // of the last reset
	resetFor goalcast.Reason // why
	// Cursors above resetAt and up to unsettled are not taken, see settleTime. Until settles that
	// is all of them.
	unsettled uint64
	settles   time.Time
	parked    []parked      // events that wait for the match of the first; see park.go
	unpark    chan struct{} // holds one token while there are any
	trails    map[time.Duration]*trail
}

// New makes a hub. It takes no connections before Run. The bus may be nil, then there are no
// states.
func New(cfg Config, b *board.Board, bus follow.Bus, log *slog.Logger, reg prometheus.Registerer) *Hub {
	cfg = cfg.WithDefaults()
	h := &Hub{
		cfg: cfg, board: b, log: log,
		limits: limits.New(limits.Config{
			Conns: cfg.MaxConns, ConnsPerAddress: cfg.MaxConnsPerIP, Rate: cfg.HandshakeRate, Burst: cfg.HandshakeMax}),
		ring:     ring{maxEvents: cfg.Ring, maxBytes: cfg.RingBytes},
		refreshs: make(chan struct{}, 1), trailed: make(chan struct{}, 1),
		reading: make(chan struct{}, replayReads),
		turn:    make(chan struct{}),
		unpark:  make(chan struct{}, 1),
		acks:    make(chan ack, ackQueue),
	}
	h.ring.gone = h.hurryLocked
	h.thens = cache.New[matchSeq, *goalcast.Snapshot](cache.Options{Size: maxThens, Age: maxDelay + time.Minute,
		Timeout: cfg.JoinTimeout, Slots: h.reading, Now: time.Now})
	b.OnMended(h.introduce)
	if !cfg.NoDeflate {
		h.deflater = frame.NewDeflater(cfg.DeflateMin)
		h.deflater.Earlier = h.earlier
	}
	h.follow = follow.New(bus, follow.Config{
		Need: func(t goalcast.Topic) goalcast.Rights {
			need, ok := b.Private().Topic(t)
			if !ok {
				return goalcast.RightOfNobody // until it is known whose match it is
			}
			return need
		},
		Shards: cfg.Shards, MaxStates: cfg.MaxStates, Linger: cfg.FollowLinger, Timeout: cfg.JoinTimeout,
		Deflater: h.deflater, Changed: h.statesChanged, Gate: h.gateChanged, Lacks: b.Lacks}, log)
	h.ring.restart(goalcast.Cursor{})
	for i := range cfg.Shards {
		h.shards = append(h.shards, shard.New(i, cfg.shard(), h, log))
	}
	h.metrics = newMetrics(h, reg)
	return h
}

// Run serves connections until the context ends, then drops those that are left; Drain first. It
// returns when all has ended. A hub runs once.
func (h *Hub) Run(ctx context.Context) error {
	for i, s := range h.shards {
		if err := s.Open(); err != nil {
			for _, s := range h.shards[:i] {
				s.Discard()
			}
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range h.shards {
		g.Go(func() error { return s.Run(ctx.Done()) })
	}
	g.Go(func() error { return h.housekeep(ctx) })
	g.Go(func() error { return h.watchGates(ctx) })
	g.Go(func() error { return h.watchRevoked(ctx) })
	g.Go(func() error { return h.ackLoop(ctx) })
	g.Go(func() error { return h.refreshLoop(ctx) })
	g.Go(func() error { return h.unparkLoop(ctx) })
	g.Go(func() error { return h.trailLoop(ctx) })
	h.running.Store(true)
	<-ctx.Done()
	h.ended.Store(true)
	h.running.Store(false)
	err := g.Wait()
	h.working.Wait()
	h.follow.Wait()
	return err
}

// housekeep ends what nobody needs any more.
func (h *Hub) housekeep(ctx context.Context) error {
	ticker := time.NewTicker(min(time.Second, h.cfg.FollowLinger))
	defer ticker.Stop()
	var s storms
	for {
		select {
		case now := <-ticker.C:
			h.follow.Sweep(now)
			h.settle(now)
			h.collectStorms(&s, now)
		case <-ctx.Done():
			return nil
		}
	}
}

// gateLook is how often gates are looked at: so much longer than its time to live a price may be
// seen.
const gateLook = 250 * time.Millisecond

// watchGates shuts the gates of prices that nobody vouches for any more.
func (h *Hub) watchGates(ctx context.Context) error {
	ticker := time.NewTicker(gateLook)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			h.follow.Watch(now)
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
	errHistory     = errors.New("the bus's history is being read")
	errStale       = errors.New("the bus is silent")
	errRefreshing  = errors.New("the bus lost events: what viewers follow is being read again")
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
	case !h.caught:
		return errHistory
	case h.ring.broken:
		return errRefreshing
	}
	return nil
}

// freshFor is how long ago an event may have been put on the bus for viewers to be sent it while
// the hub, reset in mid-stream, reads what the bus has. Older ones are history, which the refresh
// brings.
const freshFor = time.Minute

// Event sends an event to those who follow one of its topics; part of goalcast.Listener.
func (h *Hub) Event(p goalcast.Published) {
	e := shard.NewEvent(p, 0, time.Now(), h.deflater, len(h.shards))
	h.timed(e, &p.Event)
	e.Need = h.board.Private().Event(&p.Event)
	h.follow.Event(&p.Event, e.At)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.parkLocked(p, e) {
		h.deliverLocked(p, e)
	}
}

// deliverLocked gives an event its place in the ring, on the board and in every inbox.
func (h *Hub) deliverLocked(p goalcast.Published, e *shard.Event) {
	if p.Cursor.Epoch == h.ring.epoch && p.Cursor.Offset <= h.ring.last && h.heard {
		return // told twice
	}
	if !h.heard || p.Cursor.Epoch != h.ring.epoch || p.Cursor.Offset != h.ring.last+1 {
		h.resetLocked(goalcast.Cursor{Epoch: p.Cursor.Epoch, Offset: p.Cursor.Offset - 1})
		h.refreshLocked() // the bus knows nothing of it: no history follows
	}
	h.seq++
	e.Seq = h.seq
	moved := h.tellNeedLocked(&p.Event, e.Need)
	in, unsure := h.board.Apply(p, e.Seq)
	e.Intro, e.Unsure = h.newIntro(in), unsure
	h.ring.add(e)
	if !h.caught && (!h.lived || e.At.Sub(time.UnixMilli(p.Event.Times.Published)) >= freshFor) {
		return
	}
	if h.ring.broken {
		e = e.WithoutCursor(p)
	}
	h.postAll(e)
	eventlog.Step(context.Background(), h.log, slog.LevelDebug, "event to viewers", &p.Event)
	if moved {
		h.sendIntroLocked(p.Event.Match, p.Event.Topics)
	}
}

// State gives a new value to those who follow its topic; part of goalcast.Listener.
func (h *Hub) State(st goalcast.State) {
	h.follow.Set(st, time.Now())
}

// Reread brings all values of a topic as they were read; part of goalcast.Listener.
func (h *Hub) Reread(t goalcast.Topic, all []goalcast.State) { h.follow.Replace(t, all, time.Now()) }

// gateChanged gives the shards a gate to tell viewers.
func (h *Hub) gateChanged(table *follow.Table, change *follow.GateChange) {
	h.postAll(&shard.Gate{Table: table, GateChange: change})
}

// statesChanged tells the shards that a table has news.
func (h *Hub) statesChanged(table *follow.Table) {
	for _, s := range h.shards {
		s.StatesChanged(table)
	}
}

// Stale tells viewers that nothing new can be known, or can be again; part of goalcast.Listener.
// After a Reset it also says, with false, that what came since is all the history that there is.
func (h *Hub) Stale(stale bool) {
	h.board.Stale(stale)
	h.follow.Silence(stale, time.Now())
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.stale != stale
	h.stale = stale
	if changed {
		h.postAll(&shard.Stale{Message: frame.Stale(stale), Silent: stale})
	}
	switch {
	case stale:
		h.turnLocked()
	case h.heard && !h.caught:
		h.caught, h.lived = true, true
		h.refreshLocked()
		h.turnLocked()
	}
}

// turnLocked wakes those who wait for the history, or for the news that there will be none.
func (h *Hub) turnLocked() {
	close(h.turn)
	h.turn = make(chan struct{})
}

// awaitHistory waits until the hub has read what the bus has: before that it would take the cursors
// of those who missed nothing for unknown, and history for news. While the bus is silent it does
// not wait. ErrUnavailable: not until ctx ended.
func (h *Hub) awaitHistory(ctx context.Context) error {
	for {
		h.mu.RLock()
		ready, turn := h.caught || h.stale, h.turn
		h.mu.RUnlock()
		if ready {
			return nil
		}
		select {
		case <-turn:
		case <-ctx.Done():
			return fmt.Errorf("%w: history of the bus: %w", goalcast.ErrUnavailable, ctx.Err())
		}
	}
}

// Reset forgets what was derived from events. Viewers are refreshed when the bus's history is read;
// part of goalcast.Listener.
func (h *Hub) Reset(c goalcast.Cursor) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parked = nil // what is read after the reset has them
	h.resetLocked(c)
	h.caught = false
}

// resetLocked begins a stream: no cursor is handed out from here on, until refreshLocked finds
// nobody to be refreshed, or all are refreshed.
func (h *Hub) resetLocked(c goalcast.Cursor) {
	h.heard = true
	h.resetFor = goalcast.ResetGap
	if c.Epoch != h.ring.epoch {
		h.resetFor = goalcast.ResetEpoch
	}
	h.resets++
	h.resetAt = c
	h.ring.restart(c)
	h.resetTrailsLocked()
	h.unsettled = 0
	if h.lived {
		h.unsettled, h.settles = math.MaxUint64, time.Now().Add(settleTime)
	}
	h.board.Reset(c)
	h.ring.broken = true
	h.postAll(&shard.Outdated{Cursor: c})
}

// refreshLocked has all viewers refreshed, if there are any.
func (h *Hub) refreshLocked() {
	if h.follow.Nobody() {
		h.ring.broken = false
		h.postRefresh(&shard.Refresh{Last: true, Cursor: h.told()})
		return
	}
	select {
	case h.refreshs <- struct{}{}:
	default:
	}
}

// told is the cursor that may be handed out now: none while viewers wait for a refresh. Any node
// may be asked to go on from a cursor, and only who has all that it stands for may have it.
func (h *Hub) told() goalcast.Cursor {
	if h.ring.broken {
		return goalcast.Cursor{}
	}
	return h.ring.cursor()
}

// settleTime is how long after a reset in mid-stream the cursors of events that come in that time
// are not to be trusted: not then, and never. Nodes hand none out before they have refreshed their
// viewers; but an older version does, and not all notice the loss at the same moment. Long polls
// are left out: their answers have a cursor of their own, which was always right, and they would be
// told the same again and again.
const settleTime = 3 * time.Second

// outcome says how a viewer's request to resume ends.
func (h *Hub) outcome(v *viewer) goalcast.Reason {
	switch {
	case v.bad != "":
		return v.bad
	case v.transport != shard.Poll && v.since.Epoch == h.ring.epoch &&
		v.since.Offset > h.resetAt.Offset && v.since.Offset <= h.unsettled:
		return goalcast.ResetRefresh
	}
	return h.ring.outcome(v.since, v.topics, h.cfg.MaxReplay)
}

// settle ends that time.
func (h *Hub) settle(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unsettled == math.MaxUint64 && now.After(h.settles) {
		h.unsettled = h.ring.last
	}
}

// postAll puts an op into every inbox.
func (h *Hub) postAll(o shard.Op) {
	for _, s := range h.shards {
		s.Post(o)
	}
}

// Drain says goodbye to all viewers, spread over the time until the context's deadline, or over
// DrainTime. New ones are refused from now on. It returns when none is left or the context ends;
// then Run's context may be ended.
func (h *Hub) Drain(ctx context.Context) error {
	h.draining.Store(true)
	span := h.cfg.DrainTime
	if deadline, ok := ctx.Deadline(); ok {
		span = min(span, time.Until(deadline)*8/10) // the rest is for the last ones to go
	}
	h.postAll(&shard.Drain{Span: max(span, time.Millisecond)})
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for h.limits.Connections() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("drain: %d viewers left: %w", h.limits.Connections(), ctx.Err())
		}
	}
	return nil
}
