package ingest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"goalcast"
)

// feeds is what each source last said of one match, by source, or source and variant (Reading.key). It is the memory in MatchRecord.Feeds.
//
// It is a join-semilattice: hearing documents in any order and any number of times ends in the same memory, since everything in it is the word of the
// highest version that had a word on it.
type feeds map[string]*feed

// feed is the memory of one source.
type feed struct {
	seconds bool                                    // see wholeSeconds; by the source's name, not kept
	newest  Version                                 // of all documents heard
	before  Version                                 // the newest of those of earlier moments; zero while there is none
	facts   map[string]toldFact                     // by event id; also those that are gone from the newest document
	halted  Version                                 // of the newest document that called the match postponed or abandoned; zero if none did
	unbegun [2]versioned[time.Time]                 // the newest two that said when the match is to begin, and that it has not; newest first
	fixture *toldFixture                            // nil while none was told
	names   map[goalcast.PlayerID]versioned[string] // never empty names
	claims  *versioned[Claims]                      // nil while none were made
	since   map[string]int64                        // of sourceOurs alone: when each open disagreement was first seen, ms; see remember
	held    *heldStep                               // of sourceOurs alone: what is not believed yet; nil if nothing
}

// toldFact is a source's word on an event.
type toldFact struct {
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

// hear joins one document's word on the match into the memory.
func (f feeds) hear(source string, v Version, m MatchReading) {
	mem := f[source]
	if old := f[sourceOf(source)]; mem == nil && old != nil { // written when the source had no variants
		delete(f, sourceOf(source))
		f[source], mem = old, old
	}
	if mem == nil {
		mem = &feed{seconds: wholeSeconds(source), newest: v, facts: map[string]toldFact{}, names: map[goalcast.PlayerID]versioned[string]{}}
		f[source] = mem
	}
	mem.comes(v)
	mem.forget(v)
	for _, e := range m.Facts {
		e = cleanFact(e, m.Match)
		old, known := mem.facts[e.ID]
		next := old
		if !known || v.Compare(old.at) >= 0 {
			next.at, next.said = v, e
		}
		if e.Counts() && v.Compare(old.alive) > 0 {
			next.alive = v
		}
		mem.facts[e.ID] = next
	}
	mem.plans(v, m)
	if m.Fixture != nil && (mem.fixture == nil || v.Compare(mem.fixture.at) >= 0) {
		mem.fixture = &toldFixture{v, cleanFixture(*m.Fixture)}
	}
	if m.Claims != nil && (mem.claims == nil || v.Compare(mem.claims.at) >= 0) {
		mem.claims = &versioned[Claims]{v, *m.Claims}
	}
	f.learn(m.known)
	for id, name := range m.Players {
		if old, known := mem.names[id]; name != "" && (!known || v.Compare(old.at) >= 0) {
			mem.names[id] = versioned[string]{v, name}
		}
	}
}

// comes notes that there is a document of a version.
func (m *feed) comes(v Version) {
	earlier := v
	if v.Compare(m.newest) > 0 {
		m.newest, earlier = v, m.newest
	}
	if earlier.compareMoment(m.newest) < 0 && earlier.Compare(m.before) > 0 {
		m.before = earlier
	}
}

// learn remembers names from the library. They have no version: the library knows which is newest.
func (f feeds) learn(known map[goalcast.PlayerID]string) {
	if len(known) == 0 {
		return
	}
	mem := f[sourceSquads]
	if mem == nil {
		mem = &feed{facts: map[string]toldFact{}, names: map[goalcast.PlayerID]versioned[string]{}}
		f[sourceSquads] = mem
	}
	for id, name := range known {
		mem.names[id] = versioned[string]{said: name}
	}
}

// forget makes room for a document that was heard before: what it says now replaces what was read in it then. The same reader reads the same, and this
// changes nothing; after a reader was mended and the document replayed, what it no longer reads counts as taken back.
func (m *feed) forget(v Version) {
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

// plainlyAlive says whether the fact was told as something that is so when it was told last, as nearly all are.
func (f toldFact) plainlyAlive() bool { return f.said.Counts() && f.alive.Compare(f.at) == 0 }

// cleanFact brings a fact into the form it has after a journey through JSON, so that "unchanged" can be seen by comparing, and drops what ingest adds
// itself. A line-up is one per team, whatever a source calls it.
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

// The JSON form. Versions are long and nearly all the same, so that they stand in a table, newest first, and are referred to by place.
type (
	feedJSON struct {
		Versions []Version                      `json:"versions"`         // [0] is the newest
		Before   int                            `json:"before,omitempty"` // place, which is never 0
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
func (f feeds) encode() ([]byte, error) {
	out := make(map[string]feedJSON, len(f))
	for source, m := range f {
		out[source] = m.json()
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode feed memory: %w", err)
	}
	return b, nil
}

func (m *feed) json() feedJSON {
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

	out := feedJSON{Versions: versions, Facts: make(map[string]factJSON, len(m.facts)), Names: make(map[goalcast.PlayerID]nameJSON, len(m.names))}
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
	out.Since, out.Held = m.since, m.held
	return out
}

// decodeFeeds reads the memory; empty text is an empty one.
func decodeFeeds(text []byte) (feeds, error) {
	out := feeds{}
	if len(text) == 0 {
		return out, nil
	}
	var read map[string]feedJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, fmt.Errorf("feed memory: %w", err)
	}
	for source, j := range read {
		m, err := j.feed()
		if err != nil {
			return nil, fmt.Errorf("feed memory of %s: %w", source, err)
		}
		m.seconds = wholeSeconds(source)
		out[source] = m
	}
	return out, nil
}

func (j feedJSON) feed() (*feed, error) {
	if len(j.Versions) == 0 {
		return nil, fmt.Errorf("no version")
	}
	var err error
	version := func(place int) Version {
		if place < 0 || place >= len(j.Versions) {
			err = fmt.Errorf("version %d of %d", place, len(j.Versions))
			return Version{}
		}
		return j.Versions[place]
	}
	m := &feed{
		newest: j.Versions[0],
		facts:  make(map[string]toldFact, len(j.Facts)),
		names:  make(map[goalcast.PlayerID]versioned[string], len(j.Names)),
	}
	for id, f := range j.Facts {
		fact := toldFact{at: version(f.Version), said: f.Event}
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
	m.since, m.held = j.Since, j.Held
	return m, err
}
