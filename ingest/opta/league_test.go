package opta

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/samples"
)

const f3Doc = `<SoccerFeed><SoccerDocument Type="STANDINGS Latest" competition_id="5" competition_name="Example Cup" season_id="2019" timestamp="2019-09-17 23-10-13">
 <Competition>
  <TeamStandings Matchday="1"><Round><Name id="1">Group A</Name></Round>
   <TeamRecord TeamRef="t1"><Standing Type="Full"><Position>1</Position><StartDayPosition>2</StartDayPosition><Played>3</Played><Won>2</Won><Drawn>1</Drawn><Lost>0</Lost>
    <For>5</For><Against>1</Against><Points>4</Points><PointsDeducted>3</PointsDeducted><HomePlayed>2</HomePlayed><HomePoints>6</HomePoints><HomePosition>1</HomePosition></Standing></TeamRecord>
   <TeamRecord TeamRef="t2"><Standing Type="Full"><Position>2</Position><Points>-2</Points><AwayLost>1</AwayLost></Standing></TeamRecord>
   <TeamRecord TeamRef=""><Standing><Position>3</Position></Standing></TeamRecord><TeamRecord TeamRef="t9"/></TeamStandings>
  <TeamStandings Matchday="2"><Round><Name id="2">Group B</Name></Round></TeamStandings>
  <Qualification><Type qualify="Knock_Out"><Team team_id="1" team_name="Northbridge">Group</Team></Type><Type qualify="Third_Place"/></Qualification>
 </Competition>
 <Team uID="t1"><Name>Northbridge</Name></Team><Team uID="t2"><Name>Southwold Rovers</Name></Team>
</SoccerDocument></SoccerFeed>`

