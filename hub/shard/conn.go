package shard

import (
	"net"
	"time"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/limits"
)

// Transport is how a viewer is connected.
type Transport uint8

// The transports.
const (
	WebSocket Transport = iota
	SSE
	Poll
	Transports // how many there are
)

// TransportNames are the transports as labels.
var TransportNames = [Transports]string{"websocket", "sse", "poll"}

// Conn is one viewer. Its shard's goroutine owns all of it once it has joined. On amd64 it is 192
// bytes, as in memory; with three topics there are 48 bytes more here and 48 in
// the shard's index, and nothing else while nothing waits: no goroutine, no buffer, no timer.
type Conn struct {
	fd        int32 // -1: portable, or closed
	gen       int32 // tells the socket from an earlier one of the same number
	transport Transport
	encoding  frame.Encoding
	life      life
	asked     uint8 // pings that nothing has answered yet
	state     connState
	tokens    uint16 // of the client's message rate, in hundredths
	conflate  uint16 // ms between two state batches at least; 0: every flush. See throttle.go
	want      uint16 // what the poller waits for
	refilled  uint32 // ms of the shard's clock: when tokens was brought up to date
	wrote     uint32 // tick of the last write
	stalled   uint32 // tick since which it is blocked and has taken nothing
	rights    goalcast.Rights
	expires   uint32 // when what is known of the viewer ends, s since 1970; 0: never. See expiry.go

	last      uint64       // Seq of the newest event put into pending: an event of several topics is put there once
	window    frame.Window // what was sent last of all compressed
	subs      []sub
	pending   []*frame.Message // what waits, in order; memory is lent by the shard
	waiting   int32            // bytes of pending
	allowance int32            // so much may wait: the limit, and whatever a join or subscription put there
	lags      []lag            // topics of which newer states are there than were sent
	rest      []byte           // of a frame that was written in part: it goes before all else
	input     *frame.Input     // client bytes and fragments that are not complete yet; nil mostly
	portable  *Portable        // nil: raw
	seat      *limits.Seat     // left when the connection ends
	terms     *Terms           // nil: it watches live, and all of it
}

// life is how far a connection is on its way to its end; it never goes back.
type life uint8

const (
	alive     life = iota
	closing        // the last frame is in pending; nothing may follow
	lingering      // all is sent, our side is shut, the peer's end is awaited
	dead           // gone
)

// connState is a set of flags.
type connState uint16

const (
	inEvents   connState = 1 << iota // stands in the shard's queue of those with something to send
	inStates                         // stands in the queue of those with only states
	blocked                          // its socket takes nothing now; or its goroutine is writing
	paused                           // a subscription is being prepared; nothing is read meanwhile
	throttled                        // has had states a moment ago and may not have more yet
	outdated                         // was here at a reset, and not all of its topics are refreshed yet
	toldReset                        // outdated, and was sent the reset
	standalone                       // its client's compressed messages stand for themselves
	toldExpiry                       // was told that what is known of it ends soon
	filtered                         // its terms leave kinds of event out
)

func (c *Conn) is(f connState) bool { return c.state&f != 0 }
func (c *Conn) set(f connState)     { c.state |= f }
func (c *Conn) clear(f connState)   { c.state &^= f }

// lag says from which change on the connection needs a topic's states.
type lag struct {
	topic *topic
	since uint64
}

// NewConn makes the connection of a viewer, not yet joined: with a socket, or as NewPortable makes
// it. The span is between two state batches at least; 0: every flush. Terms may be nil.
func NewConn(t Transport, e frame.Encoding, conflate time.Duration, terms *Terms) *Conn {
	c := &Conn{fd: -1, transport: t, encoding: e, conflate: uint16(conflate.Milliseconds())}
	c.accept(terms)
	return c
}

// Play has a connection, not yet joined, be one that a match is played to again.
func (c *Conn) Play(r *Replay) { c.accept(&Terms{Replay: r}) }

// Know says what a connection's viewer may see, and until when; the zero time is for ever.
func (c *Conn) Know(rights goalcast.Rights, until time.Time) {
	c.rights, c.expires = rights, 0
	if !until.IsZero() {
		c.expires = uint32(max(until.Add(time.Second-1).Unix(), 1))
	}
}

// Rights are the viewer's. They are to be read on the shard's goroutine.
func (c *Conn) Rights() goalcast.Rights { return c.rights }

// mayFollow says whether the viewer may get anything by a topic that it follows.
func (c *Conn) mayFollow(t *topic) bool { return c.rights.Have(t.followed.Need()) }

// RawSockets says that connections can be taken from net/http by their descriptor.
const RawSockets = rawSockets

// Take takes the descriptor of a socket, of which nothing else is left after that. The socket is
// closed if this fails.
func (c *Conn) Take(tcp *net.TCPConn, cfg Config) error {
	fd, err := takeSocket(tcp, cfg.SendBuffer, cfg.PingInterval+cfg.WriteTimeout)
	c.fd = int32(fd)
	return err
}

// Encoding is how the viewer gets its frames.
func (c *Conn) Encoding() frame.Encoding { return c.encoding }

// Abort ends a connection with a socket that could not join, with a last word.
func (c *Conn) Abort(last []byte) {
	_, _ = writeSocket(int(c.fd), []iovec{iovecOf(last)})
	closeSocket(int(c.fd))
}

// find returns the place of a topic among the connection's subs, or -1.
func (c *Conn) find(t goalcast.Topic) int {
	for i := range c.subs {
		if c.subs[i].topic.followed.Name == t {
			return i
		}
	}
	return -1
}
