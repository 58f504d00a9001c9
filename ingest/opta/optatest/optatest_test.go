package optatest

import (
	"bytes"
	"encoding/xml"
	"sync"
	"testing"
	"time"

	"goalcast/internal/samples"
)

var matches = []string{"opta/f24/Bolton_ManCityF24.xml", "opta/f24/f24-23-2018-1009316-eventdetails.xml",
	"opta/f24/f24-90-2014-739634-eventdetails.xml"}

// counted is CountF24 of a real file. It takes seconds, and tests want it more than once.
func counted(t *testing.T, name string) Count {
	t.Helper()
	full := samples.Read(t, name)
	once, _ := counts.LoadOrStore(name, sync.OnceValue(func() Count { return CountF24(full) }))
	return once.(func() Count)()
}

var counts sync.Map // of func() Count, by name

// The counts of the real files, as read by a person from the published results.
func TestCountOfRealMatches(t *testing.T) {
	want := []Count{
		{Match: 360481, HomeTeam: 30, AwayTeam: 43, Home: 2, Away: 3, Yellow: 2, Substitutions: 5},
		{Match: 1009316, HomeTeam: 174, AwayTeam: 957, Home: 2, Away: 1, Yellow: 9, Substitutions: 6},
		{Match: 739634, HomeTeam: 203, AwayTeam: 307, Home: 2, Away: 0, Yellow: 5, Substitutions: 6},
	}
	for i, name := range matches {
		if got := counted(t, name); got != want[i] {
			t.Errorf("%s: %+v, want %+v", name, got, want[i])
		}
	}
}

// Every cut of a real match counts as much as the whole file says for that moment, and the last one
// as much as the whole file. Counting is slow, so of the events that nobody counts most are left
// out, and cuts at which nothing changes are only tried now and then.
func TestCutsOfRealMatches(t *testing.T) {
	for _, name := range matches {
		f := ParseF24(samples.Read(t, name))
		end := f.Moments()[len(f.Moments())-1]
		if got, want := CountF24(f.Cut(end)), counted(t, name); got != want {
			t.Errorf("%s: the whole at its end counts %+v, want %+v", name, got, want)
		}
		f.Thin()
		moments := f.Moments()
		if len(moments) < 20 {
			t.Fatalf("%s: only %d moments", name, len(moments))
		}
		last := Count{}
		for i, at := range moments {
			before := at.Add(-time.Millisecond)
			if f.CountAt(at) == f.CountAt(before) && i%10 > 0 {
				continue
			}
			for j, at := range []time.Time{before, at} {
				if j == 0 && i%3 > 0 {
					continue
				}
				last = CountF24(f.Cut(at))
				if want := f.CountAt(at); last != want {
					t.Errorf("%s at %v: cut counts %+v, want %+v", name, at, last, want)
				}
			}
		}
		if want := counted(t, name); last != want {
			t.Errorf("%s: last cut %+v, whole %+v", name, last, want)
		}
	}
}

const sample = `<?xml version="1.0" encoding="UTF-8"?>
<!-- PRODUCTION HEADER
     production time:    20200705T200000,000Z
-->
<Games timestamp="2020-07-05T21:00:00">
  <Game id="7" away_score="0" away_team_id="2" game_date="2020-07-05T18:00:00" home_score="0" home_team_id="1" period_1_start="2020-07-05T18:00:10" period_2_start="2020-07-05T19:01:00">
    <Event id="10" event_id="2" type_id="43" period_id="1" min="10" sec="3" player_id="5" team_id="1" timestamp="2020-07-05T18:10:13.47" last_modified="2020-07-05T18:11:56" version="1593969016000">
      <Q id="1" qualifier_id="144" value="16" />
      <Q id="2" qualifier_id="9" />
    </Event>
    <Event id="11" event_id="3" type_id="16" period_id="2" min="50" sec="3" player_id="5" team_id="1" timestamp="2020-07-05T19:06:13.2" last_modified="2020-07-07T10:00:00" version="1594112400000" />
  </Game>
</Games>
`

// A goal that was deleted 103 seconds later stands as a goal in between; a quality edit two days
// later does not show on the evening.
func TestCutShowsWhatWasKnownThen(t *testing.T) {
	at := func(text string) time.Time {
		m, err := time.Parse("15:04:05.000", text)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2020, 7, 5, m.Hour(), m.Minute(), m.Second(), m.Nanosecond(), time.UTC)
	}
	for _, tt := range []struct {
		at         time.Time
		home       int
		has, hasNo []string
	}{
		{at("17:10:13.046"), 0, []string{`timestamp="2020-07-05T18:10:13"`, `period_1_start`},
			[]string{"<Event", "home_score", "away_score", "period_2_start"}},
		{at("17:10:13.047"), 1, []string{`id="10" event_id="2" type_id="16"`, `version="1593969013047"`,
			`qualifier_id="9"`, "20200705T171013,047Z"}, []string{"144"}},
		{at("17:11:55.999"), 1, nil, []string{`type_id="43"`}},
		{at("17:11:56.000"), 0, []string{`type_id="43"`, `value="16"`}, nil},
		{at("18:06:13.002"), 1, []string{`last_modified="2020-07-05T19:06:13"`, `version="1593972373002"`,
			"period_2_start"}, []string{"2020-07-07"}},
	} {
		cut := CutF24([]byte(sample), tt.at)
		if got := CountF24(cut).Home; got != tt.home {
			t.Errorf("%v: %d goals, want %d", tt.at, got, tt.home)
		}
		for _, text := range tt.has {
			if !bytes.Contains(cut, []byte(text)) {
				t.Errorf("%v: no %q in\n%s", tt.at, text, cut)
			}
		}
		for _, text := range tt.hasNo {
			if bytes.Contains(cut, []byte(text)) {
				t.Errorf("%v: %q in\n%s", tt.at, text, cut)
			}
		}
	}
	want := []time.Time{at("17:10:13.047"), at("17:11:56.000"), at("18:06:13.002")}
	got := Moments([]byte(sample))
	if len(got) != len(want) {
		t.Fatalf("moments %v, want %v", got, want)
	}
	for i := range want {
		if !got[i].Equal(want[i]) {
			t.Errorf("moment %d: %v, want %v", i, got[i], want[i])
		}
	}
}

