package board

import (
	"context"
	"time"

	"goalcast"
)

// lister is a source that can list the topics of all its matches. With it, topics that somebody
// made up cost the source nothing.
type lister interface {
	// Known calls visit for every match, team and competition there is.
	Known(ctx context.Context, visit func(goalcast.Topic)) error
}

// catalog is which topics have matches and which have none. It is guarded by Board.mu.
type catalog struct {
	cfg Config
	now func() time.Time

	topics  map[goalcast.Topic]struct{}  // all that there are; nil: not known
	unknown map[goalcast.Topic]time.Time // matches that the source does not have, and when it said so

	read    time.Time // when topics was
	tried   time.Time
	reading []goalcast.Topic // what is heard of while it is read
	busy    bool
	resets  int // a reading begun before a reset is worth nothing
}

const (
	maxKnown    = 1_000_000        // topics; some 40 MB. With more, what is made up is looked for like anything else
	knownAge    = 10 * time.Minute // after which they are read again
	knownRetry  = 5 * time.Second
	knownTime   = 30 * time.Second // for reading them
	knownHeard  = 100_000          // heard of meanwhile
	silentKnown = 10 * time.Second // how long a list is good while the bus is silent
)

// lacks says that a topic is known to have no matches: it is not among all there are, or the source
// said so a moment ago.
func (c *catalog) lacks(t goalcast.Topic, silent bool) bool {
	if c.certainlyLacks(t, silent) {
		return true
	}
	at, ok := c.unknown[t]
	return ok && c.now().Sub(at) <= c.cfg.Unknown
}

// certainlyLacks says that a topic is not among all there are.
func (c *catalog) certainlyLacks(t goalcast.Topic, silent bool) bool {
	age := 2 * knownAge
	if silent {
		age = silentKnown
	}
	if c.topics == nil || c.now().Sub(c.read) > age || t == everything {
		return false
	}
	if t.Kind.StatesOnly() { // its id is a match's
		t = goalcast.ForMatch(goalcast.MatchID(t.ID))
	}
	_, ok := c.topics[t]
	return !ok
}

// noteUnknown keeps that the source has no such match. What is too much is forgotten: it can be
// asked for again.
func (c *catalog) noteUnknown(t goalcast.Topic) {
	now := c.now()
	if len(c.unknown) >= c.cfg.MaxUnknown {
		for t, at := range c.unknown {
			if now.Sub(at) > c.cfg.Unknown {
				delete(c.unknown, t)
			}
		}
		if len(c.unknown) >= c.cfg.MaxUnknown {
			clear(c.unknown)
		}
	}
	c.unknown[t] = now
}

// heard notes the topics of an event.
func (c *catalog) heard(e goalcast.Event) {
	if c.topics != nil {
		for _, t := range e.Topics {
			c.topics[t] = struct{}{}
		}
		c.topics[goalcast.ForMatch(e.Match)] = struct{}{}
	}
	if c.busy && len(c.reading) < knownHeard {
		c.reading = append(append(c.reading, e.Topics...), goalcast.ForMatch(e.Match))
	}
}

// forget is for when events were lost.
func (c *catalog) forget() {
	c.topics, c.tried = nil, time.Time{}
	clear(c.unknown)
	c.resets++
}

// due says whether all there is should be read now.
func (c *catalog) due(silent bool) bool {
	now, age := c.now(), knownAge
	if silent {
		age = silentKnown / 2
	}
	return !c.busy && (c.topics == nil || now.Sub(c.read) >= age) && now.Sub(c.tried) >= knownRetry
}

// learnLocked reads what there is, if the source can tell, unless that is known or being read. It
// is called when something has to be read that is not held.
func (b *Board) learnLocked() {
	source, ok := b.source.(lister)
	if c := &b.catalog; ok && c.due(b.silent) {
		now := b.now()
		c.busy, c.tried, c.reading = true, now, nil
		go b.learn(source, c.resets, now)
	}
}

// learn reads what there is.
func (b *Board) learn(source lister, resets int, began time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), knownTime)
	defer cancel()
	topics := make(map[goalcast.Topic]struct{})
	err := source.Known(ctx, func(t goalcast.Topic) {
		if len(topics) <= maxKnown {
			topics[t] = struct{}{}
		}
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &b.catalog
	c.busy = false
	if err != nil {
		b.log.Warn("list of all matches not read", "error", err)
		return
	}
	if c.resets != resets || len(topics) > maxKnown || len(c.reading) >= knownHeard {
		return
	}
	for _, t := range c.reading {
		topics[t] = struct{}{}
	}
	c.topics, c.read, c.reading = topics, began, nil
}
