package opta_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/opta"
)

// merger merges what Opta tells alone.
var merger = sync.OnceValue(func() *merge.Merger { return merge.New(opta.New().Sources()) })

// revise applies what a document says of a match, and returns the match's record
// with it and the events.
func revise(rec goalcast.MatchRecord, r merge.Reading, m merge.MatchReading, received int64) (goalcast.MatchRecord,
	[]goalcast.Event, error) {
	done, err := merger().Apply(rec, r, m, received)
	return done.Record, done.Events, err
}

func disagreements(rec goalcast.MatchRecord) []merge.Disagreement { return merger().Disagreements(rec) }

// The newest F24 says whether Opta sees nothing of the match: its newest event, by the time it has,
// is a gap in coverage. An older one says nothing of now, nor does another feed.
func TestGapInCoverage(t *testing.T) {
	at := func(second int) string { return fmt.Sprintf(`timestamp="2020-07-05T18:30:%02d.000"`, second) }
	event := func(kind, second int) string {
		return fmt.Sprintf(`<Event id="%d" event_id="1" type_id="%d" period_id="1" min="30" sec="%d" team_id="1" %s/>`,
			100+second, kind, second, at(second))
	}
	s := begun(t)
	for _, step := range []struct {
		feed, body string
		gap        bool
	}{
		{"F24", document(20, event(1, 1)), false},
		{"F24", document(30, event(79, 5), event(1, 4)), true},
		{"F9", match(31, "FirstHalf", "", 0, 0, "", ""), true},
		{"F24", document(25, event(1, 9)), true},
		{"F24", document(40, event(79, 5), event(1, 6)), false},
		{"F24", document(30, event(79, 5), event(1, 4)), false},
		{"F24", document(50, strings.Replace(event(79, 7), at(7), "", 1), event(1, 6)), false},
	} {
		s.events(step.feed, step.body)
		if got := merger().Gap(s.rec); got != step.gap {
			t.Errorf("%s\n%s: gap %v", step.feed, step.body, got)
		}
	}
}
