package notify

import (
	"context"
	"time"

	"goalcast"
)

// A phone whose app shows a goal as it happens needs no push of it. Its app says so to the hub, and
// is believed for the phones of its own user, for exactly the revision that it has shown, and only
// where the phone has had no push of the event before: that one would go on saying what is not so.
// Such a phone counts as told. If the goal is taken back, it hears of that like all others, since
// its owner may look away by then.

// maxSeenWait is the longest that pushes may be made to wait for phones to say what they have
// shown.
const maxSeenWait = 5 * time.Second

// maybeSeen says whether a batch may have been seen by some of its devices.
func (n *Notifier) maybeSeen(c goalcast.PushClaim, content Content) bool {
	return n.cfg.Seen != nil && content.Seen != "" && c.Batch.Source == ""
}

// awaitSeen waits until phones had the time to say that they have shown an event. It was heard of
// when its first batches were due: only these wait, and what their workers would do meanwhile.
func (n *Notifier) awaitSeen(ctx context.Context, c goalcast.PushClaim, content Content, now time.Time) error {
	if !n.maybeSeen(c, content) || c.Batch.Waits() {
		return nil
	}
	pause := min(c.Batch.Due.Add(n.cfg.SeenWait).Sub(now), n.cfg.SeenWait)
	if pause <= 0 {
		return nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seen says which devices have shown live what a batch says, by their places; nil for none. If that
// is not known, all are sent to.
func (n *Notifier) seen(ctx context.Context, c goalcast.PushClaim, content Content, devices []goalcast.Device) []bool {
	if !n.maybeSeen(c, content) {
		return nil
	}
	phones := make([]goalcast.Phone, len(devices))
	for i, d := range devices {
		phones[i] = d.Phone()
	}
	seen, err := n.cfg.Seen.Seen(ctx, content.Seen, phones)
	if err != nil || len(seen) != len(devices) {
		n.metrics.errors.WithLabelValues("seen").Inc()
		return nil
	}
	return seen
}
