package main

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Viewers are expected so long ahead: a hub takes minutes to be there, and has then to be joined. A
// match that has not begun at its hour is waited for as long as that takes at times.
const (
	expectAhead = 15 * time.Minute
	expectLate  = time.Hour
	expectEvery = time.Minute
)

// expected is how many viewers are to come, counted by one process of all. What another one counted
// before is not told for long.
type expected struct {
	now  func() time.Time
	desc *prometheus.Desc

	mu      sync.Mutex
	viewers float64
	counted time.Time
}

func newExpected(now func() time.Time, reg prometheus.Registerer) *expected {
	e := &expected{now: now, desc: prometheus.NewDesc("goalcast_expected_viewers", "Viewers that fixtures and follows "+
		"promise within the next quarter of an hour; by the process that counted last.", nil, nil)}
	reg.MustRegister(e)
	return e
}

// set keeps that this process has counted.
func (e *expected) set(viewers float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.viewers, e.counted = viewers, e.now()
}

// Describe is part of prometheus.Collector.
func (e *expected) Describe(ch chan<- *prometheus.Desc) { ch <- e.desc }

// Collect is part of prometheus.Collector.
func (e *expected) Collect(ch chan<- prometheus.Metric) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.counted.IsZero() && e.now().Sub(e.counted) < 3*expectEvery {
		ch <- prometheus.MustNewConstMetric(e.desc, prometheus.GaugeValue, e.viewers)
	}
}

// expectViewers is a job.
func (n *node) expectViewers(ctx context.Context) error {
	now := n.db.Now()
	followers, err := n.db.Expected(ctx, now.Add(-expectLate), now.Add(expectAhead))
	if err == nil {
		n.expected.set(math.Ceil(float64(followers) * n.cfg.ExpectedShare))
	}
	return err
}
