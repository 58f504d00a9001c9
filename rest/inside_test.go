package rest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"goalcast"
)

// A bucket gives its burst at once, then its rate, and is full again after a pause.
func TestBuckets(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := newBuckets(100, func() time.Time { return now }, func() { t.Error("forgot") })
	rate := Rate{PerMinute: 60, Burst: 5}
	take := func() time.Duration {
		wait, err := b.Take(t.Context(), "a", rate)
		if err != nil {
			t.Fatal(err)
		}
		return wait
	}
	burst := func() (n int) {
		for take() == 0 {
			n++
		}
		return n
	}
	for _, step := range []struct {
		pause time.Duration
		want  int
	}{{0, 5}, {time.Second, 1}, {500 * time.Millisecond, 0}, {500 * time.Millisecond, 1}, {3 * time.Second, 3}, {time.Hour, 5}, {4999 * time.Millisecond, 4}} {
		now = now.Add(step.pause)
		if got := burst(); got != step.want {
			t.Errorf("%v later: %d turns, want %d", step.pause, got, step.want)
		}
	}
	if wait := take(); wait != time.Millisecond {
		t.Errorf("wait %v", wait)
	}
}

// Generations drop only keys whose buckets are full, however the times fall; and of a flood of keys memory holds no more than twice the limit.
func TestBucketsForget(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	forgot := 0
	b := newBuckets(1000, func() time.Time { return now }, func() { forgot++ })
	rate := Rate{PerMinute: 1, Burst: 3}
	for range 3 {
		if wait, _ := b.Take(t.Context(), "greedy", rate); wait != 0 {
			t.Fatal("no turn")
		}
	}
	for i := range 150 { // others come all the time; the greedy one asks again and again, and gets one a minute
		now = now.Add(time.Second)
		if wait, _ := b.Take(t.Context(), fmt.Sprint("other", i), rate); wait != 0 {
			t.Errorf("other %d waits %v", i, wait)
		}
		wait, _ := b.Take(t.Context(), "greedy", rate)
		if got, want := wait == 0, i == 59 || i == 119; got != want {
			t.Errorf("second %d: turn %t, want %t", i+1, got, want)
		}
	}
	if forgot != 0 {
		t.Errorf("forgot %d times", forgot)
	}
	for i := range 5000 {
		if _, err := b.Take(t.Context(), fmt.Sprint("flood", i), rate); err != nil {
			t.Fatal(err)
		}
		if n := len(b.current) + len(b.older); n > 2000 {
			t.Fatalf("%d keys", n)
		}
	}
	if forgot == 0 {
		t.Error("forgot nothing and counted nothing")
	}
}

func testMemo(size, slots int) *memo[int, string] {
	cfg := Config{Timeout: time.Second}.withDefaults()
	return newMemo[int, string](cfg, make(chan struct{}, slots), 10*time.Second, size)
}

// However many ask, one reads; whoever asked first may go away.
func TestMemoSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testMemo(10, 1)
		var reads atomic.Int32
		load := func(ctx context.Context) (string, error) {
			reads.Add(1)
			time.Sleep(100 * time.Millisecond)
			return "x", ctx.Err()
		}
		var wg sync.WaitGroup
		first, leave := context.WithCancel(t.Context())
		for i := range 50 {
			ctx := t.Context()
			if i == 0 {
				ctx = first
			}
			wg.Go(func() {
				if v, err := m.get(ctx, 1, load); v != "x" || err != nil {
					t.Errorf("%q, %v", v, err)
				}
			})
			if i == 0 {
				synctest.Wait()
			}
		}
		leave()
		wg.Wait()
		time.Sleep(9 * time.Second)
		_, _ = m.get(t.Context(), 1, load)
		if reads.Load() != 1 {
			t.Errorf("%d reads", reads.Load())
		}
		time.Sleep(2 * time.Second)
		_, _ = m.get(t.Context(), 1, load)
		if reads.Load() != 2 {
			t.Errorf("%d reads after its age", reads.Load())
		}
	})
}

// Errors are not kept, but that there is none is believed for a moment.
func TestMemoErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testMemo(10, 1)
		answer := errors.New("broken")
		reads := 0
		load := func(context.Context) (string, error) { reads++; return "", answer }
		for want := 1; want <= 2; want++ {
			if _, err := m.get(t.Context(), 1, load); !errors.Is(err, answer) || reads != want {
				t.Errorf("%v, %d reads", err, reads)
			}
		}
		answer = goalcast.ErrNotFound
		for range 3 {
			if _, err := m.get(t.Context(), 1, load); !errors.Is(err, answer) || reads != 3 {
				t.Errorf("%v, %d reads", err, reads)
			}
		}
		time.Sleep(2 * time.Second)
		if _, err := m.get(t.Context(), 1, load); !errors.Is(err, answer) || reads != 4 {
			t.Errorf("%v, %d reads", err, reads)
		}
		// A panic is its caller's; the next one reads anew.
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = m.get(t.Context(), 2, func(context.Context) (string, error) { panic("x") })
		}()
		if v, err := m.get(t.Context(), 2, func(context.Context) (string, error) { return "y", nil }); v != "y" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

// Readings that hang take their slots and no more: others are told in time, and so are those who wait for the same.
func TestMemoSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testMemo(10, 2)
		var running, most atomic.Int32
		hang := func(ctx context.Context) (string, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-ctx.Done()
			return "", fmt.Errorf("%w: %w", goalcast.ErrUnavailable, ctx.Err())
		}
		begin := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := m.get(ctx, i%5, hang); !errors.Is(err, goalcast.ErrUnavailable) {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 2 || time.Since(begin) > 1100*time.Millisecond || len(m.values) != 0 {
			t.Errorf("%d at one time, %v, %d left", most.Load(), time.Since(begin), len(m.values))
		}
	})
}

func TestMemoSize(t *testing.T) {
	m := testMemo(10, 1)
	for i := range 100 {
		v, err := m.get(t.Context(), i, func(context.Context) (string, error) { return fmt.Sprint(i), nil })
		if v != fmt.Sprint(i) || err != nil || len(m.values) > 10 {
			t.Fatalf("%q, %v, %d values", v, err, len(m.values))
		}
	}
}
