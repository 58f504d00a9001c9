package ingest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/tracing/tracingtest"
)

// What changes something is traced, and what fails, with the step that did; all else is not.
func TestWhatIsTraced(t *testing.T) {
	tracer, closed := tracingtest.Trace(t)
	b := newBench(t, Config{Trace: tracer})
	b.send(t, b.url, body(oneGoal))
	b.await(t, "the goal", applied(1))
	b.send(t, b.url, body(oneGoal)) // no news
	b.await(t, "the same goal", applied(2))
	b.send(t, b.url, []byte("{"))
	b.send(t, b.url, []byte("unread"))
	b.await(t, "those that cannot be read", func(m *Memory) bool {
		return m.States()[goalcast.DocumentFailed] == 1 && m.States()[goalcast.DocumentIgnored] == 1
	})
	b.memory.KeepErr = fmt.Errorf("keep: %w", goalcast.ErrUnavailable)
	b.send(t, b.url, body(says(sourceEvents, 30, fixture())))
	b.work.close(time.Hour)

	const receive = "POST /feeds/{provider}"
	var got []string
	traces := map[string]bool{}
	for _, s := range closed() {
		text := s.Name
		if s.Failed() {
			text += " fails"
		}
		got = append(got, text)
		traces[string(s.TraceId)] = true
	}
	want := []string{receive, "keep", "read", "apply", "merge", // the goal
		receive, "keep", "read fails", receive + " fails", "keep fails"}
	if !slices.Equal(got, want) || len(traces) != 3 {
		t.Errorf("%d traces: %q, want %q", len(traces), got, want)
	}
}
