package hub

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"goalcast"
)

// portable is a connection whose descriptor cannot be had: TLS, HTTP/2, other systems, long polls. The shard does with it what it does
// with the others, but instead of writing it hands a batch over and takes the connection for blocked until the batch is written.
type portable struct {
	write   func(batch)   // starts the writing of a batch and does not wait; one at a time
	end     func()        // starts the end of the connection and does not wait; once
	ended   chan struct{} // closed by the shard: the connection is over
	read    chan struct{} // a token: the shard is done with the client's bytes
	owed    bool          // the shard's: the reader waits for that
	batches chan batch    // SSE and poll: what their handlers write
	moved   atomic.Bool   // something of a batch was written since the shard looked
}

// batch is all that waited for a connection. For a poll the cursor says up to where.
type batch struct {
	frames [][]byte
	cursor goalcast.Cursor
}

func newPortable() *portable {
	p := &portable{ended: make(chan struct{}), read: make(chan struct{}, 1), batches: make(chan batch, 1)}
	p.write = func(b batch) { p.batches <- b } // never waits: the shard hands over one at a time
	p.end = func() { close(p.ended) }
	return p
}

// resume lets the reader go on, if it waits.
func (p *portable) resume() {
	if p.owed {
		p.owed = false
		p.read <- struct{}{}
	}
}

// inputBytes are client bytes that a portable connection's goroutine has read.
type inputBytes struct{ bytes []byte }

// handOver gives all that waits to the connection's goroutine.
func (s *shard) handOver(c *conn) {
	b := batch{frames: make([][]byte, 0, len(c.pending)+len(c.behind)), cursor: s.cursor}
	if s.broken {
		b.cursor = goalcast.Cursor{}
	}
	for _, m := range c.pending {
		var frame []byte
		frame, c.window = m.follow(c.encoding, c.window)
		b.frames = append(b.frames, frame)
		s.stats.bytes += int64(len(frame))
		s.stats.messages[m.class]++
	}
	var later []behind
	if c.is(held) {
		later = c.behind
	} else {
		b.frames = append(b.frames, s.handOverStates(c)...)
	}
	if c.transport == byPoll {
		b.frames = append(b.frames, s.answerToPoll(c)...)
	}
	s.stats.batchFrames += int64(len(b.frames))
	s.stats.batches[batchBucket(len(b.frames))]++
	allowance := c.allowance
	s.discard(c)
	c.behind = later
	c.allowance = min(allowance, int32(s.hub.cfg.MaxPending))
	c.wrote = s.tick
	c.set(blocked)
	c.stalled = s.tick
	s.stuck[c] = 0
	c.portable.write(b)
}

// handOverStates gives the states that the connection lacks.
func (s *shard) handOverStates(c *conn) [][]byte {
	if c.transport == byPoll {
		return nil // see answerToPoll
	}
	var frames [][]byte
	for _, behind := range c.behind {
		if b := s.burst(behind); len(b.slots) > 0 {
			all, window := b.follow(c.encoding, c.window)
			frames = append(frames, all.bytes)
			c.window = window
			s.countStates(b, b.upto)
		}
	}
	if len(frames) > 0 {
		s.hold(c)
	}
	return frames
}

// answerToPoll is what a poll's answer says beside what came: that the bus is silent, as long as it is, and the newest states of all
// topics. Its cursor does not tell what of both it has been told before.
func (s *shard) answerToPoll(c *conn) [][]byte {
	has := func(kind goalcast.FrameType) bool { // a match that comes along with an event brings no states
		return slices.ContainsFunc(c.pending, func(m *message) bool { return m.kind == kind && m.class != classEvent })
	}
	var frames [][]byte
	if s.stale && !has(goalcast.FrameStale) {
		frames = append(frames, staleMessage(true).bytes(encJSON))
	}
	if has(goalcast.FrameSnapshot) { // the states are in it
		return frames
	}
	for _, sub := range c.subs {
		if sub.topic.table == nil {
			continue
		}
		slots, _ := sub.topic.table.since(0)
		for _, slot := range slots {
			frames = append(frames, slot.frame.bytes(encJSON))
			s.stats.messages[classState]++
		}
	}
	return frames
}

// written is told when a batch is written.
func (s *shard) written(c *conn) {
	if c.is(dead) {
		return
	}
	s.unblock(c)
}

