package grafana

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the dashboards' files anew")

func TestFilesAreWhatTheTableSays(t *testing.T) {
	names := map[string]bool{}
	for _, d := range all {
		text, err := d.encode()
		if err != nil {
			t.Fatal(err)
		}
		name := d.file + ".json"
		names[name] = true
		if *update {
			if err := os.WriteFile(name, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if kept, err := os.ReadFile(name); err != nil || !bytes.Equal(kept, text) {
			t.Errorf("%s is not what the table says (%v): run this test with -update", name, err)
		}
	}
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if !names[name] {
			t.Errorf("%s is in no table", name)
		}
	}
}

// Every expression is read by Prometheus itself, and the panels of a row fill it.
func TestPrometheusReadsEveryExpression(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not there: Debian's package prometheus has it: ", err)
	}
	var rules strings.Builder
	rules.WriteString("groups: [{name: dashboards, rules: [\n")
	count, chosen := 0, strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*")
	for _, d := range all {
		for _, r := range d.rows {
			if len(r.panels) == 0 || gridWidth%len(r.panels) != 0 {
				t.Errorf("%s, %s: %d panels do not fill a row", d.file, r.title, len(r.panels))
			}
			for _, p := range r.panels {
				if p.title == "" || p.unit == "" || len(p.queries) == 0 || p.number != r.panels[0].number {
					t.Errorf("%s, %s, %s: no title, no unit, no query, or of two heights", d.file, r.title, p.title)
				}
				for _, q := range p.queries {
					count++
					expr, err := json.Marshal(chosen.Replace(q.expr))
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&rules, "{record: 'panel:%d', expr: %s},\n", count, expr)
				}
			}
		}
	}
	rules.WriteString("]}]\n")
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("%d rules found", count)) {
		t.Errorf("%v: %s", err, out)
	}
}
