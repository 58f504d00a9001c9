package e2e

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast/internal/testservers"
	"goalcast/loadtest/simulator"
	"goalcast/store"
)

// BenchmarkProcesses measures how many documents a second of many matches go from the first POST to
// the last commit, with one, two and three processes that take feeds in, each held to one core
// (GOMAXPROCS=1), and PostgreSQL that syncs to disk. PostgreSQL, Redis and what posts share the
// machine: with c cores and n processes, only n below c can show anything.
func BenchmarkProcesses(b *testing.B) {
	for n := 1; n <= 3; n++ {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			url := testservers.DurablePostgres(b)
			env := common.with("GOALCAST_DATABASE_URL="+url, "GOALCAST_REDIS_URL="+testservers.Redis(b), "GOMAXPROCS=1")
			var processes []*process
			for range n {
				processes = append(processes, start(b, env, "serve", "--roles=ingest"))
			}
			db, err := store.Open(b.Context(), url, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = db.Close() })
			count := 0
			for seed := uint64(1); b.Loop(); seed++ {
				b.StopTimer()
				docs := matchDay(seed)
				count += len(docs)
				b.StartTimer()
				postInTurn(b, processes, docs)
				waitFor(b, 5*time.Minute, "all documents to be applied", func() error {
					left, err := db.UnfinishedDocuments(b.Context(), time.Now().Add(time.Hour), 1)
					if err == nil && len(left) > 0 {
						err = fmt.Errorf("some left")
					}
					return err
				})
			}
			b.ReportMetric(float64(count)/b.Elapsed().Seconds(), "documents/s")
		})
	}
}

// matchDay is the documents of eight made-up matches, in the order of the day.
func matchDay(seed uint64) (docs []delivery) {
	day := simulator.New(simulator.Config{Seed: seed, Matches: 8, Speed: 1, Start: time.Now().Add(-5 * time.Hour),
		Every: 5 * time.Minute})
	for d := range day.Documents() {
		docs = append(docs, posted(d))
	}
	return docs
}

// postInTurn posts each document to one of the processes in turn, four at once.
func postInTurn(b *testing.B, processes []*process, docs []delivery) {
	var g errgroup.Group
	g.SetLimit(4)
	for i, d := range docs {
		g.Go(func() error {
			_, err := processes[i%len(processes)].post(d)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}
