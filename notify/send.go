package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/eventlog"
)

// writeLimit is how long the outcome of a batch may take to be written down, also while
// the process is ending.
const writeLimit = 5 * time.Second

// offer gives a batch to this process's workers of its push service; false if they have too much
// already. A batch that is at hand counts as taken.
func (n *Notifier) offer(b goalcast.DueBatch, late bool) bool {
	if !n.take(b.ID) {
		return true
	}
	l := n.lane(b.Service)
	to := l.ready
	if late {
		to = l.late
	}
	select {
	case to <- b.ID:
		return true
	default:
		n.release(b.ID)
		return false
	}
}

func (n *Notifier) take(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.atHand[id] {
		return false
	}
	n.atHand[id] = true
	return true
}

func (n *Notifier) release(id string) {
	n.mu.Lock()
	delete(n.atHand, id)
	n.mu.Unlock()
}

func (n *Notifier) workLoop(ctx context.Context, l *lane) error {
	for {
		var id string
		select {
		case id = <-l.ready:
		default:
			select {
			case <-ctx.Done():
				return nil
			case id = <-l.ready:
			case id = <-l.late:
			}
		}
		if err := n.batch(ctx, id, l.of); err != nil && ctx.Err() == nil {
			n.metrics.errors.WithLabelValues("batch").Inc()
			n.log.Error("send batch", "batch", id, "error", err) // the sweep comes back to it
		}
		n.release(id)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// Batch handles a task of the queue: it gives the batch to this process's workers. If they have too
// much to do it is left to the sweep, here or elsewhere, so that no worker of the queue waits for a
// push service.
func (n *Notifier) Batch(_ context.Context, payload []byte) error {
	id, service, _ := strings.Cut(string(payload), taskSeparator)
	n.offer(goalcast.DueBatch{ID: id, Service: service}, false)
	return nil
}

// batch sends a batch if it can be claimed and may still be sent. It is of a push service, or nil
// for any. While that takes nothing from us it is left where it is.
func (n *Notifier) batch(ctx context.Context, id string, of *service) error {
	if !n.services.may(of, n.now()) {
		return nil
	}
	c, ok, err := n.store.ClaimBatch(ctx, id, n.now(), n.cfg.Lease)
	if err != nil || !ok {
		return err
	}
	defer signal(n.sweep) // newer batches of the event may have waited for this one
	if reason := refusal(c, n.now()); reason != "" {
		return n.drop(ctx, c, reason)
	}
	var content Content
	if err := json.Unmarshal(c.Record.Content, &content); err != nil {
		return n.finish(ctx, c, goalcast.PushResult{State: goalcast.BatchFailed, Reason: "content: " + err.Error()})
	}
	overtaken, err := n.overtaken(ctx, c, content)
	if err != nil {
		return err // the claim ends with its lease
	}
	if overtaken {
		return n.drop(ctx, c, "cancelled")
	}
	devices, err := n.audience(ctx, c)
	if err != nil {
		return err
	}
	began := time.Now()
	result, err := n.send(ctx, c, content, devices)
	n.noteSent(c, content, len(devices), began, result, err)
	if err != nil {
		return err
	}
	n.log.Debug("push sent", eventlog.Match, c.Record.Match, eventlog.Event, content.Data["event"], eventlog.Revision,
		c.Batch.Revision, "push", c.Record.Event, "batch", c.Batch.ID, "devices", len(devices), "state", result.State)
	return n.finish(ctx, c, result)
}

// drop ends a claimed batch without sending it.
func (n *Notifier) drop(ctx context.Context, c goalcast.PushClaim, reason string) error {
	n.metrics.dropped.WithLabelValues(reason).Inc()
	n.undone(c, reason)
	return n.finish(ctx, c, goalcast.PushResult{State: goalcast.BatchDropped, Reason: reason})
}

// refusal says why a claimed batch must not be sent; "" if it may.
func refusal(c goalcast.PushClaim, now time.Time) string {
	rec, b := c.Record, c.Batch
	current := rec.State == goalcast.RecordShown && b.Revision == rec.Base
	if b.Source != "" {
		current = b.Revision == rec.Told && (rec.State == goalcast.RecordShown || rec.State == goalcast.RecordWithdrawn)
	}
	switch {
	case !current && (rec.State == goalcast.RecordWithdrawn || rec.State == goalcast.RecordNone):
		return "cancelled"
	case !current:
		return "superseded"
	case !now.Before(b.Expires):
		return "expired"
	case c.Void && rec.State == goalcast.RecordShown:
		return "cancelled"
	case b.Source != "" && c.Sent >= rec.Told:
		return "current" // the source has gone so late that it said this already
	}
	return ""
}

// audience reads the devices that get the batch, as they are now.
func (n *Notifier) audience(ctx context.Context, c goalcast.PushClaim) ([]goalcast.Device, error) {
	ids := c.Devices
	if ids == nil {
		ids = c.Reached
	}
	devices, err := n.store.DevicesByID(ctx, ids)
	if err == nil && slices.Contains(ids, goalcast.PushListeners) {
		devices = append([]goalcast.Device{n.listeners(c.Batch)}, devices...)
	}
	return devices, err
}

// send sends to the devices whose service takes pushes and says what became of it. An error leaves
// the claim as it is.
func (n *Notifier) send(ctx context.Context, c goalcast.PushClaim, content Content, devices []goalcast.Device) (
	goalcast.PushResult, error) {
	done := goalcast.PushResult{State: goalcast.BatchSent, Revision: c.Record.Told}
	if len(devices) == 0 {
		return done, nil
	}
	// How long something takes goes by the process's clock: the database's can
	// be set back meanwhile.
	began, started := time.Now(), n.now()
	late := func(request time.Time) time.Duration { // by the store's clock, as what batches are due by
		return started.Add(request.Sub(began)).Sub(c.Batch.Due)
	}
	if err := n.awaitSeen(ctx, c, content, started); err != nil {
		return done, err // the claim ends with its lease
	}
	parcels, results, leave := n.parcels(devices, n.seen(ctx, c, content, devices))
	defer leave()
	if len(parcels) == 0 {
		return n.outcome(ctx, c, devices, results, nil, late), nil
	}
	if err := n.wait(ctx, parcels, began); err != nil {
		if ctx.Err() == nil {
			n.metrics.errors.WithLabelValues("rate").Inc()
			n.log.Warn("wait for the rate limit", "batch", c.Batch.ID, "error", err)
		}
		return goalcast.PushResult{State: goalcast.BatchPlanned, Remaining: c.Devices,
			NotBefore: started.Add(n.cfg.RetryFault)}, nil
	}
	n.metrics.waiting.Add(time.Since(began).Seconds())
	// The last look before the first request: the wait may have been long.
	current, err := n.store.BatchCurrent(ctx, c)
	if err != nil {
		return done, err
	}
	began, started = time.Now(), n.now()
	if !current || !started.Before(c.Batch.Expires) {
		// the next claim says why not
		return goalcast.PushResult{State: goalcast.BatchPlanned, Remaining: c.Devices}, nil
	}
	if c.Batch.Number == 0 && c.Batch.Source == "" && c.Attempt == 1 && !c.Batch.Waits() && content.Received > 0 {
		n.metrics.first.Observe(max(0, started.Sub(time.UnixMilli(content.Received)).Seconds()))
	}
	sending, cancel := n.sending(ctx, min(n.cfg.SendLimit, c.Batch.Expires.Sub(started)))
	defer cancel()
	if err := n.deliver(sending, parcels, compose(c, content, devices), results); err != nil {
		return done, err
	}
	n.metrics.batch.Observe(time.Since(began).Seconds())
	return n.outcome(ctx, c, devices, results, n.standings(parcels, devices, results), late), nil
}

// wait waits for the rate limits, no longer than leaves time to send before the lease ends that
// began then.
func (n *Notifier) wait(ctx context.Context, parcels []*parcel, began time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, began.Add(n.cfg.Lease-n.cfg.SendLimit))
	defer cancel()
	for _, p := range parcels {
		if p.to.limiter == nil {
			continue
		}
		if err := p.to.limiter.Wait(ctx, len(p.places)); err != nil {
			return err
		}
	}
	return nil
}

// sending is the time a batch has: at most the limit, and when ctx ends, a little longer, since a
// request that was made and not heard of makes a push that may have arrived or not.
func (n *Notifier) sending(ctx context.Context, limit time.Duration) (context.Context, func()) {
	out, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(n.cfg.Drain):
			cancel()
		case <-out.Done():
		}
	})
	return out, func() {
		stop()
		cancel()
	}
}

