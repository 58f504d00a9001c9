package opta

import (
	"cmp"
	"fmt"
	"strings"

	"goalcast"
	"goalcast/ingest/merge"
)

// Limits of a squad document. Real ones have up to 100 teams with up to 60 players.
const (
	maxSquads     = 1000
	maxInSquad    = 500
	maxSquadParts = 50 // officials of a squad
)

// readF40 reads the squads of a season. PlayerChanges, after the teams, lists those who left: they
// are not in the squad.
func readF40(r *reader, _ goalcast.Document, c clock) (merge.Reading, error) {
	reading := merge.Reading{Source: sourceF40}
	written := string(r.attr("timestamp"))
	made := c.srmlOrF1(written, r.produced())
	list := goalcast.SquadList{}
	place := map[goalcast.TeamID]int{}
	members := 0
	squad := func(team goalcast.TeamID) *goalcast.Squad {
		i, known := place[team]
		if !known {
			i, place[team] = len(list.Squads), len(list.Squads)
			list.Squads = append(list.Squads, goalcast.Squad{Competition: list.Competition, Season: list.Season,
				Team: goalcast.Team{ID: team}, Players: []goalcast.SquadPlayer{}})
		}
		return &list.Squads[i]
	}
	teams := func(left bool) {
		if r.name() != "Team" {
			return
		}
		team := goalcast.TeamID(id(r.attr("uID")))
		if team == 0 {
			return
		}
		if len(list.Squads) == maxSquads {
			r.fail("more than %d teams", maxSquads)
			return
		}
		s := squad(team)
		before := len(s.Players) + len(s.Left)
		readSquad(r, s, left)
		if members += len(s.Players) + len(s.Left) - before; members > merge.MaxSquadMembers {
			r.fail("more than %d players", merge.MaxSquadMembers)
		}
	}
	r.each(func() {
		if r.name() != "SoccerDocument" {
			return
		}
		if made.IsZero() { // some write it here
			written = string(r.attr("timestamp"))
			made = c.srmlOrF1(written, r.produced())
		}
		list.Competition = goalcast.Competition{ID: goalcast.CompetitionID(id(r.attr("competition_id"))),
			Name: string(r.attr("competition_name"))}
		list.Season = string(r.attr("season_id"))
		r.each(func() {
			if r.name() == "PlayerChanges" {
				r.each(func() { teams(true) })
				return
			}
			teams(false)
		})
	})
	if err := r.close(); err != nil {
		return reading, err
	}
	if made.IsZero() {
		return reading, fmt.Errorf("element SoccerFeed, attribute timestamp: %.40q is no time", written)
	}
	if list.Competition.ID == 0 {
		return reading, fmt.Errorf("element SoccerDocument, attribute competition_id: no id")
	}
	for i := range list.Squads {
		list.Squads[i].Updated = made
	}
	reading.Version.Time, reading.Squads = made, []goalcast.SquadList{list}
	return reading, nil
}

// readSquad reads a Team into its squad; with left one of PlayerChanges.
func readSquad(r *reader, s *goalcast.Squad, left bool) {
	s.Short = cmp.Or(string(r.attr("short_club_name")), s.Short)
	r.each(func() {
		switch r.name() {
		case "Name":
			s.Team.Name = cmp.Or(s.Team.Name, r.text())
		case "SYMID":
			s.Short = r.text()
		case "Founded":
			s.Founded = min(count(r.text()), 9999)
		case "Stadium":
			stadium := goalcast.Stadium{ID: id(r.attr("uID"))}
			r.each(func() {
				switch r.name() {
				case "Name":
					stadium.Name = r.text()
				case "Capacity":
					stadium.Capacity = count(r.text())
				case "City":
					stadium.City = r.text()
				}
			})
			if stadium.Name != "" {
				s.Stadium = &stadium
			}
		case "TeamOfficial":
			if o, ok := squadOfficial(r); ok && len(s.Officials) < maxSquadParts {
				s.Officials = append(s.Officials, o)
			}
		case "Player":
			p, ok := squadPlayer(r)
			switch {
			case !ok:
			case left && len(s.Left) < maxInSquad:
				s.Left = append(s.Left, p)
			case !left && len(s.Players) < maxInSquad:
				s.Players = append(s.Players, p)
			}
		}
	})
}

// squadPlayer reads a Player. His name for fans is known_name, else first and last, else Name.
func squadPlayer(r *reader) (goalcast.SquadPlayer, bool) {
	p := goalcast.SquadPlayer{Player: goalcast.Player{ID: goalcast.PlayerID(id(r.attr("uID")))}}
	var first, last, known, name string
	told := func(text string) string {
		if text == "Unknown" {
			return ""
		}
		return text
	}
	r.each(func() {
		switch r.name() {
		case "Name":
			name = r.text()
		case "Position":
			p.Position = position(r.text())
		case "Stat":
			switch kind := string(r.attr("Type")); kind {
			case "first_name":
				first = r.text()
			case "last_name":
				last = r.text()
			case "known_name":
				known = r.text()
			case "birth_date":
				p.Born = told(r.text())
			case "country", "first_nationality":
				p.Country = cmp.Or(p.Country, told(r.text()))
			case "height":
				p.Height = count(r.text())
			case "jersey_num":
				p.Shirt = min(count(r.text()), 999)
			case "real_position":
				p.Role = told(r.text())
			case "join_date":
				p.Joined = told(r.text())
			case "leave_date":
				p.LeftOn = told(r.text())
			case "new_team":
				p.NewTeam = told(r.text())
			}
		}
	})
	p.Name = cmp.Or(known, strings.TrimSpace(first+" "+last), name)
	return p, p.ID != 0
}

func squadOfficial(r *reader) (goalcast.SquadOfficial, bool) {
	o := goalcast.SquadOfficial{ID: id(r.attr("uID")), Role: string(r.attr("Type")), Country: string(r.attr("country"))}
	o.Name = personName(r, func() {
		if r.name() == "join_date" {
			o.Joined = r.text()
		}
	})
	return o, o.Name != ""
}
