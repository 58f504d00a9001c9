package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"goalcast"
)

// Archive lists kept documents, newest first and without their bodies. The store is one.
type Archive interface {
	Documents(context.Context, goalcast.DocumentFilter) ([]goalcast.Document, error)
}

// Recaller says again what is known of a match's clips, without doing anything: the newest document of each, and where it plays by the player's last word. Each
// reading replaces what its source is remembered to have said. One without a match is of a source of which nothing can be said any more: that stays as it is known.
type Recaller interface {
	Recall(context.Context, goalcast.MatchID) ([]Reading, error)
}

// Rebuilt is what Rebuilder.Match did.
type Rebuilt struct {
	Documents int              // that were read, lists and clips not counted
	Failed    []error          // of those that could not be
	Events    []goalcast.Event // the revisions that make the difference to what was known
}

// rebuildAttempts is how often a rebuild starts again when a document of the match is applied meanwhile.
const rebuildAttempts = 5

// errOvertaken says that the match changed while its documents were read.
var errOvertaken = errors.New("the match changed meanwhile")

// Rebuilder derives matches from what is kept of them, as if nothing had been known. It serves one goroutine.
//
// A match is derived from its own documents, from the newest lists (F1, F26) that tell of it, and from what is kept of its clips. What none of that tells stays as
// it is known: a source that stands in none of the lists looked through, the name of a player who is in no squad any more, and clips where nobody can recall them.
type Rebuilder struct {
	in      *Ingest
	archive Archive
	clips   Recaller // nil: clips stay as they are known
	lists   lists
}

// NewRebuilder prepares a Rebuilder for one run: lists are read once for all its matches. clips may be nil.
func NewRebuilder(in *Ingest, archive Archive, clips Recaller) *Rebuilder {
	return &Rebuilder{in: in, archive: archive, clips: clips, lists: lists{in: in, archive: archive, read: map[goalcast.DocumentID]bool{}, told: map[listed]toldMatch{}, plans: map[listed]*feed{}}}
}

// Match derives a match, and commits and publishes the difference to what is known as new revisions. What nothing tells any more, since a reader was mended, is cancelled.
func (b *Rebuilder) Match(ctx context.Context, match goalcast.MatchID) (Rebuilt, error) {
	for range rebuildAttempts {
		done, err := b.once(ctx, match)
		if errors.Is(err, errOvertaken) {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("rebuild match %d: %w", match, err)
		}
		b.in.publish(ctx, match, done.Events)
		return done, nil
	}
	return Rebuilt{}, fmt.Errorf("rebuild match %d: %w", match, errOvertaken)
}

func (b *Rebuilder) once(ctx context.Context, match goalcast.MatchID) (Rebuilt, error) {
	// The memory is looked at before the documents are listed: one that comes later changes it, or tells nothing new.
	before, err := b.in.store.MatchRecords(ctx, []goalcast.MatchID{match})
	if err != nil {
		return Rebuilt{}, err
	}
	known := before[match].Feeds
	memory, err := decodeFeeds(known)
	if err != nil {
		memory = feeds{} // which is what a rebuild mends
	}
	lost := len(memory) == 0
	done, heard, err := b.hearDocuments(ctx, memory, match)
	if err != nil {
		return done, err
	}
	listed, err := b.hearLists(ctx, memory, match, heard, lost)
	if err != nil {
		return done, err
	}
	recalled, err := b.hearClips(ctx, memory, match)
	if err != nil || done.Documents == 0 && !listed && !recalled {
		return done, err
	}
	err = b.in.store.UpdateMatch(ctx, match, func(rec goalcast.MatchRecord) (_ goalcast.MatchRecord, _ []goalcast.Event, err error) {
		defer b.in.recovered(goalcast.Document{Match: match}, &err)
		if !bytes.Equal(rec.Feeds, known) {
			return rec, nil, errOvertaken
		}
		if rec.Feeds, err = memory.encode(); err != nil {
			return rec, nil, err
		}
		rec.Snapshot.ID = match
		d := difference{snapshot: rec.Snapshot}
		d.makeAnew(memory.merge(match, rec.Snapshot), memory.stillHeld(), func(e goalcast.Event) bool {
			return e.Kind == goalcast.KindClip && (b.clips == nil || memory.standsBy(e.ID)) // one that cannot be played now is not taken back
		})
		rec.Snapshot, done.Events = d.snapshot, d.events
		return rec, d.events, nil
	})
	return done, err
}

