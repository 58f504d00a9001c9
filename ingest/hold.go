package ingest

import (
	"context"
	"fmt"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// Replay is Process by an operator: if the document makes a step that is held, that is confirmed.
func (in *Ingest) Replay(ctx context.Context, id goalcast.DocumentID) error {
	if err := in.Process(ctx, id); err != nil {
		return err
	}
	doc, err := in.store.Document(ctx, id)
	if err != nil {
		return fmt.Errorf("document %d: %w", id, err)
	}
	if doc.Match == 0 {
		return nil
	}
	return in.confirm(ctx, doc.Match, func(h merge.Held) bool { return h.Document == id })
}

// LetGo lets all steps go that were held for merge.HoldTime, of the matches given. Others of
// them stay as they are.
func (in *Ingest) LetGo(ctx context.Context, matches []goalcast.MatchID, now time.Time) error {
	records, err := in.store.MatchRecords(ctx, matches)
	if err != nil {
		return fmt.Errorf("held steps: %w", err)
	}
	due := func(h merge.Held) bool { return h.Due(now) }
	for id, rec := range records {
		if h, held := in.merger.HeldStep(rec); !held || !due(h) {
			continue
		}
		if err := in.confirm(ctx, id, due); err != nil {
			return err
		}
	}
	return nil
}

// confirm makes the revisions that are held, if due says so.
func (in *Ingest) confirm(ctx context.Context, match goalcast.MatchID, due func(merge.Held) bool) error {
	var events []goalcast.Event
	err := in.store.UpdateMatch(ctx, match, func(rec goalcast.MatchRecord) (_ goalcast.MatchRecord, _ []goalcast.Event,
		err error) {
		defer in.recovered(goalcast.Document{Match: match}, &err)
		rec, events, err = in.merger.Release(rec, match, due, time.Now().UnixMilli())
		return rec, events, err
	})
	if err != nil {
		return fmt.Errorf("held step of match %d: %w", match, err)
	}
	in.publish(ctx, match, events)
	return nil
}
