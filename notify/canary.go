package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
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
// is not counted.
func (c *Canary) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range c.services {
		wg.Go(func() { c.ask(ctx, s) })
	}
	wg.Wait()
}

func (c *Canary) ask(ctx context.Context, s canaryService) {
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
		return
	}
	c.results.WithLabelValues(s.Service(), result).Inc()
	c.seconds.WithLabelValues(s.Service()).Observe(time.Since(began).Seconds())
	if result != canaryOK {
		c.log.Error("dry run of a push", "service", s.Service(), "result", result, "error", err)
	}
}
