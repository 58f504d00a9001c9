package betfair

import (
	"slices"
	"strings"

	"goalcast/ingest/odds"
)

// settlement says how the bets on a line of a closed market ended. It is false where Betfair does
// not say it all: a handicap in quarters can be half won, and its word is "winner" all the same.
func settlement(d *definition, l line) (odds.Settlement, bool) {
	out := odds.Settlement{Market: l.key}
	won, lost := 0, 0
	for _, s := range l.selections {
		r := odds.Result{Selection: s.key}
		switch s.runner.Status {
		case runnerWinner:
			r.Outcome = odds.Won
			won++
		case runnerLoser:
			r.Outcome = odds.Lost
			lost++
		case runnerRemoved, "REMOVED_VACANT":
			r.Outcome = odds.Void
		default:
			return odds.Settlement{}, false
		}
		out.Results = append(out.Results, r)
	}
	switch {
	case strings.HasPrefix(l.key, "ah:"):
		return out, !l.quarter && won == lost // one of each, or both void
	case strings.HasPrefix(d.Betting, "ASIAN_"):
		return odds.Settlement{}, false
	}
	if d.Winners > 0 && won > d.Winners {
		share := odds.Price(1000 * d.Winners / won)
		for i := range out.Results {
			if out.Results[i].Outcome == odds.Won {
				out.Results[i].DeadHeat = share
			}
		}
	}
	return out, true
}

// resettle compares what was told of a market's bets with what is so now, and returns what to tell:
// settlements that are new or other, and those that are taken back.
func resettle(before, now []odds.Settlement) (tell []odds.Settlement) {
	find := func(in []odds.Settlement, key string) int {
		return slices.IndexFunc(in, func(s odds.Settlement) bool { return s.Market == key })
	}
	for _, s := range now {
		if i := find(before, s.Market); i < 0 || !slices.Equal(before[i].Results, s.Results) {
			tell = append(tell, s)
		}
	}
	for _, s := range before {
		if find(now, s.Market) < 0 {
			s.Cancelled = true
			tell = append(tell, s)
		}
	}
	return tell
}
