package hub

import (
	"context"
	"slices"
	"time"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// Mostly the board holds the matches of which events come. After a start, or for a match that
// nobody looked at, it may have to read one before it can bring it along with an event. Meanwhile
// that event and those behind it are parked, since cursors want them in order: for maxParked at
// most, then they go out, and the snapshot follows when it has been read.

// maxParked is how long an event waits for a match to be read. A reading takes 1 to 3 ms.
const maxParked = 100 * time.Millisecond

// parked is an event that waits.
type parked struct {
	event goalcast.Published
	msg   *shard.Event
	read  <-chan struct{} // closed when its match was read; nil: it waits for those before it
}

// parkLocked has an event wait, if it must; false if it can be delivered.
func (h *Hub) parkLocked(p goalcast.Published, m *shard.Event) bool {
	var read <-chan struct{}
	if e := p.Event; e.Seq > 0 && h.running.Load() && h.caught &&
		h.board.MayLack(e) && h.follow.AnyInLists(e.Topics) {
		read = h.board.LoadFor(e)
	}
	if read == nil && len(h.parked) == 0 {
		return false
	}
	h.parked = append(h.parked, parked{p, m, read})
	select {
	case h.unpark <- struct{}{}:
	default:
	}
	return true
}

// unparkLoop delivers parked events.
func (h *Hub) unparkLoop(ctx context.Context) error {
	for {
		select {
		case <-h.unpark:
		case <-ctx.Done():
			return nil
		}
		for h.deliverParked(ctx) {
		}
	}
}

// deliverParked waits for the first parked event's match and delivers it, and those behind it that
// need not wait; false if there are none.
func (h *Hub) deliverParked(ctx context.Context) bool {
	h.mu.RLock()
	if len(h.parked) == 0 {
		h.mu.RUnlock()
		return false
	}
	first := h.parked[0]
	h.mu.RUnlock()
	if first.read != nil {
		wait := time.NewTimer(time.Until(first.msg.At.Add(maxParked)))
		defer wait.Stop()
		select {
		case <-first.read:
		case <-wait.C:
			h.metrics.lateIntros.Inc()
			h.working.Go(func() { h.introduceLater(ctx, first) })
		case <-ctx.Done():
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.parked) == 0 || h.parked[0].msg != first.msg {
		return len(h.parked) > 0 // a reset came between
	}
	n := 1
	for n < len(h.parked) && h.parked[n].read == nil {
		n++
	}
	for _, p := range h.parked[:n] {
		h.deliverLocked(p.event, p.msg)
	}
	h.parked = slices.Delete(h.parked, 0, min(n, len(h.parked)))
	if len(h.parked) == 0 {
		h.parked = nil
		return false
	}
	return true
}

// introduceLater sends a match's snapshot when it has been read, to those who were sent an event of
// it before.
func (h *Hub) introduceLater(ctx context.Context, p parked) {
	select {
	case <-p.read:
	case <-ctx.Done():
		return
	}
	h.sendIntro(p.event.Event.Match, p.event.Event.Topics)
}

// introduce sends a match's snapshot to all who follow it in any way: it was read again since
// revisions were missed.
func (h *Hub) introduce(id goalcast.MatchID, s goalcast.Snapshot) { h.sendIntro(id, s.Topics(id)) }

func (h *Hub) sendIntro(id goalcast.MatchID, topics []goalcast.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sendIntroLocked(id, topics)
}

func (h *Hub) sendIntroLocked(id goalcast.MatchID, topics []goalcast.Topic) {
	if in := h.newIntro(h.board.Intro(id)); in != nil && h.running.Load() {
		h.needOf(goalcast.ForMatch(id)) // it may have been read just now
		h.postAll(&shard.Introduce{Topics: topics, Intro: in})
		for _, t := range h.trails {
			t.later = append(t.later[max(0, len(t.later)+1-maxLater):], later{time.Now(),
				shard.Introduce{Delay: t.delay, Topics: topics, Intro: in}})
		}
	}
}

// withIntros puts the matches that may not be known to who follows topics ahead of the events that
// were missed, as far as they may be seen with such rights. Of the events it leaves out those of
// other kinds than asked for.
func (h *Hub) withIntros(missed []*shard.Event, topics []goalcast.Topic, v *viewer) []*frame.Message {
	rights := v.rights
	all := make([]*frame.Message, 0, len(missed)+8)
	done := make(map[goalcast.MatchID]bool)
	for _, m := range missed {
		if !rights.Have(m.Need) {
			continue
		}
		in := m.Intro
		if in == nil && m.Unsure && v.trail == nil { // what stands on the board is of now
			in = h.newIntro(h.board.Intro(m.Match))
		}
		if in != nil && rights.Have(in.Need) && !done[in.Match] &&
			!slices.Contains(topics, goalcast.ForMatch(in.Match)) {
			done[in.Match] = true
			for _, t := range m.Topics {
				if form := in.For(t, in.Known); form != nil && slices.Contains(topics, t) {
					all = append(all, form)
					break
				}
			}
		}
		if v.kinds.Has(m.Of) {
			all = append(all, &m.Message)
		}
	}
	return all
}

// readUnsure reads the matches of which it is not known whether a viewer who resumes knows them. It
// goes on without them if they are not to be had in a moment.
func (h *Hub) readUnsure(ctx context.Context, v *viewer) {
	var unsure []goalcast.Topic
	h.mu.RLock()
	if missed, _ := h.ring.since(v.since, v.topics, h.cfg.MaxReplay); len(missed) > 0 {
		for _, m := range missed {
			if t := goalcast.ForMatch(m.Match); m.Unsure && !slices.Contains(v.topics, t) &&
				!slices.Contains(unsure, t) {
				unsure = append(unsure, t)
			}
		}
	}
	h.mu.RUnlock()
	if len(unsure) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, h.board.Patience())
	defer cancel()
	if err := h.board.Load(ctx, unsure); err != nil {
		h.log.Warn("matches of a replay", "error", err)
	}
}
