package notify

import (
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
	kindMessage    = "message" // of an editor; its text is the event's own
	kindLineups    = "lineups" // of both teams
	kindClip       = "clip"    // of a goal
	kindSummary    = "summary" // a clip of the match
)

// pushKind is all that differs from one kind of push to another. Which events ask for one: see
// Config.wanted. What it says is in texts/: see facts.template.
type pushKind struct {
	kind string
	off  string // the kind that tells those who got this one that it is not so; empty if nothing does
	// what users switch it on and off by; empty: switchOf says, by the period
	user goalcast.PushKind

	channel  string // what a phone's owner can mute
	tag      string // what tags begin with; empty: the collapse key
	collapse string // what collapse keys begin with
	each     bool   // each event has a notification of its own; otherwise the match has one
	high     bool   // it wakes the phone
	// seen says that a phone may go without the first push of an event that it has shown live. It
	// is news of its own, and takes the place of no other on the phone.
	seen bool

	// ttl is how long after it happened a push may still go out. The period is the event's.
	// Line-ups live until kick-off, and this long in a preview.
	ttl func(Config, goalcast.Period) time.Duration
}

// pushKinds lists all kinds of push. FCM keeps four collapse keys a device; penalties, line-ups
// and clips share one with periods, so as never to be in the way of a goal: a phone that was off
// until kick-off has no use for line-ups.
var pushKinds = []pushKind{
	{kind: kindGoal, off: kindGoalOff, user: goalcast.PushGoals, channel: "goals", tag: "goal", collapse: "goal",
		each: true, high: true, seen: true, ttl: goalTTL},
	{kind: kindGoalOff, user: goalcast.PushGoals, channel: "goals", tag: "goal", collapse: "goal", each: true,
		high: true, ttl: goalTTL},
	{kind: kindRed, off: kindRedOff, user: goalcast.PushRedCards, channel: "cards", tag: "red", collapse: "red",
		each: true, high: true, seen: true, ttl: cardTTL},
	{kind: kindRedOff, user: goalcast.PushRedCards, channel: "cards", tag: "red", collapse: "red", each: true,
		high: true, ttl: cardTTL},
	{kind: kindPenalty, off: kindPenaltyOff, user: goalcast.PushPenalties, channel: "penalties", tag: "penalty",
		collapse: "period", each: true, high: true, seen: true, ttl: goalTTL},
	{kind: kindPenaltyOff, user: goalcast.PushPenalties, channel: "penalties", tag: "penalty", collapse: "period",
		each: true, high: true, ttl: goalTTL},
	{kind: kindMissed, user: goalcast.PushPenalties, channel: "penalties", tag: "penalty", collapse: "period",
		each: true, high: true, seen: true, ttl: goalTTL},
	{kind: kindPeriod, channel: "matches", collapse: "period", ttl: periodTTL},
	{kind: kindStatus, user: goalcast.PushStatus, channel: "matches", collapse: "status", high: true, ttl: statusTTL},
	{kind: kindMessage, user: goalcast.PushMessages, channel: "messages", tag: "message", collapse: "message",
		each: true, ttl: messageTTL},
	{kind: kindLineups, user: goalcast.PushLineups, channel: "matches", tag: "lineups", collapse: "period",
		ttl: lineupsTTL},
	{kind: kindClip, user: goalcast.PushClips, channel: "clips", tag: "clip", collapse: "period", each: true,
		ttl: clipTTL},
	{kind: kindSummary, user: goalcast.PushSummaries, channel: "clips", tag: "summary", collapse: "period",
		ttl: clipTTL},
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

var noKind = pushKind{channel: "matches", collapse: "period", ttl: periodTTL}

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

// messageTTL is for words that are about something that goes on.
func messageTTL(Config, goalcast.Period) time.Duration { return 30 * time.Minute }

// lineupsTTL is about how long before kick-off line-ups are known.
func lineupsTTL(Config, goalcast.Period) time.Duration { return time.Hour }

func periodTTL(c Config, p goalcast.Period) time.Duration {
	if result(p) {
		return c.ResultTTL
	}
	return c.KickoffTTL
}
