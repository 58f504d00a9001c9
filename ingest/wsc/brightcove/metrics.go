package brightcove

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	callbacks *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{
		requests: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_clips_brightcove_requests_total",
			Help: "Requests to Brightcove by call and status; none: no answer, held: not sent since there were too many before."}, []string{"call", "status"})),
		seconds: register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_clips_brightcove_seconds",
			Help: "Time to Brightcove's answer.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}, []string{"call"})),
		callbacks: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_clips_callbacks_total",
			Help: "Notifications from Brightcove by what became of them: noted, passed_over, not_ours, forged, unreadable, trouble."}, []string{"result"})),
	}
}

// register returns the collector, or the one registered before under the same name.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	var already prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &already) {
		return already.ExistingCollector.(C)
	} else if err != nil {
		panic("metric: " + err.Error()) // a fault of this file
	}
	return c
}
