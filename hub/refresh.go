package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"goalcast"
)

// interest counts the viewers of each topic, those who are about to join included.
type interest struct {
	mu    sync.Mutex
	count map[goalcast.Topic]int
}

func (i *interest) add(topics []goalcast.Topic, n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, t := range topics {
		if i.count[t] += n; i.count[t] <= 0 {
			delete(i.count, t)
		}
	}
}

func (i *interest) empty() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.count) == 0
}

func (i *interest) topics() []goalcast.Topic {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Collect(maps.Keys(i.count))
}

// hold counts a viewer for topics, and has the bus follow those that are odds. release must be called as often, also by the shard when the
// viewer leaves.
func (h *Hub) hold(ctx context.Context, topics []goalcast.Topic) error {
	for i, t := range topics {
		if t.Kind != goalcast.OddsTopic || h.states.bus == nil {
			continue
		}
		if err := h.states.hold(ctx, t); err != nil {
			h.releaseOdds(topics[:i])
			return err
		}
	}
	h.interest.add(topics, 1)
	return nil
}

func (h *Hub) release(topics []goalcast.Topic) {
	h.releaseOdds(topics)
	h.interest.add(topics, -1)
}

func (h *Hub) releaseOdds(topics []goalcast.Topic) {
	for _, t := range topics {
		if t.Kind == goalcast.OddsTopic && h.states.bus != nil {
			h.states.release(t)
		}
	}
}

// refreshLoop tells viewers of resets: when all they follow is read anew, each gets a reset and the snapshots in one go. Until then
// nobody can resume, since cursors of events sent meanwhile would hide what was lost.
func (h *Hub) refreshLoop(ctx context.Context) error {
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for {
		select {
		case <-h.refreshs:
		case <-pause.C:
		case <-ctx.Done():
			return nil
		}
		err := h.refreshAll(ctx)
		if err != nil && ctx.Err() == nil {
			h.log.Warn("refresh after a reset", "err", err)
			pause.Reset(time.Second)
		}
	}
}

var errBusy = errors.New("what is followed changes faster than it can be read")

// refreshAll reads what is followed and posts it. The reading is done outside the lock; what came to be followed meanwhile is read in the
// next turn.
func (h *Hub) refreshAll(ctx context.Context) error {
	for range 20 {
		topics := h.interest.topics()
		if err := h.board.ensure(ctx, topics); err != nil {
			return err
		}
		h.board.warm(topics)
		if h.postRefresh() {
			return nil
		}
	}
	return errBusy
}

// postRefresh posts reset and snapshots if all that is followed is on the board, and lets viewers resume again.
func (h *Hub) postRefresh() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ring.broken {
		return true
	}
	frames := make(map[goalcast.Topic]*message)
	for _, t := range h.interest.topics() {
		m, ok := h.frameOf(t)
		if !ok {
			return false
		}
		frames[t] = m
	}
	h.ring.broken = false
	if h.ring.last > h.resetAt.Offset {
		h.ring.first = h.ring.last + 1 // who has seen an event since the reset may have it from before the snapshots
	}
	reset := newFrame(classControl, goalcast.Frame{Type: goalcast.FrameReset, Reason: h.resetFor})
	h.postAll(op{kind: opRefresh, msg: reset, arg: frames})
	return true
}

// frameOf gives a topic's snapshot; false if it is not on the board.
func (h *Hub) frameOf(t goalcast.Topic) (*message, bool) {
	table := h.states.table(t)
	if t.Kind != goalcast.OddsTopic {
		return h.board.frame(t, table)
	}
	text, _ := table.snapshot()
	if text == nil {
		text = []byte("[]")
	}
	cursor := h.ring.cursor().String()
	m := newMessage(goalcast.FrameSnapshot, classSnapshot, func() []byte { return snapshotFrame(t, cursor, nil, text) })
	m.deflater = h.deflater
	return m, true
}
