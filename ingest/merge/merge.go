package merge

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"goalcast"
)

// merged is what all sources together say of a match.
type merged struct {
	fixture   *goalcast.Fixture         // nil while no source told one
	events    map[string]goalcast.Event // by id; line-ups too. Without Revision, Seq, Score and Times
	incidents []*incident               // what they are made of
	ids       map[*incident]string      // and called
	unsure    map[string]bool           // events that are cancelled by one document, which no second has confirmed
	replanned bool                      // the fixture is another occasion than it was
}

// merge weighs what the sources say: see the package comment for what counts and trust.go for how
// much. known is the match as it has been told: what is known under an id keeps it.
func (f memory) merge(match goalcast.MatchID, known goalcast.Snapshot) merged {
	o := f.occasion()
	announced := make(map[string]bool, len(known.Timeline))
	for _, e := range known.Timeline {
		announced[e.ID] = e.Counts()
	}
	out := merged{fixture: f.mergeFixture(o), incidents: f.incidents(announced, o), unsure: map[string]bool{},
		replanned: o.begins()}
	out.events, out.ids = make(map[string]goalcast.Event, len(out.incidents)), make(map[*incident]string,
		len(out.incidents))
	topics := goalcast.Fixture{}.Topics(match)
	if out.fixture != nil {
		topics = out.fixture.Topics(match)
	}
	names := f.byName()
	for _, t := range out.incidents {
		current := t.current()
		e := mergeEvent(current)
		var sure bool
		if e.Status, sure = f.statusOf(current); e.Kind == goalcast.KindLineup {
			e.Lineup = mergeLineup(agreeing(e.Kind, current), e)
		}
		id := t.idOf(announced)
		if e.Kind == goalcast.KindLineup {
			id = t.ids[0]
		}
		fillNames(&e, names)
		e.ID, e.Match, e.Topics = id, match, topics
		e.SetClock()
		out.events[id], out.ids[t] = e, id
		if !e.Counts() && !sure {
			out.unsure[id] = true
		}
		for _, other := range t.ids { // a double that viewers know under an id of its own
			if double, ok := known.Event(other); ok && other != id {
				double.Status, double.Topics = goalcast.Cancelled, topics
				out.events[other] = double
			}
		}
	}
	f.settleClips(out.events)
	f.settleReviews(out.events)
	return out
}

// reviewTime is how long a review is believed to go on that nothing ends: the longest have
// taken some eight minutes.
const reviewTime = 10 * time.Minute

// settleReviews ends reviews of which no document says what came of them: when the match has gone
// on since, and at the latest after reviewTime.
func (f memory) settleReviews(events map[string]goalcast.Event) {
	var newest time.Time
	for id, e := range events {
		if e.VAR == nil || e.VAR.Outcome != "under_review" || !e.Counts() {
			continue
		}
		if newest.IsZero() {
			for _, s := range f.series {
				if s.newest.Time.After(newest) {
					newest = s.newest.Time
				}
			}
		}
		over := !e.At.IsZero() && newest.Sub(e.At) >= reviewTime
		for _, later := range events {
			over = over || later.ID != id && later.Counts() && goesOn(later, e)
		}
		if over {
			v := *e.VAR
			v.Outcome, v.Decision = cmp.Or(v.Decision, "not_told"), ""
			e.VAR = &v
			events[id] = e
		}
	}
}

// goesOn says whether an event shows that play went on after a review: the next part of the match,
// the next review, or a minute later what takes a running match.
func goesOn(later, review goalcast.Event) bool {
	if later.Period.Order() != review.Period.Order() {
		return later.Kind != goalcast.KindVAR && later.Period.Order() > review.Period.Order()
	}
	switch later.Kind {
	case goalcast.KindVAR:
		return goalcast.InMatchOrder(later, review) > 0 && (later.Minute > review.Minute ||
			later.Second > review.Second)
	case goalcast.KindGoal, goalcast.KindMissedPenalty:
		return later.Status == goalcast.Confirmed && later.Minute > review.Minute+1
	}
	return false
}

