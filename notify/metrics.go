package notify

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// metrics are counted per process. The values of labels are few and fixed, and each is there from
// the start, so that its first one counts in a rate.
type metrics struct {
	planned   *prometheus.CounterVec // pushes by kind
	batches   prometheus.Counter
	sent      prometheus.Counter
	shortened prometheus.Counter
	failed    *prometheus.CounterVec // messages by reason
	retried   *prometheus.CounterVec // messages by reason
	dropped   *prometheus.CounterVec // pushes and batches by reason
	withheld  *prometheus.CounterVec // devices by reason
	removed   prometheus.Counter
	seen      prometheus.Counter
	listens   *prometheus.CounterVec // by result
	errors    *prometheus.CounterVec // steps that did not work and are tried again
	enqueued  prometheus.Counter
	waiting   prometheus.Counter
	first     prometheus.Histogram
	cut       prometheus.Histogram
	batch     prometheus.Histogram
	stopped   *prometheus.GaugeVec // by service
	backlog   *prometheus.GaugeVec // what waits, as last counted
}

// reasons are all that failed, retried and dropped are counted by, but for what a push service
// answers: see reasoner.
var (
	failReasons = []string{"expired", reasonNoService}
	dropReasons = []string{"superseded", "muted", "expired", "not_new", "told_already", "late_correction",
		"withdrawn_unseen", "cancelled", "current", "private"}
	steps = []string{"plan", "no_names", "cut", "sweep", "prune", "batch", "rate", "claim_lost", "enqueue",
		"delete_token", "confirm", "backlog", "seen"}
)

// reasoner is a Sender that says which reasons its results may have.
type reasoner interface{ Reasons() []string }

func newMetrics(reg prometheus.Registerer, store Store, senders ...Sender) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "goalcast_notify_" + name, Help: help})
	}
	vector := func(name, help, label string, values ...string) *prometheus.CounterVec {
		c := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_notify_" + name, Help: help}, []string{label})
		for _, v := range values {
			c.WithLabelValues(v)
		}
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return f.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_notify_" + name, Help: help, Buckets: buckets})
	}
	var answers []string
	for _, sender := range senders {
		if r, ok := sender.(reasoner); ok {
			answers = append(answers, r.Reasons()...)
		}
	}
	f.NewCounterFunc(prometheus.CounterOpts{Name: "goalcast_notify_set_aside_total",
		Help: "Rows of the outbox and of batches that could not be read and are passed over."}, func() float64 {
		if store == nil {
			return 0
		}
		return float64(store.SetAside())
	})
	backlog := f.NewGaugeVec(prometheus.GaugeOpts{Name: "goalcast_notify_backlog",
		Help: "What waits to be pushed, of all processes together: events that are not " +
			"planned, audiences that are not all in batches, batches that are not done, and batches " +
			"that wait because their users want it so."}, []string{"what"})
	stopped := f.NewGaugeVec(prometheus.GaugeOpts{Name: "goalcast_notify_stopped",
		Help: "1 while a push service takes nothing from this process: its credentials " +
			"or its project are wrong."}, []string{"service"})
	return &metrics{
		backlog: backlog,
		stopped: stopped,
		planned: vector("planned_total", "Pushes planned, by kind: one per event revision that reaches phones.",
			"kind", kinds()...),
		batches: counter("batches_planned_total", "Batches of devices planned."),
		sent:    counter("sent_total", "Messages that the push service took."),
		shortened: counter("shortened_total", "Messages that the push service took with a text that was shortened: "+
			"they had more bytes than it takes."),
		failed: vector("failed_total", "Messages given up, by reason.", "reason",
			slices.Concat(failReasons, answers)...),
		retried: vector("retried_total", "Messages put off for another try, by reason.", "reason",
			append(slices.Clone(answers), reasonStopped)...),
		dropped: vector("dropped_total", "Pushes (when planned) and batches (before sending) not sent, by reason.",
			"reason", dropReasons...),
		withheld: vector("withheld_total", "Devices that were sent no push, or not at once, because their user "+
			"prefers it so; by reason.", "reason", heldReasons...),
		removed: counter("tokens_removed_total", "Devices deleted because the push service does not know them any "+
			"more."),
		seen: counter("seen_total", "Messages that were not sent: their phones have shown live what they say."),
		listens: vector("topic_changes_total", "Phones that were told to listen to a topic of their push service, or "+
			"no more, by result: listens, listens_no_more, refused (for good), failed (tried again).", "result",
			"listens", "listens_no_more", "refused", "failed"),
		errors:   vector("errors_total", "Steps that went wrong and are tried again, by step.", "step", steps...),
		enqueued: counter("enqueued_total", "Batches given to the queue: put off, or more than this process can take."),
		waiting:  counter("rate_wait_seconds_total", "Time that batches waited for the rate limit."),
		first: histogram("goal_to_request_seconds",
			"From the receipt of the document that told of an event to the first request to the push service for it.",
			[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}),
		cut: histogram("audience_seconds", "From the plan of a push to the last of its audience in a batch, for "+
			"audiences that take more than one step.",
			[]float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}),
		batch: histogram("batch_seconds", "Time to send one batch.", []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5,
			10, 20, 30}),
	}
}

func (m *metrics) waits(b goalcast.PushBacklog) {
	m.backlog.WithLabelValues("events").Set(float64(b.Events))
	m.backlog.WithLabelValues("audiences").Set(float64(b.Audiences))
	m.backlog.WithLabelValues("batches").Set(float64(b.Batches))
	m.backlog.WithLabelValues("held").Set(float64(b.Held))
}
