package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub"
)

// follower keeps what a client keeps: a cursor, and the matches by the reducer.
type follower struct {
	cursor  goalcast.Cursor
	matches map[goalcast.MatchID]goalcast.Snapshot
	missing map[goalcast.Topic]bool // topics without a snapshot yet: until none is left the cursor means nothing
	events  []goalcast.Cursor
	fresh   int // snapshots instead of a replay
}

// take brings a frame in.
func (f *follower) take(t testing.TB, r received) {
	switch r.Type {
	case goalcast.FrameHello:
		if f.cursor.IsZero() {
			f.expect(r.Topics)
		}
	case goalcast.FrameReset:
		f.cursor = goalcast.Cursor{}
		f.fresh++
	case goalcast.FrameSnapshot:
		for _, m := range r.Matches {
			f.matches[m.ID] = m
		}
		delete(f.missing, *r.Topic)
		if len(f.missing) == 0 {
			f.cursor = *r.Cursor
		}
	case goalcast.FrameEvent:
		if n := len(f.events); n > 0 && f.events[n-1].Epoch == r.Cursor.Epoch &&
			f.events[n-1].Offset >= r.Cursor.Offset {
			t.Errorf("event %s after %s", r.Cursor, f.events[n-1])
		}
		f.events = append(f.events, *r.Cursor)
		f.matches[r.Event.Match] = goalcast.Apply(f.matches[r.Event.Match], *r.Event)
		if len(f.missing) == 0 {
			f.cursor = *r.Cursor
		}
	}
}

func (f *follower) expect(topics []goalcast.Topic) {
	f.missing = make(map[goalcast.Topic]bool)
	for _, t := range topics {
		f.missing[t] = true
	}
}

// TestCutAndResume cuts viewers again and again at any moment while events are played, on two
// nodes; each event must come once, in order.
func TestCutAndResume(t *testing.T) {
	const events = 300
	for _, e := range engines {
		for kind, dial := range kinds {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				cfg := e.cfg
				// keep-alives in between; a busy test answers late
				cfg.PingInterval, cfg.MaxUnanswered = 20*time.Millisecond, 200
				nodes := []*node{start(t, w, cfg, e.tls), start(t, w, cfg, e.tls)}
				for id := range goalcast.MatchID(3) {
					w.fixture(1 + id)
				}
				begin := w.goal(1, 0)
				var playing sync.WaitGroup
				playing.Go(func() {
					for i := 1; i <= events; i++ {
						w.goal(goalcast.MatchID(1+i%3), i)
						if i%10 == 0 {
							time.Sleep(time.Millisecond) // the pace of the stream, nothing is waited for
						}
					}
				})
				f := &follower{cursor: begin, matches: make(map[goalcast.MatchID]goalcast.Snapshot)}
				for cuts := 0; len(f.events) < events; cuts++ {
					v := dial(t, nodes[cuts%2], query("match:1,team:20,competition:5", f.cursor))
					for range 1 + rand.IntN(60) {
						if len(f.events) == events {
							break
						}
						r, err := v.next(t)
						if err != nil {
							t.Fatalf("after %d events: %v", len(f.events), err)
						}
						f.take(t, r)
					}
					v.cut()
				}
				playing.Wait()
				if f.fresh > 0 {
					t.Errorf("%d resets", f.fresh)
				}
				for i, c := range f.events {
					if c.Offset != begin.Offset+1+uint64(i) {
						t.Fatalf("event %d is %s", i, c)
					}
				}
				if got := w.read("match:1") + w.read("match:2") + w.read("match:3"); got != 0 {
					t.Errorf("%d matches read by viewers who resume", got)
				}
			})
		}
	}
}

