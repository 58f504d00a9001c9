// Package generic reads a JSON feed that anyone can write by hand: POST /feeds/json. It is for trying goalcast with curl, for sources that have no format of
// their own, and as the example of how a provider is added; docs/providers.md describes the format and walks through this package. cmd/goalcast
// gives it to ingest.
//
// A document is the whole truth of one match at one moment: what an earlier one told and a later one does not was taken back. So there is nothing to update or
// delete, and documents may come twice and in any order: "time" decides.
package generic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"goalcast"
	"goalcast/ingest"
)

// Name is the provider's name, and what its event ids begin with.
const Name = "json"

// feed is the one feed of the provider.
const feed = "MATCH"

// Provider implements ingest.Provider. It holds nothing.
type Provider struct{}

// New makes a Provider.
func New() Provider { return Provider{} }

// Name is the last part of the feed's path.
func (Provider) Name() string { return Name }

// Describe tells the match from the first bytes, without reading the whole.
func (Provider) Describe(_ map[string]string, body []byte) (string, goalcast.MatchID) {
	var head struct {
		Match goalcast.MatchID `json:"match"`
	}
	if json.Unmarshal(body, &head) != nil {
		return feed, 0
	}
	return feed, max(0, head.Match)
}

// document is the format. Names and words are those of the events that viewers get.
type document struct {
	Time    time.Time         `json:"time"`  // when this was the truth; the newest document counts
	Match   goalcast.MatchID  `json:"match"` // the same match has the same number always
	Fixture *goalcast.Fixture `json:"fixture"`
	Events  []event           `json:"events"`
	Lineups []goalcast.Lineup `json:"lineups"`
}

// event is one thing that happened. Its id is the sender's; what else is needed depends on the kind.
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
	maxEvents  = 1000
	maxPlayers = 100 // of a line-up
	maxMinute  = 200
)

