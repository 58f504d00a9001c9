package hub

import (
	"context"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// A private competition is one that needs a right. Who has it not follows topics as if the matches
// of such a competition did not exist: a topic is followed, its snapshot leaves them out, and
// nothing of them comes. Rights are looked at when something is put into a viewer's list, so that a
// new token counts from then on. An event needs what its competition needs; the topics of a match,
// which bring states too, need what the match does. Where nothing is private no need is ever set.

// needOf is what one has to have to get anything by a topic. Of a match of which nothing is known
// nobody gets anything before its first event says whose it is.
func (h *Hub) needOf(t goalcast.Topic) goalcast.Rights {
	if need, ok := h.board.Private().Topic(t); ok {
		return need
	}
	id := goalcast.MatchID(t.ID)
	if need, ok := h.board.Need(id); ok {
		h.follow.Know(id, need)
		return need
	}
	return h.follow.Need(t)
}

// learn finds out what the matches of topics need. The topics are claimed already.
func (h *Hub) learn(ctx context.Context, topics []goalcast.Topic) error {
	if len(h.board.Private()) == 0 {
		return nil
	}
	var unknown []goalcast.Topic
	for _, t := range topics {
		if h.needOf(t) == goalcast.RightOfNobody {
			unknown = append(unknown, goalcast.ForMatch(goalcast.MatchID(t.ID)))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	if err := h.board.Load(ctx, unknown); err != nil {
		return err
	}
	h.mu.RLock() // events, which may say something else, come after or before
	defer h.mu.RUnlock()
	for _, t := range topics {
		h.needOf(t)
	}
	return nil
}

// seen are the topics by which one with such rights gets anything.
func (h *Hub) seen(topics []goalcast.Topic, rights goalcast.Rights) []goalcast.Topic {
	if len(h.board.Private()) == 0 {
		return topics
	}
	seen := make([]goalcast.Topic, 0, len(topics))
	for _, t := range topics {
		if rights.Have(h.needOf(t)) {
			seen = append(seen, t)
		}
	}
	return seen
}

// seesPrivate says whether there may be anything that these rights show and others do not.
func (h *Hub) seesPrivate(rights goalcast.Rights) bool { return rights&h.board.Private().All() != 0 }

// privateSnapshots are those of the topics in which such rights show something. Who resumes with
// them may have had others when it got its cursor. They have no cursor: what was missed comes
// behind them. False if one is not on the board.
func (h *Hub) privateSnapshots(topics []goalcast.Topic, rights goalcast.Rights) (frames []*frame.Message, ok bool) {
	for _, t := range topics {
		if t.Kind.StatesOnly() || h.board.Needs(t)&rights == 0 {
			continue
		}
		view, _, ok := h.board.View(t, rights)
		if !ok {
			return nil, false
		}
		frames = append(frames, h.snapshotOf(t, view, goalcast.Cursor{}, h.follow.Table(t)))
	}
	return frames, true
}

// tellNeedLocked notes what the match of an event needs. It says whether that is something else
// than the board had: then some viewers lack what came before.
func (h *Hub) tellNeedLocked(e *goalcast.Event, need goalcast.Rights) bool {
	if e.Seq == 0 || len(h.board.Private()) == 0 {
		return false
	}
	before, known := h.board.Need(e.Match)
	h.follow.Know(e.Match, need)
	return known && before != need
}

// formsOf are a topic's snapshot for all its viewers; false if it is not on the board.
func (h *Hub) formsOf(t goalcast.Topic) (shard.Forms, bool) {
	forms := shard.Forms{Mask: h.board.Needs(t) | h.needOf(t), By: map[goalcast.Rights]*frame.Message{}}
	for have := forms.Mask; ; have = (have - 1) & forms.Mask { // all its subsets, down to none
		m, ok := h.frameOf(t, have)
		if !ok {
			return shard.Forms{}, false
		}
		forms.By[have] = m
		if have == 0 {
			return forms, true
		}
	}
}
