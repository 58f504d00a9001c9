package brightcove

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	callbacks *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_clips_brightcove_requests_total",
			Help: "Requests to Brightcove by call and status; none: no answer, held: not sent since there were too " +
				"many before."}, []string{"call", "status"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_clips_brightcove_seconds",
			Help: "Time to Brightcove's answer.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)},
			[]string{"call"}),
		callbacks: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_clips_callbacks_total",
			Help: "Notifications from Brightcove by what became of them: noted, passed_over, not_ours, forged, " +
				"unreadable, trouble."}, []string{"result"}),
	}
}
