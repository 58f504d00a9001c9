package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.opentelemetry.io/otel/attribute"

	"goalcast"
	"goalcast/internal/eventlog"
	"goalcast/internal/tracing"
)

// How the relay sweeps.
const (
	// sweepEvery is how often it looks for rows that were left behind, and sweepAge how old they
	// are then: younger ones are still being published by the process that committed them.
	sweepEvery = time.Second
	sweepAge   = 2 * time.Second
	// sweepRows is how many rows it reads at a time.
	sweepRows = 500
	// markLimit is how long it may take to note that events were published, though the caller has
	// gone.
	markLimit = 5 * time.Second
	// markPause is how long it waits for the next commit of messages to note that others were
	// published, before it has a commit of its own; the sweep must not find them.
	markPause = sweepAge / 10
)

// eventsPerCall is how many events the relay publishes and marks at a time.
const eventsPerCall = 100

// The pauses between attempts while the bus or the database is away.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
)

// publisher is what the relay needs of the bus, which store/bus provides.
type publisher interface {
	// Publish puts events on the bus, in order, and returns how many it did not have, and those
	// that it does not take before their predecessors.
	Publish(context.Context, []goalcast.Event) (fresh int, held []goalcast.Event, err error)
	// PublishAll takes every event.
	PublishAll(context.Context, []goalcast.Event) error
}

// Relay brings committed events from the outbox to the bus: at once, when ingest hands them over
// after its commit, and by a sweep for those that a crash or an absent Redis left behind. Any
// number of processes run one.
type Relay struct {
	store *Store
	bus   publisher
	log   *slog.Logger
	wake  chan struct{} // holds a token when Publish did not succeed
	trace *tracing.Tracer

	posts gather[*saving] // messages
	mu    sync.Mutex
	marks []goalcast.Event // published messages that the outbox does not know to be
	soon  bool             // markNow will be called

	swept prometheus.Counter
	age   prometheus.Gauge
}

// NewRelay makes a relay; it starts nothing.
func NewRelay(s *Store, b publisher, log *slog.Logger, reg prometheus.Registerer) *Relay {
	f := promauto.With(reg)
	r := &Relay{store: s, bus: b, log: log, wake: make(chan struct{}, 1),
		swept: f.NewCounter(prometheus.CounterOpts{Namespace: "goalcast", Subsystem: "store", Name: "relay_swept_total",
			Help: "Events that the sweep found unpublished and published."}),
		age: f.NewGauge(prometheus.GaugeOpts{Namespace: "goalcast", Subsystem: "store", Name: "outbox_age_seconds",
			Help: "Age of the oldest event that is committed and not published; 0 if there is none."}),
	}
	r.posts = gather[*saving]{call: r.commitPosts, then: r.publishSaved, size: (*saving).size, most: messagesPerCommit}
	return r
}

// Trace has it noted when events were published. Called before all else.
func (r *Relay) Trace(t *tracing.Tracer) { r.trace = t }

// Publish puts events on the bus right after their commit, those of a match in the order of Seq. It
// sets Times.Published of what goes out, not of the caller's events. An error loses nothing: the
// rows stay unpublished, and this process sweeps at once.
func (r *Relay) Publish(ctx context.Context, events []goalcast.Event) error {
	began := time.Now()
	_, err := r.publish(ctx, events)
	if err != nil {
		r.note(events, began, err)
	}
	return r.wakeOn(err)
}

// Post commits editors' messages as SaveMessages does, with its errors, and publishes them. Those
// who post while another one commits share the next commit, and one call of the bus behind it; a
// message that cannot be saved does not concern the others. Messages that the bus does not have
// when Post returns (published is false, and there is no error) are found by the sweep.
func (r *Relay) Post(ctx context.Context, action *goalcast.AuditEntry, messages ...goalcast.Event) (
	published bool, err error) {
	v, err := newSaving(ctx, action, messages)
	if err != nil {
		return false, err
	}
	if !v.alone {
		if err = r.posts.do(ctx, v); err != nil && errors.Is(err, ctx.Err()) {
			err = r.store.wrap("save messages", err)
		}
		return v.published, err
	}
	if err = r.store.commit(ctx, []*saving{v}); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatherLimit)
	defer cancel()
	r.publishSaved(ctx, []*saving{v}, []error{nil})
	return v.published, nil
}

// commitPosts commits messages, and with them that those before them are published.
func (r *Relay) commitPosts(ctx context.Context, list []*saving) (errs []error) {
	r.mu.Lock()
	marks := r.marks
	r.marks = nil
	r.mu.Unlock()
	if len(marks) == 0 {
		return r.store.commitAll(ctx, list)
	}
	errs = r.store.commitAll(ctx, slices.Concat([]*saving{{marks: marks}}, list))
	if errs == nil {
		return nil
	}
	if errs[0] != nil {
		r.log.Warn("messages are published and not marked: the sweep does it again", "messages", len(marks),
			"error", errs[0])
	}
	return errs[1:]
}

// markLater has the next commit of messages note that these are published, or one of its own soon.
func (r *Relay) markLater(events []goalcast.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, events...)
	if !r.soon {
		r.soon = true
		time.AfterFunc(markPause, r.markNow)
	}
}

// markNow notes what waits to be.
func (r *Relay) markNow() {
	r.mu.Lock()
	r.soon = false
	none := len(r.marks) == 0
	r.mu.Unlock()
	if none {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), markLimit)
	defer cancel()
	_ = r.posts.do(ctx, &saving{}) // commitPosts takes the marks, and says if that failed
}

