package ingest_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"goalcast"
)

// minute27 is a small F7 of a made-up match with one goal.
const minute27 = `<?xml version="1.0" encoding="UTF-8"?>
<SoccerFeed TimeStamp="20210306T152700+0000"><SoccerDocument Type="Latest" uID="f77"><Competition uID="c9"><Name>Ninth League</Name></Competition>
<MatchData><MatchInfo Period="FirstHalf" MatchType="Regular" TimeStamp="20210306T150000+0000"><Date>20210306T150000+0000</Date></MatchInfo>
<TeamData Side="Home" TeamRef="t1" Score="1"><Goal EventID="501" Period="FirstHalf" PlayerRef="p5" Time="27" Min="26" Sec="57" Type="Goal" uID="g77-1" /></TeamData>
<TeamData Side="Away" TeamRef="t2" Score="0" /></MatchData>
<Team uID="t1"><Name>Harbour</Name><Player uID="p5"><PersonName><First>Zo&#233;</First><Last>Dune</Last></PersonName></Player></Team>
<Team uID="t2"><Name>Hill United</Name></Team></SoccerDocument></SoccerFeed>`

func headersOf(feed string) http.Header {
	return http.Header{"X-Meta-Feed-Type": {feed}, "X-Meta-Game-Id": {"77"}, "Content-Type": {"text/xml"}}
}

// Whatever comes: a clear answer, the document kept where there is one, and the
// next goal goes through.
func TestBadBodies(t *testing.T) {
	latin := bytes.ReplaceAll([]byte(minute27), []byte("Zo&#233;"), []byte("Zo\xe9"))
	latin = bytes.Replace(latin, []byte("UTF-8"), []byte("ISO-8859-1"), 1)
	unknown := `<?xml version="1.0" encoding="UTF-8"?>
<Games timestamp="2021-03-06T15:28:00"><Game id="77" competition_id="9" season_id="2020" game_date="2021-03-06T15:00:00" home_team_id="1" away_team_id="2">
<Event id="900" event_id="1" type_id="4711" period_id="77" min="x" sec="" team_id="1" timestamp="2021-03-06T15:10:00" last_modified="2021-03-06T15:10:01"><Q id="1" qualifier_id="99999" /></Event>
</Game></Games>`
	squads := `<?xml version="1.0" encoding="UTF-8"?>
<SoccerFeed timestamp="20210306T152700+0000"><SoccerDocument Type="SQUADS Latest" competition_id="9" season_id="2020"></SoccerDocument></SoccerFeed>`
	bomb := `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>` +
		strings.Replace(minute27[strings.Index(minute27, "<SoccerFeed"):], "Harbour", "&c;", 1)
	for _, tt := range []struct {
		name, feed string
		body       []byte
		status     int
		state      goalcast.DocumentState // empty if it is not kept
	}{
		{"truncated", "F9", []byte(minute27[:len(minute27)/2]), 200, goalcast.DocumentFailed},
		{"one byte short", "F9", []byte(minute27[:len(minute27)-1]), 200, goalcast.DocumentFailed},
		{"entity bomb", "F9", []byte(bomb), 200, goalcast.DocumentFailed},
		{"20 MB", "F9", make([]byte, 20<<20), 413, ""},
		{"as large as may be, and nonsense", "F24", bytes.Repeat([]byte("<a>"), 16<<20/3), 200,
			goalcast.DocumentFailed},
		{"another feed than the headers say", "F24", []byte(minute27), 200, goalcast.DocumentFailed},
		{"a feed that is not read", "F40", []byte(squads), 200, goalcast.DocumentIgnored},
		{"no XML", "F9", []byte("GIF89a\x00\xff\xfe"), 200, goalcast.DocumentFailed},
		{"JSON", "F9", []byte(`{"goals": 1}`), 200, goalcast.DocumentFailed},
		{"white space", "F9", []byte(" \n\t "), 200, goalcast.DocumentFailed},
		{"empty", "F9", nil, 400, ""},
		{"unknown types", "F24", []byte(unknown), 200, goalcast.DocumentApplied},
		{"ISO-8859-1", "F9", latin, 200, goalcast.DocumentApplied},
	} {
		g := newGround(t)
		if got := g.post(t, tt.body, headersOf(tt.feed)); got != tt.status {
			t.Errorf("%s: answered %d, want %d", tt.name, got, tt.status)
		}
		done := 0
		if tt.status == 200 {
			done++
			g.await(t, done)
			doc, err := g.store.Document(t.Context(), 1)
			if err != nil || !bytes.Equal(doc.Body, tt.body) || doc.Feed != tt.feed || doc.Match != 77 &&
				tt.feed != "F40" {
				t.Errorf("%s: kept %s of match %d, %d bytes, %v", tt.name, doc.Feed, doc.Match, len(doc.Body), err)
			}
			if doc.State != tt.state || (doc.State == goalcast.DocumentFailed) != (doc.Error != "") {
				t.Errorf("%s: %s, want %s: %q", tt.name, doc.State, tt.state, doc.Error)
			}
		} else if _, err := g.store.Document(t.Context(), 1); err == nil {
			t.Errorf("%s: kept", tt.name)
		}
		g.post(t, []byte(minute27), headersOf("F9"))
		g.await(t, done+1)
		s := g.snapshot(t, 77)
		if s.Score.Home != 1 || len(s.Timeline) == 0 {
			t.Errorf("%s: the next document does not go through: %+v", tt.name, s)
			continue
		}
		if e, _ := s.Event("opta:501"); e.Player == nil || e.Player.Name != "Zoé Dune" {
			t.Errorf("%s: scorer %+v", tt.name, e.Player)
		}
	}
}
