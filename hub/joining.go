package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"goalcast"
	"goalcast/hub/board"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// nextShard is that of the next connection.
func (h *Hub) nextShard() *shard.Shard { return h.shards[h.next.Add(1)%uint32(len(h.shards))] }

// madeUpPause is how long the refusal of made-up topics takes: who asks again at once would
// otherwise cost more than before.
const madeUpPause = time.Second

// prepare does what may take time before a viewer joins: its topics are claimed for its seat,
// matches read.
func (h *Hub) prepare(ctx context.Context, v *viewer, s *seat) *refusal {
	ctx, cancel := context.WithTimeout(board.ForAddress(ctx, v.ip), h.cfg.JoinTimeout)
	defer cancel()
	if no := h.admitTopics(ctx, v); no != nil {
		return no
	}
	if v.replay != nil {
		return h.prepareReplay(ctx, v, s)
	}
	err := h.awaitHistory(ctx)
	if err == nil && v.delay > 0 {
		h.enterTrail(v, s)
	}
	if err == nil {
		s.claim, err = h.follow.Follow(ctx, v.topics)
	}
	if err == nil {
		err = h.learn(ctx, v.topics)
	}
	if err == nil {
		err = h.awaitReading(ctx, v)
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, context.Canceled) {
		h.log.Warn("join", "error", err)
	}
	return unavailable()
}

// admitTopics refuses, after a pause, who asks for too much that does not exist.
func (h *Hub) admitTopics(ctx context.Context, v *viewer) *refusal {
	if h.board.Admit(ctx, v.topics) {
		return nil
	}
	select {
	case <-time.After(madeUpPause):
	case <-ctx.Done():
	}
	return tooMany("made_up_topics")
}

// awaitReading has the snapshots read that the viewer will need; none if its cursor can be resumed
// from.
func (h *Hub) awaitReading(ctx context.Context, v *viewer) error {
	if v.resume && v.bad == "" {
		h.awaitCursor(ctx, v.since)
		h.mu.RLock()
		outcome := h.outcome(v)
		h.mu.RUnlock()
		if outcome == resumed && !h.seesPrivate(v.rights) {
			h.readUnsure(ctx, v)
			return nil
		}
		if outcome == resumed {
			h.readUnsure(ctx, v)
		}
	}
	if err := h.board.Load(ctx, v.topics); err != nil {
		return err
	}
	if v.trail != nil {
		return h.havePast(ctx, v)
	}
	h.board.Encode(v.topics, v.rights)
	return nil
}

// awaitCursor waits a moment for a cursor of another node that has heard more than this one.
func (h *Hub) awaitCursor(ctx context.Context, c goalcast.Cursor) {
	const moment, step, far = 300 * time.Millisecond, 10 * time.Millisecond, 10_000
	for begin := time.Now(); time.Since(begin) < moment && ctx.Err() == nil; time.Sleep(step) {
		h.mu.RLock()
		epoch, last := h.ring.epoch, h.ring.last
		h.mu.RUnlock()
		if c.Epoch != epoch || c.Offset <= last || c.Offset > last+far {
			return
		}
	}
}

// attach posts the connection to its shard, with what it begins with, and hands the seat over with
// it.
func (h *Hub) attach(ctx context.Context, to *shard.Shard, c *shard.Conn, v *viewer, s *seat, input []byte) error {
	err := h.join(ctx, to, c, v, s, input)
	if err == nil {
		h.joined.Add(1)
		h.hold(to, c, v)
	}
	return err
}

func (h *Hub) join(ctx context.Context, to *shard.Shard, c *shard.Conn, v *viewer, s *seat, input []byte) error {
	ctx, cancel := context.WithTimeout(board.ForAddress(ctx, v.ip), h.cfg.JoinTimeout)
	defer cancel()
	if v.replay != nil {
		return h.joinReplay(to, c, v, s, input)
	}
	if v.resume {
		if done, err := h.attachResumed(to, c, v, s, input); done || err != nil {
			return err
		}
	}
	return h.withSnapshots(ctx, v.trail, v.topics, v.rights, c.Encoding(), func(start shard.Start) bool {
		var first []*frame.Message
		first = append(first, h.hello(v, h.toldOf(v.trail)))
		if v.resume {
			outcome := h.outcome(v)
			if outcome == resumed {
				outcome = goalcast.ResetTooOld // it became possible just now; the snapshots are there
			}
			h.metrics.resumes.WithLabelValues(string(outcome)).Inc()
			first = append(first, resetMessage(outcome))
		}
		if h.stale {
			first = append(first, frame.Stale(true))
		}
		start.Frames = append(first, start.Frames...)
		return s.join(to, &shard.Join{Conn: c, Input: input, Phone: h.phoneOf(v), Start: start})
	})
}

