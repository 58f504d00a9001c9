package opta

import (
	"cmp"
	"fmt"
	"slices"

	"goalcast"
)

// penalties makes one event of each penalty that was given. The foul stands once for each team,
// with outcome 1 for the one that was fouled; the event of the fouled player names it, and without
// it that of the other. A penalty that is taken back is deleted, or just gone.
func (g *game) penalties() []goalcast.Event {
	type moment struct {
		period         goalcast.Period
		minute, second int
		team           goalcast.TeamID
	}
	given := map[moment]goalcast.Event{}
	for _, fouled := range [...]bool{false, true} {
		for i := range g.events {
			t := &g.events[i]
			if t.kind != typeFoul || t.fouled != fouled || !t.period.InPlay() || t.period == goalcast.Shootout {
				continue
			}
			e := g.fact(t, goalcast.KindPenalty)
			if !fouled {
				e.Team, e.Player = g.other(e.Team), nil
			}
			at := moment{t.period, t.minute, t.second, e.Team}
			if old, known := given[at]; !known || e.Counts() || !old.Counts() {
				given[at] = e
			}
		}
	}
	var out []goalcast.Event
	for at, e := range given {
		// Named after what it is: which of the two fouls is entered first differs
		// from one to the next.
		e.ID = fmt.Sprintf("match:%d:penalty:%d:%s:%d:%d", g.id, at.team, at.period, at.minute, at.second)
		out = append(out, e)
	}
	return byID(out)
}

// delays tells of what holds a match up: a late start, an early end, an abandonment to come, and
// stops of play for more than an injury, with their end. Each stands once for each team.
func (g *game) delays() []goalcast.Event {
	found := map[string]goalcast.Event{}
	add := func(t *f24Event, kind goalcast.DelayType, reason string) {
		e := g.fact(t, goalcast.KindDelay)
		e.Team, e.Player, e.Delay = 0, nil, &goalcast.Delay{Type: kind, Reason: reason}
		switch kind {
		case goalcast.LateStart:
			e.Period, e.Minute, e.Second = goalcast.PreMatch, 0, 0
			e.ID = fmt.Sprintf("match:%d:delay:%s", g.id, kind)
		case goalcast.EarlyEnd, goalcast.Abandonment:
			e.ID = fmt.Sprintf("match:%d:delay:%s", g.id, kind)
		default:
			e.ID = fmt.Sprintf("match:%d:delay:%s:%s:%d", g.id, kind, t.period, t.minute)
		}
		old, known := found[e.ID]
		if earlier := e.At.Before(old.At); !known || e.Counts() && !old.Counts() || e.Counts() == old.Counts() &&
			earlier {
			found[e.ID] = e
		}
	}
	for i := range g.events {
		t := &g.events[i]
		switch {
		case t.has(qualifierAbandonment):
			add(t, goalcast.Abandonment, t.delayReason())
		case t.kind == typeLateStart:
			add(t, goalcast.LateStart, t.delayReason())
		case t.kind == typeEarlyEnd:
			add(t, goalcast.EarlyEnd, t.delayReason())
		}
	}
	for _, stop := range g.stops() {
		add(stop.begin, stop.kind, stop.begin.delayReason())
		if stop.end != nil {
			add(stop.end, goalcast.Resumed, stop.begin.delayReason())
		}
	}
	var out []goalcast.Event
	for _, e := range found {
		out = append(out, e)
	}
	return byID(out)
}

// stop is a stop of play that is worth telling, for one team, and its end if that is told.
type stop struct {
	kind       goalcast.DelayType
	begin, end *f24Event
}

// stops pairs each stop with the next end of the same team. A stop for an injury is none: there
// are ten in each match.
func (g *game) stops() []stop {
	var begins, ends []*f24Event
	for i := range g.events {
		switch t := &g.events[i]; t.kind {
		case typeStop:
			begins = append(begins, t)
		case typeGoesOn:
			ends = append(ends, t)
		}
	}
	inOrder := func(a, b *f24Event) int {
		return cmp.Or(cmp.Compare(a.period.Order(), b.period.Order()), cmp.Compare(a.minute, b.minute),
			cmp.Compare(a.second, b.second), cmp.Compare(a.number, b.number))
	}
	slices.SortStableFunc(begins, inOrder)
	slices.SortStableFunc(ends, inOrder)
	var out []stop
	for _, t := range begins {
		s := stop{begin: t, kind: goalcast.Stopped}
		switch {
		case t.has(qualifierSuspended):
			s.kind = goalcast.Suspended
		case t.has(qualifierInjury) || t.delayReason() == "":
			continue
		}
		i := slices.IndexFunc(ends, func(e *f24Event) bool {
			return e.team == t.team && e.period == t.period && inOrder(e, t) >= 0 && (t.deleted || !e.deleted)
		})
		if i >= 0 && !t.deleted {
			s.end = ends[i]
		}
		out = append(out, s)
	}
	return out
}

func (t *f24Event) delayReason() string {
	for _, q := range t.qualifiers {
		if word := delayReason(q.id); word != "" {
			return word
		}
	}
	return ""
}

// underReview makes goals provisional while the video referee looks at them: as the goal itself
// says, or a decision under review that refers to it. When the match is over nobody looks any more.
func (g *game) underReview(facts []goalcast.Event) []goalcast.Event {
	if g.ended {
		return facts
	}
	open := map[string]bool{}
	for i := range g.events {
		t := &g.events[i]
		if t.deleted {
			continue
		}
		switch {
		case t.kind == typeGoal && t.has(qualifierUnderReview):
			open[eventID(t.id)] = true
		case t.kind == typeDecision && t.has(qualifierUnderReview) && !t.decided():
			if goal := g.goalNumbered(t.team, number([]byte(t.value(qualifierRelated)))); goal != nil {
				open[eventID(goal.id)] = true
			}
		}
	}
	for i, e := range facts {
		if e.Kind == goalcast.KindGoal && e.Counts() && open[e.ID] {
			facts[i].Status = goalcast.Provisional
		}
	}
	return facts
}

// decided says whether a review has come to its end.
func (t *f24Event) decided() bool {
	for _, q := range t.qualifiers {
		if _, outcome := reviewWords(q.id); outcome != "" && outcome != "under_review" {
			return true
		}
	}
	return false
}

// goalNumbered finds the goal that another event refers to: numbers count per team, and a reference
// may be to either; the same team's comes first.
func (g *game) goalNumbered(team, number int64) *f24Event {
	var found *f24Event
	for i := range g.events {
		t := &g.events[i]
		if t.kind == typeGoal && t.number == number && number != 0 && (found == nil || t.team == team) {
			found = t
		}
	}
	return found
}
