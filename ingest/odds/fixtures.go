package odds

import (
	"cmp"
	"slices"
	"time"

	"goalcast"
)

// kickoffSpan is how far the kick-off of a match may be from what a provider says.
const kickoffSpan = 2 * time.Hour

// fixtures are the matches that events are compared with, by kick-off.
type fixtures struct {
	list  []fixture
	names *nameReader
}

// fixture is a match as it is compared.
type fixture struct {
	goalcast.OddsFixture
	home, away, competition name
}

func newFixtures(list []goalcast.OddsFixture, names *nameReader) fixtures {
	out := fixtures{names: names}
	for _, f := range list {
		out.list = append(out.list, out.read(f))
	}
	slices.SortStableFunc(out.list, func(a, b fixture) int { return a.Kickoff.Compare(b.Kickoff) })
	return out
}

func (x fixtures) read(f goalcast.OddsFixture) fixture {
	out := fixture{f, x.names.team(f.Home), x.names.team(f.Away), x.names.competition(f.Competition)}
	// "Women's League" says it of both teams.
	for _, team := range []*name{&out.home, &out.away} {
		all := slices.Concat(team.markers, out.competition.markers)
		slices.Sort(all)
		team.markers = slices.Compact(all)
	}
	return out
}

// find gives the matches that an event can be, and those that it may be: nobody is sure of the
// second. Where there is one of the first, that is it.
func (x fixtures) find(m goalcast.OddsMapping) (fit, may []goalcast.MatchID) {
	if m.Kickoff.IsZero() {
		return nil, nil
	}
	told := x.read(goalcast.OddsFixture{Competition: m.Competition, Kickoff: m.Kickoff, Home: m.Home, Away: m.Away})
	type like struct {
		fixture
		how int
	}
	var fits, mays []like
	from, _ := slices.BinarySearchFunc(x.list, m.Kickoff.Add(-kickoffSpan), func(f fixture, at time.Time) int {
		return f.Kickoff.Compare(at)
	})
	for _, f := range x.list[from:] {
		if f.Kickoff.After(m.Kickoff.Add(kickoffSpan)) {
			break
		}
		home, away := told.home.like(f.home), told.away.like(f.away)
		swapped := min(told.home.like(f.away), told.away.like(f.home))
		switch how := int(max(home+away, swapped)); {
		case home != unlike && away != unlike && (home == same || away == same) &&
			slices.Equal(told.home.markers, f.home.markers) && slices.Equal(told.away.markers, f.away.markers):
			fits = append(fits, like{f, how})
		case how > 0:
			mays = append(mays, like{f, how})
		}
	}
	alike := func(f like) bool { return told.competition.like(f.competition) != unlike }
	if len(fits) > 1 && slices.ContainsFunc(fits, alike) { // the competition tells some apart
		mays = append(slices.Clone(fits), mays...)
		fits = slices.DeleteFunc(fits, func(f like) bool { return len(f.competition.words) > 0 && !alike(f) })
	}
	ids := func(list []like) (out []goalcast.MatchID) {
		slices.SortStableFunc(list, func(a, b like) int { return cmp.Compare(b.how, a.how) })
		for _, f := range list {
			if !slices.Contains(out, f.Match) {
				out = append(out, f.Match)
			}
		}
		return out
	}
	fit = ids(fits)
	return fit, slices.DeleteFunc(ids(mays), func(id goalcast.MatchID) bool { return slices.Contains(fit, id) })
}
