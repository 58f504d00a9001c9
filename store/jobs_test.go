package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/internal/testservers"
)

// onShared runs a test on databases that several processes can have open.
func onShared(t *testing.T, test func(t *testing.T, open func() *Store)) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "x.db") },
		"postgres": func(t *testing.T) string { return testservers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same := url(t)
			test(t, func() *Store { return openTest(t, same) })
		})
	}
}

// workforce is several processes with the same jobs.
type workforce struct {
	mu   sync.Mutex
	ran  []string // "process job"
	wake chan struct{}
}

func (w *workforce) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ran = append(w.ran, what)
	close(w.wake)
	w.wake = make(chan struct{})
}

// until waits for so many runs.
func (w *workforce) until(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.After(patience)
	for {
		w.mu.Lock()
		ran, wake := append([]string(nil), w.ran...), w.wake
		w.mu.Unlock()
		if len(ran) >= n {
			return ran
		}
		select {
		case <-wake:
		case <-deadline:
			t.Fatalf("%d runs, want %d: %v", len(ran), n, ran)
		}
	}
}

// start runs a process until stop is called.
func start(t *testing.T, j *Jobs) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func TestJobRunsOncePerPeriod(t *testing.T) {
	onShared(t, func(t *testing.T, open func() *Store) {
		const every = 200 * time.Millisecond
		w := &workforce{wake: make(chan struct{})}
		var mu sync.Mutex
		slots := map[string]map[int64]int{"a": {}, "b": {}}
		running := map[string]int{}
		for i := range 3 {
			s := open()
			j := NewJobs(s, JobOptions{Lease: 5 * time.Second}, testLog(t), prometheus.NewRegistry())
			for name := range slots {
				j.Add(name, every, func(ctx context.Context) error {
					var slot int64
					if err := s.queryRow(ctx, `SELECT slot FROM jobs WHERE name = $1`, name).Scan(&slot); err != nil {
						return err
					}
					mu.Lock()
					slots[name][slot]++
					if running[name]++; running[name] > 1 {
						t.Errorf("job %s runs twice at once", name)
					}
					mu.Unlock()
					w.note(fmt.Sprint(i, name))
					mu.Lock()
					running[name]--
					mu.Unlock()
					return nil
				})
			}
			defer start(t, j)()
		}
		w.until(t, 20)
		mu.Lock()
		defer mu.Unlock()
		for name, of := range slots {
			for slot, n := range of {
				if n != 1 {
					t.Errorf("job %s ran %d times in period %d", name, n, slot)
				}
			}
		}
	})
}

// The runner is killed in the middle: nothing is written down, and its lease runs out.
func TestKilledRunnerIsReplaced(t *testing.T) {
	onShared(t, func(t *testing.T, open func() *Store) {
		const lease = 900 * time.Millisecond
		w := &workforce{wake: make(chan struct{})}
		first, second := open(), open()
		dead := NewJobs(first, JobOptions{Lease: lease}, testLog(t), prometheus.NewRegistry())
		left := job{name: "left", every: time.Hour} // nobody else does it
		if l, err := dead.claim(t.Context(), left); err != nil || l == nil {
			t.Fatalf("claim = %v, %v", l, err)
		}
		hourly := job{name: "hourly", every: time.Hour}
		slot, err := dead.claim(t.Context(), hourly)
		if err != nil || slot == nil {
			t.Fatalf("claim = %v, %v", slot, err)
		}
		died := time.Now()
		other := NewJobs(second, JobOptions{Lease: lease, Look: 10 * time.Millisecond}, testLog(t),
			prometheus.NewRegistry())
		other.Add("hourly", time.Hour, func(context.Context) error { w.note("other"); return nil })
		stop := start(t, other)
		w.until(t, 1)
		if waited := time.Since(died); waited < lease-100*time.Millisecond {
			t.Errorf("taken over after %v, within the lease", waited)
		}
		stop()
		// The dead one comes back to life: what it does counts for nothing.
		if again, err := dead.claim(t.Context(), hourly); err != nil || again != nil {
			t.Errorf("the period's work is done, and %+v of %+v can be claimed, %v", again, slot, err)
		}
		list, err := second.Jobs(t.Context())
		if err != nil || len(list) != 2 || list[0].Runs != 1 || list[0].Owner != "" || list[0].Ended.IsZero() {
			t.Errorf("jobs %+v, %v", list, err)
		}
		if list[1].Name != left.name || list[1].Owner != "" || !list[1].Ended.IsZero() {
			t.Errorf("who died is still at %+v", list[1])
		}
	})
}

// A run that takes longer than the lease keeps it; one that lost it is told.
func TestLongRunKeepsItsLease(t *testing.T) {
	onShared(t, func(t *testing.T, open func() *Store) {
		const lease = 3 * time.Second // renewed every second, on a machine that may stop for one
		s, w := open(), &workforce{wake: make(chan struct{})}
		begun := make(chan struct{}, 1)
		j := NewJobs(s, JobOptions{Lease: lease}, testLog(t), prometheus.NewRegistry())
		j.Add("long", time.Hour, func(ctx context.Context) error {
			begun <- struct{}{}
			<-ctx.Done()
			w.note("told")
			return ctx.Err()
		})
		stop := start(t, j)
		<-begun
		rival := NewJobs(open(), JobOptions{Lease: lease}, testLog(t), prometheus.NewRegistry())
		for end := time.Now().Add(2 * lease); time.Now().Before(end); time.Sleep(lease / 10) {
			if l, err := rival.claim(t.Context(), job{name: "long", every: time.Hour}); err != nil || l != nil {
				t.Fatalf("claimed: %v, %v", l, err)
			}
		}
		if _, err := s.write.Exec(`UPDATE jobs SET owner = 'rival'`); err != nil {
			t.Fatal(err)
		}
		w.until(t, 1)
		stop()
	})
}