// TestJoinWhilePlaying joins at random moments without a cursor: snapshot and what follows must add
// up to the truth.
func TestJoinWhilePlaying(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	w.fixture(2)
	ctx, cancel := context.WithCancel(context.Background())
	var playing sync.WaitGroup
	playing.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			w.goal(goalcast.MatchID(1+i%2), i)
			if i%5 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	var viewers sync.WaitGroup
	for i := range 60 {
		viewers.Go(func() {
			v := dialCoder(t, n, query([]string{"match:1", "match:1,match:2", "team:10,competition:5"}[i%3],
				goalcast.Cursor{}))
			f := &follower{matches: make(map[goalcast.MatchID]goalcast.Snapshot)}
			for range 40 {
				r, err := v.next(t)
				if err != nil {
					t.Error(err)
					return
				}
				if r.Type == goalcast.FrameEvent {
					// a hole between snapshot and stream would show here: a match's events are
					// numbered
					if have := f.matches[r.Event.Match].Seq; r.Event.Seq != have+1 {
						t.Errorf("event %d of match %d after %d", r.Event.Seq, r.Event.Match, have)
					}
				}
				f.take(t, r)
				if r.Type == goalcast.FrameEvent && f.matches[r.Event.Match].Score != *r.Event.Score {
					t.Errorf("score %v, want %v", f.matches[r.Event.Match].Score, *r.Event.Score)
				}
			}
		})
	}
	viewers.Wait()
	cancel()
	playing.Wait()
	if got := w.read("match:1"); got > 1 { // none where the list of its team was read first
		t.Errorf("match read %d times", got)
	}
}

func TestResetOfCursors(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		since        goalcast.Cursor
	}{
		{"another epoch", "epoch", goalcast.Cursor{Epoch: "old", Offset: 3}},
		{"too old", "too_old", goalcast.Cursor{Epoch: "e1", Offset: 3}},
		{"ahead", "ahead", goalcast.Cursor{Epoch: "e1", Offset: 4711}},
		{"far ahead", "ahead", goalcast.Cursor{Epoch: "e1", Offset: 1 << 60}},
		{"too much", "too_much", goalcast.Cursor{Epoch: "e1", Offset: 120}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for kind, dial := range kinds {
				w := newWorld()
				n := start(t, w, hub.Config{Ring: 100, MaxReplay: 79}, false)
				w.fixture(1)
				for i := range 200 {
					w.goal(1, i)
				}
				v := dial(t, n, query("match:1", tt.since))
				only(t, v, goalcast.FrameHello)
				if r := only(t, v, goalcast.FrameReset); string(r.Reason) != tt.reason {
					t.Errorf("%s: reason %q, want %q", kind, r.Reason, tt.reason)
				}
				if s := only(t, v, goalcast.FrameSnapshot); s.Matches[0].Score.Home != 200 {
					t.Errorf("%s: snapshot %.300s", kind, s.raw)
				}
				c := w.goal(1, 201)
				if e := only(t, v, goalcast.FrameEvent); *e.Cursor != c {
					t.Errorf("%s: %s after reset", kind, e.Cursor)
				}
				if got := n.metric(t, "goalcast_hub_resumes_total", tt.reason); got != 1 {
					t.Errorf("%s: %v resumes counted", kind, got)
				}
			}
		})
	}
}

// TestLastEventID resumes as a browser does: the header wins over the address, and what is no
// cursor gets a reset instead of a 400.
func TestLastEventID(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{PingInterval: 40 * time.Millisecond}, false)
	w.fixture(1)
	w.fixture(2)
	v := dialSSE(t, n, query("match:1,match:2", goalcast.Cursor{})).(sseViewer)
	only(t, v, goalcast.FrameHello)
	if s := only(t, v, goalcast.FrameSnapshot); s.id != "" || *v.id != "" {
		t.Errorf("id %q with the first of two snapshots", s.id)
	}
	only(t, v, goalcast.FrameSnapshot)
	if _, err := v.block(); err != nil || *v.id != "e1-2" {
		t.Errorf("id after the last snapshot: %q %v", *v.id, err)
	}
	w.goal(1, 1)
	if e := only(t, v, goalcast.FrameEvent); e.id != "e1-3" {
		t.Errorf("id of the event: %q", e.id)
	}
	w.fixture(3) // others' events move the cursor of this viewer on, with the keep-alive
	for *v.id != "e1-4" {
		if _, err := v.block(); err != nil {
			t.Fatal(err)
		}
	}
	w.goal(1, 2)
	for id, want := range map[string]goalcast.FrameType{"e1-4": goalcast.FrameEvent, "nonsense": goalcast.FrameReset} {
		q := query("match:1", goalcast.Cursor{Epoch: "e1", Offset: 1})
		req := "GET /v1/live?" + q.Encode() + " HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: " +
			id + "\r\n\r\n"
		frames := rawSSE(t, n, req)
		only(t, frames, goalcast.FrameHello)
		only(t, frames, want)
	}
}

