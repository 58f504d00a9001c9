package odds

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
)

// Names that are the same team's, those that may be, and those that are not; the clubs are made up,
// but for what makes their names hard.
func TestNamesOfTeams(t *testing.T) {
	r := newNameReader()
	for _, tt := range []struct {
		a, b  string
		want  likeness
		which bool // the same team of the club
	}{
		{"Amberhaven", "Amberhaven", same, true},
		{"FC Amberhaven", "Amberhaven F.C.", same, true},
		{"1. FC Amberhaven 04", "Amberhaven", same, true},
		{"AMBERHAVEN UTD", "Amberhaven United", same, true},
		{"Amberhaven Utd.", "Amberhaven", partly, true},
		{"Ørslø IF", "Orslo", same, true},
		{"Łęczna", "LECZNA", same, true},
		{"Grünstraße SV", "Grunstrasse", same, true},
		{"Kasımtepe", "Kasimtepe", same, true},
		{"ＡＭＢＥＲ haven", "Amber Haven", same, true},
		{"Saint-Orme", "St. Orme", same, true},
		{"Nott'mere", "Nottmere", same, true},
		{"Amber & Haven", "Amber and Haven", same, true},
		{"Haven Amber", "Amber Haven", same, true},
		{"FC", "FC", same, true}, // it has no other name
		{"Amberhaven", "Saltmarsh", unlike, true},
		{"FC Amberhaven", "FC Saltmarsh", unlike, true},
		{"", "", unlike, true},
		{"Port Amber", "Amber Rovers", unlike, true},

		{"Amberhaven (W)", "Amberhaven Women", same, true},
		{"Amberhaven Women's", "Amberhaven Ladies", same, true},
		{"Amberhaven F.C. (W)", "Amberhaven Vrouwen", same, true},
		{"Amberhaven", "Amberhaven Women", same, false},
		{"Amberhaven", "Amberhaven W", same, false},
		{"Amberhaven U21", "Amberhaven Under 21", same, true},
		{"Amberhaven U-21", "Amberhaven sub21", same, true},
		{"Amberhaven U21", "Amberhaven U19", same, false},
		{"Amberhaven U21", "Amberhaven", same, false},
		{"Amberhaven II", "Amberhaven B", same, true},
		{"Amberhaven Reserves", "Jong Amberhaven", same, true},
		{"Amberhaven II", "Amberhaven", same, false},
		{"Amberhaven 2", "Amberhaven", same, false},
		{"Amberhaven B (W)", "Amberhaven Women II", same, true},
		{"Amberhaven B (W)", "Amberhaven Women", same, false},
		{"Amberhaven C", "Amberhaven B", same, false},
		{"B 93 Amberhaven", "Amberhaven", partly, true}, // at the beginning a letter says nothing
	} {
		a, b := r.team(tt.a), r.team(tt.b)
		if got := a.like(b); got != tt.want || b.like(a) != got {
			t.Errorf("%q and %q: %v, %v; want %v (%+v, %+v)", tt.a, tt.b, got, b.like(a), tt.want, a, b)
		}
		if got := slices.Equal(a.markers, b.markers); got != tt.which {
			t.Errorf("%q %v and %q %v: the same team of a club is %v", tt.a, a.markers, tt.b, b.markers, got)
		}
	}
}

// planned is "id home - away @ hours / competition".
func planned(id goalcast.MatchID, home, away string, after time.Duration, competition string) goalcast.OddsFixture {
	return goalcast.OddsFixture{Match: id, Home: home, Away: away, Kickoff: saturday.Add(after),
		Competition: competition}
}

var saturday = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)

