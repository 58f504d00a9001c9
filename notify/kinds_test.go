package notify

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"goalcast"
)

// TestKindsAreTold holds what notify tells of each kind of event to the root's table, by the events
// of the reducer's files.
func TestKindsAreTold(t *testing.T) {
	files, err := filepath.Glob("../testdata/reducer/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	told := map[goalcast.Kind]goalcast.Push{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Events    []goalcast.Event
			Snapshots []goalcast.Snapshot
		}
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(file, err)
		}
		for i, e := range c.Events {
			want := Config{Penalties: true}.wanted(e)
			if want == "" && statusOf(goalcast.PushRecord{}, e, c.Snapshots[i], noon) != "" {
				want = kindStatus
			}
			switch {
			case want != "" && rowOf(want).off != "":
				told[e.Kind] = goalcast.PushWithdrawn
			case want != "":
				told[e.Kind] = goalcast.PushTold
			}
		}
	}
	said := goalcast.Event{Kind: goalcast.KindMessage, Push: map[string]goalcast.PushText{"en": {}}}
	if (Config{}).wanted(said) == kindMessage && pushable(said) {
		told[said.Kind] = goalcast.PushTold
	}
	for _, info := range goalcast.Kinds {
		if got := told[info.Kind]; got != info.Push && (got != "" || info.Push != goalcast.PushNever) {
			t.Errorf("%s: %q, want %q", info.Kind, got, info.Push)
		}
	}
	for _, row := range pushKinds {
		if row.off != "" && !slices.Contains(kinds(), row.off) {
			t.Errorf("%s is withdrawn by %s, which is no kind", row.kind, row.off)
		}
		if row.each && row.tag == "" || row.collapse == "" || row.channel == "" || row.ttl == nil {
			t.Errorf("%s: its row lacks something: %+v", row.kind, row)
		}
	}
}
