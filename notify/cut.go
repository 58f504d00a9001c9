package notify

import (
	"context"
	"errors"
	"slices"
	"time"

	"goalcast"
)

// mostCut is how many batches' worth of users are cut in one step at most. Steps begin with one
// batch and double: the first phones do not wait for the last to be counted. With steps much larger
// a database may rather read all devices than look up those of each user.
const mostCut = 8

// cutting is a push whose audience is being cut.
type cutting struct {
	event string
	users int // of the next step
}

// audiencePart is one step's part of an audience.
type audiencePart struct {
	recipients []goalcast.Recipient // that got a push before
	late       []goalcast.Recipient // that never did: anybody can invent such devices, so they come last
	last       goalcast.UserID
	more       bool
	byTopic    bool           // the push goes to topics, too
	listening  map[int64]bool // devices that get it there
}

func (n *Notifier) audienceAfter(ctx context.Context, topics []goalcast.Topic, kind goalcast.PushKind,
	after goalcast.UserID, users int, byTopic bool) (p audiencePart, err error) {
	p.byTopic = byTopic
	p.recipients, p.last, p.more, err = n.store.Audience(ctx, topics, kind, after, users)
	if err != nil || len(p.recipients) == 0 {
		return p, err
	}
	devices := make([]int64, len(p.recipients))
	for i, r := range p.recipients {
		devices[i] = r.Device
	}
	late, err := n.store.NewDevices(ctx, devices)
	if err != nil {
		return p, err
	}
	if byTopic {
		if p.listening, err = n.listening(ctx, topics, p.recipients, devices); err != nil {
			return p, err
		}
	}
	p.recipients = slices.DeleteFunc(p.recipients, func(r goalcast.Recipient) bool {
		_, is := slices.BinarySearch(late, r.Device)
		if is {
			p.late = append(p.late, r)
		}
		return is
	})
	return p, nil
}

// cut puts a part of the audience into batches, behind those that the record counts, each of
// devices that get the push in the same way and through the same push service.
func (n *Notifier) cut(r *goalcast.PushRecord, p audiencePart, now time.Time) ([]goalcast.PushBatch, withheld) {
	var batches []goalcast.PushBatch
	ways, devices, kept := n.sorted(r, p)
	for reason, count := range kept {
		if r.Withheld == nil {
			r.Withheld = map[string]int{}
		}
		r.Withheld[reason] += count
	}
	// A correction may have taken the content's place, and its time.
	told := earliest(r.Shown, time.UnixMilli(onPhones(*r).Received))
	if r.ByTopic && r.Batches == 0 {
		batches = n.toListeners(r, now, told)
	}
	for _, w := range ways {
		var notBefore time.Time
		due := told
		if w.wait > 0 {
			notBefore = r.Shown.Add(w.wait)
			due = notBefore
		}
		for devices := range slices.Chunk(devices[w], n.cfg.BatchSize) {
			batches = append(batches, goalcast.PushBatch{ID: batchID(r.Event, r.Base, r.Batches), Event: r.Event,
				Revision: r.Base, Number: r.Batches,
				Devices: devices, Service: w.service, Late: w.late, Created: now, Expires: r.Expires.Add(w.delay),
				NotBefore: notBefore, Due: due, Silent: w.silent, NoScores: w.noScores})
			r.Batches++
		}
	}
	r.Cut, r.Open = p.last, p.more
	return batches, kept
}

// cutLater asks cutLoop to go on with a push. If that has too much to do, whoever looks for
// audiences that were left behind does it.
func (n *Notifier) cutLater(c cutting) {
	select {
	case n.cuts <- c:
	default:
	}
}

// cutLoop cuts the audiences that this process has begun, by turns, and those that a process which
// died has left behind.
func (n *Notifier) cutLoop(ctx context.Context) error {
	tick := time.NewTicker(n.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-n.cuts:
			if more, err := n.cutOn(ctx, c); err != nil {
				if ctx.Err() == nil {
					n.metrics.errors.WithLabelValues("cut").Inc()
					n.log.Error("cut audience", "push", c.event, "error", err) // it is found again, as left behind
				}
			} else if more {
				n.cutLater(cutting{c.event, min(2*c.users, mostCut*n.cfg.BatchSize)})
			}
		case <-tick.C:
			n.adopt(ctx)
		}
	}
}

// adopt looks for audiences that nobody is cutting any more.
func (n *Notifier) adopt(ctx context.Context) {
	events, err := n.store.OpenPushes(ctx, n.now().Add(-n.cfg.Patience), cap(n.cuts))
	if err != nil {
		if ctx.Err() == nil {
			n.metrics.errors.WithLabelValues("cut").Inc()
			n.log.Error("look for audiences left behind", "error", err)
		}
		return
	}
	for _, event := range events {
		n.log.Info("audience was left behind", "push", event)
		n.cutLater(cutting{event, 2 * n.cfg.BatchSize})
	}
}

// cutOn does one step; more says that there is another. The audience is read without a lock, and
// counts only if the record still stands where it did: the event may have been taken back
// meanwhile, or another process has done the same step.
func (n *Notifier) cutOn(ctx context.Context, c cutting) (more bool, err error) {
	seen, err := n.store.PushRecord(ctx, c.event)
	if err != nil || !seen.Open {
		return false, err
	}
	var part audiencePart
	if n.now().Before(seen.Expires) { // else it is only closed, also where the audience cannot be read
		if part, err = n.audienceAfter(ctx, seen.Topics, onPhones(seen).User, seen.Cut, c.users,
			seen.ByTopic); err != nil {
			return false, err
		}
	}
	if n.cfg.Fault != nil {
		n.cfg.Fault("cut")
	}
	var batches []goalcast.PushBatch
	var kept withheld
	err = n.store.ExtendPush(ctx, c.event, func(rec goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch,
		error) {
		batches, kept, more = nil, nil, rec.Open
		if !rec.Open || rec.Base != seen.Base || rec.Cut != seen.Cut || rec.ByTopic != seen.ByTopic {
			return rec, nil, errReplan
		}
		now := n.now()
		if !now.Before(rec.Expires) { // who has not got it by now will not
			rec.Open, more = false, false
			n.metrics.dropped.WithLabelValues("expired").Inc()
			return rec, nil, nil
		}
		batches, kept = n.cut(&rec, part, now)
		if more = rec.Open; !more {
			n.metrics.cut.Observe(now.Sub(rec.Shown).Seconds())
			n.log.Info("audience is cut", "push", rec.Event, "batches", rec.Batches)
		}
		return rec, batches, nil
	})
	if errors.Is(err, errReplan) || errors.Is(err, goalcast.ErrNotFound) {
		return more, nil
	}
	if err != nil {
		return false, err
	}
	n.withheld(kept)
	n.handOut(ctx, batches)
	return more, nil
}
