package goalcast_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Arrows go one way. Besides what this table lists, a package imports of ours only the root
// (the words that all share), what lies below itself, and below internal/ what is for all. So
// siblings never import each other: who needs another's work says so in an interface, and
// cmd/goalcast passes it in.
var arrows = []struct{ from, to, why string }{
	{"cmd/goalcast", "...", "joins all parts"},

	{"hub/shard", "hub/follow", "connections are counted in the topics they follow, whose states they get"},
	{"hub/shard", "hub/frame", "frames are what it writes"},
	{"hub/shard", "hub/limits", "a connection that ends gives its seat back"},
	{"hub/follow", "hub/frame", "a state is a frame for all its viewers"},
	{"rest", "docs", "serves the description of itself"},

	{"ingest/merge", "ingest/letters", "texts can be shown"},
	{"canary", "ingest/merge", "what a provider reads is what is merged"},
	{"ingest/generic", "ingest/merge", "what a provider reads is what is merged"},
	{"ingest/generic", "ingest/letters", "reads what people write"},
	{"ingest/opta", "ingest/merge", "what a provider reads is what is merged"},
	{"ingest/opta/pull", "ingest/opta", "asks for feeds by their names"},
	{"ingest/opta", "ingest/letters", "reads what machines write wrongly"},
	{"ingest/wsc", "ingest/merge", "what a provider reads is what is merged"},
	{"ingest/wsc", "ingest/letters", "reads what machines write wrongly"},
	{"ingest/odds", "ingest/letters", "texts can be shown"},
	{"ingest/odds/betfair", "ingest/odds", "what a source tells is what ingest/odds publishes"},
	{"ingest/odds/stream", "ingest/odds", "what a source tells is what ingest/odds publishes"},
	{"ingest/odds/uof", "ingest/odds", "what a source tells is what ingest/odds publishes"},
	{"notify/fcm", "notify", "a push service takes the notifier's messages and answers with its outcomes"},
	{"notify/webpush", "notify", "likewise"},
	{"notify/kbc", "notify", "likewise"},
	{"notify/fcm", "notify/live", "a push service takes live's pushes and answers with its errors"},
	{"notify/apns", "notify/live", "a push service takes live's pushes and answers with its errors"},

	{"loadtest/swarm/cmd/swarm", "loadtest/swarm", "is its command"},
	{"loadtest/check/cmd/check", "loadtest/check", "is its command"},
	{"loadtest/bench", "loadtest/swarm", "its viewers"},
	{"loadtest/bench", "store/bus", "publishes as another process does"},
}

// forTests are packages that only tests import, and the demo. Tests import whatever they test with.
var forTests = []string{"...test", "internal/testservers", "internal/samples"}

func TestArrowsGoOneWay(t *testing.T) {
	used := make([]bool, len(arrows))
	for from, imports := range imports(t) {
		for _, to := range imports {
			switch row := slices.IndexFunc(arrows, func(a struct{ from, to, why string }) bool {
				return matches(a.from, from) && matches(a.to, to)
			}); {
			case row >= 0:
				used[row] = true
			case isForTests(from):
			case isForTests(to):
				t.Errorf("%s imports %s, which is for tests", from, to)
			case from == "":
				t.Errorf("the root imports %s", to)
			case to == "", strings.HasPrefix(to, from+"/"), strings.HasPrefix(to, "internal/"):
			default:
				t.Errorf("%s imports %s: no row of the table allows it", from, to)
			}
		}
	}
	for i, a := range arrows {
		if !used[i] {
			t.Errorf("nothing needs the row %s -> %s", a.from, a.to)
		}
	}
}

// imports lists for each of our packages which of ours it imports, without its
// tests. The root is "".
func imports(t *testing.T) map[string][]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		from, _ := ours(p.ImportPath)
		all[from] = []string{}
		for _, i := range p.Imports {
			if to, ok := ours(i); ok {
				all[from] = append(all[from], to)
			}
		}
	}
}

// ours is the path of one of our packages, below the module's.
func ours(path string) (below string, ok bool) {
	if path == "goalcast" {
		return "", true
	}
	return strings.CutPrefix(path, "goalcast/")
}

// matches says whether a path is the pattern's: "hub", "hub/..." with all below, "..." for all.
func matches(pattern, path string) bool {
	above, all := strings.CutSuffix(pattern, "/...")
	return pattern == "..." || path == above || all && strings.HasPrefix(path, above+"/")
}

func isForTests(path string) bool {
	return slices.ContainsFunc(forTests, func(p string) bool {
		end, several := strings.CutPrefix(p, "...")
		return path == p || several && strings.HasSuffix(path, end)
	})
}