// holds says whether the source stands by the fact: it stood in the newest document, and not as
// cancelled. A line-up is not taken back by a document that has none: feeds leave it out when they
// are cut short, and a match does not lose the players it had.
//
// Where a source dates its documents in whole seconds, all those of its newest second count as its
// newest: nothing comes and goes within a second, so that one of them which does not have the fact
// is older than the other.
func (m *series) holds(fact fact) bool {
	switch {
	case fact.said.Status == goalcast.Cancelled:
		return false
	case fact.said.Kind == goalcast.KindLineup:
		return true
	case m.WholeSeconds:
		return fact.at.compareMoment(m.newest) == 0
	}
	return fact.at.Compare(m.newest) == 0
}

// sure says of a fact that the source does not stand by whether two of its documents say so: the
// newest, and one of an earlier moment.
func (m *series) sure(fact fact) bool {
	return !m.holds(fact) && m.before.compareMoment(fact.alive) > 0
}

// best returns the most trusted value of a field that is not zero; of the variants
// of a source the newest.
func best[T comparable](f field, said []statement, get func(*goalcast.Event) T) (value T) {
	var none T
	var from *statement
	for i := range said {
		s := &said[i]
		if got := get(&s.fact.said); got != none && (from == nil || f.compareVariants(s.series, from.series, s.fact.at,
			from.fact.at) < 0) {
			value, from = got, s
		}
	}
	return value
}

// agreeing are the statements of those who take the incident for what it is: a source that takes it
// for something else has no say in the details.
func agreeing(kind goalcast.Kind, current []statement) []statement {
	out := make([]statement, 0, len(current))
	for _, s := range current {
		if s.fact.said.Kind == kind {
			out = append(out, s)
		}
	}
	return out
}

