package ingest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

const (
	testMatch = goalcast.MatchID(77)
	home      = goalcast.TeamID(1)
	away      = goalcast.TeamID(2)
)

// The sources of the provider "plain": two feeds of the match itself, a list of fixtures,
// and where clips play.
const (
	sourceMatch  = "desk:match"
	sourceEvents = "desk:events"
	sourceList   = "desk:list"
	sourcePlayer = "player:"
)

var kickoff = time.Date(2021, 3, 6, 15, 0, 0, 0, time.UTC)

// said is what one document of a source says of the match.
type said struct {
	source string
	v      merge.Version
	m      merge.MatchReading
}

// version is that of a document made so many minutes after kick-off.
func version(minute int) merge.Version {
	return merge.Version{Time: kickoff.Add(time.Duration(minute) * time.Minute), Digest: fmt.Sprint(minute)}
}

func says(source string, minute int, f *goalcast.Fixture, facts ...goalcast.Event) said {
	return said{source, version(minute), merge.MatchReading{Match: testMatch, Fixture: f, Facts: facts}}
}

func fixture() *goalcast.Fixture {
	return &goalcast.Fixture{Home: goalcast.Team{ID: home}, Away: goalcast.Team{ID: away},
		Competition: goalcast.Competition{ID: 9}, Kickoff: kickoff}
}

func goal(n int, team goalcast.TeamID, minute int, scorer goalcast.PlayerID) goalcast.Event {
	e := goalcast.Event{
		ID: fmt.Sprint("plain:", n), Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Team: team,
		Period: goalcast.FirstHalf, Minute: minute,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
	}
	if scorer != 0 {
		e.Player = &goalcast.Player{ID: scorer}
	}
	return e
}

func period(p goalcast.Period) goalcast.Event {
	return goalcast.Event{ID: fmt.Sprint("match:77:period:", p), Kind: goalcast.KindPeriod, Status: goalcast.Confirmed,
		Period: p}
}

// finished is what a source says of a match that is over, 2-1.
func finished() []goalcast.Event {
	return []goalcast.Event{
		period(goalcast.FirstHalf), period(goalcast.HalfTime), period(goalcast.SecondHalf), period(goalcast.FullTime),
		goal(1, home, 10, 5), goal(2, away, 20, 6), goal(3, home, 40, 7),
	}
}

// keys lists revisions as "plain:1#2 cancelled 0-1".
func keys(log []goalcast.Event) (out []string) {
	for _, e := range log {
		out = append(out, fmt.Sprintf("%s %s %d-%d", e.Key(), e.Status, e.Score.Home, e.Score.Away))
	}
	return out
}

func wantKeys(t *testing.T, log []goalcast.Event, want ...string) {
	t.Helper()
	if got := keys(log); !slices.Equal(got, want) {
		t.Fatalf("emitted\n%q\nwant\n%q", got, want)
	}
}

// observedIn is the memory without what merging itself remembers: since when sources disagree
// depends on when we saw it.
func observedIn(t *testing.T, memory []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(memory, &out); err != nil {
		t.Fatal(err)
	}
	delete(out, "")
	return out
}
