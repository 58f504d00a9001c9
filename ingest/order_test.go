package ingest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// shelf keeps readings as documents of the provider "plain" in the order in which they arrived, one
// each second, and applies them.
type shelf struct {
	*Ingest
	t      *testing.T
	memory *Memory
}

func newShelf(t *testing.T) *shelf {
	memory := NewMemory()
	return &shelf{newQuiet(memory, Config{}), t, memory}
}

// keep keeps what a source says, dated and received at those times after kick-off.
func (s *shelf) keep(h said, dated, received time.Duration) goalcast.DocumentID {
	s.t.Helper()
	h.v.Time, h.v.Digest = kickoff.Add(dated), ""
	body, err := json.Marshal(merge.Reading{Source: h.source, Version: h.v, Matches: []merge.MatchReading{h.m}})
	if err != nil {
		s.t.Fatal(err)
	}
	d := goalcast.Document{Provider: "plain", Body: body, Digest: sha256.Sum256(body), Received: kickoff.Add(received)}
	if err := s.memory.KeepDocument(s.t.Context(), &d); err != nil {
		s.t.Fatal(err)
	}
	return d.ID
}

func (s *shelf) process(ids ...goalcast.DocumentID) {
	s.t.Helper()
	for _, id := range ids {
		if err := s.Process(s.t.Context(), id); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *shelf) score() goalcast.Score { return s.memory.Record(testMatch).Snapshot.Score }

// noneCancelled fails if viewers ever said of something taken back.
func (s *shelf) noneCancelled() {
	s.t.Helper()
	for _, e := range s.memory.Log {
		if !e.Counts() {
			s.t.Errorf("%s was told as cancelled", e.Key())
		}
	}
}

// Two documents of one second say nothing about which is newer: the one that arrived later is,
// whatever their bytes look like.
func TestArrivalDecidesBetweenDocumentsOfOneSecond(t *testing.T) {
	for n := range goalcast.PlayerID(12) { // twelve digests: by them one in two would be ordered wrongly
		s := newShelf(t)
		s.process(s.keep(says(sourceEvents, 0, fixture(), goal(1, home, 27, 5)), 27*time.Minute, 27*time.Minute))
		before, after := says(sourceMatch, 0, fixture(), goal(2, away, 3, 90+n)), says(sourceMatch, 0, fixture(),
			goal(1, home, 27, 5), goal(2, away, 3, 190+n))
		s.process(s.keep(before, 28*time.Minute, 28*time.Minute), s.keep(after, 28*time.Minute, 28*time.Minute))
		s.noneCancelled()
		if got := s.score(); got != (goalcast.Score{Home: 1, Away: 1}) {
			t.Errorf("player %d: score %v", n, got)
		}
		if e, _ := s.memory.Record(testMatch).Snapshot.Event("plain:2"); e.Player.ID != 190+n {
			t.Errorf("scorer %d by the document that arrived first", e.Player.ID)
		}
	}
}

// Swapped on their way, the one without the goal arrives last. Nothing is scored and taken back
// within a second: the goal stands until a later second says otherwise.
func TestDocumentOfOneSecondIsNoRetraction(t *testing.T) {
	s := newShelf(t)
	s.process(s.keep(says(sourceMatch, 0, fixture(), goal(1, home, 27, 5)), 28*time.Minute, 28*time.Minute),
		s.keep(says(sourceMatch, 0, fixture()), 28*time.Minute, 28*time.Minute))
	s.noneCancelled()
	if got := s.score(); got.Home != 1 {
		t.Errorf("score %v", got)
	}
	s.process(s.keep(says(sourceMatch, 0, fixture()), 28*time.Minute+time.Second, 28*time.Minute))
	if got := s.score(); got.Home != 0 {
		t.Errorf("a second later it is gone: score %v", got)
	}
}

// A source whose times a person writes means what it says: the later document of the same time
// replaces the earlier.
func TestSameTimeByHandIsReplaced(t *testing.T) {
	s := newShelf(t)
	for n := range goalcast.PlayerID(8) {
		s.process(s.keep(says("json", 0, fixture(), goal(1, home, 27, 5+n)), 28*time.Minute, 28*time.Minute))
		if got := s.score(); got.Home != 1 {
			t.Errorf("score %v", got)
		}
		s.process(s.keep(says("json", 0, fixture(), goal(2, away, 3, 5+n)), 28*time.Minute, 28*time.Minute))
		if got := s.score(); got != (goalcast.Score{Away: 1}) {
			t.Errorf("score %v", got)
		}
	}
}

// Documents that are applied again, in any order, end as they did: their place in the
// archive is a part of them.
func TestReplayedDocumentsOfOneSecondEndTheSame(t *testing.T) {
	s := newShelf(t)
	var ids []goalcast.DocumentID
	for n := range goalcast.PlayerID(6) {
		ids = append(ids, s.keep(says(sourceMatch, 0, fixture(), goal(1, home, 27, 5+n)), 28*time.Minute,
			28*time.Minute))
	}
	s.process(ids...)
	want := s.memory.Record(testMatch)
	for range 3 {
		slices.Reverse(ids)
		s.process(ids...)
		ids = append(ids[2:], ids[:2]...)
	}
	got := s.memory.Record(testMatch)
	if fmt.Sprint(observedIn(t, got.Feeds)) != fmt.Sprint(observedIn(t, want.Feeds)) ||
		got.Snapshot.Seq != want.Snapshot.Seq {
		t.Errorf("ends as\n%s\nnot\n%s", got.Feeds, want.Feeds)
	}
	if e, _ := got.Snapshot.Event("plain:1"); e.Player.ID != 10 {
		t.Errorf("scorer %d, not the last one's", e.Player.ID)
	}
	// The same in a store that never knew anything, in another order.
	again := newShelf(t)
	again.memory.documents = s.memory.documents
	slices.Reverse(ids)
	again.process(ids...)
	if e, _ := again.memory.Record(testMatch).Snapshot.Event("plain:1"); e.Player.ID != 10 {
		t.Errorf("scorer %d, not the last one's", e.Player.ID)
	}
}

// A document from the future outranks what came before it, and nothing that comes after: else a
// wrong clock, or one wrong document, keeps the truth out for hours.
func TestDocumentFromTheFutureOutranksNothingThatComesAfter(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"hours": 6*time.Hour - time.Minute,
		"just more than clocks differ": merge.ClockAhead + time.Second} {
		s := newShelf(t)
		s.process(s.keep(says(sourceMatch, 0, fixture()), 10*time.Minute, 10*time.Minute))
		future := s.keep(says(sourceMatch, 0, fixture(), goal(1, away, 3, 5), goal(2, away, 4, 5)),
			11*time.Minute+ahead, 11*time.Minute+300*time.Millisecond)
		s.process(future)
		if got := s.score(); got.Away != 2 {
			t.Errorf("%s: what comes from a clock that is wrong is news all the same: score %v", name, got)
		}
		next := s.keep(says(sourceMatch, 0, fixture(), goal(3, home, 5, 5), goal(1, away, 3, 5)), 11*time.Minute,
			11*time.Minute+900*time.Millisecond)
		s.process(next)
		if got := s.score(); got.Home != 1 {
			t.Errorf("%s: score %v, the document of the same second counts for nothing", name, got)
		}
		last := s.keep(says(sourceMatch, 0, fixture(), goal(3, home, 5, 5), goal(1, away, 3, 5)),
			11*time.Minute+2*time.Second, 11*time.Minute+3*time.Second)
		s.process(last)
		want := s.memory.Record(testMatch)
		if want.Snapshot.Score != (goalcast.Score{Home: 1, Away: 1}) {
			t.Errorf("%s: score %v", name, want.Snapshot.Score)
		}
		s.process(last, future, next) // a replay changes nothing
		if got := s.memory.Record(testMatch); got.Snapshot.Seq != want.Snapshot.Seq {
			t.Errorf("%s: replayed, it is %+v", name, got.Snapshot)
		}
	}
}

