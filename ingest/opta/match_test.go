package opta

import (
	"reflect"
	"strings"
	"testing"

	"goalcast"
	"goalcast/internal/samples"
)

func TestFixtureOfF7(t *testing.T) {
	_, m := mustRead(t, "F7", f7(inPlay, "", ""))
	want := goalcast.Fixture{Competition: goalcast.Competition{ID: 3, Name: "Example League"}, Season: "2019",
		Matchday: 31,
		Home:     goalcast.Team{ID: 1, Name: "Northbridge"}, Away: goalcast.Team{ID: 2, Name: "Southwold Rovers"},
		Kickoff: utc("2020-07-05T17:00:00"), Venue: "The Green"}
	if m.Match != 7 || !reflect.DeepEqual(*m.Fixture, want) {
		t.Errorf("%d %+v, want %+v", m.Match, *m.Fixture, want)
	}
	if m.Players[11] != "Ada Lark" || m.Players[12] != "Bee" {
		t.Errorf("names %v", m.Players)
	}
}

// Times in F7 are the minute as fans say it: Min+1, but Min when Sec is 0. Without Time they
// follow from Min and Sec.
func TestTrapMinuteOfF7(t *testing.T) {
	_, m := mustRead(t, "F7", f7(inPlay, `
		<Goal EventID="1" Period="FirstHalf" PlayerRef="p11" Time="27" Min="26" Sec="57" Type="Goal"/>
		<Goal EventID="2" Period="SecondHalf" PlayerRef="p11" Time="78" Min="78" Sec="0" Type="Goal"/>
		<Goal EventID="3" Period="SecondHalf" PlayerRef="p11" Min="79" Sec="0" Type="Goal"/>
		<Goal EventID="4" Period="SecondHalf" PlayerRef="p11" Min="79" Sec="1" Type="Goal"/>
		<Goal EventID="5" Period="FirstHalf" PlayerRef="p11" Min="0" Sec="0" Type="Goal"/>
		<Goal EventID="6" Period="SecondHalf" PlayerRef="p11" Time="93" Type="Goal"/>`, ""))
	for id, want := range map[string][2]int{"opta:1": {27, 57}, "opta:2": {78, 0}, "opta:3": {79, 0}, "opta:4": {80, 1},
		"opta:5": {1, 0}, "opta:6": {93, 0}} {
		if e := fact(t, m, id); e.Minute != want[0] || e.Second != want[1] {
			t.Errorf("%s: %d:%d, want %v", id, e.Minute, e.Second, want)
		}
	}
}

// An own goal stands under the team that gains it; its player is of the other team.
func TestTrapOwnGoalStandsUnderTheTeamThatGains(t *testing.T) {
	_, m := mustRead(t, "F7", f7(inPlay, "", `<Goal EventID="1" Period="FirstHalf" PlayerRef="p11" Time="5" Type="Own" TimeStamp="20200705T180512+0100"/>
		<Goal EventID="2" Period="FirstHalf" PlayerRef="p21" Time="9" Type="Penalty"><Assist PlayerRef="p22">p22</Assist><SecondAssist PlayerRef="p23">p23</SecondAssist></Goal>`))
	own := fact(t, m, "opta:1")
	if own.Team != 2 || own.Player.ID != 11 || own.Player.Name != "Ada Lark" || own.Goal.Type != goalcast.OwnGoal ||
		!own.At.Equal(utc("2020-07-05T17:05:12")) {
		t.Errorf("%+v %+v", own, own.Goal)
	}
	if pen := fact(t, m, "opta:2"); pen.Goal.Type != goalcast.PenaltyGoal || pen.Goal.Assist.ID != 22 {
		t.Errorf("%+v", pen.Goal)
	}
	if got := scoreOf(m); got != (goalcast.Score{Away: 2}) {
		t.Errorf("score %v", got)
	}
}