// attachResumed posts the connection with a replay from the ring; false if its cursor cannot be
// resumed from.
func (h *Hub) attachResumed(to *shard.Shard, c *shard.Conn, v *viewer, s *seat, input []byte) (bool, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.outcome(v) != resumed || v.trail != nil && h.seesPrivate(v.rights) {
		return false, nil // of now is what else a private competition's viewers would be sent
	}
	seen := h.seen(v.topics, v.rights)
	missed, _ := h.ring.since(v.since, seen, h.cfg.MaxReplay)
	start := shard.Start{Cursor: h.ring.cursor(), Seq: h.seq}
	if v.trail != nil {
		start.Cursor, start.Seq = v.trail.cursor, v.trail.seq
		missed, start.Seen = h.ring.trailed(missed, v.since, v.trail)
	}
	if v.transport != shard.Poll {
		start.Frames = append(start.Frames, h.hello(v, v.since))
		if h.stale {
			start.Frames = append(start.Frames, frame.Stale(true))
		}
		if h.seesPrivate(v.rights) {
			frames, ok := h.privateSnapshots(seen, v.rights)
			if !ok {
				return false, nil
			}
			start.Frames = append(start.Frames, frames...)
		}
	}
	start.Frames = append(start.Frames, h.withIntros(missed, seen, v)...)
	for _, t := range v.topics { // states are not replayed: all their newest values are sent
		if v.transport != shard.Poll && h.follow.Table(t) != nil {
			if start.Marks == nil {
				start.Marks = make(map[goalcast.Topic]uint64)
			}
			start.Marks[t] = 0
		}
	}
	if !s.join(to, &shard.Join{Conn: c, Input: input, Phone: h.phoneOf(v), Start: start}) {
		return false, errNotRunning
	}
	h.metrics.resumes.WithLabelValues(string(resumed)).Inc()
	return true, nil
}

