package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// retries are how the exporter tries again what a collector refused for the moment.
var retries = otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond,
	MaxInterval: 5 * time.Second, MaxElapsedTime: 10 * time.Second}

// New makes a Tracer as OpenTelemetry's own variables say (OTEL_...): nil where they name no
// collector, and where they cannot be followed, which it logs: no match waits for a wrong one. It
// starts nothing and calls nobody.
func New(version string, roles []string, log *slog.Logger, reg prometheus.Registerer) *Tracer {
	q := newQueue(log, reg)
	if !wanted() {
		return nil
	}
	// What the SDK would print by itself may have the headers in it, and is not JSON.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("tracing", "error", err) }))
	t, err := newTracer(q, version, roles)
	if err != nil {
		log.Warn("no traces: a setting cannot be followed", "error", err)
		return nil
	}
	return t
}

// Check says which setting New could not follow; nil too where there is no collector.
func Check() error {
	if !wanted() {
		return nil
	}
	_, err := ratio()
	return errors.Join(checkExporter(), err)
}

// The settings that are read here; the exporter and the SDK read the others.
const (
	endpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	sampler        = "OTEL_TRACES_SAMPLER"
	samplerArg     = "OTEL_TRACES_SAMPLER_ARG"
)

// setting is an environment variable, as the exporter takes it.
func setting(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// wanted says whether a collector is named and nobody said that there are to be no traces.
func wanted() bool {
	return (setting(endpoint) != "" || setting(tracesEndpoint) != "") &&
		!strings.EqualFold(setting("OTEL_SDK_DISABLED"), "true") && setting("OTEL_TRACES_EXPORTER") != "none"
}

func newTracer(q *queue, version string, roles []string) (*Tracer, error) {
	ratio, err := ratio()
	if err = errors.Join(checkExporter(), err); err != nil {
		return nil, err
	}
	ctx := context.Background() // nobody is called
	// all details of a resource are not always to be had: what there is of them is told
	who, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "goalcast"),
		attribute.String("service.version", version), attribute.StringSlice("goalcast.roles", roles)),
		resource.WithHost(), resource.WithProcessPID(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if q.exporter, err = otlptracehttp.New(ctx, otlptracehttp.WithRetry(retries)); err != nil {
		return nil, fmt.Errorf("exporter: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(q), sdktrace.WithResource(who),
		sdktrace.WithSampler(sdktrace.TraceIDRatioBased(ratio)), sdktrace.WithIDGenerator(idGenerator{}))
	return &Tracer{provider: provider, tracer: provider.Tracer("goalcast"), queue: q}, nil
}

// checkExporter says which setting the exporter would pass over in silence. It quotes none that may
// hold a secret.
func checkExporter() error {
	for _, name := range []string{endpoint, tracesEndpoint} {
		text := setting(name)
		if u, err := url.Parse(text); text != "" &&
			(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return errors.New(name + ": want an http or https URL")
		}
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"} {
		if text := setting(name); text != "" && text != "http/protobuf" && text != "http/json" {
			return fmt.Errorf("%s: %.20q: want http/protobuf or http/json", name, text)
		}
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		if setting(name) == "" {
			continue
		}
		for pair := range strings.SplitSeq(setting(name), ",") {
			key, value, ok := strings.Cut(pair, "=")
			if _, err := url.PathUnescape(value); !ok || err != nil || strings.TrimSpace(key) == "" {
				return errors.New(name + ": want NAME=VALUE,..., the values percent-encoded")
			}
		}
	}
	return nil
}

// ratio is the part of the traces that are told. All processes leave out the same ones, since it
// goes by the trace's id alone: a parent decided likewise.
func ratio() (float64, error) {
	switch name := strings.TrimPrefix(setting(sampler), "parentbased_"); name {
	case "", "always_on":
		return 1, nil
	case "always_off":
		return 0, nil
	case "traceidratio":
		text := setting(samplerArg)
		if text == "" {
			return 1, nil
		}
		ratio, err := strconv.ParseFloat(text, 64)
		if err != nil || !(ratio >= 0 && ratio <= 1) {
			return 0, fmt.Errorf("%s: %.20q: want 0 to 1", samplerArg, text)
		}
		return ratio, nil
	default:
		return 0, fmt.Errorf("%s: %.40q: want always_on, always_off or traceidratio", sampler, name)
	}
}
