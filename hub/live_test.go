package hub_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
)

// engines are the ways in which the same behaviour is made: sockets of shards, goroutines,
// goroutines over TLS and HTTP/2.
var engines = []struct {
	name string
	cfg  hub.Config
	tls  bool
}{
	{name: "raw"},
	{name: "portable", cfg: hub.Config{Portable: true}},
	{name: "tls", tls: true},
}

// everyway runs a test for every engine and every kind of client.
func everyway(t *testing.T, cfg hub.Config, f func(t *testing.T, w *world, n *node,
	dial func(topics string, since goalcast.Cursor) viewer)) {
	for _, e := range engines {
		for kind, dial := range kinds {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				cfg := cfg
				cfg.Portable = e.cfg.Portable
				w := newWorld()
				n := start(t, w, cfg, e.tls)
				f(t, w, n, func(topics string, since goalcast.Cursor) viewer {
					return dial(t, n, query(topics, since))
				})
			})
		}
	}
}

func TestSnapshotThenLive(t *testing.T) {
	everyway(t, hub.Config{}, func(t *testing.T, w *world, _ *node, dial func(string, goalcast.Cursor) viewer) {
		w.fixture(1)
		w.goal(1, 1)
		v := dial("match:1", goalcast.Cursor{})
		hello := only(t, v, goalcast.FrameHello)
		if hello.Version != goalcast.WireVersion || len(hello.Topics) != 1 || hello.Cursor == nil || hello.Ping <= 0 ||
			hello.Time == 0 {
			t.Errorf("hello %s", hello.raw)
		}
		snap := only(t, v, goalcast.FrameSnapshot)
		if *snap.Topic != goalcast.ForMatch(1) || len(snap.Matches) != 1 || snap.Matches[0].Score.Home != 1 ||
			*snap.Cursor != *hello.Cursor {
			t.Fatalf("snapshot %s", snap.raw)
		}
		state := snap.Matches[0]
		for i := 2; i <= 5; i++ {
			c := w.goal(1, i)
			e := only(t, v, goalcast.FrameEvent)
			if *e.Cursor != c || e.Sent == 0 {
				t.Errorf("event %d: %s, want cursor %s", i, e.raw, c)
			}
			if state = goalcast.Apply(state, *e.Event); state.Score != *e.Event.Score || state.Score.Home != i {
				t.Errorf("score %v, event says %v", state.Score, *e.Event.Score)
			}
		}
	})
}

// TestOnceAcrossTopics follows a match by five ways: each event comes once.
func TestOnceAcrossTopics(t *testing.T) {
	everyway(t, hub.Config{}, func(t *testing.T, w *world, _ *node, dial func(string, goalcast.Cursor) viewer) {
		w.fixture(1)
		w.fixture(2)
		v := dial("match:1,team:10,team:11,competition:5,match:1", goalcast.Cursor{})
		only(t, v, goalcast.FrameHello)
		for range 4 {
			only(t, v, goalcast.FrameSnapshot)
		}
		for i := 1; i <= 20; i++ {
			c := w.goal(goalcast.MatchID(1+i%2), i)
			if e := only(t, v, goalcast.FrameEvent); *e.Cursor != c {
				t.Fatalf("got %s, want %s", e.Cursor, c)
			}
		}
	})
}

