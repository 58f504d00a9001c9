package opta_test

import (
	"testing"

	"goalcast"
	"goalcast/internal/samples"
)

// The feeds of a match that is over agree, but for what editors left different in them: nobody
// would be woken for nothing.
func TestFeedsOfAMatchAgree(t *testing.T) {
	for _, m := range samples.Matches(t) {
		var rec goalcast.MatchRecord
		for _, d := range []posted{{"F24", string(m.F24)}, {"F7", string(m.F7)}} {
			r := read(t, d.feed, d.body)
			var err error
			if rec, _, err = revise(rec, r, r.Matches[0], 1); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range disagreements(rec) {
			t.Errorf("%d: %+v", m.ID, d)
		}
	}
}
