package board

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"goalcast"
	"goalcast/internal/clientip"
)

// flight is one reading, under way or waiting for its turn. Events that arrive while it is under way are applied to what it brings: the source may
// have been read before or after them, and applying one twice changes nothing.
type flight struct {
	topic  goalcast.Topic
	done   chan struct{} // closed when err is set
	err    error
	asker  netip.Addr
	events []goalcast.Event
	lost   bool // too many events to keep: read again
}

const maxHeard = 10_000 // events kept for one reading

func (f *flight) heard(e goalcast.Event) {
	if f.topic.Kind == goalcast.MatchTopic && f.topic.ID != int64(e.Match) {
		return
	}
	if len(f.events) == maxHeard {
		f.lost = true
		return
	}
	f.events = append(f.events, e)
}

var errCrowded = fmt.Errorf("%w: too many readings wait", goalcast.ErrUnavailable)

// askerKey is the context key of the address for which something is asked.
type askerKey struct{}

// ForAddress says for which address a request asks: so many readings wait for one address at most.
func ForAddress(ctx context.Context, ip netip.Addr) context.Context {
	if !ip.IsValid() {
		return ctx
	}
	return context.WithValue(ctx, askerKey{}, clientip.Counted(ip))
}

// Patience is how long one waits for a newer reading of what is held.
func (b *Board) Patience() time.Duration { return b.cfg.Patience }

