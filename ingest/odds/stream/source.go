package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"goalcast/ingest/odds"
	"goalcast/internal/dial"
)

// Transport is how a Source is spoken to.
type Transport string

// The transports there are.
const (
	WebSocket Transport = "websocket" // text messages of one or several lines
	SSE       Transport = "sse"       // server-sent events, their data one or several lines
	JSON      Transport = "json"      // an endless answer of JSON objects, cut anywhere
)

// Config says where a Source connects to. Zero fields take the defaults.
type Config struct {
	Name      string // label of metrics
	Transport Transport
	URL       string      // wss or https; ws and http without TLS. It may hold a secret
	Header    http.Header // of the request; secrets belong here
	Subscribe []string    // messages sent when a WebSocket is open
	TLS       *tls.Config // nil for the system's roots

	TTL     time.Duration // without a line the connection is given up
	Connect time.Duration // for the connection to open, a redirect included
	Limits  Limits
}

// WithDefaults fills in what is zero.
func (c Config) WithDefaults() Config {
	c.TTL = cmp.Or(max(c.TTL, 0), defaultTTL)
	c.Connect = cmp.Or(max(c.Connect, 0), 10*time.Second)
	c.Limits = c.Limits.WithDefaults()
	return c
}

// Check says what of the configuration cannot be. It repeats nothing of the URL.
func (c Config) Check() error {
	schemes := []string{"https", "http"}
	switch c.Transport {
	case WebSocket:
		schemes = []string{"wss", "ws"}
	case SSE, JSON:
	default:
		return fmt.Errorf("transport: want %s, %s or %s", WebSocket, SSE, JSON)
	}
	if at, err := url.Parse(c.URL); err != nil || at.Host == "" || !slices.Contains(schemes, at.Scheme) {
		return fmt.Errorf("url: want one that begins with %s:// or %s://", schemes[0], schemes[1])
	}
	if len(c.Subscribe) > 0 && c.Transport != WebSocket {
		return errors.New("subscribe: only a WebSocket takes messages")
	}
	return nil
}

// Source connects to somebody who tells odds in goalcast's format. It implements odds.Source.
type Source struct {
	cfg     Config
	secrets []string // that no error may show
	metrics *Metrics
	log     *slog.Logger
	warn    *warner
}

// New makes a Source; it starts nothing. The configuration passes Check.
func New(cfg Config, log *slog.Logger, metrics *Metrics) *Source {
	cfg = cfg.WithDefaults()
	metrics.start(cfg.Name)
	return &Source{cfg: cfg, secrets: secretsOf(cfg), metrics: metrics, log: log.With("source", cfg.Name),
		warn: newWarner()}
}

// Why a connection is of no more use.
var (
	errSilent  = errors.New("nothing was told for the time to live")
	errSlow    = errors.New("the connection did not open in time")
	errTooFast = errors.New("more lines a second than the limit")
	errUnread  = errors.New("a line could not be read and may have been about anything")
	errRefused = errors.New("refused by the other side")
	errBinary  = errors.New("a message is not text")
)

// Run connects once, and tells sink what comes until the connection is of no more use or ctx ends.
// However that is, sink is told last that there is no connection.
func (s *Source) Run(ctx context.Context, sink odds.Sink) error {
	defer sink.Down(odds.ReasonConnection)
	c := &connection{Source: s, sink: sink, limiter: s.cfg.Limits.limiter()}
	err := c.run(ctx)
	if ctx.Err() != nil {
		s.metrics.connections.WithLabelValues(s.cfg.Name, string(stopped)).Inc()
		return ctx.Err()
	}
	s.metrics.connections.WithLabelValues(s.cfg.Name, string(c.outcome(err))).Inc()
	return s.without(err)
}

// connection is one connection of a Source. It belongs to the goroutine of Run, but for the timer.
type connection struct {
	*Source
	sink    odds.Sink
	limiter *rate.Limiter
	open    bool
	timer   *time.Timer // ends the connection; set back by each line
}

func (c *connection) outcome(err error) outcome {
	switch {
	case errors.Is(err, errRefused):
		return refused
	case !c.open:
		return unreachable
	case errors.Is(err, errSilent):
		return silent
	case errors.Is(err, errTooFast):
		return tooFast
	case errors.Is(err, errUnread):
		return unreadable
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return ended
	}
	return broken
}

func (c *connection) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	opening := time.AfterFunc(c.cfg.Connect, func() { cancel(errSlow) })
	defer opening.Stop()
	transport := c.transport()
	defer transport.CloseIdleConnections()
	opened := func() error {
		if c.open = opening.Stop(); !c.open {
			return errSlow
		}
		c.metrics.streams.WithLabelValues(c.cfg.Name).Inc()
		c.timer = time.AfterFunc(c.cfg.TTL, func() { cancel(errSilent) })
		c.log.Info("odds connection open")
		return nil
	}
	defer func() {
		if c.open {
			c.timer.Stop()
			c.metrics.streams.WithLabelValues(c.cfg.Name).Dec()
		}
	}()
	var err error
	if c.cfg.Transport == WebSocket {
		err = c.webSocket(ctx, transport, opened)
	} else {
		err = c.answer(ctx, transport, opened)
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause // what broke, broke of that
	}
	return err
}

// transport is one of the connection's own, so that nothing of it is left when it ends.
func (c *connection) transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = dial.New().DialContext
	t.TLSClientConfig = c.cfg.TLS.Clone()
	t.DisableCompression = true // which would hold back lines
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// message tells what a piece of text says, which holds whole lines.
func (c *connection) message(text []byte) error {
	switch err := c.objects(newTextReader(text, c.cfg.Limits.Line)); {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return c.unreadable(nil, err)
	default:
		return err
	}
}

// objects tells what JSON objects say, up to an error.
func (c *connection) objects(objects *objectReader) error {
	for {
		object, err := objects.next()
		switch {
		case err == nil:
			err = c.line(object)
		case errors.Is(err, errTooLong), errors.Is(err, errNoObject):
			err = c.unreadable(nil, err)
		}
		if err != nil {
			return err
		}
	}
}

// line tells what one line says.
func (c *connection) line(text []byte) error {
	if !c.limiter.Allow() {
		return errTooFast
	}
	l, err := readLine(text)
	if err != nil {
		return c.unreadable(text, err)
	}
	c.warn.doubts(c.log, &l)
	c.metrics.tell(c.cfg.Name, c.sink, &l)
	c.timer.Reset(c.cfg.TTL)
	return nil
}

// unreadable shuts what a line may have been about. If that is everything, the error ends the
// connection, and with it all that it has told.
func (c *connection) unreadable(text []byte, err error) error {
	c.metrics.refused.WithLabelValues(c.cfg.Name, string(reasonOf(err))).Inc()
	event, harmless := about(text)
	switch {
	case harmless:
	case event == "":
		return fmt.Errorf("%w: %w", errUnread, err)
	default:
		c.metrics.shut.WithLabelValues(c.cfg.Name, shutLine).Inc()
		c.sink.Suspend(event, time.Time{})
	}
	c.warn.refused(c.log, err)
	return nil
}