// Substitution@Period is a number where all else is a word; Retired="1" says that nobody came on.
func TestTrapSubstitutionPeriodIsANumber(t *testing.T) {
	_, m := mustRead(t, "F7", f7(inPlay, `<Substitution EventID="1" Period="2" Time="60" SubOff="p11" SubOn="p12" Reason="Tactical"/>
		<Substitution EventID="2" Period="SecondHalf" Time="61" SubOff="p12" Retired="1" Reason="Injury"/><Substitution EventID="3" Period="2" Time="62"/>
		<Substitution EventID="4" Period="2" Time="45" SubOff="p13" SubOn="p14"/>`, ""))
	swap := fact(t, m, "opta:1")
	if swap.Period != goalcast.SecondHalf || swap.Substitution.Off.Name != "Ada Lark" ||
		swap.Substitution.On.Name != "Bee" || swap.Substitution.Reason != "tactical" || swap.Player != nil {
		t.Errorf("%+v %+v", swap, swap.Substitution)
	}
	if left := fact(t, m, "opta:2"); left.Substitution.On != nil || left.Substitution.Off.ID != 12 ||
		left.Substitution.Reason != "injury" {
		t.Errorf("%+v", left.Substitution)
	}
	if hasFact(m, "opta:3") {
		t.Error("a substitution of nobody")
	}
	if e := fact(t, m, "opta:4"); e.Minute != 45 || e.Period != goalcast.SecondHalf {
		t.Errorf("at half time: %d in %s", e.Minute, e.Period)
	}
}

