package hub

import (
	"sync"

	"goalcast"
)

// op is something that a shard is told. Ops are done in the order in which they were posted.
type op struct {
	kind opKind
	conn *conn
	msg  *message
	arg  any
}

type opKind uint8

const (
	opEvent     opKind = iota // msg goes to the followers of its topics
	opState                   // arg *stateTable has changed
	opJoin                    // conn is new; arg *join
	opSubscribe               // a subscription of conn is prepared; arg *join
	opInput                   // portable: client bytes; arg *inputBytes
	opWritten                 // portable: what was handed over is written
	opGone                    // portable: the peer is gone
	opTimeout                 // long poll: its time is over
	opStale                   // msg goes to everybody; arg bool
	opReset                   // the stream goes on elsewhere; arg goalcast.Cursor; nothing is resumable before opRefresh
	opRefresh                 // after a reset: msg, then the snapshots of arg *refreshed, go to those who follow them
	opGiveUp                  // arg []goalcast.Topic cannot be refreshed: who follows one has to come back
	opIntro                   // arg *introduction goes to the followers of its topics
	opDrain                   // begin to say goodbye; arg time.Duration
)

// join is what a connection begins with, or what a later subscription brings.
type join struct {
	topics []goalcast.Topic
	frames []*message
	marks  map[goalcast.Topic]uint64 // changes of the state tables that are in the frames
	cursor goalcast.Cursor           // up to which the events are in the frames
	seq    uint64                    // the hub's count of events then
	input  []byte                    // bytes that came right behind the handshake
}

// inbox takes ops from any goroutine.
type inbox struct {
	wake chan struct{} // holds one token while there may be something

	mu     sync.Mutex // guards the rest
	ops    []op
	closed bool
}

// post puts an op into the inbox; false if the shard has ended.
func (b *inbox) post(o op) bool {
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
func (b *inbox) take(spare []op) []op {
	b.mu.Lock()
	defer b.mu.Unlock()
	ops := b.ops
	b.ops = spare[:0]
	return ops
}

// fifo is a queue of connections that is eaten from the front. pushed and popped count for ever.
type fifo struct {
	list           []*conn
	head           int
	pushed, popped uint64
}

func (f *fifo) push(c *conn) { f.list = append(f.list, c); f.pushed++ }
func (f *fifo) empty() bool  { return f.head == len(f.list) }

func (f *fifo) pop() *conn {
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
