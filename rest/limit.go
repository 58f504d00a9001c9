package rest

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"goalcast/internal/clientip"
	"goalcast/internal/problem"
)

// Rate is a bucket of Burst turns that refills by PerMinute.
type Rate struct {
	PerMinute int
	Burst     int
}

func (r Rate) or(other Rate) Rate {
	return Rate{PerMinute: cmp.Or(max(r.PerMinute, 0), other.PerMinute), Burst: cmp.Or(max(r.Burst, 0), other.Burst)}
}

// interval is the time in which one turn comes back.
func (r Rate) interval() time.Duration { return time.Minute / time.Duration(r.PerMinute) }

// Limiter counts turns per key. The one used by default counts in this process; one that shares its
// counts can be passed in instead.
type Limiter interface {
	// Take takes one of the key's turns. wait is 0, or how long until the next one. On an error the
	// request is let through: a limiter that is away must not take the service with it.
	Take(ctx context.Context, key string, rate Rate) (wait time.Duration, err error)
}

// buckets is a Limiter in memory. Of each key it keeps one time: when its bucket will be full
// again. Keys live in two generations; one is dropped as a whole when all in it are full again, or
// when it has grown to its limit.
type buckets struct {
	max    int
	now    func() time.Time
	forgot func()

	mu      sync.Mutex
	current map[string]time.Time
	older   map[string]time.Time
	full    time.Time // from then on every bucket in older is full
	newest  time.Time // the latest time in current
}

func newBuckets(maxKeys int, now func() time.Time, forgot func()) *buckets {
	return &buckets{max: maxKeys, now: now, forgot: forgot, current: map[string]time.Time{},
		older: map[string]time.Time{}}
}

// Take implements Limiter; it has no errors.
func (b *buckets) Take(_ context.Context, key string, rate Rate) (time.Duration, error) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turnLocked(now)
	full, ok := b.current[key]
	if !ok {
		full = b.older[key]
	}
	if full.Before(now) {
		full = now
	}
	full = full.Add(rate.interval())
	if wait := full.Sub(now) - time.Duration(rate.Burst)*rate.interval(); wait > 0 {
		return wait, nil
	}
	b.current[key] = full
	if full.After(b.newest) {
		b.newest = full
	}
	return 0, nil
}

// turnLocked starts a new generation when nothing is lost by it, or memory demands it.
func (b *buckets) turnLocked(now time.Time) {
	early := len(b.current) >= b.max
	if !early && (now.Before(b.full) || len(b.current) == 0) {
		return
	}
	if early && now.Before(b.full) {
		b.forgot()
	}
	b.older, b.full = b.current, b.newest
	b.current = make(map[string]time.Time)
}

// take asks the limiter and makes its no an error.
func (s *Server) take(ctx context.Context, code, key string, rate Rate) error {
	wait, err := s.limiter.Take(ctx, key, rate)
	if err != nil {
		s.metrics.limiter.Inc()
		s.log.Debug("rate limiter", "error", err)
		return nil
	}
	if wait > 0 {
		p := problem.New(http.StatusTooManyRequests, code, "too many requests; wait as Retry-After says")
		p.Retry = wait
		return p
	}
	return nil
}

// addressKey is the limiter's key for the client's address. Requests whose address cannot be told
// share one.
func addressKey(ctx context.Context) string {
	return "ip:" + clientip.Counted(middleware.GetClientIPAddr(ctx)).String()
}
