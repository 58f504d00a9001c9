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
	opRefresh                 // after a reset: msg, then the snapshots of arg map[goalcast.Topic]*message, go to everybody
	opDrain                   // begin to say goodbye; arg time.Duration
)

// join is what a connection begins with, or what a later subscription brings.
type join struct {
	topics []goalcast.Topic
	frames []*message
	marks  map[goalcast.Topic]uint64 // changes of the state tables that are in the frames
	cursor goalcast.Cursor           // up to which the events are in the frames
	input  []byte                    // bytes that came right behind the handshake
}

// inbox takes ops from any goroutine.
type inbox struct {
	wake chan struct{} // holds one token while there may be something

	mu     sync.Mutex // guards the rest
	ops    []op
	closed bool
}

// post puts an op into the inbox and wakes the shard; false if it has ended.
func (b *inbox) post(o op) bool {
	first, ok := b.put(o)
	if first {
		b.rouse()
	}
	return ok
}

// put puts an op into the inbox; ok unless the shard has ended. After the first one in it the shard has to be roused.
func (b *inbox) put(o op) (first, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false, false
	}
	b.ops = append(b.ops, o)
	return len(b.ops) == 1, true
}

// rouse wakes the shard.
func (b *inbox) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// only says whether an event is all that is in the inbox.
func (b *inbox) only(m *message) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ops) == 1 && b.ops[0].kind == opEvent && b.ops[0].msg == m
}

func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ops) == 0
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
