package goalcast

import (
	"cmp"
	"slices"
	"time"
)

// TableKey is the key of the state of a competition's topic that holds its tables as they stand:
// the Standings that AsItStands makes.
const TableKey = "table"

// tableDay is how long before a match another one kicked off, at most, that counts as of the same
// day.
const tableDay = 12 * time.Hour

// TableCount is how many matches the teams of a season had played by the provider's tables of a
// time.
type TableCount struct {
	At     time.Time      `json:"at"`
	Played map[TeamID]int `json:"played"`
}

// Count counts the matches that the tables hold.
func (s Standings) Count() TableCount {
	c := TableCount{At: s.Updated, Played: map[TeamID]int{}}
	for _, g := range s.Groups {
		for _, row := range g.Rows {
			c.Played[row.Team.ID] += row.Total.Played
		}
	}
	return c
}

// AsItStands gives the tables as they stand: the provider's, with the matches that they do not hold
// yet, those in play among them. Home and away records are left out. Live says whether anything was
// added; if not, the rows are the provider's.
//
// earlier are the counts of the tables that these replaced, oldest first. They tell which matches
// are in a table: a team that has played one more than before its kick-off has this one in it.
// Where no earlier count is known, the end of the match and the time of the table have to do. So a
// match is in a row once, whenever the provider adds it; one that the provider counts while it is
// played is as the provider tells it.
//
// matches are those of the competition that began lately, in any order. One counts if it is in play
// or over, both teams are in one table, and it is no knock-out match. One that was postponed or
// abandoned does not.
func (s Standings) AsItStands(earlier []TableCount, matches []Snapshot) Standings {
	counts := append(slices.Clone(earlier), s.Count())
	slices.SortStableFunc(counts, func(a, b TableCount) int { return a.At.Compare(b.At) })
	played := slices.Clone(matches)
	slices.SortFunc(played, ByTime)
	out := s
	out.Groups = slices.Clone(s.Groups)
	out.Zones = slices.Clone(s.Zones)
	for i := range out.Groups {
		if out.Groups[i].play(s, counts, played) {
			out.Live = true
		}
	}
	if out.Live {
		out.moveZones(s)
	}
	return out
}

// play adds matches to a copy of a provider's table; false if there is nothing to add.
func (t *Table) play(s Standings, counts []TableCount, matches []Snapshot) (added bool) {
	order := t.order()
	t.Rows = slices.Clone(t.Rows)
	slices.SortStableFunc(t.Rows, byPosition)
	var first time.Time // kick-off of the first match that is added
	var known []Snapshot
	for i := range t.Rows {
		row := &t.Rows[i]
		row.Home, row.Away = nil, nil
		var own []Snapshot
		for _, m := range matches {
			if (m.Home.ID == row.Team.ID || m.Away.ID == row.Team.ID) && t.counts(s, m) {
				own = append(own, m)
			}
		}
		in := inTable(counts, row.Team.ID, own)
		known = append(known, own[:in]...)
		for _, m := range own[in:] {
			row.add(m)
			if added = true; first.IsZero() || m.Time().Before(first) {
				first = m.Time()
			}
		}
	}
	if !added {
		return false
	}
	// The provider's places are those before these matches, unless it has some of the day already:
	// then it says itself where the day began.
	begun := slices.ContainsFunc(known, func(m Snapshot) bool { return m.Time().After(first.Add(-tableDay)) })
	for i := range t.Rows {
		if row := &t.Rows[i]; !begun || row.Before == 0 {
			row.Before = row.Position
		}
	}
	slices.SortStableFunc(t.Rows, order)
	for i := range t.Rows {
		t.Rows[i].Position = i + 1
	}
	return true
}

// counts says whether a match is one of the table's. Those of a knock-out round are not, though its
// teams may stand in one table: they have no day of the table's, or go on after ninety minutes.
func (t *Table) counts(s Standings, m Snapshot) bool {
	switch {
	case m.State != Live && m.State != Finished,
		m.Competition.ID != s.Competition.ID,
		m.Season != "" && s.Season != "" && m.Season != s.Season,
		t.Matchday > 0 && m.Matchday == 0,
		m.Shootout != nil, m.Period.Order() >= FullTime90.Order() && m.Period != FullTime,
		m.Home.ID == m.Away.ID:
		return false
	}
	has := func(id TeamID) bool {
		return slices.ContainsFunc(t.Rows, func(r TableRow) bool { return r.Team.ID == id })
	}
	return has(m.Home.ID) && has(m.Away.ID)
}

