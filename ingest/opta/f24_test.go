package opta

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// ev is an Event of team 1 in the second half; more attributes and qualifiers ("9"
// or "55=12") can follow.
func ev(id int, kind int, attributes string, qualifiers ...string) string {
	out := fmt.Sprintf(`<Event id="%d" event_id="%d" type_id="%d" outcome="1" x="0.0" y="0.0" %s>`, id, id%1000, kind,
		attributes)
	for i, q := range qualifiers {
		number, value, ok := strings.Cut(q, "=")
		out += fmt.Sprintf(`<Q id="%d" qualifier_id="%s"`, i, number)
		if ok {
			out += fmt.Sprintf(` value="%s"`, value)
		}
		out += " />"
	}
	return out + "</Event>\n"
}

const (
	second = `period_id="2" min="60" sec="12" player_id="11" team_id="1" timestamp="2020-07-05T19:17:12.47" last_modified="2020-07-07T11:00:00"`
	away   = `period_id="2" min="60" sec="12" player_id="21" team_id="2" timestamp="2020-07-05T19:17:12.47"`
	kick   = `period_id="5" min="120" sec="0" player_id="11" team_id="1" timestamp="2020-07-05T20:17:12.47"`
)

func TestFixtureOfF24(t *testing.T) {
	_, m := mustRead(t, "F24", f24(""))
	want := goalcast.Fixture{Competition: goalcast.Competition{ID: 3, Name: "Example League"}, Season: "2019",
		Matchday: 31,
		Home:     goalcast.Team{ID: 1, Name: "Northbridge"}, Away: goalcast.Team{ID: 2, Name: "Southwold Rovers"},
		Kickoff: utc("2020-07-05T17:00:00")}
	if m.Match != 7 || !reflect.DeepEqual(*m.Fixture, want) || len(m.Facts) != 0 {
		t.Errorf("%d %+v %v, want %+v", m.Match, *m.Fixture, ids(m), want)
	}
}