// outcome sorts the answers: dead tokens are deleted, what may be tried again is put
// off, the rest is counted. late says how late a request was that was made at a time.
func (n *Notifier) outcome(ctx context.Context, c goalcast.PushClaim, devices []goalcast.Device,
	results []Result, standings map[*service]standing, late func(time.Time) time.Duration) goalcast.PushResult {
	tally := tally{}
	out := goalcast.PushResult{State: goalcast.BatchSent, Revision: c.Record.Told, Tally: goalcast.PushTally(tally)}
	var wait time.Duration
	var fresh []int64  // delivered for the first time
	var again []Result // of Remaining
	later := func(d goalcast.Device, r Result, pause time.Duration) {
		out.Remaining = append(out.Remaining, d.ID)
		again = append(again, r)
		wait = max(wait, pause)
	}
	for i, r := range results {
		d := devices[i]
		r.Service = cmp.Or(r.Service, d.Platform)
		// who has seen it is told like the others what becomes of it
		if r.Outcome == Delivered || r.Outcome == Shown || r.Unsure {
			out.Reached = append(out.Reached, d.ID)
		}
		switch r.Outcome {
		case Delivered:
			n.metrics.sent.Inc()
			if r.Shortened {
				n.metrics.shortened.Inc()
			}
			tally.sent(r, c.Batch.Due, late)
			if !d.Proven {
				fresh = append(fresh, d.ID)
			}
			continue
		case Shown:
			n.metrics.seen.Inc()
			tally.seen(r)
			continue
		case Later:
			later(d, r, n.pause(r, c.Attempt))
			continue
		}
		v := standings[n.services.of(d)]
		if v.stop > 0 && r.blamesUs() {
			later(d, r, v.stop)
			continue
		}
		n.metrics.failed.WithLabelValues(r.Reason).Inc()
		if d.ID != goalcast.PushListeners && v.gone(d, r) {
			tally.failed(r, r.Reason, n.deleteDevice(ctx, d))
			continue
		}
		tally.failed(r, r.Reason, false)
		if r.Reason == reasonNoService { // a setting: said once, at the start
			continue
		}
		n.log.Error("push refused", "device", d.ID, "platform", d.Platform, "outcome", string(r.Outcome), "reason",
			r.Reason, "error", r.Err)
	}
	if err := n.store.ConfirmDevices(ctx, fresh); err != nil {
		n.metrics.errors.WithLabelValues("confirm").Inc() // the next push does
		n.log.Warn("note that devices got a push", "devices", len(fresh), "error", err)
	}
	if len(out.Remaining) == 0 {
		return out
	}
	out.NotBefore = n.now().Add(wait)
	if !out.NotBefore.Before(c.Batch.Expires) {
		n.metrics.failed.WithLabelValues("expired").Add(float64(len(out.Remaining)))
		for _, r := range again {
			tally.failed(r, "expired", false)
		}
		out.Remaining, out.Reason = nil, "expired"
		return out
	}
	for _, r := range again {
		n.metrics.retried.WithLabelValues(r.Reason).Inc()
		tally.retried(r)
	}
	out.State = goalcast.BatchPlanned
	return out
}

