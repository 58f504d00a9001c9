package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// mill is a made-up match in play, as F9 tells it; two of its events and a count.
func mill(now time.Time) []byte {
	return fmt.Appendf(nil, `<SoccerFeed TimeStamp="%s"><SoccerDocument Type="Latest" uID="f9000000007"><Competition uID="c9000003"><Name>Coastal League</Name><Stat Type="season_id">2026</Stat></Competition><MatchData>
 <MatchInfo MatchType="Regular" Period="FirstHalf"><Date>%s</Date></MatchInfo><Stat Type="match_time">12</Stat>
 <TeamData Score="1" Side="Home" TeamRef="t9000001"><Goal EventID="5551" EventNumber="40" Min="11" Sec="5" Period="FirstHalf" PlayerRef="p9000011" TimeStamp="%s" Type="Goal" uID="g9000000007-1"/>
  <PlayerLineUp><MatchPlayer PlayerRef="p9000011" Position="Striker" ShirtNumber="9" Status="Start"><Stat Type="touches">7</Stat></MatchPlayer></PlayerLineUp><Stat Type="total_scoring_att">3</Stat></TeamData>
 <TeamData Score="0" Side="Away" TeamRef="t9000002"><Stat Type="total_scoring_att">1</Stat></TeamData></MatchData>
 <Team uID="t9000001"><Name>Millpond Athletic</Name><Player Position="Striker" uID="p9000011"><PersonName><First>Ada</First><Last>Lark</Last></PersonName></Player></Team><Team uID="t9000002"><Name>Quarry Town</Name></Team>
 </SoccerDocument></SoccerFeed>`, now.Format("20060102T150405-0700"), now.Add(-12*time.Minute).Format("20060102T150405-0700"), now.Add(-time.Minute).Format("20060102T150405-0700"))
}

// millTable is the table of that match's league, as F3 told it the day before.
func millTable(now time.Time) []byte {
	row := func(team, position int) string {
		return fmt.Sprintf(`<TeamRecord TeamRef="t%d"><Standing><Played>0</Played><Points>0</Points><Position>%d</Position></Standing></TeamRecord>`,
			team, position)
	}
	return fmt.Appendf(nil, `<SoccerFeed><SoccerDocument Type="STANDINGS Latest" competition_id="9000003" competition_name="Coastal League" season_id="2026" timestamp="%s"><Competition>
 <TeamStandings>%s%s</TeamStandings></Competition><Team uID="t9000001"><Name>Millpond Athletic</Name></Team><Team uID="t9000002"><Name>Quarry Town</Name></Team></SoccerDocument></SoccerFeed>`,
		now.Add(-24*time.Hour).Format("2006-01-02 15-04-05"), row(9000002, 1), row(9000001, 2))
}

// TestEverythingProducedReachesViewers: a document is posted, and a viewer gets each kind
// of topic's events and each state that goalcast.TopicKinds lists, in a snapshot for who
// comes later and as frames for who was there. A state that is produced and stands in no
// row of the table fails.
func TestEverythingProducedReachesViewers(t *testing.T) {
	t.Parallel()
	redis := testservers.Redis(t)
	p := startEmbedded(t, "GOALCAST_REDIS_URL="+redis).hub
	now := time.Now().UTC().Truncate(time.Second)
	commentary := fmt.Appendf(nil, `<Commentary game_id="9000000007" lang_id="nl"><message id="2" type="goal" comment="Doelpunt!" period="1" minute="11" second="5" last_modified="%s"/></Commentary>`,
		now.Format("2006-01-02 15:04:05"))
	post := func(feed string, body []byte) func(*testing.T) {
		return func(t *testing.T) {
			p.take(delivery{header: http.Header{"X-Meta-Feed-Type": {feed}}, body: body})
		}
	}
	price := func(t *testing.T) { quote(t, redis, 9000000007) } // no feed of this test brings prices
	table := []struct {
		topic goalcast.Topic
		key   string // of TopicInfo.States; "-": events
		post  func(*testing.T)
		want  string // in a frame of who was there
	}{
		{goalcast.ForCompetition(9000003), goalcast.TableKey, post("F3", millTable(now)), `"live":true`},
		{goalcast.ForMatch(9000000007), "-", post("F9", mill(now)), `"kind":"goal"`},
		{goalcast.ForTeam(9000001), "-", nil, `"kind":"goal"`},
		{goalcast.ForTeam(9000002), "-", nil, `"kind":"goal"`},
		{goalcast.ForCompetition(9000003), "-", nil, `"kind":"goal"`},
		{goalcast.ForMatch(9000000007), goalcast.StatsKey, nil, `"shots":3`},
		{goalcast.ForMatch(9000000007), goalcast.CommentaryKey, post("F13m", commentary), `Doelpunt!`},
		{goalcast.ForOdds(9000000007), "", price, `2350`},
	}
	for _, info := range goalcast.TopicKinds {
		keys := slices.Clone(info.States)
		if info.Events {
			keys = append(keys, "-")
		}
		for _, key := range keys {
			found := false
			for _, row := range table {
				found = found || row.topic.Kind == info.Kind && row.key == key
			}
			if !found {
				t.Errorf("state %q of %s topics has no row in this table", key, info.Name)
			}
		}
	}
	early := make([]*frames, len(table))
	for i, row := range table {
		early[i] = watchTopic(t, p, row.topic)
		early[i].await(`"type":"snapshot"`)
	}
	for _, row := range table {
		if row.post != nil {
			row.post(t)
		}
	}
	for i, row := range table {
		kind := `"type":"state"`
		if row.key == "-" {
			kind = `"type":"event"`
		}
		early[i].await(kind, row.want)
		watchTopic(t, p, row.topic).await(`"type":"snapshot"`, row.want)
	}
}

// frames are what a viewer of one topic gets.
type frames struct {
	*viewer
	mu    sync.Mutex
	texts []string
}

func watchTopic(t *testing.T, p *process, topic goalcast.Topic) *frames {
	t.Helper()
	f := &frames{viewer: newViewer(t, p.public, overSSE, topic)}
	f.Also = func(_ goalcast.Frame, text []byte) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.texts = append(f.texts, string(text))
	}
	f.join()
	return f
}

// all are the frames so far.
func (f *frames) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.texts)
}

// await waits for a frame that has all texts.
func (f *frames) await(texts ...string) {
	f.t.Helper()
	waitFor(f.t, 20*time.Second, fmt.Sprintf("a frame of %s with %q", f.Topics, texts), func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, got := range f.texts {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(got, text) }) {
				return nil
			}
		}
		return fmt.Errorf("%d frames", len(f.texts))
	})
}
