package tracing

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The limits of what waits for the collector. How long one request may take the exporter knows
// (OTEL_EXPORTER_OTLP_TIMEOUT, 10 s).
const (
	maxQueue    = 4096            // spans, some 2 kB each; more are lost
	maxBatch    = 512             // spans of one request
	exportEvery = time.Second     // however few there are
	closeLimit  = 2 * time.Second // for what waits when the process ends
	reportEvery = time.Minute     // how often it is logged that spans are lost
)

// queue is a sdktrace.SpanProcessor: it holds spans that have ended until they are sent. The SDK's
// own counts nowhere what it loses.
type queue struct {
	exporter   sdktrace.SpanExporter
	log        *slog.Logger
	spans      chan sdktrace.ReadOnlySpan
	sent, lost prometheus.Counter
	losses     atomic.Int64 // what lost counts

	// Run's, and Close's after it:
	batch    []sdktrace.ReadOnlySpan // taken, and not yet sent
	failure  error                   // of the newest request; nil if it was taken
	reason   error                   // of the newest one that was not, until it is logged
	reported int64                   // the losses that were logged
	at       time.Time               // when
}

func newQueue(log *slog.Logger, reg prometheus.Registerer) *queue {
	spans := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: "goalcast_tracing_spans_total",
		Help: "Spans of traces, by result: sent; or lost, since the collector did not take them, or not fast enough."},
		[]string{"result"})
	return &queue{log: log, spans: make(chan sdktrace.ReadOnlySpan, maxQueue),
		sent: spans.WithLabelValues("sent"), lost: spans.WithLabelValues("lost")}
}

// OnStart is part of sdktrace.SpanProcessor.
func (*queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd takes a span, or loses it; it never waits.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	select {
	case q.spans <- s:
	default:
		q.lose(1)
	}
}

// ForceFlush is part of sdktrace.SpanProcessor; nobody calls it.
func (*queue) ForceFlush(context.Context) error { return nil }

// Shutdown is part of sdktrace.SpanProcessor: it sends what is left, until a request fails.
func (q *queue) Shutdown(ctx context.Context) error {
	q.flush(ctx)
	for q.take(); len(q.batch) > 0; q.take() {
		q.lose(len(q.batch))
		q.batch = q.batch[:0]
	}
	return q.exporter.Shutdown(ctx)
}

// Run sends spans to the collector until ctx ends. What then waits is sent by Close.
func (t *Tracer) Run(ctx context.Context) error {
	if t == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(exportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			t.queue.flush(ctx)
			t.queue.report(time.Now())
		}
	}
}

// Close sends what waits, for closeLimit at most; after Run has returned.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what was not sent is counted
}

// flush sends all that waits, until a request fails or ctx ends; what ctx has kept from being sent
// stays in the batch.
func (q *queue) flush(ctx context.Context) {
	for q.take(); len(q.batch) > 0; q.take() {
		q.failure = q.exporter.ExportSpans(ctx, q.batch)
		switch {
		case q.failure == nil:
			q.sent.Add(float64(len(q.batch)))
		case ctx.Err() != nil:
			return
		default:
			q.lose(len(q.batch))
			q.reason = q.failure
		}
		clear(q.batch)
		if q.batch = q.batch[:0]; q.failure != nil {
			return
		}
	}
}

// take fills the batch with spans that wait.
func (q *queue) take() {
	for len(q.batch) < maxBatch {
		select {
		case s := <-q.spans:
			q.batch = append(q.batch, s)
		default:
			return
		}
	}
}

func (q *queue) lose(n int) {
	q.lost.Add(float64(n))
	q.losses.Add(int64(n))
}

// report logs that spans are lost, at once and then every minute, and that none are any more.
func (q *queue) report(now time.Time) {
	lost := q.losses.Load()
	switch {
	case now.Sub(q.at) < reportEvery:
	case lost > q.reported:
		text := "the queue was full"
		if q.reason != nil {
			text = q.reason.Error()
		}
		q.log.Warn("spans do not reach the collector and are lost", "spans", lost-q.reported, "error",
			text[:min(len(text), maxText)])
		q.reported, q.reason, q.at = lost, nil, now
	case !q.at.IsZero() && q.failure == nil:
		q.log.Info("spans reach the collector again")
		q.at = time.Time{}
	}
}
