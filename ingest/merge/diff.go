package merge

import (
	"bytes"
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"goalcast"
)

// Result is what a document makes of a match.
type Result struct {
	Record goalcast.MatchRecord
	Events []goalcast.Event // the revisions that make the difference, in the order in which they are to be seen
	Late   bool             // a newer document of the source was applied before
	Held   bool             // it makes a step that football does not make, see hold.go
	Fresh  []Disagreement   // that were not there before
}

// Apply applies what one document says of a match to its record. received is when the
// document arrived, in ms. An error, which is ErrPermanent, means that the memory in the
// record cannot be read.
func (m *Merger) Apply(rec goalcast.MatchRecord, r Reading, said MatchReading, received int64) (Result, error) {
	return m.apply(rec, r.key(), r.Version, said, received)
}

func (m *Merger) apply(rec goalcast.MatchRecord, key string, v Version, said MatchReading, received int64) (Result,
	error) {
	v = v.cleaned()
	remembered, err := m.recall(rec.Feeds)
	if err != nil {
		return Result{}, fmt.Errorf("match %d: %w: %w", said.Match, goalcast.ErrPermanent, err)
	}
	remembered.observe(key, v, said)
	rec.Snapshot.ID = said.Match
	now := remembered.merge(said.Match, rec.Snapshot)
	fresh := remembered.remember(remembered.disagreements(said.Match, now), received)
	d := difference{snapshot: rec.Snapshot, times: goalcast.Times{Provider: v.Milliseconds(), Received: received}}
	step := d.implausible(now, remembered.stillHeld())
	if step != nil {
		step.Document = v.Document
	}
	held := remembered.hold(step)
	if rec.Feeds, err = remembered.encode(); err != nil {
		return Result{}, fmt.Errorf("match %d: %w: %w", said.Match, goalcast.ErrPermanent, err)
	}
	d.make(now, remembered.stillHeld())
	rec.Snapshot = d.snapshot
	return Result{rec, d.events, v.Compare(remembered.series[key].newest) < 0, held, fresh}, nil
}

// Repeats says whether a reading brings no event and nothing that is not remembered.
func (m *Merger) Repeats(rec goalcast.MatchRecord, r Reading, said MatchReading, received int64) bool {
	then, err := m.Apply(rec, r, said, received)
	if err != nil || len(then.Events) > 0 {
		return false // an error shows again under the lock
	}
	if bytes.Equal(then.Record.Feeds, rec.Feeds) {
		return true
	}
	remembered, err := m.recall(rec.Feeds)
	if err != nil || remembered.series[r.key()] == nil {
		return false
	}
	// Observed once more as the newest known document it changes nothing: so it tells the same.
	remembered.observe(r.key(), remembered.series[r.key()].newest, said)
	again, err := remembered.encode()
	return err == nil && bytes.Equal(again, rec.Feeds)
}

// Name gives names that have become known to the players of a match.
func (m *Merger) Name(rec goalcast.MatchRecord, match goalcast.MatchID, known map[goalcast.PlayerID]string,
	received int64) (goalcast.MatchRecord, []goalcast.Event, error) {
	return m.change(rec, match, received, func(f memory) bool { f.learn(known); return true })
}

// change changes what is remembered of a match and makes the revisions that follow;
// nothing if f says so.
func (m *Merger) change(rec goalcast.MatchRecord, match goalcast.MatchID, received int64,
	f func(memory) bool) (_ goalcast.MatchRecord, _ []goalcast.Event, err error) {
	remembered, err := m.recall(rec.Feeds)
	if err != nil {
		return rec, nil, fmt.Errorf("%w: %w", goalcast.ErrPermanent, err)
	}
	if !f(remembered) {
		return rec, nil, nil
	}
	if rec.Feeds, err = remembered.encode(); err != nil {
		return rec, nil, fmt.Errorf("%w: %w", goalcast.ErrPermanent, err)
	}
	d := difference{snapshot: rec.Snapshot, times: goalcast.Times{Received: received}}
	d.make(remembered.merge(match, rec.Snapshot), nil)
	rec.Snapshot = d.snapshot
	return rec, d.events, nil
}

