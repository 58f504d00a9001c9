package ingest_test

import (
	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/opta"
)

// apply applies what a document of Opta says of a match, and returns the match's record
// with it and the events.
func apply(rec goalcast.MatchRecord, r merge.Reading, m merge.MatchReading, received int64) (goalcast.MatchRecord,
	[]goalcast.Event, error) {
	done, err := merge.New(opta.New().Sources()).Apply(rec, r, m, received)
	return done.Record, done.Events, err
}
