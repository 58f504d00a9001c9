package wsc

import (
	"context"
	"time"
)

// Run makes tasks for clips whose next step is overdue, until ctx ends: the queue forgot them, or a process died in the middle. Any number of processes may do so at once.
func (c *Clips) Run(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.SweepEvery)
	defer tick.Stop()
	for {
		c.sweep(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *Clips) sweep(ctx context.Context) {
	ids, err := c.store.DueClips(ctx, c.now().Add(-c.cfg.SweepAge), c.cfg.SweepLimit)
	for _, id := range ids {
		var r record
		if r, err = c.load(ctx, id); err != nil {
			break
		}
		c.metrics.overdue.Inc()
		c.enqueue(ctx, id, r)
	}
	if err != nil && ctx.Err() == nil {
		c.metrics.trouble.WithLabelValues("store").Inc()
		c.log.Warn("overdue clips not read", "error", err)
	}
}
