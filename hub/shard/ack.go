package shard

import (
	"fmt"

	"goalcast"
)

// A viewer may say which events it has shown, so that its phone is not told of them by a push as
// well. Who does said so when it came, and is noted beside the connections: nothing of it is in a
// Conn.

// acker is such a viewer.
type acker struct {
	phone goalcast.Phone
	left  float64 // events that it may name now
	at    uint32  // ms of the shard's clock: when left was brought up to date
}

// How many events one viewer may say that it has shown: so many a second, and at once, as after it
// was away. More are let pass; their pushes come.
const (
	ackRate  = 10
	ackBurst = 200
)

// takeAcks notes that a viewer says what it shows.
func (s *Shard) takeAcks(c *Conn, p goalcast.Phone) {
	if s.ackers == nil {
		s.ackers = make(map[*Conn]*acker)
	}
	s.ackers[c] = &acker{phone: p, left: ackBurst, at: s.millis()}
}

// ack takes what a viewer says that it has shown. Nothing answers it unless it is wrong.
func (s *Shard) ack(c *Conn, r goalcast.ClientMessage) {
	a := s.ackers[c]
	switch {
	case a == nil:
		s.refuse(c, r.ID, goalcast.CodeBadFrame, "nobody asked: ack is not in hello")
		return
	case len(r.Cursors) == 0 || len(r.Cursors) > goalcast.MaxAcks:
		s.refuse(c, r.ID, goalcast.CodeBadFrame, fmt.Sprintf("cursors wants 1 to %d", goalcast.MaxAcks))
		return
	}
	cursors := make([]goalcast.Cursor, len(r.Cursors))
	for i, text := range r.Cursors {
		var err error
		if cursors[i], err = goalcast.ParseCursor(text); err != nil {
			s.refuse(c, r.ID, goalcast.CodeBadFrame, err.Error())
			return
		}
	}
	s.stats.Received[gotAck]++
	now := s.millis()
	a.left = min(a.left+float64(now-a.at)*ackRate/1000, ackBurst)
	a.at = now
	allowed := min(int(a.left), len(cursors))
	a.left -= float64(allowed)
	s.door.Acked(a.phone, cursors[:allowed], len(cursors)-allowed)
}

// renewAcker has a viewer's acks be those of whom its new token is of; of nobody in particular they
// count for nothing.
func (s *Shard) renewAcker(c *Conn, user goalcast.UserID) {
	switch a := s.ackers[c]; {
	case a == nil:
	case user == "":
		delete(s.ackers, c)
	default:
		a.phone.User = user
	}
}
