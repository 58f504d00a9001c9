package live

import (
	"encoding/json"
	"time"

	"goalcast"
)

// State is the content-state of a match: what an activity shows and that changes. Its form is in
// docs/live-activities.md and docs/live-activity.schema.json; the app declares it as
// ContentState.
type State struct {
	State    goalcast.MatchState `json:"state"`
	Period   goalcast.Period     `json:"period"`
	Started  int64               `json:"period_started,omitempty"` // seconds since 1970; the app counts minutes from it
	Score    goalcast.Score      `json:"score"`
	Shootout *goalcast.Score     `json:"shootout,omitempty"`
	Reds     goalcast.Score      `json:"red_cards"` // of each side
	Delay    goalcast.DelayType  `json:"delay,omitempty"`
	Last     *Last               `json:"last,omitempty"`
}

// Last is the last goal or red card that counts.
type Last struct {
	Kind   string `json:"kind"` // "goal", "own_goal", "penalty_goal", "red_card"
	Side   string `json:"side"` // "home", "away": whom a goal counts for
	Player string `json:"player,omitempty"`
	Clock  string `json:"clock,omitempty"` // "27", "90+3"
}

// Attributes are what an activity shows and that does not change; the app declares them as
// AttributesType.
type Attributes struct {
	Match       goalcast.MatchID `json:"match"`
	Home        Side             `json:"home"`
	Away        Side             `json:"away"`
	Competition string           `json:"competition,omitempty"`
	Kickoff     int64            `json:"kickoff,omitempty"` // planned, seconds since 1970
}

// AttributesType is what the app's ActivityAttributes have to be called.
const AttributesType = "MatchAttributes"

// Side is a team as an activity names it.
type Side struct {
	ID   goalcast.TeamID `json:"id"`
	Name string          `json:"name"`
}

// maxPlayer is how many characters of a player's name are shown: a lock screen has no room for
// more, and Apple takes 4 kB.
const maxPlayer = 40

// StateOf is what an activity shows of a match.
func StateOf(m *goalcast.Snapshot) State {
	s := State{State: m.State, Period: m.Period, Score: m.Score, Shootout: m.Shootout}
	if !m.Started.IsZero() {
		s.Started = m.Started.Unix()
	}
	if m.Delay != nil {
		s.Delay = m.Delay.Type
	}
	for i := range m.Timeline {
		e := &m.Timeline[i]
		side := sideOf(m, e.Team)
		kind := lastKind(e)
		if kind == "" || side == "" {
			continue
		}
		if kind == "red_card" {
			if side == "home" {
				s.Reds.Home++
			} else {
				s.Reds.Away++
			}
		}
		s.Last = &Last{Kind: kind, Side: side, Clock: e.Clock}
		if e.Player != nil {
			s.Last.Player = shorten(e.Player.Name)
		}
	}
	return s
}

func sideOf(m *goalcast.Snapshot, team goalcast.TeamID) string {
	switch {
	case team == 0:
	case team == m.Home.ID:
		return "home"
	case team == m.Away.ID:
		return "away"
	}
	return ""
}

// lastKind is what an event is as a Last; empty for one that is none.
func lastKind(e *goalcast.Event) string {
	switch {
	case !e.Counts():
	case e.Kind == goalcast.KindGoal && e.Goal != nil && e.Goal.Type == goalcast.OwnGoal:
		return "own_goal"
	case e.Kind == goalcast.KindGoal && e.Goal != nil && e.Goal.Type == goalcast.PenaltyGoal:
		return "penalty_goal"
	case e.Kind == goalcast.KindGoal:
		return "goal"
	case e.Kind == goalcast.KindCard && e.Card != nil && e.Card.Type != goalcast.Yellow:
		return "red_card"
	}
	return ""
}

func shorten(name string) string {
	if r := []rune(name); len(r) > maxPlayer {
		return string(r[:maxPlayer-1]) + "…"
	}
	return name
}

// matters says whether a change is shown at once: the score, a red card. The rest may wait a
// moment, which saves battery and Apple's budget.
func (s State) matters(before State) bool {
	kicks := func(s State) goalcast.Score {
		if s.Shootout == nil {
			return goalcast.Score{}
		}
		return *s.Shootout
	}
	return s.Score != before.Score || s.Reds != before.Reds || kicks(s) != kicks(before)
}

// over says that nothing more is to be shown of a match.
func over(m *goalcast.Snapshot) bool {
	return m.State == goalcast.Finished || m.State == goalcast.Abandoned
}

// attributesOf are those of a match.
func attributesOf(m *goalcast.Snapshot) (json.RawMessage, error) {
	a := Attributes{Match: m.ID, Home: Side{m.Home.ID, m.Home.Name}, Away: Side{m.Away.ID, m.Away.Name},
		Competition: m.Competition.Name}
	if !m.Kickoff.IsZero() {
		a.Kickoff = m.Kickoff.Unix()
	}
	return json.Marshal(a)
}

// started is the text that announces an activity; phones show it with the teams' names as title.
var started = map[string]string{"nl": "Aftrap", "fr": "Coup d’envoi", "de": "Anpfiff", "en": "Kick-off"}

func startedIn(language string) string {
	if text, ok := started[language]; ok {
		return text
	}
	return started["en"]
}

// second is a time as pushes carry it.
func second(t time.Time) time.Time { return t.Truncate(time.Second) }
