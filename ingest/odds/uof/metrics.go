package uof

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	messages   *prometheus.CounterVec
	refused    *prometheus.CounterVec
	requests   *prometheus.CounterVec
	producer   *prometheus.GaugeVec
	recoveries *prometheus.CounterVec
	events     prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		messages: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_uof_messages_total",
			Help: "Messages of the Unified Odds Feed by kind; other: passed over."}, []string{"kind"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_uof_refused_total",
			Help: "What was not taken from the Unified Odds Feed, by reason: key, price, status, outcomes, markets, " +
				"events, settlement, message."}, []string{"reason"}),
		requests: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_uof_requests_total",
			Help: "Requests to the API of the Unified Odds Feed by call and result: ok, a status, none (no answer)."},
			[]string{"call", "result"}),
		producer: f.NewGaugeVec(prometheus.GaugeOpts{Name: "goalcast_odds_uof_producer_open",
			Help: "1 while the prices of a producer of the Unified Odds Feed may be shown."}, []string{"producer"}),
		recoveries: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_uof_recoveries_total",
			Help: "Recoveries of the Unified Odds Feed that began, by producer and what they bring: all, missed, " +
				"settlements."}, []string{"producer", "what"}),
		events: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_odds_uof_events",
			Help: "Matches of the Unified Odds Feed that are held."}),
	}
	for _, k := range append([]string{"other"}, kinds...) {
		m.messages.WithLabelValues(k)
	}
	for _, r := range refusals {
		m.refused.WithLabelValues(r)
	}
	return m
}
