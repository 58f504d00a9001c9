package merge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"goalcast"
)

const (
	testMatch = goalcast.MatchID(77)
	home      = goalcast.TeamID(1)
	away      = goalcast.TeamID(2)
)

// heard is one document of a made-up history.
type heard struct {
	source string
	v      Version
	m      MatchReading
}

// history makes the documents of two match feeds and a fixture list for a made-up match, each
// source in the order of its versions. The feeds tell of the same events at different times; events
// are edited, taken back, and now and then come back.
func history(r *rand.Rand) []heard {
	base := time.Date(2021, 3, 6, 15, 0, 0, 0, time.UTC)
	var out []heard
	for s, source := range []string{sourceMatch, sourceEvents, sourceList} {
		facts := map[string]goalcast.Event{}
		var at time.Time
		for step := range 3 + r.IntN(8) {
			if step == 0 || r.IntN(4) > 0 { // else it is of the same second as the one before
				at = base.Add(time.Duration(step*60+r.IntN(50)) * time.Second)
			}
			m := MatchReading{Match: testMatch, Players: map[goalcast.PlayerID]string{}}
			if source == sourceList {
				m.Fixture = randomFixture(r, base)
				m.Fixture.Reported = &goalcast.Result{Period: goalcast.SecondHalf,
					Score: goalcast.Score{Home: r.IntN(3)}}
			} else {
				for range 1 + r.IntN(4) {
					change(r, facts, base)
				}
				for _, e := range facts {
					m.Facts = append(m.Facts, e)
				}
				if r.IntN(3) > 0 {
					m.Fixture = randomFixture(r, base)
				}
				for range r.IntN(3) {
					m.Players[goalcast.PlayerID(1+r.IntN(6))] = fmt.Sprint("Player ", r.IntN(9))
				}
			}
			out = append(out, heard{source, Version{Time: at, Document: goalcast.DocumentID(1 + 100*s + step),
				Digest: fmt.Sprint(r.Uint32())}, m})
		}
		for n := range 2 { // told again, so that it is believed whatever it takes back
			last := out[len(out)-1]
			last.v.Time, last.v.Document, last.v.Digest = last.v.Time.Add(time.Hour), goalcast.DocumentID(100*s+
				98+n), "again"
			out = append(out, last)
		}
	}
	return out
}

func randomFixture(r *rand.Rand, base time.Time) *goalcast.Fixture {
	pick := func(names ...string) string { return names[r.IntN(len(names))] }
	return &goalcast.Fixture{
		Competition: goalcast.Competition{ID: 9, Name: pick("", "Ninth League")},
		Home:        goalcast.Team{ID: home, Name: pick("", "Harbour", "Harbour FC")},
		Away:        goalcast.Team{ID: away, Name: pick("", "Hill United")},
		Kickoff:     base.Add(time.Duration(r.IntN(3)) * time.Hour),
		Venue:       pick("", "Pier Ground"),
		Halted:      goalcast.MatchState(pick("", "", "postponed")),
	}
}

// change does one thing to a source's truth. The side of a goal and about when it was belong to its
// id, so that goals can be counted without merging.
func change(r *rand.Rand, facts map[string]goalcast.Event, base time.Time) {
	n := r.IntN(14)
	id := fmt.Sprintf("plain:%d", n)
	if r.IntN(4) == 0 {
		delete(facts, id) // gone without a word
		return
	}
	e := goalcast.Event{
		ID: id, Status: goalcast.Confirmed, Team: home + goalcast.TeamID(n%2), Minute: 4*n + r.IntN(2),
		Second: r.IntN(60), Period: goalcast.FirstHalf,
		At: base.Add(time.Duration(r.IntN(90)) * time.Minute),
	}
	switch r.IntN(6) {
	case 0:
		e.Status = goalcast.Cancelled
	case 1:
		e.Status = goalcast.Provisional
	}
	if r.IntN(3) > 0 {
		e.Player = &goalcast.Player{ID: goalcast.PlayerID(1 + r.IntN(6))}
	}
	switch {
	case n < 8:
		e.Kind, e.Goal = goalcast.KindGoal, &goalcast.Goal{Type: goalcast.OpenPlay}
		if r.IntN(2) == 0 {
			e.Goal.Assist = &goalcast.Player{ID: 5}
		}
	case n < 10:
		e.Kind, e.Card = goalcast.KindCard, &goalcast.Card{Type: goalcast.Yellow}
	case n < 12:
		period := []goalcast.Period{goalcast.FirstHalf, goalcast.HalfTime}[n%2]
		e = goalcast.Event{ID: fmt.Sprint("match:77:period:", period), Status: e.Status, Kind: goalcast.KindPeriod,
			Period: period, At: e.At}
	default:
		e = goalcast.Event{ID: "whatever", Status: goalcast.Confirmed, Kind: goalcast.KindLineup, Team: e.Team,
			Lineup: &goalcast.Lineup{Team: e.Team,
				Formation: []string{"", "442"}[r.IntN(2)],
				Players: []goalcast.LineupPlayer{{Player: goalcast.Player{ID: goalcast.PlayerID(1 + r.IntN(6))},
					Shirt: 1 + r.IntN(9), Start: true}}}}
		if r.IntN(8) == 0 {
			e.Status = goalcast.Cancelled
		}
		facts[fmt.Sprint("lineup", e.Team)] = e
		return
	}
	facts[e.ID] = e
}

