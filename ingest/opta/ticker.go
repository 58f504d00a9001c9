package opta

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// maxTickerMatches bounds one document: all matches of a competition's day, or of a whole day.
const maxTickerMatches = 1000

// ticker is an F26 while it is read.
type ticker struct {
	clock       clock
	near        time.Time
	newest      time.Time
	competition goalcast.Competition
	date        string
	matches     []merge.MatchReading
}

// readF26 reads the ticker: results of a day, with who scored. It names no event by an id that
// other feeds know, so it makes no facts: its score stands in as a reported result while
// nothing better is known, and its goals, cards and substitutions are claims, to be held
// against what other feeds tell.
func readF26(r *reader, doc goalcast.Document, c clock) (merge.Reading, error) {
	reading := merge.Reading{Source: sourceTicker}
	t := ticker{clock: c, near: r.produced()}
	if t.near.IsZero() {
		t.near = doc.Received
	}
	t.read(r)
	if err := r.close(); err != nil {
		return reading, err
	}
	// The feed's own dateline has a wrong offset: the newest of its results is the document's time.
	reading.Version.Edited = t.newest
	if reading.Version.Time = t.newest; t.newest.IsZero() {
		reading.Version.Time = r.produced()
	}
	if reading.Version.Time.IsZero() {
		return reading, fmt.Errorf("element result, attribute timestamp: none is a time")
	}
	reading.Matches = t.matches
	return reading, nil
}

// read goes down through content.item and content.body to the results.
func (t *ticker) read(r *reader) {
	r.each(func() {
		switch r.name() {
		case "content.item", "content.body":
			t.read(r)
		case "results":
			t.competition = goalcast.Competition{ID: goalcast.CompetitionID(id(r.attr("comp-id"))),
				Name: string(r.attr("comp-name"))}
			t.date = string(r.attr("date"))
			kickoff := string(r.attr("ko-time"))
			r.each(func() {
				if r.name() == "result" {
					t.result(r, kickoff)
				}
			})
		}
	})
}

func (t *ticker) result(r *reader, kickoff string) {
	match := goalcast.MatchID(id(r.attr("game-id")))
	t.newest = latest(t.newest, t.clock.f1(string(r.attr("timestamp")), "", t.near))
	if match == 0 {
		return
	}
	if len(t.matches) == maxTickerMatches {
		r.fail("more than %d results", maxTickerMatches)
		return
	}
	date := cmp.Or(string(r.attr("date")), t.date)
	kickoff = cmp.Or(string(r.attr("ko-time")), kickoff)
	period := tickerPeriod(string(r.attr("period")), string(r.attr("match-status")))
	f := &goalcast.Fixture{Competition: t.competition, Kickoff: t.clock.f1(date+" "+kickoff, "", t.near)}
	m := merge.MatchReading{Match: match, Fixture: f, Players: map[goalcast.PlayerID]string{},
		Claims: &merge.Claims{Period: period}}
	var home, away side
	r.each(func() {
		switch r.name() {
		case "home-team":
			home = t.side(r, &m, &f.Home)
		case "away-team":
			away = t.side(r, &m, &f.Away)
		}
	})
	if home.hasScore && away.hasScore && period.Order() > goalcast.PreMatch.Order() {
		m.Claims.Score = &goalcast.Score{Home: home.score, Away: away.score}
	}
	f.Reported = reported(period, home, away)
	t.matches = append(t.matches, m)
}

// side reads one team: its score, and what its players did.
func (t *ticker) side(r *reader, m *merge.MatchReading, team *goalcast.Team) side {
	var s side
	first := len(m.Claims.Events)
	set := func(name, value string) {
		switch name {
		case "team-id":
			team.ID = goalcast.TeamID(id([]byte(value)))
		case "team-name":
			team.Name = value
		case "score":
			s.score, s.hasScore = count(value), digits(value)
		case "pen_score", "pen-score":
			if digits(value) {
				s.kicks, s.inKicks, s.kicksTold = count(value), true, true
			}
		}
	}
	for _, name := range [...]string{"team-id", "team-name", "score", "pen_score", "pen-score"} {
		if value := r.attr(name); value != nil {
			set(name, string(value))
		}
	}
	r.each(func() {
		switch name := r.name(); name {
		case "scorers", "bookings", "substitutions":
			r.each(func() { t.claim(r, m) })
		default:
			set(name, r.text())
		}
	})
	s.team = team.ID
	for i := first; i < len(m.Claims.Events); i++ {
		m.Claims.Events[i].Team = team.ID
	}
	return s
}

