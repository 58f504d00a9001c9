package simulator_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goalcast/loadtest/simulator"
)

var start = time.Date(2026, 8, 15, 17, 30, 0, 0, time.UTC)

func day(t *testing.T, cfg simulator.Config) (*simulator.Day, []simulator.Document) {
	t.Helper()
	if cfg.Start.IsZero() {
		cfg.Start = start
	}
	d := simulator.New(cfg)
	docs := slices.Collect(d.Documents())
	if len(docs) < 100 {
		t.Fatalf("%d documents, want a match day of them", len(docs))
	}
	return d, docs
}

func TestSameSeedSameBytes(t *testing.T) {
	cfg := simulator.Config{Seed: 7, Matches: 2, TouchesPerMinute: 1, Noise: simulator.Noise{Double: 0.1, Swap: 0.1,
		Late: 0.1}, Start: start}
	_, a := day(t, cfg)
	_, b := day(t, cfg)
	if len(a) != len(b) {
		t.Fatalf("%d and %d documents of one seed", len(a), len(b))
	}
	for i := range a {
		if a[i].Due != b[i].Due || a[i].Feed != b[i].Feed || !bytes.Equal(a[i].Body, b[i].Body) {
			t.Fatalf("document %d (%s of match %d) differs between two runs of one seed", i, a[i].Feed, a[i].Match)
		}
	}
	i := 0
	for other := range simulator.New(simulator.Config{Seed: 8, Matches: 2, TouchesPerMinute: 1,
		Start: start}).Documents() {
		if i < 3 {
			i++
			continue
		}
		if bytes.Equal(a[i].Body, other.Body) {
			t.Error("another seed gives the same bytes")
		}
		break
	}
}

func TestDocumentsComeInOrderAndBelongTogether(t *testing.T) {
	d, docs := day(t, simulator.Config{Seed: 3, Matches: 2, TouchesPerMinute: 1})
	var last time.Duration
	feeds := map[string]int{}
	for i, doc := range docs {
		if doc.Due < last {
			t.Fatalf("document %d is due %v, before the one before it (%v)", i, doc.Due, last)
		}
		last = doc.Due
		feeds[doc.Feed]++
		if doc.Headers["X-Meta-Feed-Type"] != doc.Feed {
			t.Errorf("header says %q of a %s", doc.Headers["X-Meta-Feed-Type"], doc.Feed)
		}
		if id := doc.Headers["X-Meta-Game-Id"]; doc.Match != 0 && id != strconv.FormatInt(doc.Match, 10) {
			t.Errorf("header says game %q of match %d", id, doc.Match)
		}
		if i%10 == 0 && !wellFormed(doc.Body) { // one in ten: parsing is slow
			t.Fatalf("document %d, a %s, is no XML", i, doc.Feed)
		}
	}
	if docs[0].Feed != "F1" || docs[len(docs)-1].Feed != "F1" {
		t.Errorf("the day goes from %s to %s, want F1 to F1", docs[0].Feed, docs[len(docs)-1].Feed)
	}
	if d.Length() != last {
		t.Errorf("Length %v, the last document is due %v", d.Length(), last)
	}
	t.Logf("%d matches, %v at speed %v: %v documents", len(d.Matches()), d.Length(), d.Speed(), feeds)
}

func TestDocumentsHaveTheSizeOfRealOnes(t *testing.T) {
	_, docs := day(t, simulator.Config{Seed: 3, Matches: 1})
	size := map[string]int{}
	for _, doc := range docs {
		size[doc.Feed] = max(size[doc.Feed], len(doc.Body))
	}
	if size["F24"] < 300_000 || size["F9"] < 40_000 || size["F7"] < 8_000 || size["F7"] > 30_000 {
		t.Errorf("sizes %v are not those of real documents", size)
	}
}

func wellFormed(body []byte) bool {
	dec := xml.NewDecoder(bytes.NewReader(body))
	for {
		if _, err := dec.Token(); err != nil {
			return err.Error() == "EOF"
		}
	}
}

// The counts below are written for the test, from the description of the formats, and share nothing
// with what wrote the documents.

