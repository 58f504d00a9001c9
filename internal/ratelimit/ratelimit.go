// Package ratelimit counts turns per key: of a user, an address, a class of routes. Nobody owns a
// Buckets; it has a lock.
package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Rate is a bucket of Burst turns that refills by PerMinute.
type Rate struct {
	PerMinute int
	Burst     int
}

// Or takes from other what is not set.
func (r Rate) Or(other Rate) Rate {
	return Rate{PerMinute: cmp.Or(max(r.PerMinute, 0), other.PerMinute), Burst: cmp.Or(max(r.Burst, 0), other.Burst)}
}

// Part is what one of so many has of it: at least one turn a minute.
func (r Rate) Part(of int) Rate {
	return Rate{PerMinute: max(1, r.PerMinute/of), Burst: max(1, r.Burst/of)}
}

// Less is what is left of it if so many others have that much each: at least one turn a minute.
func (r Rate) Less(others int, each Rate) Rate {
	return Rate{PerMinute: max(1, r.PerMinute-others*each.PerMinute), Burst: max(1, r.Burst-others*each.Burst)}
}

// Interval is the time in which one turn comes back.
func (r Rate) Interval() time.Duration { return time.Minute / time.Duration(r.PerMinute) }

// Turn is what a limit says to a request.
type Turn struct {
	Wait  time.Duration // 0: it may go; else until the next turn
	Left  int           // turns that may follow at once, at least
	Reset time.Duration // until all are back
}

// Limiter counts turns per key.
type Limiter interface {
	// Take takes one of the key's turns. On an error the request is let through: a limiter that is
	// away must not take the service with it.
	Take(ctx context.Context, key string, rate Rate) (Turn, error)
	// Peek takes none and asks nobody: it says how long a key has to wait, as far as is known here.
	Peek(key string, rate Rate) time.Duration
}

// Headers writes the header fields of draft-ietf-httpapi-ratelimit-headers-10 for a limit.
func Headers(h http.Header, name string, rate Rate, turn Turn) {
	window := time.Duration(rate.Burst) * rate.Interval()
	h.Add("RateLimit-Policy", fmt.Sprintf(`"%s";q=%d;w=%d`, name, rate.Burst, seconds(window)))
	h.Add("RateLimit", fmt.Sprintf(`"%s";r=%d;t=%d`, name, turn.Left, seconds(turn.Reset)))
}

// RetryAfter is the value of that header field.
func RetryAfter(wait time.Duration) string { return strconv.Itoa(max(1, seconds(wait))) }

// seconds rounds up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// generationLife is how long a generation of Buckets lives at least, so that buckets that fill in
// an instant do not make new ones all the time.
const generationLife = 10 * time.Second

// Buckets counts in memory; Buckets[string] is a Limiter. Of each key it keeps one time: when its
// bucket will be full again. Keys live in two generations; one is dropped as a whole when all in it
// are full again, or when it has grown to its limit.
type Buckets[K comparable] struct {
	max    int
	now    func() time.Time
	forgot func()

	mu      sync.Mutex
	current map[K]time.Time
	older   map[K]time.Time
	full    time.Time // from then on every bucket in older is full
	newest  time.Time // the latest time in current
	turn    time.Time // current may be older's successor for good from then on
}

// NewBuckets makes buckets of so many keys in each of two generations; forgot is told when some had
// to be forgotten early.
func NewBuckets[K comparable](maxKeys int, now func() time.Time, forgot func()) *Buckets[K] {
	return &Buckets[K]{max: maxKeys, now: now, forgot: forgot, current: map[K]time.Time{},
		older: map[K]time.Time{}}
}

// Take implements Limiter; it has no errors.
func (b *Buckets[K]) Take(_ context.Context, key K, rate Rate) (Turn, error) {
	return b.TakeAt(b.now(), key, rate), nil
}

// TakeAt is Take for who knows what time it is.
func (b *Buckets[K]) TakeAt(now time.Time, key K, rate Rate) Turn {
	interval := rate.Interval()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turnLocked(now)
	full := b.fullLocked(key, now).Add(interval)
	reset := full.Sub(now)
	if wait := reset - time.Duration(rate.Burst)*interval; wait > 0 {
		return Turn{Wait: wait, Reset: reset - interval}
	}
	b.current[key] = full
	if full.After(b.newest) {
		b.newest = full
	}
	used := int((reset + interval - 1) / interval)
	return Turn{Left: max(0, rate.Burst-used), Reset: reset}
}

// Peek implements Limiter.
func (b *Buckets[K]) Peek(key K, rate Rate) time.Duration {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	reset := b.fullLocked(key, now).Add(rate.Interval()).Sub(now)
	return max(0, reset-time.Duration(rate.Burst)*rate.Interval())
}

// fullLocked is when a key's bucket is full.
func (b *Buckets[K]) fullLocked(key K, now time.Time) time.Time {
	full, ok := b.current[key]
	if !ok {
		full = b.older[key]
	}
	if full.Before(now) {
		return now
	}
	return full
}

// turnLocked starts a new generation when nothing is lost by it, or memory demands it.
func (b *Buckets[K]) turnLocked(now time.Time) {
	early := len(b.current) >= b.max
	if !early && (now.Before(b.full) || now.Before(b.turn) || len(b.current) == 0) {
		return
	}
	if early && now.Before(b.full) {
		b.forgot()
	}
	b.older, b.full, b.turn = b.current, b.newest, now.Add(generationLife)
	b.current = make(map[K]time.Time)
}
