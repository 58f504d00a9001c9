package merge

import (
	"testing"

	"goalcast"
)

func period(p goalcast.Period) goalcast.Event {
	return goalcast.Event{ID: "match:77:period:" + string(p), Status: goalcast.Confirmed, Kind: goalcast.KindPeriod,
		Period: p}
}

// finished is what a source says of a match that is over, 2-1.
func finished() []goalcast.Event {
	return []goalcast.Event{period(goalcast.FirstHalf), period(goalcast.HalfTime), period(goalcast.SecondHalf),
		period(goalcast.FullTime),
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
		if err != nil || len(done.Events) != 0 || !done.Held {
			t.Fatalf("%s: %v, held %v, made %v after %v", name, err, done.Held, keys(done.Events), keys(log))
		}
		if h, held := merger.HeldStep(done.Record); !held || h.Since.UnixMilli() != 5000 || len(h.Events) == 0 {
			t.Errorf("%s: held %+v", name, h)
		}
		back, err := revise(done.Record, sourceMatch, version(103), right.m, 6000)
		if err != nil || len(back.Events) != 0 || back.Record.Snapshot.Seq != before.Seq {
			t.Errorf("%s: %v, and back: %v", name, err, keys(back.Events))
		}
		if _, held := merger.HeldStep(back.Record); held {
			t.Errorf("%s: held though it is undone", name)
		}
		// What comes in the other order was never seen.
		if late, err := revise(rec, sourceMatch, version(99), says(sourceMatch, 99, fixture(), wrong...).m,
			7000); err != nil || len(late.Events) != 0 || late.Held {
			t.Errorf("%s, late: %v, %v", name, err, keys(late.Events))
		}
		// A second, newer document confirms it; the same one again does not.
		same, err := revise(done.Record, sourceMatch, version(102), says(sourceMatch, 102, fixture(), wrong...).m, 8000)
		if err != nil || len(same.Events) != 0 {
			t.Errorf("%s: %v, the same document confirms itself: %v", name, err, keys(same.Events))
		}
		second, err := revise(done.Record, sourceMatch, version(104), says(sourceMatch, 104, fixture(), wrong...).m,
			9000)
		if err != nil || len(second.Events) == 0 {
			t.Errorf("%s: %v, nothing happens when it is confirmed", name, err)
		}
		if _, held := merger.HeldStep(second.Record); held {
			t.Errorf("%s: still held", name)
		}
		// The other way round is the same.
		first, err := revise(rec, sourceMatch, version(104), says(sourceMatch, 104, fixture(), wrong...).m, 8000)
		if err != nil || len(first.Events) != 0 {
			t.Fatalf("%s: %v, %v", name, err, keys(first.Events))
		}
		other, err := revise(first.Record, sourceMatch, version(102), says(sourceMatch, 102, fixture(), wrong...).m,
			9000)
		if err != nil || other.Record.Snapshot.Score != second.Record.Snapshot.Score ||
			other.Record.Snapshot.Period != second.Record.Snapshot.Period {
			t.Errorf("%s: %v, in the other order %v", name, err, keys(other.Events))
		}
	}
}

// A goal that is taken back goes at once, also next to a card, and so does what else a document
// with a wrong step tells.
func TestOneGoalTakenBackIsNotHeld(t *testing.T) {
	_, log := through(t, []heard{
		says(sourceEvents, 10, fixture(), period(goalcast.FirstHalf), goal(1, home, 10, 5), goal(2, away, 20, 6)),
		says(sourceEvents, 21, nil, period(goalcast.FirstHalf), goal(1, home, 10, 5), cancelled(goal(2, away, 20, 6))),
	})
	wantKeys(t, log[3:], "plain:2#1 confirmed 1-1", "plain:2#2 cancelled 1-0")
	_, log = through(t, []heard{
		says(sourceEvents, 10, fixture(), period(goalcast.FirstHalf), goal(1, home, 10, 5), goal(2, away, 20, 6),
			card("plain:3", home, 21, 5, goalcast.Yellow)),
		says(sourceEvents, 21, nil, period(goalcast.FirstHalf), goal(1, home, 10, 5)),
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
