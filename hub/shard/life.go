package shard

import (
	"math/rand/v2"
	"slices"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// join takes a new connection in.
func (s *Shard) join(j *Join) {
	c := j.Conn
	s.conns[c] = struct{}{}
	c.seat = j.Seat
	s.enterLane(c, &j.Start)
	if c.replay() == nil && c.Delay() == 0 {
		s.cursor = j.Cursor // what the inbox held before the join is done, so they are equal unless this is the first
	}
	c.allowance = int32(s.cfg.MaxPending)
	if j.Phone.Device != "" {
		s.takeAcks(c, j.Phone)
	}
	c.tokens, c.refilled = uint16(s.cfg.MessageBurst*100), s.millis()
	c.wrote = s.clock.tick
	s.count(c, 1)
	if c.portable == nil {
		s.gen++
		c.gen, c.want = s.gen, ioIn
		for int(c.fd) >= len(s.sockets) {
			s.sockets = append(s.sockets, make([]*Conn, len(s.sockets)+1024)...)
		}
		s.sockets[c.fd] = c
		if err := s.poller.add(c.fd, c.gen, ioIn); err != nil {
			s.log.Error("epoll", "error", err)
			s.start(c, &j.Start)
			s.drop(c, "error")
			return
		}
	}
	c.subs = make([]sub, 0, len(j.Claim))
	s.start(c, &j.Start)
	if c.transport != Poll {
		s.clock.dueIn(c, s.lookIn(c, 1+rand.Uint32N(s.clock.interval())))
	}
	if c.replay() != nil {
		c.replay().Begin()
	}
	if len(j.Input) > 0 {
		s.feed(c, j.Input)
	}
}

// start subscribes to what a connection claims. Its frames come ahead of gates: a gate that shut
// since a snapshot was made has to have the last word.
func (s *Shard) start(c *Conn, b *Start) {
	s.allow(c, b.Frames)
	for _, followed := range b.Claim {
		x := s.indexOf(c)
		if !x.follow(c, followed) {
			followed.Leave() // it is counted there already
		}
		t := x.topics[followed.Name]
		t.joined = b.Seq
		s.startStates(c, t, b.Marks)
	}
}

// startAgain begins anew with what a connection follows, whose viewer may see more or less of it.
func (s *Shard) startAgain(c *Conn, b *Start) {
	c.lags = nil
	s.allow(c, b.Frames)
	for i := range c.subs {
		t := c.subs[i].topic
		t.joined = b.Seq
		s.startStates(c, t, b.Marks)
	}
}

// tooSlow ends a connection for which too much waits. What waits is forgotten; its last word is
// sent when it takes anything again within WriteTimeout.
func (s *Shard) tooSlow(c *Conn) {
	s.discard(c)
	if c.transport == WebSocket {
		s.close(c, "too_slow", frame.Close(goalcast.CloseTooSlow, "too slow"))
		return
	}
	s.close(c, "too_slow", s.bye(goalcast.ByeTooSlow, goalcast.Cursor{}))
}

// closeFor ends a WebSocket because of what its client sent; also the answer to its close frame.
func (s *Shard) closeFor(c *Conn, why *frame.CloseError) {
	label := "protocol"
	switch {
	case why.Reason == "":
		label = "client"
	case why.Code == goalcast.ClosePolicy:
		label = "rate"
	case why.Code == goalcast.CloseTooBig:
		label = "too_big"
	}
	s.close(c, label, frame.Close(why.Code, why.Reason))
}

// close ends a connection after what waits and the last messages are sent.
func (s *Shard) close(c *Conn, label string, last ...*frame.Message) {
	if c.life != alive {
		return
	}
	s.stats.Closed.add(label)
	s.indexOf(c).leaveAll(c)
	for _, m := range last {
		if m.Size(c.encoding) > 0 {
			s.append(c, m)
		}
	}
	c.life = closing
	c.clear(paused)
	s.watch(c)
	s.wantWrite(c)
}

// linger shuts our side of a connection whose last word is sent and waits a moment for the peer's
// end. Closing at once would, if bytes of the peer are still unread, destroy what it has not read.
func (s *Shard) linger(c *Conn) {
	if c.portable != nil {
		s.drop(c, "")
		return
	}
	c.life = lingering
	endWriting(int(c.fd))
	s.watch(c)
	k := &s.clock
	k.leaving = append(k.leaving, leaver{c, k.tick + k.ticks(2*time.Second)})
}

// drop ends a connection now. The label says why, for a counter, if it was not closing already.
func (s *Shard) drop(c *Conn, label string) {
	if c.life == dead {
		return
	}
	if c.life == alive {
		s.stats.Closed.add(label)
	}
	c.life = dead
	s.indexOf(c).leaveAll(c)
	s.leaveLane(c)
	s.discard(c)
	c.rest, c.input = nil, nil
	delete(s.conns, c)
	delete(s.clock.stuck, c)
	delete(s.clock.brief, c)
	delete(s.ackers, c)
	s.throttle.release(c)
	s.count(c, -1)
	if c.portable != nil {
		c.portable.end()
	} else {
		s.sockets[c.fd] = nil
		closeSocket(int(c.fd))
		c.fd = -1
	}
	if c.replay() != nil {
		c.replay().End()
	}
	c.seat.Leave()
}

// gone is told when a portable connection's peer is gone, or its answer was given.
func (s *Shard) gone(c *Conn) {
	if c.transport == Poll {
		s.drop(c, "answered")
	} else {
		s.drop(c, "gone")
	}
}

// end drops all connections; the shard's last act.
func (s *Shard) end() {
	s.inbox.close()
	s.handleInbox() // joins that came before are dropped like the others
	for c := range s.conns {
		s.drop(c, "shutdown")
	}
	s.publishStats()
}

// setStale tells all who watch live whether the bus is silent.
func (s *Shard) setStale(o *Stale) {
	s.stale = o.Silent
	for c := range s.conns {
		if c.replay() == nil {
			s.enqueue(c, o.Message)
		}
	}
}

// outdate notes that all connections lack what a reset lost, and that no cursor may be told.
func (s *Shard) outdate(at goalcast.Cursor) {
	s.cursor, s.broken = at, true
	for c := range s.conns {
		if c.replay() != nil {
			continue // it lacks nothing
		}
		c.set(outdated)
		c.clear(toldReset)
		if c.Delay() > 0 {
			c.mute()
		}
	}
}

// refresh sends the snapshots of topics to those followers who lack them, behind the reset if they
// were not sent it yet. The last time ends what outdate began, and who follows nothing is sent the
// reset all the same.
func (s *Shard) refresh(r *Refresh) {
	tell := func(c *Conn) bool {
		if !c.is(outdated) || c.life != alive {
			return false
		}
		if !c.is(toldReset) {
			c.set(toldReset)
			s.allow(c, []*frame.Message{r.Reset})
		}
		return true
	}
	if r.Last {
		s.cursor, s.broken = r.Cursor, false
	}
	for name, forms := range r.Frames {
		if t := s.topics[name]; t != nil {
			for _, member := range t.members {
				if tell(member.conn) {
					s.allow(member.conn, []*frame.Message{forms.of(member.conn)})
				}
			}
		}
	}
	if !r.Last {
		return
	}
	for c := range s.conns {
		if c.Delay() > 0 {
			continue // its turn comes later: see trailReset
		}
		tell(c)
		c.clear(outdated | toldReset)
	}
}

// giveUp sends followers of topics that cannot be read away: they have an outdated picture, and
// there is no other.
func (s *Shard) giveUp(topics []goalcast.Topic) {
	for _, name := range topics {
		t := s.topics[name]
		if t == nil {
			continue
		}
		for _, member := range slices.Clone(t.members) {
			if c := member.conn; c.is(outdated) {
				s.close(c, "unavailable", s.bye(goalcast.CodeUnavailable.Bye(), goalcast.Cursor{}),
					frame.Close(goalcast.CloseTryLater, "try again"))
			}
		}
	}
}

// bye makes a goodbye with a delay of its own.
func (s *Shard) bye(reason goalcast.Reason, cursor goalcast.Cursor) *frame.Message {
	return frame.Bye(reason, RetryIn(s.cfg.RetrySpread), cursor)
}
