//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// changes runs BenchmarkChanges of ingest/odds: what the process that holds the sources does with
// prices before hubs have them.
func (b *bench) changes(ctx context.Context, r *row) error {
	cmd := exec.CommandContext(ctx, "go", "test", "./ingest/odds", "-run", "^$", "-bench", "^BenchmarkChanges$",
		"-benchtime", b.hold.String(), "-count", strconv.Itoa(b.repeat))
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("BenchmarkChanges: %w\n%s", err, text)
	}
	own, all, wall := unit(text, "changes/core-s"), unit(text, "changes/core-s-with-Redis"), unit(text, "changes/s")
	if len(own) != b.repeat || len(all) != b.repeat || len(wall) != b.repeat {
		return fmt.Errorf("BenchmarkChanges: no figures in\n%s", text)
	}
	r.add("%s by goalcast's own time, %s by its and Redis's, %s by the clock", spread("%.0f", own), spread("%.0f", all),
		spread("%.0f", wall))
	r.reached = middle(own) >= 100_000
	return nil
}

// unit gives the figures of a unit in what a benchmark printed.
func unit(text []byte, name string) (list []float64) {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		for i, f := range fields {
			if i == 0 || f != name {
				continue
			}
			if v, err := strconv.ParseFloat(fields[i-1], 64); err == nil {
				list = append(list, v)
			}
		}
	}
	return list
}
