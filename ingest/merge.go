package ingest

import (
	"slices"
	"time"

	"goalcast"
)

// truth is what all sources together say of a match.
type truth struct {
	fixture *goalcast.Fixture         // nil while no source told one
	events  map[string]goalcast.Event // by id; line-ups too. Without Revision, Seq, Score and Times
}

// telling is one source's word on an event.
type telling struct {
	source string
	fact   goalcast.Event
	holds  bool // the source stands by it; else it took it back
}

// merge weighs the sources' words: see the package comment for what counts and trust.go for whose word.
func (f feeds) merge(match goalcast.MatchID) truth {
	tellings := map[string][]telling{}
	for source, mem := range f {
		for id, fact := range mem.facts {
			tellings[id] = append(tellings[id], telling{source, fact.said, mem.holds(fact)})
		}
	}
	out := truth{fixture: f.mergeFixture(), events: make(map[string]goalcast.Event, len(tellings))}
	topics := goalcast.Fixture{}.Topics(match)
	if out.fixture != nil {
		topics = out.fixture.Topics(match)
	}
	for id, said := range tellings {
		e := mergeEvent(said)
		f.fillNames(&e)
		e.ID, e.Match, e.Topics = id, match, topics
		e.SetClock()
		out.events[id] = e
	}
	f.settleClips(out.events)
	return out
}

// holds says whether the source stands by the fact: it stood in the newest document, and not as cancelled. A line-up is not taken back by a document
// that has none: feeds leave it out when they are cut short, and a match does not lose the players it had.
//
// Where a source dates its documents in whole seconds, all those of its newest second count as its newest: nothing comes and goes within a second, so
// that one of them which does not have the fact is older than the other.
func (m *feed) holds(fact toldFact) bool {
	switch {
	case fact.said.Status == goalcast.Cancelled:
		return false
	case fact.said.Kind == goalcast.KindLineup:
		return true
	case m.seconds:
		return fact.at.compareMoment(m.newest) == 0
	}
	return fact.at.Compare(m.newest) == 0
}

// best returns the first word on a field that is not zero, in the order of trust.
func best[T comparable](f field, said []telling, get func(goalcast.Event) T) T {
	var none T
	for _, t := range slices.SortedFunc(slices.Values(said), func(a, b telling) int { return f.compare(a.source, b.source) }) {
		if got := get(t.fact); got != none {
			return got
		}
	}
	return none
}

func mergeEvent(said []telling) goalcast.Event {
	kind := best(fieldKind, said, func(e goalcast.Event) goalcast.Kind { return e.Kind })
	// A source that takes it for something else has no say in the details.
	same := slices.DeleteFunc(slices.Clone(said), func(t telling) bool { return t.fact.Kind != kind })
	e := goalcast.Event{
		Kind: kind, Status: statusOf(said),
		Team:      best(fieldTeam, same, func(e goalcast.Event) goalcast.TeamID { return e.Team }),
		Player:    best(fieldPlayer, same, func(e goalcast.Event) *goalcast.Player { return e.Player }),
		Second:    best(fieldSecond, same, func(e goalcast.Event) int { return e.Second }),
		At:        best(fieldAt, same, func(e goalcast.Event) time.Time { return e.At }),
		AddedTime: best(fieldOther, same, func(e goalcast.Event) int { return e.AddedTime }),
		Delay:     best(fieldOther, same, func(e goalcast.Event) *goalcast.Delay { return e.Delay }),
		Kick:      best(fieldOther, same, func(e goalcast.Event) *goalcast.Kick { return e.Kick }),
		VAR:       best(fieldOther, same, func(e goalcast.Event) *goalcast.VAR { return e.VAR }),
	}
	e.Period = best(fieldMinute, same, func(e goalcast.Event) goalcast.Period { return e.Period })
	e.Minute = best(fieldMinute, same, func(o goalcast.Event) int {
		if o.Period != e.Period {
			return 0 // a minute says nothing without its period
		}
		return o.Minute
	})
	switch kind {
	case goalcast.KindGoal:
		e.Goal = mergeGoal(same)
	case goalcast.KindCard:
		e.Card = mergeCard(same)
	case goalcast.KindSubstitution:
		e.Substitution = mergeSubstitution(same)
	case goalcast.KindClip:
		e.Clip, e.Goal = mergeClip(same), clipOfGoal(same)
	case goalcast.KindLineup:
		// Nothing but who plays: a snapshot remembers no more of it, so that more could change without anyone seeing it.
		e = goalcast.Event{Kind: kind, Status: e.Status, Team: e.Team, Lineup: mergeLineup(same, e)}
	}
	return e
}

