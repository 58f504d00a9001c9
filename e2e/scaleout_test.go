package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/loadtest/simulator"
)

// oneMatch is the documents of one match, in the order in which they were made.
type oneMatch struct {
	id   goalcast.MatchID
	docs []delivery
}

// simulatedMatch is a made-up match, with goals that are taken back.
func simulatedMatch() oneMatch {
	day := simulator.New(simulator.Config{Seed: 7, Matches: 1, Speed: 1, Start: time.Now().Add(-3 * time.Hour),
		TouchesPerMinute: 2, Every: 10 * time.Minute})
	out := oneMatch{id: goalcast.MatchID(day.Matches()[0].ID)}
	for d := range day.Documents() {
		out.docs = append(out.docs, posted(d))
	}
	return out
}

// posted is a simulated document as it is posted.
func posted(d simulator.Document) delivery {
	header := http.Header{}
	for name, value := range d.Headers {
		header.Set(name, value)
	}
	return delivery{header: header, body: d.Body}
}

// TestThreeProcessesOneMatch posts a match's documents to three processes at once, each document to
// two of them and neighbours swapped. They never work on two at a time, and what viewers get is
// what a process alone makes of it.
func TestThreeProcessesOneMatch(t *testing.T) {
	t.Parallel()
	sample := sampleMatches(t)[1]
	for name, m := range map[string]oneMatch{"simulated": simulatedMatch(), "real": {sample.id, sample.deliveries()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			witness := filepath.Join(t.TempDir(), "match")
			env := onServers(t, "GOALCAST_TEST_WITNESS="+witness)
			hub := start(t, env, "serve", "--roles=hub,rest")
			var processes [3]*process
			for i := range processes {
				processes[i] = launch(t, env, "serve", "--roles=ingest")
			}
			for _, p := range processes {
				p.waitReady()
			}
			v := newViewer(t, hub.public, overWebSocket, goalcast.ForMatch(m.id))
			v.join()
			postToAll(t, processes[:], m.docs)
			hub.waitFinished()

			alone := start(t, onServers(t), "serve", "--roles=ingest,rest")
			for _, d := range m.docs {
				if _, err := alone.post(d); err != nil {
					t.Fatal(err)
				}
			}
			alone.waitFinished()
			want, err := alone.snapshot(m.id)
			if err != nil || want.State != goalcast.Finished {
				t.Fatalf("a process alone: %s, %v", want.State, err)
			}
			checkWitness(t, witness, processes[:])
			checkOneMatch(t, env, want, v)
		})
	}
}

// postToAll posts each document to two of the processes, from two connections
// each, neighbours swapped.
func postToAll(t *testing.T, processes []*process, docs []delivery) {
	t.Helper()
	var g errgroup.Group
	for n, p := range processes {
		var own []delivery
		for i, d := range docs {
			if i%len(processes) == n || (i+1)%len(processes) == n {
				own = append(own, d)
			}
		}
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		for some := range slices.Chunk(own, 8) {
			rng.Shuffle(len(some), func(a, b int) { some[a], some[b] = some[b], some[a] })
		}
		for from := range 2 {
			g.Go(func() error {
				for i := from; i < len(own); i += 2 {
					if _, err := p.post(own[i]); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// checkWitness looks at what the processes saw of each other: all had work, and each had
// the match for itself.
func checkWitness(t *testing.T, witness string, processes []*process) {
	t.Helper()
	seen, err := os.ReadFile(witness + ".seen")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if n := strings.Count(string(seen), fmt.Sprintf("%d alone\n", p.cmd.Process.Pid)); n < 10 {
			t.Errorf("process %d had the match %d times: no test", p.cmd.Process.Pid, n)
		}
	}
	if n := strings.Count(string(seen), "not alone\n"); n > 0 {
		t.Errorf("%d times of %d two documents of the match were worked on at once", n,
			strings.Count(string(seen), "\n"))
	}
}

// checkOneMatch looks at what is in the database and at what a viewer got: every sequence number,
// once and in order, and in the end the match as it is wanted.
func checkOneMatch(t *testing.T, env settings, want goalcast.Snapshot, v *viewer) {
	t.Helper()
	db := openStore(t, env)
	final, err := db.Match(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	v.waitSeq(want.ID, final.Seq)
	told, own, problem := v.State(want.ID)
	kept, err := db.Events(t.Context(), want.ID, 0, 100_000)
	if err != nil || problem != nil || len(kept) != int(final.Seq) || len(told) != len(kept) {
		t.Fatalf("%d revisions kept and %d told of %d: %v, %v", len(kept), len(told), final.Seq, err, problem)
	}
	for i := range kept {
		if kept[i].Seq != int64(i+1) || told[i].Seq != kept[i].Seq || told[i].Key() != kept[i].Key() {
			t.Fatalf("at %d: %d %s kept, %d %s told", i+1, kept[i].Seq, kept[i].Key(), told[i].Seq, told[i].Key())
		}
	}
	for name, got := range map[string]goalcast.Snapshot{"database": final, "viewer": own} {
		if !reflect.DeepEqual(plain(got), plain(want)) {
			t.Errorf("%s:\n%+v\na process alone:\n%+v", name, plain(got), plain(want))
		}
	}
}

// plain leaves out of a snapshot what the order of documents decides: revisions, sequence numbers,
// times of ours and the score at a revision's time.
func plain(s goalcast.Snapshot) goalcast.Snapshot {
	s.Seq, s.Updated, s.FixtureRevision = 0, 0, 0
	s.Timeline, s.Lineups = slices.Clone(s.Timeline), slices.Clone(s.Lineups)
	for i := range s.Timeline {
		e := &s.Timeline[i]
		e.Revision, e.Seq, e.Times, e.Score = 0, 0, goalcast.Times{}, nil
	}
	for i := range s.Lineups {
		s.Lineups[i].Revision = 0
	}
	return s
}