func TestSnapshotsOfTeamsAndCompetitions(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	w.fixture(2)
	w.play(goalcast.Event{ID: "lineup:1", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindLineup, Match: 1,
		Lineup: &goalcast.Lineup{Team: 10, Players: []goalcast.LineupPlayer{{Player: goalcast.Player{ID: 3,
			Name: "Ada Lund"}}}}})
	w.goal(1, 1)
	w.play(goalcast.Event{ID: "sub:1", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindSubstitution,
		Match: 1, Team: 10,
		Period: goalcast.FirstHalf, Substitution: &goalcast.Substitution{}})
	v := dialCoder(t, n, query("match:1,team:10,competition:5,match:99", goalcast.Cursor{}))
	only(t, v, goalcast.FrameHello)
	one, team, all, none := only(t, v, "snapshot"), only(t, v, "snapshot"), only(t, v, "snapshot"), only(t, v,
		"snapshot")
	if m := one.Matches; len(m) != 1 || len(m[0].Lineups) != 1 || len(m[0].Timeline) != 2 {
		t.Errorf("match: %s", one.raw)
	}
	if m := team.Matches; len(m) != 1 || len(m[0].Lineups) != 0 || len(m[0].Timeline) != 2 {
		t.Errorf("team: %s", team.raw)
	}
	if m := all.Matches; len(m) != 2 || m[0].ID != 1 || len(m[0].Timeline) != 1 || m[0].Score.Home != 1 {
		t.Errorf("competition: %s", all.raw)
	}
	// what is left of the timeline is enough for the reducer
	w.goal(1, 2)
	if s := goalcast.Apply(all.Matches[0], *only(t, v, goalcast.FrameEvent).Event); s.Score.Home != 2 {
		t.Errorf("score after a goal on the competition's snapshot: %v", s.Score)
	}
	if none.Matches == nil || len(none.Matches) != 0 {
		t.Errorf("unknown match: %s", none.raw)
	}
	// a match that becomes known reaches those who waited for it, and the competition's next
	// snapshot
	w.fixture(99)
	if e := only(t, v, goalcast.FrameEvent); e.Event.Kind != goalcast.KindFixture || e.Event.Match != 99 {
		t.Errorf("event %s", e.raw)
	}
	later := dialCoder(t, n, query("competition:5,match:99", goalcast.Cursor{}))
	only(t, later, goalcast.FrameHello)
	if s := only(t, later, "snapshot"); len(s.Matches) != 3 {
		t.Errorf("competition with a new match: %s", s.raw)
	}
	if s := only(t, later, "snapshot"); len(s.Matches) != 1 || s.Matches[0].Seq != 1 {
		t.Errorf("new match: %s", s.raw)
	}
	if got := w.read("team:0 competition:5"); got != 1 {
		t.Errorf("competition read %d times", got)
	}
}

func TestStates(t *testing.T) {
	for _, e := range engines {
		for _, kind := range []string{"coder", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				cfg := e.cfg
				cfg.StateInterval, cfg.FollowLinger = 5*time.Millisecond, 20*time.Millisecond
				n := start(t, w, cfg, e.tls)
				w.state(1, "1x2/home", 7)
				v := kinds[kind](t, n, query("odds:1", goalcast.Cursor{}))
				only(t, v, goalcast.FrameHello)
				snap := only(t, v, goalcast.FrameSnapshot)
				if len(snap.States) != 1 || snap.States[0].Version != 7 {
					t.Errorf("snapshot %s", snap.raw)
				}
				w.state(1, "1x2/home", 8)
				if s := only(t, v, goalcast.FrameState); s.State.Version != 8 || s.Sent == 0 {
					t.Errorf("state %s", s.raw)
				}
				w.state(1, "1x2/home", 3) // older: nobody is told
				w.state(2, "1x2/home", 9) // nobody follows it
				w.state(1, "1x2/away", 1)
				if s := only(t, v, goalcast.FrameState); s.State.Key != "1x2/away" {
					t.Errorf("state %s", s.raw)
				}
				v.cut()
				follows := func() string { w.mu.Lock(); defer w.mu.Unlock(); return fmt.Sprint(w.follows) }
				wait(t, "unfollow", func() bool { return follows() == "[+odds:1 -odds:1]" })
				v = kinds[kind](t, n, query("odds:1", goalcast.Cursor{}))
				until(t, v, goalcast.FrameSnapshot)
				if got := follows(); got != "[+odds:1 -odds:1 +odds:1]" {
					t.Errorf("follows %s", got)
				}
			})
		}
	}
}

// TestStatesAfterResume returns with a cursor and gets every newest state, whatever it missed.
func TestStatesAfterResume(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{StateInterval: time.Millisecond}, false)
	w.fixture(1)
	watcher := dialCoder(t, n, query("odds:1", goalcast.Cursor{}))
	until(t, watcher, goalcast.FrameSnapshot)
	for i := range 5 {
		w.state(1, fmt.Sprint("k", i), 100)
	}
	for range 5 {
		only(t, watcher, goalcast.FrameState)
	}
	v := dialCoder(t, n, query("match:1,odds:1", goalcast.Cursor{Epoch: "e1", Offset: 1}))
	only(t, v, goalcast.FrameHello)
	seen := make(map[string]bool)
	for len(seen) < 5 {
		seen[only(t, v, goalcast.FrameState).State.Key] = true
	}
	p := dialPoll(t, n, url.Values{"topics": {"odds:1"}, "since": {"e1-1"}})
	for len(seen) > 0 {
		delete(seen, only(t, p, goalcast.FrameState).State.Key)
	}
}
