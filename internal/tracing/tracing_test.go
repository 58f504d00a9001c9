package tracing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	"goalcast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is an exporter that keeps what it gets, or answers with an error, or never.
type collector struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
	err   error
	hangs bool
}

func (c *collector) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if c.err == nil {
		c.spans = append(c.spans, spans...)
	}
	return c.err
}

func (c *collector) Shutdown(context.Context) error { return nil }

// made is a Tracer as settings have it, whose collector is c.
func made(t *testing.T, c *collector, log *bytes.Buffer, settings ...string) (*Tracer, *prometheus.Registry) {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
	for i := 0; i < len(settings); i += 2 {
		t.Setenv(settings[i], settings[i+1])
	}
	reg := prometheus.NewRegistry()
	tracer := New("v1", []string{"hub"}, slog.New(slog.NewTextHandler(log, nil)), reg)
	if tracer != nil {
		tracer.queue.exporter = c
	}
	return tracer, reg
}

var goal = goalcast.Event{ID: "opta:7", Revision: 2, Match: 5, Times: goalcast.Times{Received: 1788000000000}}

// Two processes know a step's place without having heard of each other.
func TestTwoProcessesOneTrace(t *testing.T) {
	var log bytes.Buffer
	here, there := &collector{}, &collector{}
	one, _ := made(t, here, &log)
	two, _ := made(t, there, &log)
	from := time.Now()
	one.Note(Span{Step: Publish, Of: Of(&goal), From: from})
	two.Note(Span{Step: FanOut, Of: Of(&goal), From: from, Until: from.Add(time.Second),
		First: from.Add(time.Millisecond)})
	two.Note(Span{Step: Plan, Of: Of(&goal), From: from, Err: errors.New(strings.Repeat("no ", 200))})
	one.Close()
	two.Close()
	if len(here.spans) != 1 || len(there.spans) != 2 {
		t.Fatalf("%d and %d spans", len(here.spans), len(there.spans))
	}
	publish, out, plan := here.spans[0], there.spans[0], there.spans[1]
	if publish.SpanContext().TraceID() != out.SpanContext().TraceID() ||
		publish.SpanContext().SpanID() != out.Parent().SpanID() {
		t.Errorf("fan-out %v below %v, published in %v", out.SpanContext(), out.Parent(), publish.SpanContext())
	}
	if d := out.EndTime().Sub(out.StartTime()); d != time.Second || len(out.Events()) != 2 ||
		!out.Events()[0].Time.Equal(from.Add(time.Millisecond)) {
		t.Errorf("took %v, with %v", d, out.Events())
	}
	if s := plan.Status(); s.Code != codes.Error || len(s.Description) != maxText {
		t.Errorf("a step that failed has %v", s)
	}
	if id := Of(&goal).span(plan.SpanContext().TraceID(), Plan); plan.SpanContext().SpanID() == id {
		t.Error("a step that failed and is tried again has the id of the one that succeeds")
	}
	other := goal
	other.Times.Received++
	if Of(&other).trace() == Of(&goal).trace() {
		t.Error("two documents, one trace")
	}
}

// All processes leave out the same traces.
func TestSampling(t *testing.T) {
	var log bytes.Buffer
	here, there := &collector{}, &collector{}
	sampled := []string{"OTEL_TRACES_SAMPLER", "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG", "0.25"}
	one, _ := made(t, here, &log, sampled...)
	two, _ := made(t, there, &log, sampled...)
	const traces = 1000
	for i := range int64(traces) {
		of := Subject{Match: 5, Received: 1788000000000 + i}
		one.Note(Span{Step: Receive, Of: of, From: time.Now()})
		two.Note(Span{Step: FanOut, Of: of, From: time.Now()})
	}
	one.Close()
	two.Close()
	if n := len(here.spans); n < traces/8 || n > traces/2 || n != len(there.spans) {
		t.Fatalf("%d and %d of %d traces", n, len(there.spans), traces)
	}
	for i, s := range here.spans {
		if s.SpanContext().TraceID() != there.spans[i].SpanContext().TraceID() {
			t.Fatal("two processes told of different traces")
		}
	}
}

// What is off costs one look, and no memory.
func TestOff(t *testing.T) {
	var off *Tracer
	if n := testing.AllocsPerRun(100, func() {
		off.Note(Span{Step: Publish, Of: Of(&goal), From: time.Time{}})
		off.Close()
	}); n > 0 || off.On() {
		t.Errorf("%v allocations", n)
	}
}

