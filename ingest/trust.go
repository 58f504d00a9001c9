package ingest

import (
	"cmp"
	"slices"
	"strings"
)

// The sources whose word is weighed. Others may exist; they come after these, by name.
const (
	sourceMatch = "opta:match" // F7 and F9
	sourceF24   = "opta:f24"
	sourceF1    = "opta:f1"
	// sourceTicker is F26, which names no event by an id that others know. It makes no event: its score stands in while no feed of the match itself is known, and
	// what else it tells is only held against what the others tell.
	sourceTicker = "opta:ticker"
	// sourceSquads are the names of players from the library (F40); sourceOurs is what ingest itself remembers of a match.
	sourceSquads = "opta:f40"
	sourceOurs   = ""
	// Each clip is a source of its own: "wsc:<content>" for what was cut, "brightcove:<content>" for where it plays.
	sourcePlayer = "brightcove:"
	sourceCutter = "wsc:"
)

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
)

// trusted lists, for each field, whose word counts first; what it leaves out is filled from the next.
//
// F7 and F9 come first in what editors look after: who scored, when as fans say it, how. F24 is made by those who watch every touch and has the exact
// second and the time of day, which F7 mostly lacks. A name that ends with a colon stands for all sources that begin with it.
func (f field) trusted() []string {
	switch f {
	case fieldSecond, fieldAt:
		return []string{sourceF24, sourceMatch, sourceF1, sourceTicker, sourceSquads, sourcePlayer, sourceCutter}
	default:
		return []string{sourceMatch, sourceF24, sourceF1, sourceTicker, sourceSquads, sourcePlayer, sourceCutter}
	}
}

// sourceOf is the source of a key of feeds: without its variant.
func sourceOf(key string) string {
	source, _, _ := strings.Cut(key, "/")
	return source
}

// compare orders sources, or keys of feeds, by trust in the field; unknown ones last, by name.
func (f field) compare(a, b string) int {
	order := f.trusted()
	rank := func(key string) int {
		source := sourceOf(key)
		i := slices.IndexFunc(order, func(o string) bool { return o == source || strings.HasSuffix(o, ":") && strings.HasPrefix(source, o) })
		if i < 0 {
			return len(order)
		}
		return i
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}

// datesFixture says whether the source's newest word on kick-off and postponement counts, whichever of these sources it is: the fixture list is the
// first to know of a new date, the match's own feed the first to know of an abandonment.
func datesFixture(source string) bool { return source == sourceMatch || source == sourceF1 }

// reportsResult says whether the source's result stands in for a match of which nothing else is known. Of two the newer one's.
func reportsResult(source string) bool { return source == sourceF1 || source == sourceTicker }

// wholeSeconds says whether the source dates its documents in whole seconds, so that several can be of one: Opta's do. What a person writes by hand has the time
// that the person means.
func wholeSeconds(source string) bool { return strings.HasPrefix(source, "opta:") }