var eventID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,80}$`)

// Read turns a document into a reading. Its errors are for whoever wrote the document: they name the field.
func (Provider) Read(d goalcast.Document) (ingest.Reading, error) {
	doc, err := decode(d.Body)
	if err != nil {
		return ingest.Reading{}, err
	}
	m := ingest.MatchReading{Match: doc.Match, Fixture: doc.Fixture, Players: map[goalcast.PlayerID]string{}}
	seen := map[string]bool{}
	for i, e := range doc.Events {
		fact, err := e.fact()
		if err != nil {
			return ingest.Reading{}, fmt.Errorf("events[%d]: %w", i, err)
		}
		if seen[fact.ID] {
			return ingest.Reading{}, fmt.Errorf("events[%d]: id %q stands here twice", i, e.ID)
		}
		seen[fact.ID] = true
		m.Facts = append(m.Facts, fact)
	}
	for i, l := range doc.Lineups {
		if l.Team <= 0 || len(l.Players) > maxPlayers || seen[fmt.Sprint("lineup ", l.Team)] {
			return ingest.Reading{}, fmt.Errorf("lineups[%d]: want one line-up of at most %d players for a team", i, maxPlayers)
		}
		seen[fmt.Sprint("lineup ", l.Team)] = true
		m.Facts = append(m.Facts, goalcast.Event{ID: fmt.Sprintf("%s:lineup:%d", Name, l.Team), Kind: goalcast.KindLineup, Status: goalcast.Confirmed,
			Team: l.Team, Lineup: &l})
	}
	return ingest.Reading{Source: Name, Version: ingest.Version{Time: doc.Time.UTC()}, Matches: []ingest.MatchReading{m}}, nil
}

// decode reads the JSON strictly: a field that is not known is a typo, and a typo must not look like "taken back".
func decode(body []byte) (document, error) {
	var doc document
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return doc, fmt.Errorf("not a match in JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return doc, errors.New("something stands behind the JSON object")
	}
	switch f := doc.Fixture; {
	case doc.Match <= 0:
		return doc, errors.New("match: want a number above 0")
	case doc.Time.IsZero() || doc.Time.Year() < 1900 || doc.Time.Year() > 2200:
		return doc, errors.New("time: want when this was the truth, like 2026-05-17T14:30:00Z")
	case f == nil || f.Home.ID <= 0 || f.Away.ID <= 0 || f.Home.ID == f.Away.ID || f.Competition.ID < 0:
		return doc, errors.New("fixture: want home and away, two teams with ids above 0")
	case f.Halted != "" && f.Halted != goalcast.Postponed && f.Halted != goalcast.Abandoned:
		return doc, fmt.Errorf("fixture: halted is postponed or abandoned, not %.20q", f.Halted)
	case len(doc.Events) > maxEvents || len(doc.Lineups) > 2:
		return doc, fmt.Errorf("at most %d events and 2 line-ups", maxEvents)
	}
	return doc, nil
}

// needs says what each kind cannot do without; a kind that is not here is not taken.
var needs = map[goalcast.Kind]func(event) string{
	goalcast.KindGoal: func(e event) string { return need(e.Team > 0, "team") },
	goalcast.KindCard: func(e event) string {
		return need(e.Team > 0 && e.Card != nil && e.Card.Type != "", "team and card.type")
	},
	goalcast.KindSubstitution:  func(e event) string { return need(e.Team > 0 && e.Substitution != nil, "team and substitution") },
	goalcast.KindPeriod:        func(e event) string { return need(e.Period.Order() > 0, "period, after pre_match") },
	goalcast.KindMissedPenalty: func(e event) string { return need(e.Team > 0, "team") },
	goalcast.KindShootoutKick:  func(e event) string { return need(e.Team > 0 && e.Kick != nil, "team and kick") },
	goalcast.KindVAR: func(e event) string {
		return need(e.VAR != nil && e.VAR.Subject != "" && e.VAR.Outcome != "", "var.subject and var.outcome")
	},
	goalcast.KindAddedTime: func(e event) string { return need(e.AddedTime > 0 && e.AddedTime <= 60, "added_time, in minutes") },
}

func need(there bool, what string) string {
	if there {
		return ""
	}
	return what
}

// fact is the event in goalcast's words.
func (e event) fact() (goalcast.Event, error) {
	if !eventID.MatchString(e.ID) {
		return goalcast.Event{}, fmt.Errorf("id %.40q: want 1 to 80 of A-Z a-z 0-9 . _ : -", e.ID)
	}
	missing, known := needs[e.Kind]
	if !known {
		return goalcast.Event{}, fmt.Errorf("event %s: no kind %.20q here", e.ID, e.Kind)
	}
	if what := missing(e); what != "" {
		return goalcast.Event{}, fmt.Errorf("event %s: a %s needs %s", e.ID, e.Kind, what)
	}
	if e.Status == "" {
		e.Status = goalcast.Confirmed
	}
	switch {
	case e.Status != goalcast.Confirmed && e.Status != goalcast.Provisional && e.Status != goalcast.Cancelled:
		return goalcast.Event{}, fmt.Errorf("event %s: status is provisional, confirmed or cancelled, not %.20q", e.ID, e.Status)
	case e.Minute < 0 || e.Minute > maxMinute || e.Second < 0 || e.Second > 59:
		return goalcast.Event{}, fmt.Errorf("event %s: no such minute or second", e.ID)
	case e.Period != "" && e.Period != goalcast.PreMatch && e.Period.Order() == 0:
		return goalcast.Event{}, fmt.Errorf("event %s: no period %.20q", e.ID, e.Period)
	}
	if e.Kind == goalcast.KindGoal && (e.Goal == nil || e.Goal.Type == "") {
		goal := goalcast.Goal{Type: goalcast.OpenPlay}
		if e.Goal != nil {
			goal.Assist = e.Goal.Assist
		}
		e.Goal = &goal
	}
	return goalcast.Event{ID: Name + ":" + e.ID, Kind: e.Kind, Status: e.Status, Team: e.Team, Player: e.Player, Period: e.Period, Minute: e.Minute, Second: e.Second,
		At: e.At.UTC(), Goal: e.Goal, Card: e.Card, Substitution: e.Substitution, Kick: e.Kick, VAR: e.VAR, AddedTime: e.AddedTime}, nil
}
