package merge

import (
	"cmp"
	"slices"
	"strings"

	"goalcast"
)

// Source is how far one source is trusted, as the provider that has it knows. A source that no
// provider describes comes after all others, by name.
type Source struct {
	// Name is Reading.Source: "opta:f24". One that ends with a colon stands for all
	// sources that begin with it.
	Name string
	// Exact says that its second and its time of day are better than those of the
	// provider's sources before it.
	Exact bool
	// WholeSeconds says that it dates its documents in whole seconds, so that several can be of one
	// moment. What a person writes by hand has the time that the person means.
	WholeSeconds bool

	// Dates says that what it says last of kick-off and postponement counts, whichever of these
	// sources it is: a list of fixtures is the first to know of a new date, the match's own feed
	// the first to know of an abandonment.
	Dates bool
	// Results says that its result stands in for a match of which nothing else is known.
	// Of two the newer one's.
	Results bool
	// Detailed says that it is a feed of the match itself and tells all that happens, so
	// that one detailed source of a match can be held against another. Omits are kinds
	// that it may leave out.
	Detailed bool
	Omits    []goalcast.Kind
	// Unnumbered says that it names no event by an id that others know. It makes no event: its
	// result stands in while no detailed source is known, and what else it tells is only held
	// against what the others tell.
	Unnumbered bool

	// Cuts says that it tells what a clip shows, Plays where one can be watched: each clip
	// is a source of its own.
	Cuts, Plays bool
	// Squads says that names of players from the reference data are remembered under this name.
	Squads bool
}

// sourceOurs is the key of what merging itself remembers of a match.
const sourceOurs = ""

// field is something that several sources tell of an event, line-up or fixture.
type field int

const (
	fieldKind         field = iota // what it is at all
	fieldTeam                      // the side it is for
	fieldPlayer                    // scorer, booked player
	fieldMinute                    // with the period
	fieldSecond                    // within the minute
	fieldAt                        // when it happened; for a period when it began
	fieldGoal                      // type of goal
	fieldAssist                    // who gave it
	fieldCard                      // colour and reason
	fieldSubstitution              // who went off and came on
	fieldOther                     // every detail that hardly two sources tell
	fieldLineup                    // players and formation
	fieldFixture                   // teams, competition, venue
	fieldName                      // what a player is called
	fields                         // how many there are
)

// exact says whether those who have the exact time come first in the field.
func (f field) exact() bool { return f == fieldSecond || f == fieldAt }

// Merger makes one match of what several sources tell of it. It is pure, never changes, and serves
// any number of goroutines.
type Merger struct {
	trust  []trust // the most trusted first
	squads string  // key of names from the reference data
}

// trust is a source and its place among all, for each field; lower is better.
type trust struct {
	Source
	place [fields]int
}

// New makes a Merger that trusts the providers in this order, and of each its sources in theirs.
func New(providers ...[]Source) *Merger {
	m := &Merger{squads: "squads"}
	for _, sources := range providers {
		first := len(m.trust)
		for i, s := range sources {
			t := trust{Source: s}
			for f := range fields {
				t.place[f] = first + i
				if f.exact() {
					t.place[f] = first + slices.IndexFunc(exactFirst(sources), func(o Source) bool {
						return o.Name == s.Name
					})
				}
			}
			m.trust = append(m.trust, t)
			if s.Squads {
				m.squads = s.Name
			}
		}
	}
	return m
}

// exactFirst orders a provider's sources for the fields in which exact ones come first.
func exactFirst(sources []Source) []Source {
	return slices.SortedStableFunc(slices.Values(sources), func(a, b Source) int {
		switch {
		case a.Exact == b.Exact:
			return 0
		case a.Exact:
			return -1
		}
		return 1
	})
}

// trustOf finds how far the source of a key is trusted.
func (m *Merger) trustOf(key string) trust {
	source := sourceOf(key)
	for _, t := range m.trust {
		if t.Name == source || strings.HasSuffix(t.Name, ":") && strings.HasPrefix(source, t.Name) {
			return t
		}
	}
	var none trust
	for f := range fields {
		none.place[f] = len(m.trust)
	}
	return none
}

// sourceOf is the source of a memory's key: without its variant.
func sourceOf(key string) string {
	source, _, _ := strings.Cut(key, "/")
	return source
}

// compare orders series by trust in the field; those of equal trust by name.
func (f field) compare(a, b *series) int {
	return cmp.Or(cmp.Compare(a.place[f], b.place[f]), cmp.Compare(a.key, b.key))
}

// compareVariants is compare, but of the variants of one source the newer comes first.
func (f field) compareVariants(a, b *series, atA, atB Version) int {
	if a.source == b.source {
		return cmp.Or(atB.Compare(atA), strings.Compare(a.key, b.key))
	}
	return f.compare(a, b)
}
