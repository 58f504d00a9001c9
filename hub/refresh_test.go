package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
	"goalcast/hub/board"
)

// recorder keeps what is on the bus.
type recorder struct{ all []goalcast.Published }

func (r *recorder) Event(p goalcast.Published)            { r.all = append(r.all, p) }
func (*recorder) State(goalcast.State)                    {}
func (*recorder) Reread(goalcast.Topic, []goalcast.State) {}
func (*recorder) Reset(goalcast.Cursor)                   {}
func (*recorder) Stale(bool)                              {}

// A node that starts reads what the bus has. Until it has read it all it is not ready, and who
// comes all the same waits: a cursor of the other nodes is good here too, and what is in a snapshot
// is not told as news.
func TestJoinsWaitForTheHistory(t *testing.T) {
	for kind, dial := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w, past := newWorld(), &recorder{}
			w.nodes = append(w.nodes, past)
			w.fixture(7)
			for i := range 9 {
				w.goal(7, i)
			}
			w.nodes, w.offset, w.reading = nil, 0, true
			n := start(t, w, hub.Config{}, false)
			for _, p := range past.all[:5] {
				n.Event(p)
			}
			wait(t, "hub runs", func() bool {
				return n.Ready() != nil && strings.Contains(n.Ready().Error(), "history")
			})
			got := make(chan []string, 2)
			for _, since := range []goalcast.Cursor{{}, past.all[9].Cursor} {
				go func() {
					var frames []string
					for v := dial(t, n, query("match:7", since)); ; {
						r, err := v.next(t)
						if err != nil {
							t.Error(err)
							return
						}
						if r.Type == goalcast.FrameEvent {
							got <- append(frames, r.Event.ID)
							return
						}
						if r.Type != goalcast.FrameHello {
							frames = append(frames, string(r.Type))
						}
					}
				}()
			}
			for _, p := range past.all[5:] {
				n.Event(p)
			}
			w.mu.Lock()
			w.offset = past.all[9].Cursor.Offset
			w.mu.Unlock()
			n.Stale(false)
			if err := n.Ready(); err != nil {
				t.Errorf("the history is read: %v", err)
			}
			wait(t, "both are in", func() bool { return n.metric(t, "goalcast_hub_subscriptions", "") == 2 })
			w.goal(7, 10)
			all := []string{fmt.Sprint(<-got), fmt.Sprint(<-got)}
			slices.Sort(all)
			if want := []string{"[goal:7:10]", "[snapshot goal:7:10]"}; !slices.Equal(all, want) {
				t.Errorf("told %v, want %v", all, want)
			}
		})
	}
}

// Nothing of what a bus that was reset has from long ago is told as news; what was put there just
// now is.
func TestHistoryAfterAResetIsNoNews(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(7)
	v := dialCoder(t, n, query("match:7", goalcast.Cursor{}))
	until(t, v, goalcast.FrameSnapshot)
	w.mu.Lock()
	w.epoch, w.offset = "e2", 0
	w.mu.Unlock()
	n.Reset(goalcast.Cursor{Epoch: "e2"})
	play := func(i int, ago time.Duration) {
		w.play(goalcast.Event{ID: fmt.Sprint("goal:", i), Revision: 1, Status: goalcast.Confirmed,
			Kind: goalcast.KindGoal, Match: 7, Team: 70,
			Minute: i, Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
			Times: goalcast.Times{Published: time.Now().Add(-ago).UnixMilli()}})
	}
	play(1, time.Hour)
	play(2, 2*time.Minute)
	play(3, time.Second)
	if e := only(t, v, goalcast.FrameEvent); e.Event.ID != "goal:3" || e.Cursor != nil {
		t.Errorf("told %s with cursor %v, want the third goal without", e.Event.ID, e.Cursor)
	}
	n.Stale(false)
	only(t, v, goalcast.FrameReset)
	if s := only(t, v, goalcast.FrameSnapshot); s.Matches[0].Score.Home != 3 ||
		*s.Cursor != (goalcast.Cursor{Epoch: "e2", Offset: 3}) {
		t.Errorf("refreshed with %s", s.raw)
	}
}

// Between a reset and the end of its refresh no frame has a cursor: any node would take it, and
// what was lost would never be told.
func TestNoCursorBeforeTheRefresh(t *testing.T) {
	for kind, dial := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.fixture(7)
			w.fixture(8)
			a := start(t, w, hub.Config{PingInterval: 40 * time.Millisecond, MaxUnanswered: 200}, false)
			b := start(t, w, hub.Config{}, false)
			v := dial(t, a, query("match:7", goalcast.Cursor{}))
			mine := until(t, v, goalcast.FrameSnapshot)[1].Matches[0]
			lose(w, func() { w.goal(7, 1) })
			gate := make(chan struct{})
			w.mu.Lock()
			w.gate = gate
			w.mu.Unlock()
			w.reset("e2")
			raw := w.goal(7, 2)
			if kind == "poll" { // between two questions nobody is there to be refreshed; the next one is told
				close(gate)
				until(t, v, goalcast.FrameReset)
				mine = only(t, v, goalcast.FrameSnapshot).Matches[0]
			} else {
				if err := a.Ready(); err == nil {
					t.Error("ready with viewers who lack a goal")
				}
				e := only(t, v, goalcast.FrameEvent)
				if e.Cursor != nil || e.id != "" {
					t.Errorf("an event with cursor %v, id %q", e.Cursor, e.id)
				}
				close(gate)
				v.cut()
				again := dial(t, b, query("match:7", raw)) // an older version would have given it
				only(t, again, goalcast.FrameHello)
				only(t, again, goalcast.FrameReset)
				mine = only(t, again, goalcast.FrameSnapshot).Matches[0]
			}
			if mine.Score.Home != 2 {
				t.Errorf("%d goals at the other node, want 2", mine.Score.Home)
			}
			wait(t, "all refreshed", func() bool { return a.Ready() == nil })
		})
	}
}