// Points are as told: 7 won on the pitch less 3 that were deducted are told as 4, and
// nobody adds them up again.
func TestStandingsAreKeptAsTold(t *testing.T) {
	r, err := New().Read(document("F3", f3Doc))
	if err != nil || len(r.Standings) != 1 || len(r.Matches) != 0 || r.Source != "opta:f3" {
		t.Fatal(r, err)
	}
	s := r.Standings[0]
	if s.Competition != (goalcast.Competition{ID: 5, Name: "Example Cup"}) || s.Season != "2019" || s.Matchday != 2 ||
		!s.Updated.Equal(utc("2019-09-17T22:10:13")) {
		t.Errorf("%+v", s)
	}
	if len(s.Groups) != 2 || s.Groups[0].Name != "Group A" || s.Groups[0].ID != "1" || s.Groups[1].Name != "Group B" ||
		len(s.Groups[0].Rows) != 2 {
		t.Fatalf("%+v", s.Groups)
	}
	want := goalcast.TableRow{Team: goalcast.Team{ID: 1, Name: "Northbridge"}, Position: 1, Before: 2, Deducted: 3,
		Home:  &goalcast.TableRecord{Position: 1, Played: 2, Points: 6},
		Total: goalcast.TableRecord{Played: 3, Won: 2, Drawn: 1, For: 5, Against: 1, Points: 4}}
	if got := s.Groups[0].Rows[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := s.Groups[0].Rows[1]; got.Total.Points != -2 || got.Home != nil || got.Away == nil || got.Away.Lost != 1 {
		t.Errorf("%+v", got)
	}
	if len(s.Zones) != 2 || s.Zones[0].Name != "Knock_Out" || !slices.Equal(s.Zones[0].Teams, []goalcast.TeamID{1}) ||
		len(s.Zones[1].Teams) != 0 {
		t.Errorf("%+v", s.Zones)
	}
}

func TestRealStandings(t *testing.T) {
	r, err := New().Read(document("F3", string(samples.Read(t, "opta/f3/srml-24-2011-standings.xml"))))
	if err != nil {
		t.Fatal(err)
	}
	s := r.Standings[0]
	if s.Competition.ID != 24 || s.Season != "2011" || s.Matchday != 11 || len(s.Groups) != 1 ||
		len(s.Groups[0].Rows) != 20 || len(s.Zones) != 3 {
		t.Fatalf("%d groups, %+v", len(s.Groups), s.Zones)
	}
	// The header says 17:10:13 UTC, the attribute 18-10-13 in UK local time: the same moment.
	if !s.Updated.Equal(r.Version.Produced.Truncate(time.Second)) {
		t.Errorf("made %s, produced %s", s.Updated, r.Version.Produced)
	}
	for i, row := range s.Groups[0].Rows {
		if row.Position != i+1 || row.Team.Name == "" || row.Total.Played != row.Total.Won+row.Total.Drawn+
			row.Total.Lost || row.Total.Points != 3*row.Total.Won+row.Total.Drawn ||
			row.Home.Played+row.Away.Played != row.Total.Played {
			t.Errorf("row %d: %+v", i, row)
		}
	}
}

const f40Doc = `<?xml version="1.0" encoding="UTF-8"?>
<SoccerFeed timestamp="20190801T095125+0000"><SoccerDocument Type="SQUADS Latest" competition_id="3" competition_name="Example League" season_id="2019">
 <Team uID="t1"><Founded>1905</Founded><Name>Northbridge</Name>
  <Player uID="p11"><Name>Ada Lark</Name><Position>Goalkeeper</Position><Stat Type="first_name">Ada</Stat><Stat Type="last_name">Lark</Stat><Stat Type="known_name"></Stat>
   <Stat Type="birth_date">1994-01-13</Stat><Stat Type="height">Unknown</Stat><Stat Type="jersey_num">16</Stat><Stat Type="real_position">Unknown</Stat><Stat Type="join_date">2017-06-01</Stat></Player>
  <Player uID="p12"><Name>B M</Name><Position>Defender</Position><Stat Type="first_name">Berta</Stat><Stat Type="last_name">Moss</Stat><Stat Type="known_name">Bee</Stat><Stat Type="real_position">Centre Back</Stat></Player>
  <SYMID>NBR</SYMID><Stadium uID="v9"><Capacity>25000</Capacity><Name>The Green</Name></Stadium>
  <TeamOfficial Type="Manager" country="France" uID="man5"><PersonName><First>Cleo</First><Last>Reed</Last><join_date>2018-02-23</join_date></PersonName></TeamOfficial></Team>
 <Team uID="t77"><Name>Group A Winner</Name></Team>
 <PlayerChanges><Team uID="t1"><Name>Northbridge</Name>
  <Player uID="p13"><Name>Dora Fenn</Name><Position>Striker</Position><Stat Type="leave_date">2019-07-30</Stat><Stat Type="new_team">Hilltop</Stat></Player>
  <Player uID="p12"><Name>B M</Name><Stat Type="leave_date">2019-07-01</Stat></Player></Team></PlayerChanges>
</SoccerDocument></SoccerFeed>`

// Those in PlayerChanges have left: a search for every Team/Player would put them back.
func TestTrapPlayerChangesLeft(t *testing.T) {
	r, err := New().Read(document("F40", f40Doc))
	if err != nil || len(r.Squads) != 1 || !r.Version.Time.Equal(utc("2019-08-01T09:51:25")) {
		t.Fatal(r, err)
	}
	l := r.Squads[0]
	if l.Competition.ID != 3 || l.Season != "2019" || len(l.Squads) != 2 {
		t.Fatalf("%+v", l)
	}
	s := l.Squads[0]
	names := func(all []goalcast.SquadPlayer) string {
		var out []string
		for _, p := range all {
			out = append(out, fmt.Sprint(p.ID, " ", p.Name, " ", p.LeftOn, p.NewTeam))
		}
		return strings.Join(out, "; ")
	}
	if got := names(s.Players); got != "11 Ada Lark ; 12 Bee " {
		t.Errorf("squad: %s", got)
	}
	if got := names(s.Left); got != "13 Dora Fenn 2019-07-30Hilltop; 12 B M 2019-07-01" {
		t.Errorf("left: %s", got)
	}
	want := goalcast.SquadPlayer{Player: goalcast.Player{ID: 11, Name: "Ada Lark"}, Shirt: 16, Position: "goalkeeper",
		Born: "1994-01-13", Joined: "2017-06-01"}
	if s.Players[0] != want || s.Players[1].Role != "Centre Back" {
		t.Errorf("%+v, want %+v", s.Players, want)
	}
	if s.Short != "NBR" || s.Founded != 1905 || *s.Stadium != (goalcast.Stadium{ID: 9, Name: "The Green",
		Capacity: 25000}) ||
		!slices.Equal(s.Officials, []goalcast.SquadOfficial{{ID: 5, Name: "Cleo Reed", Role: "Manager",
			Country: "France", Joined: "2018-02-23"}}) {
		t.Errorf("%+v", s)
	}
	// A team that stands for another has nobody in it, and is no error.
	if w := l.Squads[1]; w.Team.Name != "Group A Winner" || len(w.Players) != 0 || w.Players == nil {
		t.Errorf("%+v", w)
	}
}

func TestRealSquads(t *testing.T) {
	var versions []string
	for _, name := range []string{"opta/f40/srml-24-2011-squads.xml", "opta/f40/srml-24-2011-squads-2.xml"} {
		body := string(samples.Read(t, name))
		r, err := New().Read(document("F40", body))
		if err != nil {
			t.Fatal(err)
		}
		players, officials := 0, 0
		for _, s := range r.Squads[0].Squads {
			players, officials = players+len(s.Players), officials+len(s.Officials)
			if s.Short == "" || s.Stadium == nil || s.Team.Name == "" {
				t.Errorf("%s: %+v", name, s.Team)
			}
			for _, p := range s.Players {
				if p.Name == "" || p.Position == "" {
					t.Errorf("%s: %+v", name, p)
				}
			}
		}
		if want := strings.Count(body, "<Player "); players != want || officials != strings.Count(body,
			"<TeamOfficial ") || len(r.Squads[0].Squads) != 20 {
			t.Errorf("%s: %d players, want %d; %d officials", name, players, want, officials)
		}
		versions = append(versions, r.Version.Digest)
	}
	if versions[0] == versions[1] {
		t.Error("two documents of one time are told apart by their bytes")
	}
}

const f13Doc = `<Commentary game_id="7" competition_id="3" season_id="2019" matchday="31" lang_id="nl" home_team_id="1" away_team_id="2" home_score="1" away_score="0" game_date="2020-07-05 18:00:00">
 <message id="103" type="start delay" comment="Het spel ligt stil." period="2" minute="90" second="30" time="90'+1'" last_modified="2020-07-05 20:01:00" />
 <message id="102" type="goal" comment="Doelpunt! Northbridge 1, Southwold Rovers 0." period="1" minute="26" second="57" player_ref1="11" player_ref2="12" last_modified="2020-07-05 18:29:00" last_modified_utc="2020-07-05 17:29:00" />
 <message id="102" type="goal" comment="twice" last_modified="2020-07-05 18:28:00" /><message id="" comment="nobody"/><message id="9" comment=""/>
 <message id="101" type="lineup" comment="De opstellingen zijn er." last_modified="2020-07-05 17:00:00" />
</Commentary>`

func TestCommentary(t *testing.T) {
	for _, feed := range []string{"F13", "F13M", ""} {
		r, err := New().Read(document(feed, f13Doc))
		if err != nil || len(r.Commentary) != 1 {
			t.Fatal(r, err)
		}
		c := r.Commentary[0]
		if c.Match != 7 || c.Language != "nl" || len(c.Lines) != 3 || !c.Made.Equal(utc("2020-07-05T19:01:00")) ||
			!r.Version.Time.Equal(c.Made) {
			t.Fatalf("%+v", c)
		}
		want := goalcast.CommentaryLine{ID: "102", Type: "goal", Text: "Doelpunt! Northbridge 1, Southwold Rovers 0.",
			Period: goalcast.FirstHalf, Minute: 27, Second: 57, Clock: "27",
			Players: []goalcast.PlayerID{11, 12}, Modified: utc("2020-07-05T17:29:00")}
		if !reflect.DeepEqual(c.Lines[1], want) {
			t.Errorf("%+v, want %+v", c.Lines[1], want)
		}
		if l := c.Lines[0]; l.Type != "start delay" || l.Clock != "90+1" ||
			!l.Modified.Equal(utc("2020-07-05T19:01:00")) {
			t.Errorf("%+v", l)
		}
	}
}

const f26Doc = `<feed><content.item><content.body>
 <results comp-id="3" comp-name="Example League" date="2020-07-05" ko-time="18:00">
  <result game-id="7" timestamp="2020-07-05 19:49:16" period="Second Half" match-status="LIVE">
   <home-team><team-name>Northbridge</team-name><team-id>1</team-id><score>2</score>
    <scorers><scorer min="26" sec="57" time="27" period="First Half" goal-type="GOAL"><player-code>11</player-code><player-firstname>Ada</player-firstname><player-name>Lark</player-name></scorer>
     <scorer min="45" sec="0" period="Second Half" goal-type="PENG"><player-code>12</player-code></scorer><scorer period="ShootOut" goal-type="PENG"><player-code>12</player-code></scorer></scorers>
    <bookings><yellow-card min="30" period="First Half"><player-code>12</player-code></yellow-card><red-card type="Second Yellow" min="31" period="First Half"><player-code>12</player-code></red-card></bookings></home-team>
   <away-team><team-name>Southwold Rovers</team-name><team-id>2</team-id><score>0</score>
    <substitutions><substitution min="60" period="Second Half"><sub-on><player-code>22</player-code></sub-on><sub-off><player-code>21</player-code></sub-off></substitution></substitutions></away-team>
  </result>
  <result game-id="8" timestamp="2020-07-05 19:00:00" period="Pre Match"><home-team team-id="3" score="0"/><away-team team-id="4" score="0"/></result>
  <result game-id="9" timestamp="2020-07-05 16:00:00" period="Full Time" match-status="FULL"><home-team team-id="5" score="1" pen_score="4"/><away-team team-id="6" score="1" pen_score="5"/></result>
 </results></content.body></content.item></feed>`

func TestTickerMakesNoFacts(t *testing.T) {
	r, err := New().Read(document("F26", f26Doc))
	if err != nil || len(r.Matches) != 3 || r.Source != "opta:ticker" ||
		!r.Version.Time.Equal(utc("2020-07-05T18:49:16")) {
		t.Fatal(r, err)
	}
	m := r.Matches[0]
	if len(m.Facts) != 0 || m.Match != 7 || m.Fixture.Home != (goalcast.Team{ID: 1, Name: "Northbridge"}) ||
		!m.Fixture.Kickoff.Equal(utc("2020-07-05T17:00:00")) ||
		*m.Fixture.Reported != (goalcast.Result{Period: goalcast.SecondHalf, Score: goalcast.Score{Home: 2}}) ||
		m.Players[11] != "Ada Lark" {
		t.Errorf("%+v %+v", m, m.Fixture)
	}
	var claims []string
	for _, e := range m.Claims.Events {
		who := goalcast.PlayerID(0)
		if e.Player != nil {
			who = e.Player.ID
		} else if e.Substitution != nil {
			who = e.Substitution.On.ID
		}
		claims = append(claims, fmt.Sprint(e.Kind, " ", e.Team, " ", who, " ", e.Period, " ", e.Minute))
	}
	// The minute is always one more, also at 45:00, which F7 shows as 45.
	want := []string{"goal 1 11 first_half 27", "goal 1 12 second_half 46", "card 1 12 first_half 31",
		"card 1 12 first_half 32", "substitution 2 22 second_half 61"}
	if !slices.Equal(claims, want) || m.Claims.Events[3].Card.Type != goalcast.SecondYellow ||
		m.Claims.Period != goalcast.SecondHalf || *m.Claims.Score != (goalcast.Score{Home: 2}) {
		t.Errorf("%q\nwant\n%q", claims, want)
	}
	if got := r.Matches[1]; got.Fixture.Reported != nil || got.Claims.Score != nil {
		t.Errorf("0-0 before the match is a result: %+v", got.Fixture)
	}
	if got := r.Matches[2].Fixture.Reported; got == nil || *got.Shootout != (goalcast.Score{Home: 4, Away: 5}) ||
		got.Period != goalcast.FullTime {
		t.Errorf("%+v", got)
	}
}
