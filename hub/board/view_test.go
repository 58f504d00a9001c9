package board

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"goalcast"
)

// TestEssentialIsEnough applies one more event to a match with its whole timeline and to one with
// what a competition's snapshot keeps of it: everything derived must be the same.
func TestEssentialIsEnough(t *testing.T) {
	files, err := filepath.Glob("../../testdata/reducer/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	cut := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Events []goalcast.Event `json:"events"`
		}
		if err := json.Unmarshal(text, &file); err != nil {
			t.Fatal(name, err)
		}
		var whole goalcast.Snapshot
		for i, e := range file.Events {
			if whole = goalcast.Apply(whole, e); whole.ID == 0 || len(whole.Lineups) > 0 && len(whole.Timeline) == 0 {
				continue
			}
			short := whole
			short.Lineups, short.Timeline = nil, essential(whole.Timeline)
			cut += len(whole.Timeline) - len(short.Timeline)
			next := goalcast.Event{ID: "next", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindGoal,
				Match: whole.ID, Seq: whole.Seq + 1,
				Team: whole.Home.ID, Period: goalcast.FirstHalf, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}}
			a, b := goalcast.Apply(whole, next), goalcast.Apply(short, next)
			a.Timeline, b.Timeline, a.Lineups, b.Lineups = nil, nil, nil, nil
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s, event %d: %+v, want %+v", name, i, b, a)
			}
		}
	}
	if cut == 0 {
		t.Error("nothing was left out anywhere: this checks nothing")
	}
}
