package board

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"goalcast"
)

// Load waits until all topics that are matches, teams or competitions are on the board, or known
// not to exist. Lists go first: they bring matches with them. A request has one reading under way
// or waiting at a time, so that turns go round among requests, however much each asks for. What is
// held is never refused: if no newer reading is to be had in a moment, it is served as it is.
func (b *Board) Load(ctx context.Context, topics []goalcast.Topic) error {
	patience, end := context.WithTimeout(ctx, b.cfg.Patience)
	defer end()
	for _, lists := range []bool{true, false} {
		for _, t := range topics {
			list := t == everything || t.Kind.Info().Matches.Lists()
			if t.Kind.Info().Matches == goalcast.NoMatches && !list || list != lists {
				continue
			}
			if err := b.await(ctx, patience, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// Patience is how long one waits for a newer reading of what is held.
func (b *Board) Patience() time.Duration { return b.cfg.Patience }

// LoadFor has the match of an event read if viewers of its teams and competition may not know it
// and nothing can be told of it: the channel is closed when that has ended. It is nil where there
// is nothing to wait for.
func (b *Board) LoadFor(e goalcast.Event) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held.mayLack(e) {
		return nil
	}
	l, err := b.loadLocked(context.Background(), goalcast.ForMatch(e.Match))
	if err != nil {
		return nil
	}
	return l.done
}

// await waits for one topic; patience is for a newer reading of what is held.
func (b *Board) await(ctx, patience context.Context, t goalcast.Topic) error {
	b.mu.Lock()
	fresh, have := b.lookLocked(t)
	if fresh {
		b.mu.Unlock()
		return nil
	}
	l, err := b.loadLocked(ctx, t)
	b.mu.Unlock()
	if err == nil {
		if have {
			ctx = patience
		}
		select {
		case <-l.done:
			err = l.err
		case <-ctx.Done():
			err = fmt.Errorf("%w: %s not read in time: %w", goalcast.ErrUnavailable, t, ctx.Err())
		}
	}
	if have {
		return nil
	}
	return err
}

// lookLocked says whether a topic need not be read now, and whether there is something to be served
// if it cannot be; asking counts as use.
func (b *Board) lookLocked(t goalcast.Topic) (fresh, have bool) {
	now := b.now()
	how, hole := b.held.use(t, now)
	if how == nil {
		return b.catalog.lacks(t, b.silent), false
	}
	age := now.Sub(how.read)
	old := hole || t.Kind != goalcast.MatchTopic && age > b.cfg.ListAge
	if b.silent {
		old = hole || age > max(b.cfg.StaleAge, 4*how.took)
	}
	return !old || now.Before(how.retry), true
}

// loadLocked has a topic read, or joins the reading under way. It ends by itself within the
// time-out, whoever waits.
func (b *Board) loadLocked(ctx context.Context, t goalcast.Topic) (*load, error) {
	if l := b.loads.byTopic[t]; l != nil {
		return l, nil
	}
	b.learnLocked()
	address, _ := addressOf(ctx)
	l, err := b.loads.add(t, address)
	if err != nil {
		b.metrics.refused.Inc()
		return nil, err
	}
	go b.load(l)
	return l, nil
}

// loadForEventLocked has a match read because of an event. Where that is too much now, lists that
// may lack it count as old, and the match is read when somebody asks.
func (b *Board) loadForEventLocked(t goalcast.Topic) {
	m := b.held.matches[goalcast.MatchID(t.ID)]
	if m != nil && b.now().Before(m.retry) {
		return
	}
	if _, err := b.loadLocked(context.Background(), t); err != nil && m == nil {
		for _, l := range b.held.lists {
			l.read = time.Time{}
		}
	}
}

// load waits for a turn and reads.
func (b *Board) load(l *load) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.LoadTimeout)
	defer cancel()
	var mended *match
	select {
	case b.slots <- struct{}{}:
		mended, l.err = b.read(ctx, l)
		<-b.slots
	case <-ctx.Done():
		l.err = errCrowded
	}
	b.mu.Lock()
	b.loads.end(l)
	if l.err != nil {
		if how, _ := b.held.asOf(l.topic); how != nil {
			how.retry = b.now().Add(b.cfg.Retry) // until then it is served as it is
		}
	}
	b.blind = l.err != nil
	var snap goalcast.Snapshot
	if mended != nil {
		snap = mended.snap
	}
	b.mu.Unlock()
	b.metrics.loaded(l.topic, l.err)
	if l.err != nil {
		b.log.Warn("match or list not read", "topic", l.topic.String(), "error", l.err)
	}
	if mended != nil && b.mended != nil {
		b.mended(snap.ID, snap)
	}
}

// read reads a topic until what was read is from after the last reset, and puts it on the board. It
// returns the match if that had a hole before.
func (b *Board) read(ctx context.Context, l *load) (*match, error) {
	for {
		b.mu.Lock()
		reset := b.reset
		b.loads.begin(l)
		b.mu.Unlock()
		var put func(*load) bool
		var err error
		if l.topic.Kind == goalcast.MatchTopic {
			put, err = b.readMatch(ctx, goalcast.MatchID(l.topic.ID))
		} else {
			put, err = b.readList(ctx, l.topic)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", l.topic, err)
		}
		b.mu.Lock()
		old := b.held.matches[goalcast.MatchID(l.topic.ID)]
		torn := l.topic.Kind == goalcast.MatchTopic && old != nil && old.hole
		done := b.reset == reset && !l.lost && put(l)
		if done {
			b.loads.brought(l) // under the same lock: from here on events are applied to what was put
		}
		torn = torn && done && !old.hole
		b.mu.Unlock()
		switch {
		case torn:
			return old, nil
		case done:
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond): // what was committed a moment ago will be there
		}
	}
}

