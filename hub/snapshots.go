package hub

import (
	"goalcast"
	"goalcast/hub/board"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// snapshotFrame is a topic's snapshot frame, made when the first viewer asks for it and shared
// until something in it changes. The matches, which are long, are encoded once per change; the
// frame around them once per cursor.
type snapshotFrame struct {
	msg    *frame.Message
	cursor goalcast.Cursor // as of which it is; zero where none was told
	states uint64          // of the state table in it
}

// snapshotOf gives the frame of a view as of a cursor, with the states of the table if there is
// one.
func (h *Hub) snapshotOf(t goalcast.Topic, view *board.View, as goalcast.Cursor, table *follow.Table) *frame.Message {
	text, version := table.Snapshot()
	return board.Derive(view, func(last snapshotFrame) snapshotFrame {
		if last.msg != nil && last.cursor == as && last.states == version {
			return last
		}
		cursor := as.String()
		m := &frame.Message{Kind: goalcast.FrameSnapshot, Class: frame.ClassSnapshot, Deflater: h.deflater,
			Text: func() []byte { return snapshotText(t, cursor, view.JSON(), text) }}
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

// newIntro makes the frames of an intro, or finds those that were made before; nil for nil.
func (h *Hub) newIntro(in *board.Intro) *shard.Intro {
	if in == nil {
		return nil
	}
	message := func(v *board.View) *frame.Message {
		return board.Derive(v, func(last *frame.Message) *frame.Message {
			if last != nil {
				return last
			}
			t := goalcast.ForMatch(in.Match)
			return &frame.Message{Kind: goalcast.FrameSnapshot, Class: frame.ClassEvent, Deflater: h.deflater,
				Text: func() []byte { return snapshotText(t, "", v.JSON(), nil) }}
		})
	}
	return &shard.Intro{Match: in.Match, Known: in.Known, Size: in.Size, Need: in.Need,
		Long: message(in.Team), Short: message(in.Competition)}
}
