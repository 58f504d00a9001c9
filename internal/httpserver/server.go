// Package httpserver is net/http's server with an end to every wait: for a request's header, for
// its body, for a client that does not read its answer. It counts its connections, and when they
// are too many the one that has been silent longest makes room for a new one.
//
// Connections of live viewers (Live) are not its business while they are served: they wait for
// hours, and whoever serves them has limits of its own.
package httpserver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config holds a server's limits. The zero value is the default of every field.
type Config struct {
	Name string // label of its metrics

	// MaxConns is how many connections are open at once, those of live viewers not counted; default
	// 4,096. Each may cost 25 kB, and 128 kB of the kernel's if its client does not read. At the
	// limit the one that has been silent longest is closed, if that is longer than Yield; until
	// then new ones wait in the kernel.
	MaxConns int
	// Yield is how long a connection has to be silent before it makes room for another; default
	// 2 s. Shorter, and a storm of viewers that all come at once would push each other out
	// before the first is served.
	Yield time.Duration

	HeaderTimeout time.Duration // for a request's line and header
	// BodyGrace and BodyRate are what a body may take: the grace, and a second for every so many
	// bytes that have come; defaults 10 s and 64 kB. A document of 16 MB on a line of half a
	// megabit comes through in 4 minutes; a body that never comes, or drips, ends after the grace.
	BodyGrace time.Duration
	BodyRate  int
	// AnswerTimeout is how long a client may take to accept an answer, counted from the end of its
	// request. Handlers that take longer to begin must be given more.
	AnswerTimeout time.Duration
	// between two requests; longer than the minute for which proxies keep connections
	IdleTimeout time.Duration
	// SendBuffer is the kernel's memory in bytes for what a client has not taken yet (SO_SNDBUF),
	// of which the kernel makes the double. Negative leaves it to the kernel, which
	// gives a client that never reads megabytes.
	SendBuffer int

	// Certificate gives the one to show in a handshake. With it the server speaks TLS and nothing
	// else; a handshake may take as long as a header.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

func (c Config) withDefaults() Config {
	c.MaxConns = cmp.Or(max(c.MaxConns, 0), 4096)
	c.Yield = cmp.Or(max(c.Yield, 0), 2*time.Second)
	c.HeaderTimeout = cmp.Or(max(c.HeaderTimeout, 0), 5*time.Second)
	c.BodyGrace = cmp.Or(max(c.BodyGrace, 0), 10*time.Second)
	c.BodyRate = cmp.Or(max(c.BodyRate, 0), 64<<10)
	c.AnswerTimeout = cmp.Or(max(c.AnswerTimeout, 0), 30*time.Second)
	c.IdleTimeout = cmp.Or(max(c.IdleTimeout, 0), 75*time.Second)
	c.SendBuffer = cmp.Or(c.SendBuffer, 64<<10)
	return c
}

// What HTTP/2 clients get. A connection's bodies that nobody has read yet take at most http2Buffer
// bytes of memory; net/http's own default is 1 MB.
const (
	http2Streams = 250
	http2Buffer  = 256 << 10
	http2Ping    = 30 * time.Second // of silence, then the peer has to answer a ping
	http2Pong    = 15 * time.Second
	http2Stalled = 10 * time.Second // for a connection that takes not one byte
)

// strayBody is how long is waited for a body that nobody wants.
const strayBody = time.Second

// Server serves one listener. Make it with New.
type Server struct {
	cfg     Config
	handler http.Handler
	http    *http.Server
	tls     *tls.Config // nil: it does not speak TLS
	metrics metrics

	mu    sync.Mutex
	room  sync.Cond // of mu: a connection has ended, or the server is closing
	conns map[net.Conn]*conn
	order queue // those that may be closed for others, the longest silent one first
	done  bool
}

// New makes a server; it starts nothing.
func New(cfg Config, h http.Handler, reg prometheus.Registerer) *Server {
	s := &Server{cfg: cfg.withDefaults(), handler: h, conns: map[net.Conn]*conn{}}
	s.room.L = &s.mu
	s.metrics = newMetrics(s, reg)
	s.tls = newTLS(s.cfg)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.tls != nil)
	protocols.SetUnencryptedHTTP2(s.tls == nil)
	s.http = &http.Server{
		Handler: http.HandlerFunc(s.serve), Protocols: &protocols,
		ReadHeaderTimeout: s.cfg.HeaderTimeout, ReadTimeout: s.cfg.HeaderTimeout + s.cfg.BodyGrace,
		WriteTimeout: s.cfg.AnswerTimeout,
		// it reads a body before anybody asks it to
		IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: 32 << 10, DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: http2Streams, MaxReceiveBufferPerConnection: http2Buffer,
			MaxReceiveBufferPerStream: http2Buffer,
			SendPingTimeout:           http2Ping, PingTimeout: http2Pong, WriteByteTimeout: min(http2Stalled,
				s.cfg.AnswerTimeout),
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, s.known(c))
		},
		ConnState: s.changed, ErrorLog: newErrorLog(s, reg),
	}
	return s
}