// difference collects the revisions that lead from a snapshot to what is merged, and the
// snapshot with them in it.
type difference struct {
	snapshot goalcast.Snapshot
	owned    bool // nobody else has its timeline
	times    goalcast.Times
	events   []goalcast.Event
}

// make emits the fixture, then line-ups, then what was taken back, then the rest as it happened: a
// goal that is entered again under another id must not be seen on top of the one it replaces. What
// is held is left as it is.
func (d *difference) make(t merged, held []string) {
	before := d.snapshot.Fixture.Topics(d.snapshot.ID) // of what is known so far
	if t.fixture != nil && (d.snapshot.FixtureRevision == 0 || !reflect.DeepEqual(d.snapshot.Fixture, *t.fixture)) {
		d.emit(fixtureEvent(d.snapshot.ID, *t.fixture), d.snapshot.FixtureRevision)
	}
	known := make(map[string]*goalcast.Event, len(d.snapshot.Timeline))
	for i := range d.snapshot.Timeline {
		known[d.snapshot.Timeline[i].ID] = &d.snapshot.Timeline[i]
	}
	type change struct {
		goalcast.Event
		known int // its revision
	}
	var changed []change
	for _, e := range t.events {
		switch old := known[e.ID]; {
		case slices.Contains(held, e.ID) && !e.Counts():
		case e.Kind == goalcast.KindLineup:
			if revision, same := d.lineup(e); !same || !slices.Equal(before, e.Topics) {
				changed = append(changed, change{e, revision})
			}
		case old == nil:
			changed = append(changed, change{e, 0})
		case !old.SameContent(e):
			changed = append(changed, change{e, old.Revision})
		}
	}
	slices.SortFunc(changed, func(a, b change) int {
		return cmp.Or(cmp.Compare(emitRank(a.Event), emitRank(b.Event)), goalcast.InMatchOrder(a.Event, b.Event))
	})
	for _, c := range changed {
		d.emit(c.Event, c.known)
	}
}

func emitRank(e goalcast.Event) int {
	switch {
	case e.Kind == goalcast.KindLineup:
		return 0
	case e.Status == goalcast.Cancelled:
		return 1
	}
	return 2
}

func fixtureEvent(match goalcast.MatchID, f goalcast.Fixture) goalcast.Event {
	return goalcast.Event{
		ID: fmt.Sprintf("match:%d:fixture", match), Kind: goalcast.KindFixture, Status: goalcast.Confirmed,
		Match: match, Topics: f.Topics(match), Fixture: &f,
	}
}

// lineup is the known revision of a line-up, 0 if it is new, and whether it says the same. A
// snapshot keeps no status: a cancelled one has no players.
func (d *difference) lineup(e goalcast.Event) (revision int, same bool) {
	for _, l := range d.snapshot.Lineups {
		if l.Team == e.Team {
			return l.Revision, reflect.DeepEqual(l.Lineup, *e.Lineup)
		}
	}
	return 0, false
}

// emit gives the event its place after everything known and applies it. known is its
// newest known revision.
func (d *difference) emit(e goalcast.Event, known int) {
	e.Revision, e.Seq, e.Times = known+1, d.snapshot.Seq+1, d.times
	if !d.owned {
		d.snapshot.Timeline, d.owned = slices.Clone(d.snapshot.Timeline), true
	}
	d.snapshot.Take(e)
	score := d.snapshot.Score
	e.Score = &score
	// The timeline keeps the event as it is then, with the score that only applying it tells.
	if i := slices.IndexFunc(d.snapshot.Timeline, func(o goalcast.Event) bool { return o.ID == e.ID }); i >= 0 {
		d.snapshot.Timeline[i].Score = e.Score
	}
	d.events = append(d.events, e)
}
