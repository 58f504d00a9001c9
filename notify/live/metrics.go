package live

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are counted by the process whose turn it is.
type metrics struct {
	channels prometheus.Gauge
	created  prometheus.Counter
	deleted  *prometheus.CounterVec
	pushes   *prometheus.CounterVec
	starts   *prometheus.CounterVec
	errors   *prometheus.CounterVec
	denied   prometheus.Gauge
	delay    prometheus.Histogram
}

// Why a channel is deleted.
const (
	whyOver   = "over"   // its match is
	whyMoved  = "moved"  // its match is not soon any more
	whyOrphan = "orphan" // nobody knows of which match it was
	whyLost   = "lost"   // the push service has it no more
)

// results are what a push or a start came to.
var results = []string{"ok", "busy", "denied", "gone", "refused", "failed"}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	vector := func(name, help, label string, values ...string) *prometheus.CounterVec {
		c := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_live_" + name, Help: help}, []string{label})
		for _, v := range values {
			c.WithLabelValues(v)
		}
		return c
	}
	return &metrics{
		channels: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_live_channels",
			Help: "Channels or topics of matches, of the process that holds them; 0 in all others."}),
		created: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_live_channels_created_total",
			Help: "Broadcast channels created, and topics begun."}),
		deleted: vector("channels_deleted_total", "Broadcast channels deleted, and topics ended: the match is over or "+
			"moved, nobody knew of them (orphan), or the push service had them no more (lost).", "why",
			whyOver, whyMoved, whyOrphan, whyLost),
		pushes: vector("pushes_total", "Broadcasts of a match's state to lock screens, by result.", "result",
			results...),
		starts: vector("starts_total", "Activities started on phones, by result; expired: too long after kick-off.",
			"result", append(results, "expired")...),
		errors: vector("errors_total", "Steps that did not work and are tried again, by step.", "step",
			"plan", "create", "update", "delete", "sweep", "start"),
		denied: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_live_denied",
			Help: "1 while the push service does not accept our credentials or our app: no lock screen " +
				"moves."}),
		delay: f.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_live_push_seconds",
			Help: "From the receipt of the document that changed a match to the push service's word that it took " +
				"the state.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}),
	}
}

// result is what a metric calls an error.
func result(err error) string {
	var busy *BusyError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &busy):
		return "busy"
	case errors.Is(err, ErrDenied):
		return "denied"
	case errors.Is(err, ErrNoChannel), errors.Is(err, ErrNoDevice):
		return "gone"
	case errors.Is(err, ErrRefused), errors.Is(err, ErrFull):
		return "refused"
	}
	return "failed"
}

// ended says that an error is only of a turn that is over.
func ended(ctx context.Context, err error) bool { return err != nil && ctx.Err() != nil }
