package ingest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/ingest/letters"
	"goalcast/ingest/merge"
	"goalcast/internal/eventlog"
)

// live reads and applies a document that is just being kept. It is a worker's job: it outlives the
// request, and is waited for at the end.
func (in *Ingest) live(p Provider, doc goalcast.Document, way passage, kept <-chan goalcast.DocumentID,
	told *progress) {
	way.read = time.Now()
	reading, readErr := in.read(p, doc)
	way.readEnd = time.Now()
	told.read <- readErr
	if doc.ID = <-kept; doc.ID == 0 {
		return
	}
	way.kept = time.Now()
	var result settled
	defer func() { // whoever waits may post the same again at once
		in.release(doc.ID)
		told.done <- result
	}()
	in.cfg.Fault("parsed")
	ctx, cancel := context.WithTimeout(in.withPassage(context.Background(), way), in.cfg.ProcessTimeout)
	defer cancel()
	in.observeLag(doc, reading)
	var err error
	result, err = in.settle(ctx, doc, reading, readErr)
	in.metrics.apply.WithLabelValues(doc.Provider,
		in.metrics.feed(doc.Feed)).Observe(time.Since(doc.Received).Seconds())
	switch {
	case errors.Is(err, goalcast.ErrPermanent):
		in.logFailed(doc, err)
	case err != nil:
		in.log.Warn("document not applied, will be tried again", "document", doc.ID, "provider", doc.Provider, "feed",
			doc.Feed, "error", err)
		in.metrics.document(doc, "retried")
		in.later(context.WithoutCancel(ctx), doc, in.cfg.RetryDelay)
	}
}

// Process applies a kept document, whatever became of it before: the queue calls it to try again,
// and an administrator to replay. Applying one again changes nothing if it reads as it did. Errors
// that trying again cannot mend are ErrPermanent.
func (in *Ingest) Process(ctx context.Context, id goalcast.DocumentID) error {
	doc, err := in.store.Document(ctx, id)
	if errors.Is(err, goalcast.ErrNotFound) {
		err = permanent(err)
	}
	switch {
	// its row or its bytes are damaged: it would be taken up again for ever
	case errors.Is(err, goalcast.ErrPermanent) && doc.ID != 0:
		_, err = in.settle(ctx, doc, merge.Reading{}, err)
		return err
	case err != nil:
		return fmt.Errorf("document %d: %w", id, err)
	}
	p, known := in.providers[doc.Provider]
	if !known {
		_, err := in.settle(ctx, doc, merge.Reading{}, fmt.Errorf("no provider %q", doc.Provider))
		return err
	}
	way := passage{read: time.Now()}
	reading, readErr := in.read(p, doc)
	way.readEnd = time.Now()
	in.cfg.Fault("parsed")
	_, err = in.settle(in.withPassage(ctx, way), doc, reading, readErr)
	return err
}

// ProcessTask is Process for the queue.
func (in *Ingest) ProcessTask(ctx context.Context, payload []byte) error {
	id, err := strconv.ParseInt(string(payload), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: task for document %q", goalcast.ErrPermanent, payload)
	}
	return in.Process(ctx, goalcast.DocumentID(id))
}

// read lets the provider read a document, and checks what it made of it. A panic
// in it becomes an error.
func (in *Ingest) read(p Provider, doc goalcast.Document) (reading merge.Reading, err error) {
	defer in.recovered(doc, &err)
	begin := time.Now()
	reading, err = p.Read(doc)
	in.metrics.parse.WithLabelValues(doc.Provider, in.metrics.feed(doc.Feed)).Observe(time.Since(begin).Seconds())
	if err != nil {
		return merge.Reading{}, err
	}
	return in.checked(doc, reading)
}

// recovered makes an error of a panic, so that one document fails and not the process.
func (in *Ingest) recovered(doc goalcast.Document, err *error) {
	if v := recover(); v != nil {
		in.metrics.alarms.WithLabelValues(doc.Provider, "panic").Inc()
		in.log.Error("panic over a document", "provider", doc.Provider, "feed", doc.Feed, "digest",
			hex.EncodeToString(doc.Digest[:]), "panic", v,
			"stack", string(debug.Stack()))
		*err = fmt.Errorf("%w: panic: %v", goalcast.ErrPermanent, v)
	}
}