// through applies the documents through JSON, as a store keeps records, and returns the record
// and everything emitted.
func through(t *testing.T, documents []heard) (goalcast.MatchRecord, []goalcast.Event) {
	t.Helper()
	return throughEach(t, documents, 1)
}

// throughEach is through, but only every so many documents the record goes through JSON and the
// document is applied again.
func throughEach(t *testing.T, documents []heard, each int) (goalcast.MatchRecord, []goalcast.Event) {
	t.Helper()
	rec := goalcast.MatchRecord{Snapshot: goalcast.Snapshot{ID: testMatch}}
	var log []goalcast.Event
	for i, d := range documents {
		done, err := revise(rec, d.source, d.v, d.m, int64(1000+i))
		if err != nil {
			t.Fatal(err)
		}
		if len(done.Events) == 0 && !reflect.DeepEqual(normal(done.Record.Snapshot), normal(rec.Snapshot)) {
			t.Fatalf("document %d changes the snapshot without an event", i)
		}
		log = append(log, done.Events...)
		if rec = done.Record; i%each > 0 {
			continue
		}
		again, err := revise(done.Record, d.source, d.v, d.m, int64(1000+i))
		if err != nil || len(again.Events) > 0 || !bytes.Equal(again.Record.Feeds, done.Record.Feeds) {
			t.Fatalf("document %d once more: %v, events %v\n%s\n%s", i, err, again.Events, done.Record.Feeds,
				again.Record.Feeds)
		}
		rec = goalcast.MatchRecord{}
		if text, err := json.Marshal(done.Record); err != nil {
			t.Fatal(err)
		} else if err := json.Unmarshal(text, &rec); err != nil {
			t.Fatal(err)
		}
	}
	return rec, log
}

// normal leaves out of a snapshot what depends on the way to it: revisions, sequence numbers, times
// and the scores of the moment.
func normal(s goalcast.Snapshot) goalcast.Snapshot {
	s.Seq, s.FixtureRevision, s.Updated = 0, 0, 0
	s.Timeline = slices.Clone(s.Timeline)
	for i := range s.Timeline {
		e := &s.Timeline[i]
		e.Revision, e.Seq, e.Score, e.Times = 0, 0, nil, goalcast.Times{}
	}
	s.Lineups = slices.Clone(s.Lineups)
	for i := range s.Lineups {
		s.Lineups[i].Revision = 0
	}
	if len(s.Timeline) == 0 {
		s.Timeline = nil
	}
	return s
}

// counted counts the goals that stand, from the documents alone: those that every source that ever
// told of them has in a document of its newest second.
func counted(documents []heard) (score goalcast.Score) {
	newest := map[string]time.Time{}
	for _, d := range documents {
		if d.v.Time.After(newest[d.source]) {
			newest[d.source] = d.v.Time
		}
	}
	type claim struct{ source, id string }
	last := map[claim]heard{} // that told the goal
	for _, d := range documents {
		for _, e := range d.m.Facts {
			w := claim{d.source, e.ID}
			if old, ok := last[w]; e.Kind == goalcast.KindGoal && (!ok || d.v.Compare(old.v) > 0) {
				last[w] = d
			}
		}
	}
	gone, team := map[string]bool{}, map[string]goalcast.TeamID{}
	for w, d := range last {
		e := d.m.Facts[slices.IndexFunc(d.m.Facts, func(e goalcast.Event) bool { return e.ID == w.id })]
		gone[w.id] = gone[w.id] || e.Status == goalcast.Cancelled || !d.v.Time.Equal(newest[w.source])
		team[w.id] = e.Team
	}
	for id, side := range team {
		switch {
		case gone[id]:
		case side == home:
			score.Home++
		default:
			score.Away++
		}
	}
	return score
}

