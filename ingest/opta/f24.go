package opta

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// The types of event that facts are made of. Some 1,700 of 1,800 events of a
// match are none of them.
const (
	typeFoul        = 4 // a penalty was given, if it has the qualifier
	typeMiss        = 13
	typePost        = 14
	typeSaved       = 15
	typeGoal        = 16
	typeCard        = 17
	typeOff         = 18
	typeOn          = 19
	typeLeft        = 20 // and nobody came on
	typeStop        = 27 // of play; once for each team
	typeGoesOn      = 28
	typePeriodEnd   = 30
	typePeriodStart = 32
	typeLineup      = 34
	typeDeleted     = 43
	typeDecision    = 65 // of the referee, contentious: a review
	typeAddedTime   = 70
	typeLateStart   = 75
	typeEarlyEnd    = 76
	typeGap         = 79 // in coverage
)

// The qualifiers that facts are made of; cardReason and reviewWords have more.
const (
	qualifierPenalty      = 9
	qualifierOwnGoal      = 28
	qualifierAssisted     = 29
	qualifierPlayers      = 30
	qualifierYellow       = 31
	qualifierSecondYellow = 32
	qualifierRed          = 33
	qualifierInjury       = 41
	qualifierTactical     = 42
	qualifierPositions    = 44
	qualifierRelated      = 55 // event_id of another event
	qualifierShirts       = 59
	qualifierFormation    = 130
	qualifierPlaces       = 131
	qualifierFormerType   = 144
	qualifierRescinded    = 171 // a card that was taken back later
	qualifierCaptain      = 194
	qualifierGameOver     = 209
	qualifierSuspended    = 226
	qualifierResumed      = 227
	qualifierMinutes      = 277
	qualifierExtraTime    = 308 // the game goes to extra time
	qualifierPenalties    = 309 // the game goes to penalties
	qualifierAbandonment  = 325 // will follow
	qualifierUnderReview  = 343
)

// Limits of an F24, so that what is compared with one another stays cheap whatever is sent. A match
// has some 2,500 events, 150 of which facts can be made of, with up to 60 qualifiers each.
const (
	maxGames      = 20 // a document has one
	maxEvents     = 2000
	maxActors     = 20000
	maxQualifiers = 256
)

// f24Event is one Event of F24 that facts are made of.
type f24Event struct {
	id, number   int64 // number is event_id: a counter per team and game, by which events refer to one another
	kind         int64 // type_id; of a deleted event the type that it had
	deleted      bool
	period       goalcast.Period
	periodNumber int64
	minute       int // elapsed, as written
	second       int
	team, player int64
	fouled       bool // outcome 1: of a foul the player who suffered it
	timestamp    string
	qualifiers   []qualifier
}

type qualifier struct {
	id    int64
	value string
}

// has says whether the event has a qualifier. A deleted event may have it with the value "0".
func (t *f24Event) has(id int64) bool {
	for _, q := range t.qualifiers {
		if q.id == id {
			return true
		}
	}
	return false
}

func (t *f24Event) value(id int64) string {
	for _, q := range t.qualifiers {
		if q.id == id {
			return q.value
		}
	}
	return ""
}

// actor remembers who did what, for all events of a match: assists are told by
// the number of the pass.
type actor struct{ team, number, player int64 }

// game is the Game of an F24 while it is read: every event of a match, whole each time.
type game struct {
	clock        clock
	id           goalcast.MatchID
	fixture      goalcast.Fixture
	claims       *merge.Claims // home_score and away_score, which newer documents have
	events       []f24Event
	actors       []actor
	lastModified []byte // newest of all events
	lastVersion  []byte
	ended        bool   // the match is over
	newest       []byte // timestamp of the newest event
	gap          bool   // which is a gap in coverage
}

// readF24 reads every event's attributes, and of the few that matter the qualifiers.
func readF24(r *reader, doc goalcast.Document, c clock) (merge.Reading, error) {
	reading := merge.Reading{Source: sourceF24}
	written := string(r.attr("timestamp"))
	near := r.produced()
	if near.IsZero() {
		near = doc.Received
	}
	made := c.f24(written, near)
	var games []*game
	var gameID string
	r.each(func() {
		if r.name() != "Game" {
			return
		}
		gameID = string(r.attr("id"))
		g := &game{clock: c, id: goalcast.MatchID(id(r.attr("id")))}
		if g.id == 0 {
			return
		}
		if len(games) == maxGames {
			r.fail("more than %d elements Game", maxGames)
			return
		}
		g.describe(r)
		g.actors = make([]actor, 0, 2048)
		r.each(func() {
			if r.name() == "Event" {
				g.event(r)
			}
		})
		games = append(games, g)
	})
	if err := r.close(); err != nil {
		return reading, err
	}
	if made.IsZero() {
		return reading, fmt.Errorf("element Games, attribute timestamp: %.40q is no time", written)
	}
	if len(games) == 0 {
		return reading, fmt.Errorf("element Game, attribute id: %.40q is no match id", gameID)
	}
	reading.Version.Time = made
	for _, g := range games {
		reading.Version.Edited = latest(reading.Version.Edited, g.edited(made))
		reading.Matches = append(reading.Matches, merge.MatchReading{Match: g.id, Fixture: &g.fixture, Facts: g.facts(),
			Claims: g.claims, Gap: g.gap})
	}
	return reading, nil
}

