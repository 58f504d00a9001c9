package bus

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast/internal/ratelimit"
)

const (
	// limitTimeout is the default of LimiterOptions.Timeout.
	limitTimeout = 50 * time.Millisecond
	// limitFree is the part of a limit that no process asks Redis about: a fourth, of all together.
	limitFree = 4
	// limitBatch is into how many batches Redis' part of a limit is divided: that many turns are
	// fetched at once.
	limitBatch = 16
	// leaseLife is how long turns that were fetched are good.
	leaseLife = 10 * time.Second
	// leasePause is how long Redis is not asked again about a key that got fewer turns than were
	// asked for: so a flood costs Redis 20 calls a second for each key and process.
	leasePause = 50 * time.Millisecond
)

// LimiterOptions are those of a Limiter. Prefix may be empty.
type LimiterOptions struct {
	Prefix    string // of the keys in Redis; "goalcast"
	Instances int    // how many processes share the limits; at least 1
	Keys      int    // that each process remembers, in each of two generations
	// Timeout is how long Redis may take to say whether a request may go; then the process goes by
	// its own share. Default 50 ms.
	Timeout time.Duration
}

// Limiter is a ratelimit.Limiter whose limits all processes on one Redis share. Nobody gets more
// than the limit, whichever processes he asks.
//
// A fourth of a limit is divided among the processes, and each gives its part away without asking
// anybody: so a request of somebody who asks for little never waits for Redis. The rest is in
// Redis. Turns of it are fetched some at a time, and that there are none is remembered. While Redis
// is away, the rest is divided among the processes too.
type Limiter struct {
	options LimiterOptions
	names   names
	shared  *redis_rate.Limiter
	free    *ratelimit.Buckets[string] // what this process gives away by itself
	alone   *ratelimit.Buckets[string] // its part of the rest, while Redis is away
	turns   map[string]prometheus.Counter
	asked   prometheus.Counter
	away    absence

	mu     sync.Mutex // guards the rest
	leases map[string]*lease
}

// lease is what a process has fetched of one key's turns. Its lock is held while Redis is asked, so
// that who asks for the same meanwhile waits for that answer.
type lease struct {
	sync.Mutex
	turns   int
	left    int // in Redis
	until   time.Time
	blocked time.Time // no more turns are fetched before
}

// NewLimiter makes a Limiter; it does not contact Redis.
func NewLimiter(r *Redis, o LimiterOptions, log *slog.Logger, reg prometheus.Registerer) *Limiter {
	o.Instances, o.Keys = max(1, o.Instances), max(1, o.Keys)
	o.Timeout = cmp.Or(max(o.Timeout, 0), limitTimeout)
	f := promauto.With(reg)
	forgotten := f.NewCounter(prometheus.CounterOpts{Name: "goalcast_limits_forgotten_total",
		Help: "Times that a process had to forget keys of shared limits early, since there were too many."})
	turns := f.NewCounterVec(prometheus.CounterOpts{Name: "goalcast_limits_turns_total",
		Help: "Turns of shared limits by whose word gave or refused them: free (this process's own part), shared " +
			"(Redis), alone (this process's part of the rest, while Redis is away)."}, []string{"by", "result"})
	l := &Limiter{options: o, names: r.names(o.Prefix), shared: redis_rate.NewLimiter(r.client),
		away: absence{log: log.With("instances", o.Instances), begun: "limits are kept by shares while Redis is away",
			over: "limits are shared again"},
		free:  ratelimit.NewBuckets[string](o.Keys, time.Now, forgotten.Inc),
		alone: ratelimit.NewBuckets[string](o.Keys, time.Now, forgotten.Inc),
		turns: map[string]prometheus.Counter{}, leases: map[string]*lease{},
		asked: f.NewCounter(prometheus.CounterOpts{Name: "goalcast_limits_asked_total",
			Help: "Times that Redis was asked for turns of a shared limit, which fetches some at once."})}
	for _, by := range []string{"free", "shared", "alone"} {
		for _, result := range []string{"given", "refused"} {
			l.turns[by+result] = turns.WithLabelValues(by, result)
		}
	}
	return l
}

