//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goalcast/loadtest/swarm"
)

// The test binary is its own swarm's workers and its own publisher.
func TestMain(m *testing.M) {
	swarm.RunWorker()
	quickExit()
	if text, ok := os.LookupEnv(publisherVariable); ok {
		if err := runPublisher(text); err != nil {
			println("publisher:", err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// quickExit has the processes that tests start end at once: the race detector's own
// sleep for a second first.
func quickExit() { os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=20") }

func TestReportKeepsOtherRowsAndWhatPeopleWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "docs", "benchmarks.md")
	for _, r := range []row{
		{name: "steady", what: "a", target: "b", figures: []string{"first"}, reached: true, how: "once"},
		{name: "million", what: "a", target: "b", figures: []string{"many"}, reached: true,
			notes: []string{"a remark"}},
	} {
		if err := write(path, r); err != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(text, "\n## Findings\n\n| steady | is a word |\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(path, row{name: "steady", what: "a", target: "b", figures: []string{"second"}}); err != nil {
		t.Fatal(err)
	}
	text, _ = os.ReadFile(path)
	got := string(text)
	for _, want := range []string{"| steady | a | b | second | **missed** |", "| million | a | b | many | reached |",
		"a remark", "## Findings", "| steady | is a word |"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q is there %d times", want, strings.Count(got, want))
		}
	}
	if strings.Contains(got, "first") || strings.Count(got, marker) != 1 {
		t.Errorf("report:\n%s", got)
	}
}

// TestSmallRows runs rows as they are, with few viewers: everything in them is real. What they
// measure is not looked at, only that nobody missed anything.
func TestSmallRows(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Chdir("../..")
	program := os.Getenv("GOALCAST_BIN") // or that which all tests run: another build would take minutes
	if program == "" {
		program = "tmp/goalcast-under-test"
		if text, err := exec.Command("make", "--silent", "program").CombinedOutput(); err != nil {
			t.Fatalf("make program: %v\n%s", err, text)
		}
	}
	b := &bench{settings: settings{binary: program, scale: 0.01, hold: time.Second, repeat: 1, folder: t.TempDir()}}
	if err := b.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := []string{"steady", "saturated", "odds", "returns"}
	if _, err := installed("initdb"); err == nil {
		names = append(names, "messages")
	}
	for _, name := range names {
		r, err := b.row(t.Context(), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, n := range r.notes {
			if name != "messages" && !strings.HasPrefix(n, "Nchan skipped") && !strings.HasPrefix(n, "Bun skipped") {
				t.Errorf("%s: %s", name, n)
			}
		}
		if len(r.figures) == 0 || name == "odds" && !r.reached {
			t.Errorf("%s: %+v", name, r)
		}
	}
	b.viewers = 60
	r, err := b.row(t.Context(), "million")
	if err != nil || !r.reached {
		t.Errorf("a million of 60: %+v, %v", r, err)
	}
}
