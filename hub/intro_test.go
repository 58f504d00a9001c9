package hub_test

import (
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
)

// fixtureAt plays a fixture of made-up teams, home 70 and away 71, in competition 5.
func (w *world) fixtureAt(id goalcast.MatchID, kickoff time.Time) {
	w.play(goalcast.Event{ID: "fixture", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindFixture, Match: id,
		Fixture: &goalcast.Fixture{Kickoff: kickoff.UTC(), Competition: goalcast.Competition{ID: 5,
			Name: "Coastal League"},
			Home: goalcast.Team{ID: 70, Name: "Harbour Rovers"}, Away: goalcast.Team{ID: 71, Name: "Mill Athletic"}}})
}

func (w *world) kickOff(id goalcast.MatchID) goalcast.Cursor {
	return w.play(goalcast.Event{ID: "kick-off", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindPeriod,
		Match: id, Period: goalcast.FirstHalf,
		Times: goalcast.Times{Published: time.Now().UnixMilli()}})
}

// score reads up to the goal of a number and returns the match as the viewer then has it, and how
// many snapshots of it came.
func score(t *testing.T, v viewer, m goalcast.Snapshot, goal string) (goalcast.Snapshot, int) {
	t.Helper()
	snapshots := 0
	for {
		f, err := v.next(t)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range f.Matches {
			if s.ID == 7 {
				m = s
				snapshots++
			}
		}
		if f.Type != goalcast.FrameEvent {
			continue
		}
		if m.Home.Name == "" {
			t.Errorf("%s of a match without a snapshot", f.Event.Kind)
		}
		m = goalcast.Apply(m, *f.Event)
		if f.Event.ID == goal {
			return m, snapshots
		}
	}
}

// TestEventBringsItsMatch follows a team and a competition whose match was planned for another
// week, and is played now.
func TestEventBringsItsMatch(t *testing.T) {
	for _, topic := range []string{"team:70", "competition:5"} {
		everyway(t, hub.Config{}, func(t *testing.T, w *world, n *node, dial func(string, goalcast.Cursor) viewer) {
			w.fixtureAt(7, time.Now().Add(5*24*time.Hour))
			v := dial(topic, goalcast.Cursor{})
			only(t, v, goalcast.FrameHello)
			if s := only(t, v, goalcast.FrameSnapshot); len(s.Matches) != 0 {
				t.Fatalf("%d matches", len(s.Matches))
			}
			w.kickOff(7)
			w.goal(7, 1) // of team 70
			if m, n := score(t, v, goalcast.Snapshot{}, "goal:7:1"); m.Score.Home != 1 || n != 1 {
				t.Errorf("%+v after %d snapshots", m.Score, n)
			}
		})
	}
}

// TestEventBringsItsMatchOnce sends the snapshot again only when somebody has joined since.
func TestEventBringsItsMatchOnce(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{Shards: 1}, false)
	w.fixtureAt(7, time.Now().Add(-5*24*time.Hour)) // corrected days later
	first := dialCoder(t, n, query("team:70", goalcast.Cursor{}))
	until(t, first, goalcast.FrameSnapshot)
	w.goal(7, 1)
	m, sent := score(t, first, goalcast.Snapshot{}, "goal:7:1")
	if sent != 1 {
		t.Errorf("%d snapshots with the first event", sent)
	}
	w.goal(7, 2)
	if m, sent = score(t, first, m, "goal:7:2"); sent != 0 || m.Score.Home != 2 {
		t.Errorf("%d snapshots with the second event, %+v", sent, m.Score)
	}
	second := dialCoder(t, n, query("team:70,match:7", goalcast.Cursor{}))
	third := dialCoder(t, n, query("competition:5", goalcast.Cursor{}))
	until(t, second, goalcast.FrameSnapshot)
	known := until(t, second, goalcast.FrameSnapshot)
	until(t, third, goalcast.FrameSnapshot)
	w.goal(7, 3)
	if m, _ = score(t, first, m, "goal:7:3"); m.Score.Home != 3 {
		t.Errorf("the first viewer has %+v", m.Score)
	}
	if m, sent = score(t, third, goalcast.Snapshot{}, "goal:7:3"); m.Score.Home != 3 || sent != 1 {
		t.Errorf("a later viewer of the competition has %+v after %d snapshots", m.Score, sent)
	}
	whole := goalcast.Snapshot{}
	for _, s := range known[len(known)-1].Matches {
		whole = s
	}
	if _, sent = score(t, second, whole, "goal:7:3"); sent != 0 {
		t.Errorf("%d snapshots for a viewer of the match itself", sent)
	}
}

// TestReplayBringsItsMatch comes back with a cursor from before the match was in any list: to the
// node that was there, to one that has the match read only now, and to one that was started in
// between and heard the events as history.
func TestReplayBringsItsMatch(t *testing.T) {
	w := newWorld()
	here, there := start(t, w, hub.Config{}, false), start(t, w, hub.Config{}, false)
	w.fixtureAt(7, time.Now().Add(5*24*time.Hour))
	w.fixture(1)
	begin := w.goal(1, 1)
	v := dialCoder(t, here, query("team:70", goalcast.Cursor{}))
	until(t, v, goalcast.FrameSnapshot)
	late := &stream{}
	w.mu.Lock()
	w.nodes = append(w.nodes, late)
	w.mu.Unlock()
	w.kickOff(7)
	w.goal(7, 1)
	score(t, v, goalcast.Snapshot{}, "goal:7:1")
	third := startAt(t, w, hub.Config{}, late)
	for name, n := range map[string]*node{"here": here, "there": there, "third": third} {
		v := dialCoder(t, n, query("team:70", begin))
		only(t, v, goalcast.FrameHello)
		if m, sent := score(t, v, goalcast.Snapshot{}, "goal:7:1"); m.Score.Home != 1 || sent != 1 {
			t.Errorf("%s: %+v after %d snapshots", name, m.Score, sent)
		}
	}
}

// TestHoleIsMendedForViewers misses a revision on the bus: the next one shows it, and the match
// goes to all who follow it.
func TestHoleIsMendedForViewers(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixtureAt(7, time.Now())
	whole := dialCoder(t, n, query("match:7", goalcast.Cursor{}))
	team := dialCoder(t, n, query("team:70", goalcast.Cursor{}))
	until(t, whole, goalcast.FrameSnapshot)
	until(t, team, goalcast.FrameSnapshot)
	w.mu.Lock() // committed, and never heard
	w.snaps[7] = goalcast.Apply(w.snaps[7], goalcast.Event{ID: "missed", Revision: 1, Seq: 2,
		Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Match: 7,
		Team: 70, Period: goalcast.FirstHalf, Minute: 2, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}})
	w.mu.Unlock()
	w.goal(7, 3)
	for name, v := range map[string]viewer{"match": whole, "team": team} {
		frames := until(t, v, goalcast.FrameSnapshot)
		if m := frames[len(frames)-1].Matches[0]; m.Score.Home != 2 || m.Seq != 3 {
			t.Errorf("%s: seq %d, %+v", name, m.Seq, m.Score)
		}
	}
}
