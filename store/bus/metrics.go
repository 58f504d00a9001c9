package bus

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what the bus counts.
type metrics struct {
	published, duplicates, holes, gaps, resets, states prometheus.Counter
	stale                                              prometheus.Gauge
	lag                                                prometheus.Histogram
}

// newMetrics registers them; without a registerer they count for nobody.
func newMetrics(reg prometheus.Registerer) metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Namespace: "goalcast", Subsystem: "store", Name: name, Help: help})
	}
	return metrics{
		published:  counter("bus_published_total", "Event revisions put on the bus by this process."),
		duplicates: counter("bus_duplicates_total", "Event revisions not published since the bus had them."),
		holes:      counter("bus_holes_total", "Events held back: an earlier one of their match was not published."),
		gaps:       counter("bus_gaps_repaired_total", "Times that messages were missed and read from the stream."),
		resets:     counter("bus_resets_total", "Times that the stream could not be continued; one at every start."),
		states:     counter("bus_states_total", "New values of states put on the bus by this process."),
		stale: f.NewGauge(prometheus.GaugeOpts{Namespace: "goalcast", Subsystem: "store", Name: "bus_stale",
			Help: "1 while this process hears nothing from the bus."}),
		lag: f.NewHistogram(prometheus.HistogramOpts{Namespace: "goalcast", Subsystem: "store", Name: "bus_lag_seconds",
			Help:    "From the publication of an event to its arrival here.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 2, 16)}),
	}
}

func (m metrics) count(answers []int64) {
	for _, a := range answers {
		switch a {
		case answerDuplicate:
			m.duplicates.Inc()
		case answerHole:
			m.holes.Inc()
		default:
			m.published.Inc()
		}
	}
}
