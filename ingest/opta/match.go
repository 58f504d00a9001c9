package opta

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// Limits of a match document. Real ones have one match with two sides, up to 150
// facts and up to 80 people.
const (
	maxDocuments = 20
	maxSides     = 10  // elements TeamData, and teams that are named
	maxPeople    = 500 // that are named
	maxInLineup  = 100 // players of a line-up
	maxMoments   = 100 // times of day
)

// matchDocument is one SoccerDocument of F7 or F9 while it is read: the whole match as
// it stands, no deltas.
type matchDocument struct {
	clock   clock
	id      goalcast.MatchID
	fixture goalcast.Fixture
	facts   []goalcast.Event
	players map[goalcast.PlayerID]string
	teams   map[goalcast.TeamID]string
	coaches map[goalcast.TeamID]*goalcast.Coach

	period  string            // MatchInfo@Period
	since   time.Time         // MatchInfo@TimeStamp: in play and at the end, when the period began
	result  string            // Result@Type
	moments map[string]string // MatchData/Stat *_start and *_stop, as written

	home, away side // Score attributes
	stats      map[goalcast.TeamID]map[string]float64
	officials  []goalcast.Official
	sides      int // elements TeamData
}

// readMatch reads F7 and F9. F9 is F7 with some two thousand statistics; they are passed by.
func readMatch(r *reader, _ goalcast.Document, c clock) (merge.Reading, error) {
	reading := merge.Reading{Source: sourceMatch}
	written := string(r.attr("TimeStamp"))
	var documents []*matchDocument
	var uID string
	r.each(func() {
		if r.name() != "SoccerDocument" {
			return
		}
		if uID = string(r.attr("uID")); len(documents) == maxDocuments {
			r.fail("more than %d elements SoccerDocument", maxDocuments)
			return
		}
		m := &matchDocument{clock: c, id: goalcast.MatchID(id(r.attr("uID"))), players: map[goalcast.PlayerID]string{},
			teams:   map[goalcast.TeamID]string{},
			coaches: map[goalcast.TeamID]*goalcast.Coach{}, moments: map[string]string{},
			stats: map[goalcast.TeamID]map[string]float64{}}
		m.read(r)
		if m.id != 0 {
			documents = append(documents, m)
		}
	})
	if err := r.close(); err != nil {
		return reading, err
	}
	if reading.Version.Time = c.srml(written, r.produced()); reading.Version.Time.IsZero() {
		return reading, fmt.Errorf("element SoccerFeed, attribute TimeStamp: %.40q is no time", written)
	}
	if len(documents) == 0 {
		return reading, fmt.Errorf("element SoccerDocument, attribute uID: %.40q is no match id", uID)
	}
	for _, m := range documents {
		reading.Matches = append(reading.Matches, m.finished())
	}
	return reading, nil
}

func (m *matchDocument) read(r *reader) {
	r.each(func() {
		switch r.name() {
		case "Competition":
			m.competition(r)
		case "MatchData":
			m.matchData(r)
		case "Team":
			m.team(r)
		case "Venue":
			r.each(func() {
				if r.name() == "Name" {
					m.fixture.Venue = r.text()
				}
			})
		}
	})
}

func (m *matchDocument) competition(r *reader) {
	m.fixture.Competition.ID = goalcast.CompetitionID(id(r.attr("uID")))
	r.each(func() {
		switch r.name() {
		case "Name":
			m.fixture.Competition.Name = r.text()
		case "Stat":
			switch string(r.attr("Type")) {
			case "season_id":
				m.fixture.Season = r.text()
			case "matchday":
				m.fixture.Matchday = count(r.text())
			}
		}
	})
}

func (m *matchDocument) matchData(r *reader) {
	r.each(func() {
		switch r.name() {
		case "MatchInfo":
			m.period = string(r.attr("Period"))
			m.since = m.clock.srml(string(r.attr("TimeStamp")), m.fixture.Kickoff)
			r.each(func() {
				switch r.name() {
				case "Date":
					m.fixture.Kickoff = m.clock.srml(r.text(), time.Time{})
				case "Result":
					m.result = string(r.attr("Type"))
				}
			})
		case "MatchOfficial", "AssistantOfficials":
			m.official(r)
		case "Stat":
			kind := string(r.attr("Type"))
			if len(m.moments) < maxMoments && (strings.HasSuffix(kind, "_start") || strings.HasSuffix(kind, "_stop")) {
				m.moments[kind] = r.text()
			}
		case "TeamData":
			m.teamData(r)
		}
	})
}