// parts divides a limit: what each process gives away by itself, and what is shared.
func (l *Limiter) parts(rate ratelimit.Rate) (free, shared ratelimit.Rate) {
	free = rate.Part(limitFree * l.options.Instances)
	return free, rate.Less(l.options.Instances, free)
}

// Take implements ratelimit.Limiter. Its only error is that of ctx.
func (l *Limiter) Take(ctx context.Context, key string, rate ratelimit.Rate) (ratelimit.Turn, error) {
	free, shared := l.parts(rate)
	if turn, err := l.free.Take(ctx, key, free); err != nil || turn.Wait == 0 {
		return l.count("free", turn), err
	}
	lease := l.lease(key)
	lease.Lock()
	defer lease.Unlock()
	if err := l.fill(ctx, key, shared, lease); err != nil {
		if ctx.Err() != nil {
			return ratelimit.Turn{}, ctx.Err()
		}
		turn, err := l.alone.Take(ctx, key, shared.Part(l.options.Instances))
		return l.count("alone", turn), err
	}
	if lease.turns == 0 {
		return l.count("shared", ratelimit.Turn{Wait: max(time.Until(lease.blocked), time.Millisecond),
			Reset: time.Duration(shared.Burst) * shared.Interval()}), nil
	}
	lease.turns--
	left := lease.turns + lease.left
	return l.count("shared", ratelimit.Turn{Left: left,
		Reset: time.Duration(max(1, shared.Burst-left)) * shared.Interval()}), nil
}

// Peek implements ratelimit.Limiter.
func (l *Limiter) Peek(key string, rate ratelimit.Rate) time.Duration {
	free, shared := l.parts(rate)
	wait := l.free.Peek(key, free)
	if wait == 0 {
		return 0
	}
	l.mu.Lock()
	known := l.leases[key]
	l.mu.Unlock()
	if l.away.now() {
		return min(wait, l.alone.Peek(key, shared.Part(l.options.Instances)))
	}
	if known == nil {
		return 0
	}
	known.Lock()
	defer known.Unlock()
	if known.turns > 0 && time.Now().Before(known.until) {
		return 0
	}
	return min(wait, max(0, time.Until(known.blocked)))
}

func (l *Limiter) count(by string, turn ratelimit.Turn) ratelimit.Turn {
	result := "given"
	if turn.Wait > 0 {
		result = "refused"
	}
	l.turns[by+result].Inc()
	return turn
}

// lease is what is known of a key. When there are too many, all are forgotten, and with them turns
// that were fetched: then somebody gets fewer than the limit.
func (l *Limiter) lease(key string) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.leases[key]
	if known == nil {
		if len(l.leases) >= l.options.Keys {
			clear(l.leases)
		}
		known = &lease{}
		l.leases[key] = known
	}
	return known
}

// fill fetches turns if there are none and it is not known that Redis has none. An error means that
// Redis is away.
func (l *Limiter) fill(ctx context.Context, key string, rate ratelimit.Rate, have *lease) error {
	now := time.Now()
	if now.After(have.until) {
		have.turns = 0
	}
	if have.turns > 0 || now.Before(have.blocked) {
		return nil
	}
	if l.away.now() {
		return errRedisAway
	}
	asking, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	batch := max(1, rate.Burst/limitBatch)
	l.asked.Inc()
	answer, err := l.shared.AllowAtMost(asking, l.names.limit(key), redis_rate.Limit{Rate: rate.PerMinute,
		Period: time.Minute, Burst: rate.Burst}, batch)
	if err != nil && ctx.Err() != nil {
		return err // who asked has gone, which says nothing of Redis
	}
	l.away.note(err)
	if err != nil {
		return err
	}
	have.turns, have.left, have.until = answer.Allowed, answer.Remaining, time.Now().Add(leaseLife)
	if answer.Allowed < batch {
		have.blocked = time.Now().Add(max(answer.RetryAfter, leasePause))
	}
	return nil
}
