package notify

import (
	"context"

	"golang.org/x/time/rate"
)

// localLimiter is a token bucket of this process. With several notifiers each needs its share of
// the project's rate in Config.RateLimit, or a Limiter that they share.
type localLimiter struct{ bucket *rate.Limiter }

func newLocalLimiter(perMinute, batch int) localLimiter {
	// A second's worth may go at once, and a whole batch always.
	return localLimiter{rate.NewLimiter(rate.Limit(float64(perMinute)/60), max(perMinute/60, batch))}
}

func (l localLimiter) Wait(ctx context.Context, n int) error {
	for n > 0 { // a batch can have grown beyond the burst since it was planned
		part := min(n, l.bucket.Burst())
		if err := l.bucket.WaitN(ctx, part); err != nil {
			return err
		}
		n -= part
	}
	return nil
}
