package partner

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are counted by the process whose turn it is, but for how partners stand.
type metrics struct {
	sent    *prometheus.CounterVec
	failed  *prometheus.CounterVec
	left    *prometheus.CounterVec
	errors  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// Why a partner is not told of an event of its topics.
const (
	leftPrivate    = "private"    // it is of a private competition that the partner does not name
	leftUnreadable = "unreadable" // a later version's, or damage
)

func newMetrics(r *Runner, reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_partner_" + name, Help: help},
			append([]string{"partner"}, labels...))
	}
	m := &metrics{
		sent: counter("sent_total", "Events that a partner took."),
		failed: counter("failed_total", "Attempts that a partner did not take, by reason; too_large and gap were not "+
			"made.", "reason"),
		left: counter("left_out_total", "Events of its topics that a partner is not told of: private, unreadable.",
			"reason"),
		errors: counter("errors_total", "Times that the database did not answer for a partner."),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_partner_request_seconds",
			Help:    "Requests to a partner, whatever came of them.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"partner"}),
	}
	for _, name := range r.names() {
		m.sent.WithLabelValues(name)
		m.errors.WithLabelValues(name)
		m.seconds.WithLabelValues(name)
		for _, reason := range reasons {
			m.failed.WithLabelValues(name, reason)
		}
		for _, reason := range []string{leftPrivate, leftUnreadable} {
			m.left.WithLabelValues(name, reason)
		}
	}
	reg.MustRegister(standing{r,
		prometheus.NewDesc("goalcast_partner_lag_seconds",
			"How long the oldest event has waited that a partner was not told of; 0 if there is none.",
			[]string{"partner"}, nil),
		prometheus.NewDesc("goalcast_partner_paused",
			"1 while nothing is sent to a partner until an operator sets its cursor.", []string{"partner"}, nil)})
	return m
}

// standing is how partners stand. It asks the database when it is read, since any process may be
// the one that sends, or none.
type standing struct {
	runner      *Runner
	lag, paused *prometheus.Desc
}

func (s standing) Describe(to chan<- *prometheus.Desc) { to <- s.lag; to <- s.paused }

func (s standing) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	states, err := s.runner.store.Partners(ctx)
	if err != nil {
		s.runner.log.Warn("partners not counted", "error", err)
		return // no value is better than a wrong one
	}
	now := s.runner.store.Now()
	lags, paused := map[string]float64{}, map[string]float64{}
	for _, p := range states {
		lags[p.Name] = p.Lag(now).Seconds()
		if !p.Paused.IsZero() {
			paused[p.Name] = 1
		}
	}
	for _, name := range s.runner.names() {
		to <- prometheus.MustNewConstMetric(s.lag, prometheus.GaugeValue, lags[name], name)
		to <- prometheus.MustNewConstMetric(s.paused, prometheus.GaugeValue, paused[name], name)
	}
}