// checked refuses a reading that would do harm, see merge.Check.
func (in *Ingest) checked(doc goalcast.Document, r merge.Reading) (merge.Reading, error) {
	if r.Version.Digest == "" {
		r.Version.Digest = hex.EncodeToString(doc.Digest[:])
	}
	r, ahead, err := merge.Check(r, doc.Received, in.cfg.MaxAhead)
	if ahead {
		in.metrics.alarms.WithLabelValues(doc.Provider, "ahead").Inc()
	}
	return r, err
}

// settle applies what was read and writes down what became of the document. Errors: ErrPermanent if
// it failed for good, else trouble that passes.
func (in *Ingest) settle(ctx context.Context, doc goalcast.Document, reading merge.Reading, readErr error) (settled,
	error) {
	done, err := settled{state: goalcast.DocumentReceived}, readErr
	if readErr == nil {
		if reading, err = in.complete(ctx, doc, reading); err == nil {
			done, err = in.apply(ctx, doc, reading)
		}
		if err != nil && !errors.Is(err, goalcast.ErrPermanent) && !errors.Is(err, merge.ErrUnread) {
			in.metrics.trouble.WithLabelValues("store").Inc()
			return settled{state: goalcast.DocumentReceived}, fmt.Errorf("document %d: %w", doc.ID, err)
		}
	}
	state, text := goalcast.DocumentApplied, ""
	switch {
	case errors.Is(err, merge.ErrUnread):
		state, done.outcome, readErr, err = goalcast.DocumentIgnored, "ignored", nil, nil
	case err != nil:
		state, done.outcome, text = goalcast.DocumentFailed, "failed", errorText(err)
		if readErr != nil {
			in.noteFailed(ctx, doc, readErr)
		}
		err = fmt.Errorf("document %d: %w", doc.ID, permanent(err))
		in.metrics.alarms.WithLabelValues(doc.Provider, "unreadable").Inc()
	}
	if storeErr := in.store.FinishDocument(ctx, doc.ID, state, text); storeErr != nil {
		in.metrics.trouble.WithLabelValues("store").Inc()
		return settled{state: goalcast.DocumentReceived}, fmt.Errorf("document %d is %s: %w", doc.ID, state, storeErr)
	}
	in.metrics.document(doc, done.outcome)
	if err == nil {
		in.mended(doc, reading.Mended)
	}
	done.state, done.readErr = state, readErr
	return done, err
}

// mended counts a document that was read although something was wrong with its letters. The first
// one of a provider's feed in an hour alarms.
func (in *Ingest) mended(doc goalcast.Document, m letters.Mended) {
	if len(m) == 0 {
		return
	}
	for kind := range m {
		in.metrics.mended.WithLabelValues(doc.Provider, kind).Inc()
	}
	feed := in.metrics.feed(doc.Feed)
	if !in.metrics.first(doc.Provider+"/"+feed, time.Now()) {
		return
	}
	in.metrics.alarms.WithLabelValues(doc.Provider, "mended").Inc()
	in.log.Warn("document read although its letters are wrong; what could not be read was replaced", "document", doc.ID,
		"provider", doc.Provider, "feed", feed,
		"match", doc.Match, "found", m.String())
}

// permanent marks an error that trying again cannot mend.
func permanent(err error) error {
	if errors.Is(err, goalcast.ErrPermanent) {
		return err
	}
	return fmt.Errorf("%w: %w", goalcast.ErrPermanent, err)
}

// errorText is what is kept of an error. It may quote a document's bytes, which no
// database takes as text.
func errorText(err error) string {
	text := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "\uFFFD"), "\x00", "")
	return strings.ToValidUTF8(text[:min(len(text), 2000)], "")
}

