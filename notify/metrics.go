package notify

import "github.com/prometheus/client_golang/prometheus"

// metrics are counted per process. The reasons are few and fixed, but for those that a push service makes up (Result.Reason).
type metrics struct {
	planned  *prometheus.CounterVec // pushes by kind
	batches  prometheus.Counter
	sent     prometheus.Counter
	failed   *prometheus.CounterVec // messages by reason
	retried  *prometheus.CounterVec // messages by reason
	dropped  *prometheus.CounterVec // pushes and batches by reason
	removed  prometheus.Counter
	errors   *prometheus.CounterVec // steps that did not work and are tried again
	enqueued prometheus.Counter
	waiting  prometheus.Counter
	first    prometheus.Histogram
	cut      prometheus.Histogram
	batch    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "goalcast_notify_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_notify_" + name, Help: help}, []string{label})
		reg.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_notify_" + name, Help: help, Buckets: buckets})
		reg.MustRegister(h)
		return h
	}
	return &metrics{
		planned:  vector("planned_total", "Pushes planned, by kind: one per event revision that reaches phones.", "kind"),
		batches:  counter("batches_planned_total", "Batches of devices planned."),
		sent:     counter("sent_total", "Messages that the push service took."),
		failed:   vector("failed_total", "Messages given up, by reason.", "reason"),
		retried:  vector("retried_total", "Messages put off for another try, by reason.", "reason"),
		dropped:  vector("dropped_total", "Pushes (when planned) and batches (before sending) not sent, by reason.", "reason"),
		removed:  counter("tokens_removed_total", "Devices deleted because the push service does not know them any more."),
		errors:   vector("errors_total", "Steps that went wrong and are tried again, by step.", "step"),
		enqueued: counter("enqueued_total", "Batches given to the queue: put off, or more than this process can take."),
		waiting:  counter("rate_wait_seconds_total", "Time that batches waited for the rate limit."),
		first: histogram("goal_to_request_seconds", "From the receipt of the document that told of an event to the first request to the push service for it.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}),
		cut: histogram("audience_seconds", "From the plan of a push to the last of its audience in a batch, for audiences that take more than one step.",
			[]float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}),
		batch: histogram("batch_seconds", "Time to send one batch.", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30}),
	}
}
