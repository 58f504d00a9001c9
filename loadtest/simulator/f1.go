package simulator

import (
	"strconv"
	"time"
)

// f1 is the list of the day's matches: fixtures, and results of those that are over. What is
// going on is not in it.
func (d *Day) f1(of time.Duration) []byte {
	made := d.wall(of)
	w := newDocument("TournamentSRML", made)
	w.begin("SoccerFeed")
	w.begin("SoccerDocument", "Type", "RESULTS Latest", "competition_code", "KRL", "competition_id",
		itoa(CompetitionID), "competition_name",
		competitionName, "game_system_id", "1", "season_id", season, "season_name", seasonName, "timestamp",
		made.In(d.london).Format("2006-01-02 15-04-05"))
	for _, m := range d.matches {
		d.f1Match(w, m, of)
	}
	for _, m := range d.matches {
		for _, s := range []*squad{m.home, m.away} {
			w.begin("Team", "uID", "t"+itoa(s.team))
			w.leaf("Name", s.name)
			w.end()
		}
	}
	w.end()
	w.end()
	return w.Bytes()
}

func (d *Day) f1Match(w *document, m *match, of time.Duration) {
	over := of >= m.halves[1].end
	period := "PreMatch"
	if over {
		period = "FullTime"
	}
	kickoff := d.wall(m.kickoff).In(d.london)
	zone, _ := kickoff.Zone() // GMT or BST
	w.begin("MatchData", "uID", "g"+itoa(m.id))
	w.begin("MatchInfo", "MatchDay", "1", "Period", period, "Venue_id", itoa(m.home.venue))
	w.leaf("Date", kickoff.Format(time.DateTime))
	w.leaf("TZ", zone)
	w.end()
	w.stat("Venue", m.home.club.venue)
	w.stat("City", m.home.city)
	home, away := m.score(of)
	for _, t := range []struct {
		side  string
		squad *squad
		score int
	}{{"Home", m.home, home}, {"Away", m.away, away}} {
		attrs := []string{"Score", "", "Side", t.side, "TeamRef", "t" + itoa(t.squad.team)}
		if !over {
			w.empty("TeamData", attrs...)
			continue
		}
		attrs[1] = strconv.Itoa(t.score)
		w.begin("TeamData", attrs...)
		for _, in := range m.incidents {
			if v, entered := in.event.as(of); entered && in.kind == goal && in.side == t.squad && v.kind == typeGoal {
				w.empty("Goal", "Period", []string{"FirstHalf", "SecondHalf"}[in.event.period-1], "PlayerRef",
					"p"+itoa(v.player), "Type", goalType(v))
			}
		}
		w.end()
	}
	w.end()
}

// goalType is a goal's Type in the SRML feeds.
func goalType(v version) string {
	switch {
	case v.has(qOwnGoal):
		return "Own"
	case v.has(qPenalty):
		return "Penalty"
	}
	return "Goal"
}
