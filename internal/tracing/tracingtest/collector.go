// Package tracingtest has a collector of traces for tests, which refuses what a collector refuses.
package tracingtest

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"goalcast/internal/tracing"
)

// Collector takes spans over OTLP/HTTP, from whoever shows its key.
type Collector struct {
	Key string // as a bearer token; empty: anybody

	mu    sync.Mutex
	spans []Span
}

// Span is one, with what was said of who sent it.
type Span struct {
	*tracepb.Span
	Service, Roles string
}

// Failed says whether its step failed.
func (s Span) Failed() bool { return s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR }

// Attribute is the text of one; empty if it is not there.
func (s Span) Attribute(key string) string { return attribute(s.Attributes, key) }

func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent coltracepb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v1/traces":
		http.NotFound(w, r)
		return
	case c.Key != "" && r.Header.Get("Authorization") != "Bearer "+c.Key:
		http.Error(w, "who is that?", http.StatusUnauthorized)
		return
	case r.Header.Get("Content-Type") != "application/x-protobuf":
		http.Error(w, "not protobuf", http.StatusUnsupportedMediaType)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, Span{s, attribute(of.Resource.Attributes, "service.name"),
					attribute(of.Resource.Attributes, "goalcast.roles")})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Spans are those that came.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Trace makes a Tracer with a collector; the function closes it and says what came. It sets
// environment variables, and what does that is no parallel test.
func Trace(t *testing.T) (*tracing.Tracer, func() []Span) {
	t.Helper()
	c := &Collector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	tracer := tracing.New("test", nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if !tracer.On() {
		t.Fatal("tracing is off")
	}
	return tracer, func() []Span {
		tracer.Close()
		return c.Spans()
	}
}

func attribute(list []*commonpb.KeyValue, key string) string {
	for _, a := range list {
		if a.Key != key {
			continue
		}
		var texts []string
		for _, v := range append([]*commonpb.AnyValue{a.Value}, a.Value.GetArrayValue().GetValues()...) {
			switch v := v.Value.(type) {
			case *commonpb.AnyValue_StringValue:
				texts = append(texts, v.StringValue)
			case *commonpb.AnyValue_IntValue:
				texts = append(texts, fmt.Sprint(v.IntValue))
			}
		}
		return strings.Join(texts, ",")
	}
	return ""
}
