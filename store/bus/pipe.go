package bus

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// pipeBytes is how much of one direction may wait in a pipe before writing waits too, as it does on
// a socket.
const pipeBytes = 16 << 20

// pipe makes two connections inside this process that are each other's end. Unlike net.Pipe's they
// have buffers: a client that writes a long pipeline before it reads the first answer would
// otherwise wait for itself.
func pipe() (net.Conn, net.Conn) {
	a, b := newHalf(), newHalf()
	return &pipeEnd{in: a, out: b}, &pipeEnd{in: b, out: a}
}

// half is one direction.
type half struct {
	mu      sync.Mutex
	changed sync.Cond // of mu
	waiting bytes.Buffer
	closed  bool
	reading deadline
	writing deadline
}

func newHalf() *half {
	h := &half{}
	h.changed.L = &h.mu
	return h
}

// deadline is guarded by its half's mu.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// set has those who wait look again when the time has come.
func (d *deadline) set(h *half, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.at = at
	switch {
	case at.IsZero():
		if d.timer != nil {
			d.timer.Stop()
		}
	case d.timer == nil:
		d.timer = time.AfterFunc(time.Until(at), h.wake)
	default:
		d.timer.Reset(time.Until(at))
	}
	h.changed.Broadcast()
}

func (h *half) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed.Broadcast()
}

func (h *half) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, d := range []*deadline{&h.reading, &h.writing} {
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	h.changed.Broadcast()
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.reading.passed():
			return 0, os.ErrDeadlineExceeded
		case h.waiting.Len() > 0:
			n, _ := h.waiting.Read(p)
			h.changed.Broadcast()
			return n, nil
		case h.closed:
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

func (h *half) write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.closed:
			return 0, io.ErrClosedPipe
		case h.writing.passed():
			return 0, os.ErrDeadlineExceeded
		case h.waiting.Len() < pipeBytes:
			n, _ := h.waiting.Write(p)
			h.changed.Broadcast()
			return n, nil
		}
		h.changed.Wait()
	}
}

// pipeEnd is a net.Conn. Closing it ends both directions; what was written before can still be
// read.
type pipeEnd struct{ in, out *half }

func (e *pipeEnd) Read(p []byte) (int, error)  { return e.in.read(p) }
func (e *pipeEnd) Write(p []byte) (int, error) { return e.out.write(p) }

func (e *pipeEnd) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

func (e *pipeEnd) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}

func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	e.in.reading.set(e.in, t)
	return nil
}

func (e *pipeEnd) SetWriteDeadline(t time.Time) error {
	e.out.writing.set(e.out, t)
	return nil
}

func (*pipeEnd) LocalAddr() net.Addr  { return pipeAddr{} }
func (*pipeEnd) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "embedded" }
