package httpserver

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// conn is a connection of a server. All of it is guarded by the server's mu.
type conn struct {
	server *Server
	net    net.Conn

	place   *list.Element // in the server's order; nil while it is live, and when it has ended
	touched time.Time     // when it last came on
	live    int           // requests of it that are served by a live route

	// For the counters only. Over HTTP/2, where requests overlap, they are those of the newest.
	phase phase
	began time.Time // when the request's header, or its body, was complete
	body  bool      // its body is not complete
}

// phase is what a connection waits for.
type phase int

const (
	forHeader phase = iota // the rest of a request's header
	forUs                  // the handler
	forAnswer              // the client, to take what the handler wrote or to send the body that it did not read
	forNext                // the next request
)

// queue holds *conn.
type queue struct{ list.List }

func (q *queue) oldest() *conn { return q.Front().Value.(*conn) }

type connKey struct{}

// connOf is the connection of a request; nil if it did not come by a Server.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connKey{}).(*conn)
	return c
}

// listener admits connections.
type listener struct {
	net.Listener
	server *Server
}

// Accept waits for room, then for a connection. Those that wait meanwhile are
// in the kernel's queue.
func (l *listener) Accept() (net.Conn, error) {
	s := l.server
	s.makeRoom()
	n, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n = s.secure(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &conn{server: s, net: n}
	s.conns[n] = c
	s.touchLocked(c)
	return n, nil
}

// Close ends Accept.
func (l *listener) Close() error {
	l.server.mu.Lock()
	l.server.done = true
	l.server.room.Broadcast()
	l.server.mu.Unlock()
	return l.Listener.Close()
}

// makeRoom returns when there are fewer connections than the limit.
func (s *Server) makeRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.order.Len() >= s.cfg.MaxConns && !s.done {
		oldest := s.order.oldest()
		if wait := s.cfg.Yield - time.Since(oldest.touched); wait > 0 {
			s.metrics.full.Inc()
			wake := time.AfterFunc(wait, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.room.Broadcast()
			})
			s.room.Wait()
			wake.Stop()
			continue
		}
		s.metrics.cut.WithLabelValues(s.cfg.Name, "crowded").Inc()
		s.forgetLocked(oldest)
		s.mu.Unlock() // closing may wait for who reads or writes there
		abort(oldest.net)
		s.mu.Lock()
	}
}

// abort closes a connection and has the kernel throw away what its peer has not taken.
func abort(c net.Conn) {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn() // its own Close would wait for a peer that does not read
	}
	if tcp, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// touchLocked puts a connection at the end of the order.
func (s *Server) touchLocked(c *conn) {
	c.touched = time.Now()
	switch {
	case s.conns[c.net] != c || c.live > 0:
	case c.place == nil:
		c.place = s.order.PushBack(c)
	default:
		s.order.MoveToBack(c.place)
	}
}

// leaveLocked takes a connection out of the order.
func (s *Server) leaveLocked(c *conn) {
	if c.place != nil {
		s.order.Remove(c.place)
		c.place = nil
		s.room.Signal()
	}
}

// forgetLocked ends what the server knows of a connection.
func (s *Server) forgetLocked(c *conn) {
	s.leaveLocked(c)
	delete(s.conns, c.net)
}

func (s *Server) known(n net.Conn) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[n]
}

// changed is net/http's word on a connection.
func (s *Server) changed(n net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conns[n]
	if c == nil {
		return
	}
	switch state {
	case http.StateIdle:
		c.phase = forNext
		s.touchLocked(c)
	case http.StateActive: // its header has been read, or could not be
		c.phase = forHeader
	case http.StateHijacked:
		s.forgetLocked(c)
	case http.StateClosed:
		s.forgetLocked(c)
		s.metrics.closed(c)
	}
}

// begin and answered are the two ends of a handler's work.
func (s *Server) begin(c *conn, body bool) {
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.phase, c.began, c.body = forUs, time.Now(), body
	s.touchLocked(c)
}

func (s *Server) answered(c *conn) {
	if c == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.phase = forAnswer
	s.touchLocked(c)
}

func (s *Server) pin(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.live++
	s.leaveLocked(c)
}

func (s *Server) unpin(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.live--
	s.touchLocked(c)
}
