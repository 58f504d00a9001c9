package board

import (
	"fmt"
	"net/netip"

	"goalcast"
)

// load is one reading of a topic, under way or waiting for its turn. Events that arrive while it is
// under way are applied to what it brings: the source may have been read before or after them, and
// applying one twice changes nothing.
type load struct {
	topic   goalcast.Topic
	done    chan struct{} // closed when err is set
	err     error
	address netip.Addr // that it is for; the zero address for none
	events  []goalcast.Event
	lost    bool // too many events to keep: read again
}

const maxHeard = 10_000 // events kept for one reading

func (l *load) heard(e goalcast.Event) {
	if l.topic.Kind == goalcast.MatchTopic && l.topic.ID != int64(e.Match) {
		return
	}
	if len(l.events) == maxHeard {
		l.lost = true
		return
	}
	l.events = append(l.events, e)
}

var errCrowded = fmt.Errorf("%w: too many readings wait", goalcast.ErrUnavailable)

// loads is the readings under way and those that wait, with their bounds: in all, and for one
// address. It is guarded by Board.mu.
type loads struct {
	cfg       Config
	byTopic   map[goalcast.Topic]*load
	underWay  map[*load]struct{} // at most Config.Loads: they hear events
	byAddress map[netip.Addr]int
}

func newLoads(cfg Config) loads {
	return loads{cfg: cfg, byTopic: make(map[goalcast.Topic]*load), underWay: make(map[*load]struct{}),
		byAddress: make(map[netip.Addr]int)}
}

// heard gives an event to the readings under way.
func (s *loads) heard(e goalcast.Event) {
	for l := range s.underWay {
		l.heard(e)
	}
}

// add makes a load of a topic that has none, if there is room.
func (s *loads) add(t goalcast.Topic, address netip.Addr) (*load, error) {
	if len(s.byTopic) >= s.cfg.MaxWaiting+s.cfg.Loads || address.IsValid() &&
		s.byAddress[address] >= s.cfg.MaxPerAddress {
		return nil, errCrowded
	}
	l := &load{topic: t, done: make(chan struct{}), address: address}
	s.byTopic[t] = l
	s.byAddress[address]++
	return l, nil
}

// begin has a load hear events from now on.
func (s *loads) begin(l *load) {
	l.events, l.lost = nil, false
	s.underWay[l] = struct{}{}
}

// brought notes that what a load brought is on the board: the next who asks for its topic begins
// another.
func (s *loads) brought(l *load) {
	if s.byTopic[l.topic] == l {
		delete(s.byTopic, l.topic)
	}
	delete(s.underWay, l)
}

// end gives back what add and begin took.
func (s *loads) end(l *load) {
	s.brought(l)
	if s.byAddress[l.address]--; s.byAddress[l.address] <= 0 {
		delete(s.byAddress, l.address)
	}
}