type f24File struct {
	Game struct {
		ID        int64  `xml:"id,attr"`
		Home      int64  `xml:"home_team_id,attr"`
		Away      int64  `xml:"away_team_id,attr"`
		Kickoff   string `xml:"game_date,attr"`
		HomeScore int    `xml:"home_score,attr"`
		AwayScore int    `xml:"away_score,attr"`
		Events    []struct {
			ID      int64  `xml:"id,attr"`
			Number  int    `xml:"event_id,attr"`
			Type    int    `xml:"type_id,attr"`
			Period  int    `xml:"period_id,attr"`
			Min     int    `xml:"min,attr"`
			Sec     int    `xml:"sec,attr"`
			Team    int64  `xml:"team_id,attr"`
			Player  int64  `xml:"player_id,attr"`
			At      string `xml:"timestamp,attr"`
			Version string `xml:"version,attr"`
			Q       []struct {
				ID    int    `xml:"qualifier_id,attr"`
				Value string `xml:"value,attr"`
			} `xml:"Q"`
		} `xml:"Event"`
	} `xml:"Game"`
}

type counted struct {
	score  [2]int
	goals  map[int64]int64 // event to scorer
	cards  []simulator.Card
	swaps  []simulator.Swap
	undone []int64 // goals deleted
}

func countF24(t *testing.T, body []byte) counted {
	t.Helper()
	var f f24File
	if err := xml.Unmarshal(body, &f); err != nil {
		t.Fatal(err)
	}
	c := counted{goals: map[int64]int64{}}
	offs := map[int]int64{}
	for _, e := range f.Game.Events {
		if e.Type == 18 {
			offs[e.Number] = e.Player
		}
	}
	starts := map[int]int{}
	for _, e := range f.Game.Events {
		q := map[int]string{}
		for _, one := range e.Q {
			q[one.ID] = one.Value
		}
		has := func(id int) bool { _, ok := q[id]; return ok }
		switch e.Type {
		case 16:
			side := 0
			if (e.Team == f.Game.Away) != has(28) {
				side = 1
			}
			c.score[side]++
			c.goals[e.ID] = e.Player
		case 17:
			kind := "Yellow"
			if has(32) {
				kind = "SecondYellow"
			} else if has(33) {
				kind = "StraightRed"
			}
			c.cards = append(c.cards, simulator.Card{EventID: e.ID, Team: e.Team, Player: e.Player, Type: kind})
		case 19:
			off, _ := strconv.Atoi(q[55])
			found := int64(0)
			for _, o := range f.Game.Events {
				if o.Type == 18 && o.Number == off && o.Team == e.Team {
					found = o.Player
				}
			}
			c.swaps = append(c.swaps, simulator.Swap{EventID: e.ID, Team: e.Team, Off: found, On: e.Player})
		case 32:
			starts[e.Period]++
		case 43:
			if e.Version != "" {
				t.Error("a deleted event has a version")
			}
			if q[144] == "16" {
				c.undone = append(c.undone, e.ID)
			}
		}
	}
	if c.score != [2]int{f.Game.HomeScore, f.Game.AwayScore} {
		t.Errorf("goals of the F24 make %v, its header says %d-%d", c.score, f.Game.HomeScore, f.Game.AwayScore)
	}
	if starts[1] != 2 || starts[2] != 2 {
		t.Errorf("period starts %v, want one per team", starts)
	}
	return c
}

type f9File struct {
	Document struct {
		Type  string `xml:"Type,attr"`
		UID   string `xml:"uID,attr"`
		Match struct {
			Info struct {
				Period string `xml:"Period,attr"`
			} `xml:"MatchInfo"`
			Teams []struct {
				Score int    `xml:"Score,attr"`
				Ref   string `xml:"TeamRef,attr"`
				Goals []struct {
					Event  int64  `xml:"EventID,attr"`
					Player string `xml:"PlayerRef,attr"`
				} `xml:"Goal"`
				Cards []struct {
					Event  int64  `xml:"EventID,attr"`
					Player string `xml:"PlayerRef,attr"`
					Type   string `xml:"CardType,attr"`
				} `xml:"Booking"`
				Swaps []struct {
					Event int64  `xml:"EventID,attr"`
					Off   string `xml:"SubOff,attr"`
					On    string `xml:"SubOn,attr"`
				} `xml:"Substitution"`
			} `xml:"TeamData"`
		} `xml:"MatchData"`
	} `xml:"SoccerDocument"`
}

