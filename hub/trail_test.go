package hub_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/hub"
)

// delayed is a query with a delay in seconds.
func delayed(topics string, since goalcast.Cursor, seconds int) url.Values {
	return asking(topics, since, "delay", fmt.Sprint(seconds))
}

// ago has an event published so long ago.
func ago(e goalcast.Event, d time.Duration) goalcast.Event {
	at := time.Now().Add(-d).UnixMilli()
	e.Times = goalcast.Times{Received: at, Published: at}
	return e
}

// scored is a goal of the home side.
func scored(match goalcast.MatchID, n, revision int, status goalcast.Status) goalcast.Event {
	return goalcast.Event{ID: fmt.Sprintf("goal:%d:%d", match, n), Revision: revision, Status: status,
		Kind: goalcast.KindGoal, Match: match, Team: goalcast.TeamID(10 * match), Period: goalcast.FirstHalf,
		Minute: 1 + n, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}}
}

// planned is a match of the teams and the competition of world.fixture.
func planned(match goalcast.MatchID) goalcast.Event {
	return goalcast.Event{ID: fmt.Sprint("fixture:", match), Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindFixture, Match: match,
		Fixture: &goalcast.Fixture{Competition: goalcast.Competition{ID: 5, Name: "Coastal League"},
			Kickoff: time.Now().UTC().Truncate(time.Second),
			Home:    goalcast.Team{ID: goalcast.TeamID(10 * match), Name: "Harbour Rovers"},
			Away:    goalcast.Team{ID: goalcast.TeamID(10*match + 1), Name: "Mill Athletic"}},
		Topics: []goalcast.Topic{goalcast.ForMatch(match), goalcast.ForTeam(goalcast.TeamID(10 * match)),
			goalcast.ForTeam(goalcast.TeamID(10*match + 1)), goalcast.ForCompetition(5)}}
}

// TestSnapshotsBeforeTheDelay: who has a delay begins with the match as it stood then: without a
// goal of the last minutes, and with one that was taken back since. Who has none goes on from its
// cursor.
func TestSnapshotsBeforeTheDelay(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{Replay: w.Told}, false)
	w.play(ago(planned(1), 20*time.Minute))
	then := w.play(ago(scored(1, 1, 1, goalcast.Confirmed), 15*time.Minute))
	w.play(ago(scored(1, 1, 2, goalcast.Cancelled), 2*time.Minute))
	w.play(ago(scored(1, 2, 1, goalcast.Confirmed), time.Minute))
	w.play(ago(planned(2), time.Minute))
	for name, dial := range kinds {
		t.Run(name, func(t *testing.T) {
			late := dial(t, n, delayed("match:1,team:10,competition:5", goalcast.Cursor{}, goalcast.MaxDelay))
			hello := only(t, late, goalcast.FrameHello)
			if hello.DelayS != goalcast.MaxDelay || hello.Cursor == nil || *hello.Cursor != then {
				t.Errorf("%s, want a delay, and the cursor %s", hello.raw, then)
			}
			for range 3 {
				s := only(t, late, goalcast.FrameSnapshot)
				if len(s.Matches) != 1 || s.Matches[0].Seq != 2 || s.Matches[0].Score.Home != 1 || *s.Cursor != then ||
					s.States != nil {
					t.Errorf("as it stood: %s", s.raw)
				}
			}
			v := dial(t, n, query("match:1", then))
			for _, want := range []string{"goal:1:1#2", "goal:1:2#1"} {
				for {
					if r, err := v.next(t); err != nil {
						t.Fatal(err)
					} else if r.Type == goalcast.FrameEvent {
						if got := r.Event.Key(); got != want {
							t.Errorf("%s, want %s", got, want)
						}
						break
					}
				}
			}
		})
	}
	if reads := w.read("told:1"); reads != 1 {
		t.Errorf("the match's revisions were read %d times for one moment", reads)
	}
	// without the database who needs no past of it is served all the same
	w.mu.Lock()
	w.down = goalcast.ErrUnavailable
	w.mu.Unlock()
	v := dialCoder(t, n, delayed("match:1", goalcast.Cursor{}, 1))
	until(t, v, goalcast.FrameSnapshot)
}