// team reads the names of a team, its players and its coach, which stand after the
// facts that need them.
func (m *matchDocument) team(r *reader) {
	team := goalcast.TeamID(id(r.attr("uID")))
	if len(m.teams) == maxSides || len(m.players) >= maxPeople {
		r.fail("more than %d teams with %d players", maxSides, maxPeople)
		return
	}
	leads := 0
	r.each(func() {
		switch r.name() {
		case "Name":
			m.teams[team] = r.text()
		case "Player":
			who := goalcast.PlayerID(id(r.attr("uID")))
			if name := personName(r, func() {}); name != "" && who != 0 {
				if m.players[who] = name; len(m.players) > maxPeople {
					r.fail("more than %d players", maxPeople)
				}
			}
		case "TeamOfficial":
			rank, coach := headCoach(string(r.attr("Type"))), goalcast.Coach{ID: id(r.attr("uID"))}
			if coach.Name = personName(r, func() {}); coach.Name != "" && rank > leads {
				leads, m.coaches[team] = rank, &coach
			}
		}
	})
}

// personName reads what somebody is called from the PersonName in the element: Known where there is
// one. more is called for what else is in it.
func personName(r *reader, more func()) string {
	var first, last, known string
	r.each(func() {
		if r.name() != "PersonName" {
			return
		}
		r.each(func() {
			switch r.name() {
			case "First":
				first = r.text()
			case "Last":
				last = r.text()
			case "Known":
				known = r.text()
			default:
				more()
			}
		})
	})
	return cmp.Or(known, strings.TrimSpace(first+" "+last))
}

// teamData reads what one side did. One without a team id can be given to nobody and is skipped.
func (m *matchDocument) teamData(r *reader) {
	team := goalcast.TeamID(id(r.attr("TeamRef")))
	if team == 0 {
		return
	}
	if m.sides++; m.sides > maxSides {
		r.fail("more than %d elements TeamData", maxSides)
		return
	}
	score := string(r.attr("Score"))
	told := side{team: team, score: count(score), hasScore: strings.Trim(score, "0123456789") == "" && score != ""}
	switch string(r.attr("Side")) {
	case "Home":
		m.fixture.Home.ID, m.home = team, told
	case "Away":
		m.fixture.Away.ID, m.away = team, told
	}
	lineup := &goalcast.Lineup{Team: team, Formation: string(r.attr("Formation"))}
	var kicks, shots []goalcast.Event // of a shoot-out: goals in it, and all kicks
	r.each(func() {
		if len(m.facts)+len(kicks)+len(shots) >= maxEvents {
			r.fail("more than %d goals, cards and the like", maxEvents)
			return
		}
		switch r.name() {
		case "Goal":
			if e, ok := m.goal(r, team); ok && e.Kind == goalcast.KindShootoutKick {
				kicks = append(kicks, e)
			} else if ok {
				m.facts = append(m.facts, e)
			}
		case "Booking":
			m.keep(m.booking(r, team))
		case "Substitution":
			m.keep(m.substitution(r, team))
		case "MissedPenalty":
			e, ok := m.fact(r, team, goalcast.KindMissedPenalty)
			m.keep(e, ok && e.Period != goalcast.Shootout)
		case "ShootOut":
			r.each(func() {
				if e, ok := m.shot(r, team); ok && len(shots) < maxEvents {
					shots = append(shots, e)
				}
			})
		case "PlayerLineUp":
			m.lineup(r, lineup)
		case "Stat":
			kind := string(r.attr("Type"))
			if lineup.Formation == "" && kind == "formation_used" {
				lineup.Formation = r.text() // F9 that does not write it as an attribute
			} else {
				m.stat(r, team, kind)
			}
		}
	})
	if len(shots) > 0 {
		kicks = shots // the list of kicks has the goals in it too
	}
	m.facts = append(m.facts, kicks...)
}

func (m *matchDocument) keep(e goalcast.Event, ok bool) {
	if ok {
		m.facts = append(m.facts, e)
	}
}

// fact reads what goals, cards, substitutions and penalties have in common. ok is false in a period
// that is not known: then it cannot be placed.
func (m *matchDocument) fact(r *reader, team goalcast.TeamID, kind goalcast.Kind) (e goalcast.Event, ok bool) {
	e = goalcast.Event{Status: goalcast.Confirmed, Kind: kind, Match: m.id, Team: team,
		Player: player(id(r.attr("PlayerRef"))),
		At:     m.clock.srml(string(r.attr("TimeStamp")), m.fixture.Kickoff)}
	if n := number(r.attr("EventID")); n != 0 {
		e.ID = eventID(n)
	}
	e.Second = int(number(r.attr("Sec")) % 60)
	if e.Minute = int(number(r.attr("Time")) % 1000); e.Minute == 0 && r.attr("Min") != nil {
		e.Minute = minuteShown(int(number(r.attr("Min"))%1000), e.Second)
	}
	word := string(r.attr("Period"))
	if e.Period = periodNamed(word); word == "" {
		e.Period = goalcast.FirstHalf
		if e.Minute > 45 {
			e.Period = goalcast.SecondHalf
		}
	}
	return e, e.Period != ""
}

