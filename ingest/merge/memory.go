// Package merge makes one match of what several sources tell of it: what each source says
// (reading.go, memory.go), whom to believe (trust.go), what is therefore true
// (incidents.go, occasion.go, merge.go), and what changed (diff.go, hold.go). It is pure:
// no I/O, no goroutine, no clock.
//
// Documents come in any order, twice, and from several sources that tell of the same. None of that
// matters to what is known in the end:
//
//   - What a source last said of an event is decided by the version of the document that said it.
//     When it arrived decides only where documents do not (Version).
//   - A document tells all of its moment. What stood in an older document of the source and is not
//     in its newest was taken back.
//   - A retraction by any source wins over what the others still say. The feeds of one provider are
//     made at different paces, so the one that still tells of a goal is merely late. The opposite
//     rule would leave a goal that VAR took back on the board until the slowest feed came round. A
//     source that never told of a goal takes nothing back.
//   - What is told under several ids and must be of one incident is one event, under the id that
//     viewers know: incidents.go.
//   - What was told of an earlier occasion of a fixture does not count into the present
//     one: occasion.go.
//   - What football does not do is not believed of one document: hold.go.
//   - An event that was taken back before it was ever seen alive exists all the same, as cancelled:
//     else the timeline would depend on the order.
package merge

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"goalcast"
)

// memory is what each source last said of one match. It is kept in MatchRecord.Feeds.
//
// It is a join-semilattice: documents in any order and any number of times end in the same memory,
// since everything in it comes from the highest version that told of it.
type memory struct {
	*Merger
	series map[string]*series // by source, or source and variant (Reading.key)
}

// series is the memory of one series of documents: of a source, or of one of its variants.
type series struct {
	key    string // in the memory
	source string // the key without the variant
	trust         // by the source, not kept

	newest Version         // of all documents
	gap    bool            // by the newest document the provider sees nothing of the match
	before Version         // the newest of those of earlier moments; zero while there is none
	facts  map[string]fact // by event id; also those that are gone from the newest document
	// of the newest document that called the match postponed or abandoned; zero if none did
	halted Version
	// the newest two that said when the match is to begin, and that it has not; newest first
	unbegun [2]versioned[time.Time]
	fixture *toldFixture                            // nil while none was told
	names   map[goalcast.PlayerID]versioned[string] // never empty names
	claims  *versioned[Claims]                      // nil while none were made
	// of sourceOurs alone: when each open disagreement was first seen, ms; see remember
	since map[string]int64
	held  *heldStep // of sourceOurs alone: what is not believed yet; nil if nothing
}

// fact is what a source says of an event.
type fact struct {
	at    Version // of the newest document that told of it
	said  goalcast.Event
	alive Version // of the newest document that told of it as something that is so; zero if none did
}

type toldFixture = versioned[goalcast.Fixture]

// versioned is something a source said, and the version of the last document that said it.
type versioned[T any] struct {
	at   Version
	said T
}

// empty makes the memory of a series that told nothing yet.
func (m *Merger) empty(key string) *series {
	return &series{
		key: key, source: sourceOf(key), trust: m.trustOf(key),
		facts: map[string]fact{}, names: map[goalcast.PlayerID]versioned[string]{},
	}
}

// observe joins what one document says of the match into the memory.
func (f memory) observe(key string, v Version, m MatchReading) {
	s := f.series[key]
	if old := f.series[sourceOf(key)]; s == nil && old != nil { // written when the source had no variants
		delete(f.series, old.key)
		s, old.key = old, key
		f.series[key] = s
	}
	if s == nil {
		s = f.empty(key)
		s.newest = v
		f.series[key] = s
	}
	s.comes(v)
	if v.Compare(s.newest) == 0 {
		s.gap = m.Gap
	}
	s.forget(v)
	for _, e := range m.Facts {
		e = cleanFact(e, m.Match)
		old, known := s.facts[e.ID]
		next := old
		if !known || v.Compare(old.at) >= 0 {
			next.at, next.said = v, e
		}
		if e.Counts() && v.Compare(old.alive) > 0 {
			next.alive = v
		}
		s.facts[e.ID] = next
	}
	s.plans(v, m)
	if m.Fixture != nil && (s.fixture == nil || v.Compare(s.fixture.at) >= 0) {
		s.fixture = &toldFixture{v, cleanFixture(*m.Fixture)}
	}
	if m.Claims != nil && (s.claims == nil || v.Compare(s.claims.at) >= 0) {
		s.claims = &versioned[Claims]{v, *m.Claims}
	}
	f.learn(m.Known)
	for id, name := range m.Players {
		if old, known := s.names[id]; name != "" && (!known || v.Compare(old.at) >= 0) {
			s.names[id] = versioned[string]{v, name}
		}
	}
}

