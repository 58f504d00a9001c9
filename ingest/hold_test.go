package ingest

import (
	"testing"
	"time"

	"goalcast"
	"goalcast/ingest/merge"
)

// What is held survives the process that held it: it is in the match's record, and ends by itself,
// or when an operator replays the document.
func TestHeldStepIsLetGo(t *testing.T) {
	for name, end := range map[string]func(s *shelf, wrong goalcast.DocumentID){
		"by itself": func(s *shelf, _ goalcast.DocumentID) {
			next := newQuiet(s.memory, Config{}) // another process
			now := kickoff.Add(41*time.Minute + merge.HoldTime)
			if err := next.LetGo(s.t.Context(), []goalcast.MatchID{testMatch, 78}, now.Add(-time.Second)); err != nil ||
				s.score().Home != 2 {
				s.t.Errorf("let go early: %v, score %v", err, s.score())
			}
			if err := next.LetGo(s.t.Context(), []goalcast.MatchID{testMatch, 78}, now); err != nil {
				s.t.Error(err)
			}
		},
		"by an operator": func(s *shelf, wrong goalcast.DocumentID) {
			s.process(wrong) // a retry is no operator
			if s.score().Home != 2 {
				s.t.Errorf("a retry confirms: score %v", s.score())
			}
			if err := s.Replay(s.t.Context(), wrong-1); err != nil || s.score().Home != 2 {
				s.t.Errorf("another document confirms: %v, score %v", err, s.score())
			}
			if err := s.Replay(s.t.Context(), wrong); err != nil {
				s.t.Error(err)
			}
		},
	} {
		s := newShelf(t)
		first := period(goalcast.FirstHalf)
		s.process(s.keep(says(sourceMatch, 0, fixture(), first, goal(1, home, 10, 5), goal(2, home, 20, 6)),
			40*time.Minute, 40*time.Minute))
		wrong := s.keep(says(sourceMatch, 0, fixture(), first), 41*time.Minute, 41*time.Minute)
		s.memory.With(func() {
			s.memory.documents[wrong].Match, s.memory.documents[wrong-1].Match = testMatch, testMatch
		})
		s.process(wrong)
		if h, held := s.Merger().HeldStep(s.memory.Record(testMatch)); !held || h.Document != wrong || h.Reset {
			t.Fatalf("%s: held %+v", name, h)
		}
		end(s, wrong)
		if _, held := s.Merger().HeldStep(s.memory.Record(testMatch)); held || s.score() != (goalcast.Score{}) {
			t.Errorf("%s: held %v, score %v", name, held, s.score())
		}
		published := len(s.memory.Published)
		if published != len(s.memory.Log) {
			t.Errorf("%s: %d of %d revisions published", name, published, len(s.memory.Log))
		}
	}
	// That a match has not begun after all is not believed by itself.
	s := newShelf(t)
	s.process(s.keep(says(sourceMatch, 0, fixture(), finished()...), 100*time.Minute, 100*time.Minute),
		s.keep(says(sourceMatch, 0, fixture()), 101*time.Minute, 101*time.Minute))
	if err := s.LetGo(t.Context(), []goalcast.MatchID{testMatch}, kickoff.Add(24*time.Hour)); err != nil ||
		s.memory.Record(testMatch).Snapshot.State != goalcast.Finished {
		t.Errorf("%v: it is %s", err, s.memory.Record(testMatch).Snapshot.State)
	}
}
