package opta

import (
	"fmt"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// fixtureList is an F1 while it is read: all matches of a season, and the names of
// the teams after them.
type fixtureList struct {
	clock       clock
	competition goalcast.Competition
	season      string
	made        time.Time // the document
	edited      time.Time // newest MatchData@last_modified
	matches     []merge.MatchReading
	teams       map[goalcast.TeamID]string
}

// readF1 reads fixtures and results. A match in it that has no id is skipped: there is
// nothing to hang it on.
func readF1(r *reader, _ goalcast.Document, c clock) (merge.Reading, error) {
	reading := merge.Reading{Source: sourceF1}
	l := fixtureList{clock: c, teams: map[goalcast.TeamID]string{}}
	var written string
	r.each(func() {
		if r.name() != "SoccerDocument" {
			return
		}
		written = string(r.attr("timestamp"))
		l.made = c.f1(written, "", r.produced())
		l.competition = goalcast.Competition{ID: goalcast.CompetitionID(id(r.attr("competition_id"))),
			Name: string(r.attr("competition_name"))}
		l.season = string(r.attr("season_id"))
		l.read(r)
	})
	if err := r.close(); err != nil {
		return reading, err
	}
	if l.made.IsZero() {
		return reading, fmt.Errorf("element SoccerDocument, attribute timestamp: %.40q is no time", written)
	}
	for i := range l.matches {
		f := l.matches[i].Fixture
		f.Home.Name, f.Away.Name = l.teams[f.Home.ID], l.teams[f.Away.ID]
	}
	reading.Version.Time, reading.Version.Edited, reading.Matches = l.made, l.edited, l.matches
	return reading, nil
}

func (l *fixtureList) read(r *reader) {
	r.each(func() {
		switch r.name() {
		case "MatchData":
			l.match(r)
		case "Team":
			team := goalcast.TeamID(id(r.attr("uID")))
			r.each(func() {
				if r.name() == "Name" {
					l.teams[team] = r.text()
				}
			})
		}
	})
}

func (l *fixtureList) match(r *reader) {
	match := goalcast.MatchID(id(r.attr("uID")))
	if match == 0 {
		return
	}
	if len(l.matches) == merge.MaxMatches {
		r.fail("more than %d matches in one list", merge.MaxMatches)
		return
	}
	l.edited = latest(l.edited, l.clock.f24(string(r.attr("last_modified")), l.made))
	f := &goalcast.Fixture{Competition: l.competition, Season: l.season}
	var period, result string
	var home, away side
	r.each(func() {
		switch r.name() {
		case "MatchInfo":
			period, result = string(r.attr("Period")), string(r.attr("GameWinnerType"))
			f.Matchday = int(number(r.attr("MatchDay")))
			f.Kickoff = l.kickoff(r, &result)
		case "Stat":
			switch string(r.attr("Type")) {
			case "Venue":
				f.Venue = r.text()
			case "City":
				f.City = r.text()
			case "Postponed", "Abandoned":
				f.Reason = r.text()
			}
		case "TeamData":
			switch string(r.attr("Side")) {
			case "Home":
				home = readSide(r)
			case "Away":
				away = readSide(r)
			}
		}
	})
	f.Home.ID, f.Away.ID = home.team, away.team
	if f.Halted = halted(period); f.Halted == "" {
		f.Reason = "" // it is played after all, on a new date
	}
	f.Reported = reported(periodNamed(period), home, away)
	if (period == resultAwarded || result == resultAwarded) && home.hasScore && away.hasScore {
		f.Awarded, f.Reported = &goalcast.Score{Home: home.score, Away: away.score}, nil
	}
	l.matches = append(l.matches, merge.MatchReading{Match: match, Fixture: f})
}

// kickoff reads the children of MatchInfo; a Result among them says what kind of result it is.
func (l *fixtureList) kickoff(r *reader, result *string) time.Time {
	var date, zone string
	r.each(func() {
		switch r.name() {
		case "Date":
			date = r.text()
		case "TZ":
			zone = r.text()
		case "Result":
			*result = string(r.attr("Type"))
		}
	})
	return l.clock.f1(date, zone, time.Time{})
}

// side is what F1 says of one team of a match.
type side struct {
	team      goalcast.TeamID
	score     int
	hasScore  bool
	kicks     int // scored in a shoot-out; not in score
	inKicks   bool
	kicksTold bool // by ShootOutScore, so that Goal elements need not be counted
}

func readSide(r *reader) side {
	s := side{team: goalcast.TeamID(id(r.attr("TeamRef")))}
	score := string(r.attr("Score"))
	s.score, s.hasScore = count(score), strings.Trim(score, "0123456789") == "" && score != ""
	if told := string(r.attr("ShootOutScore")); told != "" {
		s.kicks, s.kicksTold, s.inKicks = count(told), true, true
	}
	r.each(func() {
		if r.name() != "Goal" || periodNamed(string(r.attr("Period"))) != goalcast.Shootout {
			return
		}
		s.inKicks = true
		if kind := string(r.attr("Type")); !s.kicksTold && !strings.HasPrefix(kind, "Miss") &&
			!strings.HasPrefix(kind, "Save") {
			s.kicks++
		}
	})
	return s
}

// reported makes a result of the scores, where there is one: before a match some competitions write
// "" and others "0", so only the period tells whether 0-0 is a result.
func reported(p goalcast.Period, home, away side) *goalcast.Result {
	if p.Order() <= goalcast.PreMatch.Order() || !home.hasScore || !away.hasScore {
		return nil
	}
	result := &goalcast.Result{Period: p, Score: goalcast.Score{Home: home.score, Away: away.score}}
	if home.inKicks || away.inKicks {
		result.Shootout = &goalcast.Score{Home: home.kicks, Away: away.kicks}
	}
	return result
}
