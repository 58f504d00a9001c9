package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// A viewer whose television is late may ask for everything some seconds later (delay). It trails in
// the ring: all viewers with one delay are at one place in it, a trail, and a ticker moves each
// trail on and posts what has become due to the shards, which have an index of its followers. A
// viewer itself is a connection like any other; nothing is kept for it. What it begins with are the
// matches as they stood at that place, by their sequence numbers, so that events go on from there
// without a hole. It gets no states: they have no past.

const (
	// trailStep is how often trails are moved on: events come so much later at most, and never
	// earlier.
	trailStep = 200 * time.Millisecond
	// trailSkew is how far the clocks of those that stamp events may be apart.
	trailSkew = 2 * time.Second
	maxDelay  = goalcast.MaxDelay * time.Second
	// maxThens is how many matches as they stood are kept, some 50 kB each.
	maxThens = 200
	// maxLater is how many snapshots that were sent on their own wait in a trail. There are hardly
	// any; of more the oldest are dropped.
	maxLater = 1000
)

// trail is where the viewers with one delay are.
type trail struct {
	delay   time.Duration
	viewers atomic.Int64 // those that are about to join included

	// guarded by Hub.mu
	seq     uint64          // of the newest event that was told, in the hub's count
	cursor  goalcast.Cursor // of the same
	later   []later
	refresh time.Time // when those who were here at a reset get snapshots; zero: nobody waits
	terms   map[goalcast.KindSet]*shard.Terms
}

// later is a match's snapshot that was sent on its own, and when.
type later struct {
	at        time.Time
	introduce shard.Introduce
}

var (
	errDelayedOdds = errors.New("prices are of now: they cannot be followed with a delay")
	// errYoung: what was before the delay is not known here. It will be, at the latest when the
	// delay is over.
	errYoung = fmt.Errorf("%w: this node does not know what was before the delay", goalcast.ErrUnavailable)
)

// leave uncounts a viewer; its trail ends with the last.
func (t *trail) leave() { t.viewers.Add(-1) }

// latest is when something may have happened at the latest that a viewer may know, ms since 1970.
func (t *trail) latest() int64 { return time.Now().Add(trailSkew - t.delay).UnixMilli() }

// toldAt is when an event was told to those who watch live. Of one that came with the bus's history
// its publisher knows.
func toldAt(e *shard.Event) time.Time {
	if p := time.UnixMilli(e.Times.Published); e.Times.Published > 0 && p.Before(e.At) {
		return p
	}
	return e.At
}

// enterTrail counts a viewer in the trail of its delay.
func (h *Hub) enterTrail(v *viewer, s *seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.trails[v.delay]
	if t == nil {
		t = &trail{delay: v.delay, terms: make(map[goalcast.KindSet]*shard.Terms), cursor: h.ring.start()}
		for _, e := range h.ring.events.list {
			if toldAt(e).After(time.Now().Add(-v.delay)) {
				break
			}
			t.seq, t.cursor = e.Seq, e.Cursor
		}
		if h.trails == nil {
			h.trails = make(map[time.Duration]*trail)
		}
		h.trails[v.delay] = t
		h.trailing.Store(int64(len(h.trails)))
		select {
		case h.trailed <- struct{}{}:
		default:
		}
	}
	t.viewers.Add(1)
	v.trail, s.trail = t, t
	v.terms = t.terms[v.kinds]
	if v.terms == nil {
		v.terms = &shard.Terms{Kinds: v.kinds, Delay: v.delay, Left: t.leave}
		t.terms[v.kinds] = v.terms
	}
}