// The page for operators has a row for each step, which says below which it is.
func TestStepsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/tracing.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, step := range steps {
		row := "\n| `" + string(name) + "` | "
		if step.before != "" {
			row += "`" + strings.Replace(string(step.before), string(Receive), "POST", 1) + "` | "
		}
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/tracing.md has no row %q", row)
		}
	}
}

func TestSettings(t *testing.T) {
	const traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for _, tt := range []struct {
		set  []string
		on   bool
		warn string // in the log
	}{
		{[]string{endpoint, ""}, false, ""},
		{[]string{endpoint, "", traces, "https://collector.example/v1/traces"}, true, ""},
		{[]string{"OTEL_SDK_DISABLED", "TRUE"}, false, ""},
		{[]string{"OTEL_TRACES_EXPORTER", "none"}, false, ""},
		{[]string{endpoint, "collector:4318"}, false, "OTEL_EXPORTER_OTLP_ENDPOINT: want"},
		{[]string{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, false, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{[]string{"OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20c2VjcmV0"}, true, ""},
		{[]string{"OTEL_EXPORTER_OTLP_HEADERS", "c2VjcmV0"}, false, "OTEL_EXPORTER_OTLP_HEADERS: want"},
		{[]string{"OTEL_EXPORTER_OTLP_HEADERS", "a=c2VjcmV0%zz"}, false, "OTEL_EXPORTER_OTLP_HEADERS: want"},
		{[]string{sampler, "always_off"}, true, ""},
		{[]string{sampler, "traceidratio"}, true, ""},
		{[]string{sampler, "traceidratio", samplerArg, "2"}, false, "OTEL_TRACES_SAMPLER_ARG"},
		{[]string{sampler, "xray"}, false, "OTEL_TRACES_SAMPLER"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES", "c2VjcmV0"}, true, ""},
	} {
		t.Run(strings.Join(tt.set, " "), func(t *testing.T) {
			var log bytes.Buffer
			tracer, reg := made(t, &collector{}, &log, tt.set...)
			defer tracer.Close()
			if text := log.String(); tracer.On() != tt.on || (text == "") != (tt.warn == "") ||
				!strings.Contains(text, tt.warn) || strings.Contains(text, "c2VjcmV0") {
				t.Errorf("on: %v, logged %q", tracer.On(), text)
			}
			if n := testutil.CollectAndCount(reg, "goalcast_tracing_spans_total"); n != 2 {
				t.Errorf("%d series of the metric from the start", n)
			}
		})
	}
}

// A collector that never answers costs nobody time: what does not fit is lost, counted and logged
// once a minute, and the end waits for two seconds.
func TestCollectorHangs(t *testing.T) {
	var log bytes.Buffer
	tracer, reg := made(t, &collector{hangs: true}, &log)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tracer.Run(ctx) }()
		time.Sleep(2 * exportEvery)
		began := time.Now()
		for range maxQueue + maxBatch + 10 {
			tracer.Note(Span{Step: Publish, Of: Of(&goal), From: began})
		}
		time.Sleep(2 * exportEvery)
		tracer.Note(Span{Step: Publish, Of: Of(&goal), From: began})
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		began = time.Now()
		tracer.Close()
		if took := time.Since(began); took != closeLimit {
			t.Errorf("the end took %v", took)
		}
	})
	checkCount(t, reg, 0, maxQueue+maxBatch+11)
}

// checkCount compares how many spans were sent and lost.
func checkCount(t *testing.T, reg *prometheus.Registry, sent, lost float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, m := range families[0].Metric {
		got[m.Label[0].GetValue()] = m.Counter.GetValue()
	}
	if got["sent"] != sent || got["lost"] != lost {
		t.Errorf("counted %v, want %v sent and %v lost", got, sent, lost)
	}
}

// While a collector refuses, that is logged at once and then every minute, and when it is over.
func TestCollectorRefuses(t *testing.T) {
	var log bytes.Buffer
	c := &collector{err: errors.New("503")}
	tracer, reg := made(t, c, &log)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tracer.Run(ctx) }()
		note := func(times int) {
			for range times {
				tracer.Note(Span{Step: Publish, Of: Of(&goal), From: time.Now()})
				time.Sleep(exportEvery)
			}
		}
		time.Sleep(exportEvery / 2) // spans never come when others are sent
		note(150)                   // logged after 1, 61, 121 and 181 s
		c.mu.Lock()
		c.err = nil
		c.mu.Unlock()
		note(100)
		stop()
		<-done
		tracer.Close()
	})
	if n := strings.Count(log.String(), "error=503"); n != 4 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "again"); n != 1 {
		t.Errorf("its end was logged %d times:\n%s", n, log.String())
	}
	checkCount(t, reg, 100, 150)
}
