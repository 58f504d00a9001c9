package ingest

import (
	"context"
	"errors"
	"slices"

	"goalcast"
)

// listPage is how many documents a rebuild asks the archive for at once; maxLists how many lists it looks through at most, the newest ones: a season's list comes some
// thousand times.
const (
	listPage = 100
	maxLists = 2000
)

// lists looks through the archive for what documents of no one match (a season's fixtures, a ticker) say of matches. It reads no more than it is asked for, each
// document once, and keeps of each source and match what the newest one said.
type lists struct {
	in      *Ingest
	archive Archive
	read    map[goalcast.DocumentID]bool
	told    map[listed]toldMatch
	plans   map[listed]*feed // of the memory only what older lists have a part in: see feed.comes and feed.plans
}

type listed struct {
	source string
	match  goalcast.MatchID
}

type toldMatch = versioned[MatchReading]

// of returns what lists say of a match, by source. It looks through the newest page, and on until it has found all the sources that are wanted; with any, which is for a
// match of which nothing is remembered, until it has found one at all.
func (l *lists) of(ctx context.Context, match goalcast.MatchID, wanted []string, any bool) (map[string]toldMatch, error) {
	filter := goalcast.DocumentFilter{Lists: true, Limit: listPage}
	for {
		page, err := l.archive.Documents(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if err := l.hear(ctx, d); err != nil {
				return nil, err
			}
		}
		found := map[string]toldMatch{}
		for key, m := range l.told {
			if key.match == match {
				found[key.source] = m
			}
		}
		missing := any && len(found) == 0 || slices.ContainsFunc(wanted, func(source string) bool { _, ok := found[source]; return !ok })
		if !missing || len(page) < listPage || len(l.read) >= maxLists {
			return found, nil
		}
		filter.Before = page[len(page)-1].ID
	}
}

// hear reads a list that was not read before. One that cannot be understood tells nothing.
func (l *lists) hear(ctx context.Context, d goalcast.Document) error {
	if l.read[d.ID] {
		return nil
	}
	reading, err := l.in.readAgain(ctx, d)
	if err != nil && !errors.Is(err, ErrUnread) && !errors.Is(err, goalcast.ErrPermanent) {
		return err
	}
	l.read[d.ID] = true
	if err != nil {
		return nil
	}
	v := reading.Version.cleaned()
	for _, m := range reading.Matches {
		key := listed{reading.key(), m.Match}
		if old, ok := l.told[key]; !ok || v.Compare(old.at) > 0 {
			l.told[key] = toldMatch{v, m}
		}
		if l.plans[key] == nil {
			l.plans[key] = &feed{newest: v}
		}
		l.plans[key].comes(v)
		l.plans[key].plans(v, m)
	}
	return nil
}
