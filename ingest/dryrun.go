package ingest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"goalcast"
)

// DryRun is a store in which nothing is kept: what documents would change is seen in Events, and no
// one else sees it. An Ingest that was made with one is good for Process and for a Rebuilder.
type DryRun struct {
	Store // asked for documents, and for matches that it has not changed yet

	mu      sync.Mutex // guards the rest
	records map[goalcast.MatchID]goalcast.MatchRecord
	events  []goalcast.Event
	ended   map[goalcast.DocumentState]int
}

// NewDryRun makes one in front of a store that is only read.
func NewDryRun(s Store) *DryRun {
	return &DryRun{Store: s, records: map[goalcast.MatchID]goalcast.MatchRecord{},
		ended: map[goalcast.DocumentState]int{}}
}

// Events are the revisions that would have been made, in the order of their commits.
func (r *DryRun) Events() []goalcast.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// KeepDocument refuses: a dry run is about documents that are there.
func (r *DryRun) KeepDocument(context.Context, *goalcast.Document) error {
	return fmt.Errorf("dry run: %w: nothing is kept", goalcast.ErrPermanent)
}

// FinishDocument leaves the document as it is.
func (r *DryRun) FinishDocument(_ context.Context, _ goalcast.DocumentID, s goalcast.DocumentState, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[s]++
	return nil
}

// UpdateMatch changes the match in memory only.
func (r *DryRun) UpdateMatch(ctx context.Context, id goalcast.MatchID,
	fn func(goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, err := r.recordLocked(ctx, id)
	if err != nil {
		return err
	}
	rec.Feeds = bytes.Clone(rec.Feeds)
	rec, events, err := fn(rec)
	if err != nil {
		return err
	}
	r.records[id] = rec
	r.events = append(r.events, events...)
	return nil
}

func (r *DryRun) recordLocked(ctx context.Context, id goalcast.MatchID) (goalcast.MatchRecord, error) {
	if rec, ok := r.records[id]; ok {
		return rec, nil
	}
	found, err := r.Store.MatchRecords(ctx, []goalcast.MatchID{id})
	if err != nil {
		return goalcast.MatchRecord{}, err
	}
	rec, ok := found[id]
	if !ok {
		rec.Snapshot.ID = id
	}
	return rec, nil
}

// MatchRecords sees what was changed in the dry run.
func (r *DryRun) MatchRecords(ctx context.Context, ids []goalcast.MatchID) (map[goalcast.MatchID]goalcast.MatchRecord,
	error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, err := r.Store.MatchRecords(ctx, ids)
	for _, id := range ids {
		if rec, ok := r.records[id]; ok && err == nil {
			found[id] = rec
		}
	}
	return found, err
}

// DryRunReference is reference data in which nothing is kept; names are asked of the one behind it.
type DryRunReference struct{ Reference }

// SaveStandings keeps nothing.
func (DryRunReference) SaveStandings(context.Context, goalcast.Standings) (bool, error) {
	return false, nil
}

// SaveSquads keeps nothing.
func (DryRunReference) SaveSquads(context.Context, goalcast.SquadList) (bool, error) {
	return false, nil
}

// SaveCommentary keeps nothing.
func (DryRunReference) SaveCommentary(context.Context, goalcast.Commentary) (bool, error) {
	return false, nil
}