// TestResetOfTheBus gives the stream another epoch under viewers: each is told once, then gets what
// matches look like, read once.
func TestResetOfTheBus(t *testing.T) {
	everyway(t, hub.Config{}, func(t *testing.T, w *world, n *node, dial func(string, goalcast.Cursor) viewer) {
		w.fixture(1)
		w.fixture(2)
		viewers := make([]viewer, 5)
		for i := range viewers {
			viewers[i] = dial("match:1,match:2", goalcast.Cursor{})
			only(t, viewers[i], goalcast.FrameHello)
			only(t, viewers[i], goalcast.FrameSnapshot)
			only(t, viewers[i], goalcast.FrameSnapshot)
		}
		reads := w.read("match:1")
		w.mu.Lock() // lost on the bus: only the database has it
		w.snaps[1] = goalcast.Apply(w.snaps[1], goalcast.Event{ID: "lost", Revision: 1, Status: goalcast.Confirmed,
			Kind:  goalcast.KindGoal,
			Match: 1, Seq: 2, Team: 10, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}})
		w.mu.Unlock()
		w.reset("e2")
		for _, v := range viewers {
			all := until(t, v, goalcast.FrameReset)
			if r := all[len(all)-1]; r.Reason != "epoch" {
				t.Errorf("reset %s", r.raw)
			}
			one := only(t, v, goalcast.FrameSnapshot)
			two := only(t, v, goalcast.FrameSnapshot)
			if two.Matches[0].ID == 1 {
				one, two = two, one
			}
			if one.Matches[0].Score.Home != 1 || two.Matches[0].ID != 2 || one.Cursor.Epoch != "e2" {
				t.Errorf("snapshots %s %s", one.raw, two.raw)
			}
		}
		if got := w.read("match:1") - reads; got != 1 {
			t.Errorf("read %d times", got)
		}
		c := w.goal(1, 3)
		for _, v := range viewers {
			if e := only(t, v, goalcast.FrameEvent); *e.Cursor != c {
				t.Errorf("%s, want %s", e.Cursor, c)
			}
		}
	})
}

// TestNoResumeAcrossLoss is the viewer who is cut between an event after a loss and the snapshots
// that make up for it.
func TestNoResumeAcrossLoss(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	v := dialCoder(t, n, query("match:1", goalcast.Cursor{}))
	until(t, v, goalcast.FrameSnapshot)
	w.mu.Lock()
	w.gate = make(chan struct{})
	w.mu.Unlock()
	w.reset("e2")
	c := w.goal(1, 1)
	if e := only(t, v, goalcast.FrameEvent); e.Cursor != nil { // before its snapshot
		t.Errorf("an event before the snapshots has the cursor %s", e.Cursor)
	}
	v.cut()
	w.mu.Lock()
	close(w.gate)
	w.gate = nil
	w.mu.Unlock()
	again := dialCoder(t, n, query("match:1", c))
	only(t, again, goalcast.FrameHello)
	only(t, again, goalcast.FrameReset)
	if s := only(t, again, goalcast.FrameSnapshot); s.Matches[0].Score.Home != 1 {
		t.Errorf("snapshot %s", s.raw)
	}
}

// TestGapInTheStream is a bus that skips an offset, which it should have repaired: it counts as a
// reset.
func TestGapInTheStream(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	v := dialCoder(t, n, query("match:1", goalcast.Cursor{}))
	until(t, v, goalcast.FrameSnapshot)
	w.mu.Lock()
	w.offset++
	w.mu.Unlock()
	w.goal(1, 1)
	kinds := []goalcast.FrameType{}
	for !slices.Contains(kinds, goalcast.FrameSnapshot) {
		r, err := v.next(t)
		if err != nil {
			t.Fatal(err)
		}
		if r.Type == goalcast.FrameReset && r.Reason != "gap" {
			t.Errorf("reset %s", r.raw)
		}
		kinds = append(kinds, r.Type)
	}
	if !slices.Contains(kinds, goalcast.FrameReset) {
		t.Errorf("frames %v", kinds)
	}
}

