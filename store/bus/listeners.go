package bus

import "goalcast"

// Listeners makes several listeners one: each gets everything, in the order given here. Listen
// takes only one.
func Listeners(all ...goalcast.Listener) goalcast.Listener { return listeners(all) }

type listeners []goalcast.Listener

func (all listeners) Event(p goalcast.Published) {
	for _, l := range all {
		l.Event(p)
	}
}

func (all listeners) State(s goalcast.State) {
	for _, l := range all {
		l.State(s)
	}
}

func (all listeners) Reread(t goalcast.Topic, list []goalcast.State) {
	for _, l := range all {
		l.Reread(t, list)
	}
}

func (all listeners) Reset(c goalcast.Cursor) {
	for _, l := range all {
		l.Reset(c)
	}
}

func (all listeners) Stale(stale bool) {
	for _, l := range all {
		l.Stale(stale)
	}
}
