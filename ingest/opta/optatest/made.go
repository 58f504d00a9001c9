package optatest

import (
	"fmt"
	"strings"
	"time"
)

// A made-up match, 7, of competition 3: team 1 at home against team 2, kick-off on 5 July
// 2020 at 18:00 in London.

// MadeStart is the Event of F24 with which it begins.
const MadeStart = `<Event id="1" event_id="1" type_id="32" period_id="1" min="0" sec="0" team_id="1" timestamp="2020-07-05T18:00:10"/>`

// MadeF24 is an F24 made at minute n after 18:00, with events.
func MadeF24(n int, events ...string) string {
	return fmt.Sprintf(`<Games timestamp="%s"><Game id="7" competition_id="3" season_id="2019" game_date="2020-07-05T18:00:00" home_team_id="1" away_team_id="2">%s</Game></Games>`,
		MadeAt(n, "T"), strings.Join(events, "\n"))
}

// MadeAt is a minute after 18:00 in UK local time.
func MadeAt(n int, separator string) string {
	return time.Date(2020, 7, 5, 18, n, 0, 0, time.UTC).Format("2006-01-02" + separator + "15:04:05")
}

// MadeEvent is an Event of F24 in the first half: id, type, team, player (0: none), minute, then
// qualifiers ("9" or "55=12").
func MadeEvent(id, kind, team, player, minute int, qualifiers ...string) string {
	return MadeEventIn(1, id, kind, team, player, minute, 30, qualifiers...)
}

func MadeEventIn(period, id, kind, team, player, minute, second int, qualifiers ...string) string {
	who := ""
	if player != 0 {
		who = fmt.Sprintf(`player_id="%d"`, player)
	}
	out := fmt.Sprintf(`<Event id="%d" event_id="%d" type_id="%d" period_id="%d" min="%d" sec="%d" team_id="%d" %s outcome="1" timestamp="%s" last_modified="%[9]s">`,
		id, id%1000, kind, period, minute, second, team, who, MadeAt(minute, "T"))
	for i, q := range qualifiers {
		name, value, _ := strings.Cut(q, "=")
		out += fmt.Sprintf(`<Q id="%d" qualifier_id="%s" value="%s"/>`, i, name, value)
	}
	return out + "</Event>"
}

// MadeF7 is an F7 made at minute n: MatchInfo's period, Result's type (or none), the scores and
// what stands in each TeamData.
func MadeF7(n int, period, result string, home, away int, inHome, inAway string) string {
	if result != "" {
		result = `<Result Type="` + result + `"/>`
	}
	return fmt.Sprintf(`<SoccerFeed TimeStamp="%s+0100"><SoccerDocument Type="Latest" uID="f7"><Competition uID="c3"><Stat Type="season_id">2019</Stat></Competition><MatchData>
		<MatchInfo Period="%s" MatchType="Regular"><Date>20200705T180000+0100</Date>%s</MatchInfo>
		<MatchOfficial uID="o44"><OfficialData><OfficialRef Type="Main"/></OfficialData><OfficialName><First>Anke</First><Last>Roel</Last></OfficialName></MatchOfficial>
		<AssistantOfficials><AssistantOfficial FirstName="Bo" LastName="Dahl" Type="Video Assistant Referee" uID="o45"/></AssistantOfficials>
		<TeamData Side="Home" TeamRef="t1" Score="%d">%s</TeamData><TeamData Side="Away" TeamRef="t2" Score="%d">%s</TeamData></MatchData>
		<Venue uID="v9"><Name>The Green</Name></Venue></SoccerDocument></SoccerFeed>`,
		time.Date(2020, 7, 5, 18, n, 0, 0, time.UTC).Format("20060102T150405"), period, result, home, inHome, away,
		inAway)
}

// MadeF1 is an F1 made at minute n with the match as MatchInfo's period,
// kick-off and scores tell it.
func MadeF1(n int, period, kickoff, home, away string) string {
	return fmt.Sprintf(`<SoccerFeed><SoccerDocument Type="RESULTS Latest" competition_id="3" season_id="2019" timestamp="%s"><MatchData uID="g7"><MatchInfo Period="%s"><Date>%s</Date><TZ>BST</TZ></MatchInfo>
		<TeamData Side="Home" TeamRef="t1" Score="%s"/><TeamData Side="Away" TeamRef="t2" Score="%s"/></MatchData></SoccerDocument></SoccerFeed>`,
		strings.ReplaceAll(MadeAt(n, " "), ":", "-"), period, kickoff, home, away)
}
