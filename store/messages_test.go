package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/internal/testservers"
)

func posted(request string) *goalcast.AuditEntry {
	return &goalcast.AuditEntry{Who: "token:anna", Role: "editor", Action: "POST /admin/messages", Target: "team:1",
		Request: request, Status: 202}
}

// verifiedAudit reads the whole audit, which must be as it was written.
func verifiedAudit(t *testing.T, s *Store) []goalcast.AuditEntry {
	t.Helper()
	var chain goalcast.AuditChain
	all, err := s.AuditAfter(t.Context(), 0, goalcast.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if err := chain.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// refuseBad has the database refuse a message with the id "message:bad".
func refuseBad(t *testing.T, s *Store) {
	t.Helper()
	statement := `ALTER TABLE events ADD CONSTRAINT no_bad CHECK (id <> 'message:bad')`
	if s.dialect.name == "sqlite" {
		statement = `CREATE TRIGGER no_bad BEFORE INSERT ON events WHEN NEW.id = 'message:bad'
			BEGIN SELECT RAISE(ABORT, 'bad'); END`
	}
	if _, err := s.write.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// holdCommits has the first commit wait until as many others are behind it, and counts all.
func holdCommits(t *testing.T, s *Store, r *Relay, behind int) (commits *atomic.Int64) {
	commits = new(atomic.Int64)
	s.hooks.beforeCommit = func() error {
		if commits.Add(1) > 1 {
			return nil
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			r.posts.mu.Lock()
			n := len(r.posts.waiting)
			r.posts.mu.Unlock()
			if n == behind {
				return nil
			}
			if time.Now().After(deadline) {
				t.Errorf("%d wait, want %d", n, behind)
				return nil
			}
		}
	}
	return commits
}

// Those who wait share one commit; each has his answer and his entries in the audit. One that the
// database refuses does not concern the others, who then have commits of their own.
func TestMessagesThatWaitShareACommit(t *testing.T) {
	for _, tt := range []struct {
		name    string
		bad     bool
		commits int64
	}{{"all good", false, 2}, {"one bad", true, 7}} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *Store) {
				refuseBad(t, s)
				bus := newRig(t, testservers.Redis(t))
				relay, e := bus.relay(s), bus.listen()
				ids := []string{"first", "a", "b", "c", "bad", "e", "b", "g"}
				if !tt.bad {
					ids[4] = "d"
				}
				commits := holdCommits(t, s, relay, len(ids)-1)
				actions, told := make([]*goalcast.AuditEntry, len(ids)), make([]bool, len(ids))
				errs := make([]error, len(ids))
				var wg sync.WaitGroup
				for i, id := range ids {
					wg.Go(func() {
						for i > 0 && commits.Load() == 0 { // behind the first
							time.Sleep(time.Millisecond)
						}
						actions[i] = posted(fmt.Sprint("request-", i))
						told[i], errs[i] = relay.Post(t.Context(), actions[i], message("message:"+id, `"x"`))
					})
				}
				wg.Wait()
				// and one or two that note what was published
				if got := commits.Load(); got < tt.commits || got > tt.commits+2 {
					t.Errorf("%d commits, want %d", got, tt.commits)
				}
				for i, id := range ids {
					bad := id == "bad"
					if bad != (errs[i] != nil) || bad && !errors.Is(errs[i], goalcast.ErrPermanent) {
						t.Errorf("%s: %v", id, errs[i])
					} else if !bad && (!told[i] || actions[i].Begin == 0) {
						t.Errorf("%s: published %t, in the audit %+v", id, told[i], actions[i])
					}
				}
				want := len(ids) - 1 // b is there twice
				if tt.bad {
					want--
				}
				e.Until("each once", func() bool { return len(e.Events) == want })
				unpublishedLeft(t, s)
				all := verifiedAudit(t, s)
				if len(all) != 2*(want+1) {
					t.Errorf("%d entries of the audit, want %d", len(all), 2*(want+1))
				}
				for i := 0; i < len(all); i += 2 {
					b, e := all[i], all[i+1]
					if b.Status != 0 || e.Status != 202 || e.Begin != b.ID || e.Request != b.Request {
						t.Errorf("begun %+v, ended %+v", b, e)
					}
				}
			})
		})
	}
}

