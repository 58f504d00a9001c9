package ingest

import (
	"testing"
	"time"

	"goalcast"
)

func period(p goalcast.Period) goalcast.Event {
	return goalcast.Event{ID: "match:77:period:" + string(p), Status: goalcast.Confirmed, Kind: goalcast.KindPeriod, Period: p}
}

// finished is what a source says of a match that is over, 2-1.
func finished() []goalcast.Event {
	return []goalcast.Event{period(goalcast.FirstHalf), period(goalcast.HalfTime), period(goalcast.SecondHalf), period(goalcast.FullTime),
		goal(1, home, 10, 5), goal(2, away, 20, 6), goal(3, home, 40, 7)}
}

func TestStepThatFootballDoesNotMakeIsHeld(t *testing.T) {
	for name, wrong := range map[string][]goalcast.Event{
		"finished, then not begun":             nil,
		"all goals gone at once":               finished()[:4],
		"two goals gone at once":               finished()[:5],
		"full time, then the second half":      append(finished()[:3], finished()[4:]...),
		"cut short: a goal and all that begun": finished()[5:],
	} {
		// Undone by the next document: nobody heard of it.
		right := says(sourceMatch, 101, fixture(), finished()...)
		rec, log := through(t, []heard{says(sourceMatch, 100, fixture(), finished()...)})
		before := rec.Snapshot
		done, err := revise(rec, sourceMatch, version(102), says(sourceMatch, 102, fixture(), wrong...).m, 5000)
		if err != nil || len(done.events) != 0 || !done.held {
			t.Fatalf("%s: %v, held %v, made %v after %v", name, err, done.held, keys(done.events), keys(log))
		}
		if h, held := HeldStep(done.record); !held || h.Since.UnixMilli() != 5000 || len(h.Events) == 0 {
			t.Errorf("%s: held %+v", name, h)
		}
		back, err := revise(done.record, sourceMatch, version(103), right.m, 6000)
		if err != nil || len(back.events) != 0 || back.record.Snapshot.Seq != before.Seq {
			t.Errorf("%s: %v, and back: %v", name, err, keys(back.events))
		}
		if _, held := HeldStep(back.record); held {
			t.Errorf("%s: held though it is undone", name)
		}
		// What comes in the other order was never seen.
		if late, err := revise(rec, sourceMatch, version(99), says(sourceMatch, 99, fixture(), wrong...).m, 7000); err != nil || len(late.events) != 0 || late.held {
			t.Errorf("%s, late: %v, %v", name, err, keys(late.events))
		}
		// A second, newer document confirms it; the same one again does not.
		same, err := revise(done.record, sourceMatch, version(102), says(sourceMatch, 102, fixture(), wrong...).m, 8000)
		if err != nil || len(same.events) != 0 {
			t.Errorf("%s: %v, the same document confirms itself: %v", name, err, keys(same.events))
		}
		second, err := revise(done.record, sourceMatch, version(104), says(sourceMatch, 104, fixture(), wrong...).m, 9000)
		if err != nil || len(second.events) == 0 {
			t.Errorf("%s: %v, nothing happens when it is confirmed", name, err)
		}
		if _, held := HeldStep(second.record); held {
			t.Errorf("%s: still held", name)
		}
		// The other way round is the same.
		first, err := revise(rec, sourceMatch, version(104), says(sourceMatch, 104, fixture(), wrong...).m, 8000)
		if err != nil || len(first.events) != 0 {
			t.Fatalf("%s: %v, %v", name, err, keys(first.events))
		}
		other, err := revise(first.record, sourceMatch, version(102), says(sourceMatch, 102, fixture(), wrong...).m, 9000)
		if err != nil || other.record.Snapshot.Score != second.record.Snapshot.Score || other.record.Snapshot.Period != second.record.Snapshot.Period {
			t.Errorf("%s: %v, in the other order %v", name, err, keys(other.events))
		}
	}
}

