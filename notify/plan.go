package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"goalcast"
	"goalcast/internal/eventlog"
)

// Why a revision is not planned.
var (
	// between the look at it and its lock: to be done again at once
	errReplan = errors.New("record changed while planning")
	// a feed was faster than the fixture, or has no names at all
	errNoNames = errors.New("the teams of its match, or its competition, have none")
)

func (n *Notifier) planLoop(ctx context.Context) error {
	tick := time.NewTicker(n.cfg.Poll)
	defer tick.Stop()
	for {
		full, err := n.planAll(ctx)
		if err != nil && ctx.Err() == nil {
			n.metrics.errors.WithLabelValues("plan").Inc()
			n.log.Error("plan pushes", "error", err)
		}
		if full && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		case <-tick.C:
		}
	}
}

// planAll plans what the outbox holds; full says that there may be more. An event that cannot be
// planned does not hold up the others: it is put off, and its time to live decides what becomes of
// it. An error means that the outbox could not be read or written.
func (n *Notifier) planAll(ctx context.Context) (full bool, err error) {
	events, err := n.store.UnplannedEvents(ctx, n.cfg.PlanLimit)
	if err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	var silent, later []string
	for _, e := range events {
		if e.Match == goalcast.CanaryMatch {
			n.canaryGoal(e)
			silent = append(silent, e.KeyOfAll())
			continue
		}
		began := time.Now()
		asks, err := n.mayPush(ctx, e)
		if err == nil && !asks {
			silent = append(silent, e.KeyOfAll())
			continue
		}
		if err == nil {
			err = n.plan(ctx, e)
		}
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, errNoNames):
			n.metrics.errors.WithLabelValues("no_names").Inc()
		case err != nil:
			n.metrics.errors.WithLabelValues("plan").Inc()
			eventlog.Step(ctx, n.log, slog.LevelError, "plan push", &e, "error", err)
		}
		if err != nil {
			n.noteUnplanned(&e, began, err)
			later = append(later, e.KeyOfAll())
		}
	}
	if len(silent) > 0 {
		err = n.store.MarkPlanned(ctx, silent)
	}
	if len(later) > 0 {
		err = errors.Join(err, n.store.PostponePlans(ctx, later))
	}
	return len(events) == n.cfg.PlanLimit, err
}

// mayPush says whether a revision may lead to a push: it is of a kind that is pushed, or takes the
// place of one that was.
func (n *Notifier) mayPush(ctx context.Context, e goalcast.Event) (bool, error) {
	if pushable(e) || e.Revision == 1 {
		return pushable(e), nil
	}
	rec, err := n.store.PushRecordOf(ctx, e)
	return rec.Revision > 0, err
}

// plan decides on one revision and writes the decision down. What it leads to is decided
// twice: without a lock, to know whether the audience is needed; and under the record's
// lock, where it counts.
func (n *Notifier) plan(ctx context.Context, e goalcast.Event) error {
	match, err := n.matchOf(ctx, e)
	if err != nil {
		return err
	}
	switch private := n.private(e, match); {
	// it may yet be a public one
	case private && match.Competition.ID == 0 && e.Topics[0].Kind != goalcast.CompetitionTopic:
		return errNoNames
	case private:
		n.metrics.dropped.WithLabelValues("private").Inc()
		return n.store.MarkPlanned(ctx, []string{e.KeyOfAll()})
	}
	for {
		err := n.planOnce(ctx, e, match)
		if !errors.Is(err, errReplan) {
			return err
		}
	}
}

// matchOf is the match that an event is about; a message is, if its topic is one's.
func (n *Notifier) matchOf(ctx context.Context, e goalcast.Event) (goalcast.Snapshot, error) {
	if e.Kind != goalcast.KindMessage {
		return n.store.Match(ctx, e.Match)
	}
	if e.Topics[0].Kind != goalcast.MatchTopic {
		return goalcast.Snapshot{}, nil
	}
	match, err := n.store.Match(ctx, goalcast.MatchID(e.Topics[0].ID))
	if errors.Is(err, goalcast.ErrNotFound) {
		err = nil // an editor may be ahead of the feed
	}
	return match, err
}

// private says whether only some may know of an event: pushes ask nobody what he may see.
func (n *Notifier) private(e goalcast.Event, match goalcast.Snapshot) bool {
	if e.Kind == goalcast.KindMessage {
		if need, ok := n.cfg.Private.Topic(e.Topics[0]); ok {
			return need != 0
		}
	}
	return n.cfg.Private.Match(&match) != 0
}

