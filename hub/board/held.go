package board

import (
	"maps"
	"slices"
	"time"

	"goalcast"
)

// held is the matches and lists in memory, and how the bus's events change them. It is pure but for
// the clock, and guarded by Board.mu.
type held struct {
	cfg     Config
	now     func() time.Time // time.Now; tests set it
	evicted func()           // counts what was dropped to make room

	matches  map[goalcast.MatchID]*match
	lists    map[goalcast.Topic]*list
	listed   int                          // matches that are in lists
	glimpses map[goalcast.MatchID]glimpse // of matches that are not held
	changes  uint64                       // counts changes of matches and of lists
}

// everything is the list of all matches in the window; no viewer can follow it, REST reads it.
var everything = goalcast.Topic{}

// match is one match.
type match struct {
	snap goalcast.Snapshot
	asOf
	used time.Time        // when somebody asked for it last
	in   []goalcast.Topic // lists it is in; such a match stays
	// seq in the hub's count of its newest event: who followed then knows the match; 0 if nobody
	// can be sure
	told uint64
	late bool // it was put into a list after that was read: who joined before does not know it
	hole bool // a revision was missed

	shown *goalcast.Snapshot // nil until somebody asks, and after a change
	view  *View              // likewise
	intro *Intro             // likewise
}

// list is the matches of a team or a competition in the window.
type list struct {
	ids      map[goalcast.MatchID]struct{}
	from, to time.Time
	asOf
	used  time.Time
	whole bool // the source had no more matches in the window than are held
	// views are by what those who see them may see; empty until somebody asks, and after a change
	views map[goalcast.Rights]*View
	needs goalcast.Rights // of the matches in the views: rights beside these make no difference
}

// asOf says how good what is held is.
type asOf struct {
	read  time.Time // when the source was asked
	took  time.Duration
	retry time.Time // a reading failed: not again before
}

// forget drops everything.
func (h *held) forget() {
	h.changes++
	h.matches = make(map[goalcast.MatchID]*match)
	h.lists = make(map[goalcast.Topic]*list)
	h.glimpses = make(map[goalcast.MatchID]glimpse)
	h.listed = 0
}

// use is asOf for somebody who asks for the topic now.
func (h *held) use(t goalcast.Topic, now time.Time) (how *asOf, hole bool) {
	if m := h.matches[goalcast.MatchID(t.ID)]; t.Kind == goalcast.MatchTopic && m != nil {
		m.used = now
	} else if l := h.lists[t]; l != nil {
		l.used = now
	}
	return h.asOf(t)
}

// asOf says how good a topic's match or list is; nil if it is not held. hole says that a revision
// was missed.
func (h *held) asOf(t goalcast.Topic) (how *asOf, hole bool) {
	if t.Kind == goalcast.MatchTopic {
		if m := h.matches[goalcast.MatchID(t.ID)]; m != nil {
			return &m.asOf, m.hole
		}
	} else if l := h.lists[t]; l != nil {
		return &l.asOf, false
	}
	return nil, false
}

// apply brings an event into the match and the lists that hold it, and the match into lists it
// belongs to now. wanted says that somebody asked for the match and it was not there. It returns
// the match, nil if it is not held; and whether it has to be read, as its beginning or a revision
// was missed.
func (h *held) apply(e goalcast.Event, wanted bool) (m *match, read bool) {
	m = h.matches[e.Match]
	if m == nil {
		if !wanted && h.lists[everything] == nil && !slices.ContainsFunc(e.Topics, func(t goalcast.Topic) bool {
			return h.lists[t] != nil
		}) {
			return nil, false
		}
		if e.Seq != 1 { // its beginning is not known here
			return nil, true
		}
		m = h.put(e.Match, goalcast.Snapshot{ID: e.Match}, asOf{read: h.now()})
	}
	if e.Seq > m.snap.Seq+1 {
		m.hole, read = true, true
	}
	m.snap = goalcast.Apply(m.snap, e)
	h.changed(m)
	return m, read
}

// changed makes the match's and its lists' views void and puts it into the lists it belongs to: the
// canary match into none.
func (h *held) changed(m *match) {
	h.changes++
	m.shown, m.view, m.intro = nil, nil, nil
	if m.snap.ID == goalcast.CanaryMatch {
		return
	}
	at := m.snap.Time()
	for _, t := range append(m.snap.Topics(m.snap.ID), everything) {
		if l := h.lists[t]; l != nil && (!at.Before(l.from) && at.Before(l.to) || h.plays(m.snap)) {
			h.enlist(m, t)
		}
	}
	for _, t := range m.in { // also those it no longer belongs to: a moved kick-off must be seen there
		h.lists[t].views = nil
	}
}

