package opta

import (
	"fmt"

	"goalcast"
	"goalcast/ingest/merge"
)

// Limits of a table document, so that what is kept stays small whatever is sent. The largest
// real ones have 48 teams.
const (
	maxTables = 64
	maxRows   = 256 // of a table; and zones of a document, and teams of a zone
)

// tables is an F3 while it is read.
type tables struct {
	standings goalcast.Standings
	names     map[goalcast.TeamID]string
}

// readF3 reads the tables of a season. They are kept as told: points may be deducted, and ties are
// broken by each competition's own rules.
func readF3(r *reader, _ goalcast.Document, c clock) (merge.Reading, error) {
	reading := merge.Reading{Source: sourceF3}
	t := tables{names: map[goalcast.TeamID]string{}}
	var written string
	r.each(func() {
		if r.name() != "SoccerDocument" {
			return
		}
		written = string(r.attr("timestamp"))
		t.standings = goalcast.Standings{Season: string(r.attr("season_id")), Groups: []goalcast.Table{},
			Updated: c.f1(written, "", r.produced()),
			Competition: goalcast.Competition{ID: goalcast.CompetitionID(id(r.attr("competition_id"))),
				Name: string(r.attr("competition_name"))}}
		t.read(r)
	})
	if err := r.close(); err != nil {
		return reading, err
	}
	if t.standings.Updated.IsZero() {
		return reading, fmt.Errorf("element SoccerDocument, attribute timestamp: %.40q is no time", written)
	}
	if t.standings.Competition.ID == 0 {
		return reading, fmt.Errorf("element SoccerDocument, attribute competition_id: no id")
	}
	for i := range t.standings.Groups {
		for j := range t.standings.Groups[i].Rows {
			team := &t.standings.Groups[i].Rows[j].Team
			team.Name = t.names[team.ID]
		}
	}
	reading.Version.Time, reading.Standings = t.standings.Updated, []goalcast.Standings{t.standings}
	return reading, nil
}

func (t *tables) read(r *reader) {
	r.each(func() {
		switch r.name() {
		case "Competition":
			t.read(r) // TeamStandings and Qualification stand in it, in some documents beside it
		case "TeamStandings":
			t.table(r)
		case "Qualification":
			r.each(func() { t.zone(r) })
		case "Team":
			team := goalcast.TeamID(id(r.attr("uID")))
			r.each(func() {
				if r.name() == "Name" && team != 0 {
					t.names[team] = r.text()
				}
			})
		}
	})
}

func (t *tables) table(r *reader) {
	if len(t.standings.Groups) == maxTables {
		r.fail("more than %d tables", maxTables)
		return
	}
	table := goalcast.Table{Matchday: count(string(r.attr("Matchday"))), Rows: []goalcast.TableRow{}}
	t.standings.Matchday = max(t.standings.Matchday, table.Matchday)
	r.each(func() {
		switch r.name() {
		case "Round":
			r.each(func() {
				if r.name() == "Name" {
					table.ID = string(r.attr("id"))
					table.Name = r.text()
				}
			})
		case "TeamRecord":
			if row, ok := t.row(r); ok && len(table.Rows) < maxRows {
				table.Rows = append(table.Rows, row)
			}
		}
	})
	t.standings.Groups = append(t.standings.Groups, table)
}

// row reads a team's line. One without a team, or whose Standing is missing, is none.
func (t *tables) row(r *reader) (row goalcast.TableRow, ok bool) {
	row.Team.ID = goalcast.TeamID(id(r.attr("TeamRef")))
	r.each(func() {
		if r.name() != "Standing" || ok {
			return
		}
		ok = true
		var home, away goalcast.TableRecord
		told := map[bool]bool{}
		r.each(func() {
			name := r.name()
			value := signed(r.text())
			switch record, field, isHome := &row.Total, name, false; {
			case len(name) > 4 && (name[:4] == "Home" || name[:4] == "Away"):
				if record, field, isHome = &away, name[4:], name[:4] == "Home"; isHome {
					record = &home
				}
				told[isHome] = true
				setRecord(record, field, value)
			case name == "Position":
				row.Position = value
			case name == "StartDayPosition":
				row.Before = value
			case name == "PointsDeducted" || name == "DeductedPoints":
				row.Deducted = max(value, -value)
			default:
				setRecord(record, field, value)
			}
		})
		if told[true] {
			row.Home = &home
		}
		if told[false] {
			row.Away = &away
		}
	})
	return row, ok && row.Team.ID != 0
}

func setRecord(r *goalcast.TableRecord, field string, value int) {
	switch field {
	case "Position":
		r.Position = value
	case "Played":
		r.Played = value
	case "Won":
		r.Won = value
	case "Drawn":
		r.Drawn = value
	case "Lost":
		r.Lost = value
	case "For":
		r.For = value
	case "Against":
		r.Against = value
	case "Points":
		r.Points = value
	}
}

// signed reads a number that may be below zero: points are, where more were deducted than won.
func signed(text string) int {
	if len(text) > 1 && text[0] == '-' {
		return -count(text[1:])
	}
	return count(text)
}

// zone reads a Type of Qualification: what some places are for.
func (t *tables) zone(r *reader) {
	zone := goalcast.TableZone{Name: string(r.attr("qualify")), Teams: []goalcast.TeamID{}}
	r.each(func() {
		if team := goalcast.TeamID(id(r.attr("team_id"))); r.name() == "Team" && team != 0 &&
			len(zone.Teams) < maxRows {
			zone.Teams = append(zone.Teams, team)
		}
	})
	if zone.Name != "" && len(t.standings.Zones) < maxRows {
		t.standings.Zones = append(t.standings.Zones, zone)
	}
}
