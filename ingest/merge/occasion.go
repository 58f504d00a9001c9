package merge

import (
	"time"

	"goalcast"
)

// A fixture can begin again under its id: postponed, or abandoned and then played again from the
// start. What was told of it on the earlier occasion is not of the new one, also where only one
// source ever told it and says nothing of the match any more.

// occasionMargin is how long before its planned kick-off an occasion begins: what was last told
// earlier, of something that happens in a match, is of another one.
const occasionMargin = 12 * time.Hour

// occasion is when the present occasion of a fixture began. Zero: there was no earlier one.
type occasion struct {
	from    time.Time
	planned time.Time // the document was made that says when it is to begin
	sure    bool      // more than one document says so
}

func (o occasion) begins() bool { return !o.from.IsZero() }

// isPast says whether what a document told is of an earlier occasion, if no newer one has told it.
func (o occasion) isPast(v Version) bool { return o.begins() && v.Time.Before(o.from) }

// isPlanPast says the same of what a document told of the fixture: what is told after the new date
// is of the new occasion.
func (o occasion) isPlanPast(v Version) bool { return o.isPast(v) && v.Time.Before(o.planned) }

// join joins what another memory of the source has of older documents.
func (m *series) join(o *series) {
	m.comes(o.newest)
	if o.before != (Version{}) {
		m.comes(o.before)
	}
	if o.halted.Compare(m.halted) > 0 {
		m.halted = o.halted
	}
	for _, p := range o.unbegun {
		if !p.said.IsZero() {
			m.plan(p)
		}
	}
}

// plans notes what a document says of when the match is to begin.
func (m *series) plans(v Version, r MatchReading) {
	f := r.Fixture
	if f == nil {
		return
	}
	if f.Halted != "" && v.Compare(m.halted) > 0 {
		m.halted = v
	}
	if f.Halted != "" || f.Kickoff.IsZero() || f.Reported != nil || f.Awarded != nil || r.Claims != nil &&
		r.Claims.Period.Order() > 0 {
		return
	}
	for _, e := range r.Facts {
		if e.Kind.Is(goalcast.Played) {
			return
		}
	}
	m.plan(versioned[time.Time]{v, cleanTime(f.Kickoff)})
}

// plan keeps the newest two.
func (m *series) plan(planned versioned[time.Time]) {
	for i, p := range m.unbegun {
		switch c := planned.at.Compare(p.at); {
		case p.said.IsZero() || c == 0:
			m.unbegun[i] = planned
			return
		case c > 0:
			copy(m.unbegun[i+1:], m.unbegun[i:])
			m.unbegun[i] = planned
			return
		}
	}
}

// occasion finds out whether the match was on, or was called off, before it was planned to begin.
// That takes a document which says that it has not begun and is to begin at some time, and
// something older that was told long before that time. Unless a feed of the match called it off
// itself, it is believed rather than a list.
func (f memory) occasion() occasion {
	var newest *series
	for _, s := range f.series {
		if !s.unbegun[0].said.IsZero() && (newest == nil || s.unbegun[0].at.Compare(newest.unbegun[0].at) > 0) {
			newest = s
		}
	}
	if newest == nil {
		return occasion{}
	}
	plan := newest.unbegun[0]
	from := plan.said.Add(-occasionMargin)
	earlier := func(v Version) bool {
		return !v.Time.IsZero() && v.Time.Before(from) && v.Time.Before(plan.at.Time)
	}
	found, certain, since := false, false, plan.at.Time.Add(-lately)
	for _, s := range f.series {
		if earlier(s.halted) {
			found, certain, since = true, certain || !s.Results, plan.at.Time
		}
		for _, fact := range s.facts {
			if found {
				break
			}
			found = fact.said.Kind.Is(goalcast.Played) && fact.said.Counts() && earlier(fact.at)
		}
	}
	if !found || !certain && f.playsOn(since, from) {
		return occasion{}
	}
	second := newest.unbegun[1]
	return occasion{from: from, planned: plan.at.Time, sure: second.said.Equal(plan.said) &&
		second.at.compareMoment(plan.at) != 0}
}

// lately is how long after what it tells of a match is surely over, and nothing but edited.
const lately = 4 * time.Hour

// playsOn says whether a feed told between two times of a match that is on: then a list that has
// not begun it is wrong. What is edited days later is no sign.
func (f memory) playsOn(since, until time.Time) bool {
	for _, s := range f.series {
		if s.newest.Time.Before(since) || !s.newest.Time.Before(until) {
			continue
		}
		for _, fact := range s.facts {
			e := fact.said
			if e.Kind.Is(goalcast.Played) && s.holds(fact) &&
				(e.At.IsZero() || e.At.After(s.newest.Time.Add(-lately))) {
				return true
			}
		}
	}
	return false
}
