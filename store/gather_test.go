package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// What comes while a call is made goes into the next one, in order, as much as one call takes.
func TestGatherMakesOneCallOfWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [][]int
		var thens atomic.Int64 // several at a time
		gate := make(chan struct{})
		g := gather[int]{most: 4, call: func(_ context.Context, items []int) []error {
			<-gate
			calls = append(calls, items)
			errs := make([]error, len(items))
			for i, n := range items {
				if n == 3 {
					errs[i] = errors.New("three")
				}
			}
			return errs
		}, then: func(_ context.Context, items []int, errs []error) {
			for i, n := range items {
				if (errs[i] != nil) != (n == 3) {
					t.Errorf("then of %d: %v", n, errs[i])
				}
			}
			thens.Add(1)
		}}
		answers := make([]error, 7)
		var wg sync.WaitGroup
		for n := range answers {
			wg.Go(func() { answers[n] = g.do(t.Context(), n) })
			synctest.Wait() // so that they come in this order
		}
		close(gate)
		wg.Wait()
		if got, want := fmt.Sprint(calls), "[[0] [1 2 3 4] [5 6]]"; got != want || thens.Load() != 3 {
			t.Errorf("calls %s, want %s; %d thens", got, want, thens.Load())
		}
		for n, err := range answers {
			if (err != nil) != (n == 3) {
				t.Errorf("%d: %v", n, err)
			}
		}
		if g.busy || len(g.waiting) > 0 {
			t.Errorf("left behind: %+v", g.waiting)
		}
	})
}

// One large item has a call of its own, and does not wait for ever.
func TestGatherTakesWhatIsLargerThanACall(t *testing.T) {
	g := gather[int]{most: 4, size: func(n int) int { return n }, call: func(context.Context, []int) []error {
		return nil
	}}
	if err := g.do(t.Context(), 10); err != nil {
		t.Error(err)
	}
}

// Who no longer waits is in no call, and holds nobody up, also if it was his turn.
func TestGatherGoesOnWithoutWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [][]int
		gate := make(chan struct{})
		g := gather[int]{most: 10, call: func(ctx context.Context, items []int) []error {
			<-gate
			calls = append(calls, items)
			return nil
		}}
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		answers := make([]error, 4)
		for n := range answers {
			waits := t.Context()
			if n == 1 || n == 2 {
				waits = ctx
			}
			wg.Go(func() { answers[n] = g.do(waits, n) })
			synctest.Wait()
		}
		leave()
		synctest.Wait()
		close(gate)
		wg.Wait()
		if got, want := fmt.Sprint(calls), "[[0] [3]]"; got != want {
			t.Errorf("calls %s, want %s", got, want)
		}
		if !errors.Is(answers[1], context.Canceled) || !errors.Is(answers[2], context.Canceled) ||
			answers[0] != nil || answers[3] != nil {
			t.Errorf("answers %v", answers)
		}
		if err := g.do(ctx, 5); !errors.Is(err, context.Canceled) || g.busy {
			t.Errorf("of one who had gone before: %v", err)
		}
	})
}

// A call that panics leaves nobody waiting, and the next ones are made.
func TestGatherOutlivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		g := gather[int]{most: 10, call: func(_ context.Context, items []int) []error {
			<-gate
			if slices.Contains(items, 1) {
				panic("one")
			}
			return nil
		}}
		var wg sync.WaitGroup
		answers := make([]error, 4)
		for n := range answers {
			wg.Go(func() {
				defer func() {
					if recover() != nil {
						answers[n] = errors.New("panicked")
					}
				}()
				answers[n] = g.do(t.Context(), n)
			})
			synctest.Wait()
		}
		close(gate)
		wg.Wait()
		if answers[0] != nil || answers[1] == nil || !errors.Is(answers[2], errNoAnswer) ||
			!errors.Is(answers[3], errNoAnswer) {
			t.Errorf("answers %v", answers)
		}
		if err := g.do(t.Context(), 9); err != nil {
			t.Error(err)
		}
	})
}
