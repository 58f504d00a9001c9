package merge

import (
	"testing"
	"time"
)

// Tables, squads and commentary are ordered by the same versions.
func TestEditionsSortAsVersionsDo(t *testing.T) {
	at := func(v Version) Version { v.Time = kickoff; return v }
	list := []Version{at(Version{Digest: "ff"}), at(Version{Document: 9, Digest: "ee"}),
		at(Version{Document: 10, Digest: "00"}), at(Version{Edited: kickoff, Document: 1}),
		at(Version{Sent: kickoff}), at(Version{Produced: kickoff}), {Time: kickoff.Add(time.Second)}}
	for i := range list[1:] {
		if a, b := list[i], list[i+1]; a.Compare(b) >= 0 || a.Edition() >= b.Edition() {
			t.Errorf("%+v is not before %+v: %s, %s", a, b, a.Edition(), b.Edition())
		}
	}
}
