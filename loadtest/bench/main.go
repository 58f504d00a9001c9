//go:build linux

// Command bench measures goalcast's hub beside Nchan, the fastest hub in Debian, and Bun, whose
// WebSockets are uWebSockets in C++, and writes docs/benchmarks.md. `make bench` and `make million`
// run it.
//
// Everything is real and of its own: redis-server, `goalcast serve --roles hub`, nginx with Nchan,
// Bun, a process that publishes, and the processes of loadtest/swarm that are the viewers. They
// share one machine, so the ratios between the servers count, not the figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"goalcast/loadtest/swarm"
)

// settings are the command line.
type settings struct {
	rows     []string
	scale    float64       // of the numbers of viewers, and of events in saturated
	hold     time.Duration // of a measurement; the odds storm takes three times that
	repeat   int
	out      string
	folder   string // for binaries, logs and databases
	profiles string
	viewers  int    // of the million
	binary   string // goalcast that was built already
}

func main() {
	swarm.RunWorker()
	if text, ok := os.LookupEnv(publisherVariable); ok {
		if err := runPublisher(text); err != nil {
			fmt.Fprintln(os.Stderr, "publisher:", err)
			os.Exit(1)
		}
		return
	}
	if text, ok := os.LookupEnv(bareVariable); ok {
		fmt.Fprintln(os.Stderr, "bare handler:", runBare(text))
		os.Exit(1)
	}
	var s settings
	rows := flag.String("rows", "all", "rows to run, with commas between: "+strings.Join(rowNames(), ", ")+
		"; or million")
	flag.Float64Var(&s.scale, "scale", 1, "share of the viewers, and of the events of saturated; "+
		"the full numbers are what the table says")
	flag.DurationVar(&s.hold, "hold", 10*time.Second, "length of a measurement")
	flag.IntVar(&s.repeat, "repeat", 3, "measurements of each kind, servers taking turns; the median counts")
	flag.StringVar(&s.out, "out", "", "file to write the report to, in Markdown")
	flag.StringVar(&s.folder, "folder", "tmp/bench", "where binaries, logs and databases go")
	flag.StringVar(&s.profiles, "profiles", "", "folder for CPU profiles of goalcast, one for each measurement")
	flag.StringVar(&s.binary, "goalcast", "", "measure this binary instead of building one: to compare versions")
	flag.IntVar(&s.viewers, "viewers", 1_000_000, "viewers of the million")
	flag.Parse()
	s.rows = strings.Split(*rows, ",")
	if *rows == "all" {
		s.rows = rowNames()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	for _, folder := range []string{s.folder, s.profiles} {
		if folder == "" {
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if s.folder, err = filepath.Abs(s.folder); err != nil {
		return err
	}
	b := &bench{settings: s}
	if err := b.build(ctx); err != nil {
		return err
	}
	for _, name := range s.rows {
		fmt.Fprintf(os.Stderr, "--- %s\n", name)
		row, err := b.row(ctx, name)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			row.verdict, row.notes = "not measured", append(row.notes, err.Error())
		}
		row.how = fmt.Sprintf("%s, %s, viewers x %g, %s, %d times", time.Now().UTC().Format("2006-01-02 15:04"),
			processor(), b.scale, b.hold, b.repeat)
		row.print(os.Stdout)
		if s.out == "" {
			continue
		}
		if err := write(s.out, row); err != nil {
			return err
		}
	}
	return nil
}
