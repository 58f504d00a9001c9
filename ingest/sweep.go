package ingest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"goalcast"
)

// Run looks for documents that were kept and not worked on, at the start and then again and again: a crash, or trouble that outlasted the queue's
// retries. It returns after ctx ends and the work in hand is done; documents that come later are kept and left to the queue.
func (in *Ingest) Run(ctx context.Context) error {
	defer in.work.close()
	known := sync.OnceFunc(func() { in.lastKnown(ctx) })
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
		newest, err := in.store.Documents(ctx, goalcast.DocumentFilter{Provider: name, From: in.cfg.Now().AddDate(0, 0, -lastKnownDays), Limit: 1})
		if err != nil {
			in.sweepTrouble(ctx, "newest document not read", err)
			continue
		}
		for _, doc := range newest {
			in.metrics.arrived(doc)
		}
	}
}

// maxStuck bounds the memory of documents that the sweep could not finish: beyond it those that follow have to wait for them.
const maxStuck = 10_000

// sweep works on what it finds, in the order in which it was kept; but what it could not finish the last time comes after what it has not tried yet, so
// that documents of one match in trouble do not keep those of all others waiting.
func (in *Ingest) sweep(ctx context.Context) {
	in.mu.Lock()
	before := in.stuck
	in.mu.Unlock()
	ids, err := in.store.UnfinishedDocuments(ctx, in.cfg.Now().Add(-in.cfg.SweepAge), in.cfg.SweepLimit+len(before))
	if err != nil {
		in.sweepTrouble(ctx, "unfinished documents not read", err)
		return
	}
	slices.SortFunc(ids, func(a, b goalcast.DocumentID) int {
		return cmp.Or(cmp.Compare(before[a], before[b]), cmp.Compare(a, b))
	})
	// What is not tried this time keeps its place behind the others, as long as it is still unfinished.
	stuck := map[goalcast.DocumentID]int{}
	for _, id := range ids[min(len(ids), in.cfg.SweepLimit):] {
		if tries := before[id]; tries > 0 {
			stuck[id] = tries
		}
	}
	defer func() {
		in.mu.Lock()
		in.stuck = stuck
		in.mu.Unlock()
	}()
	for _, id := range ids[:min(len(ids), in.cfg.SweepLimit)] {
		if ctx.Err() != nil {
			return
		}
		if !in.take(id) {
			continue // a worker has it, or will
		}
		err := in.sweepOne(ctx, id)
		in.release(id)
		switch {
		case errors.Is(err, goalcast.ErrPermanent):
			in.log.Error("document failed", "document", id, "error", err)
		case err != nil:
			in.sweepTrouble(ctx, "document not applied, will be tried again", err)
			if len(stuck) < maxStuck {
				stuck[id] = before[id] + 1
			}
			if errors.Is(err, goalcast.ErrUnavailable) {
				return
			}
		default:
			in.log.Info("unfinished document applied", "document", id)
		}
	}
}

// sweepOne does not stop in the middle when Run is to end.
func (in *Ingest) sweepOne(ctx context.Context, id goalcast.DocumentID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.cfg.ProcessTimeout)
	defer cancel()
	return in.Process(ctx, id)
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
