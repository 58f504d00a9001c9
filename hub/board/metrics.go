package board

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// metrics are the board's figures.
type metrics struct {
	loads   *prometheus.CounterVec
	evicted prometheus.Counter
	refused prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		loads: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_hub_board_readings_total",
			Help: "Matches and lists read from the source."}, []string{"kind", "outcome"}),
		evicted: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_board_evicted_total",
			Help: "Matches and lists dropped to make room."}),
		refused: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_hub_board_refused_total",
			Help: "Readings that were refused since too many wait, in all or for one address."}),
	}
	for _, kind := range []string{"match", "list"} {
		for _, outcome := range []string{"ok", "unavailable", "error"} {
			m.loads.WithLabelValues(kind, outcome)
		}
	}
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