func (n *Notifier) planOnce(ctx context.Context, e goalcast.Event, match goalcast.Snapshot) error {
	began := time.Now()
	rec, err := n.store.PushRecordOf(ctx, e)
	if err != nil {
		return err
	}
	first, err := n.decide(rec, e, match, n.now())
	if err != nil {
		return err
	}
	if first.kind != "" && first.kind != kindMessage && (match.Home.Name == "" || match.Away.Name == "") {
		return errNoNames
	}
	var part audiencePart
	var services []string // of the batches that are corrected
	switch {
	case first.fresh:
		kind := switchOf(first.kind, e.Period)
		byTopic, err := n.byTopic(ctx, e.Topics, kind)
		if err != nil {
			return err
		}
		if part, err = n.audienceAfter(ctx, e.Topics, kind, "", n.cfg.BatchSize, byTopic); err != nil {
			return err
		}
	case first.kind != "":
		if services, err = n.store.BatchServices(ctx, rec.Event, rec.Base); err != nil {
			return err
		}
	}
	var v verdict
	var batches []goalcast.PushBatch
	var kept withheld
	planned, err := n.store.PlanPush(ctx, e, func(rec goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch,
		error) {
		now := n.now()
		if v, err = n.decide(rec, e, match, now); err != nil {
			return rec, nil, err
		}
		if v.fresh && !first.fresh {
			return rec, nil, errReplan
		}
		batches, kept = n.batchesOf(&v, e, part, services, now)
		return v.record, batches, nil
	})
	if err != nil || !planned {
		return err
	}
	n.withheld(kept)
	n.notePlan(&e, v, len(batches), began)
	n.planned(ctx, e, v, batches)
	return nil
}

// batchesOf makes the batches of a push: of the first of all followers' devices, or one batch for
// each batch of the base, whose services these are. What remains to be cut is noted in the record.
func (n *Notifier) batchesOf(v *verdict, e goalcast.Event, part audiencePart, services []string, now time.Time) (
	[]goalcast.PushBatch, withheld) {
	if v.kind == "" {
		return nil, nil
	}
	if v.fresh {
		v.record.Batches, v.record.Expires, v.record.Withheld, v.record.ByTopic = 0, v.expires, nil, part.byTopic
		return n.cut(&v.record, part, now)
	}
	batches := make([]goalcast.PushBatch, v.record.Batches)
	for i := range batches {
		batches[i] = goalcast.PushBatch{ID: batchID(v.record.Event, e.Revision, i), Event: v.record.Event,
			Revision: e.Revision, Number: i,
			Source: batchID(v.record.Event, v.record.Base, i), Created: now, Expires: v.expires, Due: told(e, now)}
		if i < len(services) {
			batches[i].Service = services[i]
		}
	}
	return batches, nil
}

func batchID(event string, revision, number int) string {
	return fmt.Sprintf("%s#%d/%d", event, revision, number)
}

// planned counts what was written, hands out the batches and sees to it that the rest
// of the audience is cut.
func (n *Notifier) planned(ctx context.Context, e goalcast.Event, v verdict, batches []goalcast.PushBatch) {
	if v.reason != "" {
		n.metrics.dropped.WithLabelValues(v.reason).Inc()
	}
	if v.kind == "" {
		return
	}
	n.metrics.planned.WithLabelValues(v.kind).Inc()
	eventlog.Step(ctx, n.log, slog.LevelInfo, "push planned", &e, "push", v.record.Event, "kind", v.kind, "batches",
		len(batches))
	signal(n.sweep) // older batches of the event may have waited for this
	n.handOut(ctx, batches)
	if v.fresh && v.record.Open {
		n.cutLater(cutting{v.record.Event, 2 * n.cfg.BatchSize})
	}
}

// handOut gives batches to this process's workers, and to the queue what they cannot take; of those
// that come last, the sweep finds what is left, and those that wait.
func (n *Notifier) handOut(ctx context.Context, batches []goalcast.PushBatch) {
	n.metrics.batches.Add(float64(len(batches)))
	for _, b := range batches {
		if b.Waits() {
			continue // the sweep finds it when it is due
		}
		if taken := n.offer(goalcast.DueBatch{ID: b.ID, Service: b.Service}, b.Late); !taken && !b.Late {
			n.enqueue(ctx, b, 0, 0)
		}
	}
}

// taskSeparator stands between a batch's id and its service in the payload of a task.
const taskSeparator = "\n"

// enqueue hands a batch to the queue. Without the queue the sweep finds it.
func (n *Notifier) enqueue(ctx context.Context, b goalcast.PushBatch, attempt int, delay time.Duration) {
	// The attempt is part of the id: while the task that put the batch off has not ended, the queue
	// would refuse its own id again.
	task := goalcast.Task{
		Kind: TaskBatch, ID: fmt.Sprintf("%s:%s.%d", TaskBatch, b.ID, attempt),
		Payload: []byte(b.ID + taskSeparator + b.Service), Delay: delay, Urgent: true, Retries: 3,
	}
	if err := n.queue.Enqueue(ctx, task); err != nil {
		n.metrics.errors.WithLabelValues("enqueue").Inc()
		n.log.Warn("enqueue batch", "batch", b.ID, "error", err)
		return
	}
	n.metrics.enqueued.Inc()
}
