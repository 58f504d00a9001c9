package shard

import (
	"time"

	"goalcast/hub/frame"
)

// lists lends memory to the lists of what waits for connections.
type lists struct {
	spare [][]*frame.Message
	size  int // of all of them, in entries
}

// lend gives the memory of an empty list; nil if there is none.
func (l *lists) lend() []*frame.Message {
	n := len(l.spare)
	if n == 0 {
		return nil
	}
	list := l.spare[n-1]
	l.spare = l.spare[:n-1]
	l.size -= cap(list)
	return list
}

// take takes an empty list's memory back.
func (l *lists) take(list []*frame.Message) {
	const most = 256 << 10 // entries of 8 bytes that a shard keeps for the next batch of events
	if n := cap(list); n > 0 && l.size+n <= most {
		l.size += n
		l.spare = append(l.spare, list[:0])
	}
}

// enqueue lets a message wait for a connection and cuts it off if too much does.
func (s *Shard) enqueue(c *Conn, m *frame.Message) {
	if c.life != alive {
		return
	}
	size := m.Size(c.encoding)
	if size == 0 {
		return
	}
	if int(c.waiting)+size > int(c.allowance) {
		if s.flush(c); c.life != alive {
			return
		}
		if int(c.waiting)+size > int(c.allowance) && c.is(blocked) && s.isSlow(c, size) {
			s.tooSlow(c)
			return
		}
	}
	s.append(c, m)
}

// allow appends messages that may exceed the limit, since the viewer could not do without them.
func (s *Shard) allow(c *Conn, list []*frame.Message) {
	for _, m := range list {
		size := m.Size(c.encoding)
		if size == 0 {
			continue
		}
		c.allowance += int32(size)
		s.append(c, m)
	}
}

// append puts a message into the list, whatever is there.
func (s *Shard) append(c *Conn, m *frame.Message) {
	size := int32(m.Size(c.encoding))
	if c.pending == nil {
		c.pending = s.lists.lend()
	}
	c.pending = append(c.pending, m)
	c.waiting += size
	s.stats.Pending += int64(size)
	s.wantWrite(c)
}

// wantWrite puts a connection into the queue of those with something to send, unless it stands
// there or cannot be written to.
func (s *Shard) wantWrite(c *Conn) {
	if c.state&(inEvents|blocked) == 0 && c.life != dead {
		c.set(inEvents)
		s.events.push(c)
	}
}

// discard forgets what waits for a connection, but not the rest of a frame that was begun.
func (s *Shard) discard(c *Conn) {
	s.stats.Pending -= int64(c.waiting)
	clear(c.pending)
	s.lists.take(c.pending)
	c.pending, c.waiting, c.lags = nil, 0, nil
}

// sent removes the first n messages from the list and, if none is left, takes its memory back.
func (s *Shard) sent(c *Conn, n int) {
	if n == 0 {
		return
	}
	k := copy(c.pending, c.pending[n:])
	clear(c.pending[k:])
	c.pending = c.pending[:k]
	if k > 0 {
		return
	}
	c.allowance = int32(s.cfg.MaxPending)
	s.lists.take(c.pending)
	c.pending = nil
}

// Over MaxPending a connection is cut if it takes nothing, not because much came at once: a
// season's fixtures are a megabyte for each follower of the competition, and whoever reads them all
// the time may have them.
const (
	// without taking anything; a phone at 50 kB/s makes room in the kernel's buffer more often
	slowAfter = 2 * time.Second
	// hardLimit times MaxPending is too much for anybody: 8 MB by default. Events are shared, so
	// that a list of as many takes 200 kB.
	hardLimit = 32
	// maxBacklog is the bytes that wait in all lists of a node together; above, MaxPending itself
	// is the limit. As pointers that is some 50 MB.
	maxBacklog = 2 << 30
)

// isSlow says whether a blocked connection that is over its limit is to be cut.
func (s *Shard) isSlow(c *Conn, size int) bool {
	s.noteProgress(c)
	return s.clock.tick-c.stalled > s.clock.ticks(slowAfter) ||
		int64(c.waiting)+int64(size) > hardLimit*int64(s.cfg.MaxPending) ||
		s.stats.Pending > maxBacklog/int64(s.cfg.Shards)
}

// noteProgress has a blocked connection counted as stalled from now on, if its goroutine has
// written something meanwhile. Of raw ones block knows.
func (s *Shard) noteProgress(c *Conn) {
	if c.portable != nil && c.portable.moved.Swap(false) {
		c.stalled = s.clock.tick
	}
}

// fifo is a queue of connections that is eaten from the front. pushed and popped count for ever.
type fifo struct {
	list           []*Conn
	head           int
	pushed, popped uint64
}

func (f *fifo) push(c *Conn) { f.list = append(f.list, c); f.pushed++ }
func (f *fifo) empty() bool  { return f.head == len(f.list) }

func (f *fifo) pop() *Conn {
	c := f.list[f.head]
	f.list[f.head] = nil
	f.head++
	f.popped++
	switch {
	case f.head == len(f.list):
		f.list, f.head = f.list[:0], 0
	case f.head >= 4096 && f.head > len(f.list)/2:
		n := copy(f.list, f.list[f.head:])
		clear(f.list[n:])
		f.list, f.head = f.list[:n], 0
	}
	return c
}