// listStep is how many matches of a list are compared with what is known at once: all that is
// remembered of them is in memory meanwhile.
const listStep = 100

// listWorkers is how many matches of a list are brought up to date at once: what each takes is
// mostly waiting for its commit, and a list of fifty must not keep others from being worked on for
// seconds.
const listWorkers = 4

// apply brings the reading's matches up to date, each in its own transaction, and publishes. The
// outcome is "changed", "unchanged" or "late".
func (in *Ingest) apply(ctx context.Context, doc goalcast.Document, r merge.Reading) (done settled, err error) {
	defer in.recovered(doc, &err)
	r.Version.Document = doc.ID
	if r.Reference() {
		done.outcome, err = in.keepReference(ctx, doc, r)
		return done, err
	}
	done.outcome = "unchanged"
	var failed []error
	for step := range slices.Chunk(r.Matches, listStep) {
		if len(r.Matches) > 1 {
			if step, err = in.withNews(ctx, doc, r, step); err != nil {
				return settled{}, err
			}
		}
		results, errs := in.applyMatches(ctx, doc, r, step)
		for i, was := range results {
			switch err := errs[i]; {
			case errors.Is(err, goalcast.ErrPermanent):
				failed = append(failed, err) // the others shall not suffer
				continue
			case err != nil:
				return settled{}, err
			case len(was.Events) > 0:
				done.outcome = "changed"
			case was.Late && len(r.Matches) == 1:
				done.outcome = "late"
			}
			done.matches = append(done.matches, settledMatch{step[i].Match, was.Record.Snapshot.Seq, was.Events})
		}
	}
	return done, errors.Join(failed...)
}

// applyMatches brings the matches of a step up to date, several at a time. Each has its result or
// its error; after trouble that passes, those that have not begun have that error too.
func (in *Ingest) applyMatches(ctx context.Context, doc goalcast.Document, r merge.Reading,
	step []merge.MatchReading) (results []merge.Result, errs []error) {
	results, errs = make([]merge.Result, len(step)), make([]error, len(step))
	one := func(i int) (err error) {
		defer in.recovered(doc, &err)
		results[i], err = in.applyMatch(ctx, doc, r, step[i])
		return err
	}
	more, stop := context.WithCancelCause(ctx) // ends when no more shall begin
	defer stop(nil)
	var g errgroup.Group
	g.SetLimit(listWorkers)
	for i := range step {
		g.Go(func() error {
			if errs[i] = context.Cause(more); errs[i] != nil {
				return nil
			}
			if errs[i] = one(i); errs[i] != nil && !errors.Is(errs[i], goalcast.ErrPermanent) {
				stop(errs[i])
			}
			return nil
		})
	}
	_ = g.Wait() // each has its own error
	return results, errs
}

func (in *Ingest) applyMatch(ctx context.Context, doc goalcast.Document, r merge.Reading,
	m merge.MatchReading) (merge.Result, error) {
	var before goalcast.Snapshot
	var done merge.Result
	way := application{began: time.Now()}
	m = in.withNames(ctx, m)
	err := in.store.UpdateMatch(ctx, m.Match, func(rec goalcast.MatchRecord) (_ goalcast.MatchRecord,
		_ []goalcast.Event, err error) {
		defer in.recovered(doc, &err) // within the store's transaction, so that it is rolled back
		in.cfg.Fault("revising")
		defer in.cfg.Fault("revised")
		before = rec.Snapshot
		way.locked = time.Now()
		done, err = in.merger.Apply(rec, r, m, doc.Received.UnixMilli())
		way.merged = time.Now()
		return done.Record, done.Events, err
	})
	way.committed = time.Now()
	if err != nil {
		in.noteApplied(ctx, doc, m.Match, way, nil, err)
		return merge.Result{}, fmt.Errorf("match %d: %w", m.Match, err)
	}
	if done.Held {
		in.metrics.alarms.WithLabelValues(doc.Provider, "held").Inc()
		in.log.Warn("a step that football does not make is held", "match", m.Match, "document", doc.ID, "provider",
			doc.Provider, "feed", doc.Feed)
	}
	for _, d := range done.Fresh {
		in.disagreements.WithLabelValues(d.What).Inc()
	}
	if !done.Late {
		defer in.setState(ctx, statsState(r, m)...)
	}
	if len(done.Events) == 0 {
		return done, nil
	}
	in.metrics.revisions(before, done.Events)
	in.cfg.Fault("committed")
	if in.publish(ctx, m.Match, done.Events) {
		in.cfg.Fault("published")
	}
	in.noteApplied(ctx, doc, m.Match, way, done.Events, nil)
	for i := range done.Events { // behind the publishing, which waits for no log
		e := &done.Events[i]
		eventlog.Step(ctx, in.log, eventlog.Applied(e), "event applied", e, eventlog.Document, doc.ID, "provider",
			doc.Provider, "feed", doc.Feed, "kind", e.Kind, "status", e.Status)
	}
	return done, nil
}

