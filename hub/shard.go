package hub

import (
	"time"

	"goalcast"
)

// shard owns a share of the connections. All fields below inbox belong to its goroutine (loop.go).
type shard struct {
	hub   *Hub
	index int
	inbox inbox

	began   time.Time
	topics  map[goalcast.Topic]*topic
	conns   map[*conn]struct{}
	sockets []*conn // by descriptor
	gen     int32
	poller  *poller
	buffer  []byte // for reading
	pieces  []iovec
	ops     []op

	inflater inflater

	scratch input // of whoever is read from now

	walking  bool    // through a topic's members: nobody may leave it now
	removals []*conn // who will leave after that
	plan     []outgoing

	events, states fifo            // connections with something to send; with only states to send
	dirty          []*topic        // with states that were not given out
	pace           pace            // of the rounds in which states are given out
	counted        uint64          // rounds of states, and other bursts that several connections got
	spare          [][]*message    // memory for pending lists
	spareSize      int             // of all of them, in entries
	stuck          map[*conn]uint8 // blocked connections
	leaving        []leaver        // lingering ones, in order of their time
	wheel          [][]*conn       // by tick: whose keep-alive is due
	tick           uint32
	cursor         goalcast.Cursor // of the newest event given to the lists
	broken         bool            // that cursor must not be told, since a refresh is due
	stale          bool            // the bus is silent
	beat           *message        // keep-alive of this tick
	flying         []flying        // events not yet written to all
	farewell       farewell
	holding        holding

	stats     shardStats
	published published
}

// flying is an event on its way: it is written to all once the queue has passed the mark.
type flying struct {
	msg  *message
	mark uint64
}

const (
	readBuffer = 16 << 10
	maxPieces  = 1024 // IOV_MAX: pieces of one writev
	group      = 64   // connections written between two looks into the inbox: half a millisecond
)

func newShard(h *Hub, index int) *shard {
	return &shard{
		hub: h, index: index, began: time.Now(),
		inbox:  inbox{wake: make(chan struct{}, 1)},
		topics: make(map[goalcast.Topic]*topic),
		conns:  make(map[*conn]struct{}),
		buffer: make([]byte, readBuffer),
		stuck:  make(map[*conn]uint8),
		wheel:  make([][]*conn, h.cfg.PingInterval/h.cfg.tick()+1),
	}
}

// landed notes the events that were by now written to all that can be written to.
func (s *shard) landed() {
	n := 0
	for n < len(s.flying) && s.flying[n].mark <= s.events.popped {
		if m := s.flying[n].msg; m.shards.Add(-1) == 0 {
			s.hub.metrics.written(m, time.Now())
		}
		n++
	}
	if n > 0 {
		rest := copy(s.flying, s.flying[n:])
		clear(s.flying[rest:])
		s.flying = s.flying[:rest]
	}
}

func (s *shard) handleInbox() {
	s.ops = s.inbox.take(s.ops)
	for i := range s.ops {
		s.handle(&s.ops[i])
		s.ops[i] = op{}
	}
	if cap(s.ops) > 4096 {
		s.ops = nil // after a storm of joins
	}
}

func (s *shard) handle(o *op) {
	switch o.kind {
	case opEvent:
		s.fanOut(o.msg)
	case opState:
		s.stateChanged(o.arg.(*stateTable))
	case opJoin:
		s.join(o.conn, o.arg.(*join))
	case opSubscribe:
		s.subscribed(o.conn, o.arg.(*join))
	case opInput:
		s.portableInput(o.conn, o.arg.(*inputBytes))
	case opWritten:
		s.written(o.conn)
	case opGone:
		if o.conn.transport == byPoll {
			s.drop(o.conn, "answered")
		} else {
			s.drop(o.conn, "gone")
		}
	case opTimeout:
		s.answerPoll(o.conn)
	case opStale:
		s.stale = o.arg.(bool)
		for c := range s.conns {
			s.enqueue(c, o.msg)
		}
	case opReset:
		s.outdate(o.arg.(goalcast.Cursor))
	case opRefresh:
		s.refresh(o.msg, o.arg.(*refreshed))
	case opGiveUp:
		s.giveUp(o.arg.([]goalcast.Topic))
	case opIntro:
		s.introduce(o.arg.(*introduction))
	case opDrain:
		s.farewell.begin(s, o.arg.(time.Duration))
	}
}

