package simulator_test

import (
	"context"
	"math"
	"reflect"
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

// The tables are those of the results: each day begins with the one that the day before ended with.
func TestHubReadsTheTables(t *testing.T) {
	d := simulator.New(simulator.Config{Seed: 11, Matches: 3, TouchesPerMinute: -1, Start: start, Speed: 1e6,
		Tables: true, Repeat: true, Pause: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var tables []goalcast.Standings
	err := d.Run(ctx, func(_ context.Context, doc simulator.Document) error {
		if doc.Feed != "F3" || ctx.Err() != nil {
			return nil
		}
		reading, err := opta.New().Read(goalcast.Document{Provider: "opta", Feed: doc.Feed, Body: doc.Body})
		if err != nil {
			return err
		}
		if tables = append(tables, reading.Standings...); len(tables) == 5 { // one before the day, one a match
			cancel()
		}
		return nil
	})
	if err != nil || len(tables) != 5 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	first, last, next := tables[0].Count().Played, tables[3].Count().Played, tables[4]
	for _, m := range d.Matches() {
		for _, team := range []int64{m.Home.ID, m.Away.ID} {
			if id := goalcast.TeamID(team); first[id] == 0 || last[id] != first[id]+1 {
				t.Errorf("team %d had played %d before the day, and %d after it", team, first[id], last[id])
			}
		}
	}
	rows, scored, points := next.Groups[0].Rows, 0, math.MaxInt
	for i, row := range rows {
		if r := row.Total; row.Position != i+1 || r.Points > points || r.Points != 3*r.Won+r.Drawn ||
			r.Played != r.Won+r.Drawn+r.Lost || row.Team.Name == "" {
			t.Errorf("row %d: %+v", i, row)
		}
		points, scored = row.Total.Points, scored+row.Total.For-row.Total.Against
	}
	if scored != 0 || !reflect.DeepEqual(next.Count().Played, last) || len(next.Zones) != 2 {
		t.Errorf("the next day begins with %+v", next)
	}
}