func countF9(t *testing.T, body []byte) counted {
	t.Helper()
	var f f9File
	if err := xml.Unmarshal(body, &f); err != nil {
		t.Fatal(err)
	}
	if f.Document.Type != "Result" || f.Document.Match.Info.Period != "FullTime" {
		t.Errorf("last document is %s, %s", f.Document.Type, f.Document.Match.Info.Period)
	}
	num := func(ref string) int64 { n, _ := strconv.ParseInt(ref[1:], 10, 64); return n }
	c := counted{goals: map[int64]int64{}}
	for i, team := range f.Document.Match.Teams {
		c.score[i] = team.Score
		if len(team.Goals) != team.Score {
			t.Errorf("%d goals of %s, Score %d", len(team.Goals), team.Ref, team.Score)
		}
		for _, g := range team.Goals {
			c.goals[g.Event] = num(g.Player)
		}
		for _, b := range team.Cards {
			c.cards = append(c.cards, simulator.Card{EventID: b.Event, Team: num(team.Ref), Player: num(b.Player),
				Type: b.Type})
		}
		for _, s := range team.Swaps {
			c.swaps = append(c.swaps, simulator.Swap{EventID: s.Event, Team: num(team.Ref), Off: num(s.Off),
				On: num(s.On)})
		}
	}
	return c
}

func TestTruthIsWhatTheDocumentsSay(t *testing.T) {
	for _, cfg := range []simulator.Config{{Seed: 1, TouchesPerMinute: -1}, {Seed: 2, Matches: 1, TouchesPerMinute: 2},
		{Seed: 3, Matches: 1, TouchesPerMinute: -1}, {Seed: 4, Speed: 1, Matches: 2, TouchesPerMinute: 1}} {
		d, docs := day(t, cfg)
		final := map[string]map[int64][]byte{"F9": {}, "F24": {}, "F7": {}, "F1": {}}
		for _, doc := range docs {
			final[doc.Feed][doc.Match] = doc.Body
		}
		for _, m := range d.Matches() {
			want := counted{score: m.Score, goals: map[int64]int64{}, cards: m.Cards, swaps: m.Swaps}
			for _, g := range m.Goals {
				if g.Cancelled {
					want.undone = append(want.undone, g.EventID)
				} else {
					want.goals[g.EventID] = g.Scorer
				}
			}
			same(t, m.String()+" F24", countF24(t, final["F24"][m.ID]), want, true)
			same(t, m.String()+" F9", countF9(t, final["F9"][m.ID]), want, false)
			same(t, m.String()+" F7", countF9(t, final["F7"][m.ID]), want, false)
		}
	}
}

func same(t *testing.T, what string, got, want counted, undone bool) {
	t.Helper()
	byEvent := func(c *counted) {
		slices.SortFunc(c.cards, func(a, b simulator.Card) int { return cmp.Compare(a.EventID, b.EventID) })
		slices.SortFunc(c.swaps, func(a, b simulator.Swap) int { return cmp.Compare(a.EventID, b.EventID) })
		slices.Sort(c.undone)
	}
	byEvent(&got)
	byEvent(&want)
	if got.score != want.score || len(got.goals) != len(want.goals) {
		t.Errorf("%s: score %v with %d goals, want %v with %d", what, got.score, len(got.goals), want.score,
			len(want.goals))
	}
	for id, scorer := range want.goals {
		if got.goals[id] != scorer {
			t.Errorf("%s: goal %d by %d, want %d", what, id, got.goals[id], scorer)
		}
	}
	if !slices.Equal(got.cards, want.cards) {
		t.Errorf("%s: cards %v, want %v", what, got.cards, want.cards)
	}
	if !slices.Equal(got.swaps, want.swaps) {
		t.Errorf("%s: substitutions %v, want %v", what, got.swaps, want.swaps)
	}
	if undone && !slices.Equal(got.undone, want.undone) {
		t.Errorf("%s: goals taken back %v, want %v", what, got.undone, want.undone)
	}
}

