package merge

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"goalcast"
)

// TestKindsKeepTheirDetail: what a source says of an event of any kind is what
// the merged event says.
func TestKindsKeepTheirDetail(t *testing.T) {
	text, err := os.ReadFile("../../testdata/reducer/every-kind.json")
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Events []goalcast.Event }
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Events = append(c.Events, goalcast.Event{ID: "plain:kick", Kind: goalcast.KindShootoutKick,
		Status: goalcast.Confirmed, Team: home,
		Period: goalcast.Shootout, Kick: &goalcast.Kick{Scored: true}})
	seen := map[goalcast.Kind]bool{}
	for _, e := range c.Events {
		if e.Kind.Info().Place != goalcast.PlaceTimeline {
			continue
		}
		seen[e.Kind] = true
		e.Clip = withoutGoal(e.Clip)
		rec, _ := through(t, []heard{says(sourceMatch, 30, fixture(), e)})
		if len(rec.Snapshot.Timeline) != 1 {
			t.Fatalf("%s: %d events", e.ID, len(rec.Snapshot.Timeline))
		}
		if got, want := detail(t, rec.Snapshot.Timeline[0]), detail(t, e); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", e.ID, got, want)
		}
	}
	for _, info := range goalcast.Kinds {
		if info.Place == goalcast.PlaceTimeline && !seen[info.Kind] {
			t.Errorf("no event of kind %s", info.Kind)
		}
	}
}

// withoutGoal leaves out which goal a clip is of: that is found, not kept.
func withoutGoal(c *goalcast.Clip) *goalcast.Clip {
	if c == nil {
		return nil
	}
	bare := *c
	bare.Of = ""
	return &bare
}

// detail is the field of an event that its kind names.
func detail(t *testing.T, e goalcast.Event) any {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if name := e.Kind.Info().Detail; name != "" && fields[name] == nil {
		t.Errorf("%s has no %s", e.ID, name)
	}
	return fields[e.Kind.Info().Detail]
}
