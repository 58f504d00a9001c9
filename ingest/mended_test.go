package ingest

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast/ingest/letters"
)

// A document with wrong letters is applied; it is counted, and alarms once for a provider's feed.
// The counters are there before.
func TestWrongLettersAlarmOnceAndAreNoFailure(t *testing.T) {
	b := newBench(t, Config{})
	if n := testutil.CollectAndCount(b.metrics.mended); n != len(letters.Kinds) {
		t.Errorf("%d counters at the start", n)
	}
	for i := range 3 {
		said := says(sourceEvents, 27+i, fixture(), goal(1, home, 27+i, 5))
		said.m.Fixture.Venue = "The\x01Green"
		said.m.Fixture.Home.Name = strings.Repeat("long ", 1<<18)
		b.send(t, b.url+"?wait=10s", body(said), "X-Meta-Feed-Type", "F24")
		b.await(t, "the document", applied(i+1))
	}
	if s := b.memory.Record(77).Snapshot; s.Score.Home != 1 || s.Venue != "The\uFFFDGreen" || len(s.Home.Name) > 160 {
		t.Errorf("score %v, venue %q, %d bytes of a name", s.Score, s.Venue, len(s.Home.Name))
	}
	for what, want := range map[string]float64{letters.Control: 3, letters.Length: 3, letters.Encoding: 0} {
		if n := testutil.ToFloat64(b.metrics.mended.WithLabelValues("plain", what)); n != want {
			t.Errorf("%s: %v documents", what, n)
		}
	}
	if n := testutil.ToFloat64(b.metrics.alarms.WithLabelValues("plain", "mended")); n != 1 ||
		strings.Count(b.logged.String(), "letters are wrong") != 1 {
		t.Errorf("%v alarms, log: %s", n, b.logged)
	}
}