func TestFailingJob(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	w := &workforce{wake: make(chan struct{})}
	j := NewJobs(s, JobOptions{}, quiet(), prometheus.NewRegistry())
	n := 0
	j.Add("fails", 50*time.Millisecond, func(context.Context) error {
		n++
		defer w.note("ran")
		switch n {
		case 1:
			return errors.New("disk\x00full")
		case 2:
			panic("ouch")
		}
		return nil
	})
	stop := start(t, j)
	w.until(t, 3)
	stop()
	list, err := s.Jobs(t.Context())
	if err != nil || len(list) != 1 || list[0].Failures != 2 || list[0].Runs < 3 || list[0].Error != "" {
		t.Errorf("%+v, %v", list, err)
	}
	if got := testutil.ToFloat64(j.failures.WithLabelValues("fails")); got != 2 {
		t.Errorf("failures counted: %v", got)
	}
	if got := testutil.ToFloat64(j.last.WithLabelValues("fails")); time.Since(time.Unix(int64(got), 0)) > time.Minute {
		t.Errorf("last success at %v", got)
	}
}

// A period's number would mean another time when the period is changed: a job that was done every
// second would not be due again for years when it is to be done every hour.
func TestJobGoesOnWithAnotherPeriod(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		j := NewJobs(s, JobOptions{}, quiet(), prometheus.NewRegistry())
		for i, every := range []time.Duration{time.Second, 100 * time.Hour, 10 * time.Millisecond} {
			if i == 1 { // the hundred hours began before the second, which counts for them: the next ones are due
				if l, err := j.claim(t.Context(), job{name: "x", every: every}); err != nil || l != nil {
					t.Errorf("the period that is on was begun, and is claimed again: %v", err)
				}
				if _, err := s.write.Exec(`UPDATE jobs SET slot = slot - 360000000`); err != nil {
					t.Fatal(err)
				}
			}
			l, err := j.claim(t.Context(), job{name: "x", every: every})
			if err != nil || l == nil || l.slot%every.Milliseconds() != 0 {
				t.Fatalf("every %s: %+v, %v", every, l, err)
			}
			list, err := s.Jobs(t.Context())
			if err != nil || len(list) != 1 || list[0].Period != every {
				t.Errorf("every %s: %+v, %v", every, list, err)
			}
			if _, err := s.write.Exec(`UPDATE jobs SET owner = '', lease = 0`); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Since when a job has not succeeded counts from its last success; but not over a time in which
// nobody tried.
func TestLastSuccessOfJob(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		j := NewJobs(s, JobOptions{}, quiet(), prometheus.NewRegistry())
		fails := errors.New("no")
		x := job{name: "x", every: time.Millisecond, run: func(context.Context) error { return fails }}
		run := func(ago time.Duration) (before, after goalcast.JobState) {
			t.Helper()
			if _, err := s.write.Exec(s.dialect.sql(`UPDATE jobs
				SET slot = slot - $1, began = began - $1, ended = ended - $1, succeeded = succeeded - $1`),
				ago.Milliseconds()); err != nil {
				t.Fatal(err)
			}
			list, err := s.Jobs(t.Context())
			if len(list) > 0 {
				before = list[0]
			}
			l, claimErr := j.claim(t.Context(), x)
			if err != nil || claimErr != nil || l == nil {
				t.Fatal(l, err, claimErr)
			}
			l.run(t.Context())
			if list, err = s.Jobs(t.Context()); err != nil {
				t.Fatal(err)
			}
			return before, list[0]
		}
		if _, after := run(0); after.Succeeded.IsZero() || after.Succeeded.After(after.Ended) || after.Failures != 1 {
			t.Errorf("never succeeded: counted since %v, began %v", after.Succeeded, after.Began)
		}
		if before, after := run(9 * time.Minute); !after.Succeeded.Equal(before.Succeeded) {
			t.Errorf("failed again: succeeded %v, was %v", after.Succeeded, before.Succeeded)
		}
		fails = nil
		if _, after := run(time.Minute); !after.Succeeded.Equal(after.Ended) {
			t.Errorf("succeeded %v, ended %v", after.Succeeded, after.Ended)
		}
		fails = errors.New("no")
		if _, after := run(time.Hour); !after.Succeeded.Equal(after.Began) {
			t.Errorf("taken up after an hour: counted since %v, began %v", after.Succeeded, after.Began)
		}
	})
}

func TestQuietEventsAreNotPlanned(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		update := func(ctx context.Context, seq int64) {
			t.Helper()
			err := s.UpdateMatch(ctx, 5, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
				e := matchEvent(5, seq, goalcast.KindGoal)
				r.Snapshot = goalcast.Apply(r.Snapshot, e)
				return r, []goalcast.Event{e}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		update(t.Context(), 1)
		update(Silent(t.Context()), 2)
		update(t.Context(), 3)
		planned, err := s.UnplannedEvents(t.Context(), 10)
		if err != nil || len(planned) != 2 || planned[0].Seq != 1 || planned[1].Seq != 3 {
			t.Errorf("for phones: %+v, %v", planned, err)
		}
		if rows, err := s.unpublished(t.Context(), time.Now().Add(time.Minute), 10); err != nil || len(rows) != 3 {
			t.Errorf("for the bus: %d, %v", len(rows), err)
		}
	})
}
