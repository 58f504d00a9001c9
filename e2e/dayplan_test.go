package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"goalcast/loadtest/simulator"
)

// dayPlan is the plan of a match day. Minutes are what the clock of the first match shows.
type dayPlan struct {
	Seed      uint64
	Matches   int
	Speed     float64 // seconds of the match in one second
	Stagger   float64 // minutes between two kick-offs
	Every     int     // minutes between two documents of a kind in which nothing new is told; 0 is 1
	Touches   int     // simulator.Config.TouchesPerMinute
	Noise     float64 // share of documents that come twice, that are overtaken, and that come late once more
	Bare      bool    // documents do not say when they were made but in seconds: their arrival tells them apart
	Phones    int     // each follows a team that plays
	Processes []place
	Audience  []wave
	Faults    []mishap
	Limits    limits
}

// place is for so many processes of the same roles.
type place struct {
	Roles string
	Count int
}

// wave is viewers who come at a minute, and leave at another if that is not 0. They follow one of
// the first ten matches each, or the whole competition.
type wave struct {
	Viewers  int
	From, To int
	Over     string // websocket, sse
	All      bool   // the whole competition
}

// mishap is what is done to the house at a minute, or as soon as what was done before is over.
type mishap struct {
	Minute int
	Do     string
	For    int // minutes
}

// limits are what a day of load keeps to; zero ones are not judged.
type limits struct {
	Goal     time.Duration // p99 from a document's last byte to a viewer's socket, while nothing is wrong
	Push     time.Duration // p99 from there to the push service, while nothing is wrong
	NotReady time.Duration `yaml:"not_ready"` // until a hub that hears nothing of its bus says so
}

// mishaps are all that can be done.
var mishaps = map[string]func(d *dayRig, span time.Duration){
	"provider silent":   func(d *dayRig, span time.Duration) { d.hush(span) },
	"ingest lost":       func(d *dayRig, _ time.Duration) { d.lose("ingest") },
	"notify lost":       func(d *dayRig, _ time.Duration) { d.lose("notify") },
	"hub lost":          func(d *dayRig, _ time.Duration) { d.lose("hub") },
	"slow network":      func(d *dayRig, span time.Duration) { d.slow(span) },
	"redis failover":    func(d *dayRig, _ time.Duration) { d.redis.FailOver() },
	"redis away":        func(d *dayRig, span time.Duration) { d.redis.Away(span) },
	"postgres restart":  func(d *dayRig, _ time.Duration) { d.postgres.Restart() },
	"postgres failover": func(d *dayRig, _ time.Duration) { d.postgres.FailOver() },
	"deploy":            func(d *dayRig, _ time.Duration) { d.deploy() },
}

func readDayPlan(path string) (d dayPlan, err error) {
	text, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer text.Close()
	decoder := yaml.NewDecoder(text)
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	if d.Matches < 1 || d.Matches > simulator.MaxMatches {
		return d, fmt.Errorf("%s: %d matches, want 1 to %d", path, d.Matches, simulator.MaxMatches)
	}
	for _, f := range d.Faults {
		if mishaps[f.Do] == nil {
			return d, fmt.Errorf("%s: nobody knows how to do %q; there are %q", path, f.Do,
				slices.Sorted(maps.Keys(mishaps)))
		}
	}
	return d, nil
}

func TestMatchDayPlansAreRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "matchdays", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if _, err := readDayPlan(file); err != nil {
			t.Error(err)
		}
	}
	for text, want := range map[string]string{
		"matches: 51":                            "51 matches, want 1 to 50",
		"matches: 8\nfaults: [{do: earthquake}]": `how to do "earthquake"`,
		"matches: 8\nspeeed: 8":                  "speeed",
	} {
		file := filepath.Join(t.TempDir(), "plan.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readDayPlan(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
