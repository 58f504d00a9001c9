package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// inLists says whether anybody follows one of the topics that is a team or competition.
func (i *interest) inLists(topics []goalcast.Topic) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, t := range topics {
		if (t.Kind == goalcast.TeamTopic || t.Kind == goalcast.CompetitionTopic) && i.count[t] > 0 {
			return true
		}
	}
	return false
}

// topics lists what is followed, what the most viewers follow first.
func (i *interest) topics() []goalcast.Topic {
	i.mu.Lock()
	counts := maps.Clone(i.count)
	i.mu.Unlock()
	list := slices.Collect(maps.Keys(counts))
	slices.SortFunc(list, func(a, b goalcast.Topic) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// hold counts a viewer for topics, and has the bus follow their states. release must be called as often, also by the shard when the viewer leaves.
func (h *Hub) hold(ctx context.Context, topics []goalcast.Topic) error {
	if err := h.states.hold(ctx, topics); err != nil {
		return err
	}
	h.interest.add(topics, 1)
	return nil
}

func (h *Hub) release(topics []goalcast.Topic) {
	h.states.release(topics)
	h.interest.add(topics, -1)
}

// After a reset of the bus all that viewers follow is read again, a few topics at a time, so that neither the board nor the database need hold or
// answer everything at once. A viewer is sent the reset with the first of its topics that is read, and the others' snapshots as they are read. What
// most viewers follow comes first. Until all is done no cursor is handed out, and none is taken.
const (
	// refreshTopics is how many topics are read at a time. The board holds at least as many as one viewer may follow (MaxTopics), so that it holds these.
	refreshTopics = 64
	// The pause after topics of which none could be read: it doubles from the first to the last.
	refreshFirstPause, refreshLastPause = 50 * time.Millisecond, 5 * time.Second
	// refreshTries is how often a topic is read that cannot be read although the database answers, before its viewers are sent away.
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

// refreshAll refreshes all viewers that there are. It ends when that is done, when another reset has come (which begins another), or with ctx.
func (h *Hub) refreshAll(ctx context.Context) {
	h.mu.RLock()
	due := h.ring.broken && h.caught
	r := refresh{hub: h, reset: h.resets, left: h.interest.topics(), tries: make(map[goalcast.Topic]int)}
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
				h.log.Warn("refresh after a reset, trying again", "topics", len(r.left), "err", err)
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

// some reads the next topics and sends what could be read to their viewers. What could not comes again after all others. It says whether it is to be called
// again, and an error of one of those that could not be read.
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
	r.hub.board.Encode(read)
	rest := append(slices.Clone(r.left[len(topics):]), later...)
	if len(hopeless) > 0 {
		r.hub.log.Error("refresh after a reset: viewers sent away from what cannot be read", "topics", fmt.Sprint(hopeless), "err", err)
	}
	gone, again := r.post(read, hopeless, rest)
	r.left = append(rest, gone...)
	return again, err
}

// post sends what was read, unless there was another reset. It gives back what is no longer on the board, and says whether there is more to do.
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
	done := refreshed{frames: make(map[goalcast.Topic]*message, len(held)), last: len(rest)+len(gone) == 0}
	if done.last {
		h.ring.broken = false // whoever gets the last snapshots may have their cursor
	}
	done.cursor = h.told()
	for _, t := range held {
		done.frames[t], _ = h.frameOf(t)
	}
	if len(hopeless) > 0 {
		h.postAll(op{kind: opGiveUp, arg: hopeless})
	}
	h.postRefreshed(&done)
	return gone, !done.last
}

// refreshed is what was read for viewers after a reset.
type refreshed struct {
	frames map[goalcast.Topic]*message
	last   bool            // nothing is left to be read
	cursor goalcast.Cursor // if so: where the frames are
}

func (h *Hub) postRefreshed(r *refreshed) {
	reset := newFrame(classControl, goalcast.Frame{Type: goalcast.FrameReset, Reason: h.resetFor})
	h.postAll(op{kind: opRefresh, msg: reset, arg: r})
}

// onBoard says whether frameOf would find a topic.
func (h *Hub) onBoard(t goalcast.Topic) bool {
	_, ok := h.frameOf(t)
	return ok
}

// frameOf gives a topic's snapshot; false if it is not on the board.
func (h *Hub) frameOf(t goalcast.Topic) (*message, bool) {
	table := h.states.table(t)
	if t.Kind != goalcast.OddsTopic {
		view, as, ok := h.board.View(t)
		if !ok {
			return nil, false
		}
		if h.ring.broken {
			as = goalcast.Cursor{}
		}
		return h.snapshotOf(t, view, as, table), true
	}
	text, _ := table.snapshot()
	if text == nil {
		text = []byte("[]")
	}
	cursor := h.told().String()
	m := newMessage(goalcast.FrameSnapshot, classSnapshot, func() []byte { return snapshotText(t, cursor, nil, text) })
	m.deflater = h.deflater
	return m, true
}

// outdate notes that all connections lack what a reset lost, and that no cursor may be told.
func (s *shard) outdate(at goalcast.Cursor) {
	s.cursor, s.broken = at, true
	for c := range s.conns {
		c.set(outdated)
		c.clear(toldReset)
	}
}

// refresh sends the snapshots of topics to those followers who lack them, behind the reset if they were not sent it yet. The last time ends what outdate began,
// and who follows nothing is sent the reset all the same.
func (s *shard) refresh(reset *message, r *refreshed) {
	tell := func(c *conn) bool {
		if !c.is(outdated) || c.state&(dead|closing|lingering) != 0 {
			return false
		}
		if !c.is(toldReset) {
			c.set(toldReset)
			s.allow(c, []*message{reset})
		}
		return true
	}
	if r.last {
		s.cursor, s.broken = r.cursor, false
	}
	for name, m := range r.frames {
		if t := s.topics[name]; t != nil {
			for _, member := range t.members {
				if tell(member.conn) {
					s.allow(member.conn, []*message{m})
				}
			}
		}
	}
	if !r.last {
		return
	}
	for c := range s.conns {
		tell(c)
		c.clear(outdated | toldReset)
	}
}

// giveUp sends followers of topics that cannot be read away: they have an outdated picture, and there is no other.
func (s *shard) giveUp(topics []goalcast.Topic) {
	for _, name := range topics {
		t := s.topics[name]
		if t == nil {
			continue
		}
		for _, member := range slices.Clone(t.members) {
			if c := member.conn; c.is(outdated) {
				s.close(c, "unavailable", s.bye(goalcast.CodeUnavailable.Bye(), goalcast.Cursor{}), newClose(goalcast.CloseTryLater, "try again"))
			}
		}
	}
}
