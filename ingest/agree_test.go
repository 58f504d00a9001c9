package ingest_test

import (
	"testing"

	"goalcast"
	"goalcast/ingest"
	"goalcast/internal/samples"
)

// The feeds of a real match that is over agree, but for what editors left different in them: nobody would be woken for nothing.
func TestRealFeedsAgree(t *testing.T) {
	for f24, f7 := range map[string]string{
		"opta/f24/Bolton_ManCityF24.xml":                "opta/f7/Bolton_ManCityF7.xml",
		"opta/f24/f24-23-2018-1009316-eventdetails.xml": "opta/f7/f7-23-2018-1009316-matchresults.xml",
	} {
		var rec goalcast.MatchRecord
		for _, d := range []posted{{"F24", string(samples.Read(t, f24))}, {"F7", string(samples.Read(t, f7))}} {
			r := read(t, d.feed, d.body)
			var err error
			if rec, _, err = ingest.Revise(rec, r, r.Matches[0], 1); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range ingest.Disagreements(rec) {
			t.Errorf("%s: %+v", f7, d)
		}
	}
}