func TestStale(t *testing.T) {
	everyway(t, hub.Config{}, func(t *testing.T, w *world, n *node, dial func(string, goalcast.Cursor) viewer) {
		w.fixture(1)
		v := dial("match:1", goalcast.Cursor{})
		until(t, v, goalcast.FrameSnapshot)
		n.Stale(true)
		n.Stale(true)
		if n.Ready() == nil {
			t.Error("ready while stale")
		}
		if poll, ok := v.(pollViewer); ok { // it is told with its next request, if nobody asked when it happened
			until(t, poll, goalcast.FrameStale)
			return
		}
		if r := only(t, v, goalcast.FrameStale); !*r.Stale {
			t.Errorf("stale %s", r.raw)
		}
		later := dial("match:1", goalcast.Cursor{})
		only(t, later, goalcast.FrameHello)
		if r := only(t, later, goalcast.FrameStale); !*r.Stale {
			t.Errorf("stale %s", r.raw)
		}
		n.Stale(false)
		if r := only(t, v, goalcast.FrameStale); *r.Stale {
			t.Errorf("stale %s", r.raw)
		}
		if err := n.Ready(); err != nil {
			t.Error(err)
		}
	})
}

// TestManyViewers fans events out to hundreds of sockets and cuts and resumes all of them at once.
func TestManyViewers(t *testing.T) {
	const viewers, events = 500, 10
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	for id := range goalcast.MatchID(10) {
		w.fixture(1 + id)
	}
	conns := make([]viewer, viewers)
	open := func(since goalcast.Cursor) {
		var dialing sync.WaitGroup
		for part := range 8 {
			dialing.Go(func() {
				for i := part; i < viewers; i += 8 {
					topics := fmt.Sprintf("match:%d,team:%d,competition:%d", 1+i%10, 10*(1+i%10), 6+i)
					if i%2 == 0 {
						conns[i] = dialGobwas(t, n, query(topics, since))
					} else {
						conns[i] = dialSSE(t, n, query(topics, since))
					}
				}
			})
		}
		dialing.Wait()
	}
	open(goalcast.Cursor{})
	wait(t, "all are in", func() bool { return n.metric(t, "goalcast_hub_subscriptions", "") == 3*viewers })
	cursor := goalcast.Cursor{}
	play := func(from int) {
		for i := range events {
			for id := range goalcast.MatchID(10) {
				cursor = w.goal(1+id, from+i)
			}
		}
	}
	play(0)
	before := cursor
	check := func(round int) {
		for i, v := range conns {
			last := -1
			for last < round*events+events-1 {
				r := until(t, v, goalcast.FrameEvent)
				e := r[len(r)-1].Event
				var id, nr int
				fmt.Sscanf(e.ID, "goal:%d:%d", &id, &nr)
				if id != 1+i%10 || last >= 0 && nr != last+1 || last < 0 && nr != round*events {
					t.Fatalf("viewer %d got %s after %d", i, e.ID, last)
				}
				last = nr
			}
		}
	}
	check(0)
	reads := w.read("match:1")
	for _, v := range conns {
		v.cut()
	}
	play(events)
	begin := time.Now()
	open(before)
	check(1)
	t.Logf("%d returned and caught up in %v", viewers, time.Since(begin))
	if got := w.read("match:1"); got != reads {
		t.Errorf("%d readings for those who return", got-reads)
	}
	if got := n.metric(t, "goalcast_hub_resumes_total", "ring"); got != viewers {
		t.Errorf("%v resumes from the ring", got)
	}
	for _, v := range conns {
		v.cut()
	}
	wait(t, "all are gone", func() bool {
		return n.metric(t, "goalcast_hub_connections", "") == 0 && n.metric(t, "goalcast_hub_subscriptions", "") == 0 &&
			n.metric(t, "goalcast_hub_topics", "") == 0
	})
}
