package hub

import (
	"goalcast"
	"goalcast/hub/board"
)

// snapshotFrame is a topic's snapshot frame, made when the first viewer asks for it and shared until something in it changes. The matches, which are
// long, are encoded once per change; the frame around them once per cursor.
type snapshotFrame struct {
	msg    *message
	cursor goalcast.Cursor // as of which it is; zero where none was told
	states uint64          // of the state table in it
}

// snapshotOf gives the frame of a view as of a cursor, with the states of the table if there is one.
func (h *Hub) snapshotOf(t goalcast.Topic, view *board.View, as goalcast.Cursor, table *stateTable) *message {
	text, version := table.snapshot()
	return board.Derive(view, func(last snapshotFrame) snapshotFrame {
		if last.msg != nil && last.cursor == as && last.states == version {
			return last
		}
		cursor := as.String()
		m := newMessage(goalcast.FrameSnapshot, classSnapshot, func() []byte { return snapshotText(t, cursor, view.JSON(), text) })
		m.deflater = h.deflater
		return snapshotFrame{m, as, version}
	}).msg
}

// snapshotText is goalcast.Frame of a snapshot, built around JSON that exists already.
func snapshotText(t goalcast.Topic, cursor string, matches, states []byte) []byte {
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

// intro is the snapshot of a match that goes ahead of one of its events.
type intro struct {
	*board.Intro
	long, short *message // for viewers of a team, of a competition
}

// newIntro makes the frames of an intro, or finds those that were made before; nil for nil.
func (h *Hub) newIntro(in *board.Intro) *intro {
	if in == nil {
		return nil
	}
	frame := func(v *board.View) *message {
		return board.Derive(v, func(last *message) *message {
			if last != nil {
				return last
			}
			t := goalcast.ForMatch(in.Match)
			m := newMessage(goalcast.FrameSnapshot, classEvent, func() []byte { return snapshotText(t, "", v.JSON(), nil) })
			m.deflater = h.deflater
			return m
		})
	}
	return &intro{in, frame(in.Team), frame(in.Competition)}
}

// forTopic gives the form for viewers of a topic who may have joined up to a place in the hub's count; nil if none is needed. Who follows the match
// itself knows it.
func (in *intro) forTopic(t goalcast.Topic, joined uint64) *message {
	switch {
	case in == nil || joined < in.Known:
		return nil
	case t.Kind == goalcast.TeamTopic:
		return in.long
	case t.Kind == goalcast.CompetitionTopic:
		return in.short
	}
	return nil
}
