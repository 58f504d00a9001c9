package shard

import (
	"slices"
	"time"

	"goalcast"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
)

// flushes are the state flushes: every so often what has changed is given out.
type flushes struct {
	dirty   []*topic  // with states that were not given out
	oldest  time.Time // when the first of those came that are being given out; zero if none are
	pace    pace
	rush    rush
	batches uint64 // counts those that several connections got
}

// pace is how fast flushes follow each other, and the groups of connections in one: not before
// StateInterval, and not so fast that they take more than StateShare of the shard's time.
type pace struct {
	began  time.Time     // the last flush
	worked time.Duration // spent on it
}

// rush says that connections wait for events: until all have them, states are not written along
// with them, so that a goal to many reaches the last of them sooner. It lasts for rushIntervals of
// the flushes at most: events without end do not hold prices back.
type rush struct {
	on    bool
	began time.Time // zero while no connection waits for events
}

// rushIntervals is a second by default: a goal to 100,000 viewers of one hub takes as long.
const rushIntervals = 10

// note is called after a group of connections was written to.
func (r *rush) note(now time.Time, done bool, longest time.Duration) {
	if done {
		*r = rush{}
		return
	}
	if r.began.IsZero() {
		r.began = now
	}
	r.on = now.Sub(r.began) < longest
}

// span is how long after the last flush the next one may begin.
func (p *pace) span(cfg Config) time.Duration {
	return max(cfg.StateInterval, time.Duration(float64(p.worked)/cfg.StateShare))
}

// rest is how long to wait with the next group of a flush: so that a flush of many is not a burst,
// behind which a goal would wait in viewers' networks and on the shard's core.
func (p *pace) rest(now time.Time, cfg Config) time.Duration {
	return time.Duration(float64(p.worked)/cfg.StateShare) - now.Sub(p.began)
}

// mark notes that a topic has states to give out.
func (f *flushes) mark(t *topic) {
	if !t.dirty {
		t.dirty = true
		f.dirty = append(f.dirty, t)
	}
}

// note notes when something came that is given out.
func (f *flushes) note(came time.Time) {
	if f.oldest.IsZero() || came.Before(f.oldest) {
		f.oldest = came
	}
}

func (f *flushes) nextBatch() frame.Window {
	f.batches++
	return frame.BatchWindow(f.batches)
}

// statesChanged notes that a topic has states to give out, if anybody here follows it.
func (s *Shard) statesChanged(table *follow.Table) {
	table.Look(s.number)
	if t := s.topics[table.Topic]; t != nil {
		s.flushes.mark(t)
	}
}

// gate gives a gate to all who follow its topic, with the events: ahead of all other states, and
// one that voids prices ahead of events to others too, for it may come after the goal it is shut
// for: by another connection to the bus. What they still lack of the prices that it voids is not
// sent. A flush looks at the table as it is, and may have given out prices of behind the gate while
// that was still in the inbox: to viewers those are void, and come again.
func (s *Shard) gate(o *Gate) {
	t := s.topics[o.Table.Topic]
	if t == nil {
		return
	}
	overtaken := o.Void > 0 && t.flushed > o.Void
	if o.Void > 0 {
		t.flushed = o.Void
		t.batch, t.longer = frame.Batch{}, nil
	}
	if overtaken {
		s.flushes.mark(t)
	}
	need := t.followed.Need()
	s.walking = true // who is cut off meanwhile leaves the list afterwards
	for _, m := range t.members {
		if overtaken {
			m.conn.lagsSince(t, o.Void)
		}
		if m.conn.rights.Have(need) {
			s.enqueue(m.conn, o.Message)
			if o.Void > 0 && m.conn.is(inEvents) {
				s.urgent.push(m.conn)
			}
		}
	}
	s.stopWalking()
}

