package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"goalcast"
)

// leaveTime is for how long a process that leaves works on documents that wait in its memory. The
// rest is kept: another process finds it, or this one when it is back. A deploy is not to wait for
// a backlog, and is killed where it is asked to end in half a minute.
const leaveTime = 5 * time.Second

// Run looks for documents that were kept and not worked on, at the start and then again and again:
// a crash, or trouble that outlasted the queue's retries. It returns after ctx ends and the work in
// hand is done; documents that come later are kept and left to the queue.
func (in *Ingest) Run(ctx context.Context) error {
	defer func() {
		if left := in.work.close(leaveTime); left > 0 {
			in.metrics.left.Add(float64(left))
			in.log.Warn("documents are left for other processes, or for the next start", "documents", left)
		}
	}()
	known := sync.OnceFunc(func() { in.lastKnown(ctx) })
	defer in.swept.Wait()
	tick := time.NewTicker(in.cfg.SweepEvery)
	defer tick.Stop()
	for {
		in.sweep(ctx)
		known()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lastKnownDays is how far back lastKnown looks: longer than any alert waits, and few enough rows
// where a provider has none at all.
const lastKnownDays = 7

// lastKnown begins the metric of each provider's last document with what the archive has: a feed
// that fell silent before a restart is as silent after it. A provider of which there is no document
// has no such time. What comes meanwhile is newer, and stays.
func (in *Ingest) lastKnown(ctx context.Context) {
	for name := range in.providers {
		newest, err := in.store.Documents(ctx, goalcast.DocumentFilter{Provider: name, From: in.cfg.Now().AddDate(0, 0,
			-lastKnownDays), Limit: 1})
		if err != nil {
			in.sweepTrouble(ctx, "newest document not read", err)
			continue
		}
		for _, doc := range newest {
			in.metrics.arrived(doc)
		}
	}
}

// Limits of the sweep.
const (
	// documents of which it is remembered that they could not be finished; beyond it those that
	// follow have to wait for them
	maxStuck      = 10_000
	sweepPatience = 2 * time.Second // for one document; then the next is begun beside it
	sweepSlots    = 4               // documents at once; one is kept free of those that could not be finished before
)

// sweep works on what it finds, in the order in which it was kept; but what it could not finish
// the last time comes after what it has not tried yet, so that documents of one match in trouble
// do not keep those of all others waiting. It works on one after another, and waits for none
// longer than sweepPatience.
func (in *Ingest) sweep(ctx context.Context) {
	tries := in.triesOfStuck()
	limit := in.cfg.SweepLimit + len(tries)
	ids, err := in.store.UnfinishedDocuments(ctx, in.cfg.Now().Add(-in.cfg.SweepAge), limit)
	if err != nil {
		in.sweepTrouble(ctx, "unfinished documents not read", err)
		return
	}
	if len(ids) < limit {
		in.forgetStuck(ids)
	}
	slices.SortFunc(ids, func(a, b goalcast.DocumentID) int {
		return cmp.Or(cmp.Compare(tries[a], tries[b]), cmp.Compare(a, b))
	})
	for _, id := range ids[:min(len(ids), in.cfg.SweepLimit)] {
		if tries[id] > 0 && len(in.sweeping) >= sweepSlots-1 {
			return // and so are all that follow
		}
		if !in.take(id) {
			continue // a worker has it, or will
		}
		select {
		case in.sweeping <- struct{}{}:
		case <-ctx.Done():
			in.release(id)
			return
		}
		done := make(chan error, 1)
		in.swept.Add(1)
		go func() {
			defer func() { <-in.sweeping; in.swept.Done() }()
			err := in.sweepOne(ctx, id)
			in.noteSwept(ctx, id, err)
			in.release(id)
			done <- err
		}()
		err, _ := await(ctx, done, sweepPatience)
		if ctx.Err() != nil || errors.Is(err, goalcast.ErrUnavailable) {
			return
		}
	}
}

func (in *Ingest) noteSwept(ctx context.Context, id goalcast.DocumentID, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err == nil:
		delete(in.stuck, id)
		in.log.Info("unfinished document applied", "document", id)
	case errors.Is(err, goalcast.ErrPermanent):
		delete(in.stuck, id)
		in.log.Error("document failed", "document", id, "error", err)
	default:
		if in.stuck[id] > 0 || len(in.stuck) < maxStuck {
			in.stuck[id]++
		}
		in.sweepTrouble(ctx, "document not applied, will be tried again", err)
	}
}

// triesOfStuck says how often the sweep tried what it could not finish.
func (in *Ingest) triesOfStuck() map[goalcast.DocumentID]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return maps.Clone(in.stuck)
}

// forgetStuck forgets those that somebody else finished.
func (in *Ingest) forgetStuck(unfinished []goalcast.DocumentID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	left := make(map[goalcast.DocumentID]int, len(in.stuck))
	for _, id := range unfinished {
		if n := in.stuck[id]; n > 0 {
			left[id] = n
		}
	}
	in.stuck = left
}

// sweepOne does not stop in the middle when Run is to end. That a document took too long is its own
// fault until others show that it is not.
func (in *Ingest) sweepOne(ctx context.Context, id goalcast.DocumentID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.cfg.ProcessTimeout)
	defer cancel()
	err := in.Process(ctx, id)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(err, goalcast.ErrPermanent) {
		// not ErrUnavailable, which the store says of it
		return fmt.Errorf("document %d: not done after %v: %v", id, in.cfg.ProcessTimeout, err)
	}
	return err
}

func (in *Ingest) sweepTrouble(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		in.metrics.trouble.WithLabelValues("store").Inc()
		in.log.Warn(what, "error", err)
	}
}

// take marks a document as being worked on in this process; false if it is already.
func (in *Ingest) take(id goalcast.DocumentID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.inHand[id] {
		return false
	}
	in.inHand[id] = true
	return true
}

func (in *Ingest) release(id goalcast.DocumentID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.inHand, id)
}
