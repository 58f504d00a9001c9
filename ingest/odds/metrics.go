package odds

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// lagBuckets are in seconds: most prices are a few milliseconds old, and one of 3 s is not shown.
var lagBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10, 30}

type metrics struct {
	holds                          prometheus.Gauge
	changes, settlements           *prometheus.CounterVec // source; result
	conflated, published           prometheus.Counter
	provider, publish              *prometheus.HistogramVec // source
	up, quotaRemaining, quotaLimit *prometheus.GaugeVec     // source
	gates, markets                 *prometheus.GaugeVec     // state and reason; status
}

func newMetrics(reg prometheus.Registerer) metrics {
	f := promauto.With(reg)
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Name: "goalcast_odds_" + name, Help: help}
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return f.NewGaugeVec(prometheus.GaugeOpts(opts(name, help)), labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels)
	}
	return metrics{
		holds: f.NewGauge(prometheus.GaugeOpts(opts("holds_sources",
			"1 in the process that holds the sources of odds, of all processes in one."))),
		changes: counter("changes_total", "Markets that a source told, by source.", "source"),
		settlements: counter("settlements_total", "Settlements that sources told, by result: saved, known (told "+
			"before), not_shown (by a source that is not shown), unmapped.", "result"),
		conflated: f.NewCounter(prometheus.CounterOpts(opts("conflated_total",
			"Markets that a source changed again before they were published."))),
		published: f.NewCounter(prometheus.CounterOpts(opts("published_total", "Markets that were published."))),
		provider: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_odds_provider_lag_seconds",
			Help: "From the provider's time of a price to its receipt, by source.", Buckets: lagBuckets},
			[]string{"source"}),
		publish: f.NewHistogramVec(prometheus.HistogramOpts{Name: "goalcast_odds_publish_lag_seconds",
			Help: "From the receipt of a price until it was published, by source.", Buckets: lagBuckets},
			[]string{"source"}),
		up: gauge("source_up", "1 while prices of the source may be shown, by source; in the process that holds them.",
			"source"),
		quotaRemaining: gauge("quota_remaining", "Requests that the provider still allows, by source.", "source"),
		quotaLimit:     gauge("quota_limit", "Requests that the provider allows, by source.", "source"),
		gates: gauge("gates", "Matches with prices by the state of their gate and its reason.", "state",
			"reason"),
		markets: gauge("markets", "Markets of the books that are shown, by status; behind a shut gate too.",
			"status"),
	}
}

// begin makes the series of a source, so that they are there before anything happens.
func (m metrics) begin(source string) {
	m.changes.WithLabelValues(source)
	m.provider.WithLabelValues(source)
	m.publish.WithLabelValues(source)
	m.up.WithLabelValues(source)
}

// told counts what a source has told.
func (m metrics) told(source string, markets int, s stamp) {
	m.changes.WithLabelValues(source).Add(float64(markets))
	if lag := s.lag(); lag >= 0 {
		m.provider.WithLabelValues(source).Observe(lag.Seconds())
	}
}

// stamp is when a market was told.
type stamp struct {
	provider time.Time // zero where the provider does not say
	received time.Time
}

// lag is how long it was on its way; negative where nobody knows.
func (s stamp) lag() time.Duration {
	if s.provider.IsZero() {
		return -1
	}
	return max(0, s.received.Sub(s.provider))
}

// show sets the gauges to what the books are; of a process that holds nothing they go.
func (m metrics) show(s Stats) {
	m.gates.Reset()
	for g, n := range s.Gates {
		m.gates.WithLabelValues(string(g.State), string(g.Reason)).Set(float64(n))
	}
	m.markets.Reset()
	for status, n := range s.Markets {
		m.markets.WithLabelValues(string(status)).Set(float64(n))
	}
	for source, state := range s.Sources {
		up := 0.0
		if state.Down == "" {
			up = 1
		}
		m.up.WithLabelValues(source).Set(up)
	}
	m.conflated.Add(float64(s.Conflated))
}

// Stats is what the books are at a moment.
type Stats struct {
	Sources   map[string]SourceState
	Gates     map[goalcast.Gate]int // matches by gate, without its time
	Markets   map[Status]int        // of the books that are shown
	Largest   goalcast.MatchID      // the match with the most markets
	Most      int                   // how many those are
	Conflated int                   // markets that were changed again before they were published, since asked last
}

// SourceState is how a source is.
type SourceState struct {
	Down  goalcast.GateReason // why it is not shown; empty while it is
	Heard time.Time           // last
}

// Stats says what the books are now.
func (b *Books) Stats(now time.Time) Stats {
	s := Stats{Sources: map[string]SourceState{}, Gates: map[goalcast.Gate]int{}, Markets: map[Status]int{}}
	for _, source := range b.sources {
		state := SourceState{Down: source.down, Heard: source.heard}
		if state.Down == "" && !source.alive(now) {
			state.Down = goalcast.GateSilent
		}
		s.Sources[source.name] = state
	}
	for id, m := range b.matches {
		s.Gates[goalcast.Gate{State: m.gate.State, Reason: m.gate.Reason}]++
		s.Conflated += m.conflated
		m.conflated = 0
		book := m.books[m.from]
		if book == nil {
			continue
		}
		for _, market := range book.markets {
			s.Markets[market.Status]++
		}
		if len(book.markets) > s.Most {
			s.Largest, s.Most = id, len(book.markets)
		}
	}
	return s
}
