// Package generic reads a JSON feed that anyone can write by hand: POST /feeds/json. It is for
// trying goalcast with curl, for sources that have no format of their own, and as the example of
// how a provider is added; docs/providers.md describes the format and walks through this package.
// cmd/goalcast gives it to ingest.
//
// A document tells all of one match at one moment: what an earlier one told and a later one does
// not was taken back. So there is nothing to update or delete, and documents may come twice and in
// any order: "time" decides.
package generic

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"goalcast"
	"goalcast/ingest/letters"
	"goalcast/ingest/merge"
)

// Name is the provider's name, and what its event ids begin with.
const Name = "json"

// feed is the one feed of the provider.
const feed = "MATCH"

// Provider implements ingest.Provider. It holds nothing.
type Provider struct{}

// New makes a Provider.
func New() Provider { return Provider{} }

// Sources tells nothing: what is written by hand comes after what providers say.
func (Provider) Sources() []merge.Source { return nil }

// Name is the last part of the feed's path.
func (Provider) Name() string { return Name }

// Describe tells the match, without reading the whole.
func (Provider) Describe(_ map[string]string, body []byte) (_ string, match goalcast.MatchID) {
	letters.Values(body, maxElements, func(path string, value func() string) bool {
		if path == "match" {
			match = matchOf(value())
		}
		return true
	})
	return feed, match
}

// Checked says that whoever posts a document waits for whether it could be
// read: people write these.
func (Provider) Checked() {}

// document is the format. Names and words are those of the events that viewers get.
type document struct {
	Time    time.Time         `json:"time"`  // when this was the truth; the newest document counts
	Match   goalcast.MatchID  `json:"match"` // the same match has the same number always
	Fixture *goalcast.Fixture `json:"fixture"`
	Events  []event           `json:"events"`
	Lineups []goalcast.Lineup `json:"lineups"`
}

// event is one thing that happened. Its id is the sender's; what else is
// needed depends on the kind.
type event struct {
	ID           string                 `json:"id"`
	Kind         goalcast.Kind          `json:"kind"`
	Status       goalcast.Status        `json:"status"` // confirmed, unless it says something else
	Team         goalcast.TeamID        `json:"team"`
	Player       *goalcast.Player       `json:"player"`
	Period       goalcast.Period        `json:"period"`
	Minute       int                    `json:"minute"`
	Second       int                    `json:"second"`
	At           time.Time              `json:"at"`
	Goal         *goalcast.Goal         `json:"goal"`
	Card         *goalcast.Card         `json:"card"`
	Substitution *goalcast.Substitution `json:"substitution"`
	Kick         *goalcast.Kick         `json:"kick"`
	VAR          *goalcast.VAR          `json:"var"`
	AddedTime    int                    `json:"added_time"`
}

// Limits of a document; ingest limits its bytes.
const (
	maxEvents   = 1000
	maxPlayers  = 100 // of a line-up
	maxMinute   = 200
	maxElements = 100_000 // values in the JSON; a thousand events with all that they may have take 30,000
)

