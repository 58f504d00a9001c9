package goalcast

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Apply is the one reducer: it returns the snapshot as it stands with the event in it. Score, period and everything else that can be
// derived is derived here and nowhere else, on the server and in every client alike.
//
// It is pure: the snapshot passed in is not changed and may be shared. An event of another match and a revision that the snapshot
// already has change nothing, so that the order in which events arrive, and repeats, make no difference in the end. Only Seq and
// Updated go up with what was seen. Messages belong to no snapshot.
func Apply(s Snapshot, e Event) Snapshot {
	if e.Kind == KindMessage || e.Match == 0 || s.ID != 0 && s.ID != e.Match {
		return s
	}
	s.ID = e.Match
	s.Seq = max(s.Seq, e.Seq)
	s.Updated = max(s.Updated, e.Times.Received, e.Times.Published)
	switch {
	case e.Kind == KindFixture:
		if e.Fixture != nil && e.Revision > s.FixtureRevision {
			s.Fixture, s.FixtureRevision = *e.Fixture, e.Revision
		}
	case e.Kind == KindLineup:
		s.Lineups = withLineup(s.Lineups, e)
	default:
		s.Timeline = withEvent(s.Timeline, e)
	}
	return derived(s)
}

// withEvent returns a new timeline with e in its place, unless that revision or a newer one is there.
func withEvent(timeline []Event, e Event) []Event {
	out := make([]Event, 0, len(timeline)+1)
	for _, old := range timeline {
		if old.ID != e.ID {
			out = append(out, old)
		} else if old.Revision >= e.Revision {
			return timeline
		}
	}
	at, _ := slices.BinarySearchFunc(out, e, InMatchOrder)
	return slices.Insert(out, at, e)
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

// InMatchOrder compares two events by when they happened in the match: by period first, since a goal in minute 93 of the second half
// is older than one in minute 92 of extra time, then minute, second, time of day and id. A period's own event opens it.
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
	s.Score, s.Shootout, s.HalfTime, s.Delay = Score{}, nil, nil, nil
	if s.Timeline == nil {
		s.Timeline = []Event{} // viewers get a list, also an empty one
	}
	s.Period, s.Started = PreMatch, time.Time{}
	var firstHalf Score
	abandoned := false
	detailed := len(s.Lineups) > 0 // a feed of the match itself is known
	for _, e := range s.Timeline {
		detailed = detailed || e.Kind != KindClip
		if !e.Counts() {
			continue
		}
		switch e.Kind {
		case KindGoal:
			s.count(&s.Score, e.Team)
			if e.Period.Order() <= FirstHalf.Order() {
				s.count(&firstHalf, e.Team)
			}
		case KindShootoutKick:
			if s.Shootout == nil {
				s.Shootout = &Score{}
			}
			if e.Kick != nil && e.Kick.Scored {
				s.count(s.Shootout, e.Team)
			}
		case KindPeriod:
			if e.Period.Order() >= s.Period.Order() {
				s.Period, s.Started = e.Period, e.At
			}
			s.Delay = nil // whatever held the match up is over when its next part begins
		case KindDelay:
			s.Delay = e.Delay
			abandoned = abandoned || e.Delay != nil && e.Delay.Type == Abandonment
		}
	}
	if r := s.Reported; r != nil && !detailed {
		s.Period, s.Score, s.Shootout = r.Period, r.Score, r.Shootout
	}
	if detailed && s.Period.Order() > FirstHalf.Order() {
		s.HalfTime = &firstHalf
	}
	s.Delay = s.heldUp(s.Delay)
	if s.Awarded != nil {
		s.Score = *s.Awarded
	}
	switch {
	case s.Awarded != nil:
		s.State = Finished
	case s.Halted != "":
		s.State = s.Halted
	case abandoned:
		s.State = Abandoned
	case s.Period == FullTime:
		s.State = Finished
	case s.Period.Order() > PreMatch.Order():
		s.State = Live
	default:
		s.State = Scheduled
	}
	s.Lineups = homeFirst(s.Lineups, s.Home.ID)
	return s
}

// heldUp returns the delay that the timeline ends with, if it still holds the match up: a late start only until kick-off.
func (s *Snapshot) heldUp(d *Delay) *Delay {
	switch {
	case d == nil, s.Period == FullTime:
		return nil
	case d.Type == LateStart && s.Period == PreMatch, d.Type == Stopped, d.Type == Suspended:
		return d
	}
	return nil
}

// count adds a goal for the team; one of neither side counts for nobody.
func (s *Snapshot) count(score *Score, team TeamID) {
	switch team {
	case s.Home.ID:
		score.Home++
	case s.Away.ID:
		score.Away++
	}
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
