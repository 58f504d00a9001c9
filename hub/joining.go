package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"goalcast"
	"goalcast/hub/board"
)

// newConn makes the connection of a viewer, not yet joined.
func (h *Hub) newConn(r *http.Request, v *viewer) (*conn, *shard) {
	c := &conn{fd: -1, transport: v.transport, encoding: encoding(v.transport), // they count alike
		conflate: uint16(v.conflate.Milliseconds())}
	if h.limits.byIP != nil || h.cfg.Authorize != nil {
		c.origin = &origin{ip: v.ip}
		if h.cfg.Authorize != nil && v.transport == byWebSocket {
			c.origin.request = &http.Request{Method: r.Method, URL: r.URL, Header: r.Header, Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS}
		}
	}
	return c, h.shards[h.next.Add(1)%uint32(len(h.shards))]
}

// madeUpPause is how long the refusal of made-up topics takes: who asks again at once would otherwise cost more than before.
const madeUpPause = time.Second

// prepare does what may take time before a viewer joins: odds are followed, matches read. It owes h.release.
func (h *Hub) prepare(ctx context.Context, v *viewer) *refusal {
	ctx, cancel := context.WithTimeout(board.ForAddress(ctx, v.ip), h.cfg.JoinTimeout)
	defer cancel()
	if !h.board.Admit(ctx, v.topics) {
		select {
		case <-time.After(madeUpPause):
		case <-ctx.Done():
		}
		return tooMany("made_up_topics")
	}
	err := h.awaitHistory(ctx)
	if err == nil {
		err = h.hold(ctx, v.topics)
	}
	if err == nil {
		if err = h.awaitReading(ctx, v); err != nil {
			h.release(v.topics)
		}
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, context.Canceled) {
		h.log.Warn("join", "err", err)
	}
	return unavailable()
}

