package bus

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"
)

// rateTimeout is how long Redis may take to answer a Rate before the process goes by its own share:
// what waits are goals.
const rateTimeout = 250 * time.Millisecond

// RateOptions are what a Rate lets through. Prefix may be empty.
type RateOptions struct {
	Prefix    string // of the key in Redis; "goalcast"
	Name      string // all Rates of one name share one limit
	PerMinute int    // of all processes together
	Burst     int    // what may go at once after a pause; at least 1
	Processes int    // how many share the limit: each takes its part of it while Redis is away; at least 1
}

// Rate is a limit that all processes on one Redis share. While Redis is away each process keeps to
// its own part of it.
type Rate struct {
	options RateOptions
	key     string
	limit   redis_rate.Limit
	shared  *redis_rate.Limiter
	own     *rate.Limiter
	alone   prometheus.Counter
	away    absence
}

// NewRate makes a Rate; it does not contact Redis.
func NewRate(r *Redis, o RateOptions, log *slog.Logger, reg prometheus.Registerer) *Rate {
	o.PerMinute, o.Burst, o.Processes = max(1, o.PerMinute), max(1, o.Burst), max(1, o.Processes)
	return &Rate{
		options: o, key: r.names(o.Prefix).rate(o.Name),
		away: absence{log: log.With("rate", o.Name), begun: "a shared rate is kept by shares while Redis is away",
			over: "a shared rate is shared again"},
		limit:  redis_rate.Limit{Rate: o.PerMinute, Period: time.Minute, Burst: o.Burst},
		shared: redis_rate.NewLimiter(r.client),
		own:    rate.NewLimiter(rate.Limit(float64(o.PerMinute)/60/float64(o.Processes)), o.Burst),
		alone: promauto.With(reg).NewCounter(prometheus.CounterOpts{Namespace: "goalcast", Subsystem: "store",
			Name: "rate_alone_total", ConstLabels: prometheus.Labels{"rate": o.Name},
			Help: "Messages let through by this process's own share of a rate, since Redis did not answer."}),
	}
}

// Wait blocks until n more may go. Its only error is that of ctx, or that its deadline will come
// first.
func (r *Rate) Wait(ctx context.Context, n int) error {
	for n > 0 {
		part := min(n, r.options.Burst)
		if err := r.wait(ctx, part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

// wait waits for at most a burst.
func (r *Rate) wait(ctx context.Context, n int) error {
	for {
		pause, err := r.ask(ctx, n)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if err := r.own.WaitN(ctx, n); err != nil {
				return err
			}
			r.alone.Add(float64(n))
			return nil
		case pause <= 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// ask takes n from the shared limit, or returns how long to wait before it is asked again. An error
// means that Redis is away.
func (r *Rate) ask(ctx context.Context, n int) (pause time.Duration, err error) {
	if r.away.now() {
		return 0, errRedisAway
	}
	ctx, cancel := context.WithTimeout(ctx, rateTimeout)
	defer cancel()
	answer, err := r.shared.AllowN(ctx, r.key, r.limit, n)
	r.away.note(err)
	if err != nil {
		return 0, fmt.Errorf("ask for %d of rate %s: %w", n, r.options.Name, err)
	}
	if answer.Allowed >= n {
		return 0, nil
	}
	return max(answer.RetryAfter, time.Millisecond), nil
}
