package goalcast

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"
)

// Apply is the one reducer: it returns the snapshot as it stands with the event in it. Score,
// period and everything else that can be derived is derived here and nowhere else, on the server
// and in every client alike.
//
// It is pure: the snapshot passed in is not changed and may be shared. An event of another match
// and a revision that the snapshot already has change nothing, so that the order in which events
// arrive, and repeats, make no difference in the end. Only Seq and Updated go up with what was
// seen. Messages belong to no snapshot.
func Apply(s Snapshot, e Event) Snapshot {
	s.apply(e, false)
	return s
}

// Take is Apply for the owner of a snapshot whose timeline nobody else has: it is changed in place.
func (s *Snapshot) Take(e Event) { s.apply(e, true) }

func (s *Snapshot) apply(e Event, owned bool) {
	place := e.Kind.Info().Place
	if place == PlaceNone || e.Match == 0 || s.ID != 0 && s.ID != e.Match {
		return
	}
	s.ID = e.Match
	s.Seq = max(s.Seq, e.Seq)
	s.Updated = max(s.Updated, e.Times.Received, e.Times.Published)
	//exhaustive:enforce
	switch place {
	case PlaceNone: // not of a match
	case PlaceFixture:
		if e.Fixture != nil && e.Revision > s.FixtureRevision {
			s.Fixture, s.FixtureRevision = *e.Fixture, e.Revision
		}
	case PlaceLineups:
		s.Lineups = withLineup(s.Lineups, e)
	case PlaceTimeline:
		s.Timeline = withEvent(s.Timeline, e, owned)
	}
	*s = derived(*s)
}

// withEvent returns the timeline with e in its place, unless that revision or a newer one is there:
// a new one if the timeline is not owned.
func withEvent(timeline []Event, e Event, owned bool) []Event {
	known := slices.IndexFunc(timeline, func(old Event) bool { return old.ID == e.ID })
	if known >= 0 && timeline[known].Revision >= e.Revision {
		return timeline
	}
	if !owned {
		timeline = append(make([]Event, 0, len(timeline)+1), timeline...)
	}
	if known >= 0 {
		timeline = slices.Delete(timeline, known, known+1)
	}
	at, _ := slices.BinarySearchFunc(timeline, e, InMatchOrder)
	return slices.Insert(timeline, at, e)
}

func withLineup(lineups []LineupInMatch, e Event) []LineupInMatch {
	if e.Lineup == nil {
		return lineups
	}
	out := make([]LineupInMatch, 0, 2)
	for _, old := range lineups {
		if old.Team != e.Lineup.Team {
			out = append(out, old)
		} else if old.Revision >= e.Revision {
			return lineups
		}
	}
	return append(out, LineupInMatch{Lineup: *e.Lineup, EventID: e.ID, Revision: e.Revision})
}

// InMatchOrder compares two events by when they happened in the match: by period first, since a
// goal in minute 93 of the second half is older than one in minute 92 of extra time, then minute,
// second, time of day and id. A period's own event opens it.
func InMatchOrder(a, b Event) int {
	opens := func(e Event) int {
		if e.Kind == KindPeriod {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(a.Period.Order(), b.Period.Order()),
		cmp.Compare(opens(a), opens(b)),
		cmp.Compare(a.Minute, b.Minute),
		cmp.Compare(a.Second, b.Second),
		a.At.Compare(b.At),
		strings.Compare(a.ID, b.ID),
	)
}

// derived fills the fields that follow from the fixture, the line-ups and the timeline.
func derived(s Snapshot) Snapshot {
	if s.Timeline == nil {
		s.Timeline = []Event{} // viewers get a list, also an empty one
	}
	s.Started, s.HalfTime, s.Delay = time.Time{}, nil, nil
	now, firstHalf := Result{Period: PreMatch}, Result{}
	abandoned := false
	detailed := len(s.Lineups) > 0 // a feed of the match itself is known
	for i := range s.Timeline {
		e := &s.Timeline[i]
		detailed = detailed || e.Kind.Is(Played)
		now.count(&s.Fixture, e)
		if e.Kind == KindGoal && e.Period.Order() <= FirstHalf.Order() {
			firstHalf.count(&s.Fixture, e)
		}
		switch {
		case !e.Counts():
		case e.Kind == KindPeriod:
			if e.Period == now.Period {
				s.Started = e.At
			}
			s.Delay = nil // whatever held the match up is over when its next part begins
		case e.Kind == KindDelay:
			s.Delay = e.Delay
			abandoned = abandoned || e.Delay != nil && e.Delay.Type == Abandonment
		}
	}
	s.Period, s.Score, s.Shootout = now.Period, now.Score, now.Shootout
	if r := s.Reported; r != nil && !detailed {
		s.Period, s.Score, s.Shootout = r.Period, r.Score, r.Shootout
	}
	if detailed && s.Period.Order() > FirstHalf.Order() {
		s.HalfTime = &firstHalf.Score
	}
	s.Delay = s.heldUp(s.Delay)
	if s.Awarded != nil {
		s.Score = *s.Awarded
	}
	s.State = s.stateNow(abandoned)
	s.Lineups = homeFirst(s.Lineups, s.Home.ID)
	return s
}

// Result is what events of the match come to: goals, kicks of a shoot-out, and the
// last part that began.
func (f *Fixture) Result(events iter.Seq[Event]) Result {
	r := Result{Period: PreMatch}
	for e := range events {
		r.count(f, &e)
	}
	return r
}

// count adds an event of the match. Goals are counted here and nowhere else; one of neither
// side counts for nobody.
func (r *Result) count(f *Fixture, e *Event) {
	if e.Status == Cancelled {
		return
	}
	add := func(score *Score) {
		switch e.Team {
		case f.Home.ID:
			score.Home++
		case f.Away.ID:
			score.Away++
		}
	}
	switch e.Kind {
	case KindGoal:
		add(&r.Score)
	case KindShootoutKick:
		if r.Shootout == nil {
			r.Shootout = &Score{}
		}
		if e.Kick != nil && e.Kick.Scored {
			add(r.Shootout)
		}
	case KindPeriod:
		if e.Period.Order() >= r.Period.Order() {
			r.Period = e.Period
		}
	}
}

// stateNow says where the match stands. abandoned: that was announced.
func (s *Snapshot) stateNow(abandoned bool) MatchState {
	switch {
	case s.Awarded != nil:
		return Finished
	case s.Halted != "":
		return s.Halted
	case abandoned:
		return Abandoned
	case s.Period == FullTime:
		return Finished
	case s.Period.Order() > PreMatch.Order():
		return Live
	}
	return Scheduled
}

// heldUp returns the delay that the timeline ends with, if it still holds the match up: a late
// start only until kick-off.
func (s *Snapshot) heldUp(d *Delay) *Delay {
	switch {
	case d == nil, s.Period == FullTime:
		return nil
	case d.Type == LateStart && s.Period == PreMatch, d.Type == Stopped, d.Type == Suspended:
		return d
	}
	return nil
}

// homeFirst orders line-ups, in a new slice where anything has to move.
func homeFirst(lineups []LineupInMatch, home TeamID) []LineupInMatch {
	order := func(a, b LineupInMatch) int {
		switch home {
		case a.Team:
			return -1
		case b.Team:
			return 1
		}
		return cmp.Compare(a.Team, b.Team)
	}
	if slices.IsSortedFunc(lineups, order) {
		return lineups
	}
	return slices.SortedFunc(slices.Values(lineups), order)
}