// portableInput takes in what the connection's goroutine has read, and lets it go on unless a subscription is being prepared.
func (s *shard) portableInput(c *conn, in *inputBytes) {
	if c.is(dead) {
		return
	}
	c.asked = 0
	if c.transport == byWebSocket && c.state&(closing|lingering) == 0 {
		s.feed(c, in.bytes)
	}
	c.portable.owed = true
	if c.state&(paused|blocked) == 0 {
		c.portable.resume()
	}
}

// answerPoll ends a poll whose time is over: with nothing, or with whatever has just come.
func (s *shard) answerPoll(c *conn) {
	if c.state&(dead|blocked) == 0 {
		s.handOver(c)
	}
}

// writeAll writes a batch in pieces, each of which may take so long: how long the whole may take depends on how long it is. It says whether all was taken.
func (p *portable) writeAll(b batch, timeout time.Duration, setDeadline func(time.Time) error, write func([]byte) (int, error)) bool {
	const most = 32 << 10
	put := func(piece []byte) bool {
		_ = setDeadline(time.Now().Add(timeout))
		_, err := write(piece)
		p.moved.Store(true)
		return err == nil
	}
	var small []byte // short frames together: over TLS each write is a record
	for _, f := range b.frames {
		if len(small)+len(f) > most && len(small) > 0 {
			if !put(small) {
				return false
			}
			small = small[:0]
		}
		for len(f) > most {
			if !put(f[:most]) {
				return false
			}
			f = f[most:]
		}
		small = append(small, f...)
	}
	return len(small) == 0 || put(small)
}

// portableWebSocket is a WebSocket on a connection of Go's net: its goroutine reads, and each batch is written by a goroutine that lives
// only as long as that takes.
type portableWebSocket struct {
	conn    *conn
	net     net.Conn
	shard   *shard
	writing sync.WaitGroup
}

func (p *portableWebSocket) write(b batch) {
	p.writing.Go(func() {
		kind := opWritten
		if !p.conn.portable.writeAll(b, p.shard.hub.cfg.WriteTimeout, p.net.SetWriteDeadline, p.net.Write) {
			kind = opGone
		}
		p.shard.inbox.post(op{kind: kind, conn: p.conn})
	})
}

// end shuts our side and gives the reader a second to see the peer's end.
func (p *portableWebSocket) end() {
	close(p.conn.portable.ended)
	p.shard.hub.working.Go(func() {
		p.writing.Wait()
		_ = p.net.SetReadDeadline(time.Now().Add(time.Second))
		if half, ok := p.net.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
			_ = p.net.Close()
		}
	})
}

// serve reads until the connection ends.
func (p *portableWebSocket) serve() {
	defer p.net.Close()
	ended := p.conn.portable.ended
	buffer := make([]byte, 4<<10) // a client's messages are short; longer ones come in pieces
	for {
		n, err := p.net.Read(buffer)
		if n > 0 {
			p.shard.inbox.post(op{kind: opInput, conn: p.conn, arg: &inputBytes{buffer[:n]}})
			select {
			case <-p.conn.portable.read:
			case <-ended:
			}
		}
		if err != nil {
			p.shard.inbox.post(op{kind: opGone, conn: p.conn})
			<-ended
			p.writing.Wait()
			return
		}
	}
}

// serveSSE writes a portable event stream; it is the request's own goroutine.
func (h *Hub) serveSSE(ctx context.Context, w http.ResponseWriter, s *shard, c *conn) {
	out := http.NewResponseController(w)
	endDeadlines(out)
	for {
		select {
		case b := <-c.portable.batches:
			kind := opWritten
			if !c.portable.writeAll(b, h.cfg.WriteTimeout, out.SetWriteDeadline, w.Write) || out.Flush() != nil {
				kind = opGone
			}
			endDeadlines(out) // over HTTP/2 one that is left would reset the stream, though nobody writes
			s.inbox.post(op{kind: kind, conn: c})
		case <-ctx.Done():
			s.inbox.post(op{kind: opGone, conn: c})
			<-c.portable.ended
			return
		case <-c.portable.ended:
			return
		}
	}
}

// endDeadlines takes back those of the server, for a request that waits. Not every writer has some.
func endDeadlines(out *http.ResponseController) {
	_ = out.SetReadDeadline(time.Time{})
	_ = out.SetWriteDeadline(time.Time{})
}