func TestMatchesAreFoundByNamesKickoffAndCompetition(t *testing.T) {
	all := []goalcast.OddsFixture{
		planned(1, "FC Amberhaven", "Saltmarsh Rovers", 0, "Coastal League"),
		planned(2, "Amberhaven Women", "Saltmarsh Rovers Women", 0, "Coastal League"),
		planned(3, "Orme", "Dunes", 0, "Coastal League"),
		planned(4, "Orme", "Dunes", time.Hour, "Mountain League"),
		planned(5, "Orme", "Dunes", time.Hour, "Women's Mountain League"),
		planned(6, "Kelp", "Tarn", 0, ""),
		planned(7, "Kelp", "Tarn", 24*time.Hour, ""),
		planned(8, "Lake", "Hill", 0, "Cup"),
		planned(9, "Lake City", "Hill", 0, "Cup"),
		planned(10, "Moor", "Fen", 0, "Cup"),
		planned(11, "Moor", "Fen", time.Hour, ""),
	}
	known := newFixtures(all, newNameReader())
	for _, tt := range []struct {
		what, home, away, competition string
		after                         time.Duration
		fit, may                      []goalcast.MatchID
	}{
		{"the same names", "Amberhaven", "Saltmarsh Rovers", "", 0, ids(1), ids(2)},
		{"one name in part", "Amberhaven", "Saltmarsh", "7", 0, ids(1), ids(2)},
		{"both in part are not enough", "Amberhaven City", "Saltmarsh", "", 0, nil, ids(1, 2)},
		{"women", "Amberhaven (W)", "Saltmarsh Rovers (W)", "", 0, ids(2), ids(1)},
		{"women of one only", "Amberhaven (W)", "Saltmarsh Rovers", "", 0, nil, ids(1, 2)},
		{"women by the competition", "Amberhaven", "Saltmarsh Rovers", "Women's Coastal League", 0, ids(2), ids(1)},
		{"swapped", "Saltmarsh Rovers", "Amberhaven", "", 0, nil, ids(1, 2)},
		{"one team only", "Amberhaven", "Dunes", "", 0, nil, ids(1, 2, 3, 4, 5)},
		{"two hours before", "Kelp", "Tarn", "", -2 * time.Hour, ids(6), nil},
		{"two hours after", "Kelp", "Tarn", "", 2 * time.Hour, ids(6), nil},
		{"more than two hours", "Kelp", "Tarn", "", 2*time.Hour + 1, nil, nil},
		{"the next day's", "Kelp", "Tarn", "", 23 * time.Hour, ids(7), nil},
		{"two candidates", "Orme", "Dunes", "", 0, ids(3, 4), ids(5)},
		{"an id of a competition tells nothing", "Orme", "Dunes", "sr:tournament:7", 0, ids(3, 4), ids(5)},
		{"the competition narrows", "Orme", "Dunes", "Mountain League", 0, ids(4), ids(3, 5)},
		{"a competition that is like none does not narrow", "Orme", "Dunes", "Premier Mountain", 0, ids(3, 4), ids(5)},
		{"another competition does not widen", "Kelp", "Dunes", "Coastal League", 0, nil, ids(3, 6, 4, 5)},
		{"a competition that nobody knows may be it", "Moor", "Fen", "Cup", 0, ids(10, 11), nil},
		{"nor is it chosen for the other's name", "Moor", "Fen", "League", 0, ids(10, 11), nil},
		{"no less alike", "Lake", "Hill", "", 0, ids(8, 9), nil},
		{"nothing like it", "Elsewhere", "Nowhere", "Coastal League", 0, nil, nil},
	} {
		fit, may := known.find(goalcast.OddsMapping{Home: tt.home, Away: tt.away, Competition: tt.competition,
			Kickoff: saturday.Add(tt.after)})
		slices.Sort(may)
		slices.Sort(tt.may)
		if !slices.Equal(fit, tt.fit) || !slices.Equal(may, tt.may) {
			t.Errorf("%s: %v, maybe %v; want %v, maybe %v", tt.what, fit, may, tt.fit, tt.may)
		}
	}
	if fit, may := known.find(goalcast.OddsMapping{Home: "Kelp", Away: "Tarn"}); fit != nil || may != nil {
		t.Errorf("without a kick-off: %v, %v", fit, may)
	}
}

func ids(list ...goalcast.MatchID) []goalcast.MatchID { return list }

func TestManyNamesAreForgotten(t *testing.T) {
	r := newNameReader()
	r.limit = 100
	for i := range r.limit + 10 {
		r.team(fmt.Sprint("Team ", i))
	}
	if len(r.known) > r.limit || r.team("Amberhaven").like(r.team("amberhaven FC")) != same {
		t.Errorf("%d names", len(r.known))
	}
}
