package shard

import (
	"sync"
	"time"

	"goalcast"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
	"goalcast/hub/limits"
)

// Op is something that a shard is told. Ops are done in the order in which they were posted. An
// *Event is one, and so are the types below.
type Op interface{ do(*Shard) }

type (
	// StatesChanged says that a table has news.
	StatesChanged struct{ Table *follow.Table }

	// Gate brings a gate of prices, for all who follow it, ahead of all other states.
	Gate struct {
		Table *follow.Table
		*follow.GateChange
	}

	// Join brings a new connection. What it takes up, its seat and its claim, is the shard's from
	// here on.
	Join struct {
		Conn  *Conn
		Seat  *limits.Seat
		Input []byte         // bytes that came right behind the handshake
		Phone goalcast.Phone // whose viewer says what it shows; zero: it does not
		Start
	}

	// Subscribed ends what Door.Subscribe began: the claim's topics are the connection's from here
	// on. Without a claim it was refused.
	Subscribed struct {
		Conn *Conn
		Start
	}

	// Renewed ends what Door.Renew began. Unless it is known who the viewer is now, all stays as it
	// was.
	Renewed struct {
		Conn   *Conn
		Known  bool
		User   goalcast.UserID
		Rights goalcast.Rights
		Until  time.Time
		Answer *frame.Message
		Start  // without a claim: what is followed, as it is seen now; empty if that is as it was
	}

	// Replayed brings what a replay tells a connection next, ReplayOver ends the connection behind
	// it.
	Replayed struct {
		Conn    *Conn
		Message *frame.Message
	}
	ReplayOver struct{ Conn *Conn }

	// Revoked ends a connection whose ticket was revoked.
	Revoked struct{ Conn *Conn }

	// Stale says whether the bus is silent; all viewers are told.
	Stale struct {
		Message *frame.Message
		Silent  bool
	}

	// Outdated says that events were lost and the stream goes on after the cursor. Nothing can be
	// resumed before the last Refresh.
	Outdated struct{ Cursor goalcast.Cursor }

	// Refresh brings what was read for viewers after that.
	Refresh struct {
		Reset  *frame.Message // goes ahead, to each viewer once
		Frames map[goalcast.Topic]Forms
		Last   bool            // nothing is left to be read
		Cursor goalcast.Cursor // if so: where the frames are
	}

	// GiveUp names topics that cannot be refreshed: their viewers have to come back.
	GiveUp struct{ Topics []goalcast.Topic }

	// Introduce brings a match's snapshot for the followers of topics.
	Introduce struct {
		Delay  time.Duration // that of those who get it
		Topics []goalcast.Topic
		Intro  *Intro
	}

	// Drain begins to say goodbye to all viewers, one after another within a span.
	Drain struct{ Span time.Duration }

	// input brings bytes that a portable connection's goroutine has read, written says that it has
	// written what was handed over, gone that the peer is gone, timeout that a long poll's time is
	// over.
	input struct {
		conn  *Conn
		bytes []byte
	}
	written struct{ conn *Conn }
	gone    struct{ conn *Conn }
	timeout struct{ conn *Conn }
)

// Start is what a connection begins with, or what a later subscription brings.
type Start struct {
	Claim  follow.Claim
	Frames []*frame.Message
	Marks  map[goalcast.Topic]uint64 // changes of the state tables that are in the frames
	Cursor goalcast.Cursor           // up to which the events are in the frames
	Seq    uint64                    // the hub's count of events then
	Seen   uint64                    // with a delay: an event up to which the viewer has them all; 0 mostly
}

// Forms are a topic's snapshot by what of the rights in the mask a viewer has.
type Forms struct {
	Mask goalcast.Rights
	By   map[goalcast.Rights]*frame.Message
}

func (f Forms) of(c *Conn) *frame.Message { return f.By[c.rights&f.Mask] }

func (e *Event) do(s *Shard)        { s.fanOut(e) }
func (o StatesChanged) do(s *Shard) { s.statesChanged(o.Table) }
func (o *Gate) do(s *Shard)         { s.gate(o) }
func (o *Join) do(s *Shard)         { s.join(o) }
func (o *Subscribed) do(s *Shard)   { s.subscribed(o) }
func (o *Renewed) do(s *Shard)      { s.renewed(o) }
func (o *Replayed) do(s *Shard)     { s.enqueue(o.Conn, o.Message) }
func (o *ReplayOver) do(s *Shard)   { s.replayOver(o.Conn) }
func (o *Revoked) do(s *Shard)      { s.revoked(o.Conn) }
func (o *Stale) do(s *Shard)        { s.setStale(o) }
func (o *Outdated) do(s *Shard)     { s.outdate(o.Cursor) }
func (o *Refresh) do(s *Shard)      { s.refresh(o) }
func (o *GiveUp) do(s *Shard)       { s.giveUp(o.Topics) }
func (o *Introduce) do(s *Shard)    { s.introduce(o) }
func (o *Drain) do(s *Shard)        { s.drain.begin(len(s.conns), o.Span) }
func (o *input) do(s *Shard)        { s.portableInput(o.conn, o.bytes) }
func (o written) do(s *Shard)       { s.written(o.conn) }
func (o gone) do(s *Shard)          { s.gone(o.conn) }
func (o timeout) do(s *Shard)       { s.answerPoll(o.conn) }

// inbox takes ops from any goroutine.
type inbox struct {
	wake chan struct{} // holds one token while there may be something

	mu     sync.Mutex // guards the rest
	ops    []Op
	closed bool
}

// post puts an op into the inbox; false if the shard has ended.
func (b *inbox) post(o Op) bool {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return false
	}
	b.ops = append(b.ops, o)
	first := len(b.ops) == 1
	b.mu.Unlock()
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// take empties the inbox into spare memory.
func (b *inbox) take(spare []Op) []Op {
	b.mu.Lock()
	defer b.mu.Unlock()
	ops := b.ops
	b.ops = spare[:0]
	return ops
}

// close has all further posts fail.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}
