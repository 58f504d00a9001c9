package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"goalcast"
	"goalcast/internal/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(size, slots int) *cache.Cache[int, string] {
	return cache.New[int, string](cache.Options{Size: size, Age: 10 * time.Second, Missing: 10 * time.Second / 6,
		Timeout: time.Second,
		Slots:   make(chan struct{}, slots), Now: time.Now})
}

// However many ask, one reads; whoever asked first may go away.
func TestManyAskOneReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(10, 1)
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
				if v, err := c.Get(ctx, 1, load); v != "x" || err != nil {
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
		_, _ = c.Get(t.Context(), 1, load)
		if reads.Load() != 1 {
			t.Errorf("%d reads", reads.Load())
		}
		time.Sleep(2 * time.Second)
		_, _ = c.Get(t.Context(), 1, load)
		if reads.Load() != 2 {
			t.Errorf("%d reads after its age", reads.Load())
		}
	})
}

// Errors are not kept, but that there is none is believed for a moment.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(10, 1)
		answer := errors.New("broken")
		reads := 0
		load := func(context.Context) (string, error) { reads++; return "", answer }
		for want := 1; want <= 2; want++ {
			if _, err := c.Get(t.Context(), 1, load); !errors.Is(err, answer) || reads != want {
				t.Errorf("%v, %d reads", err, reads)
			}
		}
		answer = goalcast.ErrNotFound
		for range 3 {
			if _, err := c.Get(t.Context(), 1, load); !errors.Is(err, answer) || reads != 3 {
				t.Errorf("%v, %d reads", err, reads)
			}
		}
		time.Sleep(2 * time.Second)
		if _, err := c.Get(t.Context(), 1, load); !errors.Is(err, answer) || reads != 4 {
			t.Errorf("%v, %d reads", err, reads)
		}
		// A panic is its caller's; the next one reads again.
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = c.Get(t.Context(), 2, func(context.Context) (string, error) { panic("x") })
		}()
		if v, err := c.Get(t.Context(), 2, func(context.Context) (string, error) {
			return "y", nil
		}); v != "y" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}

// Readings that hang take their slots and no more: others are told in time, and so are those who
// wait for the same.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(10, 2)
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
				if _, err := c.Get(ctx, i%5, hang); !errors.Is(err, goalcast.ErrUnavailable) {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 2 || time.Since(begin) > 1100*time.Millisecond || c.Len() != 0 {
			t.Errorf("%d at one time, %v, %d left", most.Load(), time.Since(begin), c.Len())
		}
	})
}

func TestSize(t *testing.T) {
	c := open(10, 1)
	for i := range 100 {
		v, err := c.Get(t.Context(), i, func(context.Context) (string, error) { return fmt.Sprint(i), nil })
		if v != fmt.Sprint(i) || err != nil || c.Len() > 10 {
			t.Fatalf("%q, %v, %d values", v, err, c.Len())
		}
	}
}
