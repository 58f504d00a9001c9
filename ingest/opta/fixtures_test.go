package opta

import (
	"reflect"
	"testing"

	"goalcast"
)

func f1(t *testing.T, matches string) map[goalcast.MatchID]goalcast.Fixture {
	t.Helper()
	r, err := New().Read(document("F1", `<?xml version="1.0" encoding="UTF-8"?>
<SoccerFeed><SoccerDocument Type="RESULTS Latest" competition_id="3" competition_name="Example League" season_id="2019" timestamp="2020-07-05 20-05-00">
`+matches+`<Team uID="t1"><Name>Northbridge</Name></Team><Team uID="t2"><Name>Southwold &amp; Sons</Name></Team></SoccerDocument></SoccerFeed>`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Source != "opta:f1" || !r.Version.Time.Equal(utc("2020-07-05T19:05:00")) {
		t.Errorf("%s %+v", r.Source, r.Version)
	}
	out := map[goalcast.MatchID]goalcast.Fixture{}
	for _, m := range r.Matches {
		out[m.Match] = *m.Fixture
		if len(m.Facts) > 0 {
			t.Errorf("match %d has facts in an F1", m.Match)
		}
	}
	return out
}

const sides = `<TeamData Score="0" Side="Home" TeamRef="t1"/><TeamData Score="0" Side="Away" TeamRef="t2"/>`

func TestFixtureOfF1(t *testing.T) {
	f := f1(t, `<MatchData uID="g7" last_modified="2020-07-01T10:00:00"><MatchInfo MatchDay="31" Period="PreMatch" Venue_id="9"><Date>2020-07-12 18:00:00</Date><TZ>BST</TZ></MatchInfo>
		<Stat Type="Venue">The Green</Stat><Stat Type="City">Northbridge</Stat>`+sides+`</MatchData><MatchData><MatchInfo Period="FullTime"/></MatchData>`)
	want := goalcast.Fixture{Competition: goalcast.Competition{ID: 3, Name: "Example League"}, Season: "2019",
		Matchday: 31, Home: goalcast.Team{ID: 1, Name: "Northbridge"},
		Away: goalcast.Team{ID: 2, Name: "Southwold & Sons"}, Kickoff: utc("2020-07-12T17:00:00"), Venue: "The Green",
		City: "Northbridge"}
	if len(f) != 1 || !reflect.DeepEqual(f[7], want) {
		t.Errorf("%+v, want %+v", f, want)
	}
}

// Before the match Score is "" in leagues and "0" in the Champions League and on postponed games:
// 0-0 is a result only by its period.
func TestTrapZeroZeroIsNoResultBeforeTheMatch(t *testing.T) {
	match := func(period, score string) string {
		return `<MatchData uID="g7"><MatchInfo Period="` + period + `"/><TeamData Score="` + score +
			`" Side="Home" TeamRef="t1"/><TeamData Score="0" Side="Away" TeamRef="t2"/></MatchData>`
	}
	for _, tt := range []struct{ period, score string }{{"PreMatch", "0"}, {"PreMatch", ""}, {"Postponed", "0"},
		{"Abandoned", "0"}, {"", "0"}, {"Strange", "0"}, {"FullTime", ""}, {"FullTime", "x"}} {
		if f := f1(t, match(tt.period, tt.score)); f[7].Reported != nil {
			t.Errorf("%+v: result %+v", tt, f[7].Reported)
		}
	}
	for period, want := range map[string]goalcast.Period{"FullTime": goalcast.FullTime,
		"SecondHalf": goalcast.SecondHalf, "HalfTime": goalcast.HalfTime} {
		if got := f1(t, match(period, "0"))[7].Reported; got == nil || *got != (goalcast.Result{Period: want}) {
			t.Errorf("%s: result %+v", period, got)
		}
	}
}

// Goals of a shoot-out stand among the goals and are not in Score.
func TestTrapF1ShootoutGoalsAreNotInTheScore(t *testing.T) {
	f := f1(t, `<MatchData uID="g7"><MatchInfo Period="FullTime" GameWinner="t1" GameWinnerType="ShootOut"/>
		<TeamData Score="1" Side="Home" TeamRef="t1"><Goal Period="FirstHalf" PlayerRef="p1" Type="Goal"/><Goal Period="ShootOut" PlayerRef="p1" Type="Penalty"/>
		<Goal Period="ShootOut" PlayerRef="p2" Type="Goal"/></TeamData>
		<TeamData Score="1" Side="Away" TeamRef="t2"><Goal Period="SecondHalf" PlayerRef="p3" Type="Own"/><Goal Period="ShootOut" PlayerRef="p3" Type="Penalty"/></TeamData></MatchData>`)
	r := f[7].Reported
	if r == nil || r.Score != (goalcast.Score{Home: 1, Away: 1}) || r.Shootout == nil ||
		*r.Shootout != (goalcast.Score{Home: 2, Away: 1}) {
		t.Errorf("%+v", r)
	}
}

// A postponed match says why; it keeps its id and returns to PreMatch with a new date, and then
// nothing of it is left.
func TestTrapPostponedMatchReturns(t *testing.T) {
	f := f1(t, `<MatchData uID="g7"><MatchInfo Period="Postponed"><Date>2020-07-05 18:00:00</Date></MatchInfo><Stat Type="Postponed">Frozen pitch</Stat>`+sides+`</MatchData>`)
	if f[7].Halted != goalcast.Postponed || f[7].Reason != "Frozen pitch" || f[7].Reported != nil {
		t.Errorf("%+v", f[7])
	}
	f = f1(t, `<MatchData uID="g7"><MatchInfo Period="PreMatch"><Date>2020-08-05 18:00:00</Date></MatchInfo><Stat Type="Postponed">Frozen pitch</Stat>`+sides+`</MatchData>`)
	if f[7].Halted != "" || f[7].Reason != "" || !f[7].Kickoff.Equal(utc("2020-08-05T17:00:00")) {
		t.Errorf("%+v", f[7])
	}
	if f := f1(t, `<MatchData uID="g7"><MatchInfo Period="Abandoned"/>`+sides+
		`</MatchData>`); f[7].Halted != goalcast.Abandoned {
		t.Errorf("%+v", f[7])
	}
}