func statusOf(said []telling) goalcast.Status {
	status := goalcast.Confirmed
	for _, t := range said {
		switch {
		case !t.holds:
			return goalcast.Cancelled
		case t.fact.Status == goalcast.Provisional:
			status = goalcast.Provisional
		}
	}
	return status
}

// mergeGoal never returns nil: a goal always has its detail, also a deleted one of which little is told.
func mergeGoal(said []telling) *goalcast.Goal {
	kind := best(fieldGoal, said, func(e goalcast.Event) goalcast.GoalType {
		if e.Goal == nil {
			return ""
		}
		return e.Goal.Type
	})
	if kind == "" {
		kind = goalcast.OpenPlay
	}
	return &goalcast.Goal{Type: kind, Assist: best(fieldAssist, said, func(e goalcast.Event) *goalcast.Player {
		if e.Goal == nil {
			return nil
		}
		return e.Goal.Assist
	})}
}

func mergeCard(said []telling) *goalcast.Card {
	get := func(e goalcast.Event) goalcast.Card {
		if e.Card == nil {
			return goalcast.Card{}
		}
		return *e.Card
	}
	return &goalcast.Card{
		Type:   best(fieldCard, said, func(e goalcast.Event) goalcast.CardType { return get(e).Type }),
		Reason: best(fieldCard, said, func(e goalcast.Event) string { return get(e).Reason }),
	}
}

func mergeSubstitution(said []telling) *goalcast.Substitution {
	get := func(e goalcast.Event) goalcast.Substitution {
		if e.Substitution == nil {
			return goalcast.Substitution{}
		}
		return *e.Substitution
	}
	return &goalcast.Substitution{
		Off:    best(fieldSubstitution, said, func(e goalcast.Event) *goalcast.Player { return get(e).Off }),
		On:     best(fieldSubstitution, said, func(e goalcast.Event) *goalcast.Player { return get(e).On }),
		Reason: best(fieldSubstitution, said, func(e goalcast.Event) string { return get(e).Reason }),
	}
}

// mergeLineup takes one source's players whole: two lists of a team cannot be mixed. A cancelled line-up has none.
func mergeLineup(said []telling, e goalcast.Event) *goalcast.Lineup {
	if e.Status == goalcast.Cancelled {
		return &goalcast.Lineup{Team: e.Team, Players: []goalcast.LineupPlayer{}}
	}
	found := best(fieldLineup, said, func(e goalcast.Event) *goalcast.Lineup {
		if e.Lineup == nil || len(e.Lineup.Players) == 0 {
			return nil
		}
		return e.Lineup
	})
	if found == nil {
		return &goalcast.Lineup{Team: e.Team, Players: []goalcast.LineupPlayer{}}
	}
	out := *found
	out.Players = slices.Clone(found.Players)
	out.Formation = best(fieldLineup, said, func(e goalcast.Event) string {
		if e.Lineup == nil {
			return ""
		}
		return e.Lineup.Formation
	})
	out.Coach = best(fieldLineup, said, func(e goalcast.Event) *goalcast.Coach {
		if e.Lineup == nil {
			return nil
		}
		return e.Lineup.Coach
	})
	return &out
}

// fillNames gives the players of an event the names that any source knows. What is in memory is shared and not changed.
func (f feeds) fillNames(e *goalcast.Event) {
	sources := make([]string, 0, len(f))
	for source := range f {
		sources = append(sources, source)
	}
	slices.SortFunc(sources, fieldName.compare)
	name := func(id goalcast.PlayerID) string {
		for _, source := range sources {
			if told, ok := f[source].names[id]; ok {
				return told.said
			}
		}
		return ""
	}
	fill := func(p *goalcast.Player) *goalcast.Player {
		if p == nil || p.Name != "" {
			return p
		}
		return &goalcast.Player{ID: p.ID, Name: name(p.ID)}
	}
	e.Player = fill(e.Player)
	if e.Goal != nil {
		e.Goal.Assist = fill(e.Goal.Assist)
	}
	if e.Substitution != nil {
		e.Substitution.Off, e.Substitution.On = fill(e.Substitution.Off), fill(e.Substitution.On)
	}
	if e.Lineup != nil {
		for i := range e.Lineup.Players {
			e.Lineup.Players[i].Player = *fill(&e.Lineup.Players[i].Player)
		}
	}
}
