package notify

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"goalcast"
	"goalcast/internal/tracing"
)

// notePlan notes what a revision led to: a push, or none although one was asked for.
func (n *Notifier) notePlan(e *goalcast.Event, v verdict, batches int, began time.Time) {
	if !n.cfg.Trace.On() || v.kind == "" && v.reason == "" {
		return
	}
	n.cfg.Trace.Note(tracing.Span{Step: tracing.Plan, Of: tracing.Of(e), From: began, More: []attribute.KeyValue{
		attribute.String("goalcast.push", v.record.Event), attribute.String("goalcast.push.kind", v.kind),
		attribute.String("goalcast.push.dropped", v.reason), attribute.Int("goalcast.push.batches", batches)}})
}

// noteUnplanned notes that a revision could not be planned for now.
func (n *Notifier) noteUnplanned(e *goalcast.Event, began time.Time, err error) {
	if n.cfg.Trace.On() {
		n.cfg.Trace.Note(tracing.Span{Step: tracing.Plan, Of: tracing.Of(e), From: began, Err: err})
	}
}

// noteSent notes what a push service made of a batch, in the trace of the document that told of
// what its push says.
func (n *Notifier) noteSent(c goalcast.PushClaim, content Content, devices int, began time.Time,
	result goalcast.PushResult, err error) {
	if !n.cfg.Trace.On() || content.Kind == kindMessage {
		return
	}
	switch {
	case err != nil:
	case result.State == goalcast.BatchFailed:
		err = errors.New(result.Reason)
	case result.State == goalcast.BatchPlanned:
		err = fmt.Errorf("%d of %d devices are tried again", len(result.Remaining), devices)
	}
	revision, _ := strconv.Atoi(content.Data["revision"])
	n.cfg.Trace.Note(tracing.Span{Step: tracing.Send, From: began, Err: err,
		Of: tracing.Subject{Match: c.Record.Match, Received: content.Received, Event: content.Data["event"],
			Revision: revision},
		More: []attribute.KeyValue{attribute.String("goalcast.push", c.Record.Event),
			attribute.String("goalcast.push.kind", content.Kind), attribute.String("goalcast.push.batch", c.Batch.ID),
			attribute.String("goalcast.push.service", c.Batch.Service),
			attribute.Int("goalcast.push.attempt", c.Attempt), attribute.Int("goalcast.push.devices", devices),
			attribute.Int("goalcast.push.reached", len(result.Reached))}})
}
