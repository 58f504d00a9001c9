package notify

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// CanaryEvery is how often Canary is called, by one process of all.
const CanaryEvery = time.Minute

// canaryLimit is how long a canary may take, the wait for the rate limit included.
const canaryLimit = 30 * time.Second

// dryRunner is a Sender whose service says whether it would take a push, without one being sent.
type dryRunner interface {
	DryRun(ctx context.Context) Result
}

// What a canary is counted by, besides what the push service answers.
const (
	canaryOK   = "ok"
	canaryRate = "rate" // the rate limit let nothing through in time
)

// canary asks again and again whether the phones' push service would take a push. So a key that was
// revoked, or a way that is shut, shows when nothing happens, and not with the next goal.
type canary struct {
	sender  dryRunner
	results *prometheus.CounterVec
	seconds prometheus.Histogram
}

// newCanary makes a canary; nil if the sender knows no dry run.
func newCanary(sender Sender, reg prometheus.Registerer) *canary {
	dry, ok := sender.(dryRunner)
	if !ok {
		return nil
	}
	f := promauto.With(reg)
	c := &canary{
		sender: dry,
		results: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_notify_canary_total",
			Help: "Dry runs of a push, one a minute of all processes together, by result: ok, rate (the rate limit " +
				"let none through in time), or what the push service answered."}, []string{"result"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_notify_canary_seconds",
			Help:    "Time of a dry run of a push, the wait for the rate limit included, whatever its result.",
			Buckets: []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}),
	}
	results := []string{canaryOK, canaryRate}
	if r, ok := sender.(reasoner); ok {
		results = slices.Concat(results, r.Reasons())
	}
	for _, result := range results {
		c.results.WithLabelValues(result)
	}
	return c
}

// Canary makes a dry run of a push on the way of all others, and counts how it ended. It takes one
// of the rate and has no other effect: it is made also while the service's brake is pulled, does
// not pull it or let it go, and deletes nothing, since what it learns it learns of no batch. One
// that ctx ends is not counted.
func (n *Notifier) Canary(ctx context.Context) {
	if n.canary == nil {
		return
	}
	limited, cancel := context.WithTimeout(ctx, canaryLimit)
	defer cancel()
	began := time.Now()
	result := canaryOK
	err := n.services.phones.limiter.Wait(limited, 1)
	if err != nil {
		result = canaryRate
	} else if r := n.canary.sender.DryRun(limited); r.Outcome != Delivered {
		result, err = r.Reason, r.Err
	}
	if ctx.Err() != nil {
		return
	}
	n.canary.results.WithLabelValues(result).Inc()
	n.canary.seconds.Observe(time.Since(began).Seconds())
	if result != canaryOK {
		n.log.Error("dry run of a push", "service", n.services.phones.name, "result", result, "error", err)
	}
}
