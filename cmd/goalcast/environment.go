package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// notOurs are variables that begin like ours and are none: of tests and tools, and those that
// Kubernetes and Docker set for a service or a link named goalcast (GOALCAST_HUB_SERVICE_HOST,
// GOALCAST_PORT_80_TCP_ADDR).
var notOurs = regexp.MustCompile(`^GOALCAST_(TEST_.*|BENCH_.*|SWARM_.*|SAMPLES|SOAK|MEASURE|SCREENSHOTS|BIN|VERSION|(.*_)?SERVICE_(HOST|PORT.*)|(.*_)?PORT|(.*_)?PORT_\d+_(TCP|UDP|SCTP).*|(.*_)?NAME|(.*_)?ENV_.*)$`)

// retired are settings of earlier versions that are constants now. One that is still set is warned
// of: an upgrade does not fail for it.
var retired = []string{
	"GOALCAST_BRIGHTCOVE_ATTEMPTS", "GOALCAST_FEED_SWEEP_AFTER", "GOALCAST_MAX_MESSAGE", "GOALCAST_MAX_UNANSWERED",
	"GOALCAST_MESSAGE_BURST", "GOALCAST_OPTA_PULL_TIMEOUT", "GOALCAST_WRITE_TIMEOUT", "GOALCAST_WSC_PULL_PAGE",
}

// retiredVariables are those of an environment that are retired.
func retiredVariables(environment []string) (set []string) {
	for _, pair := range environment {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains(retired, name) {
			set = append(set, name)
		}
	}
	return set
}

// unknownVariables refuses GOALCAST_... variables that nobody reads: a database named in
// GOALCAST_DATABSE_URL would be one in the current folder.
func unknownVariables(model *kong.Application, environment []string) error {
	var known []string
	_ = kong.Visit(model, func(node kong.Visitable, next kong.Next) error {
		if f, ok := node.(*kong.Flag); ok {
			for _, variable := range f.Envs {
				known = append(known, variable)
				if f.Tag.Has("secret") {
					known = append(known, variable+"_FILE")
				}
			}
		}
		return next(nil)
	})
	slices.Sort(known)
	var wrong []string
	for _, pair := range environment {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "GOALCAST_") || slices.Contains(known, name) || slices.Contains(retired, name) ||
			notOurs.MatchString(name) {
			continue
		}
		if likely := nearest(name, known); likely != "" {
			name += " (did you mean " + likely + "?)"
		}
		wrong = append(wrong, name)
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return fmt.Errorf("no such setting: %s; goalcast serve --help names all", strings.Join(wrong, ", "))
}

// nearest is the word that takes the fewest edits to make of another, if those are few; else none.
func nearest(word string, words []string) string {
	best, least := "", max(2, len(word)/4)+1
	for _, w := range words {
		if d := edits(word, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// edits is how many letters have to be put in, taken out or changed to make b of a (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