// Load waits until all topics that are matches, teams or competitions are on the board, or known not to exist. Lists go first: they bring
// matches with them. A request has one reading under way or waiting at a time, so that turns go round among requests, however much each asks for.
// What is held is never refused: if no newer reading is to be had in a moment, it is served as it is.
func (b *Board) Load(ctx context.Context, topics []goalcast.Topic) error {
	patience, end := context.WithTimeout(ctx, b.cfg.Patience)
	defer end()
	for _, lists := range []bool{true, false} {
		for _, t := range topics {
			if t.Kind == goalcast.OddsTopic || (t.Kind != goalcast.MatchTopic) != lists {
				continue
			}
			if err := b.await(ctx, patience, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// await waits for one topic; patience is for a newer reading of what is held.
func (b *Board) await(ctx, patience context.Context, t goalcast.Topic) error {
	b.mu.Lock()
	fresh, have := b.lookLocked(t)
	if fresh {
		b.mu.Unlock()
		return nil
	}
	f, err := b.flyLocked(ctx, t)
	b.mu.Unlock()
	if err == nil {
		if have {
			ctx = patience
		}
		select {
		case <-f.done:
			err = f.err
		case <-ctx.Done():
			err = fmt.Errorf("%w: %s not read in time: %w", goalcast.ErrUnavailable, t, ctx.Err())
		}
	}
	if have {
		return nil
	}
	return err
}

// lookLocked says whether a topic need not be read now, and whether there is something to be served if it cannot be; asking counts as use.
func (b *Board) lookLocked(t goalcast.Topic) (fresh, have bool) {
	now := b.now()
	if t.Kind == goalcast.MatchTopic {
		m := b.matches[goalcast.MatchID(t.ID)]
		if m == nil {
			return b.unknownLocked(t), false
		}
		m.used = now
		old := m.hole || b.silent && now.Sub(m.read) > max(b.cfg.StaleAge, 4*m.took)
		return !old || now.Before(m.retry), true
	}
	l := b.lists[t]
	if l == nil {
		return b.unknownLocked(t), false
	}
	l.used = now
	age := b.cfg.ListAge
	if b.silent {
		age = max(b.cfg.StaleAge, 4*l.took)
	}
	return now.Sub(l.read) <= age || now.Before(l.retry), true
}

// unknownLocked says whether a topic is known not to exist: it is not among all there are, or the source said so a moment ago.
func (b *Board) unknownLocked(t goalcast.Topic) bool {
	now := b.now()
	if b.known.lacks(t, now, b.freshKnownLocked()) {
		return true
	}
	at, ok := b.unknown[t]
	return ok && now.Sub(at) <= b.cfg.Unknown
}

// noteUnknownLocked keeps that the source has no such match. What is too much is forgotten: it can be asked for again.
func (b *Board) noteUnknownLocked(t goalcast.Topic) {
	now := b.now()
	if len(b.unknown) >= b.cfg.MaxUnknown {
		for t, at := range b.unknown {
			if now.Sub(at) > b.cfg.Unknown {
				delete(b.unknown, t)
			}
		}
		if len(b.unknown) >= b.cfg.MaxUnknown {
			clear(b.unknown)
		}
	}
	b.unknown[t] = now
}

// flyLocked has a topic read, or joins the reading under way. It ends by itself within the time-out, whoever waits.
func (b *Board) flyLocked(ctx context.Context, t goalcast.Topic) (*flight, error) {
	if f := b.flights[t]; f != nil {
		return f, nil
	}
	b.learnLocked()
	asker, _ := ctx.Value(askerKey{}).(netip.Addr)
	if len(b.flights) >= b.cfg.MaxWaiting+b.cfg.Loads || asker.IsValid() && b.askers[asker] >= b.cfg.MaxPerAddress {
		b.metrics.refused.Inc()
		return nil, errCrowded
	}
	f := &flight{topic: t, done: make(chan struct{}), asker: asker}
	b.flights[t] = f
	b.askers[asker]++
	go b.fly(f)
	return f, nil
}

// readForEventLocked has a match read because of an event. Where that is too much now, lists that may lack it count as old, and the match is read when
// somebody asks.
func (b *Board) readForEventLocked(t goalcast.Topic) {
	m := b.matches[goalcast.MatchID(t.ID)]
	if m != nil && b.now().Before(m.retry) {
		return
	}
	if _, err := b.flyLocked(context.Background(), t); err != nil && m == nil {
		for _, l := range b.lists {
			l.read = time.Time{}
		}
	}
}

// fly waits for a turn and reads.
func (b *Board) fly(f *flight) {
	defer close(f.done)
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.LoadTimeout)
	defer cancel()
	var mended *match
	select {
	case b.slots <- struct{}{}:
		mended, f.err = b.load(ctx, f)
		<-b.slots
	case <-ctx.Done():
		f.err = errCrowded
	}
	b.mu.Lock()
	if b.flights[f.topic] == f {
		delete(b.flights, f.topic)
	}
	delete(b.reading, f)
	if b.askers[f.asker]--; b.askers[f.asker] <= 0 {
		delete(b.askers, f.asker)
	}
	if f.err != nil {
		b.failedLocked(f.topic)
	}
	b.blind = f.err != nil
	var snap goalcast.Snapshot
	if mended != nil {
		snap = mended.snap
	}
	b.mu.Unlock()
	b.metrics.loaded(f.topic, f.err)
	if f.err != nil {
		b.log.Warn("board reading", "topic", f.topic.String(), "err", f.err)
	}
	if mended != nil && b.mended != nil {
		b.mended(snap.ID, snap)
	}
}

// failedLocked has what is held be served as it is for a while.
func (b *Board) failedLocked(t goalcast.Topic) {
	retry := b.now().Add(b.cfg.Retry)
	if t.Kind == goalcast.MatchTopic {
		if m := b.matches[goalcast.MatchID(t.ID)]; m != nil {
			m.retry = retry
		}
	} else if l := b.lists[t]; l != nil {
		l.retry = retry
	}
}

// load reads a topic until what was read is from after the last reset, and puts it on the board. It returns the match if that had a hole before.
func (b *Board) load(ctx context.Context, f *flight) (*match, error) {
	for {
		b.mu.Lock()
		reset := b.reset
		f.events, f.lost = nil, false
		b.reading[f] = struct{}{}
		b.mu.Unlock()
		var put func(*flight) bool
		var err error
		if f.topic.Kind == goalcast.MatchTopic {
			put, err = b.readMatch(ctx, goalcast.MatchID(f.topic.ID))
		} else {
			put, err = b.readList(ctx, f.topic)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.topic, err)
		}
		b.mu.Lock()
		old := b.matches[goalcast.MatchID(f.topic.ID)]
		torn := f.topic.Kind == goalcast.MatchTopic && old != nil && old.hole
		done := b.reset == reset && !f.lost && put(f)
		if done {
			delete(b.flights, f.topic) // under the same lock: from here on events are applied to what was put
			delete(b.reading, f)
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

// readMatch reads one match; what it returns puts it on the board, or says false if it has to be read again.
func (b *Board) readMatch(ctx context.Context, id goalcast.MatchID) (func(*flight) bool, error) {
	asked := b.now()
	snap, err := b.source.Match(ctx, id)
	if err != nil && !notFound(err) {
		return nil, err
	}
	how := asOf{read: asked, took: b.now().Sub(asked)}
	found := err == nil
	return func(f *flight) bool {
		m := b.matches[id]
		if !found {
			if len(f.events) > 0 && f.events[0].Seq != 1 && m == nil {
				return false // committed in the moment after we looked
			}
			if m == nil {
				b.noteUnknownLocked(f.topic)
			} else {
				m.asOf = how
			}
		} else {
			delete(b.unknown, f.topic)
			b.putReadLocked(snap, how)
		}
		for _, e := range f.events {
			b.applyLocked(e)
		}
		return true
	}, nil
}

// putReadLocked puts a match that was read on the board, unless what is there is newer.
func (b *Board) putReadLocked(snap goalcast.Snapshot, how asOf) *match {
	m := b.matches[snap.ID]
	switch {
	case m == nil:
		m = b.putLocked(snap.ID, snap, how)
		b.changedLocked(m)
		m.late = slices.ContainsFunc(m.in, func(t goalcast.Topic) bool { return t != everything })
	case m.snap.Seq < snap.Seq || m.hole && m.snap.Seq == snap.Seq:
		b.putLocked(snap.ID, snap, how)
		m.hole = false
		b.changedLocked(m)
	case m.hole:
		m.asOf = how
		m.retry = how.read.Add(b.cfg.Retry) // the source is behind: not again at once
	default:
		m.asOf = how
	}
	return m
}

// listFilter is what a list is read with: the window around now, and what is in play outside of it.
func (b *Board) listFilter(t goalcast.Topic, now time.Time) goalcast.MatchFilter {
	// the day's edges of a REST query must lie inside although the clock moves on between two readings
	f := goalcast.MatchFilter{From: now.Add(-b.cfg.Before), To: now.Add(b.cfg.After + b.cfg.ListAge), Unplanned: true, Live: true}
	switch t.Kind {
	case goalcast.TeamTopic:
		f.Team = goalcast.TeamID(t.ID)
	case goalcast.CompetitionTopic:
		f.Competition = goalcast.CompetitionID(t.ID)
	}
	return f
}

const (
	listPage = 500 // matches of a list that are read at once
	pageTorn = 50  // of these, that a full page may lack, since the source leaves out what it cannot read
)

// readPages reads all matches that a filter chooses, at most so many; whole says that there are no more.
func (b *Board) readPages(ctx context.Context, f goalcast.MatchFilter, most int) (all []goalcast.Snapshot, whole bool, err error) {
	seen := make(map[goalcast.MatchID]bool)
	for len(all) <= most {
		f.Limit = min(listPage, most+1-len(all))
		some, err := b.source.Matches(ctx, f)
		if err != nil && !notFound(err) {
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
func (b *Board) readList(ctx context.Context, t goalcast.Topic) (func(*flight) bool, error) {
	now := b.now()
	filter := b.listFilter(t, now)
	snaps, whole, err := b.readPages(ctx, filter, b.cfg.ListMatches)
	if err != nil {
		return nil, err
	}
	how := asOf{read: now, took: b.now().Sub(now)}
	return func(f *flight) bool {
		if b.lists[t] != nil {
			b.dropListLocked(t)
		}
		b.lists[t] = &list{ids: make(map[goalcast.MatchID]struct{}), from: filter.From, to: filter.To, asOf: how, used: now, whole: whole}
		for _, s := range snaps {
			old := b.matches[s.ID] != nil
			m := b.putReadLocked(s, how)
			if !old { // who joined this list will see it there
				m.late = slices.ContainsFunc(m.in, func(in goalcast.Topic) bool { return in != t && in != everything })
			}
			b.enlistLocked(m, t)
			b.changedLocked(m)
		}
		for _, e := range f.events {
			b.applyLocked(e)
		}
		b.evictListsLocked(t)
		return true
	}, nil
}

// rangeRead is a reading of matches outside the lists, shared by all who ask for the same within StaleAge.
type rangeRead struct {
	done  chan struct{}
	until time.Time // good as long; set with done
	snaps []goalcast.Snapshot
	err   error
}

const maxRanges = 64 // kept at one time; more are read each for itself, in their turn

// readRange asks the source what the board does not hold: once for all who ask for the same at one time.
func (b *Board) readRange(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	b.mu.Lock()
	r := b.ranges[f]
	if r != nil {
		select {
		case <-r.done:
			if b.now().After(r.until) {
				r = nil
			}
		default:
		}
	}
	if r == nil {
		r = &rangeRead{done: make(chan struct{})}
		if len(b.ranges) >= maxRanges {
			for f, r := range b.ranges {
				select {
				case <-r.done:
					delete(b.ranges, f)
				default:
				}
			}
		}
		if len(b.ranges) < maxRanges {
			b.ranges[f] = r
		}
		go b.fillRange(f, r)
	}
	b.mu.Unlock()
	select {
	case <-r.done:
		return slices.Clone(r.snaps), r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: matches not read in time: %w", goalcast.ErrUnavailable, ctx.Err())
	}
}

func (b *Board) fillRange(f goalcast.MatchFilter, r *rangeRead) {
	ctx, cancel := context.WithTimeout(context.Background(), b.cfg.LoadTimeout)
	defer cancel()
	select {
	case b.slots <- struct{}{}:
		r.snaps, r.err = b.source.Matches(ctx, f)
		<-b.slots
	case <-ctx.Done():
		r.err = errCrowded
	}
	if errors.Is(r.err, goalcast.ErrNotFound) {
		r.err = nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.until = b.now().Add(b.cfg.StaleAge)
	if b.blind = r.err != nil; b.blind && b.ranges[f] == r {
		delete(b.ranges, f)
	}
	close(r.done)
}
