package opta

import (
	"errors"
	"strings"
	"testing"

	"goalcast"
	"goalcast/ingest/merge"
)

func TestDescribe(t *testing.T) {
	match, games := f7(inPlay+"<!--", "", ""), f24("")
	match = strings.Replace(match, "<!--", "", 1)
	f9 := strings.Replace(match, `Side="Home" TeamRef="t1">`,
		`Side="Home" TeamRef="t1"><PlayerLineUp><MatchPlayer PlayerRef="p1"> <Stat Type="touches">1</Stat></MatchPlayer></PlayerLineUp>`, 1)
	f7Players := strings.Replace(match, `Side="Home" TeamRef="t1">`,
		`Side="Home" TeamRef="t1"><PlayerLineUp><MatchPlayer PlayerRef="p1" /><MatchPlayer PlayerRef="p2" /></PlayerLineUp>`, 1)
	f1 := `<SoccerFeed><SoccerDocument Type="RESULTS Latest" competition_id="24"></SoccerDocument></SoccerFeed>`
	for name, tt := range map[string]struct {
		headers map[string]string
		body    string
		feed    string
		match   goalcast.MatchID
	}{
		"headers": {map[string]string{"x-meta-feed-type": "F24", "x-meta-game-id": "1009316"}, "",
			"F24", 1009316},
		"trap: F01": {map[string]string{"x-meta-feed-type": "F01"}, "", "F1", 0},
		"trap: f9":  {map[string]string{"x-meta-feed-type": "f9", "x-meta-game-id": "7"}, "", "F9", 7},
		"trap: F09": {map[string]string{"x-meta-feed-type": " F09 ", "x-meta-game-id": "7"}, "", "F9",
			7},
		"F13 in another language": {map[string]string{"x-meta-feed-type": "F13m", "x-meta-game-id": "7"}, "", "F13M",
			7},
		"game id with letter": {map[string]string{"x-meta-feed-type": "F7", "x-meta-game-id": "f7"}, "", "F7", 7},
		"name of F24": {map[string]string{"x-meta-default-filename": "f24-23-2018-1009316-eventdetails.xml"},
			"", "F24", 1009316},
		"name of F1": {map[string]string{"x-meta-default-filename": "srml-24-2011-results.xml"}, "", "F1",
			0},
		"name of F3": {map[string]string{"x-meta-default-filename": "srml-24-2011-standings.xml"}, "",
			"F3", 0},
		"name of F40": {map[string]string{"x-meta-default-filename": "srml-24-2011-squads.xml"}, "", "F40",
			0},
		"name of F2": {map[string]string{"x-meta-default-filename": "opta-7-matchpreview.xml"}, "", "F2",
			7},
		"name of F42": {map[string]string{"x-meta-default-filename": "f42-3-2019-results.xml"}, "", "F42",
			0},
		"name of F26": {map[string]string{"x-meta-default-filename": "football_results.3.20131029.214916.xml"}, "",
			"F26", 0},
		"trap: F7 and F9 share it": {map[string]string{"x-meta-default-filename": "srml-3-2019-f7-matchresults.xml"},
			f9, "F9", 7},
		"and here it is F7": {map[string]string{"x-meta-default-filename": "srml-3-2019-f7-matchresults.xml"},
			f7Players, "F7", 7},
		"type against name": {map[string]string{"x-meta-feed-type": "F7",
			"x-meta-default-filename": "srml-3-2019-f7-matchresults.xml"}, f9, "F7", 7},
		"only a body: F24":       {nil, games, "F24", 7},
		"only a body: F7":        {nil, match, "F7", 7},
		"only a body: F9":        {nil, f9, "F9", 7},
		"only a body: F1":        {nil, f1, "F1", 0},
		"only a body: F3":        {nil, strings.Replace(f1, "RESULTS", "STANDINGS", 1), "F3", 0},
		"only a body: F40":       {nil, strings.Replace(f1, "RESULTS", "SQUADS", 1), "F40", 0},
		"only a body: F13":       {nil, `<Commentary game_id="7" lang_id="nl">`, "F13", 7},
		"feed, and match inside": {map[string]string{"x-meta-feed-type": "F24"}, games, "F24", 7},
		"latin-1, junk and cut": {nil, "\xef\xbb\xbf <?xml version='1.0' encoding='ISO-8859-1'?><!-- \xe9 -->" +
			games[strings.Index(games, "<Games"):strings.Index(games, "Rovers")+9], "F24", 7},
		"nothing":             {nil, "", "", 0},
		"no XML":              {nil, `{"a":1}`, "", 0},
		"a feed that is none": {map[string]string{"x-meta-feed-type": "WSC"}, "<html></html>", "", 0},
	} {
		feed, id := New().Describe(tt.headers, []byte(tt.body))
		if feed != tt.feed || id != tt.match {
			t.Errorf("%s: %q, %d; want %q, %d", name, feed, id, tt.feed, tt.match)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	f1 := `<SoccerFeed><SoccerDocument Type="RESULTS Latest" timestamp="2011-10-26 09-00-38"></SoccerDocument></SoccerFeed>`
	match := f7(inPlay, "", "")
	for name, tt := range map[string]struct {
		feed, body string
		is         error
		want       string
	}{
		"empty":                   {"F24", "", ErrEmpty, ""},
		"a feed that is not read": {"F42", strings.Replace(f1, "RESULTS", "PREVIEW", 1), merge.ErrUnread, "F42"},
		"an unread feed, broken":  {"F2", "<preview", merge.ErrUnread, ""},
		"F40 without competition": {"F40", strings.Replace(f1, "RESULTS", "SQUADS", 1), nil, "competition_id"},
		"standings by their body": {"", strings.Replace(f1, "RESULTS", "STANDINGS", 1), nil,
			"opta F3: element SoccerDocument, attribute competition_id"},
		"a broken ticker":         {"F26", "<feed", nil, "not closed"},
		"a ticker without a time": {"F26", "<feed></feed>", nil, "element result, attribute timestamp"},
		"commentary of no match": {"F13", `<Commentary><message id="1" comment="x"/></Commentary>`, nil,
			"attribute game_id"},
		"commentary without a time": {"F13M", `<Commentary game_id="7"><message id="1" comment="x"/></Commentary>`, nil,
			"last_modified"},
		"squads without a time": {"F40", strings.Replace(strings.Replace(f1, "RESULTS",
			`SQUADS Latest" competition_id="3`, 1), "timestamp", "stamp", 1), nil, "is no time"},
		"an F24 called F9":      {"F9", f24(""), ErrWrongFeed, "the headers say F9, the body is F24"},
		"an F7 called F24":      {"F24", match, ErrWrongFeed, "the headers say F24, the body is F7"},
		"an F7 called F1":       {"F1", match, ErrWrongFeed, ""},
		"an F1 called F07":      {"F07", f1, ErrWrongFeed, ""},
		"an F24 called F40":     {"F40", f24(""), ErrWrongFeed, ""},
		"a web page called F24": {"F24", "<html></html>", ErrWrongFeed, `the root element is "html"`},
		"nobody says what": {"", "<html></html>", nil,
			`neither headers nor body tell a feed; the root element is "html"`},
		"truncated F24": {"F24", strings.TrimSuffix(f24(""), "</Games>"), nil,
			`ends inside of element "Games"`},
		"truncated F7": {"F9", match[:len(match)-20], nil, "line "},
		"F24 without match id": {"F24", strings.Replace(f24(""), `id="7" `, "", 1), nil,
			`element Game, attribute id: "" is no match id`},
		"F24 with a bad match id": {"F24", strings.Replace(f24(""), `id="7" `, `id="seven" `, 1), nil,
			`element Game, attribute id: "seven"`},
		"F24 without time": {"F24", strings.Replace(f24(""), ` timestamp="2020-07-05T20:05:00"`, "", 1), nil,
			"element Games, attribute timestamp"},
		"F7 without match id": {"F7", strings.Replace(match, ` uID="f7"`, "", 1), nil,
			"element SoccerDocument, attribute uID"},
		"F7 without time": {"F7", strings.Replace(match, ` TimeStamp="20200705T200500+0100"`, "", 1), nil,
			"element SoccerFeed, attribute TimeStamp"},
		"F1 without time": {"F1", strings.Replace(f1, ` timestamp="2011-10-26 09-00-38"`, "", 1), nil,
			"element SoccerDocument, attribute timestamp"},
		"an entity bomb": {"F24", `<!DOCTYPE Games [<!ENTITY a "aaaa">]>` + f24(""), nil, "DOCTYPE"},
	} {
		_, err := New().Read(document(tt.feed, tt.body))
		if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %v with %q", name, err, tt.is, tt.want)
		}
		if tt.is == nil && (errors.Is(err, ErrWrongFeed) || errors.Is(err, merge.ErrUnread)) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestVersionOfDocuments(t *testing.T) {
	r, _ := mustRead(t, "F24", f24(`<Event id="1" type_id="1" last_modified="2020-07-05T19:59:00" version="1593975540123"/>
		<Event id="2" type_id="43" last_modified="2020-07-05T20:03:04" version="1593975000000"/><Event id="3" type_id="1"/>`))
	if !r.Version.Time.Equal(utc("2020-07-05T19:05:00")) || !r.Version.Produced.Equal(utc("2020-07-05T19:05:01.25")) ||
		!r.Version.Edited.Equal(utc("2020-07-05T19:03:04")) || len(r.Version.Digest) != 64 {
		t.Errorf("%+v", r.Version)
	}
	if r.Source != "opta:f24" {
		t.Errorf("source %s", r.Source)
	}
	r, _ = mustRead(t, "F9", f7(inPlay, "", ""))
	if r.Source != "opta:match" || r.Variant != "F9" || !r.Version.Time.Equal(utc("2020-07-05T19:05:00")) ||
		!r.Version.Produced.IsZero() {
		t.Errorf("%s %+v", r.Source, r.Version)
	}
}

// What the headers of a delivery say decides between two documents of one second that have
// no production header.
func TestVersionByTheHeadersOfTheDelivery(t *testing.T) {
	read := func(produced, updated string) merge.Version {
		d := document("F9", f7(inPlay, "", ""))
		d.Headers = map[string]string{"x-meta-production-server-timestamp": produced, "x-meta-last-updated": updated}
		r, err := New().Read(d)
		if err != nil {
			t.Fatal(err)
		}
		return r.Version
	}
	for _, older := range [][2]string{{"2020-07-05 20:05:01", ""}, {"2020-07-05 20:05:01", "2020-07-05 20:05:03"},
		{"", "2020-07-05T20:05:01"}, {"nonsense", ""}} {
		newer := [2]string{"2020-07-05 20:05:02", ""}
		if older[0] == "" {
			newer = [2]string{"", "2020-07-05 20:05:02"}
		}
		if a, b := read(older[0], older[1]), read(newer[0], newer[1]); a.Compare(b) >= 0 || !a.Produced.IsZero() {
			t.Errorf("%q is not before %q: %+v, %+v", older, newer, a, b)
		}
	}
}
