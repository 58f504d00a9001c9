package simulator_test

import (
	"strconv"
	"strings"
	"testing"

	"goalcast"
	"goalcast/ingest/opta"
	"goalcast/loadtest/simulator"
)

// What the hub reads in the documents is what the day's truth says, and no document is
// one that it cannot read.
func TestHubReadsTheDay(t *testing.T) {
	d, docs := day(t, simulator.Config{Seed: 11, Matches: 3, TouchesPerMinute: 1})
	provider := opta.New()
	last := map[string]map[goalcast.MatchID]map[string]goalcast.Event{"opta:f24": {}, "opta:match": {}}
	fixtures, reviews := map[goalcast.MatchID]goalcast.Fixture{}, map[string]bool{}
	for i, doc := range docs {
		headers := map[string]string{}
		for name, value := range doc.Headers {
			headers[strings.ToLower(name)] = value
		}
		feed, match := provider.Describe(headers, doc.Body)
		if feed != doc.Feed || int64(match) != doc.Match {
			t.Fatalf("document %d is a %s of match %d, read as %s of %d", i, doc.Feed, doc.Match, feed, match)
		}
		reading, err := provider.Read(goalcast.Document{Provider: "opta", Feed: feed, Match: match, Headers: headers,
			Body: doc.Body, Received: start.Add(doc.Due)})
		if err != nil {
			t.Fatalf("document %d, %s: %v", i, doc.Feed, err)
		}
		for _, m := range reading.Matches {
			facts := map[string]goalcast.Event{}
			for _, e := range m.Facts {
				facts[e.ID] = e
				if e.Kind == goalcast.KindVAR {
					reviews[e.VAR.Outcome] = true
				}
			}
			if last[reading.Source] != nil {
				last[reading.Source][m.Match] = facts
			}
			if reading.Source == "opta:f1" {
				fixtures[m.Match] = *m.Fixture
			}
		}
	}
	for _, m := range d.Matches() {
		id := goalcast.MatchID(m.ID)
		for source, matches := range last {
			checkFacts(t, m, source, matches[id])
		}
		f := fixtures[id]
		if f.Reported == nil || f.Reported.Score != (goalcast.Score{Home: m.Score[0], Away: m.Score[1]}) ||
			f.Home.Name != m.Home.Name ||
			!f.Kickoff.Equal(m.Kickoff.Truncate(1e9)) {
			t.Errorf("%s: F1 says %+v with %+v, kick-off %v", m, f, f.Reported, m.Kickoff)
		}
	}
	if !reviews["under_review"] || !reviews["cancelled"] {
		t.Errorf("reviews are read as %v", reviews)
	}
}

func checkFacts(t *testing.T, m simulator.Match, source string, facts map[string]goalcast.Event) {
	t.Helper()
	count := map[goalcast.Kind]int{}
	periods := map[goalcast.Period]bool{}
	for _, e := range facts {
		if e.Counts() {
			count[e.Kind]++
		}
		if e.Kind == goalcast.KindPeriod {
			periods[e.Period] = true
		}
	}
	goals := 0
	for _, g := range m.Goals {
		e, ok := facts["opta:"+itoa(g.EventID)]
		if g.Cancelled {
			if ok && e.Counts() {
				t.Errorf("%s, %s: goal %d stands and was taken back", m, source, g.EventID)
			}
			continue
		}
		goals++
		kind := map[string]goalcast.GoalType{"Goal": goalcast.OpenPlay, "Own": goalcast.OwnGoal,
			"Penalty": goalcast.PenaltyGoal}[g.Type]
		if !ok || int64(e.Team) != g.Team || e.Player == nil || int64(e.Player.ID) != g.Scorer || e.Goal.Type != kind ||
			e.Minute != g.Minute {
			t.Errorf("%s, %s: goal %+v is read as %+v", m, source, g, e)
		}
	}
	want := map[goalcast.Kind]int{goalcast.KindGoal: goals, goalcast.KindCard: len(m.Cards),
		goalcast.KindSubstitution: len(m.Swaps), goalcast.KindLineup: 2}
	for kind, n := range want {
		if count[kind] != n {
			t.Errorf("%s, %s: %d of kind %s, want %d", m, source, count[kind], kind, n)
		}
	}
	for _, p := range []goalcast.Period{goalcast.FirstHalf, goalcast.HalfTime, goalcast.SecondHalf, goalcast.FullTime} {
		if !periods[p] {
			t.Errorf("%s, %s: no %s", m, source, p)
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
