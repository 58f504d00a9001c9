package merge

import (
	"bytes"
	"errors"
	"maps"

	"goalcast"
)

// ErrOvertaken says that a match changed while it was derived.
var ErrOvertaken = errors.New("the match changed meanwhile")

// Derivation derives a match from what is kept of it, as if nothing had been known: from its own
// documents, the newest lists that tell of it, and its clips, in this order. What none of that
// tells stays as it is known. It serves one goroutine.
type Derivation struct {
	match    goalcast.MatchID
	known    []byte // the memory as it was
	memory   memory
	own      map[string]bool // sources that the match's own documents are of
	lost     bool            // nothing was remembered
	recalled bool            // clips were
}

// Derive begins with the match's record, or with none.
func (m *Merger) Derive(match goalcast.MatchID, rec goalcast.MatchRecord) *Derivation {
	remembered, err := m.recall(rec.Feeds)
	if err != nil {
		remembered = memory{m, map[string]*series{}} // which is what deriving mends
	}
	return &Derivation{match: match, known: rec.Feeds, memory: remembered, own: map[string]bool{},
		lost: len(remembered.series) == 0}
}

// Document adds what one of the match's own documents says of it. The first of a source replaces
// all that was remembered of the source.
func (d *Derivation) Document(r Reading, said MatchReading) {
	if !d.own[r.Source] {
		d.own[r.Source] = true
		maps.DeleteFunc(d.memory.series, func(_ string, s *series) bool { return s.source == r.Source })
	}
	d.memory.observe(r.key(), r.Version.cleaned(), said)
}

// WantsLists says which sources have to be found in lists; with some, one of any source will do.
func (d *Derivation) WantsLists() (keys []string, some bool) {
	for key, s := range d.memory.series {
		if !d.own[s.source] && key != sourceOurs && key != d.memory.squads && !s.clip() {
			keys = append(keys, key)
		}
	}
	return keys, d.lost
}

// Lists replaces what lists said of the match by what the newest of them say; name fills in names.
// It reports whether they say anything.
func (d *Derivation) Lists(from *Lists, name func(MatchReading) MatchReading) (some bool) {
	for key, said := range from.of(d.match) {
		if d.own[sourceOf(key)] {
			continue
		}
		old := d.memory.series[key]
		delete(d.memory.series, key)
		d.memory.observe(key, said.at, name(said.said))
		d.memory.series[key].join(from.plans[listed{key, d.match}])
		if old != nil { // of lists that were not looked through
			d.memory.series[key].join(old)
		}
		some = true
	}
	return some
}

// Clips replaces what is remembered of the match's clips. A reading without a match leaves its
// source as it is remembered. name fills in names. It reports whether anything is replaced.
func (d *Derivation) Clips(readings []Reading, name func(MatchReading) MatchReading) (some bool) {
	d.recalled = true
	stays := map[string]bool{}
	for _, r := range readings {
		stays[r.Source] = len(r.Matches) == 0
	}
	for key, s := range d.memory.series {
		if s.clip() && !stays[key] {
			delete(d.memory.series, key)
			some = true
		}
	}
	for _, r := range readings {
		for _, m := range r.Matches {
			d.memory.observe(r.key(), r.Version.cleaned(), name(m))
			some = true
		}
	}
	return some
}

// Apply makes the revisions that lead from the record to what was derived. ErrOvertaken says that
// the record has changed since Derive.
func (d *Derivation) Apply(rec goalcast.MatchRecord) (_ goalcast.MatchRecord, _ []goalcast.Event, err error) {
	if !bytes.Equal(rec.Feeds, d.known) {
		return rec, nil, ErrOvertaken
	}
	if rec.Feeds, err = d.memory.encode(); err != nil {
		return rec, nil, err
	}
	rec.Snapshot.ID = d.match
	diff := difference{snapshot: rec.Snapshot}
	diff.makeAnew(d.memory.merge(d.match, rec.Snapshot), d.memory.stillHeld(), func(e goalcast.Event) bool {
		// one that cannot be played now is not taken back
		return e.Kind == goalcast.KindClip && (!d.recalled || d.memory.standsBy(e.ID))
	})
	rec.Snapshot = diff.snapshot
	return rec, diff.events, nil
}

// clip says whether a series is of one clip.
func (m *series) clip() bool { return m.Cuts || m.Plays }

// standsBy says whether any source stands by the event.
func (f memory) standsBy(event string) bool {
	for _, s := range f.series {
		if fact, ok := s.facts[event]; ok && s.holds(fact) {
			return true
		}
	}
	return false
}

// makeAnew is make for a match that was derived from scratch: what is known and not told any more
// is cancelled, unless it stays.
func (d *difference) makeAnew(t merged, held []string, stays func(goalcast.Event) bool) {
	for _, e := range d.snapshot.Timeline {
		if _, told := t.events[e.ID]; !told && e.Counts() && !stays(e) {
			e.Status = goalcast.Cancelled
			t.events[e.ID] = e
		}
	}
	d.make(t, held)
}

// Lists are what documents of no one match (a season's fixtures, a ticker) say of matches: of each
// source and match what the newest one says. They serve one goroutine.
type Lists struct {
	merger *Merger
	said   map[listed]versioned[MatchReading]
	plans  map[listed]*series // of the memory only what older lists have a part in
}

type listed struct {
	key   string
	match goalcast.MatchID
}

// Lists makes Lists without any.
func (m *Merger) Lists() *Lists {
	return &Lists{m, map[listed]versioned[MatchReading]{}, map[listed]*series{}}
}

// Add adds a list.
func (l *Lists) Add(r Reading) {
	v := r.Version.cleaned()
	for _, m := range r.Matches {
		at := listed{r.key(), m.Match}
		if old, ok := l.said[at]; !ok || v.Compare(old.at) > 0 {
			l.said[at] = versioned[MatchReading]{v, m}
		}
		if l.plans[at] == nil {
			l.plans[at] = l.merger.empty(at.key)
			l.plans[at].newest = v
		}
		l.plans[at].comes(v)
		l.plans[at].plans(v, m)
	}
}

// Tell says whether lists of these keys tell of the match; with some, whether
// one tells of it at all.
func (l *Lists) Tell(match goalcast.MatchID, keys []string, some bool) bool {
	found := l.of(match)
	for _, key := range keys {
		if _, ok := found[key]; !ok {
			return false
		}
	}
	return !some || len(found) > 0
}

func (l *Lists) of(match goalcast.MatchID) map[string]versioned[MatchReading] {
	out := map[string]versioned[MatchReading]{}
	for at, said := range l.said {
		if at.match == match {
			out[at.key] = said
		}
	}
	return out
}
