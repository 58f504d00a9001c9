package identity

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the package's counters. Labels are names of issuers and fixed words.
type metrics struct {
	tokens *prometheus.CounterVec // issuer, result
	calls  *prometheus.CounterVec // issuer, result
	up     *prometheus.GaugeVec   // issuer
}

// What stands for an issuer where a token has none.
const (
	noIssuer       = "none"
	anonymousUsers = "anonymous"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		tokens: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_identity_tokens_total",
			Help: "Tokens that were shown, by issuer (none: nobody's; anonymous: random bearers) and result: ok, " +
				"unavailable, or why it is none (expired, signature, audience, key, inactive, ...)."},
			[]string{"issuer", "result"}),
		calls: f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_identity_calls_total",
			Help: "Calls to an issuer, for its keys or about an opaque token, by result: ok, error."},
			[]string{"issuer", "result"}),
		up: f.NewGaugeVec(prometheus.GaugeOpts{Name: "goalcast_identity_issuer_up",
			Help: "Whether an issuer answered the last call; 1 before the first."}, []string{"issuer"}),
	}
}

// show makes an issuer's series, so that they are there before anything happens.
func (m *metrics) show(issuer string) {
	for _, result := range []string{"ok", "error"} {
		m.calls.WithLabelValues(issuer, result)
	}
	for _, result := range []string{"ok", "unavailable", "expired", "signature"} {
		m.tokens.WithLabelValues(issuer, result)
	}
	m.up.WithLabelValues(issuer).Set(1)
}