// flushStates begins a state flush: who follows a topic with new states lags from here on, and
// stands in the queue for states.
func (s *Shard) flushStates() {
	f := &s.flushes
	f.pace = pace{began: time.Now()}
	for i, t := range f.dirty {
		f.dirty[i], t.dirty = nil, false
		updates, upto := t.followed.Table.Since(t.flushed)
		if upto == t.flushed || len(t.members) == 0 {
			continue
		}
		if len(updates) > 0 {
			f.note(updates[0].Came)
		}
		t.longer = nil
		t.batch = t.batch.Next(t.flushed, upto, updates, f.nextBatch())
		t.flushed = upto
		t.start = (t.start + 7919) % len(t.members)
		need := t.followed.Need()
		for j := range t.members {
			if c := t.members[(j+t.start)%len(t.members)].conn; c.rights.Have(need) {
				s.lag(c, t, t.batch.Since)
			}
		}
	}
	f.dirty = f.dirty[:0]
}

// noteFlushed notes that a flush has ended: all have its states that can be written to.
func (s *Shard) noteFlushed() {
	if f := &s.flushes; s.states.empty() && !f.oldest.IsZero() {
		s.door.StatesWritten(f.oldest)
		f.oldest = time.Time{}
	}
}

// lag notes that a connection lacks a topic's states after a change.
func (s *Shard) lag(c *Conn, t *topic, since uint64) {
	if c.life != alive {
		return
	}
	if !slices.ContainsFunc(c.lags, func(l lag) bool { return l.topic == t }) {
		c.lags = append(c.lags, lag{topic: t, since: since})
	}
	s.wantStates(c)
}

// lagsSince has a connection that lacks a topic's states lack all since a change.
func (c *Conn) lagsSince(t *topic, since uint64) {
	for i := range c.lags {
		if l := &c.lags[i]; l.topic == t {
			l.since = min(l.since, since)
		}
	}
}

// wantStates puts a connection into the queue of those with only states to send, unless it cannot
// or must not have them now.
func (s *Shard) wantStates(c *Conn) {
	if c.state&(inEvents|inStates|blocked|throttled) == 0 && c.life != dead && len(c.lags) > 0 {
		c.set(inStates)
		s.states.push(c)
	}
}

// batch gives the state frames that a connection lacks of a topic. Nearly all need the batch that
// was just given out; who is throttled, or was blocked, needs what has changed for longer, as do
// others of its kind.
func (f *flushes) batch(l lag) *frame.Batch {
	t := l.topic
	if t.batch.Since == l.since && t.batch.Upto == t.flushed {
		return &t.batch
	}
	for _, known := range t.longer {
		if known.Since == l.since {
			if !known.Shared() {
				known.Share(f.nextBatch())
			}
			return known
		}
	}
	updates, upto := t.followed.Table.Since(l.since)
	longer := &frame.Batch{Since: l.since, Upto: upto, Updates: updates}
	const most = 32 // phases of those who are throttled
	if len(t.longer) < most {
		t.longer = append(t.longer, longer)
	}
	return longer
}

// startStates gives a connection that begins to follow a topic the states that its snapshot did not
// have. States that were given out between the snapshot and now are sent once more.
func (s *Shard) startStates(c *Conn, t *topic, marks map[goalcast.Topic]uint64) {
	mark, ok := marks[t.followed.Name]
	if !c.mayFollow(t) || c.Delay() > 0 {
		return
	}
	if ok && t.followed.Table != nil {
		if m := t.followed.Table.GateSince(mark); m != nil {
			s.allow(c, []*frame.Message{m})
		}
	}
	switch {
	case t.followed.Table == nil || !ok:
	case len(t.members) == 1:
		t.flushed, t.batch = mark, frame.Batch{}
		s.flushes.mark(t) // what changed since the snapshot was made
	case mark < t.flushed:
		s.lag(c, t, mark)
	}
}

func (s *Shard) countStates(b *frame.Batch, upto uint64) {
	for _, u := range b.Updates {
		if u.Change <= upto {
			s.stats.Messages[frame.ClassState]++
		}
	}
}
