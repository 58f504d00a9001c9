package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// After a reset of the bus all that viewers follow is read again, a few topics at a time, so that
// neither the board nor the database need hold or answer everything at once. A viewer is sent the
// reset with the first of its topics that is read, and the others' snapshots as they are read. What
// most viewers follow comes first. Until all is done no cursor is handed out, and none is taken.
const (
	// refreshTopics is how many topics are read at a time. The board holds at least as many as one
	// viewer may follow (MaxTopics), so that it holds these.
	refreshTopics = 64
	// The pause after topics of which none could be read: it doubles from the first to the last.
	refreshFirstPause, refreshLastPause = 50 * time.Millisecond, 5 * time.Second
	// refreshTries is how often a topic is read that cannot be read although the database answers,
	// before its viewers are sent away.
	refreshTries = 3
)

var errBusy = errors.New("what is followed changes faster than it can be read")

// refreshLoop refreshes viewers after each reset.
func (h *Hub) refreshLoop(ctx context.Context) error {
	for {
		select {
		case <-h.refreshs:
		case <-ctx.Done():
			return nil
		}
		h.refreshAll(ctx)
	}
}

// refreshAll refreshes all viewers that there are. It ends when that is done, when another reset
// has come (which begins another), or with ctx.
func (h *Hub) refreshAll(ctx context.Context) {
	h.mu.RLock()
	due := h.ring.broken && h.caught
	r := refresh{hub: h, reset: h.resets, left: h.follow.Viewed(), tries: make(map[goalcast.Topic]int)}
	h.mu.RUnlock()
	if !due { // another reset came meanwhile, and its history is being read
		return
	}
	defer h.waiting.Store(0)
	begin, pause := time.Now(), time.Duration(0)
	for again := true; again; {
		h.waiting.Store(int64(len(r.left)))
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
		before := len(r.left)
		var err error
		again, err = r.some(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case len(r.left) < before:
			pause = 0
		default:
			if pause == 0 {
				h.log.Warn("refresh after a reset, trying again", "topics", len(r.left), "error", err)
			}
			pause = min(max(2*pause, refreshFirstPause), refreshLastPause)
		}
	}
	h.log.Info("viewers refreshed after a reset", "took", time.Since(begin).String())
}

// refresh is what is left to do after one reset.
type refresh struct {
	hub   *Hub
	reset uint64           // Hub.resets
	left  []goalcast.Topic // what is not read yet, in the order in which it will be
	tries map[goalcast.Topic]int
}

// some reads the next topics and sends what could be read to their viewers. What could not comes
// again after all others. It says whether it is to be called again, and an error of one of those
// that could not be read.
func (r *refresh) some(ctx context.Context) (again bool, err error) {
	topics := r.left[:min(len(r.left), refreshTopics)]
	errs := make([]error, len(topics))
	var reading sync.WaitGroup
	for i, t := range topics {
		reading.Go(func() { errs[i] = r.hub.board.Load(ctx, []goalcast.Topic{t}) })
	}
	reading.Wait()
	var read, later, hopeless []goalcast.Topic
	for i, t := range topics {
		switch {
		case errs[i] == nil:
			read = append(read, t)
			continue
		case errors.Is(errs[i], goalcast.ErrUnavailable) || errors.Is(errs[i], context.DeadlineExceeded):
			later = append(later, t)
		default:
			if r.tries[t]++; r.tries[t] < refreshTries {
				later = append(later, t)
			} else {
				hopeless = append(hopeless, t)
			}
		}
		err = errs[i]
	}
	r.hub.board.Encode(read, 0)
	rest := append(slices.Clone(r.left[len(topics):]), later...)
	if len(hopeless) > 0 {
		r.hub.log.Error("refresh after a reset: viewers sent away from what cannot be read",
			"topics", fmt.Sprint(hopeless), "error", err)
	}
	gone, again := r.post(read, hopeless, rest)
	r.left = append(rest, gone...)
	return again, err
}

// post sends what was read, unless there was another reset. It gives back what is no longer on the
// board, and says whether there is more to do.
func (r *refresh) post(read, hopeless, rest []goalcast.Topic) (gone []goalcast.Topic, again bool) {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.resets != r.reset || !h.ring.broken {
		return nil, false
	}
	held := read[:0]
	for _, t := range read {
		if h.onBoard(t) {
			held = append(held, t)
		} else {
			gone = append(gone, t)
		}
	}
	done := shard.Refresh{Frames: make(map[goalcast.Topic]shard.Forms, len(held)), Last: len(rest)+len(gone) == 0}
	if done.Last {
		h.ring.broken = false // whoever gets the last snapshots may have their cursor
	}
	done.Cursor = h.told()
	for _, t := range held {
		done.Frames[t], _ = h.formsOf(t)
	}
	if len(hopeless) > 0 {
		h.postAll(&shard.GiveUp{Topics: hopeless})
	}
	h.postRefresh(&done)
	return gone, !done.Last
}

func (h *Hub) postRefresh(r *shard.Refresh) {
	r.Reset = resetMessage(h.resetFor)
	h.postAll(r)
}

func resetMessage(why goalcast.Reason) *frame.Message {
	return frame.Of(frame.ClassControl, goalcast.Frame{Type: goalcast.FrameReset, Reason: why})
}

// onBoard says whether frameOf would find a topic.
func (h *Hub) onBoard(t goalcast.Topic) bool {
	_, ok := h.frameOf(t, 0)
	return ok
}

// frameOf gives a topic's snapshot for somebody with such rights; false if it is not on the board.
func (h *Hub) frameOf(t goalcast.Topic, rights goalcast.Rights) (*frame.Message, bool) {
	table := h.follow.Table(t)
	if !rights.Have(h.needOf(t)) {
		table = nil
	}
	if t.Kind != goalcast.OddsTopic {
		view, as, ok := h.board.View(t, rights)
		if !ok {
			return nil, false
		}
		if h.ring.broken {
			as = goalcast.Cursor{}
		}
		return h.snapshotOf(t, view, as, table), true
	}
	text, _ := table.Snapshot()
	if text == nil {
		text = []byte("[]")
	}
	cursor := h.told().String()
	return &frame.Message{Kind: goalcast.FrameSnapshot, Class: frame.ClassSnapshot, Deflater: h.deflater,
		Text: func() []byte { return snapshotText(t, cursor, nil, text) }}, true
}
