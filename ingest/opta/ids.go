package opta

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"goalcast"
)

// id reads a number that may have letters before it: "g360481", "f360481", "t30", "p9765",
// "man40472" and "360481" are ids. 0 for everything else.
func id(text []byte) int64 {
	digits := text
	for len(digits) > 0 && len(text)-len(digits) < 4 && digits[0]|0x20 >= 'a' && digits[0]|0x20 <= 'z' {
		digits = digits[1:]
	}
	return number(digits)
}

// number reads digits; 0 for everything else, also for what is too large to be an id.
func number(text []byte) int64 {
	if len(text) == 0 || len(text) > 18 {
		return 0
	}
	var n int64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// count reads a number in text that may have spaces around it.
func count(text string) int { return int(min(number([]byte(strings.TrimSpace(text))), 1<<30)) }

func player(n int64) *goalcast.Player {
	if n == 0 {
		return nil
	}
	return &goalcast.Player{ID: goalcast.PlayerID(n)}
}

// eventID names an event by Opta's own number, which is the same in F24 (Event@id) and
// in F7 and F9 (EventID).
func eventID(n int64) string { return "opta:" + strconv.FormatInt(n, 10) }

func periodID(match goalcast.MatchID, p goalcast.Period) string {
	return fmt.Sprintf("match:%d:period:%s", match, p)
}

func lineupID(match goalcast.MatchID, team goalcast.TeamID) string {
	return fmt.Sprintf("match:%d:lineup:%d", match, team)
}

// describedID names an event after what it is, where the feed gives no number. Neither EventNumber
// nor uID will do: both are positions in a list and change when an earlier event is taken away.
func describedID(e goalcast.Event) string {
	p := e.Player
	if e.Substitution != nil {
		if p = e.Substitution.On; p == nil {
			p = e.Substitution.Off
		}
	}
	if p == nil {
		p = &goalcast.Player{}
	}
	return fmt.Sprintf("match:%d:%s:%d:%d:%s:%d", e.Match, e.Kind, e.Team, p.ID, e.Period, e.Minute)
}

// unique gives every fact an id and no two the same one. Two facts that are described alike (two
// kicks of one player) get ":2", ":3" in document order; of two with the same number of Opta's the
// later in the document holds.
func unique(facts []goalcast.Event) []goalcast.Event {
	described := map[string]int{}
	for i := range facts {
		if facts[i].ID != "" {
			continue
		}
		facts[i].ID = describedID(facts[i])
		if described[facts[i].ID]++; described[facts[i].ID] > 1 {
			facts[i].ID += ":" + strconv.Itoa(described[facts[i].ID])
		}
	}
	seen := make(map[string]bool, len(facts))
	kept := facts[:0:0]
	for i := len(facts) - 1; i >= 0; i-- {
		if !seen[facts[i].ID] {
			seen[facts[i].ID] = true
			kept = append(kept, facts[i])
		}
	}
	slices.Reverse(kept)
	return kept
}

// byID puts facts in an order that does not change from one reading to the next.
func byID(facts []goalcast.Event) []goalcast.Event {
	slices.SortFunc(facts, func(a, b goalcast.Event) int { return strings.Compare(a.ID, b.ID) })
	return facts
}
