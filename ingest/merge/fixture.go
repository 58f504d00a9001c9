package merge

import (
	"slices"

	"goalcast"
)

// saidFixture is what one series says of a fixture.
type saidFixture struct {
	*series
	told versioned[goalcast.Fixture]
}

// mergeFixture makes one fixture of what the sources tell: nil if none tells any. Of an earlier
// occasion only who plays is of interest.
func (f memory) mergeFixture(o occasion) *goalcast.Fixture {
	var said []saidFixture
	for _, s := range f.series {
		if s.fixture == nil {
			continue
		}
		told := *s.fixture
		if o.isPlanPast(told.at) {
			old := told.said
			told.said = goalcast.Fixture{Competition: old.Competition, Season: old.Season, Home: old.Home,
				Away: old.Away}
		} else if f.overruled(s) {
			told.said.Awarded, told.said.Halted, told.said.Reason = nil, "", ""
		}
		said = append(said, saidFixture{s, told})
	}
	if len(said) == 0 {
		return nil
	}
	slices.SortFunc(said, func(a, b saidFixture) int {
		return fieldFixture.compareVariants(a.series, b.series, a.told.at, b.told.at)
	})

	var out goalcast.Fixture
	var reported Version
	for _, t := range said {
		fillFixture(&out, t.told.said)
		result := t.told.said.Reported
		if result == nil || !t.Results || t.Unnumbered && f.detailed() {
			continue
		}
		if out.Reported == nil || t.told.at.Compare(reported) > 0 {
			out.Reported, reported = result, t.told.at
		}
	}
	// Dates: the newest statement of those who know first; it says nothing if it leaves the
	// kick-off out, but "not halted" is one.
	slices.SortStableFunc(said, func(a, b saidFixture) int { return b.told.at.Compare(a.told.at) })
	said = slices.DeleteFunc(said, func(t saidFixture) bool { return !t.Dates })
	if len(said) > 0 {
		out.Halted, out.Reason = said[0].told.said.Halted, said[0].told.said.Reason
	}
	if i := slices.IndexFunc(said, func(t saidFixture) bool { return !t.told.said.Kickoff.IsZero() }); i >= 0 {
		out.Kickoff = said[i].told.said.Kickoff
	}
	return &out
}

// overruled says whether another variant of the source has a newer fixture: then the older one only
// fills what that leaves out, and not what has an end.
func (f memory) overruled(one *series) bool {
	for _, s := range f.series {
		if s != one && s.source == one.source && s.fixture != nil && s.fixture.at.Compare(one.fixture.at) > 0 {
			return true
		}
	}
	return false
}

// fillFixture fills what is missing in out. A name is only taken for the id it belongs to.
func fillFixture(out *goalcast.Fixture, from goalcast.Fixture) {
	orElse(&out.Competition.ID, from.Competition.ID)
	if out.Competition.ID == from.Competition.ID {
		orElse(&out.Competition.Name, from.Competition.Name)
	}
	fillTeam(&out.Home, from.Home)
	fillTeam(&out.Away, from.Away)
	orElse(&out.Season, from.Season)
	orElse(&out.Matchday, from.Matchday)
	orElse(&out.Kickoff, from.Kickoff)
	orElse(&out.Venue, from.Venue)
	orElse(&out.City, from.City)
	orElse(&out.Awarded, from.Awarded)
	if len(out.Officials) == 0 {
		out.Officials = from.Officials
	}
	orElse(&out.Halted, from.Halted)
	orElse(&out.Reason, from.Reason)
}

func fillTeam(out *goalcast.Team, from goalcast.Team) {
	orElse(&out.ID, from.ID)
	if out.ID == from.ID {
		orElse(&out.Name, from.Name)
	}
}

func orElse[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}
