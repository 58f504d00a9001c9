package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"goalcast"
	"goalcast/ingest/merge"
)

// Archive lists kept documents, newest first and without their bodies. The store is one.
type Archive interface {
	Documents(context.Context, goalcast.DocumentFilter) ([]goalcast.Document, error)
}

// Recaller says again what is known of a match's clips, without doing anything: the newest document
// of each, and where it plays as the player said last. Each reading replaces what its source is
// remembered to have said. One without a match is of a source of which nothing can be said any
// more: that stays as it is known.
type Recaller interface {
	Recall(context.Context, goalcast.MatchID) ([]merge.Reading, error)
}

// Rebuilt is what Rebuilder.Match did.
type Rebuilt struct {
	Documents int              // that were read, lists and clips not counted
	Failed    []error          // of those that could not be
	Events    []goalcast.Event // the revisions that make the difference to what was known
}

// rebuildAttempts is how often a rebuild starts again when a document of the match
// is applied meanwhile.
const rebuildAttempts = 5

// Rebuilder derives matches from what is kept of them, as if nothing had been known. It
// serves one goroutine.
//
// A match is derived from its own documents, from the newest lists that tell of it, and from what
// is kept of its clips. What none of that tells stays as it is known: a source that stands in none
// of the lists looked through, the name of a player who is in no squad any more, and clips where
// nobody can recall them.
type Rebuilder struct {
	in      *Ingest
	archive Archive
	clips   Recaller // nil: clips stay as they are known
	lists   lists
}

// NewRebuilder prepares a Rebuilder for one run: lists are read once for all its
// matches. clips may be nil.
func NewRebuilder(in *Ingest, archive Archive, clips Recaller) *Rebuilder {
	return &Rebuilder{in: in, archive: archive, clips: clips, lists: lists{in.merger.Lists(), in, archive,
		map[goalcast.DocumentID]bool{}}}
}

// Match derives a match, and commits and publishes the difference to what is known as new
// revisions. What nothing tells any more, since a reader was mended, is cancelled.
func (b *Rebuilder) Match(ctx context.Context, match goalcast.MatchID) (Rebuilt, error) {
	for range rebuildAttempts {
		done, err := b.once(ctx, match)
		if errors.Is(err, merge.ErrOvertaken) {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("rebuild match %d: %w", match, err)
		}
		b.in.publish(ctx, match, done.Events)
		return done, nil
	}
	return Rebuilt{}, fmt.Errorf("rebuild match %d: %w", match, merge.ErrOvertaken)
}

func (b *Rebuilder) once(ctx context.Context, match goalcast.MatchID) (Rebuilt, error) {
	// The memory is looked at before the documents are listed: one that comes later changes it,
	// or tells nothing new.
	before, err := b.in.store.MatchRecords(ctx, []goalcast.MatchID{match})
	if err != nil {
		return Rebuilt{}, err
	}
	derived := b.in.merger.Derive(match, before[match])
	named := func(m merge.MatchReading) merge.MatchReading { return b.in.withNames(ctx, m) }
	done, err := b.readDocuments(ctx, derived, match)
	if err != nil {
		return done, err
	}
	keys, some := derived.WantsLists()
	if err := b.lists.find(ctx, match, keys, some); err != nil {
		return done, err
	}
	told := derived.Lists(b.lists.Lists, named)
	if b.clips != nil {
		readings, err := b.clips.Recall(ctx, match)
		if err != nil {
			return done, err
		}
		told = derived.Clips(readings, named) || told
	}
	if done.Documents == 0 && !told {
		return done, nil
	}
	err = b.in.store.UpdateMatch(ctx, match, func(rec goalcast.MatchRecord) (_ goalcast.MatchRecord, _ []goalcast.Event,
		err error) {
		defer b.in.recovered(goalcast.Document{Match: match}, &err)
		rec, done.Events, err = derived.Apply(rec)
		return rec, done.Events, err
	})
	return done, err
}

// readDocuments derives the match from its own documents, oldest first. Those of providers that ask
// others (Completer) are left out: they are recalled as clips.
func (b *Rebuilder) readDocuments(ctx context.Context, derived *merge.Derivation, match goalcast.MatchID) (done Rebuilt,
	err error) {
	var docs []goalcast.Document
	filter := goalcast.DocumentFilter{Match: match, Limit: listPage}
	for {
		page, err := b.archive.Documents(ctx, filter)
		if err != nil {
			return done, err
		}
		if docs = append(docs, page...); len(page) < listPage {
			break
		}
		filter.Before = page[len(page)-1].ID
	}
	for _, d := range slices.Backward(docs) {
		reading, err := b.in.readAgain(ctx, d)
		switch {
		case errors.Is(err, merge.ErrUnread):
			continue
		case errors.Is(err, goalcast.ErrPermanent):
			done.Failed = append(done.Failed, fmt.Errorf("document %d: %w", d.ID, err))
			continue
		case err != nil:
			return done, err
		}
		done.Documents++
		if reading.Reference() {
			if _, err := b.in.keepReference(ctx, d, reading); err != nil && !errors.Is(err, merge.ErrUnread) {
				return done, err
			}
		}
		for _, m := range reading.Matches {
			if m.Match == match {
				derived.Document(reading, b.in.withNames(ctx, m))
			}
		}
	}
	return done, nil
}

// readAgain reads a kept document of which only the head is there. Errors: merge.ErrUnread
// for one whose way is not that of documents alone, ErrPermanent for one that cannot be
// understood, else the store's.
func (in *Ingest) readAgain(ctx context.Context, head goalcast.Document) (merge.Reading, error) {
	p, known := in.providers[head.Provider]
	if _, asks := p.(Completer); !known || asks {
		return merge.Reading{}, merge.ErrUnread
	}
	doc, err := in.store.Document(ctx, head.ID)
	if err != nil {
		return merge.Reading{}, err
	}
	reading, err := in.read(p, doc)
	if err != nil && !errors.Is(err, merge.ErrUnread) {
		err = permanent(err)
	}
	reading.Version.Document = doc.ID
	return reading, err
}
