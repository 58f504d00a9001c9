package e2e

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"goalcast"
)

// collectorKey is what the tests' collector asks for.
const collectorKey = "a-key-of-the-collector"

// collector takes spans over OTLP/HTTP.
type collector struct {
	mu    sync.Mutex
	spans []collected
}

// collected is a span, with what was said of who sent it.
type collected struct {
	*tracepb.Span
	service, roles string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent coltracepb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/v1/traces":
		http.NotFound(w, r)
		return
	case r.Header.Get("Authorization") != "Bearer "+collectorKey:
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
				c.spans = append(c.spans, collected{s, attribute(of.Resource.Attributes, "service.name"),
					attribute(of.Resource.Attributes, "goalcast.roles")})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// attribute is the text of one; empty if it is not there.
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

// traceOf is the trace with the push of an event, by its spans' names.
func (c *collector) traceOf(event string) (map[string][]collected, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.spans, func(s collected) bool {
		return s.Name == "send push" && attribute(s.Attributes, "goalcast.event") == event
	})
	if i < 0 {
		return nil, fmt.Errorf("no push of it among %d spans", len(c.spans))
	}
	found := map[string][]collected{}
	for _, s := range c.spans {
		if string(s.TraceId) == string(c.spans[i].TraceId) {
			found[s.Name] = append(found[s.Name], s)
		}
	}
	return found, nil
}

// A goal is one trace through all processes: each step once, below the one before it. Nothing of it
// is in what viewers get, and the collector's key is in no log.
func TestAGoalIsOneTrace(t *testing.T) {
	t.Parallel()
	taken := &collector{}
	server := httptest.NewServer(taken)
	defer server.Close()
	g := tellGoal(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL, "OTEL_SERVICE_NAME=goals",
		"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20"+collectorKey)

	const receive = "POST /feeds/{provider}"
	steps := []struct{ name, below, roles string }{
		{receive, "", "ingest,rest"}, {"keep", receive, "ingest,rest"}, {"read", receive, "ingest,rest"},
		{"apply", receive, "ingest,rest"}, {"merge", "apply", "ingest,rest"}, {"publish", "apply", "ingest,rest"},
		{"fan-out", "publish", "hub"}, {"plan push", "apply", "notify"}, {"send push", "plan push", "notify"},
	}
	var trace map[string][]collected
	waitFor(t, 60*time.Second, "the trace of the goal", func() (err error) {
		if trace, err = taken.traceOf(g.event.Event); err != nil {
			return err
		}
		for _, step := range steps {
			if len(trace[step.name]) == 0 {
				return errors.New("no " + step.name)
			}
		}
		return nil
	})
	for _, step := range steps {
		s := trace[step.name][0]
		if len(trace[step.name]) != 1 || s.service != "goals" || s.roles != step.roles {
			t.Errorf("%s: %d spans, of %s with roles %s", step.name, len(trace[step.name]), s.service, s.roles)
		}
		var parent []byte
		if step.below != "" {
			parent = trace[step.below][0].SpanId
		}
		if string(s.ParentSpanId) != string(parent) {
			t.Errorf("%s is below %x, want %x", step.name, s.ParentSpanId, parent)
		}
		if s.EndTimeUnixNano < s.StartTimeUnixNano || s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			t.Errorf("%s: from %d to %d, %v", step.name, s.StartTimeUnixNano, s.EndTimeUnixNano, s.Status)
		}
		if got := attribute(s.Attributes, "goalcast.match"); got != fmt.Sprint(g.event.Match) {
			t.Errorf("%s is of match %s", step.name, got)
		}
		id := hex.EncodeToString(s.TraceId)
		for _, text := range g.frames.all() {
			if strings.Contains(text, id) || strings.Contains(text, hex.EncodeToString(s.SpanId)) {
				t.Errorf("a viewer got an id of %s: %s", step.name, text)
			}
		}
	}
	for _, want := range []struct{ step, key, value string }{
		{receive, "goalcast.document", fmt.Sprint(g.document)}, {receive, "goalcast.provider", "json"},
		{"apply", "goalcast.events", g.event.Event + "#1"}, {"fan-out", "goalcast.viewers", "1"},
		{"fan-out", "goalcast.event", g.event.Event}, {"send push", "goalcast.push.devices", "1"},
		{"send push", "goalcast.revision", "1"},
	} {
		if got := attribute(trace[want.step][0].Attributes, want.key); got != want.value {
			t.Errorf("%s: %s is %q, want %q", want.step, want.key, got, want.value)
		}
	}
	var marks []string
	for _, e := range trace["fan-out"][0].Events {
		marks = append(marks, e.Name)
	}
	if !slices.Equal(marks, []string{"first byte", "last byte"}) {
		t.Errorf("the fan-out has %q", marks)
	}
	for _, p := range []*process{g.hub, g.ingest, g.notifier} {
		if strings.Contains(p.log.String(), collectorKey) {
			t.Error("the collector's key is in a log")
		}
	}
}

// A collector that never answers holds up neither goals nor the end of the process.
func TestACollectorThatHangs(t *testing.T) {
	t.Parallel()
	asked, over := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-over
	}))
	defer server.Close()
	defer close(over)
	p := start(t, onFile(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL), "serve")
	const match = 9000000002
	tell := func(goals int) {
		t.Helper()
		now := time.Now().UTC()
		body := fmt.Appendf(nil, `{"time":%q,"match":%d,"fixture":{"competition":{"id":8,"name":"Coastal League"},
			"home":{"id":1,"name":"Noordzand"},"away":{"id":2,"name":"Val-Rouge"},"kickoff":%q},"events":[`,
			now.Format(time.RFC3339Nano), match, now.Format(time.RFC3339))
		for i := range goals {
			body = fmt.Appendf(body, `{"id":"g%d","kind":"goal","period":"first_half","minute":1,"team":1},`, i)
		}
		document, err := p.postTo("json", nil, append([]byte(strings.TrimSuffix(string(body), ",")), "]}"...))
		if err != nil {
			t.Fatal(err)
		}
		p.applied(document)
	}
	tell(0)
	viewer := watchTopic(t, p, goalcast.ForMatch(match))
	tell(1)
	viewer.await(`"id":"json:g0"`)
	select {
	case <-asked:
	case <-time.After(60 * time.Second):
		t.Fatal("the collector is not asked")
	}
	tell(2)
	viewer.await(`"id":"json:g1"`)
	if n := p.metric("goalcast_tracing_spans_total", `result="sent"`); n != 0 {
		t.Errorf("%v spans were sent", n)
	}
	p.stop(60 * time.Second)
}
