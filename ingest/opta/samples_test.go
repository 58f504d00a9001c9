package opta

import (
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/opta/optatest"
	"goalcast/internal/samples"
)

// Real documents of the same two matches.
var pairs = []struct{ f7, f24 string }{
	{"opta/f7/Bolton_ManCityF7.xml", "opta/f24/Bolton_ManCityF24.xml"},
	{"opta/f7/f7-23-2018-1009316-matchresults.xml", "opta/f24/f24-23-2018-1009316-eventdetails.xml"},
}

// loneGames are real documents of one feed only.
const (
	f24Alone = "opta/f24/f24-90-2014-739634-eventdetails.xml"
	f7Alone  = "opta/f7/srml-24-2011-f359299-matchresults.xml"
	f9Live   = "opta/f9/f9-790722-live-48min.xml"
)

func readSample(t *testing.T, feed, name string) merge.Reading {
	t.Helper()
	body := samples.Read(t, name)
	if got, _ := New().Describe(nil, body); got != feed {
		t.Errorf("%s is described as %s, want %s", name, got, feed)
	}
	r, err := New().Read(document(feed, string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func countKinds(facts []goalcast.Event, into map[goalcast.Kind]int) {
	for _, e := range facts {
		into[e.Kind]++
	}
}

// Every goal, card, substitution, period and line-up of a match has the same id in F7 and in F24
// and tells the same, so that ingest makes one event of the two.
func TestF7AndF24TellTheSame(t *testing.T) {
	for _, pair := range pairs {
		a, b := readSample(t, "F7", pair.f7).Matches[0], readSample(t, "F24", pair.f24).Matches[0]
		if a.Match != b.Match || a.Fixture.Home != b.Fixture.Home || a.Fixture.Away != b.Fixture.Away ||
			!a.Fixture.Kickoff.Equal(b.Fixture.Kickoff) ||
			a.Fixture.Competition != b.Fixture.Competition || a.Fixture.Season != b.Fixture.Season ||
			a.Fixture.Matchday != b.Fixture.Matchday {
			t.Errorf("%s: fixtures\n%+v\n%+v", pair.f7, a.Fixture, b.Fixture)
		}
		if len(a.Facts) != len(b.Facts) || len(a.Facts) < 18 {
			t.Errorf("%s: %d facts in F7, %d in F24", pair.f7, len(a.Facts), len(b.Facts))
		}
		for _, x := range a.Facts {
			sameFact(t, x, fact(t, b, x.ID))
		}
	}
}

// sameFact compares a fact of F7 with the same of F24. F7 has names and whole seconds only, and the
// older one no seconds at all.
func sameFact(t *testing.T, x, y goalcast.Event) {
	t.Helper()
	person := func(p *goalcast.Player) goalcast.PlayerID {
		if p == nil {
			return 0
		}
		return p.ID
	}
	if x.Kind != y.Kind || x.Status != y.Status || x.Match != y.Match || x.Team != y.Team || x.Period != y.Period ||
		x.Minute != y.Minute || person(x.Player) != person(y.Player) {
		t.Errorf("%s:\nF7  %+v\nF24 %+v", x.ID, x, y)
	}
	if d := y.At.Sub(x.At); !x.At.IsZero() && (d < 0 || d >= time.Second) {
		t.Errorf("%s: at %v in F7, %v in F24", x.ID, x.At, y.At)
	}
	if x.Second != 0 && x.Second != y.Second {
		t.Errorf("%s: second %d in F7, %d in F24", x.ID, x.Second, y.Second)
	}
	switch x.Kind {
	case goalcast.KindGoal:
		if x.Goal.Type != y.Goal.Type || person(x.Goal.Assist) != person(y.Goal.Assist) {
			t.Errorf("%s: %+v, %+v", x.ID, x.Goal, y.Goal)
		}
	case goalcast.KindCard:
		if *x.Card != *y.Card {
			t.Errorf("%s: %+v, %+v", x.ID, x.Card, y.Card)
		}
	case goalcast.KindSubstitution:
		a, b := x.Substitution, y.Substitution
		if person(a.Off) != person(b.Off) || person(a.On) != person(b.On) || a.Reason != b.Reason {
			t.Errorf("%s: %+v, %+v", x.ID, a, b)
		}
	case goalcast.KindLineup:
		sameLineup(t, x.Lineup, y.Lineup)
	}
}

// sameLineup compares as far as the older F7 tells: it has neither formation
// nor places nor captain.
func sameLineup(t *testing.T, a, b *goalcast.Lineup) {
	t.Helper()
	if a.Formation != "" && a.Formation != b.Formation {
		t.Errorf("formation %s in F7, %s in F24", a.Formation, b.Formation)
	}
	if len(a.Players) != len(b.Players) {
		t.Errorf("%d players in F7, %d in F24", len(a.Players), len(b.Players))
	}
	for _, p := range a.Players {
		i := slices.IndexFunc(b.Players, func(q goalcast.LineupPlayer) bool { return p.ID == q.ID })
		if i < 0 {
			t.Errorf("player %d is not in F24", p.ID)
			continue
		}
		q := b.Players[i]
		if p.Shirt != q.Shirt || p.Start != q.Start || a.Formation != "" &&
			(p.Place != q.Place || p.Captain != q.Captain) || p.Start && p.Position != q.Position {
			t.Errorf("%+v in F7, %+v in F24", p, q)
		}
	}
}

// The match documents and the one F24 without a pair together have 16 goals in F7 and F24 each as
// counted by hand from the files; none may be lost.
func TestRealDocumentsAreReadWhole(t *testing.T) {
	got7 := map[goalcast.Kind]int{}
	for _, name := range []string{pairs[0].f7, pairs[1].f7, f7Alone} {
		countKinds(readSample(t, "F7", name).Matches[0].Facts, got7)
	}
	// 5 + 3 + 8 goals, 2 + 9 + 4 cards, 5 + 6 + 6 substitutions, and for each match 2
	// line-ups and 4 periods.
	for kind, want := range map[goalcast.Kind]int{goalcast.KindGoal: 16, goalcast.KindCard: 15,
		goalcast.KindSubstitution: 17, goalcast.KindLineup: 6, goalcast.KindPeriod: 12} {
		if got7[kind] != want {
			t.Errorf("F7: %d of kind %s, want %d", got7[kind], kind, want)
		}
	}
	for _, name := range []string{pairs[0].f24, pairs[1].f24, f24Alone} {
		count := optatest.CountF24(samples.Read(t, name))
		got := map[goalcast.Kind]int{}
		m := readSample(t, "F24", name).Matches[0]
		countKinds(m.Facts, got)
		if got[goalcast.KindGoal] != count.Home+count.Away || got[goalcast.KindCard] != count.Cards() ||
			got[goalcast.KindSubstitution] != count.Substitutions+count.Left {
			t.Errorf("%s: %v, counted %+v", name, got, count)
		}
		if s := scoreOf(m); s.Home != count.Home || s.Away != count.Away {
			t.Errorf("%s: score %v, counted %+v", name, s, count)
		}
		if want := "first_half half_time second_half full_time"; periodsOf(m) != want {
			t.Errorf("%s: periods %s", name, periodsOf(m))
		}
		for _, e := range m.Facts {
			if e.At.IsZero() || e.At.Location() != time.UTC || e.Team == 0 && e.Kind != goalcast.KindPeriod &&
				e.Kind != goalcast.KindAddedTime {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
}

func TestRealOwnGoalAndPenalty(t *testing.T) {
	m := readSample(t, "F7", f7Alone).Matches[0]
	if got := scoreOf(m); got != (goalcast.Score{Home: 5, Away: 3}) {
		t.Errorf("score %v, want 5-3", got)
	}
	if e := fact(t, m, "opta:2125329824"); e.Goal.Type != goalcast.OwnGoal || e.Team != m.Fixture.Home.ID ||
		e.Player.Name == "" {
		t.Errorf("%+v %+v", e, e.Goal)
	}
	if e := fact(t, m, "opta:1337526645"); e.Goal.Type != goalcast.PenaltyGoal {
		t.Errorf("%+v", e.Goal)
	}
}

// The only real F9, at minute 48: past midnight in London, its times of day with day and month
// swapped and a day ahead.
func TestRealLiveF9(t *testing.T) {
	r := readSample(t, "F9", f9Live)
	m := r.Matches[0]
	if !r.Version.Time.Equal(utc("2015-04-14T23:07:23")) || !r.Version.Produced.IsZero() {
		t.Errorf("%+v", r.Version)
	}
	for p, want := range map[goalcast.Period]string{goalcast.FirstHalf: "2015-04-14T22:00:39",
		goalcast.HalfTime: "2015-04-14T22:48:41", goalcast.SecondHalf: "2015-04-14T23:05:15"} {
		if e := fact(t, m, periodID(m.Match, p)); !e.At.Equal(utc(want)) {
			t.Errorf("%s at %v, want %s", p, e.At, want)
		}
	}
	if got := scoreOf(m); got != (goalcast.Score{Home: 2}) {
		t.Errorf("score %v", got)
	}
	swap := fact(t, m, "opta:758385181")
	if swap.Minute != 45 || swap.Period != goalcast.SecondHalf || swap.Substitution.Off.Name != "Willians" {
		t.Errorf("%+v %+v", swap, swap.Substitution)
	}
	l := fact(t, m, lineupID(m.Match, m.Fixture.Home.ID)).Lineup
	if l.Formation != "4231" || len(l.Players) != 18 || l.Players[0].Position != "goalkeeper" ||
		l.Players[10].Place != 11 || l.Players[11].Start {
		t.Errorf("%+v", l)
	}
}

func TestRealF1(t *testing.T) {
	for name, want := range map[string]struct{ matches, played, goals int }{
		"opta/f1/srml-24-2011-results.xml": {380, 110, 285}, "opta/f1/srml-5-2011-results.xml": {96, 64, 158}} {
		body := samples.Read(t, name)
		r := readSample(t, "F1", name)
		played, goals := 0, 0
		for _, m := range r.Matches {
			f := m.Fixture
			if f.Kickoff.IsZero() || f.Venue == "" || f.City == "" || f.Home.Name == "" || f.Away.Name == "" ||
				f.Home.ID == f.Away.ID || f.Halted != "" {
				t.Errorf("%d: %+v", m.Match, f)
			}
			if f.Reported != nil {
				played++
				goals += f.Reported.Score.Home + f.Reported.Score.Away
			}
		}
		if listed := strings.Count(string(body), "<Goal "); listed != want.goals {
			t.Errorf("%s lists %d goals, want %d", name, listed, want.goals)
		}
		if len(r.Matches) != want.matches || played != want.played || goals != want.goals {
			t.Errorf("%s: %d matches, %d played, %d goals; want %+v", name, len(r.Matches), played, goals, want)
		}
		// What TZ says is what the rules of London say: one check of both.
		if got := strings.Count(string(body), "<TZ>BST</TZ>"); got != countSummer(r) {
			t.Errorf("%s: %d matches in summer time, by the rules of London %d", name, got, countSummer(r))
		}
	}
}

func countSummer(r merge.Reading) (n int) {
	for _, m := range r.Matches {
		if _, offset := m.Fixture.Kickoff.In(optatest.London()).Zone(); offset != 0 {
			n++
		}
	}
	return n
}

// A whole match as it was live: at every moment that matters the score is what the whole file says
// for that moment, and a goal, once told, has one id for good. Of the events that tell nothing most
// are left out.
func TestScoreAfterEveryCut(t *testing.T) {
	for _, pair := range append(slices.Clone(pairs), struct{ f7, f24 string }{"", f24Alone}) {
		full := optatest.ParseF24(samples.Read(t, pair.f24))
		full.Thin()
		var before merge.Version
		for _, at := range full.Moments() {
			r, m := mustRead(t, "F24", string(full.Cut(at)))
			want := full.CountAt(at)
			if got := scoreOf(m); got.Home != want.Home || got.Away != want.Away {
				t.Errorf("%s at %v: %v, want %+v", pair.f24, at, got, want)
			}
			if r.Version.Compare(before) <= 0 {
				t.Errorf("%s at %v: version %+v is not after %+v", pair.f24, at, r.Version, before)
			}
			before = r.Version
			if pair.f7 == "" {
				continue
			}
			_, f7 := mustRead(t, "F7", string(optatest.CutF7(samples.Read(t, pair.f7), at)))
			if got := scoreOf(f7); got.Home != want.Home || got.Away != want.Away {
				t.Errorf("%s at %v: %v, want %+v", pair.f7, at, got, want)
			}
		}
	}
}