// checkLog holds what was emitted against the record: numbers without a hole, and the newest
// revision of each event as it stands.
func checkLog(t *testing.T, rec goalcast.MatchRecord, log []goalcast.Event) {
	t.Helper()
	newest := map[string]goalcast.Event{}
	replayed := goalcast.Snapshot{}
	for i, e := range log {
		if e.Seq != int64(i+1) || e.Revision != newest[e.ID].Revision+1 {
			t.Fatalf("event %d: seq %d, revision %d after %d", i, e.Seq, e.Revision, newest[e.ID].Revision)
		}
		if old, ok := newest[e.ID]; ok && old.SameContent(e) {
			t.Fatalf("event %s: revision %d says nothing new", e.ID, e.Revision)
		}
		newest[e.ID] = e
		replayed = goalcast.Apply(replayed, e)
		if e.Score == nil || *e.Score != replayed.Score {
			t.Fatalf("event %s#%d: score %v, replayed %v", e.ID, e.Revision, e.Score, replayed.Score)
		}
	}
	if !reflect.DeepEqual(normal(replayed), normal(rec.Snapshot)) || replayed.Seq != rec.Snapshot.Seq {
		t.Fatalf("replayed log\n%+v\nis not the snapshot\n%+v", replayed, rec.Snapshot)
	}
	for _, e := range rec.Snapshot.Timeline {
		if n := newest[e.ID]; n.Revision != e.Revision || !n.SameContent(e) {
			t.Fatalf("timeline has %+v, newest emitted %+v", e, n)
		}
	}
}

// sameContents compares the newest revisions of all events, those too that a
// timeline does not hold.
func sameContents(t *testing.T, seed uint64, got, want []goalcast.Event) {
	t.Helper()
	newest := func(log []goalcast.Event) map[string]goalcast.Event {
		out := map[string]goalcast.Event{}
		for _, e := range log {
			out[e.ID] = e
		}
		return out
	}
	a, b := newest(got), newest(want)
	for id := range b {
		if e, ok := a[id]; !ok || !e.SameContent(b[id]) {
			t.Fatalf("seed %d: %s ends as\n%+v\nnot as\n%+v", seed, id, e, b[id])
		}
	}
	if len(a) != len(b) {
		t.Fatalf("seed %d: %d events, want %d", seed, len(a), len(b))
	}
}

func TestAnyOrderOfDocumentsEndsTheSame(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		documents := history(r)
		want, wantLog := through(t, documents)
		checkLog(t, want, wantLog)
		if got := counted(documents); want.Snapshot.Score != got && len(want.Snapshot.Timeline) > 0 {
			t.Fatalf("seed %d: score %v, counted %v", seed, want.Snapshot.Score, got)
		}
		for range 2 {
			shuffled := slices.Clone(documents)
			for range r.IntN(6) {
				shuffled = append(shuffled, documents[r.IntN(len(documents))])
			}
			r.Shuffle(len(shuffled), func(a, b int) { shuffled[a], shuffled[b] = shuffled[b], shuffled[a] })
			got, log := throughEach(t, shuffled, 3)
			checkLog(t, got, log)
			sameContents(t, seed, log, wantLog)
			if a, b := heardOf(t, got.Feeds), heardOf(t, want.Feeds); !bytes.Equal(a, b) {
				t.Fatalf("seed %d: memory differs\n%s\n%s", seed, a, b)
			}
			sameDisagreements(t, seed, got, want)
			if !reflect.DeepEqual(normal(got.Snapshot), normal(want.Snapshot)) {
				a, _ := json.MarshalIndent(normal(got.Snapshot), "", " ")
				b, _ := json.MarshalIndent(normal(want.Snapshot), "", " ")
				t.Fatalf("seed %d: snapshots differ\n%s\n%s", seed, a, b)
			}
		}
	}
}

// heardOf is the memory without what ingest itself remembers: since when sources disagree depends
// on when we heard them.
func heardOf(t *testing.T, feeds []byte) []byte {
	t.Helper()
	memory, err := merger.recall(feeds)
	if err != nil {
		t.Fatal(err)
	}
	delete(memory.series, sourceOurs)
	text, err := memory.encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sameDisagreements: what sources do not agree on in the end does not depend on the order
// either, only since when.
func sameDisagreements(t *testing.T, seed uint64, got, want goalcast.MatchRecord) {
	t.Helper()
	a, b := disagreements(got), disagreements(want)
	for i := range a {
		if a[i].Since.IsZero() {
			t.Fatalf("seed %d: %+v without since", seed, a[i])
		}
		a[i].Since = time.Time{}
	}
	for i := range b {
		b[i].Since = time.Time{}
	}
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("seed %d: disagreements\n%+v\nnot\n%+v", seed, a, b)
	}
}
