package hub

import (
	"slices"
	"time"
)

// flush writes all that waits for a connection, in one system call where it fits into one.
func (s *shard) flush(c *conn) {
	for c.state&(blocked|dead|lingering) == 0 {
		pieces, total := s.gather(c)
		if total == 0 {
			break
		}
		if c.portable != nil {
			s.handOver(c)
			return
		}
		n, err := writeSocket(int(c.fd), pieces)
		switch {
		case err == nil:
		case wouldBlock(err):
			n = 0
		default:
			s.drop(c, "gone")
			return
		}
		s.stats.bytes += int64(n)
		s.stats.batches[batchBucket(len(pieces))]++
		s.stats.batchFrames += int64(len(pieces))
		if n > 0 {
			c.wrote = s.tick
			s.consume(c, n)
		}
		if n < total {
			s.block(c)
			return
		}
	}
	if c.is(closing) && len(c.pending) == 0 && c.rest == nil && c.state&(blocked|dead|lingering) == 0 {
		s.linger(c)
	}
}

// outgoing is a message, or a burst of states, in the bytes in which a connection gets it.
type outgoing struct {
	bytes  []byte
	window ending  // of the connection, after it
	burst  *burst  // nil: a message
	frames *frames // of the burst
}

// gather lists what is to be written: the rest of a frame, then events and whatever else is pending, then states; at most maxPieces. The
// shard's plan says what the pieces behind the rest are.
func (s *shard) gather(c *conn) (pieces []iovec, total int) {
	pieces, s.plan = s.pieces[:0], s.plan[:0]
	add := func(b []byte) {
		if len(b) > 0 {
			pieces = append(pieces, iovecOf(b))
			total += len(b)
		}
	}
	add(c.rest)
	window := c.window
	for _, m := range c.pending {
		if len(pieces) == maxPieces-1 {
			break
		}
		var b []byte
		b, window = m.follow(c.encoding, window)
		add(b)
		s.plan = append(s.plan, outgoing{bytes: b, window: window})
	}
	if c.state&(closing|held) == 0 && len(pieces)+len(c.behind) < maxPieces {
		for _, b := range c.behind {
			var r *frames
			states := s.burst(b)
			r, window = states.follow(c.encoding, window)
			add(r.bytes)
			s.plan = append(s.plan, outgoing{bytes: r.bytes, window: window, burst: states, frames: r})
		}
	}
	s.pieces = pieces
	return pieces, total
}

// consume takes n written bytes off what waits, as gather planned it. What a frame was cut in stays as the connection's rest.
func (s *shard) consume(c *conn, n int) {
	if k := min(n, len(c.rest)); k > 0 {
		n -= k
		if c.rest = c.rest[k:]; len(c.rest) > 0 {
			return
		}
		c.rest = nil
	}
	done := 0
	for n > 0 && done < len(s.plan) && s.plan[done].burst == nil {
		m, out := c.pending[done], &s.plan[done]
		size := m.size(c.encoding)
		s.stats.messages[m.class]++
		c.waiting -= int32(size)
		s.stats.pending -= int64(size)
		c.window = out.window // also of a frame that was cut: its rest goes before all else
		done++
		if n < len(out.bytes) {
			c.rest = out.bytes[n:]
			n = 0
			break
		}
		n -= len(out.bytes)
	}
	s.sent(c, done)
	if c.rest != nil || len(c.pending) > 0 {
		return // it ended before the states
	}
	s.consumeStates(c, n, s.plan[done:])
}

// consumeStates takes n written bytes off the states.
func (s *shard) consumeStates(c *conn, n int, plan []outgoing) {
	if len(plan) == 0 {
		return
	}
	if n > 0 {
		s.hold(c)
	}
	for i, out := range plan {
		if n < len(out.bytes) {
			upto, rest := out.burst.cut(out.frames, n)
			s.countStates(out.burst, upto)
			c.rest = rest
			c.behind = slices.Delete(c.behind, 0, i)
			if upto > 0 {
				c.behind[0].since = upto
			}
			if n > 0 {
				c.window = 0 // it ends in the middle of a burst: what comes next stands for itself
			}
			return
		}
		n -= len(out.bytes)
		s.countStates(out.burst, out.burst.upto)
		c.window = out.window
	}
	c.behind = c.behind[:0]
	if cap(c.behind) > 4 {
		c.behind = nil
	}
}

