package ingest_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
	"goalcast/ingest/opta"
	"goalcast/internal/samples"
)

// BenchmarkApplyF24 reads the F24 of a whole match and holds it against a record that knows the
// match from F7 and from the F24 before: what each of the hundreds of F24s of a match costs, but
// for the database. "goal" has a goal in it that the record does not know, "same" nothing new.
func BenchmarkApplyF24(b *testing.B) {
	p := opta.New()
	at := time.Date(2018, 8, 21, 13, 0, 0, 0, time.UTC)
	read := func(feed string, body []byte) merge.Reading {
		r, err := p.Read(goalcast.Document{Provider: "opta", Feed: feed, Body: body, Digest: sha256.Sum256(body),
			Received: at})
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	whole := samples.Matches(b)[1]
	later := withDeletedGoal(b, whole)
	known := goalcast.MatchRecord{}
	for _, r := range []merge.Reading{read("F7", whole.F7), read("F24", whole.F24)} {
		var err error
		if known, _, err = apply(known, r, r.Matches[0], at.UnixMilli()); err != nil {
			b.Fatal(err)
		}
	}
	for _, bench := range []struct {
		name   string
		body   []byte
		events int
	}{{"same", whole.F24, 0}, {"goal", later, 1}} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.body)))
			b.ReportAllocs()
			for b.Loop() {
				r := read("F24", bench.body)
				_, events, err := apply(known, r, r.Matches[0], at.UnixMilli())
				if err != nil || len(events) != bench.events {
					b.Fatal(len(events), err)
				}
			}
		})
	}
}
