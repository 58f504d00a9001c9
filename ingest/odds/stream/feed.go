package stream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"goalcast/ingest/odds"
)

// FeedConfig says how lines are taken that others post. Zero fields take the defaults.
type FeedConfig struct {
	Name   string        // label of metrics
	TTL    time.Duration // a request without a line for so long is ended
	Limits Limits
}

// WithDefaults fills in what is zero.
func (c FeedConfig) WithDefaults() FeedConfig {
	c.TTL = cmp.Or(max(c.TTL, 0), defaultTTL)
	c.Limits = c.Limits.WithDefaults()
	return c
}

// Feed takes lines that others post, to POST /feeds/odds. It is a Source: lines count in the
// process that runs it; in others they are refused. Nothing of it is a document, and nothing is
// kept.
type Feed struct {
	cfg     FeedConfig
	metrics *Metrics
	log     *slog.Logger
	limiter *rate.Limiter
	warn    *warner

	answerWait time.Duration // for a sender to accept an answer

	mu      sync.Mutex // guards the rest, and the sink: it is told under it
	sink    odds.Sink  // nil while the feed does not run
	streams map[*stream]bool
	owners  map[string]*stream // by event: the open request that told of it last
}

// NewFeed makes a Feed; it starts nothing. Mount Handler behind the check of the secret, and
// httpserver.Live around it: requests stay for hours.
func NewFeed(cfg FeedConfig, log *slog.Logger, metrics *Metrics) *Feed {
	cfg = cfg.WithDefaults()
	metrics.start(cfg.Name)
	return &Feed{cfg: cfg, metrics: metrics, log: log.With("source", cfg.Name), limiter: cfg.Limits.limiter(),
		warn: newWarner(), answerWait: defaultAnswerWait,
		streams: map[*stream]bool{}, owners: map[string]*stream{}}
}

// Run has lines told to sink until ctx ends; then open requests are ended. It implements
// odds.Source.
func (f *Feed) Run(ctx context.Context, sink odds.Sink) error {
	f.mu.Lock()
	f.sink = sink
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sink = nil
	clear(f.owners)
	for s := range f.streams {
		s.interrupt()
	}
	sink.Down(odds.ReasonConnection)
	return ctx.Err()
}

// Running says whether lines count in this process.
func (f *Feed) Running() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sink != nil
}

// stream is one request that tells lines. Its handler owns it, but for what the feed's mu guards.
type stream struct {
	control *http.ResponseController

	interrupted bool            // guarded by the feed's mu
	events      map[string]bool // that it was the last to tell of; guarded by the feed's mu
}

// interrupt ends the wait for the stream's next line; the caller holds the feed's mu.
func (s *stream) interrupt() {
	s.interrupted = true
	_ = s.control.SetReadDeadline(longAgo)
}

var longAgo = time.Unix(1, 0)

// Why a stream ends, or a request is none.
var (
	errNotRunning = errors.New("this process does not hold the source; another one takes the lines")
	errCrowded    = errors.New("too many requests at once")
	errEvents     = errors.New("the request has told of too many events; go on with another request")
)

const tooManyEvents reason = "events"

// enter admits a request; leave has to follow.
func (f *Feed) enter(w http.ResponseWriter) (*stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.sink == nil:
		return nil, errNotRunning
	case len(f.streams) >= f.cfg.Limits.Streams:
		return nil, errCrowded
	}
	s := &stream{control: http.NewResponseController(w), events: map[string]bool{}}
	f.streams[s] = true
	f.metrics.streams.WithLabelValues(f.cfg.Name).Inc()
	return s, nil
}

// leave ends a stream; it does nothing the second time. All that the stream told of is suspended
// unless its sender has ended it: there may have been more to say.
func (f *Feed) leave(s *stream, how outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.streams[s] {
		return
	}
	delete(f.streams, s)
	f.metrics.streams.WithLabelValues(f.cfg.Name).Dec()
	f.metrics.connections.WithLabelValues(f.cfg.Name, string(how)).Inc()
	if how != ended {
		f.shutLocked(s, shutConnection)
	}
	for event := range s.events {
		delete(f.owners, event)
	}
}

// shutLocked suspends all that a stream was the last to tell of.
func (f *Feed) shutLocked(s *stream, why string) {
	if f.sink == nil {
		return
	}
	for event := range s.events {
		f.sink.Suspend(event, time.Time{})
	}
	f.metrics.shut.WithLabelValues(f.cfg.Name, why).Add(float64(len(s.events)))
}

// ready gives a stream time until its next line has to be there.
func (f *Feed) ready(s *stream, until time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.interrupted {
		return errNotRunning
	}
	return s.control.SetReadDeadline(until)
}

// tell tells the sink what a line of a stream says. Errors: errNotRunning, errEvents.
func (f *Feed) tell(s *stream, l *line) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sink == nil || s.interrupted {
		return errNotRunning
	}
	if err := f.ownLocked(s, l); err != nil {
		return err
	}
	f.metrics.tell(f.cfg.Name, f.sink, l)
	return nil
}

// ownLocked notes which stream told of an event last.
func (f *Feed) ownLocked(s *stream, l *line) error {
	if l.event == "" || l.kind == fixture || s.events[l.event] {
		return nil
	}
	if len(s.events) >= f.cfg.Limits.Events {
		return errEvents
	}
	if other := f.owners[l.event]; other != nil {
		delete(other.events, l.event)
	}
	f.owners[l.event], s.events[l.event] = s, true
	return nil
}

// shut suspends what an unreadable line of a stream may have been about.
func (f *Feed) shut(s *stream, text []byte) {
	event, harmless := about(text)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case harmless || f.sink == nil:
	case event == "":
		f.shutLocked(s, shutLine)
	default:
		f.sink.Suspend(event, time.Time{})
		f.metrics.shut.WithLabelValues(f.cfg.Name, shutLine).Inc()
	}
}

// late says why a read of a stream ran out of time.
func (f *Feed) late(s *stream) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.interrupted {
		return errNotRunning
	}
	return errSilent
}
