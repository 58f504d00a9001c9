package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"goalcast"
)

// Rehearsal is a store in which nothing is kept: what documents would change is seen in Events, and no one else sees it. An Ingest that was made with one is
// good for Process and Rebuild.
type Rehearsal struct {
	Store // asked for documents, and for matches that were not touched yet

	mu      sync.Mutex // guards the rest
	records map[goalcast.MatchID]goalcast.MatchRecord
	events  []goalcast.Event
	ended   map[goalcast.DocumentState]int
}

// NewRehearsal makes one in front of a store that is only read.
func NewRehearsal(s Store) *Rehearsal {
	return &Rehearsal{Store: s, records: map[goalcast.MatchID]goalcast.MatchRecord{}, ended: map[goalcast.DocumentState]int{}}
}

// Events are the revisions that would have been made, in the order of their commits.
func (r *Rehearsal) Events() []goalcast.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// KeepDocument refuses: a rehearsal is about documents that are there.
func (r *Rehearsal) KeepDocument(context.Context, *goalcast.Document) error {
	return fmt.Errorf("rehearsal: %w: nothing is kept", goalcast.ErrPermanent)
}

// FinishDocument leaves the document as it is.
func (r *Rehearsal) FinishDocument(_ context.Context, _ goalcast.DocumentID, s goalcast.DocumentState, _ string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[s]++
	return nil
}

// UpdateMatch changes the match in memory only.
func (r *Rehearsal) UpdateMatch(ctx context.Context, id goalcast.MatchID, fn func(goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error)) error {
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

func (r *Rehearsal) recordLocked(ctx context.Context, id goalcast.MatchID) (goalcast.MatchRecord, error) {
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

// MatchRecords sees what was changed in the rehearsal.
func (r *Rehearsal) MatchRecords(ctx context.Context, ids []goalcast.MatchID) (map[goalcast.MatchID]goalcast.MatchRecord, error) {
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

// Rebuilt is what Rebuild did.
type Rebuilt struct {
	Documents int              // that were read
	Failed    []error          // of those that could not be
	Events    []goalcast.Event // the revisions that make the difference to what was known
}

// rebuildAttempts is how often a rebuild starts again when a document of the match is applied meanwhile.
const rebuildAttempts = 5

// errOvertaken says that the match changed while its documents were read.
var errOvertaken = errors.New("the match changed meanwhile")

// Rebuild derives a match from its documents alone, as if nothing had been known of it, and commits and publishes the difference to what is known as new
// revisions. What no document tells any more, since a reader was mended, is cancelled. documents lists the match's documents, and is called again if one
// comes in between.
//
// What the match's own documents do not speak of stays as it is known: fixture lists, which are of no one match, and what providers learned by asking (Completer).
func (in *Ingest) Rebuild(ctx context.Context, match goalcast.MatchID, documents func(context.Context) ([]goalcast.DocumentID, error)) (Rebuilt, error) {
	for range rebuildAttempts {
		done, err := in.rebuildOnce(ctx, match, documents)
		if errors.Is(err, errOvertaken) {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("rebuild match %d: %w", match, err)
		}
		if len(done.Events) > 0 {
			if err := in.publisher.Publish(ctx, done.Events); err != nil {
				in.log.Warn("events not published, the outbox will do it", "match", match, "events", len(done.Events), "error", err)
			}
		}
		return done, nil
	}
	return Rebuilt{}, fmt.Errorf("rebuild match %d: %w", match, errOvertaken)
}

func (in *Ingest) rebuildOnce(ctx context.Context, match goalcast.MatchID, documents func(context.Context) ([]goalcast.DocumentID, error)) (Rebuilt, error) {
	// The memory is looked at before the documents are listed: one that comes later changes it, or tells nothing new.
	before, err := in.store.MatchRecords(ctx, []goalcast.MatchID{match})
	if err != nil {
		return Rebuilt{}, err
	}
	known := before[match].Feeds
	memory, err := decodeFeeds(known)
	if err != nil {
		memory = feeds{} // which is what a rebuild mends
	}
	ids, err := documents(ctx)
	if err != nil {
		return Rebuilt{}, err
	}
	done, err := in.hearAgain(ctx, memory, match, ids)
	if err != nil || done.Documents == 0 {
		return done, err
	}
	err = in.store.UpdateMatch(ctx, match, func(rec goalcast.MatchRecord) (_ goalcast.MatchRecord, _ []goalcast.Event, err error) {
		defer in.recovered(goalcast.Document{Match: match}, &err)
		if !bytes.Equal(rec.Feeds, known) {
			return rec, nil, errOvertaken
		}
		if rec.Feeds, err = memory.encode(); err != nil {
			return rec, nil, err
		}
		rec.Snapshot.ID = match
		d := difference{snapshot: rec.Snapshot}
		d.makeAnew(memory.merge(match))
		rec.Snapshot, done.Events = d.snapshot, d.events
		return rec, d.events, nil
	})
	return done, err
}

// hearAgain empties the memory of the sources that the documents are of, and fills it from them.
func (in *Ingest) hearAgain(ctx context.Context, memory feeds, match goalcast.MatchID, ids []goalcast.DocumentID) (Rebuilt, error) {
	var done Rebuilt
	emptied := map[string]bool{}
	for _, id := range ids {
		doc, err := in.store.Document(ctx, id)
		if err != nil {
			return done, err
		}
		p, known := in.providers[doc.Provider]
		if _, asks := p.(Completer); !known || asks {
			continue
		}
		reading, err := in.read(p, doc)
		if errors.Is(err, ErrUnread) {
			continue
		}
		if err != nil {
			done.Failed = append(done.Failed, fmt.Errorf("document %d: %w", id, err))
			continue
		}
		done.Documents++
		v := reading.Version
		v.Time, v.Produced, v.Edited = cleanTime(v.Time), cleanTime(v.Produced), cleanTime(v.Edited)
		for _, m := range reading.Matches {
			if m.Match != match {
				continue
			}
			if !emptied[reading.Source] {
				emptied[reading.Source] = true
				delete(memory, reading.Source)
			}
			memory.hear(reading.Source, v, m)
		}
	}
	return done, nil
}

// makeAnew is make for a truth that was derived from scratch: what is known and does not stand in it is cancelled. Clips have other sources too.
func (d *difference) makeAnew(t truth) {
	for _, e := range d.snapshot.Timeline {
		if _, told := t.events[e.ID]; !told && e.Counts() && e.Kind != goalcast.KindClip {
			e.Status = goalcast.Cancelled
			t.events[e.ID] = e
		}
	}
	d.make(t)
}