func (g *game) describe(r *reader) {
	text := func(name string) string { return string(r.attr(name)) }
	g.fixture = goalcast.Fixture{
		Competition: goalcast.Competition{ID: goalcast.CompetitionID(id(r.attr("competition_id"))),
			Name: text("competition_name")},
		Season:   text("season_id"),
		Matchday: count(text("matchday")),
		Home:     goalcast.Team{ID: goalcast.TeamID(id(r.attr("home_team_id"))), Name: text("home_team_name")},
		Away:     goalcast.Team{ID: goalcast.TeamID(id(r.attr("away_team_id"))), Name: text("away_team_name")},
		Kickoff:  g.clock.f24(text("game_date"), time.Time{}),
	}
	home, away := text("home_score"), text("away_score")
	if digits(home) && digits(away) {
		g.claims = &merge.Claims{Score: &goalcast.Score{Home: count(home), Away: count(away)}}
	}
}

func digits(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// matters says whether facts can be made of a type of event.
func matters(kind int64) bool {
	switch kind {
	case typeMiss, typePost, typeSaved, typeGoal, typeCard, typeOff, typeOn, typeLeft, typePeriodEnd, typePeriodStart,
		typeLineup, typeDecision, typeAddedTime,
		typeFoul, typeStop, typeGoesOn, typeLateStart, typeEarlyEnd:
		return true
	}
	return false
}

// event keeps an event if facts can be made of it. All others are left at a glance, with
// their qualifiers unread.
func (g *game) event(r *reader) {
	kind := number(r.attr("type_id"))
	g.lastModified = larger(g.lastModified, r.attr("last_modified"))
	g.lastVersion = larger(g.lastVersion, r.attr("version"))
	if at := r.attr("timestamp"); len(at) > 0 && bytes.Compare(at, g.newest) >= 0 {
		g.newest, g.gap = at, kind == typeGap
	}
	t := f24Event{number: number(r.attr("event_id")), team: id(r.attr("team_id")), player: id(r.attr("player_id"))}
	if len(g.actors) == maxActors || len(g.events) == maxEvents {
		r.fail("element Game has more than %d events, or %d of goals, cards and the like", maxActors, maxEvents)
		return
	}
	if t.player != 0 {
		g.actors = append(g.actors, actor{t.team, t.number, t.player})
	}
	if !matters(kind) && kind != typeDeleted {
		return
	}
	t.id, t.kind = number(r.attr("id")), kind
	t.periodNumber = number(r.attr("period_id"))
	t.period = periodNamed(string(r.attr("period_id")))
	t.minute, t.second = int(number(r.attr("min"))%1000), int(number(r.attr("sec"))%60)
	t.timestamp, t.fouled = string(r.attr("timestamp")), string(r.attr("outcome")) == "1"
	r.each(func() {
		if len(t.qualifiers) == maxQualifiers {
			r.fail("element Event has more than %d qualifiers", maxQualifiers)
		} else if r.name() == "Q" {
			t.qualifiers = append(t.qualifiers, qualifier{number(r.attr("qualifier_id")),
				strings.TrimSpace(string(r.attr("value")))})
		}
	})
	if kind == typeDeleted {
		t.deleted, t.kind = true, number([]byte(t.value(qualifierFormerType)))
	}
	if t.id == 0 || t.period == "" || !matters(t.kind) || t.kind == typeFoul && !t.has(qualifierPenalty) {
		return
	}
	g.events = append(g.events, t)
}

// larger returns the later of two times, or the larger of two numbers, as they are written in F24:
// of equal form, so their letters compare as they do.
func larger(a, b []byte) []byte {
	if len(b) > len(a) || len(b) == len(a) && bytes.Compare(b, a) > 0 {
		return b
	}
	return a
}

// edited is when an event of the game was last changed. version is the better word, but deleted
// events and old matches have none that counts.
func (g *game) edited(near time.Time) time.Time {
	return latest(g.clock.f24(string(g.lastModified), near), epoch(string(g.lastVersion)))
}

// at is when an event happened. In the hour that the clocks of the UK have twice, the place in the
// match tells which is meant.
func (g *game) at(t *f24Event) time.Time {
	pause := 0
	switch t.period {
	case goalcast.SecondHalf:
		pause = 17
	case goalcast.ExtraFirstHalf, goalcast.ExtraSecondHalf, goalcast.Shootout, goalcast.FullTime:
		pause = 25
	case goalcast.PreMatch:
		pause = -60
	}
	minute := t.minute
	if t.period == goalcast.FullTime || t.period == goalcast.Shootout {
		minute = max(minute, 95)
	}
	return g.clock.f24(t.timestamp, g.fixture.Kickoff.Add(time.Duration(minute+pause)*time.Minute))
}