// What a document tells has happened by the time it arrives: a time that is still to come is none,
// so that it is never news later and orders nothing.
func TestWhatHappenedDoesNotLieInTheFuture(t *testing.T) {
	half, soon := period(goalcast.HalfTime), period(goalcast.FirstHalf)
	half.At, soon.At = kickoff.Add(3*time.Hour), kickoff.Add(50*time.Minute+merge.ClockAhead)
	s := newShelf(t)
	for n := range time.Duration(3) {
		s.process(s.keep(says(sourceMatch, 0, fixture(), soon, half), 50*time.Minute+n*time.Minute,
			50*time.Minute+n*time.Minute))
	}
	wantKeys(t, s.memory.Log, "match:77:fixture#1 confirmed 0-0", "match:77:period:first_half#1 confirmed 0-0",
		"match:77:period:half_time#1 confirmed 0-0")
	if a, b := s.memory.Log[1], s.memory.Log[2]; !a.At.Equal(soon.At) || !b.At.IsZero() {
		t.Errorf("first half at %s, half time at %s", a.At, b.At)
	}
	if got := s.memory.Record(testMatch).Snapshot; got.Period != goalcast.HalfTime || !got.Started.IsZero() {
		t.Errorf("%s since %s", got.Period, got.Started)
	}
}
