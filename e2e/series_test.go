package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/notify/fcm/fcmtest"
)

const (
	seriesMatches = 1000
	seriesFirst   = 9_000_100_000 // number of the first match; its teams are 100,000 and 200,000 further
	seriesList    = 50            // of so many matches is a list of results
	seriesLive    = 20            // every so manieth match is played now; the others were yesterday
	seriesClock   = 11 * time.Minute
	seriesMost    = 3000 // series of a process that does everything
)

// seriesLiveMatch is a document of match n, which began a moment ago, with a goal. Each match has
// teams of its own.
func seriesLiveMatch(n int) string {
	const document = `{"time":%[1]q,"match":%[2]d,"fixture":{"competition":{"id":%[3]d,"name":"League %[4]d"},` +
		`"home":{"id":%[5]d,"name":"Home %[4]d"},"away":{"id":%[6]d,"name":"Away %[4]d"},"kickoff":%[7]q},` +
		`"events":[{"id":"kick-off","kind":"period","period":"first_half","at":%[7]q},` +
		`{"id":"goal-1","kind":"goal","team":%[5]d,"period":"first_half","minute":10}]}`
	id, now := seriesFirst+n, time.Now().UTC()
	return fmt.Sprintf(document, now.Format(time.RFC3339), id, id+300_000, n, id+100_000, id+200_000,
		now.Add(-seriesClock).Format(time.RFC3339))
}

// seriesResults is Opta's list of the other matches between two numbers, which were yesterday.
func seriesResults(from, to int) []byte {
	var list, teams strings.Builder
	now := time.Now().UTC()
	for n := from; n < to; n++ {
		if n%seriesLive == 0 {
			continue
		}
		id := seriesFirst + n
		fmt.Fprintf(&list, `<MatchData uID="g%d"><MatchInfo MatchDay="1" Period="FullTime"><Date>%s</Date><TZ>GMT</TZ>`+
			`</MatchInfo><TeamData Score="1" Side="Home" TeamRef="t%d"/><TeamData Score="0" Side="Away" TeamRef="t%d"/>`+
			`</MatchData>`, id, now.Add(-24*time.Hour).Format(time.DateTime), id+100_000, id+200_000)
		fmt.Fprintf(&teams, `<Team uID="t%d"><Name>Home %[2]d</Name></Team><Team uID="t%[3]d"><Name>Away %[2]d</Name></Team>`,
			id+100_000, n, id+200_000)
	}
	return fmt.Appendf(nil, `<SoccerFeed><SoccerDocument Type="RESULTS Latest" competition_code="KRL" competition_id="%d" `+
		`competition_name="League %d" game_system_id="1" season_id="2026" season_name="2026" timestamp="%s">%s%s`+
		`</SoccerDocument></SoccerFeed>`, seriesFirst+400_000+from, from, now.Format("2006-01-02 15-04-05"), &list, &teams)
}

