package cache_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"goalcast/internal/cache"
)

// What is asked for stays; what is not goes after its time, and is made once again.
func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := cache.NewRecent[string, *int](10, time.Minute, time.Now)
		if v, ok := r.Get("a"); v != nil || ok {
			t.Errorf("%v, %v of nothing", v, ok)
		}
		var made atomic.Int32
		value := func() *int { made.Add(1); return new(int) }
		first := r.OrMade("a", value)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if v := r.OrMade("a", value); v != first {
					t.Error("another value")
				}
			})
		}
		wg.Wait()
		for range 3 {
			time.Sleep(50 * time.Second)
			if v, ok := r.Get("a"); !ok || v != first {
				t.Errorf("%v, %v of what is asked for", v, ok)
			}
		}
		time.Sleep(61 * time.Second)
		if _, ok := r.Get("a"); ok {
			t.Error("still there")
		}
		if r.OrMade("a", value) == first || made.Load() != 2 {
			t.Errorf("made %d times", made.Load())
		}
		r.Set("a", nil)
		if v, ok := r.Get("a"); v != nil || !ok {
			t.Errorf("%v, %v of nil", v, ok)
		}
	})
}

// A value says itself for how long it is good.
func TestAgeOfAValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache.New[int, time.Duration](cache.Options{Size: 10, Now: time.Now,
			AgeOf: func(value any) time.Duration { return value.(time.Duration) }})
		for _, age := range []time.Duration{time.Second, time.Minute} {
			if _, err := c.Get(t.Context(), int(age), func(context.Context) (time.Duration, error) {
				return age, nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Second)
		if n := held(t, c, time.Second) + held(t, c, time.Minute); n != 1 {
			t.Errorf("%d are held after 2 s, want the one of a minute", n)
		}
	})
}

// held is 1 if a value is, 0 if it has to be read again.
func held(t *testing.T, c *cache.Cache[int, time.Duration], age time.Duration) int {
	t.Helper()
	is := 1
	if _, err := c.Get(t.Context(), int(age), func(context.Context) (time.Duration, error) {
		is = 0
		return age, nil
	}); err != nil {
		t.Fatal(err)
	}
	return is
}
