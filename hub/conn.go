package hub

import (
	"net/http"
	"net/netip"

	"goalcast"
)

// transport is how a viewer is connected.
type transport uint8

const (
	byWebSocket transport = iota
	bySSE
	byPoll
	transports
)

var transportNames = [transports]string{"websocket", "sse", "poll"}

// conn is one viewer. Its shard's goroutine owns all of it. On amd64 it is 176 bytes, a size of which nothing is lost; with three topics there are 48 bytes more here
// and 48 in the shard's index, and nothing else while nothing waits: no goroutine, no buffer, no timer.
type conn struct {
	fd        int32 // -1: portable, or closed
	gen       int32 // tells the socket from an earlier one of the same number
	transport transport
	encoding  encoding
	state     connState
	asked     uint8  // pings that nothing has answered yet
	tokens    uint16 // of the client's message rate, in hundredths
	conflate  uint16 // ms between two bursts of states at least; 0: every round. See conflate.go
	want      uint16 // what the poller waits for
	refilled  uint32 // ms of the shard's clock: when tokens was brought up to date
	wrote     uint32 // tick of the last write
	stalled   uint32 // tick since which it is blocked and has taken nothing

	last      uint64 // seq of the newest event put into pending: an event of several topics is put there once
	window    ending // of what was sent last of all compressed
	subs      []sub
	pending   []*message // what waits, in order; memory is lent by the shard
	waiting   int32      // bytes of pending
	allowance int32      // so much may wait: the limit, and whatever a join or subscription put there
	behind    []behind   // topics of which newer states are there than were sent
	rest      []byte     // of a frame that was written in part: it goes before all else
	input     *input     // client bytes and fragments that are not complete yet; nil mostly
	portable  *portable  // nil: raw
	origin    *origin    // nil where nothing has to be remembered
}

// connState is a set of flags.
type connState uint16

const (
	inEvents     connState = 1 << iota // stands in the shard's queue of those with something to send
	inStates                           // stands in the queue of those with only states
	blocked                            // its socket takes nothing now; or its goroutine is writing
	paused                             // a subscription is being prepared; nothing is read meanwhile
	closing                            // the last frame is in pending; nothing may follow
	lingering                          // all is sent, our side is shut, the peer's end is awaited
	dead                               // gone
	held                               // has had states a moment ago and may not have more yet
	outdated                           // was here at a reset, and not all of its topics are refreshed yet
	toldReset                          // outdated, and was sent the reset
	resetsWindow                       // its client's compressed messages stand for themselves
)

func (c *conn) is(f connState) bool { return c.state&f != 0 }
func (c *conn) set(f connState)     { c.state |= f }
func (c *conn) clear(f connState)   { c.state &^= f }

// sub is a topic that a connection follows and its place among the topic's connections.
type sub struct {
	topic *topic
	place int32
}

// behind says from which change on the connection needs a topic's states.
type behind struct {
	topic *topic
	since uint64
}

// origin is what is remembered of a connection's handshake where a limit or hook needs it.
type origin struct {
	ip      netip.Addr
	request *http.Request // without body; for Authorize
}

// member is a connection in a topic, and which of its subs that is.
type member struct {
	conn *conn
	sub  int32
}

// topic is a topic's place in one shard: who follows it there. Followers are found, added and removed in constant time.
type topic struct {
	name    goalcast.Topic
	members []member
	start   int    // where the next round begins, so that nobody is always last
	joined  uint64 // place in the hub's count of events when the last of them joined

	table   *stateTable // nil until there are states
	flushed uint64      // change up to which states were given out
	round   burst       // the last that was given out; most connections need exactly this
	longer  []*burst    // what was put together since then for those who lack more
	dirty   bool
}

// find returns the place of a topic among the connection's subs, or -1.
func (c *conn) find(t goalcast.Topic) int {
	for i := range c.subs {
		if c.subs[i].topic.name == t {
			return i
		}
	}
	return -1
}
