package client

import (
	"encoding/json"

	"goalcast"
)

// frame is a goalcast.Frame that a later version of the hub may have sent: topics are texts, since
// one of a kind that is not known here must not spoil the rest, and cursors are not looked into.
type frame struct {
	goalcast.Frame
	Cursor  string   `json:"cursor"`
	Topics  []string `json:"topics"`
	Topic   string   `json:"topic"`
	Matches []match  `json:"matches"`
	States  []state  `json:"states"`
	Event   *event   `json:"event"`
	State   *state   `json:"state"`
}

type event struct {
	goalcast.Event
	Topics []string `json:"topics"`
}

type match struct {
	goalcast.Snapshot
	Timeline []event `json:"timeline"`
}

type state struct {
	goalcast.State
	Topic string `json:"topic"`
}

func decode(text []byte) (f frame, err error) {
	err = json.Unmarshal(text, &f)
	return f, err
}

// known is the event with the topics of known kinds.
func (e *event) known() goalcast.Event {
	known := e.Event
	known.Topics = make([]goalcast.Topic, 0, len(e.Topics))
	for _, text := range e.Topics {
		if t, err := goalcast.ParseTopic(text); err == nil {
			known.Topics = append(known.Topics, t)
		}
	}
	return known
}

func (m *match) known() *goalcast.Snapshot {
	known := m.Snapshot
	known.Timeline = make([]goalcast.Event, len(m.Timeline))
	for i := range m.Timeline {
		known.Timeline[i] = m.Timeline[i].known()
	}
	return &known
}

// known is the state; false if it is of a topic that nobody here can follow.
func (s *state) known() (goalcast.State, bool) {
	known := s.State
	t, err := goalcast.ParseTopic(s.Topic)
	known.Topic = t
	return known, err == nil
}

// revisions remembers which revisions of events were told, the newest of them. It is used by one
// goroutine at a time.
type revisions struct {
	young, old map[string]int // "match/id" -> the newest revision
}

const remembered = 5000 // events at least

// isNew says whether a revision was not told yet, and takes it for told.
func (r *revisions) isNew(id string, revision int) bool {
	if max(r.young[id], r.old[id]) >= revision {
		return false
	}
	if r.young == nil || len(r.young) >= remembered {
		r.young, r.old = map[string]int{}, r.young
	}
	r.young[id] = revision
	return true
}