// A day has as many matches as it was asked for, of different clubs with names and numbers of their
// own, and the next day has other matches.
func TestADayHasAsManyMatchesAsAskedFor(t *testing.T) {
	for _, n := range []int{1, 8, 9, 17, simulator.MaxMatches} {
		ids, names := map[int64]bool{}, map[string]bool{}
		for _, seed := range []uint64{7, 8} {
			matches := simulator.New(simulator.Config{Seed: seed, Matches: n, Start: start,
				TouchesPerMinute: -1}).Matches()
			if len(matches) != n {
				t.Errorf("%d matches, want %d", len(matches), n)
			}
			clear(names)
			for _, m := range matches {
				if ids[m.ID] || names[m.Home.Name] || names[m.Away.Name] || m.Home.Name == m.Away.Name {
					t.Errorf("seed %d of %d: %s is there twice", seed, n, m)
				}
				ids[m.ID], names[m.Home.Name], names[m.Away.Name] = true, true, true
			}
		}
	}
}

func TestEveryDayHasItsStories(t *testing.T) {
	for seed := range uint64(40) {
		n := int(seed%8) + 1
		d := simulator.New(simulator.Config{Seed: seed, Matches: n, Start: start})
		seen := map[string]int{}
		for _, m := range d.Matches() {
			score := [2]int{}
			for _, g := range m.Goals {
				switch {
				case g.Cancelled:
					seen["taken back"]++
					continue
				case g.Type != "Goal":
					seen[g.Type]++
				case g.First != g.Scorer:
					seen["corrected"]++
				}
				score[map[bool]int{true: 1}[g.Team == m.Away.ID]]++
			}
			if score != m.Score {
				t.Errorf("seed %d, %s: goals make %v", seed, m, score)
			}
			for _, c := range m.Cards {
				seen[c.Type]++
			}
			seen["swap"] += len(m.Swaps)
		}
		for _, what := range []string{"taken back", "Own", "Penalty", "corrected", "StraightRed", "swap"} {
			if seen[what] == 0 {
				t.Errorf("seed %d with %d matches: nothing of kind %q", seed, n, what)
			}
		}
	}
}

// A goal that is taken back is in the documents as a goal first, in both feeds, and about 100
// seconds of the match clock later no more.
func TestTakenBackGoalComesAndGoes(t *testing.T) {
	d, docs := day(t, simulator.Config{Seed: 7, Matches: 1, TouchesPerMinute: 1})
	var id string
	for _, g := range d.Matches()[0].Goals {
		if g.Cancelled {
			id = strconv.FormatInt(g.EventID, 10)
			break
		}
	}
	var told, gone, toldF9, goneF9 time.Duration
	for _, doc := range docs {
		text := string(doc.Body)
		switch doc.Feed {
		case "F24":
			if strings.Contains(text, `<Event id="`+id+`"`) {
				if at := strings.Index(text, `<Event id="`+id+`"`); strings.Contains(text[at:at+80], `type_id="16"`) {
					told = cmp.Or(told, doc.Due)
				} else if strings.Contains(text[at:at+80], `type_id="43"`) {
					gone = cmp.Or(gone, doc.Due)
				}
			}
		case "F9":
			if strings.Contains(text, `EventID="`+id+`"`) {
				toldF9 = cmp.Or(toldF9, doc.Due)
			} else if toldF9 > 0 {
				goneF9 = cmp.Or(goneF9, doc.Due)
			}
		}
	}
	if told == 0 || gone == 0 || toldF9 == 0 || goneF9 == 0 {
		t.Fatalf("told %v, F9 %v; gone %v, F9 %v", told, toldF9, gone, goneF9)
	}
	for feed, stood := range map[string]time.Duration{"F24": (gone - told) * 60, "F9": (goneF9 - toldF9) * 60} {
		if stood < 80*time.Second || stood > 120*time.Second {
			t.Errorf("in the %s the goal stood %v of match time, want about 100 s", feed, stood)
		}
	}
}

