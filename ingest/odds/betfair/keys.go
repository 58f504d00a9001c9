package betfair

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// line is a market as goalcast knows it. A market of Betfair's is one line, but an Asian handicap
// is one for each handicap.
type line struct {
	key        string
	selections []selection
	quarter    bool // a handicap in quarters: a bet can be half won, which Betfair does not say
}

type selection struct {
	key    string
	runner runnerDefinition
}

// draw is the selection "The Draw", in all markets that have one.
const draw = 58805

// The selections of totals and of both teams to score are the same in all matches. Other totals
// have them in the order under, over.
var known = map[string]map[int64]string{
	"OVER_UNDER_05":       {5851482: "under", 5851483: "over"},
	"OVER_UNDER_15":       {1221385: "under", 1221386: "over"},
	"OVER_UNDER_25":       {47972: "under", 47973: "over"},
	"OVER_UNDER_35":       {1222344: "under", 1222345: "over"},
	"OVER_UNDER_45":       {1222347: "under", 1222346: "over"},
	"BOTH_TEAMS_TO_SCORE": {30246: "yes", 110503: "no"},
}

// scores are the selections of a correct score; those for any other score keep Betfair's id.
var scores = map[int64]string{1: "0-0", 2: "1-0", 3: "1-1", 4: "0-1", 5: "2-0", 6: "2-1", 7: "2-2", 8: "1-2",
	9: "0-2", 10: "3-0", 11: "3-1", 12: "3-2", 13: "3-3", 14: "2-3", 15: "1-3", 16: "0-3"}

// linesOf says which markets a definition is, in goalcast's words where it is surely what the words
// say, else in Betfair's. It is nil where there is no price of the usual kind, or no key that a
// market can have.
func linesOf(d *definition) []line {
	switch d.Betting {
	case "LINE", "RANGE": // its "prices" are positions
		return nil
	}
	runners := slices.Clone(d.Runners)
	slices.SortStableFunc(runners, func(a, b runnerDefinition) int { return cmp.Compare(a.Order, b.Order) })
	lines := inWords(d.Type, runners)
	if lines == nil {
		lines = inBetfairsWords(d.Type, runners)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(lines, func(l line) bool {
		twice := seen[l.key]
		seen[l.key] = true
		return twice || !valid(l)
	})
}

// inWords names the markets of football that goalcast has words for; nil if this is none, or not
// one as it should be. Runners come in Betfair's order.
func inWords(marketType string, runners []runnerDefinition) []line {
	switch marketType {
	case "MATCH_ODDS":
		i := slices.IndexFunc(runners, func(r runnerDefinition) bool { return r.ID == draw })
		if i < 0 || len(runners) != 3 {
			return nil
		}
		teams := slices.Delete(slices.Clone(runners), i, i+1)
		return []line{{key: "1x2",
			selections: []selection{{"home", teams[0]}, {"draw", runners[i]}, {"away", teams[1]}}}}
	case "DRAW_NO_BET":
		return inOrder("dnb", runners, "home", "away")
	case "DOUBLE_CHANCE":
		return inOrder("dc", runners, "home_draw", "draw_away", "home_away")
	case "BOTH_TEAMS_TO_SCORE":
		return byID("btts", runners, known[marketType])
	case "CORRECT_SCORE":
		return correctScore(runners)
	case "ASIAN_HANDICAP":
		return asianHandicap(runners)
	}
	if digits, ok := strings.CutPrefix(marketType, "OVER_UNDER_"); ok {
		return total(marketType, digits, runners)
	}
	return nil
}

// total reads "25" as 2.5 goals.
func total(marketType, digits string, runners []runnerDefinition) []line {
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || len(digits) < 2 {
		return nil
	}
	key := "ou:" + strconv.FormatFloat(float64(n)/10, 'f', 1, 64)
	if ids := known[marketType]; ids != nil {
		return byID(key, runners, ids)
	}
	return inOrder(key, runners, "under", "over")
}

// inOrder names runners by their order; nil if they are not as many, or not of as many ids.
func inOrder(key string, runners []runnerDefinition, names ...string) []line {
	if len(runners) != len(names) {
		return nil
	}
	l := line{key: key}
	for i, r := range runners {
		if i > 0 && r.Order == runners[i-1].Order {
			return nil // no order
		}
		l.selections = append(l.selections, selection{names[i], r})
	}
	return []line{l}
}

// byID names runners by their ids; nil if they are not exactly those.
func byID(key string, runners []runnerDefinition, names map[int64]string) []line {
	if len(runners) != len(names) {
		return nil
	}
	l := line{key: key}
	for _, r := range runners {
		name := names[r.ID]
		if name == "" {
			return nil
		}
		l.selections = append(l.selections, selection{name, r})
	}
	return []line{l}
}

func correctScore(runners []runnerDefinition) []line {
	l := line{key: "cs"}
	for _, r := range runners {
		l.selections = append(l.selections, selection{cmp.Or(scores[r.ID], strconv.FormatInt(r.ID, 10)), r})
	}
	return []line{l}
}

// asianHandicap pairs what is given to the home team, the one that comes first, with what is given
// to the other.
func asianHandicap(runners []runnerDefinition) []line {
	if len(runners) == 0 {
		return nil
	}
	home, away := runners[0].ID, int64(0)
	others := map[float64]runnerDefinition{} // by their handicap
	for _, r := range runners {
		if r.ID == home {
			continue
		}
		if away != 0 && r.ID != away {
			return nil // not two teams
		}
		away = r.ID
		others[r.Handicap] = r
	}
	var lines []line
	for _, r := range runners {
		other, ok := others[-r.Handicap]
		if r.ID != home || !ok {
			continue
		}
		lines = append(lines, line{key: "ah:" + number(r.Handicap), quarter: math.Mod(r.Handicap*2, 1) != 0,
			selections: []selection{{"home", r}, {"away", other}}})
	}
	return lines
}

// inBetfairsWords is one line with Betfair's ids, and the handicaps where there are any.
func inBetfairsWords(marketType string, runners []runnerDefinition) []line {
	l := line{key: "betfair:" + marketType}
	handicaps := slices.ContainsFunc(runners, func(r runnerDefinition) bool { return r.Handicap != 0 })
	for _, r := range runners {
		key := strconv.FormatInt(r.ID, 10)
		if handicaps {
			key += ":" + number(r.Handicap)
		}
		l.selections = append(l.selections, selection{key, r})
	}
	return []line{l}
}

// number writes a handicap: -1.5, 0, 0.25.
func number(h float64) string { return strconv.FormatFloat(h+0, 'f', -1, 64) } // +0: no -0

// valid says whether the keys of a line are as odds.Market wants them, and no selection is twice.
func valid(l line) bool {
	seen := map[string]bool{}
	for _, s := range l.selections {
		if seen[s.key] || !validKey(s.key) {
			return false
		}
		seen[s.key] = true
	}
	return validKey(l.key) && len(l.selections) > 0
}

func validKey(key string) bool {
	return key != "" && len(key) <= 100 && strings.IndexFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("._:+-/", r))
	}) < 0
}
