// Package canary scores a goal every half a minute and looks whether it comes out: posted to the
// feeds as a provider posts, seen by WebSocket, event stream, long poll and REST as fans see it,
// and taken by the push services in a dry run. All of it goes through the front door, the public
// address with balancer, TLS and whatever else stands there, so that it tells what no process
// knows of itself.
//
// One process of all does it in turn: cmd/goalcast makes a job of Canary.Run. A Canary is shared by
// that job, by what reads secrets anew and by the notifier, which tells it of dry runs. Provider
// reads the documents where feeds are taken in.
package canary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// Every is how often Run is called, by one process of all.
const Every = 30 * time.Second

// connectLimit is how long a way may take to listen, before the goal is posted.
const connectLimit = 5 * time.Second

// The ways on which a goal is looked for: Post is its way in, and all others begin with it.
const (
	Post      = "post"
	WebSocket = "websocket"
	SSE       = "sse"
	Poll      = "poll"
	REST      = "rest"
	Push      = "push"
)

// Config says where the canary goes. URL is needed; other zero fields take the default.
type Config struct {
	URL     string // of the front door, as fans have it
	FeedURL string // of the front door for providers; URL if empty
	// Limit is how long a goal may take on any way, from when it is posted; one that comes later is
	// lost. 10 s.
	Limit time.Duration
	// HTTP makes the requests; nil: each has a connection of its own, by the system's certificates.
	HTTP *http.Client
}

// Canary posts goals and looks for them.
type Canary struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	secret  atomic.Pointer[string] // of the feed; empty for none

	mu     sync.Mutex
	failed map[string]string // ways that failed the last time, and why
}

// New makes a canary, which does nothing by itself. secrets are those of all feeds, by provider.
func New(cfg Config, secrets map[string][]string, log *slog.Logger, reg prometheus.Registerer) *Canary {
	cfg.FeedURL, cfg.Limit = cmp.Or(cfg.FeedURL, cfg.URL), cmp.Or(cfg.Limit, 10*time.Second)
	if cfg.HTTP == nil {
		fresh := http.DefaultTransport.(*http.Transport).Clone()
		fresh.DisableKeepAlives = true // a fan's first request has no connection either
		cfg.HTTP = &http.Client{Transport: fresh}
	}
	c := &Canary{cfg: cfg, log: log, metrics: newMetrics(reg), failed: map[string]string{}}
	c.UseSecrets(secrets)
	for _, way := range []string{Post, WebSocket, SSE, Poll, REST} {
		c.metrics.expect(way)
	}
	return c
}

// UseSecrets exchanges the secrets of all feeds. It may be called at any time.
func (c *Canary) UseSecrets(secrets map[string][]string) {
	secret := ""
	if own := secrets[goalcast.CanaryFeed]; len(own) > 0 {
		secret = own[len(own)-1] // of two the newer, which is there to stay
	}
	c.secret.Store(&secret)
}

// ExpectPushes says that Pushed will be called. It is called before Run.
func (c *Canary) ExpectPushes() { c.metrics.expect(Push) }

// Pushed counts how the dry run of a goal's push ended, which began in the notifier of whatever
// process; at is when.
func (c *Canary) Pushed(e goalcast.Event, at time.Time, err error) {
	took := at.Sub(time.UnixMilli(e.Times.Received))
	if err == nil && took > c.cfg.Limit {
		err = fmt.Errorf("after %s", took.Round(time.Millisecond))
	}
	c.count(Push, took, err)
}

// Run listens on all ways, posts a goal and waits until it came on each or its time is over. How
// that ended is counted and logged. What ctx ends is not counted; the error is nil always: that
// goals are lost has an alert of its own.
func (c *Canary) Run(ctx context.Context) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	g := &goal{cfg: c.cfg, at: time.Now().UTC().Truncate(time.Millisecond), posting: make(chan struct{})}
	var listening, running sync.WaitGroup
	finish := func(way string, err error) {
		switch {
		case err == nil:
			<-g.posting
			c.count(way, time.Since(g.posted), nil)
		case ctx.Err() != nil:
		case errors.Is(context.Cause(work), errNotPosted): // it listened, and there was nothing to hear
		case errors.Is(err, context.Canceled):
			c.count(way, 0, context.Cause(work))
		default:
			c.count(way, 0, err)
		}
	}
	for way, look := range map[string]func(context.Context, *goal, func()) error{
		WebSocket: overWebSocket, SSE: overSSE, Poll: overPoll, REST: overREST,
	} {
		listening.Add(1)
		running.Go(func() {
			listens := sync.OnceFunc(listening.Done)
			defer listens()
			finish(way, look(work, g, listens))
		})
	}
	waitAtMost(&listening, connectLimit)
	g.posted = time.Now()
	close(g.posting)
	late := time.AfterFunc(c.cfg.Limit, func() { cancel(errLate) })
	defer late.Stop()
	err := g.post(work, *c.secret.Load())
	finish(Post, err)
	if err != nil {
		cancel(errNotPosted)
	}
	running.Wait()
	return nil
}

// Why a way stops looking for the goal.
var (
	errLate      = errors.New("it did not come in time")
	errNotPosted = errors.New("it was not posted")
)

// waitAtMost waits for a group that others end, or until it has taken too long.
func waitAtMost(group *sync.WaitGroup, most time.Duration) {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(most):
	}
}

// count counts an outcome, and logs it where it is another than the last of that way.
func (c *Canary) count(way string, took time.Duration, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	c.metrics.count(way, took, err == nil)
	c.mu.Lock()
	before := c.failed[way]
	c.failed[way] = text
	c.mu.Unlock()
	switch {
	case text != "" && before == "":
		c.log.Error("the canary's goal was lost", "way", way, "url", c.cfg.URL, "error", err)
	case text != "":
		c.log.Debug("the canary's goal was lost again", "way", way, "error", err)
	case before != "":
		c.log.Info("the canary's goal comes again", "way", way, "took", took)
	}
}