// TestDelayed: a viewer with a delay, next to one without, is sent the same frames in the same
// order, a goal and that it does not count, and none of them before its time. What it follows later
// is late as well.
func TestDelayed(t *testing.T) {
	const delay = time.Second
	for name, dial := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			n := start(t, w, hub.Config{Replay: w.Told}, false)
			w.play(ago(planned(1), time.Hour))
			w.play(ago(planned(2), time.Hour))
			late := dial(t, n, delayed("match:1", goalcast.Cursor{}, 1))
			at := until(t, late, goalcast.FrameSnapshot)[1].Cursor
			if c, ok := late.(coderViewer); ok {
				err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"subscribe","topics":["team:20"]}`))
				if err != nil {
					t.Fatal(err)
				}
				only(t, late, goalcast.FrameSnapshot)
			}
			if p, ok := late.(pollViewer); ok {
				p.q.Set("since", at.String())
			}
			now := dial(t, n, query("match:1", *at))
			begin := time.Now()
			w.play(scored(1, 1, 1, goalcast.Confirmed))
			w.play(scored(1, 1, 2, goalcast.Cancelled))
			w.play(card(1, 1))
			w.play(card(2, 1))
			var told, got []string
			for len(told) < 3 {
				if r, err := now.next(t); err != nil {
					t.Fatal(err)
				} else if r.Type == goalcast.FrameEvent {
					told = append(told, r.raw)
				}
			}
			for len(got) < 3 {
				r := only(t, late, goalcast.FrameEvent)
				if since := time.Since(begin); since < delay {
					t.Errorf("%s came after %s", r.Event.ID, since)
				}
				got = append(got, r.raw)
			}
			if !slices.Equal(got, told) {
				t.Errorf("late: %s\nat once: %s", got, told)
			}
			if _, ok := late.(coderViewer); ok {
				if e := only(t, late, goalcast.FrameEvent).Event; e.ID != "card:2:1" {
					t.Errorf("of what was followed later: %s", e.ID)
				}
			}
		})
	}
}

// TestDelayedReturn: who comes back with a delay is sent what it missed, up to where its delay is,
// and the rest in time; and nothing of what it was told when it had none.
func TestDelayedReturn(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{Replay: w.Told}, false)
	from := w.play(ago(planned(1), time.Hour))
	w.play(ago(scored(1, 1, 1, goalcast.Confirmed), 20*time.Minute))
	w.play(ago(scored(1, 2, 1, goalcast.Confirmed), 10*time.Minute))
	seen := w.play(ago(scored(1, 3, 1, goalcast.Confirmed), 100*time.Millisecond))
	// of those that are due
	v := dialCoder(t, n, delayed("match:1", from, goalcast.MaxDelay))
	hello := only(t, v, goalcast.FrameHello)
	if *hello.Cursor != from {
		t.Errorf("goes on from %s, want %s", hello.Cursor, from)
	}
	for _, want := range []string{"goal:1:1", "goal:1:2"} {
		if got := only(t, v, goalcast.FrameEvent).Event.ID; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	// and of those that it was told before it had a delay, none
	v = dialCoder(t, n, delayed("match:1", seen, 1))
	only(t, v, goalcast.FrameHello)
	w.goal(1, 4)
	r := only(t, v, goalcast.FrameEvent)
	if r.Event.ID != "goal:1:4" {
		t.Errorf("again: %s", r.Event.ID)
	}
	v = dialCoder(t, n, delayed("match:1", *r.Cursor, 1))
	only(t, v, goalcast.FrameHello)
	// a poll with a cursor that is newer than its delay keeps it
	q := delayed("match:1", *r.Cursor, goalcast.MaxDelay)
	q.Set("wait", "10ms")
	res, err := n.web.Client().Get(n.web.URL + "/v1/live?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if want := fmt.Sprintf(`{"cursor":"%s","frames":[]}`, r.Cursor); strings.TrimSpace(string(body)) != want {
		t.Errorf("%s, want %s", body, want)
	}
}

// TestDelayRefused: there are no prices with a delay, however they are asked for, and no other
// delays than there are.
func TestDelayRefused(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.play(ago(planned(1), time.Hour))
	for query, want := range map[string]int{"topics=match:1,odds:1&delay=30": http.StatusForbidden,
		"topics=odds:1&delay=30&check=1": http.StatusForbidden, "topics=match:1&delay=301": http.StatusBadRequest,
		"topics=match:1&delay=-1": http.StatusBadRequest, "topics=match:1&delay=1.5": http.StatusBadRequest,
		"topics=match:1&delay=30&replay=kickoff&check=1": http.StatusBadRequest,
		"topics=match:1,odds:1&delay=0&check=1":          http.StatusNoContent} {
		res, err := n.web.Client().Get(n.web.URL + "/v1/live?" + query)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %s %s", query, res.Status, body)
		}
	}
	c := coder(t, n, delayed("match:1", goalcast.Cursor{}, 30))
	v := coderViewer{c}
	until(t, v, goalcast.FrameSnapshot)
	wait(t, "one with a delay is counted", func() bool { return n.metric(t, "goalcast_hub_delayed", "") == 1 })
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"subscribe","topics":["odds:1"]}`)); err != nil {
		t.Fatal(err)
	}
	if e := only(t, v, goalcast.FrameError); e.Code != goalcast.CodeForbidden || !strings.Contains(e.Error, "delay") {
		t.Errorf("prices, later: %s", e.raw)
	}
	c.CloseNow()
	wait(t, "nobody has a delay", func() bool { return n.metric(t, "goalcast_hub_delayed", "") == 0 })
}

