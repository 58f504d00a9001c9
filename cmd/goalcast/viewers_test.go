package main

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// metric sums the process's samples of a metric; of those with labels, the ones that have them all (`reason="rate"`).
func (p *process) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	answer, err := http.Get(p.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(answer.Body)
samples:
	for lines.Scan() {
		sample, text, _ := strings.Cut(lines.Text(), " ")
		if got, _, _ := strings.Cut(sample, "{"); got != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(sample, l) {
				continue samples
			}
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		sum += n
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return sum
}