func TestTrapCards(t *testing.T) {
	_, m := mustRead(t, "F7", f7(inPlay, `<Booking EventID="1" Card="Yellow" CardType="Yellow" Period="FirstHalf" PlayerRef="p11" Time="30" Reason="Foul"/>
		<Booking EventID="2" Card="Red" CardType="StraightRed" Period="FirstHalf" PlayerRef="p11" Time="30"/>
		<Booking EventID="3" Card="Red" CardType="SecondYellow" Period="SecondHalf" PlayerRef="p12" Time="50"/>
		<Booking EventID="4" Card="Yellow" CardType="Yellow" Period="SecondHalf" Time="51" Reason="Dissent"/>
		<Booking EventID="5" Card="Red" Period="SecondHalf" PlayerRef="p13" Time="52"/>
		<Booking EventID="6" Card="Green" CardType="Green" Period="SecondHalf" PlayerRef="p13" Time="52"/>`, ""))
	for id, want := range map[string]goalcast.Card{"opta:1": {Type: goalcast.Yellow, Reason: "Foul"},
		"opta:2": {Type: goalcast.StraightRed}, // in the same minute, and not a second yellow
		"opta:3": {Type: goalcast.SecondYellow}, "opta:4": {Type: goalcast.Yellow, Reason: "Dissent"},
		"opta:5": {Type: goalcast.StraightRed}} {
		if got := *fact(t, m, id).Card; got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	if coach := fact(t, m, "opta:4"); coach.Player != nil {
		t.Errorf("a coach's card has player %v", coach.Player)
	}
	if hasFact(m, "opta:6") {
		t.Error("a green card")
	}
}

// Kicks of a shoot-out are not goals, whether they stand in ShootOut (all of them) or as Goal (the
// scored ones) or, as at times, in both.
func TestTrapShootoutIsNotInTheScore(t *testing.T) {
	goals := `<Goal EventID="1" Period="FirstHalf" PlayerRef="p11" Time="5" Type="Goal"/><Goal EventID="2" Period="ShootOut" PlayerRef="p11" Time="120" Type="Penalty"/>`
	list := `<ShootOut FirstPenalty="1"><PenaltyShot EventID="2" Outcome="Scored" PlayerRef="p11" TimeStamp="20200705T203000+0100"/>
		<PenaltyShot EventID="3" Outcome="Missed" PlayerRef="p12"/><PenaltyShot EventID="4" PlayerRef="p13"/></ShootOut>`
	for name, home := range map[string]string{"goals": goals, "both": goals + list,
		"list": strings.Split(goals, "<Goal EventID=\"2\"")[0] + list} {
		_, m := mustRead(t, "F9", f7(`Period="ShootOut"><Date>20200705T180000+0100</Date>`, home, ""))
		if got := scoreOf(m); got != (goalcast.Score{Home: 1}) {
			t.Errorf("%s: score %v", name, got)
		}
		kick := fact(t, m, "opta:2")
		if kick.Kind != goalcast.KindShootoutKick || !kick.Kick.Scored || kick.Period != goalcast.Shootout ||
			kick.Minute != 0 {
			t.Errorf("%s: %+v", name, kick)
		}
		if missed := hasFact(m, "opta:3"); missed != (name != "goals") || missed && fact(t, m, "opta:3").Kick.Scored {
			t.Errorf("%s: missed kick: %v", name, ids(m))
		}
		if hasFact(m, "opta:4") {
			t.Errorf("%s: a kick that was not taken", name)
		}
		if want := "first_half half_time second_half full_time_90 shootout"; periodsOf(m) != want {
			t.Errorf("%s: periods %s, want %s", name, periodsOf(m), want)
		}
	}
}

// EventNumber and uID are places in a list and change; without EventID a fact is named after what
// it is, and stays so when an earlier one is taken away.
func TestTrapIdsWithoutEventID(t *testing.T) {
	first := `<Goal EventNumber="1276" uID="g1-1" Period="FirstHalf" PlayerRef="p11" Time="27" Type="Goal"/>`
	second := `<Goal EventNumber="%" uID="g1-%" Period="SecondHalf" PlayerRef="p12" Time="60" Type="Goal"/>`
	const id = "match:7:goal:1:12:second_half:60"
	_, m := mustRead(t, "F7", f7(inPlay, first+strings.ReplaceAll(second, "%", "2"), ""))
	fact(t, m, "match:7:goal:1:11:first_half:27")
	before := fact(t, m, id)
	_, m = mustRead(t, "F7", f7(inPlay, strings.ReplaceAll(second, "%", "1"), ""))
	if after := fact(t, m, id); !reflect.DeepEqual(before, after) {
		t.Errorf("%+v\n%+v", before, after)
	}
	_, m = mustRead(t, "F7", f7(inPlay, `<Goal EventID="no number" Period="FirstHalf" PlayerRef="p11" Time="5" Type="Goal"/>
		<Substitution Period="2" Time="60" SubOff="p11" SubOn="p12"/><Booking Card="Yellow" Period="FirstHalf" Time="9"/><Booking Card="Yellow" Period="FirstHalf" Time="9"/>`, ""))
	for _, id := range []string{"match:7:goal:1:11:first_half:5", "match:7:substitution:1:12:second_half:60",
		"match:7:card:1:0:first_half:9", "match:7:card:1:0:first_half:9:2"} {
		fact(t, m, id)
	}
}

func TestMissedPenaltyOfF7(t *testing.T) {
	_, m := mustRead(t, "F7", f7(inPlay, `<MissedPenalty EventID="1" PlayerRef="p11" Period="SecondHalf" Time="60" Type="Saved"/>`, ""))
	if e := fact(t, m, "opta:1"); e.Kind != goalcast.KindMissedPenalty || e.Player.ID != 11 || e.Minute != 60 ||
		e.Goal != nil {
		t.Errorf("%+v", e)
	}
}

// MatchInfo@Period names the newest period and implies those before it, but extra time only if
// something tells of it.
func TestPeriodsOfF7(t *testing.T) {
	for name, tt := range map[string]struct{ info, home, want string }{
		"before":           {`Period="PreMatch">`, "", ""},
		"first half":       {`Period="FirstHalf">`, "", "first_half"},
		"half time":        {`Period="HalfTime">`, "", "first_half half_time"},
		"second half":      {`Period="SecondHalf">`, "", "first_half half_time second_half"},
		"the end":          {`Period="FullTime">`, "", "first_half half_time second_half full_time"},
		"a pause after 90": {`Period="FullTime90">`, "", "first_half half_time second_half full_time_90"},
		"extra time": {`Period="ExtraFirstHalf">`, "",
			"first_half half_time second_half full_time_90 extra_first_half"},
		"pause in extra time": {`Period="ExtraHalfTime">`, "",
			"first_half half_time second_half full_time_90 extra_first_half extra_half_time"},
		"a goal in extra time": {`Period="FullTime">`,
			`<Goal EventID="1" Period="ExtraSecondHalf" Time="118" PlayerRef="p11"/>`,
			"first_half half_time second_half full_time_90 " +
				"extra_first_half extra_half_time extra_second_half full_time"},
		"result after extra time": {`Period="FullTime"><Result Type="AfterExtraTime"/>`, "",
			"first_half half_time second_half full_time_90 " +
				"extra_first_half extra_half_time extra_second_half full_time"},
		"straight to penalties": {`Period="FullTime"><Result Type="PenaltyShootout"/>`, "",
			"first_half half_time second_half full_time_90 shootout full_time"},
		"extra time, penalties": {`Period="FullTime"><Result Type="PenaltyShootout"/>`,
			`<Booking EventID="1" Card="Yellow" Period="ExtraFirstHalf" Time="99" PlayerRef="p11"/>`,
			"first_half half_time second_half full_time_90 extra_first_half extra_half_time extra_second_half " +
				"extra_full_time shootout full_time"},
		"abandoned in the second half": {`Period="Abandoned">`,
			`<Goal EventID="1" Period="SecondHalf" Time="60" PlayerRef="p11"/>`, "first_half half_time second_half"},
		"abandoned, nothing known": {`Period="Abandoned">`, "", ""},
		"a word nobody knows": {`Period="Interrupted">`,
			`<Goal EventID="1" Period="FirstHalf" Time="6" PlayerRef="p11"/>`, "first_half"},
	} {
		_, m := mustRead(t, "F7", f7(tt.info, tt.home, ""))
		if got := periodsOf(m); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestPostponedAndAbandonedInF7(t *testing.T) {
	for info, want := range map[string]goalcast.MatchState{`Period="Postponed">`: goalcast.Postponed,
		`Period="Abandoned">`:                             goalcast.Abandoned,
		`Period="SecondHalf"><Result Type="Abandoned"/>`:  goalcast.Abandoned,
		`Period="FullTime"><Result Type="NormalResult"/>`: "", `Period="PreMatch">`: ""} {
		if _, m := mustRead(t, "F7", f7(info, "", "")); m.Fixture.Halted != want {
			t.Errorf("%s: %q, want %q", info, m.Fixture.Halted, want)
		}
	}
}

// When periods began: by the statistics, by MatchInfo@TimeStamp for the newest, else not known. A
// Stat without Type occurs.
func TestWhenPeriodsBeganInF7(t *testing.T) {
	body := strings.Replace(f7(inPlay, "", ""), "<TeamData ",
		`<Stat>1</Stat><Stat Type="first_half_start">20200507T180012</Stat><TeamData `, 1)
	_, m := mustRead(t, "F7", body)
	for id, want := range map[string]string{"match:7:period:first_half": "2020-07-05T17:00:12",
		"match:7:period:second_half": "2020-07-05T18:59:00"} {
		if got := fact(t, m, id).At; !got.Equal(utc(want)) {
			t.Errorf("%s at %v, want %s", id, got, want)
		}
	}
	if got := fact(t, m, "match:7:period:half_time").At; !got.IsZero() {
		t.Errorf("half time at %v, which nobody told", got)
	}
}

func TestLineupOfF7(t *testing.T) {
	_, m := mustRead(t, "F9", f7(inPlay, `<PlayerLineUp>
		<MatchPlayer PlayerRef="p31" Status="Sub" Position="Substitute" SubPosition="Forward" ShirtNumber="22" Formation_Place="0"/>
		<MatchPlayer PlayerRef="p30" Status="Sub" Position="Substitute" ShirtNumber="12"/>
		<MatchPlayer PlayerRef="p12" Status="Start" Position="Striker" ShirtNumber="9" Formation_Place="9" Captain="1"/>
		<MatchPlayer PlayerRef="p11" Status="Start" Position="Goalkeeper" ShirtNumber="1"><Stat Type="touches">44</Stat><Stat Type="formation_place">1</Stat></MatchPlayer>
		<MatchPlayer Status="Start" Position="Defender"/></PlayerLineUp><Stat Type="formation_used">4231</Stat>`, ""))
	e := fact(t, m, "match:7:lineup:1")
	want := goalcast.Lineup{Team: 1, Formation: "4231", Players: []goalcast.LineupPlayer{
		{Player: goalcast.Player{ID: 11, Name: "Ada Lark"}, Shirt: 1, Position: "goalkeeper", Place: 1, Start: true},
		{Player: goalcast.Player{ID: 12, Name: "Bee"}, Shirt: 9, Position: "striker", Place: 9, Start: true,
			Captain: true},
		{Player: goalcast.Player{ID: 30}, Shirt: 12},
		{Player: goalcast.Player{ID: 31}, Shirt: 22, Position: "striker"},
	}}
	if !reflect.DeepEqual(*e.Lineup, want) || e.Period != goalcast.PreMatch || e.Team != 1 {
		t.Errorf("%+v, want %+v", *e.Lineup, want)
	}
	if hasFact(m, "match:7:lineup:2") {
		t.Error("a line-up of nobody")
	}
}

// Unknown periods, elements and numbers that are none cost only the element they are in.
func TestUnknownThingsInF7AreSkipped(t *testing.T) {
	_, m := mustRead(t, "F7", f7(inPlay, `<Goal EventID="1" Period="GoldenHalf" Time="5" PlayerRef="p11"/><Goal EventID="2" Period="FirstHalf" Time="x" Sec="-3" PlayerRef="q"/>
		<Firework EventID="3"/><Goal EventID="4" Time="50" PlayerRef="p11"/><Goal EventID="99999999999999999999" Period="FirstHalf" Time="7" PlayerRef="p11"/>`, ""))
	if hasFact(m, "opta:1") || hasFact(m, "opta:3") {
		t.Errorf("%v", ids(m))
	}
	if e := fact(t, m, "opta:2"); e.Minute != 0 || e.Second != 0 || e.Player != nil {
		t.Errorf("%+v", e)
	}
	if e := fact(t, m, "opta:4"); e.Period != goalcast.SecondHalf {
		t.Errorf("%+v", e)
	}
	fact(t, m, "match:7:goal:1:11:first_half:7")
}

// The head coach stands with the line-up, whichever of the team's officials is told first.
func TestHeadCoachOfALineup(t *testing.T) {
	lineup := `<PlayerLineUp><MatchPlayer PlayerRef="p11" Status="Start" ShirtNumber="1" Position="Goalkeeper"/></PlayerLineUp>`
	official := func(kind, id, name string) string {
		return `<TeamOfficial Type="` + kind + `" uID="` + id + `"><PersonName><First>Jo</First><Last>` + name +
			`</Last></PersonName></TeamOfficial>`
	}
	doc := f7(inPlay, lineup, "")
	for name, tt := range map[string]struct {
		officials string
		want      *goalcast.Coach
	}{
		"none":    {"", nil},
		"manager": {official("Manager", "man5", "Maes"), &goalcast.Coach{ID: 5, Name: "Jo Maes"}},
		"with others": {official("Assistant Manager", "man4", "Aerts") + official("Trainer", "man6", "Thijs") +
			official("Manager", "man5", "Maes") + official("Coach", "man7", "Claes"),
			&goalcast.Coach{ID: 5, Name: "Jo Maes"}},
		"assistant": {official("Assistant Manager", "man4", "Aerts"), nil},
	} {
		at := strings.Index(doc, `<Team uID="t1">`) + len(`<Team uID="t1">`)
		_, m := mustRead(t, "F7", doc[:at]+tt.officials+doc[at:])
		if got := fact(t, m, "match:7:lineup:1").Lineup.Coach; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	_, read := mustRead(t, "F7", string(samples.Read(t, "opta/f7/Bolton_ManCityF7.xml")))
	for team, want := range map[goalcast.TeamID]int64{30: 37403, 43: 96} {
		if c := fact(t, read, lineupID(read.Match, team)).Lineup.Coach; c == nil || c.ID != want {
			t.Errorf("real F7, team %d: %+v", team, c)
		}
	}
}
