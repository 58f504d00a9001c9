package check

import (
	"encoding/json"
	"fmt"
	"slices"

	"goalcast"
)

// seen is a note, read.
type seen struct {
	Note
	frame goalcast.Frame     // Framed
	match goalcast.Snapshot  // Answered
	push  Push               // Pushed
	ids   []goalcast.MatchID // Followed
	truth Told               // Truth
	err   error              // what the note has cannot be read

	before, after goalcast.Snapshot // of an event: its match, by what this recorder was told
}

func read(n Note) *seen {
	s := &seen{Note: n}
	switch {
	case n.Text != "":
		s.err = fmt.Errorf("no JSON: %.200q", n.Text)
	case n.Kind == Framed:
		s.err = json.Unmarshal(n.Data, &s.frame)
	case n.Kind == Answered:
		s.err = json.Unmarshal(n.Data, &s.match)
	case n.Kind == Pushed:
		s.err = json.Unmarshal(n.Data, &s.push)
	case n.Kind == Followed:
		s.err = json.Unmarshal(n.Data, &s.ids)
	case n.Kind == Truth:
		s.err = json.Unmarshal(n.Data, &s.truth)
	}
	return s
}

// event is the event of a frame; nil if it has none.
func (s *seen) event() *goalcast.Event {
	if s.frame.Type != goalcast.FrameEvent {
		return nil
	}
	return s.frame.Event
}

// matches are those that the note shows as a whole, as they stand.
func (s *seen) matches() []goalcast.Snapshot {
	switch {
	case s.Kind == Answered && s.err == nil:
		return []goalcast.Snapshot{s.match}
	case s.frame.Type == goalcast.FrameSnapshot && s.frame.Topic != nil && s.frame.Topic.Kind == goalcast.MatchTopic &&
		len(s.frame.Matches) == 1:
		return s.frame.Matches
	}
	return nil
}

// states are those that the note tells of.
func (s *seen) states() []goalcast.State {
	switch {
	case s.frame.Type == goalcast.FrameState && s.frame.State != nil:
		return []goalcast.State{*s.frame.State}
	case s.frame.Type == goalcast.FrameSnapshot:
		return s.frame.States
	}
	return nil
}

// revision names a revision of an event of a match.
type revision struct {
	match    goalcast.MatchID
	event    string
	revision int
}

// place is a match as of one of its sequence numbers.
type place struct {
	match goalcast.MatchID
	seq   int64
}

// account is what one recorder knows by what it was told, by the rules of docs/wire.md. A reset
// makes it forget; nothing else does.
type account struct {
	who    string
	cursor string          // to come back with
	since  goalcast.Cursor // of the newest event since the last reset
	hellos int
	resets int

	events   []goalcast.Event
	told     map[revision]*seen                     // by which note it was told a revision
	newest   map[string]*seen                       // of each event, by match and id: its newest revision
	last     map[goalcast.MatchID]*seen             // the event with the highest Seq
	missing  map[place]*seen                        // a Seq that was passed over, and the event that did
	followed map[goalcast.MatchID]*seen             // of which a snapshot came: no event of theirs may be missing
	matches  map[goalcast.MatchID]goalcast.Snapshot // snapshots, then events
	prices   map[goalcast.MatchID]*prices           // of this connection
	priced   func(goalcast.State)                   // is told of each price that may be shown; may be nil
	stale    bool                                   // the hub hears nothing
	some     bool                                   // it asked for some kinds of event only
	phone    map[goalcast.MatchID]bool              // that a phone follows
	pushed   map[string]*seen                       // the newest push of each event
	pushes   map[revision]*seen
}

// prices is what is known of the prices of a match.
type prices struct {
	gate   goalcast.Gate
	note   *seen                     // the gate's
	states map[string]goalcast.State // the gate too
}

func newAccount(who string) *account {
	a := &account{who: who, matches: map[goalcast.MatchID]goalcast.Snapshot{}, prices: map[goalcast.MatchID]*prices{},
		phone: map[goalcast.MatchID]bool{}, pushed: map[string]*seen{}, pushes: map[revision]*seen{}}
	a.forget()
	return a
}

// forget is what a reset asks for.
func (a *account) forget() {
	a.events, a.since = nil, goalcast.Cursor{}
	a.told, a.newest, a.last = map[revision]*seen{}, map[string]*seen{}, map[goalcast.MatchID]*seen{}
	a.missing, a.followed = map[place]*seen{}, map[goalcast.MatchID]*seen{}
}

// prepare fills in what a note makes of the account, before that takes it in.
func (a *account) prepare(s *seen) {
	if e := s.event(); e != nil {
		s.before = a.matches[e.Match]
		s.after = goalcast.Apply(s.before, *e)
	}
}