func TestGoalOfF24(t *testing.T) {
	_, m := mustRead(t, "F24", f24(ev(5010, 1, second)+ev(6010, 1, away)+ev(5016, 16, second, "29", "55=10", "20")+
		ev(5017, 16, second, "9")+ev(5018, 16, second, "55=10")))
	want := goalcast.Event{ID: "opta:5016", Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Match: 7, Team: 1,
		Player: &goalcast.Player{ID: 11}, Period: goalcast.SecondHalf,
		Minute: 61, Second: 12, At: utc("2020-07-05T18:17:12.047"), Goal: &goalcast.Goal{Type: goalcast.OpenPlay,
			Assist: &goalcast.Player{ID: 11}}}
	if got := fact(t, m, "opta:5016"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := fact(t, m, "opta:5017").Goal; got.Type != goalcast.PenaltyGoal || got.Assist != nil {
		t.Errorf("penalty %+v", got)
	}
	if got := fact(t, m, "opta:5018").Goal; got.Assist != nil {
		t.Errorf("Q55 without Q29 is no assist: %+v", got)
	}
	if got := scoreOf(m); got != (goalcast.Score{Home: 3}) {
		t.Errorf("score %v", got)
	}
}

// event_id counts per team: both teams have a 10. An assist is by the scorer's own team.
func TestTrapEventIDCountsPerTeam(t *testing.T) {
	_, m := mustRead(t, "F24", f24(ev(6010, 1, away)+ev(5010, 1, strings.Replace(second, `"11"`, `"19"`, 1))+ev(5016,
		16, second, "29", "55=10")))
	if got := fact(t, m, "opta:5016").Goal.Assist; got == nil || got.ID != 19 {
		t.Errorf("assist by %+v, want 19", got)
	}
}

// F24 gives an own goal to the scorer's team; the other side gains it. F7 says so at once,
// and the two must agree.
func TestTrapOwnGoalHasTheScorersTeam(t *testing.T) {
	_, m := mustRead(t, "F24", f24(ev(5016, 16, second, "28")+ev(5017, 16, away, "28")+ev(5018, 16, away, "28")))
	if e := fact(t, m, "opta:5016"); e.Team != 2 || e.Player.ID != 11 || e.Goal.Type != goalcast.OwnGoal {
		t.Errorf("%+v", e)
	}
	if got := scoreOf(m); got != (goalcast.Score{Home: 2, Away: 1}) {
		t.Errorf("score %v", got)
	}
}

func TestTrapShootoutKicksOfF24AreNoGoals(t *testing.T) {
	_, m := mustRead(t, "F24", f24(ev(1, 16, kick, "9")+ev(2, 15, kick, "9")+ev(3, 13, kick)+ev(4, 14, kick)))
	if got := scoreOf(m); got != (goalcast.Score{}) {
		t.Errorf("score %v", got)
	}
	for id, scored := range map[string]bool{"opta:1": true, "opta:2": false, "opta:3": false, "opta:4": false} {
		if e := fact(t, m, id); e.Kind != goalcast.KindShootoutKick || e.Kick.Scored != scored ||
			e.Period != goalcast.Shootout || e.Minute != 0 {
			t.Errorf("%+v", e)
		}
	}
}

func TestMissedPenaltyOfF24(t *testing.T) {
	_, m := mustRead(t, "F24", f24(ev(1, 13, second, "9")+ev(2, 14, second, "9")+ev(3, 15, second, "9")+ev(4, 15,
		second)+ev(5, 58, away, "9")))
	for _, id := range []string{"opta:1", "opta:2", "opta:3"} {
		if e := fact(t, m, id); e.Kind != goalcast.KindMissedPenalty || e.Player.ID != 11 {
			t.Errorf("%+v", e)
		}
	}
	if len(m.Facts) != 3 {
		t.Errorf("%v", ids(m))
	}
}

func TestTrapCardsOfF24(t *testing.T) {
	noPlayer := strings.Replace(second, ` player_id="11"`, "", 1)
	_, m := mustRead(t, "F24", f24(ev(1, 17, second, "13=243", "31")+ev(2, 17, second, "32")+ev(3, 17, second, "33",
		"36")+ev(4, 17, noPlayer, "31", "184")+ev(5, 17, second, "13")))
	for id, want := range map[string]goalcast.Card{"opta:1": {Type: goalcast.Yellow, Reason: "Foul"},
		"opta:2": {Type: goalcast.SecondYellow},
		"opta:3": {Type: goalcast.StraightRed, Reason: "Fight"}, "opta:4": {Type: goalcast.Yellow, Reason: "Dissent"}} {
		if got := *fact(t, m, id).Card; got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	if coach := fact(t, m, "opta:4"); coach.Player != nil {
		t.Errorf("a coach's card has player %v", coach.Player)
	}
	if hasFact(m, "opta:5") {
		t.Error("a card without colour")
	}
}

// A contentious decision (65) may carry the qualifier of a red card: a review, not a card.
func TestTrapReviewIsNoCard(t *testing.T) {
	for name, tt := range map[string]struct {
		qualifiers []string
		want       goalcast.VAR
	}{
		"red card":              {[]string{"33"}, goalcast.VAR{Subject: "red_card", Outcome: "not_told"}},
		"red card under review": {[]string{"33", "343"}, goalcast.VAR{Subject: "red_card", Outcome: "under_review"}},
		"goal under review": {[]string{"329", "343"}, goalcast.VAR{Subject: "goal", Outcome: "under_review",
			Decision: "awarded"}},
		"goal taken back": {[]string{"336", "329"}, goalcast.VAR{Subject: "goal", Outcome: "cancelled",
			Decision: "awarded"}},
		"goal after all": {[]string{"336", "341"}, goalcast.VAR{Subject: "goal", Outcome: "cancelled",
			Decision: "not_awarded"}},
		"goal stands": {[]string{"329", "335", "343"}, goalcast.VAR{Subject: "goal", Outcome: "confirmed",
			Decision: "awarded"}},
		"no goal stands": {[]string{"341", "335"}, goalcast.VAR{Subject: "goal", Outcome: "confirmed",
			Decision: "not_awarded"}},
		"penalty taken back": {[]string{"330", "336"}, goalcast.VAR{Subject: "penalty", Outcome: "cancelled",
			Decision: "awarded"}},
		"penalty after all": {[]string{"331", "336"}, goalcast.VAR{Subject: "penalty", Outcome: "cancelled",
			Decision: "not_awarded"}},
		"red card taken back": {[]string{"342", "336"}, goalcast.VAR{Subject: "red_card", Outcome: "cancelled",
			Decision: "awarded"}},
		"upgrade taken back": {[]string{"332", "336"}, goalcast.VAR{Subject: "red_card", Outcome: "cancelled",
			Decision: "upgraded"}},
		"goal not given":     {[]string{"341"}, goalcast.VAR{Subject: "goal", Outcome: "not_awarded"}},
		"penalty":            {[]string{"330"}, goalcast.VAR{Subject: "penalty", Outcome: "awarded"}},
		"no penalty":         {[]string{"331"}, goalcast.VAR{Subject: "penalty", Outcome: "not_awarded"}},
		"yellow becomes red": {[]string{"332"}, goalcast.VAR{Subject: "red_card", Outcome: "upgraded"}},
		"red card by VAR":    {[]string{"33", "342"}, goalcast.VAR{Subject: "red_card", Outcome: "awarded"}},
		"mistaken identity": {[]string{"333", "335"}, goalcast.VAR{Subject: "mistaken_identity",
			Outcome: "confirmed"}},
		"something else":         {[]string{"334"}, goalcast.VAR{Subject: "other", Outcome: "not_told"}},
		"nothing but that it is": {[]string{"364"}, goalcast.VAR{Subject: "other", Outcome: "under_review"}},
	} {
		_, m := mustRead(t, "F24", f24(ev(1, 65, second, tt.qualifiers...)))
		if len(m.Facts) != 1 || m.Facts[0].ID != "opta:1" || m.Facts[0].Kind != goalcast.KindVAR ||
			m.Facts[0].Card != nil || *m.Facts[0].VAR != tt.want {
			t.Errorf("%s: %+v, want %+v", name, m.Facts, tt.want)
		}
	}
	if _, m := mustRead(t, "F24", f24(ev(1, 65, second, "56=Center"))); len(m.Facts) != 0 {
		t.Errorf("a decision before there were video referees: %v", ids(m))
	}
}

// Nothing is under review any more when the match is over, whether a document says how it ended or
// not; and a goal that was looked at counts.
func TestReviewsEndWithTheMatch(t *testing.T) {
	events := ev(1, 65, second, "33", "343") + ev(2, 65, second, "329", "343") + ev(3, 16, second, "343")
	_, m := mustRead(t, "F24", f24(events))
	if first, goal := fact(t, m, "opta:1").VAR, fact(t, m, "opta:3"); first.Outcome != "under_review" ||
		goal.Status != goalcast.Provisional {
		t.Errorf("in play: %+v, goal %s", first, goal.Status)
	}
	_, m = mustRead(t, "F24", f24(events+part(7, 30, 2, 1, "19:50:00.0", "209")))
	if got, want := *fact(t, m, "opta:1").VAR, (goalcast.VAR{Subject: "red_card", Outcome: "not_told"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := *fact(t, m, "opta:2").VAR, (goalcast.VAR{Subject: "goal", Outcome: "awarded"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if goal := fact(t, m, "opta:3"); goal.Status != goalcast.Confirmed {
		t.Errorf("goal %s", goal.Status)
	}
}

// Where no clock runs nothing has a minute, whatever stands in the document.
func TestNoMinuteWhereNoClockRuns(t *testing.T) {
	for _, period := range []int{5, 10, 11, 12, 13, 14, 16} {
		at := fmt.Sprintf(`period_id="%d" min="0" sec="7" player_id="11" team_id="1" timestamp="2020-07-05T19:17:12.47"`, period)
		_, m := mustRead(t, "F24", f24(ev(1, 17, at, "33")+ev(2, 18, at, "55=3")+ev(3, 19, at, "55=2")+ev(4, 20, at)+
			ev(5, 65, at, "342")+ev(6, 16, at)+ev(7, 75, at)))
		if len(m.Facts) < 4 {
			t.Errorf("period %d: %v", period, ids(m))
		}
		for _, e := range m.Facts {
			if e.Minute != 0 || e.Second != 0 {
				t.Errorf("period %d: %s %s has minute %d:%d", period, e.Kind, e.ID, e.Minute, e.Second)
			}
		}
	}
	for _, period := range []string{"HalfTime", "FullTime", "10", "14", "PreMatch", "ShootOut"} {
		at := fmt.Sprintf(`EventID="%%d" Period="%s" Min="45" Sec="7" Time="46" PlayerRef="p11"`, period)
		_, m := mustRead(t, "F7", f7(inPlay, fmt.Sprintf(`<Goal `+at+`/><Booking Card="Red" `+at+
			`/><Substitution SubOff="p11" `+at+`/><MissedPenalty `+at+`/>`, 1, 2, 3, 4), ""))
		for _, e := range m.Facts {
			if e.Minute != 0 || e.Second != 0 {
				t.Errorf("period %s: %s %s has minute %d:%d", period, e.Kind, e.ID, e.Minute, e.Second)
			}
		}
	}
}

// What an F24 may hold is limited in all directions, each with a word about it.
func TestLimitsOfDocuments(t *testing.T) {
	games := strings.Repeat(`<Game id="8"/>`, maxGames+1)
	goals := ""
	for i := range maxEvents + 1 {
		goals += fmt.Sprintf(`<Goal EventID="%d" Period="1" Time="3"/>`, i+1)
	}
	people, inLineup, matches := "", "", ""
	for i := range max(maxPeople, maxInLineup) + 1 {
		people += fmt.Sprintf(`<Player uID="p%d"><PersonName><Last>A</Last></PersonName></Player>`, i+1)
		inLineup += fmt.Sprintf(`<MatchPlayer PlayerRef="p%d"/>`, i+1)
	}
	for i := range merge.MaxMatches + 1 {
		matches += fmt.Sprintf(`<MatchData uID="g%d"/>`, i+1)
	}
	for name, tt := range map[string]struct{ feed, body, want string }{
		"games": {"F24", `<Games timestamp="2020-07-05T20:05:00">` + games + `</Games>`, "elements Game"},
		"goals": {"F7", f7(inPlay, goals, ""), "goals, cards"},
		"people": {"F7", strings.Replace(f7(inPlay, "", ""), "<Name>Southwold", people+"<Name>Southwold", 1),
			"players"},
		"line-up": {"F7", f7(inPlay, "<PlayerLineUp>"+inLineup+"</PlayerLineUp>", ""), "line-up"},
		"sides": {"F7", strings.Replace(f7(inPlay, "", ""), "</MatchData>",
			strings.Repeat(`<TeamData TeamRef="t3"/>`, maxSides)+"</MatchData>", 1), "TeamData"},
		"documents": {"F7", `<SoccerFeed TimeStamp="20200705T200500+0100">` +
			strings.Repeat(`<SoccerDocument uID="f7" Type="Latest"/>`, maxDocuments+1) + `</SoccerFeed>`,
			"SoccerDocument"},
		"matches": {"F1", `<SoccerFeed><SoccerDocument Type="RESULTS Latest" timestamp="2011-10-26 09-00-38">` +
			matches + `</SoccerDocument></SoccerFeed>`, "matches in one list"},
	} {
		if _, err := New().Read(document(tt.feed, tt.body)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %.200v, want one with %q", name, err, tt.want)
		}
	}
}

// A substitution is two events, joined by Q55 of both, or of the one who comes on alone (older
// files), or by team and minute. It has the id of the one who comes on.
func TestTrapSubstitutionIsTwoEvents(t *testing.T) {
	at := func(sec, player int) string {
		return fmt.Sprintf(`period_id="2" min="45" sec="%d" player_id="%d" team_id="1" timestamp="2020-07-05T19:02:00.0"`, sec, player)
	}
	for name, events := range map[string]string{
		"both refer": ev(1, 18, at(0, 11), "55=3", "42") + ev(2, 18, at(0, 12), "55=4") + ev(3, 19, at(0, 13),
			"55=1", "42") + ev(4, 19, at(0, 14), "55=2", "41"),
		"only on refers": ev(4, 19, at(0, 14), "55=2", "41") + ev(1, 18, at(0, 11), "42") + ev(3, 19, at(0, 13),
			"55=1", "42") + ev(2, 18, at(0, 12)),
		"only off refers": ev(4, 19, at(0, 14), "41") + ev(1, 18, at(0, 11), "55=3", "42") + ev(3, 19, at(0, 13),
			"42") + ev(2, 18, at(0, 12), "55=4"),
		"by second": ev(4, 19, at(7, 14), "41") + ev(3, 19, at(0, 13), "42") + ev(1, 18, at(0, 11), "42") +
			ev(2, 18, at(7, 12)),
		"by minute, around": ev(4, 19, at(9, 14), "41") + ev(3, 19, at(0, 13), "42") + ev(1, 18, at(2, 11), "42") +
			ev(2, 18, at(7, 12)),
		"the other team's": ev(3, 19, at(0, 13), "55=1", "42") + ev(4, 19, at(0, 14), "55=2", "41") +
			strings.ReplaceAll(ev(9001, 18, at(0, 99))+ev(9002, 18, at(0, 98)), `team_id="1"`, `team_id="2"`) +
			ev(1, 18, at(0, 11)) + ev(2, 18, at(0, 12)),
	} {
		_, m := mustRead(t, "F24", f24(events))
		if len(m.Facts) != 2 {
			t.Errorf("%s: %v, want two", name, ids(m))
		}
		first, then := fact(t, m, "opta:3").Substitution, fact(t, m, "opta:4").Substitution
		if first.Off == nil || first.Off.ID != 11 || first.On.ID != 13 || first.Reason != "tactical" {
			t.Errorf("%s: %+v off %+v on %+v", name, first, first.Off, first.On)
		}
		if then.Off == nil || then.Off.ID != 12 || then.On.ID != 14 || then.Reason != "injury" {
			t.Errorf("%s: %+v off %+v on %+v", name, then, then.Off, then.On)
		}
	}
	_, m := mustRead(t, "F24", f24(ev(1, 18, at(0, 11))))
	if len(m.Facts) != 0 {
		t.Errorf("half a substitution: %v", ids(m))
	}
	_, m = mustRead(t, "F24", f24(ev(3, 19, at(0, 13), "55=1")))
	if s := fact(t, m, "opta:3").Substitution; s.On.ID != 13 || s.Off != nil {
		t.Errorf("the other half: %+v", s)
	}
	_, m = mustRead(t, "F24", f24(ev(20, 20, at(0, 11), "41")))
	if s := fact(t, m, "opta:20").Substitution; s.Off.ID != 11 || s.On != nil || s.Reason != "injury" {
		t.Errorf("nobody came on: %+v", s)
	}
}

// Minutes agree with F7: elapsed + 1, but as written when the second is 0; and 45 for a
// substitution at half time, as in the live F9 of the samples.
func TestTrapMinuteOfF24(t *testing.T) {
	for _, tt := range []struct{ min, sec, want int }{{0, 0, 1}, {0, 1, 1}, {26, 57, 27}, {78, 0, 78}, {45, 0, 45},
		{45, 1, 46}, {92, 11, 93}} {
		if got := minuteShown(tt.min, tt.sec); got != tt.want {
			t.Errorf("%d:%02d is minute %d, want %d", tt.min, tt.sec, got, tt.want)
		}
	}
}

// part is a start (32) or end (30) of a period by one team.
func part(id, kind, period, team int, clock string, qualifiers ...string) string {
	return ev(id, kind, fmt.Sprintf(`period_id="%d" min="0" sec="0" team_id="%d" timestamp="2020-07-05T%s"`, period,
		team, clock), qualifiers...)
}

func TestTrapPeriodsAreToldPerTeam(t *testing.T) {
	firstHalf := part(1, 32, 1, 1, "18:00:10.2") + part(2, 32, 1, 2, "18:00:10.7") + part(3, 30, 1, 2, "18:46:02.0",
		"57=0") + part(4, 30, 1, 1, "18:46:01.0", "57=0")
	secondHalf := firstHalf + part(5, 32, 2, 1, "19:02:00.0") + part(6, 32, 2, 2, "19:02:00.0")
	extra := part(9, 32, 3, 1, "19:55:00.0") + part(10, 30, 3, 1, "20:11:00.0") + part(11, 32, 4, 1, "20:12:00.0")
	shootout := extra + part(12, 30, 4, 1, "20:28:00.0") + part(13, 32, 5, 1, "20:33:00.0")
	const played, extraPlayed = "first_half half_time second_half", "first_half half_time second_half full_time_90 " +
		"extra_first_half extra_half_time extra_second_half"
	for name, tt := range map[string]struct{ events, want string }{
		"one team only":         {part(2, 32, 1, 2, "18:00:10.7"), "first_half"},
		"half time":             {firstHalf, "first_half half_time"},
		"second half":           {secondHalf, played},
		"end, not said of what": {secondHalf + part(7, 30, 2, 1, "19:50:00.0", "57=0"), played},
		"the end":               {secondHalf + part(7, 30, 2, 1, "19:50:00.0", "57=0", "209"), played + " full_time"},
		"the end, by period 14": {secondHalf + part(7, 30, 2, 1, "19:50:00.0") + part(8, 30, 14, 1, "19:52:00.0",
			"57=1", "209"), played + " full_time"},
		"extra time follows":   {secondHalf + part(7, 30, 2, 1, "19:50:00.0", "308"), played + " full_time_90"},
		"penalties follow":     {secondHalf + part(7, 30, 2, 1, "19:50:00.0", "309"), played + " full_time_90"},
		"extra time has begun": {secondHalf + part(7, 30, 2, 1, "19:50:00.0") + extra, extraPlayed},
		"and Q209 was wrong":   {secondHalf + part(7, 30, 2, 1, "19:50:00.0", "209") + extra, extraPlayed},
		"end of extra time": {secondHalf + part(7, 30, 2, 1, "19:50:00.0") + extra + part(12, 30, 4, 1,
			"20:28:00.0", "209"), extraPlayed + " full_time"},
		"shoot-out": {secondHalf + part(7, 30, 2, 1, "19:50:00.0") + shootout,
			extraPlayed + " extra_full_time shootout"},
		"shoot-out is over": {secondHalf + part(7, 30, 2, 1, "19:50:00.0") + shootout + part(14, 30, 5, 1,
			"20:43:00.0", "209"), extraPlayed + " extra_full_time shootout full_time"},
		"of periods that are not": {firstHalf + part(7, 30, 10, 1, "19:01:00.0") + part(8, 32, 14, 1, "19:01:00.0") +
			part(9, 32, 77, 1, "19:01:00.0"), "first_half half_time"},
	} {
		_, m := mustRead(t, "F24", f24(tt.events))
		if got := periodsOf(m); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	_, m := mustRead(t, "F24", f24(secondHalf+part(7, 30, 2, 1, "19:50:00.0", "209")+part(8, 30, 14, 1, "19:52:00.0",
		"209")))
	for id, want := range map[string]string{"match:7:period:first_half": "2020-07-05T17:00:10.002",
		"match:7:period:half_time":   "2020-07-05T17:46:01",
		"match:7:period:second_half": "2020-07-05T18:02:00", "match:7:period:full_time": "2020-07-05T18:50:00"} {
		if e := fact(t, m, id); !e.At.Equal(utc(want)) || e.Team != 0 || e.Minute != 0 {
			t.Errorf("%s: %+v, want at %s", id, e, want)
		}
	}
}

// A deleted event keeps its id and says in Q144 what it was: whatever came of it is cancelled.
func TestTrapDeletedEventIsCancelled(t *testing.T) {
	at := func(player int) string { return strings.Replace(second, `"11"`, fmt.Sprintf(`"%d"`, player), 1) }
	_, m := mustRead(t, "F24", f24(ev(1, 43, second, "144=16", "28=0")+ev(2, 43, second, "144=17", "31=0", "184=0")+
		ev(3, 43, second, "144=17")+ev(4, 43, at(14), "144=19", "55=5")+
		ev(5, 43, second, "144=18")+ev(6, 43, second, "144=65", "329")+ev(7, 43, second, "144=15", "9")+ev(8, 43, kick,
		"144=16")+ev(9, 43, second, "144=20")+
		ev(10, 43, second, "144=1")+ev(11, 43, second)+ev(12, 43, second, "144=x")+ev(13, 43, second, "144=15")+
		ev(14, 43, second, "144=70", "277=4")+ev(15, 43, second, "144=16")))
	for id, kind := range map[string]goalcast.Kind{"opta:1": goalcast.KindGoal, "opta:2": goalcast.KindCard,
		"opta:3": goalcast.KindCard, "opta:4": goalcast.KindSubstitution,
		"opta:6": goalcast.KindVAR, "opta:7": goalcast.KindMissedPenalty, "opta:8": goalcast.KindShootoutKick,
		"opta:9":  goalcast.KindSubstitution,
		"opta:14": goalcast.KindAddedTime, "opta:15": goalcast.KindGoal} {
		if e := fact(t, m, id); e.Status != goalcast.Cancelled || e.Kind != kind || e.At.IsZero() {
			t.Errorf("%+v, want %s cancelled", e, kind)
		}
	}
	if len(m.Facts) != 10 {
		t.Errorf("%v", ids(m))
	}
	if e := fact(t, m, "opta:1"); e.Team != 2 || e.Goal.Type != goalcast.OwnGoal || e.Minute != 61 ||
		e.Player.ID != 11 {
		t.Errorf("what was left of the goal: %+v %+v", e, e.Goal)
	}
	if e := fact(t, m, "opta:15"); e.Goal == nil || e.Goal.Type != "" {
		t.Errorf("nothing was left of the goal: %+v", e.Goal)
	}
	if c := fact(t, m, "opta:2").Card; c.Type != goalcast.Yellow || c.Reason != "Dissent" {
		t.Errorf("what was left of the card: %+v", c)
	}
	if s := fact(t, m, "opta:4").Substitution; s.On.ID != 14 || s.Off == nil || s.Off.ID != 11 {
		t.Errorf("what was left of the substitution: %+v", s)
	}
	if got := scoreOf(m); got != (goalcast.Score{}) {
		t.Errorf("score %v", got)
	}
}

// Of a substitution that was entered again, only the old one is cancelled; a player who came on
// stays even when who went off is deleted and not told again yet.
func TestTrapDeletedPartOfASubstitution(t *testing.T) {
	at := func(player int) string { return strings.Replace(second, `"11"`, fmt.Sprintf(`"%d"`, player), 1) }
	_, m := mustRead(t, "F24", f24(ev(1, 43, at(11), "144=18", "55=2")+ev(2, 43, at(13), "144=19", "55=1")+ev(3, 18,
		at(12), "55=4")+ev(4, 19, at(13), "55=3")))
	if e := fact(t, m, "opta:2"); e.Status != goalcast.Cancelled || e.Substitution.Off.ID != 11 {
		t.Errorf("%+v", e)
	}
	if e := fact(t, m, "opta:4"); e.Status != goalcast.Confirmed || e.Substitution.Off.ID != 12 {
		t.Errorf("%+v", e)
	}
	_, m = mustRead(t, "F24", f24(ev(1, 43, at(11), "144=18", "55=2")+ev(2, 19, at(13), "55=1")))
	if e := fact(t, m, "opta:2"); e.Status != goalcast.Confirmed || e.Substitution.Off != nil {
		t.Errorf("%+v", e)
	}
	_, m = mustRead(t, "F24", f24(ev(1, 43, at(11), "144=18", "55=2")+ev(2, 19, at(13), "55=1")+ev(3, 18, at(12))))
	if e := fact(t, m, "opta:2"); e.Status != goalcast.Confirmed || e.Substitution.Off == nil ||
		e.Substitution.Off.ID != 12 {
		t.Errorf("%+v", e)
	}
}

// The start of a period is taken back only if neither team's stands.
func TestTrapDeletedPeriodStart(t *testing.T) {
	deleted := func(id, team int) string { return part(id, 43, 2, team, "19:02:00.0", "144=32") }
	_, m := mustRead(t, "F24", f24(deleted(1, 1)+part(2, 32, 2, 2, "19:03:00.0")))
	if e := fact(t, m, "match:7:period:second_half"); e.Status != goalcast.Confirmed ||
		!e.At.Equal(utc("2020-07-05T18:03:00")) {
		t.Errorf("%+v", e)
	}
	_, m = mustRead(t, "F24", f24(deleted(1, 1)+deleted(2, 2)))
	if e := fact(t, m, "match:7:period:second_half"); e.Status != goalcast.Cancelled || len(m.Facts) != 1 {
		t.Errorf("%+v", e)
	}
}

func lineupOfTeam(id, kind, team int, clock string, more ...string) string {
	lists := []string{"30=101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113",
		"44=1, 2, 2, 3, 2, 2, 3, 3, 4, 4, 4, 5, 5",
		"59=1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 31, 12", "131=1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10, 0, 0", "130=8",
		"194=109"}
	return ev(id, kind, fmt.Sprintf(`period_id="16" min="0" sec="0" team_id="%d" timestamp="2020-07-05T%s"`, team,
		clock), append(lists, more...)...)
}

func TestLineupOfF24(t *testing.T) {
	_, m := mustRead(t, "F24", f24(lineupOfTeam(1, 34, 1, "17:05:00.0")))
	e := fact(t, m, "match:7:lineup:1")
	l := e.Lineup
	if e.Status != goalcast.Confirmed || e.Period != goalcast.PreMatch || e.Minute != 0 ||
		!e.At.Equal(utc("2020-07-05T16:05:00")) || l.Team != 1 || l.Formation != "4231" || len(l.Players) != 13 {
		t.Errorf("%+v %+v", e, l)
	}
	for i, want := range map[int]goalcast.LineupPlayer{
		0:  {Player: goalcast.Player{ID: 101}, Shirt: 1, Position: "goalkeeper", Place: 1, Start: true},
		8:  {Player: goalcast.Player{ID: 109}, Shirt: 9, Position: "striker", Place: 9, Start: true, Captain: true},
		9:  {Player: goalcast.Player{ID: 111}, Shirt: 11, Position: "striker", Place: 10, Start: true},
		11: {Player: goalcast.Player{ID: 113}, Shirt: 12},
		12: {Player: goalcast.Player{ID: 112}, Shirt: 31},
	} {
		if l.Players[i] != want {
			t.Errorf("player %d: %+v, want %+v", i, l.Players[i], want)
		}
	}
	// A newer one replaces it, a deleted one counts only where there is no other, and short
	// lists leave fields empty.
	_, m = mustRead(t, "F24", f24(lineupOfTeam(1, 43, 1, "17:05:00.0", "144=34")+ev(2, 34,
		`period_id="16" team_id="1" timestamp="2020-07-05T17:01:00.0"`, "30=7, x, 8", "44=1")))
	if e := fact(t, m, "match:7:lineup:1"); e.Status != goalcast.Confirmed || len(e.Lineup.Players) != 2 ||
		!e.Lineup.Players[0].Start || e.Lineup.Players[1].Shirt != 0 {
		t.Errorf("%+v %+v", e, e.Lineup)
	}
	_, m = mustRead(t, "F24", f24(lineupOfTeam(1, 43, 1, "17:05:00.0", "144=34")))
	if e := fact(t, m, "match:7:lineup:1"); e.Status != goalcast.Cancelled {
		t.Errorf("%+v", e)
	}
}

// Added time is shown once, though both teams have the event; another number in the same
// half is another board.
func TestAddedTime(t *testing.T) {
	_, m := mustRead(t, "F24", f24(ev(1, 70, second, "277=4")+ev(2, 70, strings.Replace(away, "12.47", "12.48", 1),
		"277=4")+ev(3, 70, second, "277=6")+ev(4, 70, second)+ev(5, 70, second, "277=many")))
	if len(m.Facts) != 2 {
		t.Errorf("%v", ids(m))
	}
	if e := fact(t, m, "opta:1"); e.Kind != goalcast.KindAddedTime || e.AddedTime != 4 || e.Team != 0 ||
		e.Player != nil || e.Period != goalcast.SecondHalf {
		t.Errorf("%+v", e)
	}
	if e := fact(t, m, "opta:3"); e.AddedTime != 6 {
		t.Errorf("%+v", e)
	}
}

// Unknown types, periods and numbers that are none cost only the event they are in; the same id
// twice makes one fact.
func TestUnknownThingsInF24AreSkipped(t *testing.T) {
	_, m := mustRead(t, "F24", f24(ev(1, 99999, second)+ev(2, 16, strings.Replace(second, `period_id="2"`, `period_id="77"`, 1))+`<Event/><Event type_id="16"/><Event id="x" type_id="16" period_id="1"/>
		<Unknown><Event id="9" type_id="16" period_id="1" team_id="1"/></Unknown><Event id="8" type_id="goal" period_id="1"/>`+
		ev(3, 16, `period_id="1" min="x" sec="99" team_id="1" player_id="y" timestamp="yesterday"`)+ev(4, 16, second)+
		ev(4, 16, away)))
	if len(m.Facts) != 2 {
		t.Errorf("%v", ids(m))
	}
	if e := fact(t, m, "opta:3"); e.Minute != 1 || e.Player != nil || !e.At.IsZero() {
		t.Errorf("%+v", e)
	}
	if e := fact(t, m, "opta:4"); e.Team != 2 {
		t.Errorf("the later of two with one id: %+v", e)
	}
}

// 20 MB of substitutions or qualifiers are refused, and soon: joining them all would take hours.
func TestHostileF24IsRefusedSoon(t *testing.T) {
	for name, events := range map[string]string{
		"substitutions": strings.Repeat(`<Event id="1" type_id="18" period_id="2" team_id="1"/><Event id="2" type_id="19" period_id="2" team_id="1"/>`, 150_000),
		"passes":        strings.Repeat(`<Event id="1" type_id="1" period_id="2" team_id="1" player_id="5"/>`, 250_000),
		"qualifiers": `<Event id="1" type_id="16" period_id="2" team_id="1">` +
			strings.Repeat(`<Q qualifier_id="55" value="1"/>`, 500_000) + `</Event>`,
		"deep":       strings.Repeat("<a>", 5_000_000),
		"attributes": "<Event " + strings.Repeat(` a="1"`, 3_000_000) + "/>",
	} {
		began := time.Now()
		_, err := New().Read(document("F24", f24(events)))
		if err == nil || !strings.Contains(err.Error(), "more than") && !strings.Contains(err.Error(), "deeper") &&
			!strings.Contains(err.Error(), "twice") {
			t.Errorf("%s: error %v", name, err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

// As many events as are let through are still joined in a moment.
func TestFullF24IsReadSoon(t *testing.T) {
	began := time.Now()
	events := strings.Repeat(ev(1, 18, second, "42")+ev(2, 19, second, "55=999"), maxEvents/2-1)
	if _, err := New().Read(document("F24", f24(events))); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	for feed, body := range map[string]string{"F24": f24(ev(1, 16, second, "9", "20=1")),
		"F7": f7(inPlay, `<Goal EventID="1" Period="FirstHalf" Time="5"/>`, "")} {
		if _, err := New().Read(document(feed, body)); err != nil {
			t.Fatal(err)
		}
		for n := range len(body) {
			if _, err := New().Read(document(feed, body[:n])); err == nil {
				t.Errorf("%s cut after %d of %d bytes was read", feed, n, len(body))
			}
		}
	}
}
