package shard

import (
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// What is known of a viewer ends with its token. The wheel that keeps connections alive looks at
// those with an end in time for it; there is nothing else per connection.

// expiryNotice is how long before its end a viewer is told.
const expiryNotice = 30 * time.Second

// lookIn is after how many ticks a connection is looked at: n, or earlier if the viewer has to be
// told that its time ends, or that it is over.
func (s *Shard) lookIn(c *Conn, n uint32) uint32 {
	if c.expires == 0 {
		return n
	}
	at := time.Unix(int64(c.expires), 0)
	if !c.is(toldExpiry) {
		at = at.Add(-expiryNotice)
	}
	return min(n, s.clock.ticks(time.Until(at)))
}

// expire tells a viewer that its time ends, or ends the connection if it is over; then it says so.
func (s *Shard) expire(c *Conn) bool {
	if c.expires == 0 {
		return false
	}
	end := time.Unix(int64(c.expires), 0)
	switch left := time.Until(end); {
	case left <= 0:
		last := []*frame.Message{s.bye(goalcast.ByeExpired, s.told(c))}
		if c.transport == WebSocket {
			last = append(last, frame.Close(goalcast.CloseExpired, "expired"))
		}
		s.close(c, "expired", last...)
		return true
	case left <= expiryNotice && !c.is(toldExpiry):
		c.set(toldExpiry)
		f := goalcast.Frame{Type: goalcast.FrameExpiring, Expires: end.UnixMilli()}
		s.enqueue(c, frame.Of(frame.ClassControl, f))
	}
	return false
}

// expireBrief looks at each tick at those whose new token ends before the wheel surely comes.
func (s *Shard) expireBrief() {
	for c := range s.clock.brief {
		far := s.lookIn(c, s.clock.interval()) == s.clock.interval()
		if far || c.life != alive || s.expire(c) {
			delete(s.clock.brief, c)
		}
	}
}

// renew has a new token looked at, which may need its issuer, and reads nothing more from the
// client until it is done.
func (s *Shard) renew(c *Conn, token, id string) {
	topics := make([]goalcast.Topic, len(c.subs))
	for i := range c.subs {
		topics[i] = c.subs[i].topic.followed.Name
	}
	c.set(paused)
	s.watch(c)
	s.door.Renew(s, c, topics, token, id)
}

// renewed ends what renew began.
func (s *Shard) renewed(o *Renewed) {
	c := o.Conn
	if c.life != alive {
		return
	}
	if o.Known {
		c.Know(o.Rights, o.Until)
		s.renewAcker(c, o.User)
		c.clear(toldExpiry)
		if s.lookIn(c, s.clock.interval()) < s.clock.interval() { // the wheel may come too late
			s.clock.brief[c] = struct{}{}
		}
	}
	s.enqueue(c, o.Answer)
	if c.replay() != nil && !c.rights.Have(c.replay().Need) {
		s.replayOver(c)
	}
	if len(o.Frames) > 0 && c.life == alive {
		s.startAgain(c, &o.Start)
	}
	s.goOn(c)
}

// revoked ends a connection as if its time were over.
func (s *Shard) revoked(c *Conn) {
	if c.life != alive {
		return
	}
	c.expires = 1
	s.expire(c)
}

// goOn reads on from a client, of which nothing was read while something was prepared for it.
func (s *Shard) goOn(c *Conn) {
	c.clear(paused)
	s.watch(c)
	if c.input != nil && c.life != dead {
		s.feed(c, nil)
	}
	if c.portable != nil && c.state&(blocked|paused) == 0 && c.life != dead {
		c.portable.resume()
	}
}
