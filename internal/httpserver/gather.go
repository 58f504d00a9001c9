package httpserver

import (
	"bufio"
	"net"
	"net/http"
	"sync"
)

// bufferSize is that of net/http's buffer before a connection. What is longer than it leaves in two
// pieces, the header with the body's beginning and the rest, each with a call of the kernel and for
// the client to read.
const bufferSize = 4 << 10

// socket is a connection without TLS. Its fields belong to whoever writes: with HTTP/1.1 the
// handler's goroutine.
type socket struct {
	*net.TCPConn
	gathers bool
	held    *[bufferSize]byte // a full buffer that waits for what comes next; or nil
}

var spareBuffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Gather has a handler's next Write go out together with the header, in one piece. The handler
// calls what it returns as soon as it has written.
func Gather(r *http.Request) (written func()) {
	c := connOf(r)
	if c == nil || r.ProtoMajor != 1 {
		return func() {}
	}
	s, ok := c.net.(*socket)
	if !ok {
		return func() {}
	}
	s.gathers = true
	return s.written
}

// Write implements net.Conn.
func (s *socket) Write(p []byte) (int, error) {
	switch {
	case s.held != nil:
		return s.release(p)
	case s.gathers && len(p) == bufferSize:
		s.held = spareBuffers.Get().(*[bufferSize]byte)
		return copy(s.held[:], p), nil
	}
	return s.TCPConn.Write(p)
}

// release writes what is held and p, and returns how much of p was.
func (s *socket) release(p []byte) (int, error) {
	pieces := net.Buffers{s.held[:], p}
	n, err := pieces.WriteTo(s.TCPConn)
	spareBuffers.Put(s.held)
	s.held = nil
	return max(int(n)-bufferSize, 0), err
}

func (s *socket) written() {
	s.gathers = false
	if s.held == nil {
		return
	}
	if _, err := s.release(nil); err != nil {
		_ = s.Close() // it would go on in the middle of an answer
	}
}

// liveWriter gives a connection that is taken from it as the kernel's own, without what this server
// put around it.
type liveWriter struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (w liveWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if s, ok := c.(*socket); ok {
		c = s.TCPConn
	}
	return c, rw, err
}

// Unwrap is for http.ResponseController.
func (w liveWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
