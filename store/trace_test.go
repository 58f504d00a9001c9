package store

import (
	"context"
	"errors"
	"testing"

	"goalcast"
	"goalcast/internal/tracing/tracingtest"
)

// awayBus takes nothing while it is away.
type awayBus struct{ err error }

func (b *awayBus) Publish(_ context.Context, events []goalcast.Event) (int, []goalcast.Event, error) {
	return len(events), nil, b.err
}

func (b *awayBus) PublishAll(context.Context, []goalcast.Event) error { return b.err }

// What several documents led to is noted once for each; what could not be published, and then was,
// both times, and what follows stands below the time that it was.
func TestPublishingIsTraced(t *testing.T) {
	tracer, closed := tracingtest.Trace(t)
	s := openTest(t, "sqlite::memory:")
	b := &awayBus{err: errors.New("away")}
	relay := NewRelay(s, b, quiet(), nil)
	relay.Trace(tracer)
	events := goals(5, 1, 3)
	for i, received := range []int64{1000, 1000, 2000} {
		events[i].Times.Received = received
	}
	if err := relay.Publish(t.Context(), events); !errors.Is(err, b.err) {
		t.Fatal(err)
	}
	b.err = nil
	if err := relay.Publish(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	spans := closed()
	if len(spans) != 4 {
		t.Fatalf("%d spans", len(spans))
	}
	for i, s := range spans {
		other := spans[(i+2)%4] // of the same document
		if s.Name != "publish" || s.Failed() != (i < 2) || string(s.TraceId) != string(other.TraceId) ||
			string(s.SpanId) == string(other.SpanId) {
			t.Errorf("span %d: %s, failed %v", i, s.Name, s.Failed())
		}
	}
	if string(spans[0].TraceId) == string(spans[1].TraceId) {
		t.Error("two documents, one trace")
	}
}
