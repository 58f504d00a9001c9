package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/opta"
	"goalcast/internal/testservers"
	"goalcast/loadtest/simulator"
	"goalcast/store"
)

var dayStart = time.Date(2026, 5, 16, 12, 0, 0, 0, time.UTC)

// simulated is a made-up match day's documents: one pair at each thing that happens, and with
// nothing happening one after so long on the match's clock.
func simulated(matches, touches int, every time.Duration) (docs []goalcast.Document) {
	day := simulator.New(simulator.Config{Seed: 7, Matches: matches, Start: dayStart, Speed: 1,
		TouchesPerMinute: touches, Every: every})
	for d := range day.Documents() {
		docs = append(docs, goalcast.Document{Provider: "opta", Feed: d.Feed, Match: goalcast.MatchID(d.Match),
			Body: d.Body, Received: dayStart.Add(d.Due)})
	}
	return docs
}

type noBus struct{}

func (noBus) Publish(context.Context, []goalcast.Event) error { return nil }

func openStore(t testing.TB, url string) *store.Store {
	t.Helper()
	db, err := store.Open(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func onBothStores(t *testing.T, test func(t *testing.T, db *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, openStore(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, openStore(t, testservers.Postgres(t))) })
}

func reader(db ingest.Store) *ingest.Ingest {
	return ingest.New(ingest.Config{}, db, noBus{}, nil, []ingest.Provider{opta.New()},
		slog.New(slog.NewTextHandler(io.Discard, nil)), prometheus.NewRegistry())
}

// keepAll keeps the documents and returns their numbers.
func keepAll(t testing.TB, db *store.Store, docs []goalcast.Document) (ids []goalcast.DocumentID) {
	t.Helper()
	for _, d := range docs {
		if err := db.KeepDocument(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
	return ids
}

func TestRebuild(t *testing.T) {
	docs := simulated(1, -1, 10*time.Minute)
	match := docs[1].Match
	onBothStores(t, func(t *testing.T, db *store.Store) {
		ctx := t.Context()
		in := reader(db)
		for _, id := range keepAll(t, db, docs) {
			if err := in.Process(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		whole, err := db.Match(ctx, match)
		if err != nil || whole.State != goalcast.Finished {
			t.Fatalf("%+v, %v", whole, err)
		}
		rebuild := func(to ingest.Store) ingest.Rebuilt {
			t.Helper()
			done, err := ingest.NewRebuilder(reader(to), db, nil).Match(ctx, match)
			if err != nil || len(done.Failed) > 0 || done.Documents < 50 {
				t.Fatalf("%+v, %v", done, err)
			}
			return done
		}
		if done := rebuild(db); len(done.Events) != 0 {
			t.Errorf("nothing was wrong, and %d events were made: %+v", len(done.Events), done.Events[0])
		}

		// What a faulty reader could have left behind: a goal too many, a scorer lost, a memory
		// that says nothing of all that.
		err = db.UpdateMatch(ctx, match, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
			error) {
			var wrong []goalcast.Event
			add := func(e goalcast.Event) {
				e.Seq, e.Match, e.Topics = rec.Snapshot.Seq+1, match, rec.Snapshot.Topics(match)
				rec.Snapshot = goalcast.Apply(rec.Snapshot, e)
				score := rec.Snapshot.Score
				e.Score = &score
				wrong = append(wrong, e)
			}
			add(goalcast.Event{ID: "opta:999", Revision: 1, Kind: goalcast.KindGoal, Status: goalcast.Confirmed,
				Team:   rec.Snapshot.Home.ID,
				Period: goalcast.FirstHalf, Minute: 3, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}})
			i := slices.IndexFunc(rec.Snapshot.Timeline, func(e goalcast.Event) bool {
				return e.Kind == goalcast.KindCard
			})
			card := rec.Snapshot.Timeline[i]
			card.Player, card.Revision = nil, card.Revision+1
			add(card)
			memory := map[string]json.RawMessage{}
			if err := json.Unmarshal(rec.Feeds, &memory); err != nil || len(memory) < 3 {
				t.Fatalf("memory of %d sources, %v", len(memory), err)
			}
			rec.Feeds = append(append([]byte(`{"opta:f1":`), memory["opta:f1"]...), '}')
			return rec, wrong, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		broken, err := db.Match(ctx, match)
		if err != nil || broken.Score.Home != whole.Score.Home+1 {
			t.Fatalf("%+v, %v", broken.Score, err)
		}
		rehearsal := ingest.NewDryRun(db)
		told := rebuild(rehearsal)
		if still, err := db.Match(ctx, match); err != nil || !reflect.DeepEqual(still, broken) {
			t.Errorf("the rehearsal changed the match: %v", err)
		}
		done := rebuild(db)
		if len(done.Events) != len(told.Events) || len(rehearsal.Events()) != len(told.Events) {
			t.Errorf("told %d events, made %d", len(told.Events), len(done.Events))
		}
		var changed []string
		for _, e := range done.Events {
			changed = append(changed, fmt.Sprintf("%s %s", e.Kind, e.Status))
		}
		if !slices.Equal(changed, []string{"goal cancelled", "card confirmed"}) {
			t.Errorf("changed: %v", changed)
		}
		after, err := db.Match(ctx, match)
		if err != nil || after.Score != whole.Score || after.State != whole.State ||
			len(after.Timeline) != len(whole.Timeline)+1 {
			t.Errorf("after: %+v, %v", after, err)
		}
		if done := rebuild(db); len(done.Events) != 0 {
			t.Errorf("a second rebuild made %d events", len(done.Events))
		}
	})
}

// A document comes while the others are read: the rebuild starts again and has it.
func TestRebuildIsOvertaken(t *testing.T) {
	docs := simulated(1, -1, 3*time.Minute) // more than one list of them
	match := docs[1].Match
	db := openStore(t, "sqlite::memory:")
	in := reader(db)
	ids := keepAll(t, db, docs)
	for _, id := range ids[:len(ids)-1] {
		if err := in.Process(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	calls := 0
	late := archive{db, func(ctx context.Context, page []goalcast.Document) ([]goalcast.Document, error) {
		if calls++; calls == 1 {
			return page[1:], in.Process(ctx, ids[len(ids)-1]) // listed before, applied after
		}
		return page, nil
	}}
	if _, err := ingest.NewRebuilder(in, late, nil).Match(t.Context(), match); err != nil || calls < 3 {
		t.Errorf("%d lists, %v", calls, err)
	}
	always := archive{db, func(ctx context.Context, page []goalcast.Document) ([]goalcast.Document, error) {
		err := db.UpdateMatch(ctx, match, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
			error) {
			rec.Feeds = append(rec.Feeds, ' ')
			return rec, nil, nil
		})
		return page, err
	}}
	if _, err := ingest.NewRebuilder(in, always, nil).Match(t.Context(), match); err == nil ||
		!strings.Contains(err.Error(), "meanwhile") {
		t.Errorf("always overtaken: %v", err)
	}
}

// archive lets a test see and change what is listed.
type archive struct {
	*store.Store
	listed func(context.Context, []goalcast.Document) ([]goalcast.Document, error)
}

func (a archive) Documents(ctx context.Context, f goalcast.DocumentFilter) ([]goalcast.Document, error) {
	page, err := a.Store.Documents(ctx, f)
	if err != nil || len(page) == 0 || f.Lists {
		return page, err
	}
	return a.listed(ctx, page)
}

// A match of which all memory is lost is derived again from its documents and from the lists:
// nothing is missing, nothing is told again. So is one whose list was read wrongly.
func TestRebuildHearsLists(t *testing.T) {
	docs := simulated(1, -1, 10*time.Minute)
	match := docs[1].Match
	db := openStore(t, "sqlite::memory:")
	in := reader(db)
	for _, id := range keepAll(t, db, docs) {
		if err := in.Process(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	whole := recordOf(t, db, match)
	rebuild := func(change func(*goalcast.MatchRecord)) ingest.Rebuilt {
		t.Helper()
		err := db.UpdateMatch(t.Context(), match, func(rec goalcast.MatchRecord) (goalcast.MatchRecord,
			[]goalcast.Event, error) {
			change(&rec)
			return rec, nil, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		done, err := ingest.NewRebuilder(in, db, nil).Match(t.Context(), match)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	sources := func(rec goalcast.MatchRecord) map[string]json.RawMessage {
		t.Helper()
		memory := map[string]json.RawMessage{}
		if err := json.Unmarshal(rec.Feeds, &memory); err != nil {
			t.Fatal(err)
		}
		delete(memory, "") // since when sources disagree is no document's word
		return memory
	}
	if done := rebuild(func(rec *goalcast.MatchRecord) { rec.Feeds = nil }); len(done.Events) > 0 {
		t.Errorf("all memory lost: %d revisions, %+v", len(done.Events), done.Events[0])
	}
	if got, want := sources(recordOf(t, db, match)), sources(whole); want["opta:f1"] == nil ||
		!reflect.DeepEqual(got, want) {
		t.Errorf("the memory is\n%s\nwant\n%s", got, want)
	}
	// What a faulty reader of lists could have left behind.
	if done := rebuild(func(rec *goalcast.MatchRecord) {
		rec.Feeds = bytes.Replace(rec.Feeds, []byte(`"opta:f1":{`),
			[]byte(`"opta:f1":{"names":{"1":{"v":0,"name":"Nobody"}},`), 1)
	}); len(done.Events) > 0 {
		t.Errorf("a wrong list: %d revisions", len(done.Events))
	}
	if got := recordOf(t, db, match); strings.Contains(string(got.Feeds), "Nobody") {
		t.Error("what a faulty reader of lists made stays")
	}
}

func recordOf(t *testing.T, db *store.Store, match goalcast.MatchID) goalcast.MatchRecord {
	t.Helper()
	records, err := db.MatchRecords(t.Context(), []goalcast.MatchID{match})
	if err != nil {
		t.Fatal(err)
	}
	return records[match]
}

func TestDryRunKeepsNothing(t *testing.T) {
	docs := simulated(1, -1, 10*time.Minute)
	db := openStore(t, "sqlite::memory:")
	ids := keepAll(t, db, docs)
	rehearsal := ingest.NewDryRun(db)
	in := reader(rehearsal)
	for _, id := range ids {
		if err := in.Process(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	seq := map[goalcast.MatchID]int64{}
	for _, e := range rehearsal.Events() {
		if seq[e.Match]++; e.Seq != seq[e.Match] {
			t.Errorf("%s: seq %d, want %d", e.Key(), e.Seq, seq[e.Match])
		}
	}
	if len(seq) == 0 || seq[docs[1].Match] < 20 {
		t.Errorf("events per match: %v", seq)
	}
	if _, err := db.Match(t.Context(), docs[1].Match); !errors.Is(err, goalcast.ErrNotFound) {
		t.Errorf("the match: %v", err)
	}
	if d, err := db.Document(t.Context(), ids[0]); err != nil || d.State != goalcast.DocumentReceived ||
		d.Attempts != 0 {
		t.Errorf("document %+v, %v", d.State, err)
	}
	if err := rehearsal.KeepDocument(t.Context(), &goalcast.Document{}); !errors.Is(err, goalcast.ErrPermanent) {
		t.Errorf("keep: %v", err)
	}
}

// alone is a store that sees whether two documents of one match are applied at once,
// in whichever process.
type alone struct {
	*store.Store
	seen *sync.Map // MatchID to *atomic.Int32
	most *atomic.Int32
}

func (a alone) UpdateMatch(ctx context.Context, id goalcast.MatchID,
	fn func(goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error)) error {
	return a.Store.UpdateMatch(ctx, id, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
		v, _ := a.seen.LoadOrStore(id, new(atomic.Int32))
		n := v.(*atomic.Int32).Add(1)
		defer v.(*atomic.Int32).Add(-1)
		for {
			if old := a.most.Load(); n <= old || a.most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(time.Millisecond) // makes the window wide in which another would be seen
		return fn(rec)
	})
}

// Three processes work on the documents of one match, each with its own connections, all at once
// and each document in two of them.
func TestThreeProcessesOnOneMatch(t *testing.T) {
	docs := simulated(1, -1, 10*time.Minute)
	match := docs[1].Match
	url := testservers.Postgres(t)
	first := openStore(t, url)
	alone := alone{first, new(sync.Map), new(atomic.Int32)}
	ids := keepAll(t, first, docs)
	var g errgroup.Group
	for p := range 3 {
		alone := alone
		alone.Store = openStore(t, url)
		in := reader(alone)
		for w := range 4 {
			g.Go(func() error {
				for i, id := range ids {
					if i%3 == p || (i+1)%3 == p {
						if i%4 == w {
							if err := in.Process(t.Context(), id); err != nil {
								return err
							}
						}
					}
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := alone.most.Load(); n != 1 {
		t.Errorf("%d documents of one match were applied at once", n)
	}
	got, err := first.Match(t.Context(), match)
	if err != nil {
		t.Fatal(err)
	}
	events, err := first.Events(t.Context(), match, 0, 10_000)
	if err != nil || int64(len(events)) != got.Seq {
		t.Fatalf("%d events to seq %d, %v", len(events), got.Seq, err)
	}
	replayed := goalcast.Snapshot{}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("seq %d at place %d", e.Seq, i)
		}
		replayed = goalcast.Apply(replayed, e)
	}
	one := openStore(t, "sqlite::memory:")
	single := reader(one)
	for _, id := range keepAll(t, one, docs) {
		if err := single.Process(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	truth, err := one.Match(t.Context(), match)
	if err != nil || !reflect.DeepEqual(ingest.Normal(got), ingest.Normal(truth)) ||
		!reflect.DeepEqual(ingest.Normal(replayed), ingest.Normal(truth)) {
		t.Errorf("three processes:\n%+v\none:\n%+v, %v", ingest.Normal(got), ingest.Normal(truth), err)
	}
}

// A match day of kept documents is derived again, from the archive to the committed events. Run
// with -bench Rederive -benchtime 1x.
func BenchmarkRederive(b *testing.B) {
	docs := simulated(4, 0, time.Minute)
	for name, url := range map[string]func() string{
		"postgres": func() string { return testservers.DurablePostgres(b) },
		"sqlite":   func() string { return "sqlite:" + filepath.Join(b.TempDir(), "x.db") },
	} {
		for _, processes := range []int{1, 3} {
			if name == "sqlite" && processes > 1 {
				continue
			}
			b.Run(fmt.Sprintf("%s-%d", name, processes), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					same := url()
					db := openStore(b, same)
					ids := keepAll(b, db, docs)
					var bytes int64
					for _, d := range docs {
						bytes += int64(len(d.Body))
					}
					b.SetBytes(bytes)
					var g errgroup.Group
					work := make(chan goalcast.DocumentID)
					var ins []*ingest.Ingest
					for range processes {
						ins = append(ins, reader(openStore(b, same)))
					}
					b.StartTimer()
					begin := time.Now()
					for _, in := range ins {
						g.Go(func() error {
							for id := range work {
								if err := in.Process(context.Background(), id); err != nil {
									return err
								}
							}
							return nil
						})
					}
					for _, id := range ids {
						work <- id
					}
					close(work)
					if err := g.Wait(); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(len(ids))/time.Since(begin).Seconds(), "documents/s")
				}
			})
		}
	}
}

// What came before and was applied is only counted; what failed is tried again when it comes again.
func TestRepeatedDocument(t *testing.T) {
	g := newGround(t)
	d := simulated(1, -1, 10*time.Minute)[1]
	headers := map[string][]string{"X-Meta-Feed-Type": {d.Feed}, "X-Meta-Game-Id": {fmt.Sprint(d.Match)}}
	is := func(state goalcast.DocumentState, attempts, repeats int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
			got, err := g.store.Document(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if got.State == state && got.Attempts == attempts && got.Repeats == repeats {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("state %s, %d attempts, %d repeats; want %s, %d, %d", got.State, got.Attempts, got.Repeats,
					state, attempts, repeats)
			}
		}
	}
	for n := range 3 {
		if code := g.post(t, d.Body, headers); code != 200 {
			t.Fatal(code)
		}
		is(goalcast.DocumentApplied, 1, n)
	}
	if err := g.store.FinishDocument(t.Context(), 1, goalcast.DocumentFailed,
		"a reader that has been mended since"); err != nil {
		t.Fatal(err)
	}
	if code := g.post(t, d.Body, headers); code != 200 {
		t.Fatal(code)
	}
	is(goalcast.DocumentApplied, 3, 3)
}
