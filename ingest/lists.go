package ingest

import (
	"context"
	"errors"

	"goalcast"
	"goalcast/ingest/merge"
)

// listPage is how many documents a rebuild asks the archive for at once; maxLists how many lists it
// looks through at most, the newest ones: a season's list comes some thousand times.
const (
	listPage = 100
	maxLists = 2000
)

// lists looks through the archive for what documents of no one match (a season's fixtures, a
// ticker) say of matches. It reads no more than it is asked for, each document once.
type lists struct {
	*merge.Lists
	in      *Ingest
	archive Archive
	read    map[goalcast.DocumentID]bool
}

// find looks through the newest page, and on until lists of all these keys tell of the match; with
// some, which is for a match of which nothing is remembered, until one tells of it at all.
func (l *lists) find(ctx context.Context, match goalcast.MatchID, keys []string, some bool) error {
	filter := goalcast.DocumentFilter{Lists: true, Limit: listPage}
	for {
		page, err := l.archive.Documents(ctx, filter)
		if err != nil {
			return err
		}
		for _, d := range page {
			if err := l.add(ctx, d); err != nil {
				return err
			}
		}
		if l.Tell(match, keys, some) || len(page) < listPage || len(l.read) >= maxLists {
			return nil
		}
		filter.Before = page[len(page)-1].ID
	}
}

// add reads a list that was not read before. One that cannot be understood tells nothing.
func (l *lists) add(ctx context.Context, d goalcast.Document) error {
	if l.read[d.ID] {
		return nil
	}
	reading, err := l.in.readAgain(ctx, d)
	if err != nil && !errors.Is(err, merge.ErrUnread) && !errors.Is(err, goalcast.ErrPermanent) {
		return err
	}
	l.read[d.ID] = true
	if err == nil {
		l.Add(reading)
	}
	return nil
}
