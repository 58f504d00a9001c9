package ratelimit

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// A bucket gives its burst at once, then its rate, and is full again after a pause.
func TestBuckets(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := NewBuckets[string](100, func() time.Time { return now }, func() { t.Error("forgot") })
	rate := Rate{PerMinute: 60, Burst: 5}
	take := func() time.Duration {
		turn, err := b.Take(t.Context(), "a", rate)
		if err != nil {
			t.Fatal(err)
		}
		if peeked := b.Peek("a", rate); turn.Wait > 0 && peeked != turn.Wait || turn.Left > 0 && peeked != 0 {
			t.Errorf("%+v, and a peek says %v", turn, peeked)
		}
		return turn.Wait
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
	}{{0, 5}, {time.Second, 1}, {500 * time.Millisecond, 0}, {500 * time.Millisecond, 1}, {3 * time.Second, 3},
		{time.Hour, 5}, {4999 * time.Millisecond, 4}} {
		now = now.Add(step.pause)
		if got := burst(); got != step.want {
			t.Errorf("%v later: %d turns, want %d", step.pause, got, step.want)
		}
	}
	if wait := take(); wait != time.Millisecond {
		t.Errorf("wait %v", wait)
	}
}

// Generations drop only keys whose buckets are full, however the times fall; and of a flood of keys
// memory holds no more than twice the limit.
func TestBucketsForget(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	forgot := 0
	b := NewBuckets[string](1000, func() time.Time { return now }, func() { forgot++ })
	rate := Rate{PerMinute: 1, Burst: 3}
	for range 3 {
		if turn, _ := b.Take(t.Context(), "greedy", rate); turn.Wait != 0 {
			t.Fatal("no turn")
		}
	}
	for i := range 150 { // others come all the time; the greedy one asks again and again, and gets one a minute
		now = now.Add(time.Second)
		if turn, _ := b.Take(t.Context(), fmt.Sprint("other", i), rate); turn.Wait != 0 {
			t.Errorf("other %d waits %v", i, turn.Wait)
		}
		turn, _ := b.Take(t.Context(), "greedy", rate)
		if got, want := turn.Wait == 0, i == 59 || i == 119; got != want {
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

// The header fields name the bucket, the time in which it fills, what is left and until when.
func TestHeaders(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	b := NewBuckets[string](100, func() time.Time { return now }, func() {})
	rate := Rate{PerMinute: 120, Burst: 3}
	for i, want := range []string{`"user";r=2;t=1`, `"user";r=1;t=1`, `"user";r=0;t=2`, `"user";r=0;t=2`} {
		turn, _ := b.Take(t.Context(), "a", rate)
		h := http.Header{}
		Headers(h, "user", rate, turn)
		if h.Get("RateLimit") != want || h.Get("RateLimit-Policy") != `"user";q=3;w=2` || (turn.Wait > 0) != (i == 3) {
			t.Errorf("%d: %v, %+v", i, h, turn)
		}
	}
	if got := RetryAfter(10 * time.Millisecond); got != "1" {
		t.Error(got)
	}
}