// TestSeriesAreBounded: a process that has told of 1,000 matches of 2,000 teams, of goals and
// prices, to viewers, users and phones, has hardly more series than after the first 100. None is of
// one match, team, user or phone.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	fake := &fcmtest.Server{Project: "test"}
	firebase := httptest.NewServer(fake)
	t.Cleanup(firebase.Close)
	p := start(t, onFile(t, "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+firebase.URL+"/v1"), "serve")
	users := make([]string, seriesMatches/seriesLive)
	var g errgroup.Group
	g.SetLimit(8)
	for i := range users {
		random := sha256.Sum256([]byte{byte(i)})
		users[i] = base64.RawURLEncoding.EncodeToString(random[:])
		match := seriesFirst + i*seriesLive
		for path, body := range map[string]string{
			"/v1/me/devices/phone-of-" + users[i]:             `{"platform":"android","language":"nl"}`,
			fmt.Sprint("/v1/me/follows/match:", match):        "",
			fmt.Sprint("/v1/me/follows/team:", match+100_000): "",
		} {
			g.Go(func() error {
				header := bearer(users[i])
				header.Set("Content-Type", "application/json")
				status, text, err := request(http.MethodPut, p.public+path, header, []byte(body))
				if err == nil && status/100 != 2 {
					err = fmt.Errorf("%s: %d %s", path, status, text)
				}
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var viewers []*viewer
	for i := range 20 { // every match is somebody's
		var topics []goalcast.Topic
		for n := i; n < seriesMatches; n += 20 {
			topics = append(topics, goalcast.ForMatch(goalcast.MatchID(seriesFirst+n)))
			if n%seriesLive == 0 {
				topics = append(topics, goalcast.ForOdds(goalcast.MatchID(seriesFirst+n)))
			}
		}
		v := newViewer(t, p.public, transports[[]string{"websocket", "sse", "poll"}[i%3]], topics...)
		v.polls = i%3 == 2
		v.join()
		viewers = append(viewers, v)
	}
	play := func(from, to int) {
		t.Helper()
		for n := from; n < to; n += seriesList { // a document may take 30 s, on any machine
			p.take(optaNow("F1", seriesResults(n, n+seriesList)))
		}
		for n := from; n < to; n += seriesLive {
			g.Go(func() error {
				status, text, err := request(http.MethodPost, p.public+"/feeds/json", nil, []byte(seriesLiveMatch(n)))
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("match %d: %d %s", n, status, text)
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		viewers[0].waitEvents(2*time.Minute, "goals", func(events []goalcast.Event) error {
			goals := 0
			for _, e := range events {
				if e.Kind == goalcast.KindGoal {
					goals++
				}
			}
			if want := to / seriesLive; goals < want {
				return fmt.Errorf("%d of %d", goals, want)
			}
			return nil
		})
		const line = `{"type":"fixture","event":"%[1]d","kickoff":%[3]q,"home":"Home %[2]d","away":"Away %[2]d"}
{"type":"image","event":"%[1]d","markets":[{"market":"1x2","status":"open","prices":{"home":"1.5"}}]}
`
		kickoff := time.Now().UTC().Add(-seriesClock).Format(time.RFC3339)
		var prices strings.Builder
		for n := from; n < to; n += seriesLive {
			fmt.Fprintf(&prices, line, seriesFirst+n, n, kickoff)
		}
		waitFor(t, time.Minute, "prices", func() error { // refused while another one may have the source
			status, text := ask(t, http.MethodPost, p.public+"/feeds/odds", nil, prices.String())
			if status != http.StatusOK {
				return fmt.Errorf("%d %s", status, text)
			}
			return nil
		})
	}
	play(0, seriesMatches/10)
	before := seriesOf(p.metrics())
	play(seriesMatches/10, seriesMatches)
	waitFor(t, 2*time.Minute, "pushes", func() error {
		if p.metric("goalcast_fcm_request_seconds_count") < float64(len(users)) {
			return errors.New("not all")
		}
		return nil
	})
	all := p.metrics()
	after := seriesOf(all)
	if err := get(fmt.Sprintf("%s/v1/matches/%d", p.public, seriesFirst+seriesMatches-1), nil, nil); err != nil {
		t.Error("the last match of the list:", err)
	}
	t.Logf("%d series after %d matches, %d after %d", len(before), seriesMatches/10, len(after), seriesMatches)
	if len(after) > seriesMost {
		t.Errorf("%d series, want %d at most", len(after), seriesMost)
	}
	var added []string
	for name := range after {
		if !before[name] {
			added = append(added, name)
		}
	}
	// Outcomes and reasons that come to pass for the first time, each a histogram at worst.
	if len(added) > len(before)/20 {
		t.Errorf("%d series came with the last nine tenths of the matches: %q", len(added), added)
	}
	secret := regexp.MustCompile(`"[^"]*(\d{6,}|phone-of-|League |Home |Away )[^"]*"`)
	for name := range after {
		if strings.HasPrefix(name, "goalcast_build_info{") {
			continue
		}
		if found := secret.FindString(name); found != "" {
			t.Errorf("%s is of one match, team or competition: %s", name, found)
		}
		for _, user := range users {
			if strings.Contains(name, user) {
				t.Errorf("%s is of one user", name)
			}
		}
	}
}

// seriesOf is the names, with labels, of all samples.
func seriesOf(metrics string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(metrics) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			all[line[:i]] = true
		}
	}
	return all
}
