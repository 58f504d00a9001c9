package opta

import (
	"cmp"
	"slices"

	"goalcast"
)

// facts makes our events of the game's. A deleted event stands among them as cancelled, with what
// the provider left of it.
func (g *game) facts() []goalcast.Event {
	periods := g.periods()
	g.ended = slices.ContainsFunc(periods, func(e goalcast.Event) bool {
		return e.Period == goalcast.FullTime && e.Counts()
	})
	var out []goalcast.Event
	for i := range g.events {
		t := &g.events[i]
		switch t.kind {
		case typeGoal, typeMiss, typePost, typeSaved:
			if e, ok := g.attempt(t); ok {
				out = append(out, e)
			}
		case typeCard:
			if e, ok := g.card(t); ok {
				out = append(out, e)
			}
		case typeLeft:
			e := g.fact(t, goalcast.KindSubstitution)
			e.Player, e.Substitution = nil, &goalcast.Substitution{Off: player(t.player), Reason: swapReason(t)}
			out = append(out, e)
		case typeDecision:
			if e, ok := g.review(t); ok {
				out = append(out, e)
			}
		}
	}
	out = append(out, g.swaps()...)
	out = append(out, g.lineups()...)
	out = append(out, periods...)
	out = append(out, g.addedTimes()...)
	out = append(out, g.penalties()...)
	out = append(out, g.delays()...)
	return unique(g.underReview(out))
}

// fact is what all facts of one event have in common. Where no clock runs, at half time or after
// the end, it has no minute: F24 writes 0 there, or when the period ended.
func (g *game) fact(t *f24Event, kind goalcast.Kind) goalcast.Event {
	e := goalcast.Event{ID: eventID(t.id), Status: goalcast.Confirmed, Kind: kind, Match: g.id,
		Team: goalcast.TeamID(t.team), Player: player(t.player),
		Period: t.period, At: g.at(t)}
	if t.period.Clocked() {
		e.Minute, e.Second = minuteShown(t.minute, t.second), t.second
	}
	if t.deleted {
		e.Status = goalcast.Cancelled
	}
	return e
}

// attempt makes a goal, a missed penalty or a kick of a shoot-out of an attempt on goal. Other
// attempts make nothing.
func (g *game) attempt(t *f24Event) (goalcast.Event, bool) {
	switch {
	case t.period == goalcast.Shootout:
		e := g.fact(t, goalcast.KindShootoutKick)
		e.Kick = &goalcast.Kick{Scored: t.kind == typeGoal}
		return e, true
	case !t.period.InPlay():
		return goalcast.Event{}, false
	case t.kind == typeGoal:
		return g.goal(t), true
	case t.has(qualifierPenalty):
		return g.fact(t, goalcast.KindMissedPenalty), true
	}
	return goalcast.Event{}, false
}

// goal turns an own goal round: F24 gives it to the scorer's team, we to the side that gains it.
func (g *game) goal(t *f24Event) goalcast.Event {
	e := g.fact(t, goalcast.KindGoal)
	e.Goal = &goalcast.Goal{Type: goalcast.OpenPlay}
	switch {
	case t.has(qualifierOwnGoal):
		e.Goal.Type = goalcast.OwnGoal
		e.Team = g.other(e.Team)
	case t.has(qualifierPenalty):
		e.Goal.Type = goalcast.PenaltyGoal
	case t.deleted && len(t.qualifiers) == 1:
		e.Goal.Type = "" // nothing is left but that it was a goal
	}
	if t.has(qualifierAssisted) {
		e.Goal.Assist = player(g.playerOf(t.team, number([]byte(t.value(qualifierRelated)))))
	}
	return e
}

// other is the opponent; 0 for a team that does not play in the match.
func (g *game) other(team goalcast.TeamID) goalcast.TeamID {
	switch team {
	case g.fixture.Home.ID:
		return g.fixture.Away.ID
	case g.fixture.Away.ID:
		return g.fixture.Home.ID
	}
	return 0
}

func (g *game) playerOf(team, number int64) int64 {
	for _, a := range g.actors {
		if a.team == team && a.number == number && number != 0 {
			return a.player
		}
	}
	return 0
}