// lose plays something that no node hears.
func lose(w *world, play func()) {
	w.mu.Lock()
	nodes, offset := w.nodes, w.offset
	w.nodes = nil
	w.mu.Unlock()
	play()
	w.mu.Lock()
	w.nodes, w.offset = nodes, offset
	w.mu.Unlock()
}

// Viewers may follow more than the board holds: all are refreshed all the same, each topic read
// about once, and the node is not ready before.
func TestRefreshOfMoreTopicsThanTheBoardHolds(t *testing.T) {
	for _, kind := range []string{"match", "team"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.board = board.Config{MaxMatches: 130, MaxLists: 130}
			w.fixture(7)
			n := start(t, w, hub.Config{}, false)
			v := dialCoder(t, n, query("match:7,team:70", goalcast.Cursor{}))
			until(t, v, goalcast.FrameSnapshot)
			only(t, v, goalcast.FrameSnapshot)
			var crowd []viewer
			for i := range 4 {
				var topics []string
				for j := range 100 {
					topics = append(topics, fmt.Sprintf("%s:%d", kind, 1000+100*i+j))
				}
				crowd = append(crowd, dialCoder(t, n, query(strings.Join(topics, ","), goalcast.Cursor{})))
				for range 101 {
					if _, err := crowd[i].next(t); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.mu.Lock()
			clear(w.reads)
			w.mu.Unlock()
			lose(w, func() { w.goal(7, 1) })
			w.reset("e2")
			only(t, v, goalcast.FrameReset)
			for range 2 {
				if s := only(t, v, goalcast.FrameSnapshot); s.Matches[0].Score.Home != 1 {
					t.Errorf("refreshed with %s", s.raw)
				}
			}
			for _, v := range crowd {
				only(t, v, goalcast.FrameReset)
				for range 100 {
					only(t, v, goalcast.FrameSnapshot)
				}
			}
			wait(t, "all refreshed", func() bool { return n.Ready() == nil })
			w.mu.Lock()
			reads := 0
			for _, n := range w.reads {
				reads += n
			}
			w.mu.Unlock()
			if reads > 500 {
				t.Errorf("%d readings for 402 topics", reads)
			}
			c := w.goal(7, 2)
			if e := only(t, v, goalcast.FrameEvent); *e.Cursor != c {
				t.Errorf("%s, want %s", e.Cursor, c)
			}
		})
	}
}

// The database is away when the bus is reset: nothing is lost of what comes, the node says that it
// is not ready, and all is well when it is back.
func TestRefreshWaitsForTheDatabase(t *testing.T) {
	w := newWorld()
	w.fixture(7)
	n := start(t, w, hub.Config{}, false)
	v := dialCoder(t, n, query("match:7", goalcast.Cursor{}))
	until(t, v, goalcast.FrameSnapshot)
	w.mu.Lock()
	w.down = fmt.Errorf("no database: %w", goalcast.ErrUnavailable)
	w.mu.Unlock()
	w.reset("e2")
	w.goal(7, 1)
	only(t, v, goalcast.FrameEvent)
	wait(t, "it was tried", func() bool { return w.read("match:7") > 2 })
	if err := n.Ready(); err == nil || n.metric(t, "goalcast_hub_refresh_topics", "") != 1 {
		t.Errorf("ready: %v, topics that wait: %v", err, n.metric(t, "goalcast_hub_refresh_topics", ""))
	}
	w.mu.Lock()
	w.down = nil
	w.mu.Unlock()
	only(t, v, goalcast.FrameReset)
	only(t, v, goalcast.FrameSnapshot)
	wait(t, "all refreshed", func() bool { return n.Ready() == nil })
}

// One match of which the database makes no sense holds nobody else up; its own viewers have to come
// back.
func TestRefreshSetsAsideWhatCannotBeRead(t *testing.T) {
	w := newWorld()
	w.fixture(7)
	w.fixture(8)
	n := start(t, w, hub.Config{}, false)
	good, bad := dialCoder(t, n, query("match:7", goalcast.Cursor{})), dialCoder(t, n,
		query("match:8", goalcast.Cursor{}))
	until(t, good, goalcast.FrameSnapshot)
	until(t, bad, goalcast.FrameSnapshot)
	w.mu.Lock()
	w.bad = map[goalcast.MatchID]bool{8: true}
	w.mu.Unlock()
	w.reset("e2")
	only(t, good, goalcast.FrameReset)
	only(t, good, goalcast.FrameSnapshot)
	if r := only(t, bad, goalcast.FrameBye); r.Reason != "unavailable" || r.Retry == 0 || r.Cursor != nil {
		t.Errorf("sent away with %s", r.raw)
	}
	wait(t, "all refreshed", func() bool { return n.Ready() == nil })
}

// Resets that follow each other while viewers are refreshed: the last one counts, and each viewer
// ends with what is true.
func TestResetDuringARefresh(t *testing.T) {
	w := newWorld()
	w.fixture(7)
	n := start(t, w, hub.Config{}, false)
	v := dialCoder(t, n, query("match:7", goalcast.Cursor{}))
	until(t, v, goalcast.FrameSnapshot)
	for i := range 20 {
		lose(w, func() { w.goal(7, i) })
		w.reset(fmt.Sprint("e", 2+i))
	}
	for {
		s := until(t, v, goalcast.FrameSnapshot)
		if last := s[len(s)-1]; last.Matches[0].Score.Home == 20 && last.Cursor != nil && last.Cursor.Epoch == "e21" {
			break
		}
	}
	wait(t, "all refreshed", func() bool { return n.Ready() == nil })
}
