package goalcast

import "slices"

// Private says which right the matches of a competition need, of those that not everybody may see.
// The zero value hides nothing. It is made at the start and never changes.
//
// A match of which no competition is known could be of any: it needs all these rights, but for
// CanaryMatch, which is of none.
type Private map[CompetitionID]Rights

// MaxPrivateGroups is how many groups of competitions can need a right of their own.
const MaxPrivateGroups = 8

// firstPrivate is the first bit of these rights. Those below have names of their own.
const firstPrivate = 8

// PrivateRight is the right to see the competitions of a group, counted from 0.
func PrivateRight(group int) Rights { return 1 << (firstPrivate + group) }

// PrivateRights are all of them.
const PrivateRights Rights = (1<<MaxPrivateGroups - 1) << firstPrivate

// RightOfNobody is a right that is never given: what needs it is hidden.
const RightOfNobody Rights = 1 << 31

// All are the rights that see everything.
func (p Private) All() (all Rights) {
	for _, need := range p {
		all |= need
	}
	return all
}

// Match is what one has to have to see a match.
func (p Private) Match(s *Snapshot) Rights {
	if len(p) == 0 {
		return 0
	}
	switch {
	case s.ID == CanaryMatch:
		return 0
	case s.Competition.ID == 0:
		return p.All()
	}
	return p[s.Competition.ID]
}

// Event is what one has to have to see an event. One that changes no match, a message or a
// settlement, is of its topics: who may follow them may see it.
func (p Private) Event(e *Event) (need Rights) {
	if len(p) == 0 || e.Match == CanaryMatch {
		return 0
	}
	known := false
	for _, t := range e.Topics {
		if t.Kind == CompetitionTopic {
			need |= p[CompetitionID(t.ID)]
			known = true
		}
	}
	if !known && e.Seq > 0 {
		return p.All()
	}
	return need
}

// Topic is what one has to have to follow a topic; false for one of a match, which says by itself
// nothing of that. A team's can be followed by everybody: what is hidden is left out.
func (p Private) Topic(t Topic) (need Rights, ok bool) {
	switch t.Kind {
	case CompetitionTopic:
		return p[CompetitionID(t.ID)], true
	case TeamTopic:
		return 0, true
	}
	return 0, len(p) == 0 || t == ForMatch(CanaryMatch)
}

// Hidden are the competitions that one with such rights may not see, 0 for those of which none is
// known among them.
func (p Private) Hidden(have Rights) (hidden []CompetitionID) {
	for id, need := range p {
		if !have.Have(need) {
			hidden = append(hidden, id)
		}
	}
	if !have.Have(p.All()) {
		hidden = append(hidden, 0)
	}
	slices.Sort(hidden)
	return hidden
}
