package merge

import "goalcast"

// The sources of a made-up provider: two feeds of the match itself, a list of
// fixtures, a ticker, and clips.
const (
	sourceMatch  = "desk:match"
	sourceEvents = "desk:events"
	sourceList   = "desk:list"
	sourceTicker = "desk:ticker"
	sourceSquads = "desk:squads"
	sourcePlayer = "player:"
	sourceCutter = "cutter:"
)

var merger = New([]Source{
	{Name: sourceMatch, WholeSeconds: true, Dates: true, Detailed: true,
		Omits: []goalcast.Kind{goalcast.KindMissedPenalty}},
	{Name: sourceEvents, WholeSeconds: true, Exact: true, Detailed: true},
	{Name: sourceList, WholeSeconds: true, Dates: true, Results: true},
	{Name: sourceTicker, WholeSeconds: true, Results: true, Unnumbered: true},
	{Name: sourceSquads, WholeSeconds: true, Squads: true},
}, []Source{{Name: sourcePlayer, Plays: true}, {Name: sourceCutter, Cuts: true}})

func revise(rec goalcast.MatchRecord, key string, v Version, m MatchReading, received int64) (Result, error) {
	return merger.apply(rec, key, v, m, received)
}

func disagreements(rec goalcast.MatchRecord) []Disagreement { return merger.Disagreements(rec) }