// inTable says how many of a team's matches, the first ones, the last of the counts holds.
func inTable(counts []TableCount, team TeamID, matches []Snapshot) int {
	if len(matches) == 0 {
		return 0
	}
	now := counts[len(counts)-1]
	start := matches[0].Time()
	for i := len(counts) - 1; i >= 0; i-- {
		if before, ok := counts[i].Played[team]; ok && counts[i].At.Before(start) {
			return min(max(now.Played[team]-before, 0), len(matches))
		}
	}
	in := 0
	for in < len(matches) && matches[in].State == Finished && !now.At.Before(matches[in].ended()) {
		in++
	}
	return in
}

// ended is when a finished match ended, or should have.
func (s Snapshot) ended() time.Time {
	if s.Period == FullTime && !s.Started.IsZero() {
		return s.Started
	}
	return s.Time().Add(2 * time.Hour)
}

// add counts a match in the row of one of its teams.
func (r *TableRow) add(m Snapshot) {
	scored, against := m.Score.Home, m.Score.Away
	if m.Away.ID == r.Team.ID {
		scored, against = against, scored
	}
	t := &r.Total
	t.Played++
	t.For += scored
	t.Against += against
	switch {
	case scored > against:
		t.Won++
		t.Points += 3
	case scored == against:
		t.Drawn++
		t.Points++
	default:
		t.Lost++
	}
	r.Matches = append(r.Matches, m.ID)
}

func byPosition(a, b TableRow) int { return cmp.Compare(a.Position, b.Position) }

// What a table can be ordered by, the best first.
var (
	byPoints     = func(a, b TableRow) int { return cmp.Compare(b.Total.Points, a.Total.Points) }
	byWins       = func(a, b TableRow) int { return cmp.Compare(b.Total.Won, a.Total.Won) }
	byDifference = func(a, b TableRow) int {
		return cmp.Compare(b.Total.For-b.Total.Against, a.Total.For-a.Total.Against)
	}
	byGoals = func(a, b TableRow) int { return cmp.Compare(b.Total.For, a.Total.For) }
)

// tableOrders are the rules by which competitions order their tables, the commonest first. What a
// rule leaves open stays as the provider has it: that knows of direct encounters and cards.
var tableOrders = [][]func(a, b TableRow) int{
	{byPoints, byDifference, byGoals},
	{byPoints, byWins, byDifference, byGoals},
	{byPoints, byDifference},
	{byPoints, byWins},
	{byPoints},
}

// order is the first rule that the provider's table follows. One in which not even the points
// explain the places keeps its order.
func (t *Table) order() func(a, b TableRow) int {
	rows := slices.SortedStableFunc(slices.Values(t.Rows), byPosition)
	for _, rule := range tableOrders {
		compare := func(a, b TableRow) int {
			for _, by := range rule {
				if c := by(a, b); c != 0 {
					return c
				}
			}
			return 0
		}
		if slices.IsSortedFunc(rows, compare) {
			return compare
		}
	}
	return func(TableRow, TableRow) int { return 0 }
}

// moveZones gives the places that are for something to the teams that stand on them now. A zone
// with a team that has no place in any table stays as it is.
func (s *Standings) moveZones(official Standings) {
	now := map[TeamID]TeamID{} // who stands where a team stood
	for i, g := range official.Groups {
		rows := slices.SortedStableFunc(slices.Values(g.Rows), byPosition)
		for j, row := range rows {
			now[row.Team.ID] = s.Groups[i].Rows[j].Team.ID
		}
	}
	for i, z := range s.Zones {
		teams := make([]TeamID, len(z.Teams))
		for j, id := range z.Teams {
			if teams[j] = now[id]; teams[j] == 0 {
				teams = z.Teams
				break
			}
		}
		s.Zones[i].Teams = teams
	}
}
