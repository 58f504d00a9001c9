package ingest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"goalcast"
)

// revised is what a document makes of a match.
type revised struct {
	record goalcast.MatchRecord
	events []goalcast.Event // the revisions that make the difference, in the order in which they are to be seen
	late   bool             // a newer document of the source was heard before
	held   bool             // it makes a step that football does not make, see hold.go
	fresh  []Disagreement   // that were not there before
}

// revise applies one document's word on a match to its record. It is pure. An error means that the memory in the record cannot be read.
func revise(rec goalcast.MatchRecord, source string, v Version, m MatchReading, received int64) (revised, error) {
	v = v.cleaned()
	memory, err := decodeFeeds(rec.Feeds)
	if err != nil {
		return revised{}, fmt.Errorf("match %d: %w: %w", m.Match, goalcast.ErrPermanent, err)
	}
	memory.hear(source, v, m)
	rec.Snapshot.ID = m.Match
	truth := memory.merge(m.Match, rec.Snapshot)
	fresh := memory.remember(memory.disagreements(m.Match, truth), received)
	d := difference{snapshot: rec.Snapshot, times: goalcast.Times{Provider: v.milliseconds(), Received: received}}
	step := d.implausible(truth, memory.stillHeld())
	if step != nil {
		step.Document = v.Document
	}
	held := memory.hold(step)
	if rec.Feeds, err = memory.encode(); err != nil {
		return revised{}, fmt.Errorf("match %d: %w: %w", m.Match, goalcast.ErrPermanent, err)
	}
	d.make(truth, memory.stillHeld())
	rec.Snapshot = d.snapshot
	return revised{rec, d.events, v.Compare(memory[source].newest) < 0, held, fresh}, nil
}

// cleaned brings the times into the form that they have in the memory.
func (v Version) cleaned() Version {
	v.Time, v.Produced, v.Sent, v.Edited = cleanTime(v.Time), cleanTime(v.Produced), cleanTime(v.Sent), cleanTime(v.Edited)
	return v
}

// milliseconds is when the provider made the document; 0 if it does not say.
func (v Version) milliseconds() int64 {
	switch {
	case !v.Produced.IsZero():
		return v.Produced.UnixMilli()
	case !v.Time.IsZero():
		return v.Time.UnixMilli()
	}
	return 0
}

// difference collects the revisions that lead from a snapshot to the truth, and the snapshot with them in it.
type difference struct {
	snapshot goalcast.Snapshot
	times    goalcast.Times
	events   []goalcast.Event
}

// make emits the fixture, then line-ups, then what was taken back, then the rest as it happened: a goal that is entered anew under another id must
// not be seen on top of the one it replaces. What is held is left as it is.
func (d *difference) make(t truth, held []string) {
	before := d.snapshot.Fixture.Topics(d.snapshot.ID) // of what is known so far
	if t.fixture != nil && (d.snapshot.FixtureRevision == 0 || !reflect.DeepEqual(d.snapshot.Fixture, *t.fixture)) {
		d.emit(fixtureEvent(d.snapshot.ID, *t.fixture), d.snapshot.FixtureRevision)
	}
	var changed []goalcast.Event
	for _, e := range t.events {
		if slices.Contains(held, e.ID) && !e.Counts() {
			continue
		}
		if e.Kind == goalcast.KindLineup {
			if !d.knowsLineup(e) || !slices.Equal(before, e.Topics) {
				changed = append(changed, e)
			}
		} else if known, ok := d.snapshot.Event(e.ID); !ok || !known.SameContent(e) {
			changed = append(changed, e)
		}
	}
	slices.SortFunc(changed, func(a, b goalcast.Event) int {
		return cmp.Or(cmp.Compare(emitRank(a), emitRank(b)), goalcast.InMatchOrder(a, b))
	})
	for _, e := range changed {
		d.emit(e, d.revision(e))
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

// revision is the known revision of an event that is not a fixture; 0 if it is new.
func (d *difference) revision(e goalcast.Event) int {
	if e.Kind == goalcast.KindLineup {
		for _, l := range d.snapshot.Lineups {
			if l.Team == e.Team {
				return l.Revision
			}
		}
		return 0
	}
	known, _ := d.snapshot.Event(e.ID)
	return known.Revision
}

// knowsLineup says whether the snapshot has that line-up. It keeps no status: a cancelled one has no players.
func (d *difference) knowsLineup(e goalcast.Event) bool {
	for _, l := range d.snapshot.Lineups {
		if l.Team == e.Team {
			return reflect.DeepEqual(l.Lineup, *e.Lineup)
		}
	}
	return false
}

// emit gives the event its place after everything known and applies it. known is its newest known revision.
func (d *difference) emit(e goalcast.Event, known int) {
	e.Revision, e.Seq, e.Times = known+1, d.snapshot.Seq+1, d.times
	// The timeline keeps the event as it is then, with the score that only applying it tells: so it is applied without, and again with it.
	before := d.snapshot
	score := goalcast.Apply(before, e).Score
	e.Score = &score
	d.snapshot = goalcast.Apply(before, e)
	d.events = append(d.events, e)
}