// plays says whether a match is in play, whenever it was planned: it is in lists then. One of which
// nothing was heard for long is not.
func (h *held) plays(s goalcast.Snapshot) bool {
	return s.State == goalcast.Live && !time.UnixMilli(s.Updated).Before(h.now().Add(-h.cfg.Before))
}

// enlist puts a match into a list; once is enough.
func (h *held) enlist(m *match, t goalcast.Topic) {
	if !slices.Contains(m.in, t) {
		if len(m.in) == 0 {
			h.listed++
		}
		m.in = append(m.in, t)
		h.lists[t].ids[m.snap.ID] = struct{}{}
	}
}

// put stores what is known of a match in place of what was.
func (h *held) put(id goalcast.MatchID, snap goalcast.Snapshot, how asOf) *match {
	m := h.matches[id]
	if m == nil {
		m = &match{used: h.now()}
		h.matches[id] = m
		h.evict(id)
	}
	h.changes++
	m.snap, m.asOf, m.shown, m.view, m.intro = snap, how, nil, nil, nil
	delete(h.glimpses, id)
	return m
}

// putRead puts a match that was read among the others, unless what is there is newer.
func (h *held) putRead(snap goalcast.Snapshot, how asOf) *match {
	m := h.matches[snap.ID]
	switch {
	case m == nil:
		m = h.put(snap.ID, snap, how)
		h.changed(m)
		m.late = slices.ContainsFunc(m.in, func(t goalcast.Topic) bool { return t != everything })
	case m.snap.Seq < snap.Seq || m.hole && m.snap.Seq == snap.Seq:
		h.put(snap.ID, snap, how)
		m.hole = false
		h.changed(m)
	case m.hole:
		m.asOf = how
		m.retry = how.read.Add(h.cfg.Retry) // the source is behind: not again at once
	default:
		m.asOf = how
	}
	return m
}

// putList puts a list that was read in place of what was.
func (h *held) putList(t goalcast.Topic, l *list, snaps []goalcast.Snapshot) {
	if h.lists[t] != nil {
		h.dropList(t)
	}
	h.changes++
	l.ids = make(map[goalcast.MatchID]struct{}, len(snaps))
	h.lists[t] = l
	for _, s := range snaps {
		old := h.matches[s.ID] != nil
		m := h.putRead(s, l.asOf)
		if !old { // who joined this list will see it there
			m.late = slices.ContainsFunc(m.in, func(in goalcast.Topic) bool { return in != t && in != everything })
		}
		h.enlist(m, t)
		h.changed(m)
	}
}

// show gives a match as it stands, for others to keep.
func (m *match) show() *goalcast.Snapshot {
	if m.shown == nil {
		snap := m.snap
		m.shown = &snap
	}
	return m.shown
}

// snaps lists a list's matches by their time, then id.
func (h *held) snaps(l *list) []goalcast.Snapshot {
	snaps := make([]goalcast.Snapshot, 0, len(l.ids))
	for id := range l.ids {
		snaps = append(snaps, h.matches[id].snap)
	}
	slices.SortFunc(snaps, goalcast.ByTime)
	return snaps
}

// evict makes room: of the matches that are in no list, those that nobody asked for longest go, a
// tenth at a time, so that the search is rare.
func (h *held) evict(keep goalcast.MatchID) {
	if len(h.matches)-h.listed <= h.cfg.MaxMatches {
		return
	}
	ids := make([]goalcast.MatchID, 0, len(h.matches)-h.listed)
	for id, m := range h.matches {
		if id != keep && len(m.in) == 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y goalcast.MatchID) int { return h.matches[x].used.Compare(h.matches[y].used) })
	for _, id := range ids[:min(len(ids), h.cfg.MaxMatches/10+1)] {
		delete(h.matches, id)
		h.evicted()
	}
}

// dropList forgets a list; its matches may then be evicted.
func (h *held) dropList(t goalcast.Topic) {
	h.changes++
	for id := range h.lists[t].ids {
		m := h.matches[id]
		if m.in = slices.DeleteFunc(m.in, func(in goalcast.Topic) bool { return in == t }); len(m.in) == 0 {
			h.listed--
		}
	}
	delete(h.lists, t)
}

// evictLists makes room as evict does.
func (h *held) evictLists(keep goalcast.Topic) {
	if len(h.lists) <= h.cfg.MaxLists {
		return
	}
	topics := slices.Collect(maps.Keys(h.lists))
	topics = slices.DeleteFunc(topics, func(t goalcast.Topic) bool { return t == keep || t == everything })
	slices.SortFunc(topics, func(x, y goalcast.Topic) int { return h.lists[x].used.Compare(h.lists[y].used) })
	for _, t := range topics[:min(len(topics), h.cfg.MaxLists/10+1)] {
		h.dropList(t)
		h.evicted()
	}
}
