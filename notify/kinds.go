package notify

import (
	"fmt"
	"time"

	"goalcast"
)

// The kinds of push (Content.Kind).
const (
	kindGoal       = "goal"
	kindGoalOff    = "goal_cancelled"
	kindRed        = "red_card"
	kindRedOff     = "red_card_cancelled"
	kindPeriod     = "period"
	kindStatus     = "status" // see statusOf
	kindPenalty    = "penalty"
	kindPenaltyOff = "penalty_cancelled"
	kindMissed     = "penalty_missed"
)

// pushKind is all that differs from one kind of push to another. Which events ask for
// one: see Config.wanted.
type pushKind struct {
	kind string
	off  string // the kind that tells those who got this one that it is not so; empty if nothing does
	// what users switch it on and off by; empty: switchOf says, by the period
	user goalcast.PushKind

	channel  string // what a phone's owner can mute
	tag      string // what tags begin with, where each event has a notification of its own
	collapse string // what collapse keys begin with
	each     bool   // each event has a notification of its own; otherwise the match has one, under the collapse key

	// ttl is how long after it happened a push may still go out. The period is the event's.
	ttl   func(Config, goalcast.Period) time.Duration
	write func(writer, facts, texts) Text
}

// pushKinds lists all kinds of push. FCM keeps four collapse keys a device; penalties share one
// with periods, so as never to be in the way of a goal.
var pushKinds = []pushKind{
	{kind: kindGoal, off: kindGoalOff, user: goalcast.PushGoals, channel: "goals", tag: "goal", collapse: "goal",
		each: true, ttl: goalTTL, write: writer.goalText},
	{kind: kindGoalOff, user: goalcast.PushGoals, channel: "goals", tag: "goal", collapse: "goal", each: true,
		ttl: goalTTL, write: writer.goalOffText},
	{kind: kindRed, off: kindRedOff, user: goalcast.PushRedCards, channel: "cards", tag: "red", collapse: "red",
		each: true, ttl: cardTTL, write: writer.redText},
	{kind: kindRedOff, user: goalcast.PushRedCards, channel: "cards", tag: "red", collapse: "red", each: true,
		ttl: cardTTL, write: writer.redOffText},
	{kind: kindPenalty, off: kindPenaltyOff, user: goalcast.PushPenalties, channel: "penalties", tag: "penalty",
		collapse: "period", each: true, ttl: goalTTL, write: writer.penaltyText},
	{kind: kindPenaltyOff, user: goalcast.PushPenalties, channel: "penalties", tag: "penalty", collapse: "period",
		each: true, ttl: goalTTL, write: writer.penaltyOffText},
	{kind: kindMissed, user: goalcast.PushPenalties, channel: "penalties", tag: "penalty", collapse: "period",
		each: true, ttl: goalTTL, write: writer.missedText},
	{kind: kindPeriod, channel: "matches", collapse: "period", ttl: periodTTL, write: writer.period},
	{kind: kindStatus, user: goalcast.PushStatus, channel: "matches", collapse: "status", ttl: statusTTL,
		write: writer.status},
}

// rowOf finds a kind's row; what is no kind has one of an event of its own match,
// which nothing withdraws.
func rowOf(kind string) *pushKind {
	for i := range pushKinds {
		if pushKinds[i].kind == kind {
			return &pushKinds[i]
		}
	}
	return &noKind
}

var noKind = pushKind{channel: "matches", collapse: "period", ttl: periodTTL, write: writer.period}

// switchOf is what users switch a kind of push on and off by.
func switchOf(kind string, p goalcast.Period) goalcast.PushKind {
	if user := rowOf(kind).user; user != "" {
		return user
	}
	switch p {
	case goalcast.FirstHalf, goalcast.SecondHalf:
		return goalcast.PushKickoffs
	case goalcast.Shootout:
		return goalcast.PushShootouts
	}
	return goalcast.PushResults
}

// kinds are the names of all kinds of push.
func kinds() []string {
	var out []string
	for _, row := range pushKinds {
		out = append(out, row.kind)
	}
	return out
}

func goalTTL(c Config, _ goalcast.Period) time.Duration   { return c.GoalTTL }
func cardTTL(c Config, _ goalcast.Period) time.Duration   { return c.CardTTL }
func statusTTL(c Config, _ goalcast.Period) time.Duration { return c.StatusTTL }

func periodTTL(c Config, p goalcast.Period) time.Duration {
	if result(p) {
		return c.ResultTTL
	}
	return c.KickoffTTL
}

func (w writer) goalText(t facts, s texts) Text {
	if w.noScores {
		return Text{fmt.Sprintf(w.goal, minute(t.event, s.pair)), s.competition}
	}
	return Text{fmt.Sprintf(w.goal, minute(t.event, s.line)), w.scorer(t)}
}

func (w writer) goalOffText(t facts, s texts) Text {
	if w.noScores {
		return Text{fmt.Sprintf(w.goalOff, minute(t.event, s.pair)), s.competition}
	}
	return Text{fmt.Sprintf(w.goalOff, s.line), fmt.Sprintf(w.offBody, minute(t.event, w.scorer(t)))}
}

func (w writer) redText(t facts, s texts) Text {
	title := w.red
	if t.event.Card.Type == goalcast.SecondYellow {
		title = w.second
	}
	return Text{fmt.Sprintf(title, w.side(t)), minute(t.event, join(player(t.event), s.line))}
}

func (w writer) redOffText(t facts, s texts) Text {
	return Text{fmt.Sprintf(w.redOff, w.side(t)), join(player(t.event), s.line)}
}

func (w writer) penaltyText(t facts, s texts) Text {
	return Text{minute(t.event, fmt.Sprintf(w.givenFor, w.side(t))), s.line}
}

func (w writer) penaltyOffText(t facts, s texts) Text {
	return Text{fmt.Sprintf(w.penaltyOff, w.side(t)), s.line}
}

func (w writer) missedText(t facts, s texts) Text {
	return Text{minute(t.event, fmt.Sprintf(w.missed, s.line)), player(t.event)}
}
