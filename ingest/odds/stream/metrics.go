package stream

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are those of all sources and feeds of a process, labelled with the source's name.
type Metrics struct {
	lines       *prometheus.CounterVec // source, type
	refused     *prometheus.CounterVec // source, reason
	doubtful    *prometheus.CounterVec // source, reason
	connections *prometheus.CounterVec // source, outcome
	shut        *prometheus.CounterVec // source, reason
	streams     *prometheus.GaugeVec   // source
}

// NewMetrics makes them; once in a process.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_stream_" + name, Help: help}, labels)
	}
	return &Metrics{
		lines: counter("lines_total", "Lines of odds that were understood, by source and type.", "source", "type"),
		refused: counter("refused_lines_total", "Lines of odds that were refused, by source and reason: json, "+
			"field, too_long, or events (their connection told of too many).", "source", "reason"),
		doubtful: counter("suspended_markets_total", "Markets that were suspended since what was told of them makes "+
			"no sense, by source and reason: price or status.", "source", "reason"),
		connections: counter("connections_total", "Connections that have ended, by source and outcome: ended (by the "+
			"other side), broken, silent, unreadable, too_fast, refused (by the other side), turned_away (by us, "+
			"before the first line), unreachable or stopped (by us).", "source", "outcome"),
		shut: counter("shut_events_total", "Events that were suspended since something about them may not have been "+
			"understood, or came by a connection that broke; by source and reason: line or connection.",
			"source", "reason"),
		streams: f.NewGaugeVec(prometheus.GaugeOpts{Name: "goalcast_odds_stream_open",
			Help: "Connections that tell odds now, by source."}, []string{"source"}),
	}
}

// What a label can be.
const (
	shutLine       = "line"
	shutConnection = "connection"
)

// outcome is how a connection ended.
type outcome string

const (
	ended       outcome = "ended"
	broken      outcome = "broken"
	silent      outcome = "silent"
	unreadable  outcome = "unreadable"
	tooFast     outcome = "too_fast"
	refused     outcome = "refused"
	turnedAway  outcome = "turned_away"
	unreachable outcome = "unreachable"
	stopped     outcome = "stopped"
)

// start has a source's counters begin with zero.
func (m *Metrics) start(source string) {
	for _, k := range kinds {
		m.lines.WithLabelValues(source, string(k))
	}
	for _, r := range []reason{notJSON, badField, tooLong, tooManyEvents} {
		m.refused.WithLabelValues(source, string(r))
	}
	for _, r := range []reason{badPrice, badStatus} {
		m.doubtful.WithLabelValues(source, string(r))
	}
	for _, o := range []outcome{ended, broken, silent, unreadable, tooFast, refused, turnedAway, unreachable,
		stopped} {
		m.connections.WithLabelValues(source, string(o))
	}
	for _, r := range []string{shutLine, shutConnection} {
		m.shut.WithLabelValues(source, r)
	}
	m.streams.WithLabelValues(source)
}
