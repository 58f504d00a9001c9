package betfair

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	messages    *prometheus.CounterVec
	lag         prometheus.Gauge
	late        prometheus.Counter
	connections *prometheus.CounterVec
	images      *prometheus.CounterVec
	resubscribe *prometheus.CounterVec
	markets     *prometheus.CounterVec
	book        prometheus.Gauge
	unkept      prometheus.Counter
	calls       *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		messages: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_betfair_messages_total",
			Help: "Messages of Betfair's stream by kind: image, resumed, delta, heartbeat, segment, status, " +
				"unreliable (status 503), old (of an earlier subscription), early (before the image), unknown."},
			[]string{"kind"}),
		lag: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_odds_betfair_lag_seconds",
			Help: "How old the last message of Betfair's stream was when it was read, by Betfair's time and ours."}),
		late: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_odds_betfair_late_messages_total",
			Help: "Messages that were older than the alarm allows when they were read."}),
		connections: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_betfair_connections_total",
			Help: "Connections to Betfair's stream that have ended, by why: stopped, broken, silent, unreadable, " +
				"protocol, limit, refused, delayed, unreachable."}, []string{"end"}),
		images: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_betfair_images_total",
			Help: "Complete answers to a subscription: image (everything again), resumed (what has changed since)."},
			[]string{"kind"}),
		resubscribe: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_betfair_resubscriptions_total",
			Help: "Subscriptions anew on a connection, by why: segments (unfinished, out of order or too slow), " +
				"clock (Betfair does not know our place)."}, []string{"why"}),
		markets: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_betfair_market_faults_total",
			Help: "Changes of markets that were not told as they were, by why: price (suspended), status " +
				"(suspended), key (not told), twice (two markets with one key: the first is told), undefined " +
				"(not told), limit (not taken), result (not settled)."}, []string{"fault"}),
		book: f.NewGauge(prometheus.GaugeOpts{Name: "goalcast_odds_betfair_markets",
			Help: "Betfair's markets that are in the book."}),
		unkept: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_odds_betfair_place_too_long_total",
			Help: "Times that the place to resume from was longer than its limit and was not kept."}),
		calls: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_odds_betfair_calls_total",
			Help: "Requests to Betfair besides the stream, by call (session, key, names) and result (ok, failed)."},
			[]string{"call", "result"}),
	}
}

// called counts a request and passes its error on.
func (m *metrics) called(call string, err error) error {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.calls.WithLabelValues(call, result).Inc()
	return err
}