// comes notes that there is a document of a version.
func (m *series) comes(v Version) {
	earlier := v
	if v.Compare(m.newest) > 0 {
		m.newest, earlier = v, m.newest
	}
	if earlier.compareMoment(m.newest) < 0 && earlier.Compare(m.before) > 0 {
		m.before = earlier
	}
}

// learn remembers names from the reference data. They have no version: whoever keeps that
// knows which is newest.
func (f memory) learn(known map[goalcast.PlayerID]string) {
	if len(known) == 0 {
		return
	}
	s := f.series[f.squads]
	if s == nil {
		s = f.empty(f.squads)
		f.series[f.squads] = s
	}
	for id, name := range known {
		s.names[id] = versioned[string]{said: name}
	}
}

// forget makes room for a document that is applied again: what it says now replaces what was read
// in it then. The same reader reads the same, and this changes nothing; after a reader was mended
// and the document replayed, what it no longer reads counts as taken back.
func (m *series) forget(v Version) {
	for id, fact := range m.facts {
		if fact.at.Compare(v) == 0 {
			fact.at = Version{}
			if fact.alive.Compare(v) == 0 {
				fact.alive = Version{}
			}
			m.facts[id] = fact
		}
	}
}

// plainlyAlive says whether the fact was told as something that is so when it was told
// last, as nearly all are.
func (f fact) plainlyAlive() bool { return f.said.Counts() && f.alive.Compare(f.at) == 0 }

// cleanFact brings a fact into the form it has after a journey through JSON, so that "unchanged"
// can be seen by comparing, and drops what ingest adds itself. A line-up is one per team,
// whatever a source calls it.
func cleanFact(e goalcast.Event, match goalcast.MatchID) goalcast.Event {
	e.Match = match
	e.Revision, e.Seq, e.Topics, e.Score, e.Times, e.Clock = 0, 0, nil, nil, goalcast.Times{}, ""
	e.At = cleanTime(e.At)
	if e.Kind == goalcast.KindLineup && e.Lineup != nil {
		lineup := *e.Lineup
		if lineup.Players == nil {
			lineup.Players = []goalcast.LineupPlayer{}
		}
		if lineup.Team == 0 {
			lineup.Team = e.Team
		}
		e.Team, e.Lineup = lineup.Team, &lineup
	}
	if e.Kind == goalcast.KindLineup {
		e.ID = fmt.Sprintf("match:%d:lineup:%d", match, e.Team)
	}
	return e
}

func cleanFixture(f goalcast.Fixture) goalcast.Fixture {
	f.Kickoff = cleanTime(f.Kickoff)
	if len(f.Officials) == 0 {
		f.Officials = nil
	}
	return f
}

func cleanTime(t time.Time) time.Time { return t.UTC().Round(0) }

// The JSON form. Versions are long and nearly all the same, so that they stand in a table, newest
// first, and are referred to by place.
type (
	seriesJSON struct {
		Versions []Version                      `json:"versions"`         // [0] is the newest
		Before   int                            `json:"before,omitempty"` // place, which is never 0
		Gap      bool                           `json:"gap,omitempty"`
		Halted   *int                           `json:"halted,omitempty"` // place
		Unbegun  []plannedJSON                  `json:"unbegun,omitempty"`
		Facts    map[string]factJSON            `json:"facts,omitempty"`
		Fixture  *fixtureJSON                   `json:"fixture,omitempty"`
		Names    map[goalcast.PlayerID]nameJSON `json:"names,omitempty"`
		Claims   *claimsJSON                    `json:"claims,omitempty"`
		Since    map[string]int64               `json:"since,omitempty"`
		Held     *heldStep                      `json:"held,omitempty"`
	}
	plannedJSON struct {
		Version int       `json:"v,omitempty"`
		Kickoff time.Time `json:"kickoff"`
	}
	claimsJSON struct {
		Version int    `json:"v,omitempty"`
		Claims  Claims `json:"claims"`
	}
	factJSON struct {
		Version int            `json:"v,omitempty"`
		Alive   *int           `json:"alive,omitempty"` // place; left out where it is Version, and where there is none
		Event   goalcast.Event `json:"event"`
	}
	fixtureJSON struct {
		Version int              `json:"v,omitempty"`
		Fixture goalcast.Fixture `json:"fixture"`
	}
	nameJSON struct {
		Version int    `json:"v,omitempty"`
		Name    string `json:"name"`
	}
)

