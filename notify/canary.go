package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// CanaryEvery is how often Canary.Run is called, by one process of all.
const CanaryEvery = time.Minute

// canaryLimit is how long a canary may take, the wait for the rate limit included.
const canaryLimit = 30 * time.Second

// DryRunner is a push service that says whether it would take a push, without one being shown.
type DryRunner interface {
	Service() string // for metrics
	DryRun(ctx context.Context) Result
}

// What a canary is counted by, besides what the push service answers.
const (
	canaryOK   = "ok"
	canaryRate = "rate" // the rate limit let nothing through in time
)

// Canary asks again and again whether push services would take a push. So a key that was revoked,
// or a way that is shut, shows when nothing happens, and not with the next goal.
type Canary struct {
	log      *slog.Logger
	results  *prometheus.CounterVec   // service, result
	seconds  *prometheus.HistogramVec // service
	services []canaryService
}

type canaryService struct {
	DryRunner
	limiter Limiter // nil: none
}

// NewCanary makes a canary that asks nobody yet.
func NewCanary(log *slog.Logger, reg prometheus.Registerer) *Canary {
	f := promauto.With(reg)
	return &Canary{
		log: log,
		results: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_notify_canary_total",
			Help: "Dry runs of a push, one a minute of all processes together, by push service and result: ok, rate " +
				"(the rate limit let none through in time), or what the service answered."},
			[]string{"service", "result"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_notify_canary_seconds",
			Help: "Time of a dry run of a push, the wait for the rate limit included, whatever its result; by push " +
				"service.",
			Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"service"}),
	}
}

// Add makes the canary ask a push service, too. A dry run takes one of the limiter's; nil for none.
// It is called before Run.
func (c *Canary) Add(s DryRunner, limiter Limiter) {
	c.services = append(c.services, canaryService{s, limiter})
	results := []string{canaryOK}
	if limiter != nil {
		results = append(results, canaryRate)
	}
	if r, ok := s.(reasoner); ok {
		results = append(results, r.Reasons()...)
	}
	for _, result := range results {
		c.results.WithLabelValues(s.Service(), result)
	}
}

// Empty says that there is no push service to ask.
func (c *Canary) Empty() bool { return len(c.services) == 0 }

// Run asks every push service once, all at the same time, and counts how it ended. It has no other
// effect: a service is asked also while its brake is pulled, which is neither pulled nor let go by
// the answer, and nothing is deleted, since what is learned is learned of no batch. What ctx ends
// is not counted. The error says which service would not have taken a push, and why.
func (c *Canary) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	failed := make([]error, len(c.services))
	for i, s := range c.services {
		wg.Go(func() { failed[i] = c.ask(ctx, s) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

func (c *Canary) ask(ctx context.Context, s canaryService) error {
	limited, cancel := context.WithTimeout(ctx, canaryLimit)
	defer cancel()
	began := time.Now()
	result := canaryOK
	var err error
	if s.limiter != nil {
		err = s.limiter.Wait(limited, 1)
	}
	if err != nil {
		result = canaryRate
	} else if r := s.DryRun(limited); r.Outcome != Delivered {
		result, err = r.Reason, r.Err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.results.WithLabelValues(s.Service(), result).Inc()
	c.seconds.WithLabelValues(s.Service()).Observe(time.Since(began).Seconds())
	if result == canaryOK {
		return nil
	}
	c.log.Error("dry run of a push", "service", s.Service(), "result", result, "error", err)
	return fmt.Errorf("%s: %s: %w", s.Service(), result, err)
}

// canaryGoal has the push services asked because of a goal of the canary match, beside the
// planning, which does not wait. One at a time: while services take long, the goals between are
// passed over.
func (n *Notifier) canaryGoal(e goalcast.Event) {
	if n.cfg.CanaryGoal == nil || n.cfg.Canary.Empty() {
		return
	}
	select {
	case n.canaryGoals <- e:
	default:
	}
}

// canaryLoop asks the push services for each goal of the canary match, until ctx ends.
func (n *Notifier) canaryLoop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-n.canaryGoals:
			if err := n.cfg.Canary.Run(ctx); ctx.Err() == nil {
				n.cfg.CanaryGoal(e, n.now(), err)
			}
		}
	}
}
