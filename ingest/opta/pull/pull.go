// Package pull asks Opta for the lists of a season, fixtures first of all: what is pushed may not
// have been pushed yet, or never reached us, and without its fixture nobody can look forward to a
// match. What comes goes the way of a posted document: it is kept, the same bytes once, read and
// published. The same list again changes nothing.
//
// cmd/goalcast makes a Puller where targets are configured, and calls Pull as a periodic job, which
// one process of all does.
package pull

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/ingest/opta"
)

// Job is the name of the periodic job that pulls.
const Job = "opta-pull"

// Pipeline takes a document that was fetched. With ErrPermanent it is kept and not understood;
// after any other error it was not kept, or, if its number is not 0, it is and will be tried again.
type Pipeline interface {
	Accept(ctx context.Context, provider string, headers map[string]string, body []byte) (goalcast.DocumentID, error)
}

// Config says what is pulled from where. Zero fields take the defaults.
type Config struct {
	URL      string // where competition.php is
	User     string
	Password string // of the user; like the user it travels in the address
	Targets  []Target

	// a run waits up to so long before it begins, so that not everybody asks at the full minute;
	// negative is not at all
	Jitter    time.Duration
	Timeout   time.Duration // of one request, to the last byte; 2 minutes: the largest lists are megabytes
	ApplyTime time.Duration // how long one list may take to be kept and applied
	MaxBody   int64         // bytes of a list, unpacked; a longer one is not taken
}

func (c Config) WithDefaults() Config {
	c.URL = cmp.Or(strings.TrimRight(c.URL, "/"), "https://omo.akamai.opta.net")
	c.Jitter = cmp.Or(c.Jitter, time.Minute)
	c.Timeout = cmp.Or(c.Timeout, 2*time.Minute)
	c.ApplyTime = cmp.Or(c.ApplyTime, 2*time.Minute)
	c.MaxBody = cmp.Or(c.MaxBody, 16<<20)
	return c
}

// Puller asks for lists. Make it with New; it starts nothing.
type Puller struct {
	cfg      Config
	pipeline Pipeline
	reader   opta.Provider
	http     *http.Client
	log      *slog.Logger
	pulls    *prometheus.CounterVec
	last     *prometheus.GaugeVec
	taken    map[Target]taken // used by Pull only, which is not called twice at a time
}

// taken is the list of a target that was taken last, by this process.
type taken struct {
	document       goalcast.DocumentID
	etag, modified string // as the answer had them; empty where it had none
}

// New makes a Puller that hands lists to the pipeline.
func New(cfg Config, pipeline Pipeline, log *slog.Logger, reg prometheus.Registerer) *Puller {
	p := &Puller{cfg: cfg.WithDefaults(), pipeline: pipeline, reader: opta.New(), log: log, taken: map[Target]taken{},
		// A transport of its own, so that a run can close its connections and nobody else's.
		http: &http.Client{
			Transport: http.DefaultTransport.(*http.Transport).Clone(),
			// the password is in the address
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		pulls: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: "goalcast_opta_pulls_total",
			Help: "Lists that this process asked Opta for, by feed and what came of it."}, []string{"feed", "outcome"}),
		last: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
			Name: "goalcast_opta_pull_last_success_timestamp_seconds",
			Help: "When this process last got a list of the feed, or heard that it is unchanged."}, []string{"feed"}),
	}
	return p
}

// What comes of asking for a list.
const (
	outcomeNew       = "new"       // other bytes than this process took last
	outcomeUnchanged = "unchanged" // the same bytes, or the answer 304
	// The others are failures.
	outcomeUnreachable = "unreachable"
	outcomeTimeout     = "timeout"
	outcomeDenied      = "denied" // 401, 403
	outcomeStatus      = "status" // others that are not 200
	outcomeTooLarge    = "too_large"
	outcomeNoDocument  = "no_document" // an error page, another feed, half a list
	outcomeUnread      = "unread"      // kept, and not understood
	outcomeUnkept      = "unkept"      // not kept, or not applied yet
	outcomeStopped     = "stopped"     // the process is ending, or lost the job
)

// Pull asks for all lists, one after the other. The error tells of those that did not come; they
// are asked for again by the next run. It never shows the credentials.
func (p *Puller) Pull(ctx context.Context) error {
	defer p.http.CloseIdleConnections()
	if p.cfg.Jitter > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(p.cfg.Jitter)):
		}
	}
	var failed []error
	for _, t := range p.cfg.Targets {
		outcome, err := p.pull(ctx, t)
		if err != nil && ctx.Err() != nil {
			outcome = outcomeStopped
		}
		p.pulls.WithLabelValues(t.Feed, outcome).Inc()
		switch {
		case err == nil:
			p.last.WithLabelValues(t.Feed).SetToCurrentTime()
		case outcome == outcomeStopped:
			return errors.Join(append(failed, fmt.Errorf("pull %s: %w", t, ctx.Err()))...)
		default:
			failed = append(failed, fmt.Errorf("pull %s: %w", t, p.without(err)))
		}
	}
	return errors.Join(failed...)
}

// pull asks for one list and hands it on.
func (p *Puller) pull(ctx context.Context, t Target) (outcome string, err error) {
	known := p.taken[t]
	a, outcome, err := p.fetch(ctx, t, known)
	if err != nil || outcome == outcomeUnchanged {
		return outcome, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ApplyTime)
	defer cancel()
	id, err := p.pipeline.Accept(ctx, "opta", a.headers, a.body)
	switch {
	case errors.Is(err, goalcast.ErrPermanent):
		return outcomeUnread, err
	case err != nil:
		return outcomeUnkept, err
	}
	p.taken[t] = taken{document: id, etag: a.etag, modified: a.modified}
	if id == known.document {
		return outcomeUnchanged, nil
	}
	p.log.Info("list pulled", "list", t, "document", id, "bytes", len(a.body))
	return outcomeNew, nil
}