// A goal that is taken back goes at once, also next to a card, and so does what else a document with a wrong step tells.
func TestOneGoalTakenBackIsNotHeld(t *testing.T) {
	_, log := through(t, []heard{
		says(sourceF24, 10, fixture(), period(goalcast.FirstHalf), goal(1, home, 10, 5), goal(2, away, 20, 6)),
		says(sourceF24, 21, nil, period(goalcast.FirstHalf), goal(1, home, 10, 5), cancelled(goal(2, away, 20, 6))),
	})
	wantKeys(t, log[3:], "plain:2#1 confirmed 1-1", "plain:2#2 cancelled 1-0")
	_, log = through(t, []heard{
		says(sourceF24, 10, fixture(), period(goalcast.FirstHalf), goal(1, home, 10, 5), goal(2, away, 20, 6), card("plain:3", home, 21, 5, goalcast.Yellow)),
		says(sourceF24, 21, nil, period(goalcast.FirstHalf), goal(1, home, 10, 5)),
	})
	wantKeys(t, log[5:], "plain:2#2 cancelled 1-0", "plain:3#2 cancelled 1-0")
}

// A period that flaps is told once, also to viewers.
func TestPeriodThatFlapsIsToldOnce(t *testing.T) {
	begun, not := says(sourceMatch, 0, fixture(), period(goalcast.FirstHalf)), says(sourceMatch, 0, fixture())
	var all []heard
	for i, h := range []heard{not, begun, not, begun, not, begun} {
		h.v = version(1 + i)
		all = append(all, h)
	}
	_, log := through(t, all)
	wantKeys(t, log, "match:77:fixture#1 confirmed 0-0", "match:77:period:first_half#1 confirmed 0-0")
}

// What is held survives the process that held it: it is in the match's record, and ends by itself, or when an operator replays the document.
func TestHeldStepIsLetGo(t *testing.T) {
	for name, end := range map[string]func(s *shelf, wrong goalcast.DocumentID){
		"by itself": func(s *shelf, _ goalcast.DocumentID) {
			next := newQuiet(s.memory, Config{}) // another process
			now := kickoff.Add(41*time.Minute + HoldTime)
			if err := next.LetGo(s.t.Context(), []goalcast.MatchID{testMatch, 78}, now.Add(-time.Second)); err != nil || s.score().Home != 2 {
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
		s.process(s.keep(says(sourceMatch, 0, fixture(), first, goal(1, home, 10, 5), goal(2, home, 20, 6)), 40*time.Minute, 40*time.Minute))
		wrong := s.keep(says(sourceMatch, 0, fixture(), first), 41*time.Minute, 41*time.Minute)
		s.memory.With(func() { s.memory.documents[wrong].Match, s.memory.documents[wrong-1].Match = testMatch, testMatch })
		s.process(wrong)
		if h, held := HeldStep(s.memory.Record(testMatch)); !held || h.Document != wrong || h.Reset {
			t.Fatalf("%s: held %+v", name, h)
		}
		end(s, wrong)
		if _, held := HeldStep(s.memory.Record(testMatch)); held || s.score() != (goalcast.Score{}) {
			t.Errorf("%s: held %v, score %v", name, held, s.score())
		}
		published := len(s.memory.Published)
		if published != len(s.memory.Log) {
			t.Errorf("%s: %d of %d revisions published", name, published, len(s.memory.Log))
		}
	}
	// That a match has not begun after all is not believed by itself.
	s := newShelf(t)
	s.process(s.keep(says(sourceMatch, 0, fixture(), finished()...), 100*time.Minute, 100*time.Minute), s.keep(says(sourceMatch, 0, fixture()), 101*time.Minute, 101*time.Minute))
	if err := s.LetGo(t.Context(), []goalcast.MatchID{testMatch}, kickoff.Add(24*time.Hour)); err != nil || s.memory.Record(testMatch).Snapshot.State != goalcast.Finished {
		t.Errorf("%v: it is %s", err, s.memory.Record(testMatch).Snapshot.State)
	}
}