// TestDelayedReset: after a reset of the bus a viewer with a delay is given snapshots when its
// delay is over, and not before; then events go on.
func TestDelayedReset(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{Replay: w.Told}, false)
	w.play(ago(planned(1), time.Hour))
	viewers := []viewer{dialCoder(t, n, delayed("match:1", goalcast.Cursor{}, 1)),
		dialSSE(t, n, delayed("match:1,competition:5", goalcast.Cursor{}, 1))}
	for _, v := range viewers {
		until(t, v, goalcast.FrameSnapshot)
	}
	only(t, viewers[1], goalcast.FrameSnapshot)
	w.goal(1, 1)
	begin := time.Now()
	w.reset("e2")
	for i, v := range viewers {
		if r := only(t, v, goalcast.FrameReset); time.Since(begin) < time.Second {
			t.Errorf("%s after %s", r.raw, time.Since(begin))
		}
		for range i + 1 {
			if s := only(t, v, goalcast.FrameSnapshot); len(s.Matches) != 1 || s.Matches[0].Score.Home != 1 {
				t.Errorf("after the reset: %s", s.raw)
			}
		}
	}
	at := w.goal(1, 2)
	for _, v := range viewers {
		if e := only(t, v, goalcast.FrameEvent); *e.Cursor != at || e.Event.ID != "goal:1:2" {
			t.Errorf("then: %s", e.raw)
		}
	}
}

// TestDelayedShortRing: what the ring is about to lose is sent before its time, each event once,
// and counted; who would have to be told of such a match what is not known any more is to come
// back.
func TestDelayedShortRing(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{Replay: w.Told, Ring: 3}, false)
	w.play(ago(planned(1), time.Hour))
	v := dialCoder(t, n, delayed("match:1", goalcast.Cursor{}, goalcast.MaxDelay))
	until(t, v, goalcast.FrameSnapshot)
	for i := range 5 {
		w.goal(1, i)
	}
	for i := range 2 {
		if got, want := only(t, v, goalcast.FrameEvent).Event.ID, fmt.Sprint("goal:1:", i); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := n.metric(t, "goalcast_hub_hurried_total", ""); got != 2 {
		t.Errorf("%v events were sent before their time", got)
	}
	res, err := n.web.Client().Get(n.web.URL + "/v1/live?" +
		delayed("match:1", goalcast.Cursor{}, goalcast.MaxDelay-1).Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusServiceUnavailable ||
		!strings.Contains(string(body), "unavailable") {
		t.Errorf("a match of which too little is known: %s %s", res.Status, body)
	}
}

// TestDelayedDrain: goodbye has the cursor of the delay, with which another node goes on.
func TestDelayedDrain(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{Replay: w.Told, DrainTime: 50 * time.Millisecond}, false)
	at := w.play(ago(planned(1), time.Hour))
	v := dialCoder(t, n, delayed("match:1", goalcast.Cursor{}, goalcast.MaxDelay))
	until(t, v, goalcast.FrameSnapshot)
	w.goal(1, 1)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- n.Drain(ctx) }()
	bye := only(t, v, goalcast.FrameBye)
	v.cut()
	if bye.Cursor == nil || *bye.Cursor != at {
		t.Errorf("%s, want the cursor %s", bye.raw, at)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
