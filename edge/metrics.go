package edge

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Why edges were refused, beside what is the codes of problems.
const (
	refusedNotReady  = "not_ready"
	refusedTooMany   = "too_many_edges"
	refusedHandshake = "handshake"
)

// Why connections of edges ended.
const (
	cutSlow    = "slow"    // it took nothing for too long, or too much waited for it
	cutStates  = "states"  // the bus did not answer what it asked for
	cutLeaving = "leaving" // this process ends
	cutGone    = "gone"    // the edge has ended it, or was not heard of
)

// serverMetrics are what a hub counts of its edges.
type serverMetrics struct {
	refused, ended *prometheus.CounterVec
}

func newServerMetrics(reg prometheus.Registerer, connected func() float64) *serverMetrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "goalcast_edge_connections",
		Help: "Edges that are connected to this hub (GOALCAST_EDGE_SECRETS)."}, connected)
	m := &serverMetrics{
		refused: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_edge_refused_total",
			Help: "Requests of edges that were refused."}, []string{"reason"}),
		ended: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_edge_ended_total",
			Help: "Connections of edges that ended: slow is too slow a network, or an edge that stands still."},
			[]string{"reason"}),
	}
	for _, reason := range []string{"unauthorized", "rate_guesses", refusedNotReady, refusedTooMany, refusedHandshake} {
		m.refused.WithLabelValues(reason)
	}
	for _, reason := range []string{cutSlow, cutStates, cutLeaving, cutGone} {
		m.ended.WithLabelValues(reason)
	}
	return m
}

// How attempts to connect to the upstream end.
const (
	connected       = "connected"
	connectRefused  = "refused"
	connectNotReady = "not_ready"
	connectError    = "error"
)

// clientMetrics are what an edge counts of its upstream.
type clientMetrics struct {
	stale, connected            prometheus.Gauge
	connects, requests, proxied *prometheus.CounterVec
	events, resets              prometheus.Counter
	lag                         prometheus.Histogram
}

func newClientMetrics(reg prometheus.Registerer) *clientMetrics {
	f := promauto.With(reg)
	m := &clientMetrics{
		stale: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_upstream_stale",
			Help: "1 while this edge hears nothing from its upstream, or the upstream nothing from its bus."}),
		connected: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_upstream_connected",
			Help: "1 while this edge is connected to its upstream."}),
		connects: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_upstream_connects_total",
			Help: "Attempts of this edge to connect to its upstream: connected, refused (the secret), not_ready " +
				"(the upstream hears no bus, or has too many edges), error."}, []string{"result"}),
		requests: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_upstream_requests_total",
			Help: "Questions of this edge for matches that it does not hold."}, []string{"result"}),
		proxied: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_upstream_proxied_total",
			Help: "Requests for REST at this edge: passed on (ok, or error without an answer), refused (not for an " +
				"edge), too_many at one time."}, []string{"result"}),
		events: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_upstream_events_total",
			Help: "Events that came from the upstream, those of its history included."}),
		resets: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_upstream_resets_total",
			Help: "Times that the upstream's stream could not be continued; one at every start."}),
		lag: f.NewHistogram(prometheus.HistogramOpts{Name: "goalcast_upstream_lag_seconds",
			Help:    "From the publication of an event to its arrival at this edge.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16)}),
	}
	for _, result := range []string{connected, connectRefused, connectNotReady, connectError} {
		m.connects.WithLabelValues(result)
	}
	for _, result := range []string{"ok", "error"} {
		m.requests.WithLabelValues(result)
	}
	for _, result := range []string{"ok", "error", "refused", "too_many"} {
		m.proxied.WithLabelValues(result)
	}
	return m
}
