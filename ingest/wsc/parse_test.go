package wsc

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/samples"
)

// TestVendorsExample reads the content object of the vendor's reference: no game, a placeholder for
// the minute, no wide picture.
func TestVendorsExample(t *testing.T) {
	text := samples.Read(t, "wsc/trending-recommendations.json")
	var file struct {
		Examples struct {
			Trending struct {
				Value struct{ Recommendations []json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	raw := file.Examples.Trending.Value.Recommendations[0]
	envelope, err := json.Marshal(map[string]any{"Action": "Created", "ContentId": "6a92fa1ee363eba308515c63",
		"ContentType": "Moment", "Content": raw})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{raw, envelope} {
		k, err := parse(body)
		if err != nil {
			t.Fatal(err)
		}
		want := clip{ID: "6a92fa1ee363eba308515c63", Type: "MOMENT", Shown: true, Goal: true, Seconds: 14,
			Title:     "Late header seals the win",
			At:        time.Date(2026, 8, 29, 21, 34, 17, 801e6, time.UTC),
			Made:      time.Date(2026, 8, 29, 15, 26, 22, 950e6, time.UTC),
			Thumbnail: "https://cdn.example.com/games/abc123/moment_VerticalTwoByThree.jpg"}
		k.hints, k.prose = nil, nil
		if !reflect.DeepEqual(k, want) {
			t.Errorf("clip %+v\nwant %+v", k, want)
		}
	}
}

func TestParseActionsAndShapes(t *testing.T) {
	for _, tt := range []struct {
		body           string
		shown, deleted bool
		err            string
	}{
		{body: `{"Action":"CREATE","ContentId":"a1","Content":{"id":"a1","status":"Active"}}`, shown: true},
		{body: `{"action":"updated","contentId":"a1","content":{"Id":"a1","Status":"ACTIVE"}}`, shown: true},
		{body: `{"Action":"Update","ContentId":"a1","Content":{"status":"Draft"}}`},
		{body: `{"Action":"Update","ContentId":"a1","Content":{}}`},
		{body: `{"Action":"deleted","ContentId":"a1"}`, deleted: true},
		{body: `{"Action":"Delete","ContentId":"a1","Content":null}`, deleted: true},
		{body: `{"Action":"DELETE","ContentId":"a1","Content":{"status":"Active"}}`, deleted: true},
		{body: `{"id":"a1","type":"Story","status":"Active","pages":[]}`, shown: true},
		{body: `{"Action":"Archive","ContentId":"a1","Content":{}}`, err: "action"},
		{body: `{"Action":"Create","ContentId":"a1"}`, err: "without content"},
		{body: `{"Action":"Create","ContentId":"../a1","Content":{}}`, err: "content id"},
		{body: `{"Action":"Create","Content":{}}`, err: "content id"},
		{body: `{"id":"a1"}`, err: errShape.Error()},
		{body: `{}`, err: errShape.Error()},
		{body: `[]`, err: "array"},
		{body: `{"Action":"Create","ContentId":"a1","Content":{"updateTime":"yesterday"}}`, err: "yesterday"},
		{body: `null`, err: errShape.Error()},
		{body: ``, err: "JSON"},
	} {
		k, err := parse([]byte(tt.body))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.body, err, tt.err)
			}
			continue
		}
		if err != nil || k.ID != "a1" || k.Shown != tt.shown || k.Deleted != tt.deleted {
			t.Errorf("%s: %+v, %v", tt.body, k, err)
		}
	}
}

func TestMinutes(t *testing.T) {
	for text, want := range map[string]struct {
		period goalcast.Period
		minute int
	}{
		"27": {goalcast.FirstHalf, 27}, "27'": {goalcast.FirstHalf, 27}, "45+2": {goalcast.FirstHalf, 47},
		"45 + 2'": {goalcast.FirstHalf, 47}, "46": {goalcast.SecondHalf, 46},
		"90+3": {goalcast.SecondHalf, 93}, "92": {"", 92}, "105+1": {goalcast.ExtraFirstHalf, 106},
		"120+2": {goalcast.ExtraSecondHalf, 122},
		"0":     {}, "SoccerEventMinute": {}, "": {}, "-3": {}, "999": {}, "27+": {}, "2.5": {},
	} {
		if period, minute := minuteOf(text); period != want.period || minute != want.minute {
			t.Errorf("%q: %s %d, want %s %d", text, period, minute, want.period, want.minute)
		}
	}
}

func TestOptaIDs(t *testing.T) {
	for _, tt := range []struct {
		provider, id text
		want         int64
	}{
		{"", "1009316", 1009316}, {"Opta", "g1009316", 1009316}, {"StatsPerform", "t30", 30},
		{"Sportradar", "1009316", 0}, {"", "sr:match:1", 0}, {"opta", "-4", 0}, {"opta", "", 0},
		{"opta", "99999999999999999999", 0},
	} {
		if got := (&entity{tt.provider, tt.id}).opta(); got != tt.want {
			t.Errorf("%q %q: %d, want %d", tt.provider, tt.id, got, tt.want)
		}
	}
	if (*entity)(nil).opta() != 0 {
		t.Error("no entity has an id")
	}
}

func TestAddressesForStrangers(t *testing.T) {
	for address, ok := range map[text]bool{
		"https://cdn.example.org/a.mp4?x=1": true, "http://cdn.example.org/a.mp4": false, "javascript:alert(1)": false,
		"//cdn.example.org/a": false, "https://": false,
		"https://user:pw@cdn.example.org/a": false, "file:///etc/passwd": false, "": false,
		text("https://cdn.example.org/" + strings.Repeat("a", maxURL)): false,
	} {
		if got := secureURL(address); (got != "") != ok {
			t.Errorf("%.60q: %q", address, got)
		}
	}
}

func TestGeo(t *testing.T) {
	k, err := parse([]byte(`{"id":"a","type":"Video","geoTargeting":{"includedGeos":["nl","BE","be",null,"Europe"],"excludedGeos":[]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(k.Include, []string{"BE", "EUROPE", "NL"}) || k.Exclude != nil {
		t.Errorf("include %v, exclude %v", k.Include, k.Exclude)
	}
}

// TestOrderOfDocuments: time first, then version; a deletion is the last word of its time.
func TestOrderOfDocuments(t *testing.T) {
	at := time.Date(2026, 8, 29, 21, 0, 0, 0, time.UTC)
	inOrder := []clip{{At: at, Version: 9}, {At: at.Add(time.Millisecond), Version: 1}, {At: at.Add(time.Millisecond),
		Version: 2}, {At: at.Add(time.Millisecond), Version: deletedCut}, {At: at.Add(time.Second)}}
	for i := 1; i < len(inOrder); i++ {
		if inOrder[i-1].version("b").Compare(inOrder[i].version("a")) >= 0 {
			t.Errorf("%d is not before %d", i-1, i)
		}
	}
}

func TestMatchByWords(t *testing.T) {
	kickoff := time.Date(2026, 8, 29, 18, 0, 0, 0, time.UTC)
	made := kickoff.Add(70 * time.Minute)
	snapshot := func(id goalcast.MatchID, home, away string, kickoff time.Time) goalcast.Snapshot {
		return goalcast.Snapshot{ID: id, Fixture: goalcast.Fixture{Home: goalcast.Team{ID: goalcast.TeamID(10 * id),
			Name: home},
			Away: goalcast.Team{ID: goalcast.TeamID(10*id + 1), Name: away}, Kickoff: kickoff}}
	}
	matches := []goalcast.Snapshot{
		snapshot(1, "Club Duinen", "FC Véloce", kickoff),
		snapshot(2, "Cercle Duinen", "KV Polder", kickoff),
		snapshot(3, "Noord", "Zuid", kickoff.Add(50*time.Minute)),
	}
	goal := goalcast.Event{ID: "g", Kind: goalcast.KindGoal, Status: goalcast.Confirmed, Team: 20, Minute: 61,
		Period: goalcast.SecondHalf}
	matches[1].Timeline = []goalcast.Event{goal}
	for name, tt := range map[string]struct {
		clip clip
		want goalcast.MatchID
		team goalcast.TeamID
	}{
		"label":                    {clip{hints: []string{"Club Duinen"}}, 1, 10},
		"accents and FC":           {clip{hints: []string{"veloce"}}, 1, 11},
		"both labels, no team":     {clip{hints: []string{"polder", "cercle duinen"}}, 2, 0},
		"title":                    {clip{prose: []string{"Wat een goal van KV Polder!"}}, 2, 0},
		"team id":                  {clip{Team: 21}, 2, 21},
		"half a name is two clubs": {clip{hints: []string{"Duinen"}}, 0, 0},
		"of which one had the goal": {clip{hints: []string{"Duinen"}, Goal: true, Minute: 60,
			Period: goalcast.SecondHalf}, 2, 20},
		"and none this one": {clip{hints: []string{"Duinen"}, Goal: true, Minute: 30,
			Period: goalcast.FirstHalf}, 0, 0},
		"a part of a word is no name": {clip{prose: []string{"Noordkaap"}}, 0, 0},
		"only FC":                     {clip{hints: []string{"FC"}}, 0, 0},
		"nothing":                     {clip{}, 0, 0},
		"not played so far":           {clip{hints: []string{"Noord"}, Minute: 60}, 0, 0},
		"played so far":               {clip{hints: []string{"Noord"}, Minute: 20}, 3, 30},
	} {
		m, ok := matchOf(matches, tt.clip, made)
		if m.ID != tt.want || ok != (tt.want != 0) {
			t.Errorf("%s: match %d, %v; want %d", name, m.ID, ok, tt.want)
		}
		if got := teamOf(m, tt.clip); ok && got != tt.team {
			t.Errorf("%s: team %d, want %d", name, got, tt.team)
		}
	}
}

// FuzzRead: no document makes the reader panic, and what it makes of one can be kept.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"Action":"CREATE","ActionTime":"2026-08-29T21:34:17Z","ContentId":"a1","ContentType":"Moment","Content":{"id":"a1","status":"Active","version":"3","updateTime":"2026-08-29T21:34:17.1234567"}}`,
		`{"Action":"delete","ContentId":"a1"}`,
		`{"id":"a1","type":"Story","status":"Active","pages":[{"videoRenditions":[{"url":"https://a.example/x.mp4","fileType":"Mp4","bitRate":1e400}],"extraInfo":{"eventMinute":"45+2"}}]}`,
		`{"id":"a1","type":"Video","duration":-1e308,"metadata":{"game":{"providerId":12}},"labels":[{"title":1,"identifier":null},7,"x"],"geoTargeting":{"includedGeos":"BE"}}`,
	} {
		f.Add([]byte(seed))
	}
	var p *Clips
	f.Fuzz(func(t *testing.T, body []byte) {
		doc := goalcast.Document{Provider: "wsc", Body: body, Received: time.Unix(1e9, 0), Digest: sha256.Sum256(body)}
		p.Describe(nil, body)
		r, err := p.Read(doc)
		if err != nil {
			return
		}
		k, err := read(doc)
		if err != nil || r.Source != "wsc:"+k.ID || !contentID.MatchString(k.ID) {
			t.Fatalf("source %q, id %q, %v", r.Source, k.ID, err)
		}
		fact := k.fact(1, true)
		text, err := json.Marshal(map[string]any{"fact": fact, "version": r.Version})
		if err != nil {
			t.Fatalf("cannot be kept: %v", err)
		}
		if strings.Contains(string(text), `\u0000`) || len(fact.ID) > 120 || fact.Minute < 0 || fact.Clip.Seconds < 0 {
			t.Fatalf("fact %s", text)
		}
	})
}