// hearDocuments empties the memory of the sources that the match's own documents are of, and fills it from them, oldest first. Those of providers that ask others
// (Completer) are left out: hearClips has their say. heard are the sources.
func (b *Rebuilder) hearDocuments(ctx context.Context, memory feeds, match goalcast.MatchID) (done Rebuilt, heard map[string]bool, err error) {
	var docs []goalcast.Document
	filter := goalcast.DocumentFilter{Match: match, Limit: listPage}
	for {
		page, err := b.archive.Documents(ctx, filter)
		if err != nil {
			return done, nil, err
		}
		if docs = append(docs, page...); len(page) < listPage {
			break
		}
		filter.Before = page[len(page)-1].ID
	}
	heard = map[string]bool{}
	for _, d := range slices.Backward(docs) {
		reading, err := b.in.readAgain(ctx, d)
		switch {
		case errors.Is(err, ErrUnread):
			continue
		case errors.Is(err, goalcast.ErrPermanent):
			done.Failed = append(done.Failed, fmt.Errorf("document %d: %w", d.ID, err))
			continue
		case err != nil:
			return done, nil, err
		}
		done.Documents++
		if reading.shelves() {
			if _, err := b.in.shelve(ctx, d, reading); err != nil && !errors.Is(err, ErrUnread) {
				return done, nil, err
			}
		}
		for _, m := range reading.Matches {
			if m.Match != match {
				continue
			}
			if !heard[reading.Source] {
				heard[reading.Source] = true
				maps.DeleteFunc(memory, func(key string, _ *feed) bool { return sourceOf(key) == reading.Source })
			}
			memory.hear(reading.key(), reading.Version.cleaned(), b.in.withNames(ctx, m))
		}
	}
	return done, heard, nil
}

// readAgain reads a kept document of which only the head is there. Errors: ErrUnread for one whose way is not that of documents alone, ErrPermanent for one that
// cannot be understood, else the store's.
func (in *Ingest) readAgain(ctx context.Context, head goalcast.Document) (Reading, error) {
	p, known := in.providers[head.Provider]
	if _, asks := p.(Completer); !known || asks {
		return Reading{}, ErrUnread
	}
	doc, err := in.store.Document(ctx, head.ID)
	if err != nil {
		return Reading{}, err
	}
	reading, err := in.read(p, doc)
	if err != nil && !errors.Is(err, ErrUnread) {
		err = permanent(err)
	}
	reading.Version.Document = doc.ID
	return reading, err
}

// hearLists replaces what lists said of the match by what the newest of them say. heard are the sources that the match's own documents are of; lost says that nothing was
// remembered.
func (b *Rebuilder) hearLists(ctx context.Context, memory feeds, match goalcast.MatchID, heard map[string]bool, lost bool) (any bool, err error) {
	var wanted []string
	for source := range memory {
		if !heard[sourceOf(source)] && source != sourceOurs && source != sourceSquads && !isClip(source) {
			wanted = append(wanted, source)
		}
	}
	told, err := b.lists.of(ctx, match, wanted, lost)
	for source, m := range told {
		if heard[sourceOf(source)] {
			continue
		}
		old, plans := memory[source], b.lists.plans[listed{source, match}]
		delete(memory, source)
		memory.hear(source, m.at, b.in.withNames(ctx, m.said))
		memory[source].recall(plans)
		if old != nil { // of lists that were not looked through
			memory[source].recall(old)
		}
		any = true
	}
	return any, err
}

// hearClips replaces what is remembered of the match's clips.
func (b *Rebuilder) hearClips(ctx context.Context, memory feeds, match goalcast.MatchID) (any bool, err error) {
	if b.clips == nil {
		return false, nil
	}
	readings, err := b.clips.Recall(ctx, match)
	if err != nil {
		return false, err
	}
	stays := map[string]bool{}
	for _, r := range readings {
		stays[r.Source] = len(r.Matches) == 0
	}
	for source := range memory {
		if isClip(source) && !stays[source] {
			delete(memory, source)
			any = true
		}
	}
	for _, r := range readings {
		for _, m := range r.Matches {
			memory.hear(r.key(), r.Version.cleaned(), b.in.withNames(ctx, m))
			any = true
		}
	}
	return any, nil
}

// isClip says whether a source is that of one clip.
func isClip(source string) bool {
	return strings.HasPrefix(source, sourceCutter) || strings.HasPrefix(source, sourcePlayer)
}

// standsBy says whether any source stands by the event.
func (f feeds) standsBy(event string) bool {
	for _, mem := range f {
		if fact, ok := mem.facts[event]; ok && mem.holds(fact) {
			return true
		}
	}
	return false
}

// makeAnew is make for a truth that was derived from scratch: what is known and does not stand in it is cancelled, unless it stays.
func (d *difference) makeAnew(t truth, held []string, stays func(goalcast.Event) bool) {
	for _, e := range d.snapshot.Timeline {
		if _, told := t.events[e.ID]; !told && e.Counts() && !stays(e) {
			e.Status = goalcast.Cancelled
			t.events[e.ID] = e
		}
	}
	d.make(t, held)
}
