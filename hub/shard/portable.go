package shard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// Portable is a connection whose descriptor cannot be had: TLS, HTTP/2, other systems, long polls.
// The shard does with it what it does with the others, but instead of writing it hands over what
// waits and takes the connection for blocked until that is written.
type Portable struct {
	shard *Shard
	conn  *Conn
	write func(Delivery) // starts the writing and does not wait; one at a time
	end   func()         // starts the end of the connection and does not wait; once
	ended chan struct{}  // closed by the shard: the connection is over
	read  chan struct{}  // a token: the shard is done with the client's bytes
	owed  bool           // the shard's: the reader waits for that
	next  chan Delivery  // SSE and poll: what their handlers write
	moved atomic.Bool    // something was written since the shard looked
}

// Delivery is all that waited for a connection. For a poll the cursor says up to where.
type Delivery struct {
	Frames [][]byte
	Cursor goalcast.Cursor
}

// ErrStopped means that the shard ended a poll that had no answer yet.
var ErrStopped = errors.New("the hub has stopped")

// NewPortable makes a connection, not yet joined, one of an HTTP request's goroutine: ServeEvents
// or AwaitPoll.
func NewPortable(s *Shard, c *Conn) *Portable {
	p := &Portable{shard: s, conn: c,
		ended: make(chan struct{}), read: make(chan struct{}, 1), next: make(chan Delivery, 1)}
	p.write = func(d Delivery) { p.next <- d } // never waits: the shard hands over one at a time
	p.end = func() { close(p.ended) }
	c.portable = p
	return p
}

// resume lets the reader go on, if it waits.
func (p *Portable) resume() {
	if p.owed {
		p.owed = false
		p.read <- struct{}{}
	}
}

// handOver gives all that waits to the connection's goroutine.
func (s *Shard) handOver(c *Conn) {
	d := Delivery{Frames: make([][]byte, 0, len(c.pending)+len(c.lags)), Cursor: s.told(c)}
	for _, m := range c.pending {
		var b []byte
		b, c.window = m.Encode(c.encoding, c.window)
		d.Frames = append(d.Frames, b)
		s.stats.Bytes += int64(len(b))
		s.stats.Messages[m.Class]++
	}
	var later []lag
	if c.is(throttled) {
		later = c.lags
	} else {
		d.Frames = append(d.Frames, s.handOverStates(c)...)
	}
	if c.transport == Poll {
		d.Frames = append(d.Frames, s.statesForPoll(c)...)
	}
	s.stats.BatchFrames += int64(len(d.Frames))
	s.stats.Batches[batchBucket(len(d.Frames))]++
	allowance := c.allowance
	s.discard(c)
	c.lags = later
	c.allowance = min(allowance, int32(s.cfg.MaxPending))
	c.wrote = s.clock.tick
	c.set(blocked)
	c.stalled = s.clock.tick
	s.clock.stuck[c] = struct{}{}
	c.portable.write(d)
}

// handOverStates gives the states that the connection lacks.
func (s *Shard) handOverStates(c *Conn) [][]byte {
	if c.transport == Poll {
		return nil // see statesForPoll
	}
	var frames [][]byte
	for _, l := range c.lags {
		if b := s.flushes.batch(l); len(b.Updates) > 0 {
			run, window := b.Encode(c.encoding, c.window)
			frames = append(frames, run.Bytes)
			c.window = window
			s.countStates(b, b.Upto)
		}
	}
	if len(frames) > 0 {
		s.hold(c)
	}
	return frames
}

// statesForPoll is what a poll's answer says beside what came: that the bus is silent, as long as
// it is, and the newest states of all topics. Its cursor does not tell what of both it has been
// told before.
func (s *Shard) statesForPoll(c *Conn) [][]byte {
	has := func(kind goalcast.FrameType) bool { // a match that comes along with an event brings no states
		return slices.ContainsFunc(c.pending, func(m *frame.Message) bool {
			return m.Kind == kind && m.Class != frame.ClassEvent
		})
	}
	var frames [][]byte
	if s.stale && !has(goalcast.FrameStale) {
		frames = append(frames, frame.Stale(true).Bytes(frame.JSON))
	}
	if has(goalcast.FrameSnapshot) || c.Delay() > 0 { // the states are in it, or have no past
		return frames
	}
	for _, sub := range c.subs {
		if sub.topic.followed.Table == nil || !c.mayFollow(sub.topic) {
			continue
		}
		updates, _ := sub.topic.followed.Table.Since(0)
		for _, u := range updates {
			frames = append(frames, u.Frame.Bytes(frame.JSON))
			s.stats.Messages[frame.ClassState]++
		}
	}
	return frames
}

// written is told when what was handed over is written.
func (s *Shard) written(c *Conn) {
	if c.life != dead {
		s.unblock(c)
	}
}