// deleteDevice reports whether it is deleted.
func (n *Notifier) deleteDevice(ctx context.Context, d goalcast.Device) bool {
	if err := n.store.DeleteToken(ctx, d.Token); err != nil {
		n.metrics.errors.WithLabelValues("delete_token").Inc() // it fails again next time
		n.log.Warn("delete dead token", "device", d.ID, "error", err)
		return false
	}
	n.metrics.removed.Inc()
	return true
}

// pause is how long to wait before a message is tried again: what the service asks for, else longer
// each time. All but what the service asked for is spread by a quarter, so that batches that failed
// together do not come back together.
func (n *Notifier) pause(r Result, attempt int) time.Duration {
	if r.After > 0 {
		return r.After
	}
	first := n.cfg.RetryFault
	if r.Reason == ReasonQuota {
		first = n.cfg.RetryQuota
	}
	d := first
	for i := 1; i < attempt && d < n.cfg.RetryMost; i++ {
		d *= 2
	}
	d = max(first, min(d, n.cfg.RetryMost))
	return d + rand.N(d/4+1)
}

// finish writes down what became of the batch, and asks the queue to come back to
// it if it was put off.
func (n *Notifier) finish(ctx context.Context, c goalcast.PushClaim, result goalcast.PushResult) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	kept, err := n.store.FinishBatch(ctx, c, result)
	if err != nil {
		return fmt.Errorf("write outcome of batch: %w", err)
	}
	if !kept {
		n.metrics.errors.WithLabelValues("claim_lost").Inc()
		n.log.Warn("claim of batch was lost while it was sent", "batch", c.Batch.ID, "attempt", c.Attempt)
		return nil
	}
	if result.State == goalcast.BatchPlanned && !result.NotBefore.IsZero() {
		n.enqueue(ctx, c.Batch, c.Attempt, result.NotBefore.Sub(n.now()))
	}
	return nil
}

// shownAfter is from when phones could have shown what a batch says: when the provider made the
// document that told of it, or, if their users want it later, then. Zero: not known.
func shownAfter(b goalcast.PushBatch, content Content) time.Time {
	if b.Due.UnixMilli() > content.Received {
		return b.Due
	}
	ms, err := strconv.ParseInt(content.Data["time"], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// compose writes one message per device, in its language.
func compose(c goalcast.PushClaim, content Content, devices []goalcast.Device) []Message {
	silent := c.Batch.Silent || content.Silent || c.Batch.Source != "" && c.Record.State == goalcast.RecordShown
	texts, image := content.Texts, content.Image
	data := make(map[string]string, len(content.Data)+1)
	for k, v := range content.Data {
		data[k] = v
	}
	data["silent"] = fmt.Sprint(silent)
	if c.Batch.NoScores {
		texts, image = content.NoScores, ""
		delete(data, "score")
	}
	push, told := fmt.Sprintf("%s/%d", c.Batch.ID, c.Record.Told), shownAfter(c.Batch, content)
	messages := make([]Message, len(devices))
	for i, d := range devices {
		language := d.Language
		if _, ok := texts[language]; !ok {
			language = fallback
		}
		messages[i] = Message{
			Token: d.Token, Platform: d.Platform, Push: push, Text: texts[language], Language: language,
			Topics: channels(d, language, c.Record.Topics), Tag: content.Tag, Collapse: content.Collapse,
			Thread: content.Thread, Channel: content.Channel, Image: image,
			High: content.High && !silent, Silent: silent,
			Expires: c.Batch.Expires, Told: told, Data: data,
		}
	}
	return messages
}
