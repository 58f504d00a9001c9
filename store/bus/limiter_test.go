package bus

import (
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast/internal/ratelimit"
	"goalcast/internal/testservers"
)

// slow is a limit that gives nothing back while a test runs.
var slow = ratelimit.Rate{PerMinute: 1, Burst: 160}

// limiters opens one Limiter per process.
func limiters(t *testing.T, url string, count int) []*Limiter {
	t.Helper()
	var all []*Limiter
	for range count {
		r, err := OpenRedis(url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		all = append(all, NewLimiter(r, LimiterOptions{Instances: count, Keys: 1000, Timeout: patience},
			slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
	}
	return all
}

// takeAll takes turns of a key until there are none.
func takeAll(t *testing.T, l *Limiter, key string, rate ratelimit.Rate) (n int) {
	t.Helper()
	for ; n <= rate.Burst; n++ {
		turn, err := l.Take(t.Context(), key, rate)
		if err != nil {
			t.Fatal(err)
		}
		if turn.Wait > 0 {
			break
		}
	}
	return n
}

// Two processes give away the limit together and not more, whoever is asked, and how many at once.
func TestLimitIsSharedByInstances(t *testing.T) {
	t.Parallel()
	all := limiters(t, testservers.Redis(t), 2)
	var taken [2]int
	var wait sync.WaitGroup
	for i, l := range all {
		wait.Go(func() { taken[i] = takeAll(t, l, "user:a", slow) })
	}
	wait.Wait()
	// what one has fetched when the other finds nothing is its own
	if sum := taken[0] + taken[1]; sum < 150 || sum > 162 {
		t.Errorf("%v turns of %d", taken, slow.Burst)
	}
	if n := takeAll(t, all[0], "user:a", slow) + takeAll(t, all[1], "user:a", slow); n > 1 {
		t.Errorf("%d more", n)
	}
	if all[0].Peek("user:a", slow) == 0 {
		t.Error("a peek says that there are turns")
	}
	// whoever asks only one of them gets three fourths and that one's part of the fourth
	if n := takeAll(t, all[1], "user:b", slow); n < 140 || n > 141 {
		t.Errorf("one instance gave %d", n)
	}
}

// Of little, Redis hears nothing; of more, it is not asked for each turn.
func TestLimitSeldomAsksRedis(t *testing.T) {
	t.Parallel()
	l := limiters(t, testservers.Redis(t), 2)[0]
	for range 20 { // an eighth of the limit
		if turn, err := l.Take(t.Context(), "user:a", slow); err != nil || turn.Wait > 0 {
			t.Fatalf("%+v, %v", turn, err)
		}
	}
	if n := testutil.ToFloat64(l.asked); n != 0 {
		t.Errorf("Redis was asked %v times", n)
	}
	takeAll(t, l, "user:a", slow)
	for range 100 { // the answer that there is nothing is remembered
		takeAll(t, l, "user:a", slow)
	}
	if n := testutil.ToFloat64(l.asked); n < 10 || n > 22 {
		t.Errorf("Redis was asked %v times", n)
	}
}

// While Redis is away each process keeps to its share, and when it is back the limit is shared
// again.
func TestLimitWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	all := limiters(t, server.URL, 2)
	if n := takeAll(t, all[0], "user:a", slow); n < 140 || n > 141 {
		t.Fatalf("one instance gave %d", n)
	}
	server.Stop()
	for _, l := range all { // 20 of the fourth and 60 of the rest
		if n := takeAll(t, l, "user:b", slow); n < 80 || n > 82 {
			t.Errorf("an instance alone gave %d", n)
		}
		if l.Peek("user:b", slow) == 0 {
			t.Error("a peek says that there are turns")
		}
	}
	server.Start()
	for deadline := time.Now().Add(patience); ; {
		before := testutil.ToFloat64(all[0].turns["sharedgiven"])
		takeAll(t, all[0], time.Now().String(), slow)
		if testutil.ToFloat64(all[0].turns["sharedgiven"]) > before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Redis is back, and not asked")
		}
	}
}

// A flood of requests of one key costs Redis few calls, also where turns come back all the time.
func TestFloodCostsRedisFewCalls(t *testing.T) {
	t.Parallel()
	l := limiters(t, testservers.NewRedis(t).URL, 1)[0]
	fast := ratelimit.Rate{PerMinute: 600_000, Burst: 1600}
	began, given := time.Now(), 0
	for time.Since(began) < time.Second {
		turn, err := l.Take(t.Context(), "rate_match:a", fast)
		if err != nil {
			t.Fatal(err)
		}
		if turn.Wait == 0 {
			given++
		}
	}
	_, shared := l.parts(fast)
	batches, pauses := given/(shared.Burst/limitBatch), int(time.Since(began)/leasePause)
	if n := int(testutil.ToFloat64(l.asked)); n > batches+pauses+2 {
		t.Errorf("Redis was asked %d times for %d batches and in %d pauses", n, batches, pauses)
	}
	if given < fast.Burst {
		t.Errorf("%d given", given)
	}
}
