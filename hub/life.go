package hub

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/gobwas/ws"

	"goalcast"
)

// join takes a new connection in.
func (s *shard) join(c *conn, j *join) {
	s.conns[c] = struct{}{}
	s.cursor = j.cursor // what the inbox held before the join is done, so they are equal unless this is the first
	c.allowance = int32(s.hub.cfg.MaxPending)
	c.tokens, c.refilled = uint16(s.hub.cfg.MessageBurst*100), s.millis()
	c.wrote = s.tick
	s.stats.connections[c.transport]++
	if c.portable == nil {
		s.gen++
		c.gen, c.want = s.gen, ioIn
		for int(c.fd) >= len(s.sockets) {
			s.sockets = append(s.sockets, make([]*conn, len(s.sockets)+1024)...)
		}
		s.sockets[c.fd] = c
		if err := s.poller.add(c.fd, c.gen, ioIn); err != nil {
			s.hub.log.Error("epoll", "err", err)
			s.followAll(c, j)
			s.drop(c, "error")
			return
		}
	}
	if c.subs == nil {
		c.subs = make([]sub, 0, len(j.topics))
	}
	s.followAll(c, j)
	s.allow(c, j.frames)
	if c.transport != byPoll {
		interval := s.interval()
		s.dueIn(c, 1+rand.Uint32N(interval))
	}
	if len(j.input) > 0 {
		s.feed(c, j.input)
	}
}

// tooSlow ends a connection for which too much waits. What waits is forgotten; its last word is sent when it takes anything again
// within WriteTimeout.
func (s *shard) tooSlow(c *conn) {
	s.discard(c)
	reason := "too slow"
	if c.transport == byWebSocket {
		s.close(c, "too_slow", newClose(goalcast.CloseTooSlow, reason))
		return
	}
	s.close(c, "too_slow", s.bye(goalcast.ByeTooSlow, goalcast.Cursor{}))
}

// closeFor ends a WebSocket because of what its client sent; also the answer to its close frame.
func (s *shard) closeFor(c *conn, why *closeError) {
	label := "protocol"
	switch {
	case why.reason == "":
		label = "client"
	case why.code == goalcast.ClosePolicy:
		label = "rate"
	case why.code == goalcast.CloseTooBig:
		label = "too_big"
	}
	s.close(c, label, newClose(why.code, why.reason))
}

// close ends a connection after what waits and the last messages are sent.
func (s *shard) close(c *conn, label string, last ...*message) {
	if c.state&(dead|closing|lingering) != 0 {
		return
	}
	s.stats.closed.add(label)
	s.leaveAll(c)
	for _, m := range last {
		if m.size(c.encoding) > 0 {
			s.append(c, m)
		}
	}
	c.set(closing)
	c.clear(paused)
	s.watch(c)
	s.wantWrite(c)
}

// linger shuts our side of a connection whose last word is sent and waits a moment for the peer's end. Closing at once would, if bytes of
// the peer are still unread, destroy what it has not read.
func (s *shard) linger(c *conn) {
	if c.portable != nil {
		s.drop(c, "")
		return
	}
	c.set(lingering)
	endWriting(int(c.fd))
	s.watch(c)
	s.leaving = append(s.leaving, leaver{c, s.tick + s.ticks(2*time.Second)})
}

// leaver is a lingering connection and the tick at which it is closed in any case.
type leaver struct {
	conn  *conn
	until uint32
}

// discard forgets what waits for a connection, but not the rest of a frame that was begun.
func (s *shard) discard(c *conn) {
	s.stats.pending -= int64(c.waiting)
	clear(c.pending)
	s.takeBack(c)
	c.waiting, c.behind = 0, nil
}

// drop ends a connection now. The label says why, for a counter, if it was not closing already.
func (s *shard) drop(c *conn, label string) {
	if c.is(dead) {
		return
	}
	if c.state&(closing|lingering) == 0 {
		s.stats.closed.add(label)
	}
	c.set(dead)
	s.leaveAll(c)
	s.discard(c)
	c.rest, c.input = nil, nil
	delete(s.conns, c)
	delete(s.stuck, c)
	s.release(c)
	s.stats.connections[c.transport]--
	if c.portable != nil {
		c.portable.end()
	} else {
		s.sockets[c.fd] = nil
		closeSocket(int(c.fd))
		c.fd = -1
	}
	s.hub.limits.leave(c)
}

// end drops all connections; the shard's last act.
func (s *shard) end() {
	s.inbox.mu.Lock()
	s.inbox.closed = true
	s.inbox.mu.Unlock()
	s.handleInbox() // joins that came before are dropped like the others
	for c := range s.conns {
		s.drop(c, "shutdown")
	}
	s.publishStats()
}

// handleIO does what the poller reports.
func (s *shard) handleIO(batch []ready, ok bool, io chan []ready) chan []ready {
	if !ok {
		return nil
	}
	for _, r := range batch {
		c := s.sockets[r.fd]
		if c == nil || c.gen != r.gen {
			continue // closed meanwhile, and perhaps another one's now
		}
		if r.events&ioOut != 0 && c.is(blocked) {
			s.unblock(c)
		}
		if r.events&ioIn != 0 && !c.is(dead) {
			s.readable(c)
		} else if r.events&ioEnd != 0 {
			s.drop(c, "gone")
		}
	}
	s.poller.next <- struct{}{}
	return io
}

// millis is the shard's clock for rates; it wraps.
func (s *shard) millis() uint32 { return uint32(time.Since(s.began).Milliseconds()) }

