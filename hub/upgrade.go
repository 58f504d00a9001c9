package hub

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"goalcast"
)

// hijacked is a ResponseWriter that keeps the real connection for us and gives the WebSocket library an empty shell.
type hijacked struct {
	http.ResponseWriter
	conn  net.Conn
	input []byte // what the client sent right behind its handshake

	extensions string   // that the answer agrees to
	encoding   encoding // which that means
}

// WriteHeader is called by the library when the handshake is right.
func (h *hijacked) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols && h.extensions != "" {
		h.Header().Set("Sec-WebSocket-Extensions", h.extensions)
	}
	h.ResponseWriter.WriteHeader(status)
}

// Hijack is called by the library when the handshake is answered.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = conn
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	h.input = bytes.Clone(early)
	return shell{conn}, bufio.NewReadWriter(bufio.NewReaderSize(eof{}, 16), bufio.NewWriterSize(io.Discard, 16)), nil
}

// shell stands for the connection inside the library: nothing it does reaches the socket.
type shell struct{ net.Conn }

func (shell) Read([]byte) (int, error)         { return 0, io.EOF }
func (shell) Write(b []byte) (int, error)      { return len(b), nil }
func (shell) Close() error                     { return nil }
func (shell) SetDeadline(time.Time) error      { return nil }
func (shell) SetReadDeadline(time.Time) error  { return nil }
func (shell) SetWriteDeadline(time.Time) error { return nil }

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// serveWebSocket makes the handshake and hands the socket to a shard; it returns at once, or on a portable connection when that is over.
func (h *Hub) serveWebSocket(w http.ResponseWriter, r *http.Request, v *viewer) {
	if no := h.prepare(r.Context(), v); no != nil {
		h.limits.leaveIP(v.ip)
		h.refuse(w, r, no)
		return
	}
	taken := &hijacked{ResponseWriter: w}
	if h.deflater != nil {
		taken.extensions, taken.encoding = negotiateDeflate(r.Header)
	}
	// Origins were checked already. The library does not compress: that is an encoding of ours, made once per message.
	accepted, err := websocket.Accept(taken, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil { // the library has answered
		h.metrics.refused.WithLabelValues("handshake").Inc()
		h.release(v.topics)
		h.limits.leaveIP(v.ip)
		return
	}
	_ = accepted.CloseNow() // or its goroutine and buffers would stay; the shell keeps the socket from it
	c, s := h.newConn(r, v)
	if taken.extensions != "" {
		c.encoding = taken.encoding
		h.metrics.deflate.Inc()
	}
	if tcp, ok := taken.conn.(*net.TCPConn); ok && rawSockets && !h.cfg.Portable {
		h.launch(tcp, s, c, v, taken.input)
		return
	}
	c.portable = newPortable()
	p := &portableWebSocket{conn: c, net: taken.conn, shard: s}
	c.portable.write, c.portable.end = p.write, p.end
	_ = taken.conn.SetDeadline(time.Time{})
	if err := h.attach(r.Context(), s, c, v, taken.input); err != nil {
		h.sorry(taken.conn, v, err)
		return
	}
	p.serve()
}

// launch takes the descriptor of a connection and posts it to its shard. Nothing else of it is left after that.
func (h *Hub) launch(tcp *net.TCPConn, s *shard, c *conn, v *viewer, input []byte) {
	fd, err := takeSocket(tcp, h.cfg.SendBuffer, h.cfg.PingInterval+h.cfg.WriteTimeout)
	if err != nil { // no descriptor free, most likely; it is closed
		h.metrics.refused.WithLabelValues("descriptor").Inc()
		h.log.Warn("join", "err", err)
		h.release(v.topics)
		h.limits.leaveIP(v.ip)
		return
	}
	c.fd = int32(fd)
	if err := h.attach(context.Background(), s, c, v, input); err != nil {
		h.metrics.refused.WithLabelValues("unavailable").Inc()
		h.log.Warn("join", "err", err)
		_, _ = writeSocket(fd, []iovec{iovecOf(h.tryLater(v))})
		closeSocket(fd)
		h.limits.leaveIP(v.ip)
	}
}

// tryLater is the last word of a connection that could not be served after its handshake.
func (h *Hub) tryLater(v *viewer) []byte {
	if v.transport == bySSE {
		return newBye(goalcast.CodeUnavailable.Bye(), h.cfg.retryIn(), goalcast.Cursor{}).bytes(encSSE)
	}
	return newClose(goalcast.CloseTryLater, string(goalcast.CodeUnavailable)).bytes(encWS)
}

// sorry ends a portable connection that could not be served after its handshake.
func (h *Hub) sorry(conn net.Conn, v *viewer, err error) {
	h.metrics.refused.WithLabelValues("unavailable").Inc()
	h.log.Warn("join", "err", err)
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write(h.tryLater(v))
	_ = conn.Close()
	h.limits.leaveIP(v.ip)
}

// serveEvents answers with an event stream: on a socket of a shard where it can be, else from this goroutine.
func (h *Hub) serveEvents(w http.ResponseWriter, r *http.Request, v *viewer) {
	if no := h.prepare(r.Context(), v); no != nil {
		h.limits.leaveIP(v.ip)
		h.refuse(w, r, no)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would collect events otherwise
	c, s := h.newConn(r, v)
	if rawSockets && !h.cfg.Portable && r.TLS == nil && r.ProtoMajor == 1 {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err == nil {
			h.streamOn(conn, rw, header, s, c, v)
			return
		}
		if !errors.Is(err, http.ErrNotSupported) {
			h.log.Warn("event stream", "err", err)
			h.release(v.topics)
			h.limits.leaveIP(v.ip)
			return
		}
	}
	c.portable = newPortable()
	w.WriteHeader(http.StatusOK)
	if err := h.attach(r.Context(), s, c, v, nil); err != nil {
		h.metrics.refused.WithLabelValues("unavailable").Inc()
		h.limits.leaveIP(v.ip)
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = w.Write(h.tryLater(v))
		return
	}
	h.serveSSE(r.Context(), w, s, c)
}

// streamOn writes an event stream's header on a connection taken from net/http. The body ends with the connection, so that its bytes need
// no chunks around them and are the same everywhere.
func (h *Hub) streamOn(conn net.Conn, rw *bufio.ReadWriter, header http.Header, s *shard, c *conn, v *viewer) {
	header.Set("Connection", "close")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(&b) // to memory
	b.WriteString("\r\n")
	tcp, ok := conn.(*net.TCPConn)
	if !ok { // a listener's own type: its descriptor is not ours to take
		h.streamPortable(conn, b.Bytes(), s, c, v)
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout))
	if _, err := conn.Write(b.Bytes()); err != nil {
		_ = conn.Close()
		h.release(v.topics)
		h.limits.leaveIP(v.ip)
		return
	}
	_ = rw // a client that sends more than its request has nothing to say here
	h.launch(tcp, s, c, v, nil)
}

// streamPortable serves an event stream on a hijacked connection of unknown type: like a WebSocket, only that nothing the client sends counts.
func (h *Hub) streamPortable(conn net.Conn, head []byte, s *shard, c *conn, v *viewer) {
	_ = conn.SetDeadline(time.Now().Add(h.cfg.WriteTimeout))
	_, err := conn.Write(head)
	_ = conn.SetDeadline(time.Time{})
	c.portable = newPortable()
	p := &portableWebSocket{conn: c, net: conn, shard: s}
	c.portable.write, c.portable.end = p.write, p.end
	if err == nil {
		err = h.attach(context.Background(), s, c, v, nil)
	} else {
		h.release(v.topics)
	}
	if err != nil {
		h.sorry(conn, v, err)
		return
	}
	p.serve()
}

// pollAnswer is the body of a long poll's answer. The cursor is handed back as since.
type pollAnswer struct {
	Cursor goalcast.Cursor   `json:"cursor"`
	Frames []json.RawMessage `json:"frames"`
}

// servePoll waits until there is something to say, or until the time is over.
func (h *Hub) servePoll(w http.ResponseWriter, r *http.Request, v *viewer) {
	if no := h.prepare(r.Context(), v); no != nil {
		h.limits.leaveIP(v.ip)
		h.refuse(w, r, no)
		return
	}
	c, s := h.newConn(r, v)
	c.portable = newPortable()
	if err := h.attach(r.Context(), s, c, v, nil); err != nil {
		h.limits.leaveIP(v.ip)
		h.refuse(w, r, unavailable())
		return
	}
	endDeadlines(http.NewResponseController(w)) // answerPoll sets its own
	timer := time.NewTimer(v.wait)
	defer timer.Stop()
	for {
		select {
		case b := <-c.portable.batches:
			h.answerPoll(w, b)
		case <-timer.C:
			if s.inbox.post(op{kind: opTimeout, conn: c}) {
				continue
			}
			<-c.portable.ended
			h.refuseLate(w, r, draining())
			return
		case <-r.Context().Done():
		case <-c.portable.ended: // the hub has stopped
			h.refuseLate(w, r, draining())
			return
		}
		s.inbox.post(op{kind: opGone, conn: c})
		<-c.portable.ended
		return
	}
}

// refuseLate refuses a request that has waited.
func (h *Hub) refuseLate(w http.ResponseWriter, r *http.Request, no *refusal) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout))
	h.refuse(w, r, no)
}

func (h *Hub) answerPoll(w http.ResponseWriter, b batch) {
	answer := pollAnswer{Cursor: b.cursor, Frames: make([]json.RawMessage, 0, len(b.frames))}
	for _, f := range b.frames {
		answer.Frames = append(answer.Frames, f)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout))
	_ = json.NewEncoder(w).Encode(answer) // an error means that nobody is there to read it
}
