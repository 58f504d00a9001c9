package merge

import (
	"testing"
	"time"

	"goalcast"
)

// dayAfter is minutes after kick-off, some days later.
func dayAfter(days, minute int) int { return days*24*60 + minute }

// planned is a fixture that begins so many days after it was to begin at first.
func planned(days int) *goalcast.Fixture {
	f := fixture()
	f.Kickoff = kickoff.Add(time.Duration(days) * 24 * time.Hour)
	return f
}

func halted(f *goalcast.Fixture, as goalcast.MatchState) *goalcast.Fixture {
	f.Halted = as
	return f
}

func awarded(f *goalcast.Fixture) *goalcast.Fixture {
	f.Awarded = &goalcast.Score{Home: 3}
	return f
}

func clip(id string, minute int, of *goalcast.Goal) goalcast.Event {
	return goalcast.Event{ID: "cutter:" + id, Kind: goalcast.KindClip, Status: goalcast.Confirmed, Team: home,
		Period: goalcast.FirstHalf, Minute: minute, Goal: of,
		Clip: &goalcast.Clip{URL: "https://clips.example/" + id}}
}

// A fixture that begins again begins clean, also of what only one source told of the earlier
// occasion, which is not heard of again.
func TestFixtureThatBeginsAnewBeginsClean(t *testing.T) {
	first := period(goalcast.FirstHalf)
	for name, earlier := range map[string][]heard{
		"abandoned": {
			says(sourceEvents, 30, fixture(), first, goal(1, home, 10, 5), goal(2, away, 20, 6),
				card("plain:3", home, 21, 5, goalcast.StraightRed), lineup(home, "442", 5)),
			says(sourceMatch, 40, halted(fixture(), goalcast.Abandoned), first, goal(1, home, 10, 5),
				goal(2, away, 20, 6), lineup(home, "", 5, 7)),
			says("cutter:c", 35, nil, clip("c", 10, &goalcast.Goal{})),
		},
		"postponed after the line-ups were out": {
			says(sourceMatch, -40, fixture(), lineup(home, "442", 5), lineup(away, "442", 6)),
			says(sourceList, -10, halted(fixture(), goalcast.Postponed)),
		},
		"decided off the pitch, and overturned": {
			says(sourceEvents, 30, fixture(), finished()...),
			says(sourceMatch, 200, awarded(fixture()), finished()...),
		},
		"told by hand": {
			says("json", 30, fixture(), first, goal(1, home, 10, 5)),
			says("json", 40, halted(fixture(), goalcast.Abandoned), first, goal(1, home, 10, 5)),
		},
	} {
		source := sourceList
		if name == "told by hand" {
			source = "json"
		}
		clean := func(rec goalcast.MatchRecord, when string) {
			t.Helper()
			s := rec.Snapshot
			if s.Score != (goalcast.Score{}) || s.State != goalcast.Scheduled || s.Period != goalcast.PreMatch ||
				s.Awarded != nil || s.Halted != "" || s.Delay != nil {
				t.Errorf("%s, %s: %v, %s, %s, awarded %v, halted %q", name, when, s.Score, s.State, s.Period, s.Awarded,
					s.Halted)
			}
			for _, e := range s.Timeline {
				if e.Counts() {
					t.Errorf("%s, %s: %s %s still counts", name, when, e.Kind, e.ID)
				}
			}
			for _, l := range s.Lineups {
				if len(l.Players) > 0 {
					t.Errorf("%s, %s: line-up %+v", name, when, l)
				}
			}
		}
		replanned := append(earlier, says(source, dayAfter(3, 0), planned(10)))
		rec, log := through(t, replanned)
		checkLog(t, rec, log)
		clean(rec, "planned again")
		if !rec.Snapshot.Kickoff.Equal(planned(10).Kickoff) {
			t.Errorf("%s: kick-off %s", name, rec.Snapshot.Kickoff)
		}
		if name == "abandoned" { // edited days later, it is still of the day it was played on
			rec = hear(t, rec, says(sourceEvents, dayAfter(4, 0), fixture(), first, goal(1, home, 11, 5),
				goal(2, away, 20, 6)))
			clean(rec, "edited")
		}
		// The other order of documents ends the same.
		other, _ := through(t, append([]heard{replanned[len(replanned)-1]}, earlier...))
		clean(other, "in another order")

		// The new occasion counts what it brings, under ids that it may have in common
		// with the earlier one.
		live := sourceMatch
		if source == "json" {
			live = source
		}
		played := says(live, dayAfter(10, 20), planned(10), first, named("plain:9", goal(9, home, 10, 5)),
			lineup(home, "352", 8))
		rec, log = through(t, append(replanned, played))
		checkLog(t, rec, log)
		if s := rec.Snapshot; s.Score != (goalcast.Score{Home: 1}) || s.State != goalcast.Live ||
			s.Lineups[0].Formation != "352" {
			t.Errorf("%s: played again it is %v, %s, %+v", name, s.Score, s.State, s.Lineups)
		}
		if e := event(t, rec, "plain:9"); !e.Counts() {
			t.Errorf("%s: the goal of the new occasion is that of the earlier one", name)
		}
	}
}

// A match that goes on where it was stopped is told with what happened before; one that is moved
// within a day, or dated wrongly while it is on, is the same.
func TestMatchThatGoesOnKeepsWhatHappened(t *testing.T) {
	first := period(goalcast.FirstHalf)
	rec, _ := through(t, []heard{
		says(sourceMatch, 40, halted(fixture(), goalcast.Abandoned), first, goal(1, home, 10, 5)),
		says(sourceList, 100, planned(1)),
		says(sourceMatch, dayAfter(1, 10), planned(1), first, goal(1, home, 10, 5)),
	})
	if s := rec.Snapshot; s.Score.Home != 1 || s.State != goalcast.Live {
		t.Errorf("resumed: %v, %s", s.Score, s.State)
	}
	late := fixture()
	late.Kickoff = kickoff.Add(3 * time.Hour)
	rec, _ = through(t, []heard{says(sourceMatch, -40, fixture(), lineup(home, "442", 5)),
		says(sourceList, -10, halted(fixture(), goalcast.Postponed)), says(sourceList, 20, late)})
	if s := rec.Snapshot; len(s.Lineups) != 1 || len(s.Lineups[0].Players) != 1 {
		t.Errorf("moved by hours: %+v", s.Lineups)
	}
	rec, log := through(t, []heard{
		says(sourceEvents, 40, fixture(), first, goal(1, home, 10, 5)),
		says(sourceList, 41, planned(1)), // held: F24 may not have been sent for a minute
		says(sourceEvents, 42, fixture(), first, goal(1, home, 10, 5)),
		says(sourceList, 43, planned(1)),
		says(sourceEvents, 44, fixture(), first, goal(1, home, 10, 5)),
	})
	for _, e := range log {
		if !e.Counts() {
			t.Errorf("dated wrongly while it is on: %s is told as cancelled", e.Key())
		}
	}
	if s := rec.Snapshot; s.Score.Home != 1 || s.State != goalcast.Live {
		t.Errorf("dated wrongly while it is on: %v, %s", s.Score, s.State)
	}
}
