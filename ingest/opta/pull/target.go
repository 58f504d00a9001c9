package pull

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"goalcast"
)

// Target is a list to ask for: a feed of one season of a competition.
type Target struct {
	Feed        string // F1 fixtures and results, F3 tables, F40 squads
	Competition goalcast.CompetitionID
	Season      int // the year it begins in: 2026 for 2026/27
}

// String gives it as ParseTarget reads it: "f1:8:2026".
func (t Target) String() string {
	return fmt.Sprintf("%s:%d:%d", strings.ToLower(t.Feed), t.Competition, t.Season)
}

// ParseTarget reads "f1:8:2026": feed, competition, season. Feeds of single matches are
// pushed and not pulled.
func ParseTarget(text string) (Target, error) {
	parts := strings.Split(strings.TrimSpace(text), ":")
	if len(parts) != 3 {
		return Target{}, fmt.Errorf("%q is not FEED:COMPETITION:SEASON", text)
	}
	name, isFeed := strings.CutPrefix(strings.ToUpper(parts[0]), "F")
	t := Target{Feed: "F" + strings.TrimLeft(name, "0")} // F01 is F1
	if !isFeed || t.Feed != "F1" && t.Feed != "F3" && t.Feed != "F40" {
		return Target{}, fmt.Errorf("%q: feeds that can be pulled are f1, f3 and f40", text)
	}
	competition, err1 := strconv.ParseUint(parts[1], 10, 31)
	season, err2 := strconv.ParseUint(parts[2], 10, 16)
	if err := errors.Join(err1, err2); err != nil || competition == 0 || season < 1900 || season > 2999 {
		return Target{}, fmt.Errorf("%q: want a competition's number and a season's year", text)
	}
	t.Competition, t.Season = goalcast.CompetitionID(competition), int(season)
	return t, nil
}

// ParseTargets reads a list of targets; each may stand in it once.
func ParseTargets(texts []string) ([]Target, error) {
	var list []Target
	seen := map[Target]bool{}
	for _, text := range texts {
		t, err := ParseTarget(text)
		if err != nil {
			return nil, err
		}
		if seen[t] {
			return nil, fmt.Errorf("%q stands there twice", text)
		}
		seen[t] = true
		list = append(list, t)
	}
	return list, nil
}
