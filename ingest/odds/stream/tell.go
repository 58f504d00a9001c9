package stream

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"goalcast/ingest/odds"
)

// Limits bound what one source may send. Zero fields take the defaults.
type Limits struct {
	Line    int // bytes of a line
	Message int // bytes of a WebSocket message or an SSE event, which may hold several lines
	// Rate is how many lines a second may come, all connections of a source together, over two
	// seconds. Whoever is faster is cut off: lines that wait are prices that age.
	Rate    int
	Streams int // requests to a Feed at once
	Events  int // that one request to a Feed may tell of
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	l.Line = cmp.Or(max(l.Line, 0), 64<<10)
	l.Message = cmp.Or(max(l.Message, 0), 1<<20)
	l.Rate = cmp.Or(max(l.Rate, 0), 50_000)
	l.Streams = cmp.Or(max(l.Streams, 0), 16)
	l.Events = cmp.Or(max(l.Events, 0), 10_000)
	return l
}

func (l Limits) limiter() *rate.Limiter { return rate.NewLimiter(rate.Limit(l.Rate), 2*l.Rate) }

// defaultTTL is how long a connection may be silent.
const defaultTTL = 3 * time.Second

// tell passes on what a line says.
func (m *Metrics) tell(source string, sink odds.Sink, l *line) {
	m.lines.WithLabelValues(source, string(l.kind)).Inc()
	for _, d := range l.doubts {
		m.doubtful.WithLabelValues(source, string(d.reason)).Inc()
	}
	switch l.kind {
	case image:
		sink.Image(l.event, l.at, l.markets)
	case change:
		sink.Change(l.event, l.at, l.markets)
	case suspend:
		sink.Suspend(l.event, l.at, l.keys...)
	case settle:
		sink.Settle(l.event, l.at, l.settlements)
	case fixture:
		sink.Fixture(l.fixture)
	case quota:
		sink.Quota(l.remaining, l.limit)
	case down:
		sink.Down(odds.ReasonProvider)
		return // it was heard, and is not to be believed
	}
	sink.Alive(l.at)
}

// reasonOf says why a line could not be read.
func reasonOf(err error) reason {
	switch {
	case errors.Is(err, errTooLong):
		return tooLong
	case errors.As(err, new(*fieldError)):
		return badField
	}
	return notJSON
}

// warner logs what is wrong with lines: the first of a kind in a minute. Counters have them all.
type warner struct{ line, market rate.Sometimes }

func newWarner() *warner {
	return &warner{line: rate.Sometimes{Interval: time.Minute}, market: rate.Sometimes{Interval: time.Minute}}
}

func (w *warner) refused(log *slog.Logger, err error) {
	w.line.Do(func() { log.Warn("odds line refused; others of this minute are counted", "error", err) })
}

func (w *warner) doubts(log *slog.Logger, l *line) {
	for _, d := range l.doubts {
		w.market.Do(func() {
			log.Warn("market suspended; others of this minute are counted", "event", l.event, "market", d.market,
				"error", d.err)
		})
	}
}
