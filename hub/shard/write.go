package shard

import (
	"slices"

	"goalcast/hub/frame"
)

const maxPieces = 1024 // IOV_MAX: pieces of one writev

// flush writes all that waits for a connection, in one system call where it fits into one.
func (s *Shard) flush(c *Conn) {
	for !c.is(blocked) && c.life < lingering {
		pieces, total := s.gather(c)
		if total == 0 {
			s.consume(c, 0) // what a gate has made void is not lacking any more
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
		s.stats.Bytes += int64(n)
		s.stats.Batches[batchBucket(len(pieces))]++
		s.stats.BatchFrames += int64(len(pieces))
		if n > 0 {
			c.wrote = s.clock.tick
			s.consume(c, n)
		}
		if n < total {
			s.block(c)
			return
		}
	}
	s.wantStates(c) // which did not go along
	if c.life == closing && len(c.pending) == 0 && c.rest == nil && !c.is(blocked) {
		s.linger(c)
	}
}

// outgoing is a message, or a batch of states, in the bytes in which a connection gets it.
type outgoing struct {
	bytes  []byte
	window frame.Window // of the connection, after it
	batch  *frame.Batch // nil: a message
	run    *frame.Run   // of the batch
}

// gather lists what is to be written: the rest of a frame, then events and whatever else is
// pending, then states unless events rush; at most maxPieces. The shard's plan says what the pieces
// behind the rest are.
func (s *Shard) gather(c *Conn) (pieces []iovec, total int) {
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
		b, window = m.Encode(c.encoding, window)
		add(b)
		s.plan = append(s.plan, outgoing{bytes: b, window: window})
	}
	if c.life == alive && !c.is(throttled) && !s.flushes.rush.on && len(pieces)+len(c.lags) < maxPieces {
		for _, l := range c.lags {
			var r *frame.Run
			states := s.flushes.batch(l)
			r, window = states.Encode(c.encoding, window)
			add(r.Bytes)
			s.plan = append(s.plan, outgoing{bytes: r.Bytes, window: window, batch: states, run: r})
		}
	}
	s.pieces = pieces
	return pieces, total
}

// consume takes n written bytes off what waits, as gather planned it. What a frame was cut in stays
// as the connection's rest.
func (s *Shard) consume(c *Conn, n int) {
	if k := min(n, len(c.rest)); k > 0 {
		n -= k
		if c.rest = c.rest[k:]; len(c.rest) > 0 {
			return
		}
		c.rest = nil
	}
	done := 0
	for n > 0 && done < len(s.plan) && s.plan[done].batch == nil {
		m, out := c.pending[done], &s.plan[done]
		size := m.Size(c.encoding)
		s.stats.Messages[m.Class]++
		c.waiting -= int32(size)
		s.stats.Pending -= int64(size)
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
func (s *Shard) consumeStates(c *Conn, n int, plan []outgoing) {
	if len(plan) == 0 {
		return
	}
	if n > 0 {
		s.hold(c)
	}
	for i, out := range plan {
		if n < len(out.bytes) {
			upto, rest := out.batch.Cut(out.run, n)
			s.countStates(out.batch, upto)
			c.rest = rest
			c.lags = slices.Delete(c.lags, 0, i)
			if upto > 0 {
				c.lags[0].since = upto
			}
			if n > 0 {
				c.window = 0 // it ends in the middle of a batch: what comes next stands for itself
			}
			return
		}
		n -= len(out.bytes)
		s.countStates(out.batch, out.batch.Upto)
		c.window = out.window
	}
	c.lags = c.lags[:0]
	if cap(c.lags) > 4 {
		c.lags = nil
	}
}

// block waits until the socket takes something again. Nothing is read from the peer meanwhile.
func (s *Shard) block(c *Conn) {
	c.set(blocked)
	c.stalled = s.clock.tick
	s.clock.stuck[c] = struct{}{}
	s.watch(c)
}

// unblock goes on with a connection that can be written to again.
func (s *Shard) unblock(c *Conn) {
	c.clear(blocked)
	delete(s.clock.stuck, c)
	s.flush(c)
	if c.state&(blocked|paused) == 0 && c.input != nil {
		s.feed(c, nil) // what could not be answered while nothing could be sent
	}
	if c.portable != nil && c.state&(blocked|paused) == 0 && c.life != dead {
		c.portable.resume()
	}
	s.watch(c)
}

// watch tells the poller what the connection waits for, if that has changed.
func (s *Shard) watch(c *Conn) {
	if c.portable != nil || c.life == dead {
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
		s.log.Error("epoll", "error", err)
		s.drop(c, "error")
	}
}