// publishSaved publishes what was saved in one commit, in one call of the bus, and notes who was
// published. That the outbox knows it too is for later.
func (r *Relay) publishSaved(ctx context.Context, list []*saving, errs []error) {
	var events []goalcast.Event
	for i, v := range list {
		if errs[i] == nil {
			events = append(events, v.unpublished...)
		}
	}
	if len(events) > 0 {
		events = stamped(events)
		began := time.Now()
		if _, _, err := r.bus.Publish(ctx, events); r.wakeOn(err) != nil {
			r.log.Warn("the bus does not take messages", "messages", len(events), "error", err)
			return
		}
		r.note(events, began, nil)
		r.markLater(events)
	}
	for i, v := range list {
		v.published = errs[i] == nil
	}
	for i := range events {
		eventlog.Step(ctx, r.log, slog.LevelDebug, "event published", &events[i])
	}
}

// wakeOn has the sweep begin at once after an error.
func (r *Relay) wakeOn(err error) error {
	if err != nil {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return err
}

// publish counts the events that the bus did not have yet.
func (r *Relay) publish(ctx context.Context, events []goalcast.Event) (fresh int, err error) {
	for chunk := range slices.Chunk(events, eventsPerCall) {
		chunk = stamped(chunk)
		began := time.Now()
		n, waiting, err := r.bus.Publish(ctx, chunk)
		fresh += n
		if err != nil {
			return fresh, err
		}
		held := map[goalcast.MatchID][]goalcast.Event{}
		for _, e := range waiting {
			held[e.Match] = append(held[e.Match], e)
		}
		for match, events := range held {
			missing, err := r.fill(ctx, match, events)
			if err != nil {
				return fresh, err
			}
			fresh += len(missing) + len(events)
			chunk = append(chunk, missing...)
		}
		for i := range chunk {
			eventlog.Step(ctx, r.log, slog.LevelDebug, "event published", &chunk[i])
		}
		r.note(chunk, began, nil)
		if err := r.mark(ctx, chunk); err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// note notes, once for each document, that what it led to is on the bus, or could not be put there.
func (r *Relay) note(events []goalcast.Event, began time.Time, err error) {
	if !r.trace.On() {
		return
	}
	ended := time.Now()
	for i := range events {
		of, before := tracing.Of(&events[i]), tracing.Of(&events[max(i, 1)-1])
		if i > 0 && of.Match == before.Match && of.Received == before.Received {
			continue
		}
		of.Event, of.Revision = "", 0
		r.trace.Note(tracing.Span{Step: tracing.Publish, Of: of, From: began, Until: ended, Err: err,
			More: []attribute.KeyValue{attribute.String("messaging.system", "redis"),
				attribute.String("messaging.operation.type", "send")}})
	}
}

// fill publishes events of a match that the bus held, and returns those that it found missing
// before them. They are in the outbox, committed: a match's revisions are committed in order. What
// is not there was published once, and the bus has forgotten it; then there is nothing to wait for.
func (r *Relay) fill(
	ctx context.Context, match goalcast.MatchID, held []goalcast.Event,
) (missing []goalcast.Event, err error) {
	rows, err := r.store.unpublishedOf(ctx, match, held[0].Seq)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.broken == nil {
			missing = append(missing, row.event)
		}
	}
	missing = stamped(missing)
	return missing, r.bus.PublishAll(ctx, slices.Concat(missing, held))
}

// stamped copies events with the time of their publication: now.
func stamped(events []goalcast.Event) []goalcast.Event {
	events = slices.Clone(events)
	now := time.Now().UnixMilli()
	for i := range events {
		events[i].Times.Published = now
	}
	return events
}

// mark notes in the outbox what the bus has, also if the caller has gone: a row that is not marked
// is published again, in vain.
func (r *Relay) mark(ctx context.Context, done []goalcast.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markLimit)
	defer cancel()
	for chunk := range slices.Chunk(done, eventsPerCall) {
		if err := r.store.markPublished(ctx, chunk, r.store.Now()); err != nil {
			return err
		}
	}
	return nil
}

// Run sweeps until ctx ends, and returns its error: every second for rows that are older than two,
// and sooner, whatever their age, after Publish or a sweep failed.
func (r *Relay) Run(ctx context.Context) error {
	defer r.markNow()
	pause := time.Duration(0) // while something is wrong; 0 otherwise
	for {
		wait, age := sweepEvery, sweepAge
		if pause > 0 {
			wait, age = pause, 0
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-r.wake:
			t.Stop()
			if pause == 0 {
				pause = firstPause
			}
			continue
		case <-t.C:
		}
		switch err := r.sweep(ctx, age); {
		case err == nil:
			pause = 0
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			if pause == 0 {
				r.log.Warn("events wait for the bus", "error", err)
			}
			pause = min(max(firstPause, 2*pause), lastPause)
		}
	}
}

// sweep publishes what is older than age and unpublished.
func (r *Relay) sweep(ctx context.Context, age time.Duration) error {
	for {
		rows, err := r.store.unpublished(ctx, r.store.Now().Add(-age), sweepRows)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			r.age.Set(0)
			return nil
		}
		r.age.Set(max(0, r.store.Now().Sub(rows[0].created).Seconds()))
		var events []goalcast.Event
		for _, row := range rows {
			if row.broken != nil {
				r.log.Error("unreadable event in the outbox: passed over", "row", row.id, "error", row.broken)
				if err := r.store.markBroken(ctx, row.id); err != nil {
					return err
				}
				continue
			}
			events = append(events, row.event)
		}
		fresh, err := r.publish(ctx, events)
		r.swept.Add(float64(fresh))
		if err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		if fresh > 0 {
			r.log.Info("events were left behind and are published now", "events", fresh)
		}
	}
}