func (s *shard) countStates(r *burst, upto uint64) {
	for _, slot := range r.slots {
		if slot.change <= upto {
			s.stats.messages[classState]++
		}
	}
}

// sent removes the first n messages from the list and, if none is left, takes its memory back.
func (s *shard) sent(c *conn, n int) {
	if n == 0 {
		return
	}
	k := copy(c.pending, c.pending[n:])
	clear(c.pending[k:])
	c.pending = c.pending[:k]
	if k > 0 {
		return
	}
	c.allowance = int32(s.hub.cfg.MaxPending)
	s.takeBack(c)
}

// takeBack takes the memory of an empty list back for others.
func (s *shard) takeBack(c *conn) {
	const most = 256 << 10 // entries of 8 bytes that a shard keeps for the next burst
	if n := cap(c.pending); n > 0 && s.spareSize+n <= most {
		s.spareSize += n
		s.spare = append(s.spare, c.pending[:0])
	}
	c.pending = nil
}

// block waits until the socket takes something again. Nothing is read from the peer meanwhile.
func (s *shard) block(c *conn) {
	c.set(blocked)
	c.stalled = s.tick
	s.stuck[c] = 0
	s.watch(c)
}

// unblock goes on with a connection that can be written to again.
func (s *shard) unblock(c *conn) {
	c.clear(blocked)
	delete(s.stuck, c)
	s.flush(c)
	if c.state&(blocked|paused) == 0 && c.input != nil {
		s.feed(c, nil) // what could not be answered while nothing could be sent
	}
	if c.portable != nil && c.state&(blocked|paused|dead) == 0 {
		c.portable.resume()
	}
	s.watch(c)
}

// watch tells the poller what the connection waits for, if that has changed.
func (s *shard) watch(c *conn) {
	if c.portable != nil || c.is(dead) {
		return
	}
	want := uint16(ioIn)
	switch {
	case c.is(blocked):
		want = ioOut
	case c.is(paused):
		want = 0
	}
	if want == c.want {
		return
	}
	c.want = want
	if err := s.poller.change(c.fd, c.gen, uint32(want)); err != nil {
		s.hub.log.Error("epoll", "err", err)
		s.drop(c, "error")
	}
}

// stateChanged notes that a topic has states to give out, if anybody here follows it.
func (s *shard) stateChanged(table *stateTable) {
	table.hinted[s.index].Store(false)
	t := s.topics[table.topic]
	if t == nil {
		return
	}
	t.table = table
	if !t.dirty {
		t.dirty = true
		s.dirty = append(s.dirty, t)
	}
}

// giveStates begins a round: who follows a topic with new states is behind from here on, and stands in the queue for states.
func (s *shard) giveStates() {
	s.pace = pace{began: time.Now()}
	for i, t := range s.dirty {
		s.dirty[i], t.dirty = nil, false
		slots, upto := t.table.since(t.flushed)
		if upto == t.flushed || len(t.members) == 0 {
			continue
		}
		t.round = s.round(t, slots, upto)
		t.flushed = upto
		t.start = (t.start + 7919) % len(t.members)
		for j := range t.members {
			s.fallBehind(t.members[(j+t.start)%len(t.members)].conn, t, t.round.since)
		}
	}
	s.dirty = s.dirty[:0]
}

// fallBehind notes that a connection lacks a topic's states after a change.
func (s *shard) fallBehind(c *conn, t *topic, since uint64) {
	if c.state&(dead|closing|lingering) != 0 {
		return
	}
	if !slices.ContainsFunc(c.behind, func(b behind) bool { return b.topic == t }) {
		c.behind = append(c.behind, behind{topic: t, since: since})
	}
	s.wantStates(c)
}

// wantStates puts a connection into the queue of those with only states to send, unless it cannot or must not have them now.
func (s *shard) wantStates(c *conn) {
	if c.state&(inEvents|inStates|blocked|held|dead) == 0 && len(c.behind) > 0 {
		c.set(inStates)
		s.states.push(c)
	}
}

// allow appends messages that may exceed the limit, since the viewer could not do without them.
func (s *shard) allow(c *conn, list []*message) {
	for _, m := range list {
		size := m.size(c.encoding)
		if size == 0 {
			continue
		}
		c.allowance += int32(size)
		s.append(c, m)
	}
}
