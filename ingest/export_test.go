package ingest

import "goalcast"

// Revise is ingest's pure part, for tests that bring the real provider's readings: it returns the match's record with the reading in it, and the events.
func Revise(rec goalcast.MatchRecord, r Reading, m MatchReading, received int64) (goalcast.MatchRecord, []goalcast.Event, error) {
	done, err := revise(rec, r.key(), r.Version, m, received)
	return done.record, done.events, err
}