// encode gives the memory's JSON text: the same memory has the same text.
func (f memory) encode() ([]byte, error) {
	out := make(map[string]seriesJSON, len(f.series))
	for key, s := range f.series {
		out[key] = s.json()
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode feed memory: %w", err)
	}
	return b, nil
}

func (m *series) json() seriesJSON {
	versions := []Version{m.newest, m.before, m.halted, m.unbegun[0].at, m.unbegun[1].at}
	versions = slices.DeleteFunc(versions, func(v Version) bool { return v == Version{} })
	if len(versions) == 0 {
		versions = []Version{{}}
	}
	for _, fact := range m.facts {
		versions = append(versions, fact.at)
		if !fact.plainlyAlive() && fact.alive != (Version{}) {
			versions = append(versions, fact.alive)
		}
	}
	for _, name := range m.names {
		versions = append(versions, name.at)
	}
	if m.fixture != nil {
		versions = append(versions, m.fixture.at)
	}
	if m.claims != nil {
		versions = append(versions, m.claims.at)
	}
	newestFirst := func(a, b Version) int { return b.Compare(a) }
	slices.SortFunc(versions, newestFirst)
	versions = slices.CompactFunc(versions, func(a, b Version) bool { return a.Compare(b) == 0 })
	place := func(v Version) int { i, _ := slices.BinarySearchFunc(versions, v, newestFirst); return i }

	out := seriesJSON{Versions: versions, Facts: make(map[string]factJSON, len(m.facts)),
		Names: make(map[goalcast.PlayerID]nameJSON, len(m.names))}
	for id, fact := range m.facts {
		j := factJSON{Version: place(fact.at), Event: fact.said}
		if !fact.plainlyAlive() && fact.alive != (Version{}) {
			alive := place(fact.alive)
			j.Alive = &alive
		}
		out.Facts[id] = j
	}
	if m.before != (Version{}) {
		out.Before = place(m.before)
	}
	if m.halted != (Version{}) {
		halted := place(m.halted)
		out.Halted = &halted
	}
	for _, p := range m.unbegun {
		if !p.said.IsZero() {
			out.Unbegun = append(out.Unbegun, plannedJSON{place(p.at), p.said})
		}
	}
	for id, name := range m.names {
		out.Names[id] = nameJSON{place(name.at), name.said}
	}
	if m.fixture != nil {
		out.Fixture = &fixtureJSON{place(m.fixture.at), m.fixture.said}
	}
	if m.claims != nil {
		out.Claims = &claimsJSON{place(m.claims.at), m.claims.said}
	}
	out.Gap, out.Since, out.Held = m.gap, m.since, m.held
	return out
}

// recall reads the memory of a match; empty text is an empty one.
func (m *Merger) recall(text []byte) (memory, error) {
	out := memory{m, map[string]*series{}}
	if len(text) == 0 {
		return out, nil
	}
	var read map[string]seriesJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return out, fmt.Errorf("memory: %w", err)
	}
	for key, j := range read {
		s := m.empty(key)
		if err := j.into(s); err != nil {
			return out, fmt.Errorf("memory of %s: %w", key, err)
		}
		out.series[key] = s
	}
	return out, nil
}

// into fills an empty series.
func (j seriesJSON) into(m *series) error {
	if len(j.Versions) == 0 {
		return errors.New("no version")
	}
	var err error
	version := func(place int) Version {
		if place < 0 || place >= len(j.Versions) {
			err = fmt.Errorf("version %d of %d", place, len(j.Versions))
			return Version{}
		}
		return j.Versions[place]
	}
	m.newest = j.Versions[0]
	for id, f := range j.Facts {
		fact := fact{at: version(f.Version), said: f.Event}
		if f.Alive != nil {
			fact.alive = version(*f.Alive)
		} else if fact.said.Counts() {
			fact.alive = fact.at
		}
		m.facts[id] = fact
	}
	if j.Before > 0 {
		m.before = version(j.Before)
	}
	if j.Halted != nil {
		m.halted = version(*j.Halted)
	}
	for i, p := range j.Unbegun[:min(len(j.Unbegun), len(m.unbegun))] {
		m.unbegun[i] = versioned[time.Time]{version(p.Version), p.Kickoff}
	}
	for id, n := range j.Names {
		m.names[id] = versioned[string]{version(n.Version), n.Name}
	}
	if j.Fixture != nil {
		m.fixture = &toldFixture{version(j.Fixture.Version), j.Fixture.Fixture}
	}
	if j.Claims != nil {
		m.claims = &versioned[Claims]{version(j.Claims.Version), j.Claims.Claims}
	}
	m.gap, m.since, m.held = j.Gap, j.Since, j.Held
	return err
}
