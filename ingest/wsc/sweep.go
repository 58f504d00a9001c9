package wsc

import (
	"context"
	"time"
)

// Run makes tasks for clips whose next step is overdue, until ctx ends: the queue forgot them, or a
// process died in the middle. Any number of processes may do so at once.
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
		if err = c.again(ctx, id, r); err != nil {
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		c.metrics.trouble.WithLabelValues("store").Inc()
		c.log.Warn("overdue clips not read", "error", err)
	}
}

// again makes the task of a step that is overdue once more. At first under the same name, so that
// there is no second one where the first only waits; later under another: a queue keeps the name
// of a task whose process died for minutes. A step that was not dead after all is made twice,
// which every step can be.
func (c *Clips) again(ctx context.Context, id string, r record) error {
	if c.now().Sub(fromMillis(r.Due)) < c.cfg.StepLimit {
		c.enqueue(ctx, id, r)
		return nil
	}
	step := r.Step
	_, err := c.change(ctx, id, func(r *record) error {
		if r.Step != step || r.Due == 0 {
			return errSame // somebody was at it
		}
		c.schedule(r, 0)
		return nil
	})
	return err
}