// Of an array all are there or none, in its order, and marking is part of a commit.
func TestMessagesOfACallAreSavedTogether(t *testing.T) {
	onAll(t, func(t *testing.T, s *Store) {
		refuseBad(t, s)
		ctx := t.Context()
		if _, err := s.SaveMessages(ctx, posted("one"), message("message:1", `1`), message("message:bad", `2`)); err == nil {
			t.Error("a bad one was saved")
		}
		if rows, err := s.unpublished(ctx, time.Now().Add(time.Minute), 10); err != nil || len(rows) > 0 {
			t.Errorf("saved of an array with a bad one: %v, %v", rows, err)
		}
		if all := verifiedAudit(t, s); len(all) > 0 {
			t.Errorf("in the audit: %+v", all)
		}
		var list []goalcast.Event
		var want []string
		for n := range 700 { // more than one statement takes
			list = append(list, message(fmt.Sprint("message:", 1000-n), `1`))
			want = append(want, list[n].ID)
		}
		if _, err := s.SaveMessages(ctx, nil, list[5]); err != nil {
			t.Fatal(err)
		}
		mark := func(list []goalcast.Event) { must(t, s.commit(ctx, []*saving{{marks: list}})) }
		mark(list[5:6])
		told, err := s.SaveMessages(ctx, nil, list...)
		if err != nil || len(told) != len(list)-1 {
			t.Fatalf("%d to publish, want all but one; %v", len(told), err)
		}
		rows, err := s.unpublished(ctx, time.Now().Add(time.Minute), 1000)
		var got []string
		for _, row := range rows {
			got = append(got, row.event.ID)
		}
		if want = slices.Delete(want, 5, 6); err != nil || !slices.Equal(got, want) {
			t.Errorf("in the outbox %v, want %v; %v", got, want, err)
		}
		mark(list[:600])
		if rows, err = s.unpublished(ctx, time.Now().Add(time.Minute), 1000); err != nil || len(rows) != 100 {
			t.Errorf("%d are not marked, want 100; %v", len(rows), err)
		}
	})
}

// That a message is published is noted by the next commit, or soon by one of its own; at the end at
// once.
func TestMarksAreInTheNextCommit(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		relay := newRig(t, testservers.Redis(t)).relay(s)
		var commits atomic.Int64
		s.hooks.beforeCommit = func() error { commits.Add(1); return nil }
		const posts = 50
		began := time.Now()
		for n := range posts {
			if told, err := relay.Post(t.Context(), nil, message(fmt.Sprint("message:", n), `1`)); err != nil || !told {
				t.Fatalf("told %t, %v", told, err)
			}
		}
		if n, most := commits.Load(), posts+1+int64(time.Since(began)/markPause); n > most {
			t.Errorf("%d commits of %d messages, want at most %d", n, posts, most)
		}
		unpublishedLeft(t, s)
		if _, err := relay.Post(t.Context(), nil, message("message:last", `1`)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = relay.Run(ctx)
		if rows, err := s.unpublished(t.Context(), time.Now().Add(time.Minute), 10); err != nil || len(rows) > 0 {
			t.Errorf("not marked at the end: %v, %v", rows, err)
		}
	})
}