// readMatch reads one match; what it returns puts it on the board, or says false if it has to be
// read again.
func (b *Board) readMatch(ctx context.Context, id goalcast.MatchID) (func(*load) bool, error) {
	asked := b.now()
	snap, err := b.source.Match(ctx, id)
	if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
		return nil, err
	}
	how := asOf{read: asked, took: b.now().Sub(asked)}
	found := err == nil
	return func(l *load) bool {
		m := b.held.matches[id]
		switch {
		case found:
			delete(b.catalog.unknown, l.topic)
			b.held.putRead(snap, how)
		case m != nil:
			m.asOf = how
		case len(l.events) > 0 && l.events[0].Seq != 1:
			return false // committed in the moment after we looked
		default:
			b.catalog.noteUnknown(l.topic)
		}
		for _, e := range l.events {
			b.applyLocked(e)
		}
		return true
	}, nil
}

// listFilter is what a list is read with: the window around now, and what is in play outside of it.
func (b *Board) listFilter(t goalcast.Topic, now time.Time) goalcast.MatchFilter {
	// the day's edges of a REST query must lie inside although the clock moves
	// on between two readings
	f := t.Filter()
	f.From, f.To, f.Unplanned, f.Live = now.Add(-b.cfg.Before), now.Add(b.cfg.After+b.cfg.ListAge), true, true
	return f
}

const (
	listPage = 500 // matches of a list that are read at once
	pageTorn = 50  // of these, that a full page may lack, since the source leaves out what it cannot read
)

// readPages reads all matches that a filter chooses, at most so many; whole says that there are no
// more.
func (b *Board) readPages(ctx context.Context, f goalcast.MatchFilter, most int) (all []goalcast.Snapshot, whole bool,
	err error) {
	seen := make(map[goalcast.MatchID]bool)
	for len(all) <= most {
		f.Limit = min(listPage, most+1-len(all))
		some, err := b.source.Matches(ctx, f)
		if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
			return nil, false, err
		}
		before := len(all)
		for _, s := range some {
			if !seen[s.ID] { // one that moved meanwhile can come twice
				seen[s.ID] = true
				all = append(all, s)
			}
		}
		if len(some) < f.Limit-pageTorn || len(all) == before {
			return all, len(all) <= most, nil
		}
		f.After = some[len(some)-1].Place()
	}
	return all, false, nil
}

// readList reads a list of matches in the window around now.
func (b *Board) readList(ctx context.Context, t goalcast.Topic) (func(*load) bool, error) {
	now := b.now()
	filter := b.listFilter(t, now)
	snaps, whole, err := b.readPages(ctx, filter, b.cfg.ListMatches)
	if err != nil {
		return nil, err
	}
	how := asOf{read: now, took: b.now().Sub(now)}
	return func(l *load) bool {
		b.held.putList(t, &list{from: filter.From, to: filter.To, asOf: how, used: now, whole: whole}, snaps)
		for _, e := range l.events {
			b.applyLocked(e)
		}
		b.held.evictLists(t)
		return true
	}, nil
}

// readRange asks the source what the board does not hold: once for all who ask for the same within
// StaleAge. Of days before and after the board's window the source may say what was a moment ago; a
// match that is held all the same, and is further, is shown as it is held.
func (b *Board) readRange(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	snaps, err := b.ranges.Get(ctx, f, func(ctx context.Context) ([]goalcast.Snapshot, error) {
		asked, now := f, b.now()
		asked.MayLag = !f.To.IsZero() && f.To.Before(now.Add(-b.cfg.Before)) || f.From.After(now.Add(b.cfg.After))
		snaps, err := b.source.Matches(ctx, asked)
		if errors.Is(err, goalcast.ErrNotFound) {
			err = nil
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.blind = err != nil
		for i, s := range snaps {
			if m := b.held.matches[s.ID]; m != nil && m.snap.Seq > s.Seq {
				snaps[i] = m.snap
			}
		}
		return snaps, err
	})
	return slices.Clone(snaps), err
}
