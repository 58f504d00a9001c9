package board

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// metrics are the board's figures.
type metrics struct {
	loads   *prometheus.CounterVec
	evicted prometheus.Counter
	refused prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		loads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_board_readings_total",
			Help: "Matches and lists read from the source."}, []string{"kind", "outcome"}),
		evicted: prometheus.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_board_evicted_total",
			Help: "Matches and lists dropped to make room."}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_board_refused_total",
			Help: "Readings that were refused since too many wait, in all or for one address."}),
	}
	for _, kind := range []string{"match", "list"} {
		for _, outcome := range []string{"ok", "unavailable", "error"} {
			m.loads.WithLabelValues(kind, outcome)
		}
	}
	reg.MustRegister(m.loads, m.evicted, m.refused)
	return m
}

func (m *metrics) loaded(t goalcast.Topic, err error) {
	kind, outcome := "list", "ok"
	if t.Kind == goalcast.MatchTopic {
		kind = "match"
	}
	switch {
	case errors.Is(err, goalcast.ErrUnavailable):
		outcome = "unavailable"
	case err != nil:
		outcome = "error"
	}
	m.loads.WithLabelValues(kind, outcome).Inc()
}
