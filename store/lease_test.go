package store

import (
	"context"
	"sync"
	"testing"
	"time"

	"goalcast/internal/testservers"
)

// held is what a holder is told of its turns.
type held struct {
	mu     sync.Mutex
	fences []int64
	inside int
	most   int
}

// hold runs a holder until stop is called.
func (h *held) hold(t *testing.T, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = NewLeases(s, testLog(t)).Hold(ctx, "odds", func(ctx context.Context, fence int64) error {
			h.mu.Lock()
			h.fences = append(h.fences, fence)
			h.inside++
			h.most = max(h.most, h.inside)
			h.mu.Unlock()
			<-ctx.Done()
			h.mu.Lock()
			h.inside--
			h.mu.Unlock()
			return nil
		})
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func (h *held) turns(t *testing.T, n int) []int64 {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		h.mu.Lock()
		fences := append([]int64(nil), h.fences...)
		h.mu.Unlock()
		if len(fences) >= n {
			return fences
		}
		if time.Now().After(deadline) {
			t.Fatalf("turns %v, want %d", fences, n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOneHoldsALeaseAtATime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		var h held
		stop := h.hold(t, s)
		h.turns(t, 1)
		h.hold(t, s)
		time.Sleep(LeaseTime + leaseRenew) // it is renewed meanwhile
		if fences := h.turns(t, 1); len(fences) != 1 {
			t.Errorf("turns %v while one holds it", fences)
		}
		stop()
		if fences := h.turns(t, 2); fences[1] <= fences[0] {
			t.Errorf("fences %v do not go up", fences)
		}
		if h.most != 1 {
			t.Errorf("%d held it at once", h.most)
		}
	})
}

// A holder that dies without a word is followed within its time; one that cannot renew stops before
// another can have begun.
func TestALeaseEndsWithItsHolder(t *testing.T) {
	t.Parallel()
	s := openTest(t, testservers.Postgres(t))
	l := NewLeases(s, testLog(t))
	fence, err := l.claim(t.Context(), "odds")
	if err != nil || fence <= 0 {
		t.Fatal(fence, err)
	}
	if other, err := NewLeases(s, testLog(t)).claim(t.Context(), "odds"); err != nil || other != 0 {
		t.Errorf("taken while it is held: %d, %v", other, err)
	}
	var h held
	h.hold(t, s)
	if next := h.turns(t, 1)[0]; next <= fence { // the first holder is dead and does not renew
		t.Errorf("fence %d after %d", next, fence)
	}
	if within := LeaseTime + leaseLook; within > 5*time.Second {
		t.Errorf("another takes over within %s, want 5 s", within)
	}
	if still, err := l.renew(t.Context(), "odds", fence); err != nil || still {
		t.Errorf("renewed after another took over: %t, %v", still, err)
	}
}

// The database's clock may jump: a lease does not wait for an hour that was, nor does a backup give
// out turns twice.
func TestLeasesAndClocksThatJump(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		l := NewLeases(s, testLog(t))
		first, err := l.claim(t.Context(), "odds")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.exec(t.Context(), `UPDATE leases SET ends = ends + 3600000`); err != nil {
			t.Fatal(err)
		}
		second, err := NewLeases(s, testLog(t)).claim(t.Context(), "odds")
		if err != nil || second <= first {
			t.Errorf("fence %d after %d, %v", second, first, err)
		}
		for s.Now().UnixMilli() < second+100 { // nobody restores a backup faster
			time.Sleep(time.Millisecond)
		}
		if _, err := s.exec(t.Context(), `DELETE FROM leases`); err != nil { // an empty backup
			t.Fatal(err)
		}
		if third, err := l.claim(t.Context(), "odds"); err != nil || third < second {
			t.Errorf("fence %d after %d, %v", third, second, err)
		}
	})
}
