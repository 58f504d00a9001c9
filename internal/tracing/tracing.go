// Package tracing tells an OpenTelemetry collector how long each step of an event's way took, from
// the POST of its document to sockets and push services, in whichever process. Without a collector
// a Tracer is nil, which notes nothing and costs one look at it.
//
// No id travels with an event. What all processes know of it, its match and when its document came,
// makes the id of the trace, and the step that of the span: so each knows the id of the step before
// without having been told. An event that waited in the database, or was brought on by another
// process than the one that made it, goes on in the same trace; and nobody from outside can ask for
// one, or sees one.
//
// Spans wait in a queue that Run empties, by its own goroutine; everything else may be called by
// any. Whoever takes a step never waits: what does not fit into the queue is lost, and counted.
package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"goalcast"
)

// Step is one of an event's way, and the name of its spans.
type Step string

// The steps, in their order; docs/tracing.md tells operators what each is.
const (
	Receive Step = "POST /feeds/{provider}" // the root: from the request until its document is kept
	Keep    Step = "keep"                   // the document is committed
	Read    Step = "read"                   // what it says
	Apply   Step = "apply"                  // to the match, until that is committed
	Merge   Step = "merge"                  // of Apply, while the match is locked: what is true now
	Publish Step = "publish"                // to the bus
	FanOut  Step = "fan-out"                // in one hub, until its last viewer was written to
	Plan    Step = "plan push"              // who gets one
	Send    Step = "send push"              // one batch of them
)

// steps have each the step before it, how tools draw it, and whether others come after it, which
// must know its span's id.
var steps = map[Step]struct {
	before   Step
	kind     trace.SpanKind
	followed bool
}{
	Receive: {"", trace.SpanKindServer, true},
	Keep:    {Receive, trace.SpanKindInternal, false},
	Read:    {Receive, trace.SpanKindInternal, false},
	Apply:   {Receive, trace.SpanKindInternal, true},
	Merge:   {Apply, trace.SpanKindInternal, false},
	Publish: {Apply, trace.SpanKindProducer, true},
	FanOut:  {Publish, trace.SpanKindConsumer, false},
	Plan:    {Apply, trace.SpanKindConsumer, true},
	Send:    {Plan, trace.SpanKindClient, false},
}

// Subject is what takes a step: an event, or the document that is to tell of it.
type Subject struct {
	Match    goalcast.MatchID
	Received int64  // Times.Received of the event; with the match it makes the trace
	Event    string // its id; empty: the document
	Revision int    // of the event
}

// Of is an event as a subject.
func Of(e *goalcast.Event) Subject {
	return Subject{Match: e.Match, Received: e.Times.Received, Event: e.ID, Revision: e.Revision}
}

// Span is a step that was taken.
type Span struct {
	Step        Step
	Of          Subject
	From, Until time.Time // by this machine's clock; Until zero: now
	First       time.Time // of FanOut: when its first viewer was written to; zero: it has none
	Err         error     // why the step failed
	More        []attribute.KeyValue
}

// Tracer notes spans. nil notes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	queue    *queue
}

// On says whether spans are noted: who does not ask makes a Span for nothing.
func (t *Tracer) On() bool { return t != nil }

// maxText is how many bytes of an error a span has.
const maxText = 300

// Note notes a span. One of a document that nobody knows when it came, or of a step that was not
// timed, is none: what is not posted by a provider has no trace.
func (t *Tracer) Note(s Span) {
	if t == nil || s.Of.Received == 0 || s.From.IsZero() {
		return
	}
	if s.Until.IsZero() {
		s.Until = time.Now()
	}
	step, of := steps[s.Step], s.Of.trace()
	ctx := context.WithValue(context.Background(), idsKey{}, ids{of, s.id(of)})
	if step.before != "" {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: of,
			SpanID: s.Of.span(of, step.before), TraceFlags: trace.FlagsSampled, Remote: true}))
	}
	attributes := append([]attribute.KeyValue{attribute.Int64("goalcast.match", int64(s.Of.Match))}, s.More...)
	if s.Of.Event != "" {
		attributes = append(attributes, attribute.String("goalcast.event", s.Of.Event),
			attribute.Int("goalcast.revision", s.Of.Revision))
	}
	_, span := t.tracer.Start(ctx, string(s.Step), trace.WithTimestamp(s.From), trace.WithSpanKind(step.kind),
		trace.WithAttributes(attributes...))
	if !s.First.IsZero() {
		span.AddEvent("first byte", trace.WithTimestamp(s.First))
		span.AddEvent("last byte", trace.WithTimestamp(s.Until))
	}
	if s.Err != nil {
		text := s.Err.Error()
		span.SetStatus(codes.Error, text[:min(len(text), maxText)])
	}
	span.End(trace.WithTimestamp(s.Until))
}

// trace is the id of the trace of a document: of all events of the match that it led to.
func (s Subject) trace() (id trace.TraceID) {
	var text [16]byte
	binary.BigEndian.PutUint64(text[:8], uint64(s.Match))
	binary.BigEndian.PutUint64(text[8:], uint64(s.Received))
	sum := sha256.Sum256(text[:])
	copy(id[:], sum[:])
	return id
}

// span is the id of the span of a step that others follow: of the document, and of Plan one for
// each event.
func (s Subject) span(of trace.TraceID, step Step) (id trace.SpanID) {
	text := append(of[:], step...)
	if step == Plan {
		text = append(text, s.Event...)
	}
	sum := sha256.Sum256(text)
	copy(id[:], sum[:])
	return id
}

// id is the span's own. Those that nobody follows are many, as are those that failed and are tried
// again: they have any.
func (s Span) id(of trace.TraceID) (id trace.SpanID) {
	if steps[s.Step].followed && s.Err == nil || s.Step == Receive {
		return s.Of.span(of, s.Step)
	}
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// ids are what a span is called, in the context it is started with; idGenerator takes them from
// there.
type ids struct {
	of   trace.TraceID
	span trace.SpanID
}

type idsKey struct{}

type idGenerator struct{}

// NewIDs is for a span that begins a trace.
func (idGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	known, _ := ctx.Value(idsKey{}).(ids)
	return known.of, known.span
}

// NewSpanID is for a span that follows another.
func (idGenerator) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	known, _ := ctx.Value(idsKey{}).(ids)
	return known.span
}