// awaitReading has the snapshots read that the viewer will need; none if its cursor can be resumed from.
func (h *Hub) awaitReading(ctx context.Context, v *viewer) error {
	if v.resume && v.bad == "" {
		h.awaitCursor(ctx, v.since)
		h.mu.RLock()
		outcome := h.outcome(v)
		h.mu.RUnlock()
		if outcome == resumed {
			h.readUnsure(ctx, v)
			return nil
		}
	}
	if err := h.board.Load(ctx, v.topics); err != nil {
		return err
	}
	h.board.Encode(v.topics)
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

// attach posts the connection to its shard, with what it begins with. It takes over what hold counted, also when it fails.
func (h *Hub) attach(ctx context.Context, s *shard, c *conn, v *viewer, input []byte) error {
	ctx, cancel := context.WithTimeout(board.ForAddress(ctx, v.ip), h.cfg.JoinTimeout)
	defer cancel()
	if v.resume {
		if done, err := h.attachResumed(s, c, v, input); done || err != nil {
			return err
		}
	}
	err := h.withSnapshots(ctx, v.topics, c.encoding, func(j *join) bool {
		var first []*message
		first = append(first, h.hello(v, h.told()))
		if v.resume {
			outcome := h.outcome(v)
			if outcome == resumed {
				outcome = goalcast.ResetTooOld // it became possible just now; the snapshots are there
			}
			h.metrics.resumes.WithLabelValues(string(outcome)).Inc()
			first = append(first, newFrame(classControl, goalcast.Frame{Type: goalcast.FrameReset, Reason: outcome}))
		}
		if h.stale {
			first = append(first, staleMessage(true))
		}
		j.frames = append(first, j.frames...)
		j.input = input
		return s.inbox.post(op{kind: opJoin, conn: c, arg: j})
	})
	if err != nil {
		h.release(v.topics)
	}
	return err
}

// attachResumed posts the connection with a replay from the ring; false if its cursor cannot be resumed from.
func (h *Hub) attachResumed(s *shard, c *conn, v *viewer, input []byte) (bool, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.outcome(v) != resumed {
		return false, nil
	}
	missed, _ := h.ring.since(v.since, v.topics, h.cfg.MaxReplay)
	j := &join{topics: v.topics, cursor: h.ring.cursor(), seq: h.seq, input: input}
	if v.transport != byPoll {
		j.frames = append(j.frames, h.hello(v, v.since))
		if h.stale {
			j.frames = append(j.frames, staleMessage(true))
		}
	}
	j.frames = append(j.frames, h.withIntros(missed, v.topics)...)
	for _, t := range v.topics { // states are not replayed: all their newest values are sent
		if v.transport != byPoll && h.states.table(t) != nil {
			if j.marks == nil {
				j.marks = make(map[goalcast.Topic]uint64)
			}
			j.marks[t] = 0
		}
	}
	if !s.inbox.post(op{kind: opJoin, conn: c, arg: j}) {
		h.release(v.topics)
		return false, errNotRunning
	}
	h.metrics.resumes.WithLabelValues(string(resumed)).Inc()
	return true, nil
}

// withSnapshots calls post, under the lock that orders all, with the snapshots of topics; it reads what is missing before.
func (h *Hub) withSnapshots(ctx context.Context, topics []goalcast.Topic, e encoding, post func(*join) bool) error {
	for range 5 {
		if err := h.board.Load(ctx, topics); err != nil {
			return err
		}
		h.board.Encode(topics)
		if e.deflates() {
			h.squeeze(topics)
		}
		h.mu.RLock()
		j, ok := h.snapshotsLocked(topics)
		posted := ok && post(j)
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

// squeeze compresses the snapshots of topics here rather than in the shard. They are those that will be sent unless an event comes first.
func (h *Hub) squeeze(topics []goalcast.Topic) {
	for _, t := range topics {
		if t.Kind == goalcast.OddsTopic {
			continue // made for each viewer, and short
		}
		h.mu.RLock()
		m, ok := h.frameOf(t)
		h.mu.RUnlock()
		if ok {
			m.bytes(encDeflate)
		}
	}
}

// snapshotsLocked collects the snapshots of topics as of now; false if one is not on the board.
func (h *Hub) snapshotsLocked(topics []goalcast.Topic) (*join, bool) {
	j := &join{topics: topics, cursor: h.ring.cursor(), seq: h.seq, frames: make([]*message, 0, len(topics)+4)}
	for _, t := range topics {
		if table := h.states.table(t); table != nil {
			if j.marks == nil {
				j.marks = make(map[goalcast.Topic]uint64)
			}
			_, j.marks[t] = table.snapshot()
		}
		m, ok := h.frameOf(t)
		if !ok {
			return nil, false
		}
		j.frames = append(j.frames, m)
	}
	if told := h.told(); !told.IsZero() {
		// Only now has the viewer all that the cursor stands for: an id without data, which an EventSource remembers and does not show.
		j.frames = append(j.frames, newFixed("mark", nil, []byte("id: "+told.String()+"\n\n")))
	}
	return j, true
}

// hello is a connection's first frame. Its cursor is where the frames behind it go on from. A browser that follows an event stream learns how long to
// wait before it comes back should the stream break: each another time, since all would come at once after a node's death otherwise.
func (h *Hub) hello(v *viewer, c goalcast.Cursor) *message {
	f := goalcast.Frame{Type: goalcast.FrameHello, Version: goalcast.WireVersion, Topics: v.topics,
		Ping: h.cfg.PingInterval.Milliseconds(), Time: time.Now().UnixMilli(),
		ConflateMs: v.conflate.Milliseconds()}
	if !c.IsZero() {
		f.Cursor = &c
	}
	m := newFrame(classControl, f)
	if v.transport == bySSE {
		m.tellRetry((500*time.Millisecond + rand.N(h.cfg.RetrySpread/2+1)).Milliseconds())
	}
	return m
}