// minuteShown is the minute as fans say it: 26:57 is in the 27th minute, but 78:00 is shown as 78
// in F7, and as 45 right after half time.
func minuteShown(minute, second int) int {
	if second == 0 && minute > 0 {
		return minute
	}
	return minute + 1
}

// goal reads a Goal. It stands under the team that gains it, also an own goal. Goals of
// a shoot-out are kicks.
func (m *matchDocument) goal(r *reader, team goalcast.TeamID) (goalcast.Event, bool) {
	e, ok := m.fact(r, team, goalcast.KindGoal)
	if e.Period == goalcast.Shootout {
		e.Kind, e.Minute, e.Second, e.Kick = goalcast.KindShootoutKick, 0, 0, &goalcast.Kick{Scored: true}
		return e, ok
	}
	e.Goal = &goalcast.Goal{Type: goalcast.OpenPlay}
	switch string(r.attr("Type")) {
	case "Own":
		e.Goal.Type = goalcast.OwnGoal
	case "Penalty":
		e.Goal.Type = goalcast.PenaltyGoal
	}
	r.each(func() {
		if r.name() == "Assist" {
			e.Goal.Assist = player(id(r.attr("PlayerRef")))
		}
	})
	return e, ok
}

// booking reads a card. CardType says more than Card; without PlayerRef it is a coach's.
func (m *matchDocument) booking(r *reader, team goalcast.TeamID) (goalcast.Event, bool) {
	e, ok := m.fact(r, team, goalcast.KindCard)
	e.Card = &goalcast.Card{Reason: string(r.attr("Reason"))}
	switch kind, card := string(r.attr("CardType")), string(r.attr("Card")); {
	case kind == "SecondYellow":
		e.Card.Type = goalcast.SecondYellow
	case kind == "StraightRed" || kind != "Yellow" && card == "Red":
		e.Card.Type = goalcast.StraightRed
	case kind == "Yellow" || card == "Yellow":
		e.Card.Type = goalcast.Yellow
	default:
		return e, false
	}
	return e, ok
}

// substitution reads a Substitution. Retired="1" says that a player left and nobody came on.
func (m *matchDocument) substitution(r *reader, team goalcast.TeamID) (goalcast.Event, bool) {
	e, ok := m.fact(r, team, goalcast.KindSubstitution)
	e.Player = nil
	e.Substitution = &goalcast.Substitution{Off: player(id(r.attr("SubOff"))), On: player(id(r.attr("SubOn"))),
		Reason: substitutionReason(string(r.attr("Reason")))}
	if string(r.attr("Retired")) == "1" {
		e.Substitution.On = nil
	}
	return e, ok && (e.Substitution.On != nil || e.Substitution.Off != nil)
}

// shot reads a PenaltyShot, which is in the list whether it went in or not. One without an
// outcome was not taken yet.
func (m *matchDocument) shot(r *reader, team goalcast.TeamID) (goalcast.Event, bool) {
	outcome := r.attr("Outcome")
	if r.name() != "PenaltyShot" || len(outcome) == 0 {
		return goalcast.Event{}, false
	}
	e, _ := m.fact(r, team, goalcast.KindShootoutKick)
	e.Period, e.Minute, e.Second = goalcast.Shootout, 0, 0
	e.Kick = &goalcast.Kick{Scored: bytes.Equal(outcome, []byte("Scored"))}
	return e, true
}

// finished joins what stood in different places of the document.
func (m *matchDocument) finished() merge.MatchReading {
	f := &m.fixture
	f.Home.Name, f.Away.Name = m.teams[f.Home.ID], m.teams[f.Away.ID]
	f.Halted = cmp.Or(halted(m.period), halted(m.result))
	f.Officials = m.officials
	if m.result == resultAwarded && m.home.hasScore && m.away.hasScore {
		f.Awarded = &goalcast.Score{Home: m.home.score, Away: m.away.score}
	}
	facts := append(m.facts, m.periods()...)
	for i := range facts {
		if l := facts[i].Lineup; l != nil {
			l.Coach = m.coaches[l.Team]
		}
		m.name(&facts[i])
	}
	facts = unique(facts)
	for i := range facts { // only now: ids that are made of what an event is have the minute as it is written
		if e := &facts[i]; e.Period != "" && !e.Period.Clocked() {
			e.Minute, e.Second = 0, 0
		}
	}
	return merge.MatchReading{Match: m.id, Fixture: f, Facts: facts, Players: m.players, Claims: m.claims(),
		Stats: m.counted()}
}

// name fills in the names of an event's players.
func (m *matchDocument) name(e *goalcast.Event) {
	e.EachPlayer(func(p *goalcast.Player) { p.Name = m.players[p.ID] })
}