// Listen opens the address. What accepted connections inherit of the listener bounds what the
// kernel keeps for clients that do not read.
func (s *Server) Listen(ctx context.Context, address string) (net.Listener, error) {
	l := net.ListenConfig{Control: s.control}
	return l.Listen(ctx, "tcp", address)
}

// Serve serves the listener's connections until Shutdown or Close, then returns nil.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(&listener{l, s}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown takes no more connections and waits until requests in hand are answered.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Close ends all connections at once.
func (s *Server) Close() error { return s.http.Close() }

// serve sets a request's deadlines and passes it on.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := connOf(r)
	s.begin(c, r.ContentLength != 0)
	defer s.answered(c)
	secure(w.Header())
	if r.TLS != nil {
		w.Header().Set("Strict-Transport-Security", strictTransport)
	}
	control := http.NewResponseController(w)
	switch {
	// all is here; the server's own deadline would cancel the context of a handler that takes long
	case r.ContentLength == 0:
		if r.ProtoMajor == 1 {
			_ = control.SetReadDeadline(time.Time{})
		}
	case !hasBody(r.Method):
		// What somebody sends along with a GET is not waited for: the answer goes out at once, and
		// what comes within a moment is drained so that closing destroys nothing.
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		_ = control.SetReadDeadline(time.Now().Add(min(strayBody, s.cfg.BodyGrace)))
	default:
		passed := new(http.Request) // a copy, since net/http looks at its own request's body afterwards
		*passed = *r
		passed.Body = s.newBody(r.Body, c, control)
		r = passed
	}
	s.handler.ServeHTTP(w, r)
	if b, ok := r.Body.(*body); ok && !b.whole || !ok && r.ContentLength != 0 {
		// net/http drains what the handler did not read, whatever deadline that has set
		_ = control.SetReadDeadline(time.Now().Add(min(strayBody, s.cfg.BodyGrace)))
	}
}

// Fields of every answer. They are shared, and never changed in place.
var (
	noSniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// secure has browsers take an answer for what it says it is, load nothing for it, show it in no
// frame, and tell nobody where they read it. Pages, which need more, set their own.
func secure(h http.Header) {
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = noContent
}

// hasBody says whether any route of ours reads a body of this method.
func hasBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete, http.MethodTrace, http.MethodConnect:
		return false
	}
	return true
}

// Live serves a route whose clients stay for hours. While it is served, its connection is neither
// counted nor closed for others. The handler has to set deadlines of its own before it waits and
// before it writes late: those of the server run from the request's beginning. A body need not come
// at a certain rate.
func Live(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, ok := r.Body.(*body); ok {
			own := *r
			own.Body = b.ReadCloser
			r = &own
			defer b.touch(true) // it was not too slow
		}
		if c := connOf(r); c != nil {
			c.server.pin(c)
			defer c.server.unpin(c)
		}
		h.ServeHTTP(liveWriter{w}, r)
	})
}