// card makes a card; without player_id it is a coach's. One of no known colour is skipped, unless
// it is deleted: then the colour may be gone.
func (g *game) card(t *f24Event) (goalcast.Event, bool) {
	e := g.fact(t, goalcast.KindCard)
	e.Card = &goalcast.Card{}
	switch {
	case t.has(qualifierSecondYellow):
		e.Card.Type = goalcast.SecondYellow
	case t.has(qualifierRed):
		e.Card.Type = goalcast.StraightRed
	case t.has(qualifierYellow):
		e.Card.Type = goalcast.Yellow
	case !t.deleted:
		return e, false
	}
	if t.has(qualifierRescinded) {
		e.Status = goalcast.Cancelled
	}
	for _, q := range t.qualifiers {
		e.Card.Reason = cmp.Or(e.Card.Reason, cardReason(q.id))
	}
	return e, true
}

// swaps makes one substitution of two events: the player who comes on (19) gives it its id, as in
// F7; the one who goes off (18) is joined to it. A player off whose counterpart has not come yet
// makes nothing: the next document has it.
func (g *game) swaps() []goalcast.Event {
	var on, off []*f24Event
	for i := range g.events {
		switch g.events[i].kind {
		case typeOn:
			on = append(on, &g.events[i])
		case typeOff:
			off = append(off, &g.events[i])
		}
	}
	for _, list := range [...][]*f24Event{on, off} {
		slices.SortStableFunc(list, func(a, b *f24Event) int {
			return cmp.Or(cmp.Compare(a.minute, b.minute), cmp.Compare(a.second, b.second),
				cmp.Compare(a.number, b.number))
		})
	}
	partner := joined(on, off)
	var out []goalcast.Event
	for _, t := range on {
		e := g.fact(t, goalcast.KindSubstitution)
		e.Player, e.Substitution = nil, &goalcast.Substitution{On: player(t.player), Reason: swapReason(t)}
		if o := partner[t]; o != nil {
			e.Substitution.Off = player(o.player)
			e.Substitution.Reason = cmp.Or(e.Substitution.Reason, swapReason(o))
		}
		out = append(out, e)
	}
	return out
}

// joined finds for each player who came on the one who went off: by Q55 of either, else (older
// files, where only one has it or neither) one of the same team and minute that nobody else has.
// Deleted events are joined last and never to live ones in preference to live ones.
func joined(on, off []*f24Event) map[*f24Event]*f24Event {
	partner := make(map[*f24Event]*f24Event, len(on))
	taken := make(map[*f24Event]bool, len(off))
	join := func(fits func(a, b *f24Event) bool) {
		for _, a := range on {
			for _, b := range off {
				if partner[a] == nil && !taken[b] && a.team == b.team && fits(a, b) {
					partner[a], taken[b] = b, true
				}
			}
		}
	}
	refers := func(a, b *f24Event) bool {
		return number([]byte(a.value(qualifierRelated))) == b.number && b.number != 0
	}
	free := func(t *f24Event) bool { return t.value(qualifierRelated) == "" }
	same := func(a, b *f24Event) bool { return a.period == b.period && a.minute == b.minute }
	alike := func(a, b *f24Event) bool { return a.deleted == b.deleted }
	join(func(a, b *f24Event) bool { return alike(a, b) && (refers(a, b) || refers(b, a)) })
	join(func(a, b *f24Event) bool { return a.deleted && (refers(a, b) || refers(b, a)) })
	join(func(a, b *f24Event) bool {
		return alike(a, b) && same(a, b) && a.second == b.second && (free(a) || free(b))
	})
	join(func(a, b *f24Event) bool { return alike(a, b) && same(a, b) })
	return partner
}

func swapReason(t *f24Event) string {
	switch {
	case t.has(qualifierInjury):
		return "injury"
	case t.has(qualifierTactical):
		return "tactical"
	}
	return ""
}

// addedTimes makes one fact of each number of minutes shown in a period; the event can
// stand once for each team.
func (g *game) addedTimes() []goalcast.Event {
	type board struct {
		period  goalcast.Period
		minutes int
	}
	first := map[board]*f24Event{}
	for i := range g.events {
		t := &g.events[i]
		b := board{t.period, count(t.value(qualifierMinutes))}
		if t.kind != typeAddedTime || b.minutes == 0 || !t.period.InPlay() {
			continue
		}
		old := first[b]
		if old == nil || old.deleted && !t.deleted || old.deleted == t.deleted && g.at(t).Before(g.at(old)) {
			first[b] = t
		}
	}
	var out []goalcast.Event
	for b, t := range first {
		e := g.fact(t, goalcast.KindAddedTime)
		e.Team, e.Player, e.AddedTime = 0, nil, b.minutes
		out = append(out, e)
	}
	return byID(out)
}
