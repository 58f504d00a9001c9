package merge

import (
	"slices"
	"time"

	"goalcast"
)

// Some steps football does not make: a match that was on has not begun, a period comes back, two
// goals are taken back at once. One document that says so is more likely wrong than right, and
// everybody with the match on a phone would hear of it. What such a step takes back is held: it
// stays as it was told until a second, newer document of the source says the same, until HoldTime
// is over, or until an operator confirms it. What else the document tells goes out at once.
//
// The record of the match has what is held, and whether a document confirms it is seen from what
// its sources are remembered to have said: the process that held it may be gone, and documents
// may come in any order.

// HoldTime is how long a step that football does not make is held if nothing confirms it
// and nothing undoes it. That a match has not begun after all is not believed by itself,
// however long it takes.
const HoldTime = 2 * time.Minute

// fewTakenBack is how many goals, cards, substitutions and kicks one document may take back and be
// believed at once, and fewGoals how many goals.
const (
	fewTakenBack = 2
	fewGoals     = 1
)

// heldStep is what is remembered of a step that is held.
type heldStep struct {
	Since    int64               `json:"since"`              // when the document arrived that made the step, ms
	Document goalcast.DocumentID `json:"document,omitempty"` // which one; 0 if it was told without
	Reset    bool                `json:"reset,omitempty"`    // the match would not have begun
	Events   []string            `json:"events"`             // that stay though they were taken back, sorted
}

// Held is a step that football does not make, and that is not believed yet.
type Held struct {
	Match    goalcast.MatchID    `json:"match"`
	Since    time.Time           `json:"since"` // UTC
	Document goalcast.DocumentID `json:"document,omitempty"`
	Reset    bool                `json:"reset,omitempty"` // the match would not have begun
	Events   []string            `json:"events"`          // ids of what it takes back
}

// HeldStep tells what of a match is held, by its record. It is pure.
func (m *Merger) HeldStep(rec goalcast.MatchRecord) (Held, bool) {
	remembered, err := m.recall(rec.Feeds)
	if err != nil || remembered.series[sourceOurs] == nil || remembered.series[sourceOurs].held == nil {
		return Held{}, false
	}
	return remembered.series[sourceOurs].held.of(rec.Snapshot.ID), true
}

func (h *heldStep) of(match goalcast.MatchID) Held {
	return Held{Match: match, Since: time.UnixMilli(h.Since).UTC(), Document: h.Document, Reset: h.Reset,
		Events: h.Events}
}

// Due says whether the step has been held for HoldTime, and is let go by itself.
func (h Held) Due(now time.Time) bool { return !h.Reset && now.Sub(h.Since) >= HoldTime }

// Gap says whether a source of the match sees nothing of it now, so that its silence means nothing.
func (m *Merger) Gap(rec goalcast.MatchRecord) bool {
	remembered, err := m.recall(rec.Feeds)
	if err != nil {
		return false
	}
	for _, s := range remembered.series {
		if s.gap {
			return true
		}
	}
	return false
}

// stillHeld are the ids of what is held.
func (f memory) stillHeld() []string {
	if ours := f.series[sourceOurs]; ours != nil && ours.held != nil {
		return ours.held.Events
	}
	return nil
}

// hold remembers what is held now; nil if nothing is. It tells whether a step begins to
// be held that was not.
func (f memory) hold(step *heldStep) (begins bool) {
	f.note(func(ours *series) {
		if before := ours.held; before != nil && step != nil {
			step.Since, step.Document, step.Reset = before.Since, before.Document, before.Reset || step.Reset
		} else {
			begins = step != nil
		}
		ours.held = step
	})
	return begins
}

// implausible finds what of the merged match is not believed yet, seen from the match as it has
// been told: nil for a step that football makes. What is held already stays so, until it is
// told again or confirmed.
func (d *difference) implausible(t merged, already []string) *heldStep {
	var taken []string
	few := 0
	for id := range t.unsure {
		if known, ok := d.snapshot.Event(id); ok && known.Counts() {
			taken = append(taken, id)
			if known.Kind.Is(goalcast.Compared) || known.Kind == goalcast.KindShootoutKick {
				few++
			}
		}
	}
	if len(taken) == 0 || t.replanned && d.snapshot.State != goalcast.Live {
		return nil
	}
	then := difference{snapshot: d.snapshot}
	then.make(t, nil)
	before, after := d.snapshot.Period.Order(), then.snapshot.Period.Order()
	if after >= before && few <= fewTakenBack && goals(d.snapshot)-goals(then.snapshot) <= fewGoals {
		taken = slices.DeleteFunc(taken, func(id string) bool { return !slices.Contains(already, id) })
	}
	if len(taken) == 0 {
		return nil
	}
	slices.Sort(taken)
	return &heldStep{Since: d.times.Received, Reset: after == 0 && before > 0, Events: taken}
}

// goals counts those that count, whatever result was awarded.
func goals(s goalcast.Snapshot) (n int) {
	for _, e := range s.Timeline {
		if e.Kind == goalcast.KindGoal && e.Counts() {
			n++
		}
	}
	return n
}

// Release makes the revisions that are held, if due says so.
func (m *Merger) Release(rec goalcast.MatchRecord, match goalcast.MatchID, due func(Held) bool,
	now int64) (goalcast.MatchRecord, []goalcast.Event, error) {
	return m.change(rec, match, now, func(f memory) bool {
		ours := f.series[sourceOurs]
		if ours == nil || ours.held == nil || !due(ours.held.of(match)) {
			return false
		}
		f.hold(nil)
		return true
	})
}