// trailOf is that of a connection, which is counted in it; nil if it watches live.
func (h *Hub) trailOf(c *shard.Conn) *trail {
	if c.Delay() == 0 {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.trails[c.Delay()]
}

// trailLoop moves the trails on while there are any.
func (h *Hub) trailLoop(ctx context.Context) error {
	for {
		select {
		case <-h.trailed:
		case <-ctx.Done():
			return nil
		}
		ticker := time.NewTicker(trailStep)
		for h.trailing.Load() > 0 && ctx.Err() == nil {
			select {
			case <-ticker.C:
				h.moveTrails(time.Now())
			case <-ctx.Done():
			}
		}
		ticker.Stop()
	}
}

func (h *Hub) moveTrails(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.trails {
		if t.viewers.Load() == 0 {
			delete(h.trails, t.delay)
			continue
		}
		if !h.caught {
			continue // of history it is not known yet what was news
		}
		h.moveLocked(t, now.Add(-t.delay))
		if !t.refresh.IsZero() && now.After(t.refresh) && !h.ring.broken {
			t.refresh = time.Time{}
			h.postAll(&shard.TrailReset{Delay: t.delay})
		}
	}
	h.trailing.Store(int64(len(h.trails)))
}

// moveLocked posts what was told up to a time.
func (h *Hub) moveLocked(t *trail, upto time.Time) {
	due := shard.Trailed{Delay: t.delay}
	tell := func() {
		if len(due.Events) > 0 {
			h.postAll(&shard.Trailed{Delay: t.delay, Events: due.Events})
			due.Events = nil
		}
	}
	for _, e := range h.ring.behind(t.seq) {
		at := toldAt(e)
		if at.After(upto) {
			break
		}
		if len(t.later) > 0 && !t.later[0].at.After(at) {
			tell()
			h.introduceLocked(t, at)
		}
		due.Events = append(due.Events, e)
		t.seq, t.cursor = e.Seq, e.Cursor
	}
	tell()
	h.introduceLocked(t, upto)
}

// introduceLocked posts the snapshots that were sent on their own up to a time.
func (h *Hub) introduceLocked(t *trail, upto time.Time) {
	n := 0
	for n < len(t.later) && !t.later[n].at.After(upto) {
		h.postAll(&t.later[n].introduce)
		n++
	}
	t.later = slices.Clone(t.later[n:])
}

// hurryLocked tells the trails of an event that the ring is about to lose, before its time: they
// would never hear of it otherwise.
func (h *Hub) hurryLocked(e *shard.Event) {
	for _, t := range h.trails {
		if t.seq < e.Seq {
			t.seq, t.cursor = e.Seq, e.Cursor
			h.postAll(&shard.Trailed{Delay: t.delay, Events: []*shard.Event{e}})
			h.metrics.hurried.Inc()
		}
	}
}

// resetTrailsLocked has the trails begin at the ring's start, after a reset. Who is here is told
// nothing until the delay is over: then what stood at the reset may be shown.
func (h *Hub) resetTrailsLocked() {
	for _, t := range h.trails {
		t.seq, t.cursor, t.later = h.seq, h.ring.start(), nil
		t.refresh = time.Now().Add(t.delay)
	}
}

// behind gives the events after a place in the hub's count.
func (r *ring) behind(seq uint64) []*shard.Event {
	list := r.events.list
	return list[sort.Search(len(list), func(i int) bool { return list[i].Seq > seq }):]
}

// start is the cursor before the oldest event.
func (r *ring) start() goalcast.Cursor { return goalcast.Cursor{Epoch: r.epoch, Offset: r.first} }

// matchSeq names a match as it stood after one of its revisions. With the epoch it is a key:
// another one begins when the database came back without some revisions.
type matchSeq struct {
	match goalcast.MatchID
	seq   int64
	epoch string
}

// past is a topic's matches as a trail has them.
type past struct {
	topic   goalcast.Topic
	matches []goalcast.Snapshot // as they stand
	then    []matchSeq          // as they stood
}

// pastLocked says how the matches of a topic stood where a trail is; false if the topic is not on
// the board. errYoung: that is not known here.
func (h *Hub) pastLocked(tr *trail, t goalcast.Topic, rights goalcast.Rights) (p past, ok bool, err error) {
	all, ok := h.board.Snaps(t, rights)
	if !ok {
		return past{}, false, nil
	}
	p.topic = t
	latest := tr.latest()
	for _, m := range all {
		seq := m.Seq
		if q := h.ring.topics[goalcast.ForMatch(m.ID)]; q != nil {
			i := sort.Search(len(q.list), func(i int) bool { return q.list[i].Seq > tr.seq })
			for ; i < len(q.list) && q.list[i].Step == 0; i++ { // a message changes no match
			}
			if i < len(q.list) {
				seq = min(seq, q.list[i].Step-1)
			}
		}
		switch {
		case seq <= 0:
			continue // nothing was known of it
		case seq == m.Seq && m.Updated > latest:
			return p, true, errYoung // it happened before what the ring has, or is on its way to it
		}
		p.matches = append(p.matches, m)
		p.then = append(p.then, matchSeq{m.ID, seq, h.ring.epoch})
	}
	return p, true, nil
}

// jsonOf makes the array of a topic's matches as they stood.
func (h *Hub) jsonOf(ctx context.Context, tr *trail, p past) ([]byte, error) {
	list := make([]goalcast.Snapshot, 0, len(p.matches))
	for i, m := range p.matches {
		if p.then[i].seq != m.Seq {
			then, err := h.thens.Get(ctx, p.then[i], func(ctx context.Context) (*goalcast.Snapshot, error) {
				return h.readThen(ctx, p.then[i])
			})
			if err != nil {
				return nil, err
			}
			if m = *then; m.Updated > tr.latest() {
				return nil, errYoung // the ring does not reach back far enough
			}
		}
		list = append(list, h.board.InList(m, p.topic.Kind))
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("snapshot: " + err.Error()) // as in the board: nothing in it can fail
	}
	return text, nil
}

// readThen reads a match as it stood.
func (h *Hub) readThen(ctx context.Context, key matchSeq) (*goalcast.Snapshot, error) {
	if h.cfg.Replay == nil {
		return nil, errYoung
	}
	all, err := h.cfg.Replay(ctx, key.match, maxReplayEvents)
	if err != nil {
		return nil, err
	}
	var m goalcast.Snapshot
	for _, rev := range all {
		if rev.Event.Seq > key.seq {
			break
		}
		if rev.Event.Seq > 0 {
			m.Take(rev.Event)
		}
	}
	if m.Seq != key.seq {
		return nil, fmt.Errorf("%w: revision %d of match %d is not there", goalcast.ErrUnavailable, key.seq, key.match)
	}
	return &m, nil
}

// withPast is withSnapshots for who trails.
func (h *Hub) withPast(ctx context.Context, tr *trail, topics []goalcast.Topic, rights goalcast.Rights,
	post func(shard.Start) bool) error {
	for range 5 {
		if err := h.board.Load(ctx, topics); err != nil {
			return err
		}
		h.mu.RLock()
		plan, ok, err := h.planLocked(tr, topics, rights)
		h.mu.RUnlock()
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		texts := make([][]byte, len(plan))
		for i, p := range plan {
			if texts[i], err = h.jsonOf(ctx, tr, p); err != nil {
				return err
			}
		}
		h.mu.RLock()
		again, ok, err := h.planLocked(tr, topics, rights)
		ok = ok && err == nil && slices.EqualFunc(plan, again, func(a, b past) bool {
			return slices.Equal(a.then, b.then)
		})
		posted := ok && post(h.startLocked(tr, plan, texts))
		h.mu.RUnlock()
		switch {
		case posted:
			return nil
		case ok:
			return errNotRunning
		}
	}
	return errBusy
}

// havePast says whether a viewer can be given the snapshots that it needs: before its handshake is
// answered, so that it may be told otherwise.
func (h *Hub) havePast(ctx context.Context, v *viewer) error {
	h.mu.RLock()
	plan, ok, err := h.planLocked(v.trail, v.topics, v.rights)
	h.mu.RUnlock()
	if err != nil || !ok {
		return err
	}
	for _, p := range plan {
		if _, err := h.jsonOf(ctx, v.trail, p); err != nil {
			return err
		}
	}
	return nil
}

func (h *Hub) planLocked(tr *trail, topics []goalcast.Topic, rights goalcast.Rights) (plan []past, ok bool, err error) {
	for _, t := range topics {
		p, ok, err := h.pastLocked(tr, t, rights)
		if !ok || err != nil {
			return nil, ok, err
		}
		plan = append(plan, p)
	}
	return plan, true, nil
}

// startLocked makes of a topic's matches what a viewer begins with where a trail is.
func (h *Hub) startLocked(tr *trail, plan []past, texts [][]byte) shard.Start {
	start := shard.Start{Cursor: tr.cursor, Seq: tr.seq}
	told := h.toldOf(tr)
	for i, p := range plan {
		text := texts[i]
		start.Frames = append(start.Frames, &frame.Message{Kind: goalcast.FrameSnapshot, Class: frame.ClassSnapshot,
			Text: func() []byte { return snapshotText(p.topic, told.String(), text, nil) }})
	}
	if !told.IsZero() {
		start.Frames = append(start.Frames, mark(told))
	}
	return start
}

// toldOf is told for who is in a trail; nil is who watches live.
func (h *Hub) toldOf(tr *trail) goalcast.Cursor {
	if tr == nil || h.ring.broken {
		return h.told()
	}
	return tr.cursor
}

// trailing is what a viewer who comes back to a trail missed, and which event it has seen last:
// one that is still to come to the trail, for who had a shorter delay before.
func (r *ring) trailed(missed []*shard.Event, since goalcast.Cursor, tr *trail) (due []*shard.Event, seen uint64) {
	for i, e := range missed {
		if e.Seq > tr.seq {
			missed = missed[:i]
			break
		}
	}
	list := r.events.list
	i := sort.Search(len(list), func(i int) bool { return list[i].Cursor.Offset > since.Offset })
	if i > 0 && list[i-1].Seq > tr.seq {
		seen = list[i-1].Seq
	}
	return missed, seen
}

// Rejoin brings connections that trail the snapshots of all that they follow, after a reset; part
// of shard.Door.
func (h *Hub) Rejoin(to *shard.Shard, list []shard.Rejoining) {
	h.working.Go(func() {
		for _, r := range list {
			h.rejoin(to, r)
		}
	})
}

func (h *Hub) rejoin(to *shard.Shard, r shard.Rejoining) {
	tr := h.trailOf(r.Conn)
	if tr == nil {
		return // it has gone
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.JoinTimeout)
	defer cancel()
	err := h.withPast(ctx, tr, r.Topics, r.Rights, func(start shard.Start) bool {
		start.Frames = append([]*frame.Message{resetMessage(h.resetFor)}, start.Frames...)
		return to.Post(&shard.Rejoined{Conn: r.Conn, Topics: len(r.Topics), Start: start})
	})
	if err != nil {
		h.log.Warn("refresh of a delayed viewer after a reset", "error", err)
		to.Post(&shard.Rejoined{Conn: r.Conn}) // it is sent away
	}
}
