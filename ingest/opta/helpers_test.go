package opta

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// document is a document as ingest hands it to Read.
func document(feed, body string) goalcast.Document {
	return goalcast.Document{Provider: "opta", Feed: feed, Body: []byte(body), Digest: sha256.Sum256([]byte(body))}
}

// mustRead reads a document of one match.
func mustRead(t *testing.T, feed, body string) (merge.Reading, merge.MatchReading) {
	t.Helper()
	r, err := New().Read(document(feed, body))
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	if len(r.Matches) != 1 {
		t.Fatalf("%d matches, want 1", len(r.Matches))
	}
	return r, r.Matches[0]
}

// fact finds a fact by its id.
func fact(t *testing.T, m merge.MatchReading, id string) goalcast.Event {
	t.Helper()
	for _, e := range m.Facts {
		if e.ID == id {
			return e
		}
	}
	t.Fatalf("no fact %s among %v", id, ids(m))
	return goalcast.Event{}
}

func hasFact(m merge.MatchReading, id string) bool {
	for _, e := range m.Facts {
		if e.ID == id {
			return true
		}
	}
	return false
}

func ids(m merge.MatchReading) []string {
	var out []string
	for _, e := range m.Facts {
		out = append(out, e.ID+" "+string(e.Status))
	}
	return out
}

// periodsOf lists the periods that hold, in match order.
func periodsOf(m merge.MatchReading) string {
	var out []string
	for p := 1; p <= goalcast.FullTime.Order(); p++ {
		for _, e := range m.Facts {
			if e.Kind == goalcast.KindPeriod && e.Period.Order() == p && e.Counts() {
				out = append(out, string(e.Period))
			}
		}
	}
	return strings.Join(out, " ")
}

// scoreOf counts goals as the reducer does.
func scoreOf(m merge.MatchReading) goalcast.Score {
	s := goalcast.Snapshot{ID: m.Match}
	s = goalcast.Apply(s, goalcast.Event{Kind: goalcast.KindFixture, Match: m.Match, Revision: 1, Fixture: m.Fixture})
	for _, e := range m.Facts {
		e.Revision = 1
		s = goalcast.Apply(s, e)
	}
	return s.Score
}

func utc(text string) time.Time {
	t, err := time.Parse("2006-01-02T15:04:05.999", text)
	if err != nil {
		panic(err)
	}
	return t
}

// f24 wraps events in a made-up match: team 1 at home against team 2, kick-off on 5 July
// 2020 at 18:00 in London.
func f24(events string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<!-- PRODUCTION HEADER
     production time:    20200705T190501,250Z
-->
<Games timestamp="2020-07-05T20:05:00">
 <Game id="7" competition_id="3" competition_name="Example League" season_id="2019" matchday="31" game_date="2020-07-05T18:00:00"
  home_team_id="1" home_team_name="Northbridge" away_team_id="2" away_team_name="Southwold Rovers">
` + events + `
 </Game>
</Games>`
}

// f7 wraps parts of MatchData in the same match, and info attributes in its MatchInfo.
func f7(info, home, away string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<SoccerFeed TimeStamp="20200705T200500+0100">
 <SoccerDocument Type="Latest" uID="f7">
  <Competition uID="c3"><Country>Nowhere</Country><Name>Example League</Name><Round><Name>Spring</Name></Round>
   <Stat Type="season_id">2019</Stat><Stat Type="matchday">31</Stat></Competition>
  <MatchData>
   <MatchInfo MatchType="Regular" TimeStamp="20200705T195900+0100" ` + info + `</MatchInfo>
   <TeamData Score="0" Side="Home" TeamRef="t1">` + home + `</TeamData>
   <TeamData Score="0" Side="Away" TeamRef="t2">` + away + `</TeamData>
  </MatchData>
  <Team uID="t1"><Name>Northbridge</Name>
   <Player uID="p11"><PersonName><First>Ada</First><Last>Lark</Last></PersonName></Player>
   <Player uID="p12"><PersonName><First>Berta</First><Known>Bee</Known><Last>Moss</Last></PersonName></Player></Team>
  <Team uID="t2"><Name>Southwold Rovers</Name></Team>
  <Venue uID="v9"><Country>Nowhere</Country><Name>The Green</Name></Venue>
 </SoccerDocument>
</SoccerFeed>`
}

const inPlay = `Period="SecondHalf"><Date>20200705T180000+0100</Date>`
