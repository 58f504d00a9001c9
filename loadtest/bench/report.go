//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// reads is the row's outcome in a word.
func (r *row) reads() string {
	switch {
	case r.verdict != "":
		return r.verdict
	case r.reached:
		return "reached"
	}
	return "**missed**"
}

func (r *row) print(out io.Writer) {
	fmt.Fprintf(out, "%s: %s (%s)\n    to reach: %s: %s\n", r.name, strings.Join(r.figures, "; "), r.what, r.target,
		r.reads())
	for _, n := range r.notes {
		fmt.Fprintf(out, "    note: %s\n", n)
	}
}

const (
	tableHead = "| row | what | to reach | measured | |\n|---|---|---|---|---|\n"
	notesHead = "\nHow and with what remarks:\n\n"
	marker    = "<!-- what is below this line is written by hand and stays -->"
)

// write puts a row into the report, in place of what was measured of it before. The other rows and
// what people wrote below the marker stay.
func write(path string, r row) error {
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	generated, kept, _ := strings.Cut(string(old), marker)
	lines, notes := map[string]string{}, map[string]string{}
	for line := range strings.Lines(generated) {
		if name, ok := nameOf(line, "| "); ok {
			lines[name] = line
		} else if name, ok := nameOf(line, "- "); ok {
			notes[name] = line
		}
	}
	lines[r.name] = fmt.Sprintf("| %s | %s | %s | %s | %s |\n", r.name, r.what, r.target, strings.Join(r.figures, "; "),
		r.reads())
	notes[r.name] = fmt.Sprintf("- %s: %s\n", r.name, strings.Join(append([]string{r.how}, r.notes...), "; "))
	var t strings.Builder
	t.WriteString("# Benchmarks\n\nWritten by `make bench` (loadtest/bench); the last row is `make million`'s. All " +
		"processes share the machine: Redis, the server that is measured,\n" +
		"the publisher and the viewers of loadtest/swarm. So the ratios count; the figures are those of the day and " +
		"the processor in the row's remark.\n\n" +
		"CPU is that of every process that takes part but the viewers: server, Redis, publisher. Behind a median " +
		"stands the least and the most that was measured. goalcast runs with its defaults,\n" +
		"but for free ports, an editor's token and no drain time; what else a row sets stands in its remarks. Nchan: " +
		"two workers; Bun: one process with one thread; both ping every 25 s, the rest is in loadtest/bench/peers.go " +
		"and bun.js.\n\n")
	for _, line := range machine() {
		t.WriteString("- *" + line + "*\n")
	}
	t.WriteString("\nOne row alone: `go run ./loadtest/bench -rows steady -out docs/benchmarks.md`; `-h` lists the " +
		"rest.\n\n" + tableHead)
	for _, name := range append(rowNames(), "million") {
		t.WriteString(lines[name])
	}
	t.WriteString(notesHead)
	for _, name := range append(rowNames(), "million") {
		t.WriteString(notes[name])
	}
	t.WriteString("\n" + marker + kept)
	if kept == "" {
		t.WriteString("\n")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(t.String()), 0o644)
}

// nameOf is the name of the row that a line of the report is about.
func nameOf(line, begin string) (string, bool) {
	rest, ok := strings.CutPrefix(line, begin)
	if !ok {
		return "", false
	}
	for _, name := range append(rowNames(), "million") {
		if strings.HasPrefix(rest, name+" |") || strings.HasPrefix(rest, name+": ") {
			return name, true
		}
	}
	return "", false
}

// machine says what was measured on.
func machine() []string {
	var uts syscall.Utsname
	_ = syscall.Uname(&uts)
	var kernel []byte
	for _, c := range uts.Release {
		if c == 0 {
			break
		}
		kernel = append(kernel, byte(c))
	}
	var limit syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	lines := []string{
		fmt.Sprintf("%s; %d cores, %s of memory, Linux %s, %d open files per process",
			time.Now().UTC().Format("2 January 2006"), runtime.NumCPU(),
			field("/proc/meminfo", "MemTotal"), kernel, limit.Cur),
		runtime.Version(),
	}
	for _, of := range []struct {
		name    string // where its answer has none
		command []string
	}{{"", []string{"redis-server", "--version"}}, {"", []string{"nginx", "-v"}},
		{"", []string{"dpkg-query", "-W", "libnginx-mod-nchan"}}, {bun, []string{bunProgram, "--version"}}} {
		if out, err := exec.Command(of.command[0], of.command[1:]...).CombinedOutput(); err == nil {
			lines = append(lines, strings.Join(strings.Fields(of.name+" "+string(out)), " "))
		}
	}
	return lines
}

// processor is the machine's, as it calls itself.
func processor() string { return field("/proc/cpuinfo", "model name") }

// field reads a line "name : value" of a file in /proc.
func field(path, name string) string {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}