// ticks counts a span in ticks, at least one.
func (s *shard) ticks(d time.Duration) uint32 {
	t := s.hub.cfg.tick()
	return uint32(max((d+t-1)/t, 1))
}

func (s *shard) interval() uint32 { return uint32(len(s.wheel) - 1) }

// dueIn puts a connection into the wheel, n ticks from now, 1 to the interval.
func (s *shard) dueIn(c *conn, n uint32) {
	i := (s.tick + n) % uint32(len(s.wheel))
	s.wheel[i] = append(s.wheel[i], c)
}

// handleTick advances the shard's clock: keep-alives that are due, writes that stall, ends that do not come.
func (s *shard) handleTick() {
	s.tick++
	s.publishStats() // also when it never sleeps
	s.beat = nil
	i := s.tick % uint32(len(s.wheel))
	due := s.wheel[i]
	s.wheel[i] = nil
	for _, c := range due {
		s.keepAlive(c)
	}
	timeout := s.ticks(s.hub.cfg.WriteTimeout)
	for c := range s.stuck {
		s.noteProgress(c)
		if s.tick-c.stalled > timeout {
			s.drop(c, "stalled")
		}
	}
	n := 0
	for n < len(s.leaving) && int32(s.tick-s.leaving[n].until) >= 0 {
		s.drop(s.leaving[n].conn, "")
		n++
	}
	s.leaving = append(s.leaving[:0], s.leaving[n:]...)
}

// keepAlive pings a connection to which nothing was written for an interval. Due times are spread over the last quarter of it, or everybody who
// got the same goal would be pinged in the same tick ever after.
func (s *shard) keepAlive(c *conn) {
	if c.state&(dead|closing|lingering) != 0 {
		return
	}
	interval := s.interval()
	due := interval - rand.Uint32N(interval/4+1)
	if idle := s.tick - c.wrote; idle < interval*3/4 || c.is(blocked) {
		s.dueIn(c, max(1, due-min(idle, due-1)))
		return
	}
	if c.transport == byWebSocket {
		if int(c.asked) >= s.hub.cfg.MaxUnanswered {
			s.close(c, "no_pong", newClose(goalcast.CloseNoPong, "no pong"))
			return
		}
		c.asked++
	}
	if s.beat == nil {
		s.beat = s.newBeat()
	}
	s.enqueue(c, s.beat)
	s.dueIn(c, due)
}

// newBeat makes a tick's keep-alive. It carries the cursor, so that who follows a quiet match can still resume after hours: for SSE an
// id without data, which a browser remembers and does not show; for WebSocket, whose pings scripts cannot see, a pong frame behind the ping.
func (s *shard) newBeat() *message {
	f := goalcast.Frame{Type: goalcast.FramePong, Time: time.Now().UnixMilli()}
	sse := []byte(":\n\n")
	if !s.broken && !s.cursor.IsZero() {
		f.Cursor = &s.cursor
		sse = []byte(":\nid: " + s.cursor.String() + "\n\n")
	}
	text := newFrame(classControl, f).bytes(encWS)
	return newFixed("beat", append(ws.MustCompileFrame(ws.NewPingFrame(nil)), text...), sse)
}

// bye makes a goodbye with a delay of its own.
func (s *shard) bye(reason goalcast.Reason, cursor goalcast.Cursor) *message {
	return newBye(reason, s.hub.cfg.retryIn(), cursor)
}

func newBye(reason goalcast.Reason, retry time.Duration, cursor goalcast.Cursor) *message {
	f := goalcast.Frame{Type: goalcast.FrameBye, Reason: reason, Retry: retry.Milliseconds()}
	if !cursor.IsZero() {
		f.Cursor = &cursor
	}
	m := newFrame(classControl, f)
	m.tellRetry(f.Retry)
	return m
}

// tellRetry has an event stream's browser wait so many ms before it comes back from now on. Called before the message is shared.
func (m *message) tellRetry(ms int64) {
	m.bytes(encWS) // which makes the text
	sse := append([]byte("retry: "+strconv.FormatInt(ms, 10)+"\n"), m.sse()...)
	m.forms[encSSE].Store(&sse)
}

// farewell says goodbye to a shard's connections, some at a time.
type farewell struct {
	ticker *time.Ticker
	next   <-chan time.Time
	began  time.Time
	span   time.Duration
	total  int // who was there when it began
	gone   int // who was said goodbye to
}

// begin starts it; it is over after the span.
func (f *farewell) begin(s *shard, span time.Duration) {
	if f.ticker != nil {
		return
	}
	f.began, f.span, f.total = time.Now(), span, len(s.conns)
	f.ticker = time.NewTicker(max(span/100, time.Millisecond))
	f.next = f.ticker.C
}

// some says goodbye to as many as the time asks for. The order is that of Go's maps: any.
func (f *farewell) some(s *shard) {
	n := len(s.conns) // in the end to all, those who came through the door as it closed included
	if passed := time.Since(f.began); passed < f.span {
		n = int(int64(f.total)*int64(passed)/int64(f.span)) - f.gone
		f.gone += max(n, 0)
	}
	cursor := s.cursor
	if s.broken {
		cursor = goalcast.Cursor{}
	}
	for c := range s.conns {
		if n <= 0 {
			return
		}
		if c.state&(closing|lingering) != 0 {
			continue
		}
		n--
		last := []*message{s.bye(goalcast.ByeDrain, cursor)}
		if c.transport == byWebSocket {
			last = append(last, newClose(goalcast.CloseGoingAway, "drain"))
		}
		s.close(c, "drain", last...)
	}
}

func (f *farewell) end() {
	if f.ticker != nil {
		f.ticker.Stop()
	}
}
