package board

import (
	"encoding/json"
	"slices"
	"sync"

	"goalcast"
)

// View is matches as viewers are shown them. It never changes: when the matches do, there is
// another.
type View struct {
	encode sync.Once
	snaps  []goalcast.Snapshot // until they are encoded
	text   []byte

	mu      sync.Mutex // guards the rest
	derived any
}

// JSON is the array of the view's snapshots. It is encoded when it is first needed, outside of the
// board's lock, and shared by all.
func (v *View) JSON() []byte {
	v.encode.Do(func() {
		text, err := json.Marshal(v.snaps)
		if err != nil {
			panic("snapshot: " + err.Error()) // messages in raw JSON are not part of snapshots; nothing else can fail
		}
		v.snaps, v.text = nil, text
	})
	return v.text
}

// Derive returns what derive makes of what it returned the last time; the zero value at first. The
// result is kept with the view and goes with it. That is how all viewers of a topic share one
// frame: the hub makes it, and the board, which knows no frames, keeps it for as long as it shows
// the topic as it is.
func Derive[T any](v *View, derive func(last T) T) T {
	v.mu.Lock()
	defer v.mu.Unlock()
	last, _ := v.derived.(T)
	last = derive(last)
	v.derived = last
	return last
}

// nothing is what those see who may not see a match: the same as where there is none. It is made
// for each, and short.
func nothing() *View { return &View{snaps: []goalcast.Snapshot{}} }

// needs are the rights that make a difference to a topic's view.
func (h *held) needs(t goalcast.Topic) (all goalcast.Rights) {
	if m := h.matches[goalcast.MatchID(t.ID)]; t.Kind == goalcast.MatchTopic && m != nil {
		return h.cfg.Private.Match(&m.snap)
	}
	if l := h.lists[t]; l != nil {
		for id := range l.ids {
			all |= h.cfg.Private.Match(&h.matches[id].snap)
		}
	}
	return all
}

// view finds or makes the view of a match or list for those with such rights; nil if it is not on
// the board.
func (h *held) view(t goalcast.Topic, rights goalcast.Rights) *View {
	if t.Kind == goalcast.MatchTopic {
		m := h.matches[goalcast.MatchID(t.ID)]
		if m == nil {
			return nil
		}
		if !rights.Have(h.cfg.Private.Match(&m.snap)) {
			return nothing()
		}
		if m.view == nil {
			m.view = &View{snaps: []goalcast.Snapshot{m.snap}}
		}
		return m.view
	}
	l := h.lists[t]
	if l == nil {
		return nil
	}
	if l.views == nil {
		l.views = make(map[goalcast.Rights]*View, 1)
		if l.needs = 0; len(h.cfg.Private) > 0 {
			l.needs = h.needs(t)
		}
	}
	v := l.views[rights&l.needs]
	if v == nil {
		snaps := h.snaps(l)
		if l.needs != 0 {
			snaps = slices.DeleteFunc(snaps, func(s goalcast.Snapshot) bool {
				return !rights.Have(h.cfg.Private.Match(&s))
			})
		}
		for i, s := range snaps {
			snaps[i] = inList(s, t.Kind)
		}
		v = &View{snaps: snaps}
		l.views[rights&l.needs] = v
	}
	return v
}

// Snaps gives the matches of a topic as they stand, whole, as far as such rights show them; false
// if the topic is not on the board.
func (b *Board) Snaps(t goalcast.Topic, rights goalcast.Rights) (snaps []goalcast.Snapshot, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, l := b.held.matches[goalcast.MatchID(t.ID)], b.held.lists[t]
	switch {
	case t.Kind == goalcast.MatchTopic && m != nil:
		snaps = []goalcast.Snapshot{m.snap}
	case t.Kind != goalcast.MatchTopic && l != nil:
		snaps = b.held.snaps(l)
	default:
		return nil, b.catalog.lacks(t, b.silent)
	}
	return slices.DeleteFunc(snaps, func(s goalcast.Snapshot) bool {
		return !rights.Have(b.cfg.Private.Match(&s))
	}), true
}

// InList is a match as a topic's snapshot shows it.
func (*Board) InList(s goalcast.Snapshot, kind goalcast.TopicKind) goalcast.Snapshot {
	if !kind.Info().Matches.Lists() {
		return s
	}
	return inList(s, kind)
}

// inList is a match as it is shown in a list of that kind: without line-ups, and in a competition's
// with the essence of its timeline.
func inList(s goalcast.Snapshot, kind goalcast.TopicKind) goalcast.Snapshot {
	s.Lineups = nil
	if kind.Info().Matches == goalcast.ShortList {
		s.Timeline = essential(s.Timeline)
	}
	return s
}

// essential keeps of a timeline what a screen of many matches shows and what the reducer needs, so
// that a viewer who applies events to such a snapshot derives the right score and period. A
// competition's snapshot would be a megabyte with the rest.
func essential(timeline []goalcast.Event) []goalcast.Event {
	return slices.DeleteFunc(slices.Clone(timeline), func(e goalcast.Event) bool { return !e.Kind.Is(goalcast.Listed) })
}
