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
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// hijacked is a ResponseWriter that keeps the real connection for us and gives the WebSocket
// library an empty shell.
type hijacked struct {
	http.ResponseWriter
	conn  net.Conn
	input []byte // what the client sent right behind its handshake

	extensions string         // that the answer agrees to
	encoding   frame.Encoding // which that means
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

// serveWebSocket makes the handshake and hands the socket to a shard; it returns at once, or on a
// portable connection when that is over.
func (h *Hub) serveWebSocket(w http.ResponseWriter, r *http.Request, v *viewer, s *seat) {
	if no := h.prepare(r.Context(), v, s); no != nil {
		h.refuse(w, r, no)
		return
	}
	taken := &hijacked{ResponseWriter: w}
	if h.deflater != nil {
		taken.extensions, taken.encoding = frame.NegotiateDeflate(r.Header)
	}
	// Origins were checked already. The library does not compress: that is an encoding of ours,
	// made once per message.
	options := websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled,
		Subprotocols: []string{subprotocol}}
	accepted, err := websocket.Accept(taken, r, &options)
	if err != nil { // the library has answered
		h.metrics.refused.WithLabelValues("handshake").Inc()
		return
	}
	_ = accepted.CloseNow() // or its goroutine and buffers would stay; the shell keeps the socket from it
	if taken.extensions != "" {
		h.metrics.deflate.Inc()
	}
	to, c := h.nextShard(), h.newConn(v, taken.encoding)
	if tcp, ok := taken.conn.(*net.TCPConn); ok && shard.RawSockets && !h.cfg.Portable {
		h.launch(tcp, to, c, v, s, taken.input)
		return
	}
	_ = taken.conn.SetDeadline(time.Time{})
	h.serveSocket(r.Context(), taken.conn, to, c, v, s, taken.input)
}

// serveSocket serves a connection of Go's net that is not ours to take.
func (h *Hub) serveSocket(ctx context.Context, conn net.Conn, to *shard.Shard, c *shard.Conn, v *viewer, s *seat,
	input []byte) {
	socket := shard.NewSocket(to, c, conn, &h.working)
	if err := h.attach(ctx, to, c, v, s, input); err != nil {
		h.sorry(conn, v, err)
		return
	}
	socket.Serve()
}

// launch takes the descriptor of a connection and posts it to its shard. Nothing else of it is left
// after that.
func (h *Hub) launch(tcp *net.TCPConn, to *shard.Shard, c *shard.Conn, v *viewer, s *seat, input []byte) {
	if err := c.Take(tcp, h.cfg.shard()); err != nil { // no descriptor free, most likely; it is closed
		h.metrics.refused.WithLabelValues("descriptor").Inc()
		h.log.Warn("join", "error", err)
		return
	}
	if err := h.attach(context.Background(), to, c, v, s, input); err != nil {
		h.metrics.refused.WithLabelValues("unavailable").Inc()
		h.log.Warn("join", "error", err)
		c.Abort(h.tryLater(v))
	}
}

// tryLater is the last word of a connection that could not be served after its handshake.
func (h *Hub) tryLater(v *viewer) []byte {
	if v.transport == shard.SSE {
		bye := frame.Bye(goalcast.CodeUnavailable.Bye(), shard.RetryIn(h.cfg.RetrySpread), goalcast.Cursor{})
		return bye.Bytes(frame.SSE)
	}
	return frame.Close(goalcast.CloseTryLater, string(goalcast.CodeUnavailable)).Bytes(frame.WebSocket)
}

// sorry ends a portable connection that could not be served after its handshake.
func (h *Hub) sorry(conn net.Conn, v *viewer, err error) {
	h.metrics.refused.WithLabelValues("unavailable").Inc()
	h.log.Warn("join", "error", err)
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write(h.tryLater(v))
	_ = conn.Close()
}