// take takes a note in.
func (a *account) take(s *seen) {
	switch s.Kind {
	case Opened, Ended:
		clear(a.prices)
		a.stale = false
	case Followed:
		for _, id := range s.ids {
			a.phone[id] = true
		}
	case Pushed:
		a.pushed[s.push.name()] = s
		a.pushes[s.push.revision()] = s
	case Framed:
		a.frame(s)
	case Answered:
		a.snapshot(s)
	}
}

func (p Push) name() string { return fmt.Sprint(p.Match, "/", p.Event) }

func (p Push) revision() revision { return revision{p.Match, p.Event, p.Revision} }

func (a *account) frame(s *seen) {
	if s.err != nil {
		return
	}
	f := s.frame
	if f.Cursor != nil {
		a.cursor = f.Cursor.String()
	}
	if s.ID != "" { // an EventSource knows no other
		a.cursor = s.ID
	}
	switch f.Type {
	case goalcast.FrameHello: // of another connection, maybe to another hub: all prices come again
		a.hellos++
		a.stale, a.some = false, len(f.Kinds) > 0
		clear(a.prices)
	case goalcast.FrameReset:
		a.resets++
		a.forget()
	case goalcast.FrameStale:
		a.stale = f.Stale != nil && *f.Stale
	case goalcast.FrameSnapshot:
		a.snapshot(s)
		switch {
		case f.Topic == nil:
		case f.Topic.Kind == goalcast.OddsTopic:
			delete(a.prices, goalcast.MatchID(f.Topic.ID))
		case f.Topic.Kind == goalcast.MatchTopic && len(f.Matches) == 0: // there is none: its fixture will come
			id := goalcast.MatchID(f.Topic.ID)
			a.matches[id], a.followed[id] = goalcast.Snapshot{}, s
		}
	case goalcast.FrameEvent:
		a.event(s)
	}
	for _, st := range s.states() {
		if st.Topic.Kind == goalcast.OddsTopic {
			a.price(s, st)
		}
	}
}

func (a *account) snapshot(s *seen) {
	for _, m := range s.matches() {
		a.matches[m.ID], a.followed[m.ID] = m, s
		for p := range a.missing {
			if p.match == m.ID && p.seq <= m.Seq {
				delete(a.missing, p)
			}
		}
	}
}

func (a *account) event(s *seen) {
	e := *s.event()
	if s.frame.Cursor != nil {
		a.since = *s.frame.Cursor
	}
	a.told[revision{e.Match, e.ID, e.Revision}] = s
	name := fmt.Sprint(e.Match, "/", e.ID)
	if known := a.newest[name]; known == nil || known.event().Revision < e.Revision {
		a.newest[name] = s
	}
	if e.Seq > 0 {
		delete(a.missing, place{e.Match, e.Seq})
		if last := a.last[e.Match]; last == nil || last.event().Seq < e.Seq {
			a.last[e.Match] = s
		}
		if a.followed[e.Match] != nil && !a.some {
			for seq := s.before.Seq + 1; seq < e.Seq; seq++ {
				a.missing[place{e.Match, seq}] = s
			}
		}
	}
	a.events = append(a.events, e)
	a.matches[e.Match] = s.after
}

// price takes in a price or a gate, by the rules of docs/wire.md ("Prices and their gate").
func (a *account) price(s *seen, st goalcast.State) {
	match := goalcast.MatchID(st.Topic.ID)
	p := a.prices[match]
	if p == nil {
		p = &prices{states: map[string]goalcast.State{}}
		a.prices[match] = p
	}
	if known, ok := p.states[st.Key]; ok && known.Version >= st.Version {
		return
	}
	if st.Key == goalcast.GateKey {
		p.gate, p.note = goalcast.ReadGate(st.Value), s
		clear(p.states) // whichever way it goes
	}
	p.states[st.Key] = st
	if a.priced != nil && st.Key != goalcast.GateKey && !st.Removed() && !a.stale && p.gate.State == goalcast.GateOpen {
		a.priced(st)
	}
}

// shown are the prices of a match that may be shown, by key; nil while none may be.
func (a *account) shown(match goalcast.MatchID) map[string]goalcast.State {
	p := a.prices[match]
	if p == nil || a.stale || p.gate.State != goalcast.GateOpen {
		return nil
	}
	shown := map[string]goalcast.State{}
	for key, st := range p.states {
		if key != goalcast.GateKey && !st.Removed() {
			shown[key] = st
		}
	}
	return shown
}

// holes lists the sequence numbers of matches that were passed over, and did not come later, each
// with the event that came in their place.
func (a *account) holes() map[*seen][]int64 {
	out := map[*seen][]int64{}
	for p, s := range a.missing {
		out[s] = append(out[s], p.seq)
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}
