package generic_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goalcast"
)

// TestPostedKindsAreTaken: the kinds that the root's table says are posted are taken with what they
// have to say, and no others.
func TestPostedKindsAreTaken(t *testing.T) {
	guide, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	samples := map[goalcast.Kind]map[string]json.RawMessage{}
	files, err := filepath.Glob("../../testdata/reducer/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c struct{ Events []map[string]json.RawMessage }
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(file, err)
		}
		for _, e := range c.Events {
			samples[goalcast.Kind(strings.Trim(string(e["kind"]), `"`))] = e
		}
	}
	for _, info := range goalcast.Kinds {
		sample := map[string]json.RawMessage{"id": json.RawMessage(`"1"`)}
		for _, field := range []string{"kind", "team", "period", info.Detail} {
			if v := samples[info.Kind][field]; v != nil && (field != info.Detail || info.Kind.Is(goalcast.Posted)) {
				sample[field] = v
			}
		}
		event, err := json.Marshal(sample)
		if err != nil {
			t.Fatal(err)
		}
		r, err := read(fmt.Sprintf(`{"time":"2026-05-17T14:30:00Z","match":7,"fixture":{"home":{"id":11},"away":{"id":22}},"events":[%s]}`, event))
		if taken := err == nil; taken != info.Kind.Is(goalcast.Posted) {
			t.Errorf("%s: taken %v (%v)", info.Kind, taken, err)
			continue
		}
		if err != nil {
			continue
		}
		if !strings.Contains(string(guide), "`"+string(info.Kind)+"`") {
			t.Errorf("docs/providers.md does not tell of %s", info.Kind)
		}
		text, err := json.Marshal(r.Matches[0].Facts[0])
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%q:", info.Detail); info.Detail != "" && !strings.Contains(string(text), want) {
			t.Errorf("%s: no %s in %s", info.Kind, want, text)
		}
	}
}
