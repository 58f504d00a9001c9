package hub

import (
	"encoding/json"
	"slices"
	"sync"

	"goalcast"
)

// face is how a topic looks to viewers: the snapshot frame, made when the first viewer asks for it and shared until something changes.
// The matches, which are long, are encoded once per change; the frame around them once per cursor.
type face struct {
	matches *matchesJSON
	frame   *message
	cursor  goalcast.Cursor // as of which the frame is
	states  uint64          // of the state table in it
	intro   *intro          // of a match
}

// matchesJSON encodes matches when it is first needed, outside any lock.
type matchesJSON struct {
	once  sync.Once
	snaps []goalcast.Snapshot
	text  []byte
}

func (m *matchesJSON) json() []byte {
	m.once.Do(func() {
		text, err := json.Marshal(m.snaps)
		if err != nil {
			panic("snapshot: " + err.Error()) // messages in raw JSON are not part of snapshots; nothing else can fail
		}
		m.snaps, m.text = nil, text
	})
	return m.text
}

// frame returns the topic's snapshot frame as of the board's cursor, which is told or kept back, with the states of the table if there is one; false
// if the topic is not on the board. The hub calls it under the lock under which it gives events to the board.
func (b *Board) frame(t goalcast.Topic, states *stateTable, tell bool) (*message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.faceLocked(t)
	if f == nil {
		if !b.unknownLocked(t) {
			return nil, false
		}
		f = &face{matches: &matchesJSON{snaps: []goalcast.Snapshot{}}} // made for each viewer, and short
	}
	text, version := states.snapshot()
	as := b.cursor
	if !tell {
		as = goalcast.Cursor{}
	}
	if f.frame == nil || f.cursor != as || f.states != version {
		matches, cursor := f.matches, as.String()
		f.frame = newMessage(goalcast.FrameSnapshot, classSnapshot, func() []byte { return snapshotFrame(t, cursor, matches.json(), text) })
		f.frame.deflater = b.deflater
		f.cursor, f.states = as, version
	}
	return f.frame, true
}

// warm encodes the matches of topics, so that nobody has to do it at a place where others wait.
func (b *Board) warm(topics []goalcast.Topic) {
	for _, t := range topics {
		b.mu.Lock()
		f := b.faceLocked(t)
		var m *matchesJSON
		if f != nil {
			m = f.matches
		}
		b.mu.Unlock()
		if m != nil {
			m.json()
		}
	}
}

// faceLocked finds or makes the face of a match or list; nil if it is not on the board.
func (b *Board) faceLocked(t goalcast.Topic) *face {
	if t.Kind == goalcast.MatchTopic {
		m := b.matches[goalcast.MatchID(t.ID)]
		if m == nil {
			return nil
		}
		if m.face.matches == nil {
			m.face.matches = &matchesJSON{snaps: []goalcast.Snapshot{m.snap}}
		}
		return &m.face
	}
	l := b.lists[t]
	if l == nil {
		return nil
	}
	if l.face.matches == nil {
		snaps := b.snapsLocked(l)
		for i := range snaps {
			snaps[i].Lineups = nil
			if t.Kind == goalcast.CompetitionTopic {
				snaps[i].Timeline = essential(snaps[i].Timeline)
			}
		}
		l.face.matches = &matchesJSON{snaps: snaps}
	}
	return &l.face
}

// essential keeps of a timeline what a screen of many matches shows and what the reducer needs, so that a viewer who applies events to
// such a snapshot derives the right score and period. A competition's snapshot would be a megabyte with the rest.
func essential(timeline []goalcast.Event) []goalcast.Event {
	return slices.DeleteFunc(slices.Clone(timeline), func(e goalcast.Event) bool {
		switch e.Kind {
		case goalcast.KindGoal, goalcast.KindCard, goalcast.KindPeriod, goalcast.KindShootoutKick, goalcast.KindDelay:
			return false
		}
		return true
	})
}

// snapshotFrame is goalcast.Frame of a snapshot, built around JSON that exists already.
func snapshotFrame(t goalcast.Topic, cursor string, matches, states []byte) []byte {
	b := make([]byte, 0, len(matches)+len(states)+128)
	b = append(b, `{"type":"snapshot"`...)
	if cursor != "" {
		b = append(append(append(b, `,"cursor":"`...), cursor...), '"')
	}
	b = append(append(append(b, `,"topic":"`...), t.String()...), '"')
	if matches != nil {
		b = append(append(b, `,"matches":`...), matches...)
	}
	if states != nil {
		b = append(append(b, `,"states":`...), states...)
	}
	return append(b, '}')
}