var eventID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,80}$`)

// Read turns a document into a reading. Its errors are for whoever wrote the
// document: they name the field.
//
// The ids of events are the sender's, and senders count from one in each match: so the match is a
// part of what viewers get as the id. Releases that left it out gave ids that stay in the
// matches that have them.
func (Provider) Read(d goalcast.Document) (merge.Reading, error) {
	var mended letters.Mended
	doc, err := decode(d.Body, &mended)
	if err == nil {
		err = doc.check()
	}
	if err != nil {
		return merge.Reading{}, err
	}
	m := merge.MatchReading{Match: doc.Match, Fixture: doc.Fixture, Players: map[goalcast.PlayerID]string{}}
	seen := map[string]bool{}
	for i, e := range doc.Events {
		path := fmt.Sprintf("events[%d]", i)
		fact, err := e.fact(path)
		if err != nil {
			return merge.Reading{}, err
		}
		if seen[e.ID] {
			return merge.Reading{}, wrong(path+".id", "%q stands here twice", e.ID)
		}
		seen[e.ID] = true
		fact.ID = Name + ":" + e.ID // of this match: those of another may be the same
		m.Facts = append(m.Facts, fact)
	}
	for i, l := range doc.Lineups {
		path := fmt.Sprintf("lineups[%d]", i)
		switch {
		case l.Team <= 0:
			return merge.Reading{}, wrong(path+".team", "want the id of one of the teams")
		case i > 0 && l.Team == doc.Lineups[0].Team:
			return merge.Reading{}, wrong(path+".team", "want one line-up of a team, this is the second of %d", l.Team)
		case len(l.Players) > maxPlayers:
			return merge.Reading{}, wrong(path+".players", "want at most %d", maxPlayers)
		}
		m.Facts = append(m.Facts, goalcast.Event{ID: fmt.Sprintf("%s:lineup:%d", Name, l.Team),
			Kind: goalcast.KindLineup, Status: goalcast.Confirmed,
			Team: l.Team, Lineup: &l})
	}
	return merge.Reading{Source: Name, Version: merge.Version{Time: doc.Time.UTC()}, Matches: []merge.MatchReading{m},
		Mended: mended}, nil
}

// check looks at what every document needs.
func (doc document) check() error {
	switch f := doc.Fixture; {
	case doc.Match <= 0:
		return wrong("match", "want a number above 0, your own of the match, the same every time")
	case doc.Time.IsZero():
		return wrong("time", "want when this was the truth, like 2026-05-17T14:30:00Z")
	case f == nil || f.Home.ID <= 0 || f.Away.ID <= 0 || f.Home.ID == f.Away.ID || f.Competition.ID < 0:
		return wrong("fixture", "want home and away, two teams with ids above 0 that differ")
	case f.Halted != "" && f.Halted != goalcast.Postponed && f.Halted != goalcast.Abandoned:
		return wrong("fixture.halted", "want postponed or abandoned, not %.20q", f.Halted)
	case len(doc.Events) > maxEvents:
		return wrong("events", "want at most %d, these are %d", maxEvents, len(doc.Events))
	case len(doc.Lineups) > 2:
		return wrong("lineups", "want at most 2, these are %d", len(doc.Lineups))
	}
	return nil
}

// need says which field an event lacks, and what it wants there.
type need func(event) (field, what string, has bool)

// needs says what some kinds cannot do without, besides the team of those that are of one side.
var needs = map[goalcast.Kind]need{
	goalcast.KindCard: func(e event) (string, string, bool) {
		types := []goalcast.CardType{goalcast.Yellow, goalcast.SecondYellow, goalcast.StraightRed}
		return "card.type", "yellow, second_yellow or red", e.Card != nil && slices.Contains(types, e.Card.Type)
	},
	goalcast.KindSubstitution: func(e event) (string, string, bool) {
		return "substitution", "who goes off or comes on", e.Substitution != nil
	},
	goalcast.KindPeriod: func(e event) (string, string, bool) {
		return "period", "one after pre_match", e.Period.Order() > 0
	},
	goalcast.KindShootoutKick: func(e event) (string, string, bool) {
		return "kick", "whether it was scored", e.Kick != nil
	},
	goalcast.KindVAR: func(e event) (string, string, bool) {
		return "var", "subject and outcome", e.VAR != nil && e.VAR.Subject != "" && e.VAR.Outcome != ""
	},
	goalcast.KindAddedTime: func(e event) (string, string, bool) {
		return "added_time", "minutes, from 1 to 60", e.AddedTime > 0 && e.AddedTime <= 60
	},
}

func needsTeam(e event) (field, what string, has bool) {
	return "team", "the id of the side that it is for", e.Team > 0
}

// posted are the kinds that are taken, as text: "goal, card or var".
func posted() string {
	var kinds []string
	for _, k := range goalcast.KindsThatAre(goalcast.Posted) {
		kinds = append(kinds, string(k))
	}
	last := len(kinds) - 1
	return strings.Join(kinds[:last], ", ") + " or " + kinds[last]
}

// check looks at what an event of its kind cannot do without.
func (e event) check(path string) error {
	if !e.Kind.Is(goalcast.Posted) {
		return wrong(path+".kind", "there is no kind %.20q here; want %s", e.Kind, posted())
	}
	var wanted []need
	if e.Kind.Is(goalcast.Sided) {
		wanted = append(wanted, needsTeam)
	}
	if more := needs[e.Kind]; more != nil {
		wanted = append(wanted, more)
	}
	for _, need := range wanted {
		if field, what, has := need(e); !has {
			return wrong(path+"."+field, "a %s needs %s: %s", e.Kind, field, what)
		}
	}
	return nil
}

// fact is the event, which stands at path, in goalcast's words; its id is left to Read.
func (e event) fact(path string) (goalcast.Event, error) {
	if !eventID.MatchString(e.ID) {
		return goalcast.Event{}, wrong(path+".id", "want 1 to 80 of A-Z a-z 0-9 . _ : -, not %.40q", e.ID)
	}
	if err := e.check(path); err != nil {
		return goalcast.Event{}, err
	}
	if e.Status == "" {
		e.Status = goalcast.Confirmed
	}
	switch {
	case e.Status != goalcast.Confirmed && e.Status != goalcast.Provisional && e.Status != goalcast.Cancelled:
		return goalcast.Event{}, wrong(path+".status", "want provisional, confirmed or cancelled, not %.20q", e.Status)
	case e.Minute < 0 || e.Minute > maxMinute:
		return goalcast.Event{}, wrong(path+".minute", "want a minute from 0 to %d, not %d", maxMinute, e.Minute)
	case e.Second < 0 || e.Second > 59:
		return goalcast.Event{}, wrong(path+".second", "want a second from 0 to 59, not %d", e.Second)
	case e.Period != "" && e.Period != goalcast.PreMatch && e.Period.Order() == 0:
		return goalcast.Event{}, wrong(path+".period", "there is no period %.20q", e.Period)
	}
	if e.Kind == goalcast.KindGoal {
		goal := goalcast.Goal{}
		if e.Goal != nil {
			goal = *e.Goal
		}
		switch goal.Type {
		case "":
			goal.Type = goalcast.OpenPlay
		case goalcast.OpenPlay, goalcast.OwnGoal, goalcast.PenaltyGoal:
		default:
			return goalcast.Event{}, wrong(path+".goal.type", "want goal, own or penalty, not %.20q", goal.Type)
		}
		e.Goal = &goal
	}
	return goalcast.Event{Kind: e.Kind, Status: e.Status, Team: e.Team, Player: e.Player, Period: e.Period,
		Minute: e.Minute, Second: e.Second,
		At: e.At.UTC(), Goal: e.Goal, Card: e.Card, Substitution: e.Substitution, Kick: e.Kick, VAR: e.VAR,
		AddedTime: e.AddedTime}, nil
}