// mergeEvent makes an event of what is said of it, but for its status and, of a
// line-up, its players.
func mergeEvent(current []statement) goalcast.Event {
	kind := best(fieldKind, current, func(e *goalcast.Event) goalcast.Kind { return e.Kind })
	same := agreeing(kind, current)
	e := goalcast.Event{
		Kind:      kind,
		Team:      best(fieldTeam, same, func(e *goalcast.Event) goalcast.TeamID { return e.Team }),
		Player:    best(fieldPlayer, same, func(e *goalcast.Event) *goalcast.Player { return e.Player }),
		Second:    best(fieldSecond, same, func(e *goalcast.Event) int { return e.Second }),
		At:        best(fieldAt, same, func(e *goalcast.Event) time.Time { return e.At }),
		AddedTime: best(fieldOther, same, func(e *goalcast.Event) int { return e.AddedTime }),
		Delay:     best(fieldOther, same, func(e *goalcast.Event) *goalcast.Delay { return e.Delay }),
		Kick:      best(fieldOther, same, func(e *goalcast.Event) *goalcast.Kick { return e.Kick }),
		VAR:       best(fieldOther, same, func(e *goalcast.Event) *goalcast.VAR { return e.VAR }),
	}
	e.Period = best(fieldMinute, same, func(e *goalcast.Event) goalcast.Period { return e.Period })
	e.Minute = best(fieldMinute, same, func(o *goalcast.Event) int {
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
		// Nothing but who plays: a snapshot remembers no more of it, so that more could change
		// without anyone seeing it.
		e = goalcast.Event{Kind: kind, Team: e.Team}
	}
	return e
}

// statusOf weighs what is said of an incident. sure says of a cancelled one that no
// single document decides it.
func (f memory) statusOf(current []statement) (status goalcast.Status, sure bool) {
	if current[0].past { // then all are
		return goalcast.Cancelled, current[0].sure
	}
	status = goalcast.Confirmed
	for _, v := range f.verdicts(current) {
		if !v.holds {
			status, sure = goalcast.Cancelled, sure || v.sure
		}
	}
	if status == goalcast.Cancelled {
		return status, sure
	}
	if slices.ContainsFunc(current, func(w statement) bool {
		return w.holds && w.fact.said.Status == goalcast.Provisional
	}) {
		status = goalcast.Provisional
	}
	return status, false
}

// mergeGoal never returns nil: a goal always has its detail, also a deleted one of
// which little is told.
func mergeGoal(said []statement) *goalcast.Goal {
	kind := best(fieldGoal, said, func(e *goalcast.Event) goalcast.GoalType {
		if e.Goal == nil {
			return ""
		}
		return e.Goal.Type
	})
	if kind == "" {
		kind = goalcast.OpenPlay
	}
	return &goalcast.Goal{Type: kind, Assist: best(fieldAssist, said, func(e *goalcast.Event) *goalcast.Player {
		if e.Goal == nil {
			return nil
		}
		return e.Goal.Assist
	})}
}

func mergeCard(said []statement) *goalcast.Card {
	get := func(e *goalcast.Event) goalcast.Card {
		if e.Card == nil {
			return goalcast.Card{}
		}
		return *e.Card
	}
	return &goalcast.Card{
		Type:   best(fieldCard, said, func(e *goalcast.Event) goalcast.CardType { return get(e).Type }),
		Reason: best(fieldCard, said, func(e *goalcast.Event) string { return get(e).Reason }),
	}
}

func mergeSubstitution(said []statement) *goalcast.Substitution {
	get := func(e *goalcast.Event) goalcast.Substitution {
		if e.Substitution == nil {
			return goalcast.Substitution{}
		}
		return *e.Substitution
	}
	return &goalcast.Substitution{
		Off:    best(fieldSubstitution, said, func(e *goalcast.Event) *goalcast.Player { return get(e).Off }),
		On:     best(fieldSubstitution, said, func(e *goalcast.Event) *goalcast.Player { return get(e).On }),
		Reason: best(fieldSubstitution, said, func(e *goalcast.Event) string { return get(e).Reason }),
	}
}

// mergeLineup takes one source's players whole: two lists of a team cannot be mixed. What
// the newest of its variants leaves out of them is filled from the others. A cancelled
// line-up has no players.
func mergeLineup(said []statement, e goalcast.Event) *goalcast.Lineup {
	none := &goalcast.Lineup{Team: e.Team, Players: []goalcast.LineupPlayer{}}
	if e.Status == goalcast.Cancelled {
		return none
	}
	lineup := func(e *goalcast.Event) goalcast.Lineup {
		if e.Lineup == nil {
			return goalcast.Lineup{}
		}
		return *e.Lineup
	}
	found := best(fieldLineup, said, func(e *goalcast.Event) *goalcast.Lineup {
		if len(lineup(e).Players) == 0 {
			return nil
		}
		return e.Lineup
	})
	if found == nil {
		return none
	}
	out := *found
	out.Players = slices.Clone(found.Players)
	source := said[slices.IndexFunc(said, func(s statement) bool { return s.fact.said.Lineup == found })].series.source
	for _, s := range said {
		if l := s.fact.said.Lineup; s.series.source == source && l != nil && l != found {
			fillLineup(out.Players, l.Players)
		}
	}
	out.Formation = best(fieldLineup, said, func(e *goalcast.Event) string { return lineup(e).Formation })
	out.Coach = best(fieldLineup, said, func(e *goalcast.Event) *goalcast.Coach { return lineup(e).Coach })
	return &out
}

// fillLineup fills what is missing of the players, and brings those who start into the order of
// their places. Places are taken all or none: one of each of two formations makes none.
func fillLineup(players, from []goalcast.LineupPlayer) {
	placed := slices.ContainsFunc(players, func(p goalcast.LineupPlayer) bool { return p.Place != 0 })
	for i := range players {
		p := &players[i]
		j := slices.IndexFunc(from, func(o goalcast.LineupPlayer) bool { return o.ID == p.ID })
		if j < 0 {
			continue
		}
		orElse(&p.Shirt, from[j].Shirt)
		orElse(&p.Position, from[j].Position)
		if !placed && p.Start && from[j].Start {
			p.Place = from[j].Place
		}
	}
	if !placed {
		slices.SortStableFunc(players, func(a, b goalcast.LineupPlayer) int {
			if a.Start && b.Start {
				return cmp.Compare(a.Place, b.Place)
			}
			return 0
		})
	}
}

// byName lists whose names of players count first.
func (f memory) byName() []*series {
	return slices.SortedFunc(maps.Values(f.series), func(a, b *series) int {
		return fieldName.compareVariants(a, b, a.newest, b.newest)
	})
}

// fillNames gives the players of an event the names that any series knows. What is in memory is
// shared and not changed.
func fillNames(e *goalcast.Event, from []*series) {
	name := func(id goalcast.PlayerID) string {
		for _, s := range from {
			if told, ok := s.names[id]; ok {
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
