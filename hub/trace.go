package hub

import (
	"time"

	"go.opentelemetry.io/otel/attribute"

	"goalcast"
	"goalcast/hub/shard"
	"goalcast/internal/tracing"
)

// timed has the shards take the time of an event, if somebody wants to know it.
func (h *Hub) timed(e *shard.Event, of *goalcast.Event) {
	if h.cfg.Trace.On() {
		subject := tracing.Of(of)
		e.Timing = &shard.Timing{ID: subject.Event, Revision: subject.Revision}
	}
}

// noteFanOut notes that an event was written to all its viewers here.
func (h *Hub) noteFanOut(e *shard.Event, now time.Time) {
	if e.Timing == nil {
		return
	}
	of := tracing.Subject{Match: e.Match, Received: e.Times.Received, Event: e.Timing.ID, Revision: e.Timing.Revision}
	h.cfg.Trace.Note(tracing.Span{Step: tracing.FanOut, Of: of, From: e.At, Until: now, First: e.Timing.First(),
		More: []attribute.KeyValue{attribute.Int64("goalcast.viewers", e.Timing.Viewers()),
			attribute.String("messaging.system", "redis"), attribute.String("messaging.operation.type", "process")}})
}
