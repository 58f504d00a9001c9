package tracing

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The limits of what waits for the collector.
const (
	maxQueue    = 4096             // spans; more are lost
	maxBatch    = 512              // spans of one request
	exportEvery = time.Second      // however few there are
	exportLimit = 10 * time.Second // for one request and its repeats
	closeLimit  = 3 * time.Second  // for what waits when the process ends
)

// queue is a sdktrace.SpanProcessor: it holds spans that have ended until they are sent.
type queue struct {
	exporter   sdktrace.SpanExporter
	log        *slog.Logger
	spans      chan sdktrace.ReadOnlySpan
	sent, lost prometheus.Counter
	failing    bool // Run's: the last request failed
}

func newQueue(exporter sdktrace.SpanExporter, log *slog.Logger, reg prometheus.Registerer) *queue {
	spans := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{Name: "goalcast_tracing_spans_total",
		Help: "Spans of traces, by result: sent, or lost, since the collector does not take them or not fast enough."},
		[]string{"result"})
	return &queue{exporter: exporter, log: log, spans: make(chan sdktrace.ReadOnlySpan, maxQueue),
		sent: spans.WithLabelValues("sent"), lost: spans.WithLabelValues("lost")}
}

// OnStart is part of sdktrace.SpanProcessor.
func (*queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd takes a span, or loses it; it never waits.
func (q *queue) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	select {
	case q.spans <- s:
	default:
		q.lost.Inc()
	}
}

// ForceFlush is part of sdktrace.SpanProcessor; nobody calls it.
func (*queue) ForceFlush(context.Context) error { return nil }

// Shutdown sends what is left.
func (q *queue) Shutdown(ctx context.Context) error {
	for batch := q.take(nil); len(batch) > 0; batch = q.take(nil) {
		q.export(ctx, batch)
	}
	return q.exporter.Shutdown(ctx)
}

// Run sends spans to the collector until ctx ends. What then waits is sent by Close.
func (t *Tracer) Run(ctx context.Context) error {
	tick := time.NewTicker(exportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for batch := t.queue.take(nil); len(batch) > 0 && ctx.Err() == nil; batch = t.queue.take(nil) {
			t.queue.export(ctx, batch)
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

// take takes spans that wait, as many as go at once.
func (q *queue) take(batch []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	for len(batch) < maxBatch {
		select {
		case s := <-q.spans:
			batch = append(batch, s)
		default:
			return batch
		}
	}
	return batch
}

// export sends a batch, counts it, and logs when that begins or ends to fail.
func (q *queue) export(ctx context.Context, batch []sdktrace.ReadOnlySpan) {
	ctx, cancel := context.WithTimeout(ctx, exportLimit)
	defer cancel()
	err := q.exporter.ExportSpans(ctx, batch)
	if err == nil {
		q.sent.Add(float64(len(batch)))
	} else {
		q.lost.Add(float64(len(batch)))
	}
	switch {
	case err != nil && !q.failing:
		q.log.Warn("spans do not reach the collector and are lost", "spans", len(batch), "error", err)
	case err == nil && q.failing:
		q.log.Info("spans reach the collector again")
	}
	q.failing = err != nil
}
