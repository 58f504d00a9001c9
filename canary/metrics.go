package canary

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	seconds  *prometheus.HistogramVec // way
	failures *prometheus.CounterVec   // way
	last     *prometheus.GaugeVec     // way
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	way := []string{"way"}
	return &metrics{
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_canary_seconds",
			Help: "Time from the POST of the canary's goal, by the public address, until it was seen, by way: post " +
				"(its answer), websocket, sse, poll, rest, push (a dry run).",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, way),
		failures: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_canary_failures_total",
			Help: "Goals of the canary that were not seen within ten seconds, by way."}, way),
		last: f.NewGaugeVec(prometheus.GaugeOpts{Name: "goalcast_canary_last_success_timestamp_seconds",
			Help: "When this process saw a goal of the canary last, by way; before the first, when it started. The " +
				"newest of all processes counts: they take turns."}, way),
	}
}

// expect begins the metrics of a way: that nothing ever comes on it shows as well.
func (m *metrics) expect(way string) {
	m.seconds.WithLabelValues(way)
	m.failures.WithLabelValues(way)
	m.last.WithLabelValues(way).SetToCurrentTime()
}

func (m *metrics) count(way string, took time.Duration, seen bool) {
	if !seen {
		m.failures.WithLabelValues(way).Inc()
		return
	}
	m.seconds.WithLabelValues(way).Observe(took.Seconds())
	m.last.WithLabelValues(way).SetToCurrentTime()
}
