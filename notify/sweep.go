package notify

import (
	"context"
	"time"
)

// The rhythm of the sweep.
const (
	sweepPause = 100 * time.Millisecond // between two sweeps at least, however often batches finish
	pruneEvery = time.Hour
	countEvery = 10 * time.Second // what waits is counted
)

// sweepLoop looks for batches that can be claimed: put off and due, left behind by a crash, never
// taken by anybody, or held up until an older revision's batches had gone. It needs no queue, so
// that pushes go out while Redis is away.
func (n *Notifier) sweepLoop(ctx context.Context) error {
	tick := time.NewTicker(n.cfg.Poll)
	defer tick.Stop()
	var pruned, counted time.Time
	for {
		if n.now().Sub(counted) >= countEvery {
			counted = n.now()
			n.count(ctx)
		}
		if n.now().Sub(pruned) >= pruneEvery {
			pruned = n.now()
			n.prune(ctx)
		}
		n.sweepOnce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sweepPause):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-n.sweep:
		case <-tick.C:
		}
	}
}

func (n *Notifier) sweepOnce(ctx context.Context) {
	for _, late := range []bool{false, true} {
		read := n.store.DueBatches
		if late {
			read = n.store.DueLate
		}
		due, err := read(ctx, n.now(), n.cfg.Backlog+n.cfg.Workers, n.shut(late))
		if err != nil {
			if ctx.Err() == nil {
				n.metrics.errors.WithLabelValues("sweep").Inc()
				n.log.Error("look for due batches", "error", err)
			}
			return
		}
		for _, b := range due {
			n.offer(b, late) // if its workers have enough to do, it is still there next time
		}
	}
}

func (n *Notifier) prune(ctx context.Context) {
	count, err := n.store.PrunePushes(ctx, n.now().Add(-n.cfg.Keep))
	switch {
	case err != nil && ctx.Err() == nil:
		n.metrics.errors.WithLabelValues("prune").Inc()
		n.log.Error("prune pushes", "error", err)
	case count > 0:
		n.log.Info("pushes pruned", "records", count)
	}
}

func (n *Notifier) count(ctx context.Context) {
	b, err := n.store.PushBacklog(ctx)
	if err != nil && ctx.Err() == nil {
		n.metrics.errors.WithLabelValues("backlog").Inc()
		n.log.Error("count what waits", "error", err)
	}
	if err == nil {
		n.metrics.waits(b)
	}
}