// withSnapshots calls post, under the lock that orders all, with the snapshots of topics, as of
// where the viewer's trail is if it has one; it reads what is missing before.
func (h *Hub) withSnapshots(ctx context.Context, tr *trail, topics []goalcast.Topic, rights goalcast.Rights,
	e frame.Encoding, post func(shard.Start) bool) error {
	if tr != nil {
		return h.withPast(ctx, tr, topics, rights, post)
	}
	for range 5 {
		if err := h.board.Load(ctx, topics); err != nil {
			return err
		}
		h.board.Encode(topics, rights)
		if e.Compressed() {
			h.squeeze(topics, rights)
		}
		h.mu.RLock()
		start, ok := h.snapshotsLocked(topics, rights)
		posted := ok && post(start)
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

// squeeze compresses the snapshots of topics here rather than in the shard. They are those that
// will be sent unless an event comes first.
func (h *Hub) squeeze(topics []goalcast.Topic, rights goalcast.Rights) {
	for _, t := range topics {
		if t.Kind.StatesOnly() {
			continue // made for each viewer, and short
		}
		h.mu.RLock()
		m, ok := h.frameOf(t, rights)
		h.mu.RUnlock()
		if ok {
			m.Bytes(frame.Deflate)
		}
	}
}

// snapshotsLocked collects the snapshots of topics as of now for somebody with such rights; false
// if one is not on the board.
func (h *Hub) snapshotsLocked(topics []goalcast.Topic, rights goalcast.Rights) (shard.Start, bool) {
	start := shard.Start{Cursor: h.ring.cursor(), Seq: h.seq, Frames: make([]*frame.Message, 0, len(topics)+4)}
	for _, t := range topics {
		if table := h.follow.Table(t); table != nil {
			if start.Marks == nil {
				start.Marks = make(map[goalcast.Topic]uint64)
			}
			_, start.Marks[t] = table.Snapshot()
		}
		m, ok := h.frameOf(t, rights)
		if !ok {
			return shard.Start{}, false
		}
		start.Frames = append(start.Frames, m)
	}
	if told := h.told(); !told.IsZero() {
		start.Frames = append(start.Frames, mark(told))
	}
	return start, true
}

// mark goes behind snapshots. Only now has the viewer all that the cursor stands for: an id without
// data, which an EventSource remembers and does not show.
func mark(c goalcast.Cursor) *frame.Message {
	return frame.Fixed("mark", nil, []byte("id: "+c.String()+"\n\n"))
}

// hello is a connection's first frame. Its cursor is where the frames behind it go on from. A
// browser that follows an event stream learns how long to wait before it comes back should the
// stream break: each another time, since all would come at once after a node's death otherwise.
func (h *Hub) hello(v *viewer, c goalcast.Cursor) *frame.Message {
	f := goalcast.Frame{Type: goalcast.FrameHello, Version: goalcast.WireVersion, Topics: v.topics,
		Ping: h.cfg.PingInterval.Milliseconds(), Time: time.Now().UnixMilli(),
		ConflateMs: v.conflate.Milliseconds(), Expires: millis(v.until)}
	if slices.ContainsFunc(v.topics, func(t goalcast.Topic) bool { return t.Kind.StatesOnly() }) {
		f.OddsBeat = follow.GateBeat.Milliseconds()
	}
	f.Kinds, f.DelayS = v.kinds.List(), int(v.delay.Seconds())
	if v.replay != nil {
		f.Speed = v.replay.speed
	}
	f.Ack = h.phoneOf(v).Device != ""
	if !c.IsZero() {
		f.Cursor = &c
	}
	m := frame.Of(frame.ClassControl, f)
	if v.transport == shard.SSE {
		m.Retry((500*time.Millisecond + rand.N(h.cfg.RetrySpread/2+1)).Milliseconds())
	}
	return m
}

// Subscribe prepares a later subscription of a connection: it is part of shard.Door.
func (h *Hub) Subscribe(to *shard.Shard, c *shard.Conn, topics []goalcast.Topic, id string) {
	rights := c.Rights()
	h.working.Go(func() { h.subscribe(to, c, rights, topics, id) })
}

// subscribe brings the snapshots of topics and posts them, with the subscription, to the
// connection's shard.
func (h *Hub) subscribe(to *shard.Shard, c *shard.Conn, rights goalcast.Rights, topics []goalcast.Topic, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), h.cfg.JoinTimeout)
	defer cancel()
	refuse := func(code goalcast.Code, text string) {
		m := frame.Of(frame.ClassControl, goalcast.Frame{Type: goalcast.FrameError, ID: id, Code: code, Error: text})
		to.Post(&shard.Subscribed{Conn: c, Start: shard.Start{Frames: []*frame.Message{m}}})
	}
	if err := h.may(topics, rights, c.Delay()); err != nil {
		refuse(goalcast.CodeForbidden, err.Error())
		return
	}
	var s seat
	defer s.leave()
	var err error
	if s.claim, err = h.follow.Follow(ctx, topics); err == nil {
		err = h.learn(ctx, topics)
	}
	if err == nil {
		err = h.withSnapshots(ctx, h.trailOf(c), topics, rights, c.Encoding(), func(start shard.Start) bool {
			return s.subscribe(to, &shard.Subscribed{Conn: c, Start: start})
		})
	}
	if err != nil {
		h.log.Warn("subscribe", "error", err)
		refuse(goalcast.CodeUnavailable, errUnavailable.Error())
	}
}

// Written is part of shard.Door.
func (h *Hub) Written(e *shard.Event) {
	now := time.Now()
	h.metrics.written(e, now)
	h.noteFanOut(e, now)
}

// StatesWritten is part of shard.Door.
func (h *Hub) StatesWritten(oldest time.Time) {
	h.metrics.stateWrite.Observe(time.Since(oldest).Seconds())
}

// Refused is part of shard.Door.
func (h *Hub) Refused(reason string) { h.metrics.refused.WithLabelValues(reason).Inc() }
