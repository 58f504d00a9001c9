package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goalcast"
)

// flight is one reading under way. Events that arrive meanwhile are applied to what it brings: the source may have been read before
// or after them, and applying one twice changes nothing.
type flight struct {
	topic  goalcast.Topic
	done   chan struct{} // closed when err is set
	err    error
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

// ensure waits until all topics that are matches, teams or competitions are on the board. Lists go first: they bring matches with them.
func (b *Board) ensure(ctx context.Context, topics []goalcast.Topic) error {
	for _, lists := range []bool{true, false} {
		var wait []*flight
		b.mu.Lock()
		for _, t := range topics {
			if t.Kind != goalcast.OddsTopic && (t.Kind != goalcast.MatchTopic) == lists && !b.freshLocked(t) {
				wait = append(wait, b.flyLocked(t))
			}
		}
		b.mu.Unlock()
		for _, f := range wait {
			select {
			case <-f.done:
				if f.err != nil {
					return f.err
				}
			case <-ctx.Done():
				return fmt.Errorf("%w: %s not read in time: %w", goalcast.ErrUnavailable, f.topic, ctx.Err())
			}
		}
	}
	return nil
}

// freshLocked says whether a topic is held and need not be read; asking counts as use.
func (b *Board) freshLocked(t goalcast.Topic) bool {
	now := b.now()
	if t.Kind == goalcast.MatchTopic {
		m := b.matches[goalcast.MatchID(t.ID)]
		if m == nil || !m.found && now.Sub(m.read) > b.cfg.Unknown {
			return false
		}
		m.used = now
		return true
	}
	l := b.lists[t]
	if l == nil || now.Sub(l.read) > b.cfg.ListAge {
		return false
	}
	l.used = now
	return true
}

// flyLocked starts the reading of a topic, or joins the one under way. It ends by itself within the time-out, whoever waits.
func (b *Board) flyLocked(t goalcast.Topic) *flight {
	if f := b.flights[t]; f != nil {
		return f
	}
	f := &flight{topic: t, done: make(chan struct{})}
	b.flights[t] = f
	go func() {
		defer close(f.done)
		ctx, cancel := context.WithTimeout(context.Background(), b.cfg.LoadTimeout)
		defer cancel()
		select {
		case b.slots <- struct{}{}:
			f.err = b.load(ctx, f)
			<-b.slots
		case <-ctx.Done():
			f.err = fmt.Errorf("%w: too many readings", goalcast.ErrUnavailable)
		}
		b.mu.Lock()
		if b.flights[t] == f {
			delete(b.flights, t)
		}
		b.mu.Unlock()
		b.metrics.loaded(t, f.err)
		if f.err != nil {
			b.log.Warn("board reading", "topic", t.String(), "err", f.err)
		}
	}()
	return f
}

// load reads a topic until what was read is from after the last reset, and puts it on the board.
func (b *Board) load(ctx context.Context, f *flight) error {
	for {
		b.mu.Lock()
		reset := b.reset
		f.events, f.lost = nil, false
		b.mu.Unlock()
		var put func(*flight) bool
		var err error
		if f.topic.Kind == goalcast.MatchTopic {
			put, err = b.readMatch(ctx, goalcast.MatchID(f.topic.ID))
		} else {
			put, err = b.readList(ctx, f.topic)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", f.topic, err)
		}
		b.mu.Lock()
		done := b.reset == reset && !f.lost && put(f)
		if done {
			delete(b.flights, f.topic) // under the same lock: from here on events are applied to what was put
		}
		b.mu.Unlock()
		if done {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// readMatch reads one match; what it returns puts it on the board, or says false if it has to be read again.
func (b *Board) readMatch(ctx context.Context, id goalcast.MatchID) (func(*flight) bool, error) {
	snap, err := b.source.Match(ctx, id)
	if err != nil && !notFound(err) {
		return nil, err
	}
	found := err == nil
	return func(f *flight) bool {
		if !found && len(f.events) > 0 && f.events[0].Seq != 1 {
			return false // committed in the moment after we looked
		}
		if old := b.matches[id]; old == nil || !old.found || found && old.snap.Seq < snap.Seq {
			m := b.putLocked(id, snap, found)
			if found {
				b.changedLocked(m)
			}
		}
		for _, e := range f.events {
			b.applyLocked(e)
		}
		return true
	}, nil
}

// readList reads a list of matches in the window around now.
func (b *Board) readList(ctx context.Context, t goalcast.Topic) (func(*flight) bool, error) {
	now := b.now()
	filter := goalcast.MatchFilter{From: now.Add(-b.cfg.Before), To: now.Add(b.cfg.After), Limit: b.cfg.ListMatches}
	switch t.Kind {
	case goalcast.TeamTopic:
		filter.Team = goalcast.TeamID(t.ID)
	case goalcast.CompetitionTopic:
		filter.Competition = goalcast.CompetitionID(t.ID)
	}
	// the day's edges of a REST query must lie inside although the clock moves on between two readings
	filter.To = filter.To.Add(b.cfg.ListAge)
	snaps, err := b.source.Matches(ctx, filter)
	if err != nil && !errors.Is(err, goalcast.ErrNotFound) {
		return nil, err
	}
	return func(f *flight) bool {
		if b.lists[t] != nil {
			b.dropListLocked(t)
		}
		l := &boardList{ids: make(map[goalcast.MatchID]struct{}), from: filter.From, to: filter.To, read: now, used: now,
			whole: len(snaps) < filter.Limit}
		b.lists[t] = l
		for _, s := range snaps {
			m := b.matches[s.ID]
			if m == nil || !m.found || m.snap.Seq < s.Seq {
				m = b.putLocked(s.ID, s, true)
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

func (b *Board) evictListsLocked(keep goalcast.Topic) {
	for len(b.lists) > b.cfg.MaxLists {
		var oldest goalcast.Topic
		var at time.Time
		for t, l := range b.lists {
			if t != keep && (at.IsZero() || l.used.Before(at)) {
				oldest, at = t, l.used
			}
		}
		b.dropListLocked(oldest)
		b.metrics.evicted.Inc()
	}
}
