package simulator

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// roundsBefore is how many rounds were played in the season before the first day of Config.Tables.
const roundsBefore = 14

// record is what a club has played so far in the season.
type record struct{ played, won, drawn, lost, scored, conceded int }

func (r record) points() int { return 3*r.won + r.drawn }

// after is the record with one more result.
func (r record) after(scored, conceded int) record {
	r.played++
	r.scored += scored
	r.conceded += conceded
	switch {
	case scored > conceded:
		r.won++
	case scored == conceded:
		r.drawn++
	default:
		r.lost++
	}
	return r
}

// league is the table of a season: the records of clubs, by team id.
type league map[int64]record

// newLeague plays the rounds before the first day, each club against the others in turn.
func newLeague(seed uint64) league {
	rng := rand.New(rand.NewPCG(seed, 0x7ab1e))
	l := league{}
	order := rng.Perm(len(firstClubs))
	for range roundsBefore {
		for i := range len(order) / 2 {
			l.play(int64(firstTeamID+order[i]), int64(firstTeamID+order[len(order)-1-i]), rng.IntN(4), rng.IntN(3))
		}
		order = append(append(order[:1:1], order[len(order)-1]), order[1:len(order)-1]...) // the first stays
	}
	return l
}

func (l league) play(home, away int64, scored, conceded int) {
	l[home], l[away] = l[home].after(scored, conceded), l[away].after(conceded, scored)
}

// order lists the teams from the first place down.
func (l league) order() []int64 {
	return slices.SortedFunc(maps.Keys(l), func(a, b int64) int {
		x, y := l[a], l[b]
		return cmp.Or(cmp.Compare(y.points(), x.points()), cmp.Compare(y.scored-y.conceded, x.scored-x.conceded),
			cmp.Compare(y.scored, x.scored), cmp.Compare(a, b))
	})
}

// leagueAt is the table at a moment: that of before, with the matches that are over.
func (d *Day) leagueAt(of time.Duration) league {
	l := maps.Clone(d.before)
	for _, m := range d.matches {
		for _, team := range []int64{m.home.team, m.away.team} {
			if _, ok := l[team]; !ok {
				l[team] = record{} // who has not played yet is in the table, too
			}
		}
		if of >= m.closed {
			home, away := m.score(of)
			l.play(m.home.team, m.away.team, home, away)
		}
	}
	return l
}

// f3 is the table of the season.
func (d *Day) f3(of time.Duration) []byte {
	made := d.wall(of)
	w := newDocument("TournamentSRML", made)
	w.begin("SoccerFeed")
	w.begin("SoccerDocument", "Type", "STANDINGS Latest", "competition_code", "KRL", "competition_id",
		itoa(CompetitionID), "competition_name", competitionName, "game_system_id", "1", "season_id", season,
		"season_name", seasonName, "timestamp", made.In(d.london).Format("2006-01-02 15-04-05"))
	w.begin("Competition")
	l := d.leagueAt(of)
	order, was := l.order(), d.leagueAt(-1).order()
	played := 0
	for _, r := range l {
		played = max(played, r.played)
	}
	w.begin("TeamStandings", "Matchday", strconv.Itoa(played))
	for i, team := range order {
		r := l[team]
		w.begin("TeamRecord", "TeamRef", "t"+itoa(team))
		w.begin("Standing", "Type", "Full")
		for _, field := range []struct {
			name  string
			value int
		}{
			{"Against", r.conceded}, {"Drawn", r.drawn}, {"For", r.scored}, {"Lost", r.lost}, {"Played", r.played},
			{"Points", r.points()}, {"Position", i + 1},
			{"StartDayPosition", slices.Index(was, team) + 1}, {"Won", r.won},
		} {
			w.leaf(field.name, strconv.Itoa(field.value))
		}
		w.end()
		w.end()
	}
	w.end()
	w.begin("Qualification")
	for _, zone := range []struct {
		name     string
		from, to int
	}{{"Title_Play_Off", 0, 4}, {"Relegation", len(order) - 2, len(order)}} {
		w.begin("Type", "qualify", zone.name)
		for _, team := range order[zone.from:zone.to] {
			w.empty("Team", "method", "League_Position", "team_id", itoa(team), "team_name", clubName(team))
		}
		w.end()
	}
	w.end()
	w.end()
	for _, team := range order {
		w.begin("Team", "uID", "t"+itoa(team))
		w.leaf("Name", clubName(team))
		w.end()
	}
	w.end()
	w.end()
	return w.Bytes()
}

func clubName(team int64) string { return clubs[team-firstTeamID].name }