// serveEvents answers with an event stream: on a socket of a shard where it can be, else from this
// goroutine.
func (h *Hub) serveEvents(w http.ResponseWriter, r *http.Request, v *viewer, s *seat) {
	if no := h.prepare(r.Context(), v, s); no != nil {
		h.refuse(w, r, no)
		return
	}
	if v.replay.over(v) {
		w.WriteHeader(http.StatusNoContent) // after which a browser does not come back
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would collect events otherwise
	to, c := h.nextShard(), h.newConn(v, frame.SSE)
	if shard.RawSockets && !h.cfg.Portable && r.TLS == nil && r.ProtoMajor == 1 {
		// a client that sends more than its request has nothing to say here
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			h.streamOn(conn, header, to, c, v, s)
			return
		}
		if !errors.Is(err, http.ErrNotSupported) {
			h.log.Warn("event stream", "error", err)
			return
		}
	}
	p := shard.NewPortable(to, c)
	w.WriteHeader(http.StatusOK)
	if err := h.attach(r.Context(), to, c, v, s, nil); err != nil {
		h.metrics.refused.WithLabelValues("unavailable").Inc()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = w.Write(h.tryLater(v))
		return
	}
	p.ServeEvents(r.Context(), w)
}

// streamOn writes an event stream's header on a connection taken from net/http. The body ends with
// the connection, so that its bytes need no chunks around them and are the same everywhere.
func (h *Hub) streamOn(conn net.Conn, header http.Header, to *shard.Shard, c *shard.Conn, v *viewer, s *seat) {
	header.Set("Connection", "close")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(&b) // to memory
	b.WriteString("\r\n")
	tcp, ok := conn.(*net.TCPConn)
	if !ok { // a listener's own type: its descriptor is not ours to take
		h.streamPortable(conn, b.Bytes(), to, c, v, s)
		return
	}
	_ = conn.SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout))
	if _, err := conn.Write(b.Bytes()); err != nil {
		_ = conn.Close()
		return
	}
	h.launch(tcp, to, c, v, s, nil)
}

// streamPortable serves an event stream on a hijacked connection of unknown type: like a WebSocket,
// only that nothing the client sends counts.
func (h *Hub) streamPortable(conn net.Conn, head []byte, to *shard.Shard, c *shard.Conn, v *viewer, s *seat) {
	_ = conn.SetDeadline(time.Now().Add(h.cfg.WriteTimeout))
	_, err := conn.Write(head)
	_ = conn.SetDeadline(time.Time{})
	if err != nil {
		h.sorry(conn, v, err)
		return
	}
	h.serveSocket(context.Background(), conn, to, c, v, s, nil)
}

// pollAnswer is the body of a long poll's answer. The cursor is handed back as since.
type pollAnswer struct {
	Cursor goalcast.Cursor   `json:"cursor"`
	Frames []json.RawMessage `json:"frames"`
}

// servePoll waits until there is something to say, or until the time is over.
func (h *Hub) servePoll(w http.ResponseWriter, r *http.Request, v *viewer, s *seat) {
	if no := h.prepare(r.Context(), v, s); no != nil {
		h.refuse(w, r, no)
		return
	}
	to, c := h.nextShard(), h.newConn(v, frame.JSON)
	p := shard.NewPortable(to, c)
	if err := h.attach(r.Context(), to, c, v, s, nil); err != nil {
		h.refuse(w, r, unavailable())
		return
	}
	defer p.Leave()
	shard.EndDeadlines(http.NewResponseController(w)) // answerPoll sets its own
	switch d, err := p.AwaitPoll(r.Context(), v.wait); {
	case err == nil:
		if v.trail != nil && d.Cursor.IsZero() && v.bad == "" {
			d.Cursor = v.since // newer than where the trail is
		}
		h.answerPoll(w, d)
	case errors.Is(err, shard.ErrStopped):
		h.refuseLate(w, r, draining())
	}
}

// refuseLate refuses a request that has waited.
func (h *Hub) refuseLate(w http.ResponseWriter, r *http.Request, no *refusal) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout))
	h.refuse(w, r, no)
}

func (h *Hub) answerPoll(w http.ResponseWriter, d shard.Delivery) {
	answer := pollAnswer{Cursor: d.Cursor, Frames: make([]json.RawMessage, 0, len(d.Frames))}
	for _, f := range d.Frames {
		answer.Frames = append(answer.Frames, f)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.cfg.WriteTimeout))
	_ = json.NewEncoder(w).Encode(answer) // an error means that nobody is there to read it
}