// Whoever judges age by the timestamps must find every event new, at any speed.
func TestEventsAreNewWhenTheyArrive(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	for _, speed := range []float64{1, 60, 600} {
		_, docs := day(t, simulator.Config{Seed: 5, Matches: 2, Speed: speed, TouchesPerMinute: -1})
		known := map[int64]bool{}
		var worst time.Duration
		for _, doc := range docs {
			if doc.Feed != "F24" {
				continue
			}
			var f f24File
			if err := xml.Unmarshal(doc.Body, &f); err != nil {
				t.Fatal(err)
			}
			for _, e := range f.Game.Events {
				if known[e.ID] {
					continue
				}
				known[e.ID] = true
				seconds, ms, _ := strings.Cut(e.At, ".")
				at, err := time.ParseInLocation("2006-01-02T15:04:05", seconds, london)
				if err != nil {
					t.Fatal(err)
				}
				n, _ := strconv.Atoi(ms) // not padded: .47 is 47 ms
				worst = max(worst, start.Add(doc.Due).Sub(at.Add(time.Duration(n)*time.Millisecond)))
			}
		}
		if limit := time.Duration(float64(100*time.Second) / min(speed, 60)); worst > limit {
			t.Errorf("speed %v: an event arrived %v after it happened, want at most %v", speed, worst, limit)
		}
	}
}

func TestNoiseChangesNothingInTheEnd(t *testing.T) {
	_, clean := day(t, simulator.Config{Seed: 9, Matches: 2, TouchesPerMinute: -1})
	_, noisy := day(t, simulator.Config{Seed: 9, Matches: 2, TouchesPerMinute: -1, Noise: simulator.Noise{Double: 0.3,
		Swap: 0.3, Late: 0.3}})
	bodies := map[string]bool{}
	for _, doc := range clean {
		bodies[string(doc.Body)] = true
	}
	times, outOfOrder, newest := map[string]int{}, 0, map[string]string{}
	for _, doc := range noisy {
		if !bodies[string(doc.Body)] {
			t.Fatalf("a %s that the clean day does not have", doc.Feed)
		}
		times[string(doc.Body)]++
		series, made := doc.Feed+strconv.FormatInt(doc.Match, 10), produced(doc.Body)
		if made < newest[series] {
			outOfOrder++
		}
		newest[series] = max(newest[series], made)
	}
	if len(times) != len(bodies) {
		t.Errorf("%d different documents of %d arrived", len(times), len(bodies))
	}
	if extra := len(noisy) - len(clean); extra < len(clean)*4/10 || outOfOrder < len(clean)/10 {
		t.Errorf("%d repeats and %d out of order among %d: too few for the rates", extra, outOfOrder, len(clean))
	}
}

func produced(body []byte) string {
	_, rest, _ := strings.Cut(string(body), "production time:")
	return strings.TrimSpace(rest[:30])
}

// Each goal has its clip, which tells the minute as fans say it, and nothing else of the day
// changes.
func TestClips(t *testing.T) {
	d, docs := day(t, simulator.Config{Seed: 5, Matches: 6, TouchesPerMinute: -1, Clips: true})
	minutes := map[string]bool{}
	others := 0
	for _, doc := range docs {
		if doc.Feed != simulator.ClipFeed {
			others++
			continue
		}
		var posted struct {
			Content struct {
				Metadata  struct{ Game struct{ ProviderID string } }
				ExtraInfo struct{ EventMinute string }
			}
		}
		if err := json.Unmarshal(doc.Body, &posted); err != nil {
			t.Fatal(err)
		}
		if posted.Content.Metadata.Game.ProviderID != strconv.FormatInt(doc.Match, 10) {
			t.Errorf("clip of match %d says %s", doc.Match, doc.Body)
		}
		minutes[fmt.Sprint(doc.Match, " ", posted.Content.ExtraInfo.EventMinute)] = true
	}
	for _, m := range d.Matches() {
		for _, g := range m.Goals {
			text := strconv.Itoa(g.Minute)
			if whole := 45 * g.Half; g.Minute > whole {
				text = fmt.Sprintf("%d+%d", whole, g.Minute-whole)
			}
			if !minutes[fmt.Sprint(m.ID, " ", text)] {
				t.Errorf("%s: no clip of the goal of minute %s", m, text)
			}
		}
	}
	if _, without := day(t, simulator.Config{Seed: 5, Matches: 6, TouchesPerMinute: -1}); len(without) != others {
		t.Errorf("%d other documents, %d without clips", others, len(without))
	}
}
