package shard

import (
	"math"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// lane is those of a shard's connections that have everything later by one delay. It is an index of
// its own, which events come to when their time has come; states and gates come to none.
type lane struct {
	index
	cursor goalcast.Cursor // of the newest event that was put into lists
	last   uint64          // its place in the hub's count
	conns  int
}

type (
	// Trailed brings events for those with a delay, in order.
	Trailed struct {
		Delay  time.Duration
		Events []*Event
	}

	// TrailReset says that those with a delay who were here at a reset may be given snapshots.
	TrailReset struct{ Delay time.Duration }

	// Rejoined brings one of them the snapshots of all that it followed, so many topics; none if
	// they are not to be had.
	Rejoined struct {
		Conn   *Conn
		Topics int
		Start
	}
)

// Rejoining is a connection that needs the snapshots of what it follows.
type Rejoining struct {
	Conn   *Conn
	Topics []goalcast.Topic
	Rights goalcast.Rights
}

func (o *Trailed) do(s *Shard)    { s.trailed(o) }
func (o *TrailReset) do(s *Shard) { s.trailReset(o.Delay) }
func (o *Rejoined) do(s *Shard)   { s.rejoined(o) }

// indexOf is the one that a connection is in.
func (s *Shard) indexOf(c *Conn) *index {
	if l := s.laneOf(c); l != nil {
		return &l.index
	}
	return &s.index
}

// laneOf is that of a connection with a delay; nil for others.
func (s *Shard) laneOf(c *Conn) *lane {
	if c.terms == nil || c.terms.Delay == 0 {
		return nil
	}
	return s.lanes[c.terms.Delay]
}

// enterLane counts a connection that joins, at a place in the hub's count.
func (s *Shard) enterLane(c *Conn, b *Start) {
	delay := c.Delay()
	if delay == 0 {
		return
	}
	l := s.lanes[delay]
	if l == nil {
		l = &lane{index: index{topics: make(map[goalcast.Topic]*topic)}}
		if s.lanes == nil {
			s.lanes = make(map[time.Duration]*lane)
		}
		s.lanes[delay] = l
	}
	l.conns++
	l.cursor, l.last = b.Cursor, b.Seq
	c.last = b.Seen
}

// leaveLane uncounts a connection that has left its topics.
func (s *Shard) leaveLane(c *Conn) {
	if c.terms != nil && c.terms.Left != nil {
		c.terms.Left()
	}
	if l := s.laneOf(c); l != nil {
		if l.conns--; l.conns == 0 {
			delete(s.lanes, c.terms.Delay)
		}
	}
}

func (s *Shard) trailed(o *Trailed) {
	l := s.lanes[o.Delay]
	if l == nil {
		return
	}
	for _, e := range o.Events {
		l.cursor, l.last = e.Cursor, e.Seq
		s.deliver(&l.index, e)
	}
}

// mute has a connection with a delay be sent no events until it has snapshots again.
func (c *Conn) mute() { c.last = math.MaxUint64 }

// trailReset asks for snapshots for those who were here at a reset.
func (s *Shard) trailReset(delay time.Duration) {
	var list []Rejoining
	for c := range s.conns {
		if c.Delay() == delay && c.is(outdated) && c.life == alive {
			list = append(list, s.rejoining(c))
		}
	}
	if len(list) > 0 {
		s.door.Rejoin(s, list)
	}
}

func (s *Shard) rejoining(c *Conn) Rejoining {
	r := Rejoining{Conn: c, Rights: c.rights}
	for i := range c.subs {
		r.Topics = append(r.Topics, c.subs[i].topic.followed.Name)
	}
	return r
}

// rejoined goes on with a connection behind the snapshots.
func (s *Shard) rejoined(o *Rejoined) {
	c := o.Conn
	switch {
	case c.life != alive || !c.is(outdated):
		return
	case len(o.Frames) == 0:
		s.close(c, "unavailable", s.bye(goalcast.CodeUnavailable.Bye(), goalcast.Cursor{}),
			frame.Close(goalcast.CloseTryLater, "try again"))
		return
	case o.Topics != len(c.subs): // it has followed something meanwhile
		s.door.Rejoin(s, []Rejoining{s.rejoining(c)})
		return
	}
	c.clear(outdated | toldReset)
	s.startAgain(c, &o.Start)
	c.last = o.Seq
	if l := s.laneOf(c); l != nil {
		l.cursor, l.last = o.Cursor, o.Seq
	}
}
