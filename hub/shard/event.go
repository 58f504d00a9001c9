package shard

import (
	"sync/atomic"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// Event is a published event on its way to viewers, one for all shards. What is exported of it is
// set before it is posted.
type Event struct {
	frame.Message

	Topics []goalcast.Topic
	Match  goalcast.MatchID
	Cursor goalcast.Cursor
	At     time.Time // when the hub got it
	Times  goalcast.Times
	Intro  *Intro          // what goes ahead of it for those who may not know its match; nil mostly
	Unsure bool            // they may not know its match, which was not held when it came
	Need   goalcast.Rights // what one has to have to see it; 0 mostly

	Step int64            // its number among the revisions of its match; 0 for one that changes no match
	Of   goalcast.KindSet // its kind, for those who asked for some only

	Timing *Timing // nil: nobody wants to know

	shards atomic.Int32 // those that have not yet written it
}

// Timing is how an event is written to its viewers, by all shards together. Those with a delay are
// not among them.
type Timing struct {
	ID       string // of the event
	Revision int

	first   atomic.Int64 // ns since 1970
	viewers atomic.Int64
}

// First is when its first viewer was written to, to half a millisecond; zero: it has none.
func (t *Timing) First() time.Time {
	if ns := t.first.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// Viewers is how many get it.
func (t *Timing) Viewers() int64 { return t.viewers.Load() }

// begin notes that a shard has begun to write.
func (t *Timing) begin(now int64) {
	for {
		first := t.first.Load()
		if first != 0 && first <= now || t.first.CompareAndSwap(first, now) {
			return
		}
	}
}

// NewEvent makes the message of a published event for so many shards. It is encoded at once: every
// shard is about to need it.
func NewEvent(p goalcast.Published, seq uint64, now time.Time, d *frame.Deflater, shards int) *Event {
	e := &Event{
		Message: frame.Message{
			Kind: goalcast.FrameEvent, Class: frame.ClassEvent, ID: p.Cursor.String(), Seq: seq, Deflater: d,
			Text: func() []byte { return goalcast.EventFrame(p, now.UnixMilli()) }},
		Topics: p.Event.Topics, Match: p.Event.Match, Cursor: p.Cursor, At: now, Times: p.Event.Times,
		Step: p.Event.Seq, Of: goalcast.SetOf(p.Event.Kind),
	}
	e.shards.Store(int32(shards))
	e.Bytes(frame.WebSocket)
	return e
}

// WithoutCursor is the event for viewers who wait for a refresh: whoever has its cursor could go on
// from there, at any node, and never learn what was lost before it. It is not compressed: later
// events refer to those of the ring, which have their cursors.
func (e *Event) WithoutCursor(p goalcast.Published) *Event {
	p.Cursor = goalcast.Cursor{}
	bare := NewEvent(p, e.Seq, e.At, nil, int(e.shards.Load()))
	bare.Cursor, bare.Intro, bare.Need, bare.Timing = e.Cursor, e.Intro, e.Need, e.Timing
	return bare
}

// Intro is the snapshot of a match that goes ahead of one of its events.
type Intro struct {
	Match       goalcast.MatchID
	Known       uint64          // Seq of the match's event before: where nobody has joined since, all know the match
	Long, Short *frame.Message  // for viewers of a team, of a competition
	Size        int             // in memory, roughly
	Need        goalcast.Rights // what one has to have to see the match; 0 mostly
}

// For gives the form for viewers of a topic who may have joined up to a place in the hub's count;
// nil if none is needed. Who follows the match itself knows it.
func (in *Intro) For(t goalcast.Topic, joined uint64) *frame.Message {
	if in == nil || joined < in.Known {
		return nil
	}
	switch t.Kind.Info().Matches {
	case goalcast.ListOfMatches:
		return in.Long
	case goalcast.ShortList:
		return in.Short
	}
	return nil
}

// unwritten is an event that is not yet written to all: it is once the queue has passed the mark.
type unwritten struct {
	event *Event
	mark  uint64
}

// fanOut puts an event into the lists of its followers, but for those with a delay.
func (s *Shard) fanOut(e *Event) {
	s.cursor = e.Cursor
	viewers := s.deliver(&s.index, e)
	if e.Timing != nil && viewers > 0 {
		e.Timing.viewers.Add(int64(viewers))
		s.timed = append(s.timed, e.Timing)
	}
	s.unwritten = append(s.unwritten, unwritten{event: e, mark: s.events.pushed})
}

// deliver puts an event into the lists of its followers in an index, each once, and says how many
// they are.
func (s *Shard) deliver(x *index, e *Event) (viewers int) {
	m := &e.Message
	for _, name := range e.Topics {
		t := x.topics[name]
		if t == nil {
			continue
		}
		intro := e.Intro.For(name, t.joined)
		need := e.Need | t.followed.Need()
		n := len(t.members)
		t.start = (t.start + 7919) % n // a prime: each event begins elsewhere
		x.walking = true               // who is cut off meanwhile leaves the list afterwards
		for i := range n {
			j := i + t.start
			if j >= n {
				j -= n
			}
			if c := t.members[j].conn; c.last < m.Seq && c.rights.Have(need) {
				c.last = m.Seq
				if intro != nil && c.rights.Have(e.Intro.Need) {
					s.enqueue(c, intro) // whatever its kind: what comes next of the match may be wanted
				}
				if c.wants(e) {
					s.enqueue(c, m)
					viewers++
				}
			}
		}
		x.stopWalking()
	}
	return viewers
}

// introduce gives a match's snapshot to the followers of topics, each once.
func (s *Shard) introduce(o *Introduce) {
	x := &s.index
	if o.Delay > 0 {
		l := s.lanes[o.Delay]
		if l == nil {
			return
		}
		x = &l.index
	}
	got := make(map[*Conn]bool)
	for _, name := range o.Topics {
		t := x.topics[name]
		if t == nil {
			continue
		}
		need := o.Intro.Need | t.followed.Need()
		m := o.Intro.Long
		if name.Kind.Info().Matches == goalcast.ShortList {
			m = o.Intro.Short
		}
		x.walking = true
		for _, member := range t.members {
			if !got[member.conn] && member.conn.rights.Have(need) {
				got[member.conn] = true
				s.enqueue(member.conn, m)
			}
		}
		x.stopWalking()
	}
}

// noteFirst notes that the first connection was written to since events were put into the lists.
func (s *Shard) noteFirst() {
	if len(s.timed) == 0 {
		return
	}
	now := time.Now().UnixNano()
	for _, t := range s.timed {
		t.begin(now)
	}
	clear(s.timed)
	s.timed = s.timed[:0]
}

// noteWritten notes the events that were by now written to all that can be written to.
func (s *Shard) noteWritten() {
	n := 0
	for n < len(s.unwritten) && s.unwritten[n].mark <= s.events.popped {
		if e := s.unwritten[n].event; e.shards.Add(-1) == 0 {
			s.door.Written(e)
		}
		n++
	}
	if n > 0 {
		rest := copy(s.unwritten, s.unwritten[n:])
		clear(s.unwritten[rest:])
		s.unwritten = s.unwritten[:rest]
	}
}
