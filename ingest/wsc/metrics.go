package wsc

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	documents *prometheus.CounterVec
	uploads   *prometheus.CounterVec
	alarms    *prometheus.CounterVec
	trouble   *prometheus.CounterVec
	pulled    *prometheus.CounterVec
	playable  prometheus.Histogram
	overdue   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	counter := func(name, help, label string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_clips_" + name, Help: help}, []string{label})
	}
	return &metrics{
		documents: counter("documents_total", "Documents of WSC by what they came to: shown, draft, deleted, late, "+
			"unresolved, unmatched.", "outcome"),
		uploads: counter("uploads_total", "Uploads by what became of them: started, playable, failed, given_up.",
			"result"),
		alarms: counter("alarms_total",
			"What somebody should look at: unresolved (no match yet), unmatched (given up), failed, stuck (a job "+
				"that does not end), refused (by Brightcove), account.", "kind"),
		trouble: counter("trouble_total", "Errors of what clips depend on: store, queue, ingest, brightcove, wsc.",
			"of"),
		pulled: counter("pulled_total", "Contents that the catch-up saw: new, known, refused.", "outcome"),
		playable: f.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_clips_playable_seconds",
			Help: "From a job's start to the video being playable.", Buckets: prometheus.ExponentialBuckets(1, 2, 12)}),
		overdue: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_clips_overdue_total",
			Help: "Clips whose next step the queue did not make in time, found by the sweeper."}),
	}
}
