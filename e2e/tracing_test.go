package e2e

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/tracing/tracingtest"
)

// collectorKey is what the tests' collector asks for.
const collectorKey = "a-key-of-the-collector"

// traceOf is the trace with the push of an event, by its spans' names.
func traceOf(spans []tracingtest.Span, event string) (map[string][]tracingtest.Span, error) {
	i := slices.IndexFunc(spans, func(s tracingtest.Span) bool {
		return s.Name == "send push" && s.Attribute("goalcast.event") == event
	})
	if i < 0 {
		return nil, fmt.Errorf("no push of it among %d spans", len(spans))
	}
	found := map[string][]tracingtest.Span{}
	for _, s := range spans {
		if string(s.TraceId) == string(spans[i].TraceId) {
			found[s.Name] = append(found[s.Name], s)
		}
	}
	return found, nil
}

// A goal is one trace through all processes: each step once, below the one before it. Nothing of it
// is in what viewers get, and the collector's key is in no log.
func TestAGoalIsOneTrace(t *testing.T) {
	t.Parallel()
	taken := &tracingtest.Collector{Key: collectorKey}
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
	var trace map[string][]tracingtest.Span
	waitFor(t, 60*time.Second, "the trace of the goal", func() (err error) {
		if trace, err = traceOf(taken.Spans(), g.event.Event); err != nil {
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
		if len(trace[step.name]) != 1 || s.Service != "goals" || s.Roles != step.roles {
			t.Errorf("%s: %d spans, of %s with roles %s", step.name, len(trace[step.name]), s.Service, s.Roles)
		}
		var parent []byte
		if step.below != "" {
			parent = trace[step.below][0].SpanId
		}
		if string(s.ParentSpanId) != string(parent) {
			t.Errorf("%s is below %x, want %x", step.name, s.ParentSpanId, parent)
		}
		if s.EndTimeUnixNano < s.StartTimeUnixNano || s.Failed() {
			t.Errorf("%s: from %d to %d, %v", step.name, s.StartTimeUnixNano, s.EndTimeUnixNano, s.Status)
		}
		if got := s.Attribute("goalcast.match"); got != fmt.Sprint(g.event.Match) {
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
		if got := trace[want.step][0].Attribute(want.key); got != want.value {
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
