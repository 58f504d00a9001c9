// Package tracing tells an OpenTelemetry collector how long each step of an event's way took, from
// the POST of its document to sockets and push services, in whichever process. Without a collector
// a Tracer is nil, which does nothing and costs nothing.
//
// No id travels with an event. What all processes know of it, its match and when its document came,
// makes the id of the trace, and the step that of the span: so each knows the id of the step before
// without having been told. An event that waited in the database, or was brought on by another
// process than the one that made it, goes on in the same trace; and nobody from outside can ask for
// one, or sees one.
//
// A Tracer's spans wait in a queue that Run empties, by its own goroutine; everything else may be
// called by any. Whoever makes a step never waits: what does not fit into the queue is lost, and
// counted.
package tracing

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"goalcast"
)

// Step is one of an event's way.
type Step string

// The steps, each with the one before it: Read and Apply follow Receive, Publish and Plan follow
// Apply.
const (
	Receive Step = "receive" // from the arrival of the document until it is kept
	Read    Step = "read"    // what it says
	Apply   Step = "apply"   // to the match, until that is committed
	Publish Step = "publish" // to the bus
	FanOut  Step = "fan-out" // in one hub, until its shards have it
	Plan    Step = "plan"    // who gets a push
	Send    Step = "send"    // one batch of them
)

// before is what a step follows, and kind how tools draw it.
var steps = map[Step]struct {
	before Step
	kind   trace.SpanKind
}{
	Receive: {"", trace.SpanKindServer},
	Read:    {Receive, trace.SpanKindInternal},
	Apply:   {Receive, trace.SpanKindInternal},
	Publish: {Apply, trace.SpanKindProducer},
	FanOut:  {Publish, trace.SpanKindConsumer},
	Plan:    {Apply, trace.SpanKindConsumer},
	Send:    {Plan, trace.SpanKindClient},
}

// Tracer notes steps. nil notes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	queue    *queue
}

// Config says where spans go, in the words of OpenTelemetry's own variables.
type Config struct {
	Getenv  func(string) string // os.Getenv
	Version string              // of this program
	Roles   []string            // of this process
}

// New makes a Tracer, or nil where OTEL_EXPORTER_OTLP_ENDPOINT, or that of traces, is not set. An
// error says which variable is wrong. It starts nothing, and does not call the collector.
func New(ctx context.Context, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Tracer, error) {
	on, err := cfg.wanted()
	if err != nil || !on {
		return nil, err
	}
	ratio, err := cfg.ratio()
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true,
		InitialInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second, MaxElapsedTime: exportLimit}))
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	who, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "goalcast"),
		attribute.String("service.version", cfg.Version), attribute.StringSlice("goalcast.roles", cfg.Roles)),
		resource.WithHost(), resource.WithProcessPID(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Tracer{queue: newQueue(exporter, log, reg)}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(t.queue), sdktrace.WithResource(who),
		sdktrace.WithSampler(sdktrace.TraceIDRatioBased(ratio)), sdktrace.WithIDGenerator(ids{}))
	t.tracer = t.provider.Tracer("goalcast")
	return t, nil
}

// wanted says whether there is a collector.
func (c Config) wanted() (bool, error) {
	const all, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	if strings.EqualFold(c.Getenv("OTEL_SDK_DISABLED"), "true") || c.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false, nil
	}
	on := false
	for _, name := range []string{all, traces} {
		text := c.Getenv(name)
		if text == "" {
			continue
		}
		on = true
		if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return false, errors.New(name + ": want an http or https URL")
		}
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if text := c.Getenv(name); on && text != "" && text != "http/protobuf" {
			return false, fmt.Errorf("%s: %.20q: there is only http/protobuf", name, text)
		}
	}
	return on, nil
}

// ratio is the part of the traces that are told. All processes leave out the same ones.
func (c Config) ratio() (float64, error) {
	switch sampler := strings.TrimPrefix(c.Getenv("OTEL_TRACES_SAMPLER"), "parentbased_"); sampler {
	case "", "always_on":
		return 1, nil
	case "always_off":
		return 0, nil
	case "traceidratio":
		text := c.Getenv("OTEL_TRACES_SAMPLER_ARG")
		ratio, err := strconv.ParseFloat(text, 64)
		if err != nil || !(ratio >= 0 && ratio <= 1) {
			return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %.20q: want 0 to 1", text)
		}
		return ratio, nil
	default:
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER: %.40q: want always_on, always_off or traceidratio", sampler)
	}
}

// On says whether steps are noted: for what costs something to find out.
func (t *Tracer) On() bool { return t != nil }

// Step notes that an event took a step, from a moment until now.
func (t *Tracer) Step(e *goalcast.Event, step Step, from time.Time) {
	if t != nil {
		t.note(e, step, from, time.Now())
	}
}

// Between is Step that ended before now.
func (t *Tracer) Between(e *goalcast.Event, step Step, from, until time.Time) {
	if t != nil {
		t.note(e, step, from, until)
	}
}

// note makes a span. Of an event that is of no match, a message, nothing is noted: no provider has
// posted it.
func (t *Tracer) note(e *goalcast.Event, step Step, from, until time.Time, more ...attribute.KeyValue) {
	if e.Match == 0 || e.Times.Received == 0 || from.IsZero() {
		return
	}
	of := ID(e)
	ctx := context.WithValue(context.Background(), idKey{}, spanIDs{of, spanID(of, step, e)})
	if before := steps[step].before; before != "" {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: of,
			SpanID: spanID(of, before, e), TraceFlags: trace.FlagsSampled, Remote: true}))
	}
	_, span := t.tracer.Start(ctx, string(step), trace.WithTimestamp(from), trace.WithSpanKind(steps[step].kind),
		trace.WithAttributes(attribute.Int64("goalcast.match", int64(e.Match)),
			attribute.String("goalcast.event", e.ID), attribute.Int("goalcast.revision", e.Revision)),
		trace.WithAttributes(more...))
	span.End(trace.WithTimestamp(until))
}

// ID is the id of the trace of an event's document: of all events of the match that it led to.
func ID(e *goalcast.Event) (id trace.TraceID) {
	var text [16]byte
	binary.BigEndian.PutUint64(text[:8], uint64(e.Match))
	binary.BigEndian.PutUint64(text[8:], uint64(e.Times.Received))
	sum := sha256.Sum256(text[:])
	copy(id[:], sum[:])
	return id
}

// spanID is the id of a step's span. Steps that others follow have one that these can work out: of
// the document, and of Plan one for each event. The others are many, and have any.
func spanID(of trace.TraceID, step Step, e *goalcast.Event) (id trace.SpanID) {
	text := append(of[:], step...)
	switch step {
	case FanOut, Send:
		binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
		return id
	case Plan:
		text = append(text, e.Key()...)
	}
	sum := sha256.Sum256(text)
	copy(id[:], sum[:])
	return id
}

// ids gives spans the ids that their context has.
type ids struct{}

type idKey struct{}

type spanIDs struct {
	of   trace.TraceID
	span trace.SpanID
}

// NewIDs is for a span that begins a trace.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	known, _ := ctx.Value(idKey{}).(spanIDs)
	return known.of, known.span
}

// NewSpanID is for a span that follows another.
func (ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	known, _ := ctx.Value(idKey{}).(spanIDs)
	return known.span
}