// maxClaims bounds what is kept of one match.
const maxClaims = 100

// claim reads a scorer, a card or a substitution. Kicks of a shoot-out are no claims: nothing tells
// which kick was whose.
func (t *ticker) claim(r *reader, m *merge.MatchReading) {
	e := goalcast.Event{Period: tickerPeriod(string(r.attr("period")), "")}
	minute, second := count(string(r.attr("min")))%1000, count(string(r.attr("sec")))%60
	if e.Minute = count(string(r.attr("time"))) % 1000; e.Minute == 0 && r.attr("min") != nil {
		e.Minute = minute + 1 // always one more, also at 45:00
	}
	e.Second = second
	kind, goal, card := r.name(), string(r.attr("goal-type")), string(r.attr("type"))
	switch kind {
	case "scorer":
		e.Kind, e.Goal = goalcast.KindGoal, &goalcast.Goal{Type: tickerGoal(goal)}
	case "yellow-card":
		e.Kind, e.Card = goalcast.KindCard, &goalcast.Card{Type: goalcast.Yellow}
	case "red-card":
		e.Kind, e.Card = goalcast.KindCard, &goalcast.Card{Type: goalcast.StraightRed}
		if strings.Contains(strings.ToLower(card), "second") || strings.Contains(strings.ToLower(card), "2nd") {
			e.Card.Type = goalcast.SecondYellow
		}
	case "substitution":
		e.Kind, e.Substitution = goalcast.KindSubstitution, &goalcast.Substitution{}
	default:
		return
	}
	e.Player = t.person(r, m, &e)
	if e.Period != goalcast.Shootout && len(m.Claims.Events) < maxClaims {
		m.Claims.Events = append(m.Claims.Events, e)
	}
}

// person reads who it was: player-code, player-firstname and player-name, for a substitution
// in sub-on and sub-off.
func (t *ticker) person(r *reader, m *merge.MatchReading, e *goalcast.Event) *goalcast.Player {
	who := id(r.attr("player-code"))
	var first, last string
	r.each(func() {
		switch r.name() {
		case "player-code":
			who = id([]byte(r.text()))
		case "player-firstname":
			first = r.text()
		case "player-name":
			last = r.text()
		case "sub-on":
			if e.Substitution != nil {
				e.Substitution.On = t.person(r, m, &goalcast.Event{})
			}
		case "sub-off":
			if e.Substitution != nil {
				e.Substitution.Off = t.person(r, m, &goalcast.Event{})
			}
		}
	})
	if name := strings.TrimSpace(first + " " + last); name != "" && who != 0 {
		m.Players[goalcast.PlayerID(who)] = name
	}
	return player(who)
}

func tickerGoal(text string) goalcast.GoalType {
	switch strings.ToUpper(text) {
	case "PENG", "PENALTY":
		return goalcast.PenaltyGoal
	case "OWNG", "OG", "OWN":
		return goalcast.OwnGoal
	}
	return goalcast.OpenPlay
}

// tickerPeriod gives the period for the ticker's words, which are those of other feeds with spaces
// in them; what is not known is full time if the match's status says so, else "".
func tickerPeriod(text, status string) goalcast.Period {
	word := strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "").Replace(text))
	switch word {
	case "prematch":
		return goalcast.PreMatch
	case "firsthalf":
		return goalcast.FirstHalf
	case "halftime":
		return goalcast.HalfTime
	case "secondhalf":
		return goalcast.SecondHalf
	case "fulltime90":
		return goalcast.FullTime90
	case "extrafirsthalf", "extratimefirsthalf":
		return goalcast.ExtraFirstHalf
	case "extrahalftime":
		return goalcast.ExtraHalfTime
	case "extrasecondhalf", "extratimesecondhalf":
		return goalcast.ExtraSecondHalf
	case "shootout", "penaltyshootout":
		return goalcast.Shootout
	case "fulltime":
		return goalcast.FullTime
	}
	if strings.EqualFold(status, "FULL") {
		return goalcast.FullTime
	}
	return periodNamed(text)
}