// matchResult is as much of an F7 as is checked here.
type matchResult struct {
	Stamp    string `xml:"TimeStamp,attr"`
	Document struct {
		Type string `xml:"Type,attr"`
		Data struct {
			Info struct {
				Period string `xml:"Period,attr"`
				Stamp  string `xml:"TimeStamp,attr"`
				Result []struct{}
			} `xml:"MatchInfo"`
			Teams []struct {
				Score        int        `xml:"Score,attr"`
				Goals        []struct{} `xml:"Goal"`
				Cards        []struct{} `xml:"Booking"`
				Substitution []struct{} `xml:"Substitution"`
				Lineup       []struct{} `xml:"PlayerLineUp>MatchPlayer"`
			} `xml:"TeamData"`
		} `xml:"MatchData"`
	} `xml:"SoccerDocument"`
}

// Cuts of an F7 and of the F24 of the same match agree at every moment, half a
// second's rounding aside.
func TestCutsOfF7AgreeWithF24(t *testing.T) {
	f7 := samples.Read(t, "opta/f7/f7-23-2018-1009316-matchresults.xml")
	f24 := ParseF24(samples.Read(t, "opta/f24/f24-23-2018-1009316-eventdetails.xml"))
	periods := map[string]bool{}
	for _, at := range f24.Moments() {
		var got matchResult
		cut := CutF7(f7, at)
		if err := xml.Unmarshal(cut, &got); err != nil {
			t.Fatalf("%v: %v\n%s", at, err, cut)
		}
		want := f24.CountAt(at)
		d := got.Document
		home, away := d.Data.Teams[0], d.Data.Teams[1]
		if home.Score != want.Home || away.Score != want.Away || len(home.Goals) != want.Home ||
			len(away.Goals) != want.Away {
			t.Errorf("%v: score %d-%d, want %d-%d", at, home.Score, away.Score, want.Home, want.Away)
		}
		if cards := len(home.Cards) + len(away.Cards); cards != want.Cards() {
			t.Errorf("%v: %d cards, want %d", at, cards, want.Cards())
		}
		if on := len(home.Substitution) + len(away.Substitution); on < want.Substitutions || on > want.Substitutions+1 {
			t.Errorf("%v: %d substitutions, want %d", at, on, want.Substitutions)
		}
		if over := d.Data.Info.Period == "FullTime"; over != (d.Type == "Result") ||
			over != (len(d.Data.Info.Result) == 1) {
			t.Errorf("%v: period %s, type %s, %d results", at, d.Data.Info.Period, d.Type, len(d.Data.Info.Result))
		}
		if len(home.Lineup) != 18 && d.Data.Info.Period != "PreMatch" {
			t.Errorf("%v: %d players", at, len(home.Lineup))
		}
		if stamp := at.In(London()).Format(srmlTime); got.Stamp != stamp {
			t.Errorf("%v: made at %s, want %s", at, got.Stamp, stamp)
		}
		periods[d.Data.Info.Period] = true
	}
	for _, p := range []string{"PreMatch", "FirstHalf", "HalfTime", "SecondHalf", "FullTime"} {
		if !periods[p] {
			t.Errorf("no cut was in period %s", p)
		}
	}
}

func TestHeaders(t *testing.T) {
	at := time.Date(2020, 7, 5, 17, 0, 0, 0, time.UTC)
	h := Headers("F24", []byte(sample), at)
	for key, want := range map[string]string{"x-meta-feed-type": "F24", "X-Meta-Game-Id": "7",
		"X-Meta-Home-Team-Id": "1", "X-Meta-Away-Team-Id": "2",
		"X-Meta-Competition-Id": "", "X-Meta-Last-Updated": "2020-07-05 17:00:00"} {
		if got := h.Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	f9 := Headers("f9", samples.Read(t, "opta/f9/f9-790722-live-48min.xml"), at)
	for key, want := range map[string]string{"X-Meta-Feed-Type": "F9", "X-Meta-Game-Id": "790722",
		"X-Meta-Competition-Id":   "420",
		"X-Meta-Default-Filename": "srml-420-2014-f790722-matchresults.xml", "X-Meta-Home-Team-Id": "2578",
		"X-Meta-Away-Team-Id": "764"} {
		if got := f9.Get(key); got != want {
			t.Errorf("F9 %s: %q, want %q", key, got, want)
		}
	}
}