// fanOut puts an event into the lists of its followers, each once.
func (s *shard) fanOut(m *message) {
	s.cursor = m.cursor
	for _, name := range m.topics {
		t := s.topics[name]
		if t == nil {
			continue
		}
		intro := m.intro.forTopic(name, t.joined)
		n := len(t.members)
		t.start = (t.start + 7919) % n // a prime: each round begins elsewhere
		s.walking = true               // who is cut off meanwhile leaves the list afterwards
		for i := range n {
			j := i + t.start
			if j >= n {
				j -= n
			}
			if c := t.members[j].conn; c.last < m.seq {
				c.last = m.seq
				if intro != nil {
					s.enqueue(c, intro)
				}
				s.enqueue(c, m)
			}
		}
		s.stopWalking()
	}
	s.flying = append(s.flying, flying{msg: m, mark: s.events.pushed})
}

// stopWalking lets those leave who could not meanwhile.
func (s *shard) stopWalking() {
	s.walking = false
	for i, c := range s.removals {
		s.leaveAll(c)
		s.removals[i] = nil
	}
	s.removals = s.removals[:0]
}

// enqueue lets a message wait for a connection and cuts it off if too much does.
func (s *shard) enqueue(c *conn, m *message) {
	if c.state&(dead|closing|lingering) != 0 {
		return
	}
	size := m.size(c.encoding)
	if size == 0 {
		return
	}
	if int(c.waiting)+size > int(c.allowance) {
		if s.flush(c); c.state&(dead|closing|lingering) != 0 {
			return
		}
		if int(c.waiting)+size > int(c.allowance) && c.is(blocked) && s.lags(c, size) {
			s.tooSlow(c)
			return
		}
	}
	s.append(c, m)
}

// Over MaxPending a connection is cut if it takes nothing, not because much came at once: a season's fixtures are a megabyte for each follower of the
// competition, and whoever reads them all the time may have them.
const (
	slowAfter   = 2 * time.Second // without taking anything; a phone at 50 kB/s makes room in the kernel's buffer more often
	burstFactor = 32              // so many times MaxPending is too much for anybody: 8 MB by default. Events are shared, so that a list of as many takes 200 kB
	maxBacklog  = 2 << 30         // bytes that wait in all lists of a node together; above, MaxPending itself is the limit. As pointers that is some 50 MB
)

// lags says whether a blocked connection that is over its limit is to be cut.
func (s *shard) lags(c *conn, size int) bool {
	s.noteProgress(c)
	return s.tick-c.stalled > s.ticks(slowAfter) ||
		int64(c.waiting)+int64(size) > burstFactor*int64(s.hub.cfg.MaxPending) ||
		s.stats.pending > maxBacklog/int64(len(s.hub.shards))
}

// noteProgress has a blocked connection counted as stalled from now on, if its goroutine has written something meanwhile. Of raw ones block knows.
func (s *shard) noteProgress(c *conn) {
	if c.portable != nil && c.portable.moved.Swap(false) {
		c.stalled = s.tick
	}
}

// append puts a message into the list, whatever is there.
func (s *shard) append(c *conn, m *message) {
	size := int32(m.size(c.encoding))
	if c.pending == nil {
		if n := len(s.spare); n > 0 {
			c.pending, s.spare = s.spare[n-1], s.spare[:n-1]
			s.spareSize -= cap(c.pending)
		}
	}
	c.pending = append(c.pending, m)
	c.waiting += size
	s.stats.pending += int64(size)
	s.wantWrite(c)
}

// wantWrite puts a connection into the queue of those with something to send, unless it stands there or cannot be written to.
func (s *shard) wantWrite(c *conn) {
	if c.state&(inEvents|blocked|dead) == 0 {
		c.set(inEvents)
		s.events.push(c)
	}
}
