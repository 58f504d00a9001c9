package httpserver

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// bodyStep is after how many bytes of a body its deadlines are moved on.
const bodyStep = 16 << 10

// body is a request's body that has to come at a certain rate.
type body struct {
	io.ReadCloser
	server  *Server
	conn    *conn // nil if unknown
	control *http.ResponseController
	began   time.Time
	come    int64 // bytes
	counted int64 // of them that the deadline knows of
	whole   bool  // nothing is to come
}

func (s *Server) newBody(r io.ReadCloser, c *conn, control *http.ResponseController) *body {
	b := &body{ReadCloser: r, server: s, conn: c, control: control, began: time.Now()}
	b.moveDeadlines()
	return b
}

// Read ends with os.ErrDeadlineExceeded when the body is too slow.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.come += int64(n)
	switch {
	case err == io.EOF:
		b.whole = true
		// The work on it may take its time, and its answer too.
		_ = b.control.SetReadDeadline(time.Time{})
		_ = b.control.SetWriteDeadline(time.Now().Add(b.server.cfg.AnswerTimeout))
		b.touch(true)
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.server.metrics.cut.WithLabelValues(b.server.cfg.Name, "body").Inc()
		b.touch(true) // so that it is not counted again with its connection
	case b.come-b.counted >= bodyStep:
		b.counted = b.come
		b.moveDeadlines()
		b.touch(false)
	}
	return n, err
}

// moveDeadlines gives the body, and the answer behind it, time for what has come.
func (b *body) moveDeadlines() {
	cfg := b.server.cfg
	until := b.began.Add(cfg.BodyGrace + time.Duration(b.come)*time.Second/time.Duration(cfg.BodyRate))
	_ = b.control.SetReadDeadline(until)
	_ = b.control.SetWriteDeadline(until.Add(b.server.cfg.AnswerTimeout))
}

// touch keeps the connection from making room for others; whole says that
// nothing more is waited for.
func (b *body) touch(whole bool) {
	if b.conn == nil {
		return
	}
	s := b.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if whole {
		b.conn.began, b.conn.body = time.Now(), false
	}
	s.touchLocked(b.conn)
}