// portableInput takes in what the connection's goroutine has read, and lets it go on unless a
// subscription is being prepared.
func (s *Shard) portableInput(c *Conn, b []byte) {
	if c.life == dead {
		return
	}
	c.asked = 0
	if c.transport == WebSocket && c.life == alive {
		s.feed(c, b)
	}
	c.portable.owed = true
	if c.state&(paused|blocked) == 0 {
		c.portable.resume()
	}
}

// answerPoll ends a poll whose time is over: with nothing, or with whatever has just come.
func (s *Shard) answerPoll(c *Conn) {
	if c.life != dead && !c.is(blocked) {
		s.handOver(c)
	}
}

// writeAll writes a delivery in pieces, each of which may take so long: how long the whole may take
// depends on how long it is. It says whether all was taken.
func (p *Portable) writeAll(d Delivery, setDeadline func(time.Time) error, write func([]byte) (int, error)) bool {
	const most = 32 << 10
	put := func(piece []byte) bool {
		_ = setDeadline(time.Now().Add(p.shard.cfg.WriteTimeout))
		_, err := write(piece)
		p.moved.Store(true)
		return err == nil
	}
	var small []byte // short frames together: over TLS each write is a record
	for _, f := range d.Frames {
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

// report tells the shard how writing a delivery went.
func (p *Portable) report(ok bool) {
	if ok {
		p.shard.Post(written{p.conn})
	} else {
		p.shard.Post(gone{p.conn})
	}
}

// ServeEvents writes an event stream until it ends; it is called on the request's own goroutine.
func (p *Portable) ServeEvents(ctx context.Context, w http.ResponseWriter) {
	out := http.NewResponseController(w)
	EndDeadlines(out)
	for {
		select {
		case d := <-p.next:
			ok := p.writeAll(d, out.SetWriteDeadline, w.Write) && out.Flush() == nil
			EndDeadlines(out) // over HTTP/2 one that is left would reset the stream, though nobody writes
			p.report(ok)
		case <-ctx.Done():
			p.Leave()
			return
		case <-p.ended:
			return
		}
	}
}

// AwaitPoll waits until there is something to say to a poll, or until the time is over. It returns
// ErrStopped if the shard ends before, and the context's error.
func (p *Portable) AwaitPoll(ctx context.Context, wait time.Duration) (Delivery, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case d := <-p.next:
			return d, nil
		case <-timer.C:
			if !p.shard.Post(timeout{p.conn}) {
				<-p.ended
				return Delivery{}, ErrStopped
			}
		case <-ctx.Done():
			return Delivery{}, ctx.Err()
		case <-p.ended:
			return Delivery{}, ErrStopped
		}
	}
}

// Leave ends a connection from the viewer's side, and returns when the shard has let go of it.
func (p *Portable) Leave() {
	p.shard.Post(gone{p.conn})
	<-p.ended
}

// EndDeadlines takes back those of the server, for a request that waits. Not every writer has some.
func EndDeadlines(out *http.ResponseController) {
	_ = out.SetReadDeadline(time.Time{})
	_ = out.SetWriteDeadline(time.Time{})
}

// Socket is a WebSocket or event stream on a connection of Go's net: its goroutine reads, and each
// delivery is written by a goroutine that lives only as long as that takes.
type Socket struct {
	*Portable
	net     net.Conn
	working *sync.WaitGroup // counts goroutines that outlive Serve
	writing sync.WaitGroup
}

// NewSocket makes a connection, not yet joined. Goroutines that may outlive Serve are counted.
func NewSocket(s *Shard, c *Conn, conn net.Conn, working *sync.WaitGroup) *Socket {
	p := &Socket{Portable: NewPortable(s, c), net: conn, working: working}
	p.Portable.write, p.Portable.end = p.write, p.end
	return p
}

func (p *Socket) write(d Delivery) {
	p.writing.Go(func() { p.report(p.writeAll(d, p.net.SetWriteDeadline, p.net.Write)) })
}

// end shuts our side and gives the reader a second to see the peer's end.
func (p *Socket) end() {
	close(p.ended)
	p.working.Go(func() {
		p.writing.Wait()
		_ = p.net.SetReadDeadline(time.Now().Add(time.Second))
		if half, ok := p.net.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
			_ = p.net.Close()
		}
	})
}

// Serve reads until the connection ends.
func (p *Socket) Serve() {
	defer p.net.Close()
	buffer := make([]byte, 4<<10) // a client's messages are short; longer ones come in pieces
	for {
		n, err := p.net.Read(buffer)
		if n > 0 {
			p.shard.Post(&input{p.conn, buffer[:n]})
			select {
			case <-p.Portable.read:
			case <-p.ended:
			}
		}
		if err != nil {
			p.Leave()
			p.writing.Wait()
			return
		}
	}
}