// Only what may lead to a push is for the notifier.
func TestMessagesThatAskForNoPushArePlanned(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		pushed, later := message("message:pushed", `1`), message("message:later", `1`)
		pushed.Push = map[string]goalcast.PushText{"en": {Title: "Words", Body: "Words"}}
		later.Revision = 2
		for _, e := range []goalcast.Event{message("message:plain", `1`), pushed, later} {
			if _, err := s.SaveMessages(ctx, nil, e); err != nil {
				t.Fatal(err)
			}
		}
		left, err := s.UnplannedEvents(ctx, 10)
		if err != nil || len(left) != 2 || left[0].ID != pushed.ID || left[1].ID != later.ID {
			t.Errorf("for phones: %+v, %v", left, err)
		}
		if rows, err := s.unpublished(ctx, time.Now().Add(time.Minute), 10); err != nil || len(rows) != 3 {
			t.Errorf("for viewers: %+v, %v", rows, err)
		}
	})
}

// Each poster's messages are told in the order in which he had his answers, however many post.
func TestMessagesAreToldInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		r := newRig(t, testservers.Redis(t))
		relay, e := r.relay(s), r.listen()
		const posters, each = 6, 20
		var wg sync.WaitGroup
		for p := range posters {
			wg.Go(func() {
				for n := range each {
					told, err := relay.Post(t.Context(), nil, message(fmt.Sprintf("message:%d-%d-0", p, n), `1`),
						message(fmt.Sprintf("message:%d-%d-1", p, n), `1`))
					if err != nil || !told {
						t.Errorf("told %t, %v", told, err)
					}
				}
			})
		}
		wg.Wait()
		e.Until("all", func() bool { return len(e.Events) == 2*posters*each })
		unpublishedLeft(t, s)
		next := make([]int, posters)
		for _, ev := range e.Events {
			var p, n, part int
			if _, err := fmt.Sscanf(ev.ID, "message:%d-%d-%d", &p, &n, &part); err != nil {
				t.Fatal(err)
			}
			if 2*n+part != next[p] {
				t.Fatalf("%s out of order: want %d of this poster", ev.ID, next[p])
			}
			next[p]++
		}
	})
}

// A message that was answered is there after kill -9, with its outbox row and its entries in the
// audit: the test runs itself as a process in which many post, and kills it.
func TestKilledProcessLosesNoMessage(t *testing.T) {
	const key = "STORE_TEST_POST_IN"
	if url := os.Getenv(key); url != "" {
		postForEver(t, url)
		return
	}
	for name, url := range map[string]string{
		"sqlite":   "sqlite:" + filepath.Join(t.TempDir(), "x.db"),
		"postgres": testservers.Postgres(t),
	} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, url)
			answered := keptBeforeKill(t, key+"="+url, 100)
			ended := map[string]bool{}
			for _, e := range verifiedAudit(t, s) {
				ended[e.Request] = e.Status == 202
			}
			rows, err := s.unpublished(t.Context(), time.Now().Add(time.Minute), 10_000)
			if err != nil {
				t.Fatal(err)
			}
			there := map[string]bool{}
			for _, row := range rows { // none is published there
				there[row.event.ID] = true
				if !ended[row.event.ID] {
					t.Errorf("%s is not in the audit", row.event.ID)
				}
			}
			for _, id := range answered {
				if !there[id] {
					t.Errorf("%s was answered and is gone", id)
				}
			}
			if len(ended) != len(there) {
				t.Errorf("%d in the audit, %d in the outbox", len(ended), len(there))
			}
		})
	}
}

// noBus takes no event.
type noBus struct{}

func (noBus) Publish(context.Context, []goalcast.Event) (int, []goalcast.Event, error) {
	return 0, nil, goalcast.ErrUnavailable
}

func (noBus) PublishAll(context.Context, []goalcast.Event) error { return goalcast.ErrUnavailable }

// postForEver has eight post messages until they are killed.
func postForEver(t *testing.T, url string) {
	s, err := Open(t.Context(), url, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	relay := NewRelay(s, noBus{}, quiet(), prometheus.NewRegistry())
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for n := range 100_000 {
				id := fmt.Sprintf("message:%d-%d", p, n)
				if _, err := relay.Post(t.Context(), posted(id), message(id, `"x"`)); err != nil {
					t.Error(err)
					return
				}
				fmt.Printf("kept %s\n", id)
			}
		})
	}
	wg.Wait()
}