// publish takes committed events to the bus. If it cannot, the outbox brings them: the document is
// done with either way.
func (in *Ingest) publish(ctx context.Context, match goalcast.MatchID, events []goalcast.Event) bool {
	if len(events) == 0 {
		return true
	}
	err := in.publisher.Publish(ctx, events)
	if err != nil {
		in.metrics.trouble.WithLabelValues("bus").Inc()
		in.log.Warn("events not published, the outbox will do it", "match", match, "events", len(events), "error", err)
	}
	return err == nil
}

// withNews leaves out the matches of a step of a list of which it tells what is known: a season's
// list would cost hundreds of transactions each time.
//
// The price: that the newest list told the same again is not remembered. If a list comes late that
// is older than it but newer than the last one that brought news, and tells something else than
// both, it is believed until the next list.
func (in *Ingest) withNews(ctx context.Context, doc goalcast.Document, r merge.Reading,
	step []merge.MatchReading) ([]merge.MatchReading, error) {
	ids := make([]goalcast.MatchID, len(step))
	for i, m := range step {
		ids[i] = m.Match
	}
	known, err := in.store.MatchRecords(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("known matches of a list: %w", err)
	}
	var news []merge.MatchReading
	for _, m := range step {
		rec, ok := known[m.Match]
		if !ok || !in.merger.Repeats(rec, r, m, doc.Received.UnixMilli()) {
			news = append(news, m)
		}
	}
	return news, nil
}

// later gives a document to the queue. If that fails too, the sweeper finds it.
func (in *Ingest) later(ctx context.Context, doc goalcast.Document, delay time.Duration) {
	id := strconv.FormatInt(int64(doc.ID), 10)
	ctx, cancel := context.WithTimeout(ctx, in.cfg.KeepTimeout)
	defer cancel()
	err := in.queue.Enqueue(ctx, goalcast.Task{
		Kind: TaskKind, ID: TaskKind + ":" + id, Payload: []byte(id), Delay: delay, Urgent: true,
		Retries: in.cfg.Retries,
	})
	if err != nil {
		in.metrics.trouble.WithLabelValues("queue").Inc()
		in.log.Warn("document not queued, the sweeper will find it", "document", doc.ID, "error", err)
	}
}

func (in *Ingest) logFailed(doc goalcast.Document, err error) {
	in.log.Error("document failed", "document", doc.ID, "provider", doc.Provider, "feed", doc.Feed, "match", doc.Match,
		"bytes", len(doc.Body), "error", err)
}

// observeLag measures how long the document was on its way. More than ten minutes, or less than
// nothing, is a replay or a wrong clock.
func (in *Ingest) observeLag(doc goalcast.Document, r merge.Reading) {
	made := r.Version.Milliseconds()
	if lag := time.Duration(doc.Received.UnixMilli()-made) * time.Millisecond; made != 0 && lag >= -time.Second &&
		lag < 10*time.Minute {
		in.metrics.lag.WithLabelValues(doc.Provider, in.metrics.feed(doc.Feed)).Observe(max(0, lag.Seconds()))
	}
}
