package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	client "goalcast/clients/go"
)

var everyWay = []client.Transport{client.WebSocket, client.EventStream, client.Poll}

func TestGoalsAsTheyHappen(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, func(o *client.Options) {
		o.Kinds, o.Conflate = []goalcast.Kind{goalcast.KindGoal, goalcast.KindCard}, 2*time.Second
	})
	v := h.visit(t, 0)
	if v.query.Get("topics") != "match:1" || v.query.Has("since") || v.transport != client.WebSocket ||
		v.query.Get("kinds") != "goal,card" || v.query.Get("conflate_ms") != "2000" {
		t.Errorf("asked %v by %s", v.query, v.transport)
	}
	v.send(hello, snapshot(4), goal(5), revision(6, 5, 2, goalcast.Cancelled))
	e.until(t, "both revisions", func() bool { return len(e.events) == 2 })
	last := e.last
	if last.Before.Score.Home != 1 || last.Now.Score.Home != 0 || last.Now.Home.Name != "KVC Oosterveke" ||
		last.Cursor != "e1-6" || last.Latency.Ingest != 5*time.Millisecond || last.Latency.Total < 0 {
		t.Errorf("told %+v", last)
	}
	if m, _ := e.Match(1); m != last.Now || len(e.Matches()) != 1 || e.Cursor() != "e1-6" ||
		e.phase() != client.Connected {
		t.Errorf("match %+v, cursor %q, %s", m, e.Cursor(), e.phase())
	}
	until(t, "a ping for the clock", func() bool { return v.pinged() == 1 })
}

// After a cut nothing is lost, nothing comes twice.
func TestCutInMidMatch(t *testing.T) {
	for _, way := range everyWay[:2] {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			e := listen(t, h, func(o *client.Options) { o.Transport = way })
			first := h.visit(t, 0)
			first.send(hello, snapshot(4), goal(5))
			e.until(t, "a goal", func() bool { return len(e.events) == 1 })
			first.close(0)
			second := h.visit(t, 1)
			if since := second.query.Get("since"); since != "e1-5" {
				t.Errorf("came back with %q", since)
			}
			// a hub that repeats, also under another offset
			second.send(hello, goal(5), goal(6), revision(7, 6, 1, goalcast.Confirmed), goal(8))
			e.until(t, "three goals", func() bool { return len(e.events) == 3 })
			if want := keys("opta:5#1 opta:6#1 opta:8#1"); !slices.Equal(e.events, want) || e.last.Now.Score.Home != 3 {
				t.Errorf("told %v, %v", e.events, e.last.Now.Score)
			}
			var phases []client.Phase
			for _, s := range e.statuses {
				phases = append(phases, s.Phase)
			}
			want := []client.Phase{client.Connecting, client.Connected, client.Reconnecting, client.Connected}
			if !slices.Equal(phases, want) {
				t.Errorf("phases %v, want %v", phases, want)
			}
		})
	}
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	odds := goalcast.ForOdds(1)
	h.onVisit = func(v *visit) {
		if v.query.Get("topics") == odds.String() {
			if v.query.Has("since") {
				t.Error("prices are asked for with a cursor")
			}
			market := json.RawMessage(`{"st":"open","sel":{"home":{"p":2350}}}`)
			prices := snapshotOf(odds, 9)
			prices.States = []goalcast.State{
				{Topic: odds, Key: goalcast.GateKey, Version: 1, Value: json.RawMessage(`{"gate":"open"}`)},
				{Topic: odds, Key: "1x2", Version: 1, Value: market}}
			v.send(prices)
			return
		}
		switch since := v.query.Get("since"); since {
		case "": // the whole match
			v.send(snapshot(4))
		case "e1-4":
			v.send(goal(5))
		case "e1-5":
			v.send(goal(6))
		}
	}
	e := listen(t, h, func(o *client.Options) {
		o.Transport, o.Topics = client.Poll, []goalcast.Topic{goalcast.ForMatch(1), odds}
	})
	e.until(t, "goals", func() bool { return len(e.events) == 2 })
	until(t, "a price", func() bool { p, ok := e.Price(1, "1x2", "home"); return ok && p == 2350 })
	if e.Cursor() != "e1-6" || e.last.Now.Score.Home != 2 {
		t.Errorf("cursor %s, %v", e.Cursor(), e.last.Now.Score)
	}
}

// A cursor would leave out the topics whose snapshots have not come.
func TestCutBeforeEverySnapshotCame(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	listen(t, h, func(o *client.Options) { o.Topics = append(o.Topics, goalcast.ForMatch(2)) })
	first := h.visit(t, 0)
	first.send(hello, snapshot(4))
	first.close(0)
	if second := h.visit(t, 1); second.query.Has("since") || second.query.Get("topics") != "match:1,match:2" {
		t.Errorf("came back with %v", second.query)
	}
}

func TestComesBackWhenADrainingHubSaysSo(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, nil)
	first := h.visit(t, 0)
	left := time.Now()
	first.send(hello, snapshot(4), goalcast.Frame{Type: goalcast.FrameBye, Reason: goalcast.ByeDrain, Cursor: cursor(9),
		Retry: 200})
	second := h.visit(t, 1)
	if after := second.at.Sub(left); after < 200*time.Millisecond || second.query.Get("since") != "e1-9" {
		t.Errorf("back after %s with %v", after, second.query)
	}
	if w := e.waits(); !slices.Equal(w, []time.Duration{200 * time.Millisecond}) {
		t.Errorf("waits %v", w)
	}
}

// inMilliseconds has a client wait half of what it may at most: 8 ms at first, 64 ms at last.
func inMilliseconds(o *client.Options) {
	o.With(func() float64 { return 0.5 })
	o.Backoff, o.MaxBackoff = 8*time.Millisecond, 64*time.Millisecond
}

var sixWaits = []time.Duration{4 * time.Millisecond, 8 * time.Millisecond, 16 * time.Millisecond, 32 * time.Millisecond,
	32 * time.Millisecond, 32 * time.Millisecond}

// Each wait is random up to a bound that doubles, also if a hub greets and cuts, again and again.
func TestJitteredBackoff(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.onVisit = func(v *visit) { v.send(hello); v.close(4008) }
	e := listen(t, h, inMilliseconds)
	until(t, "six cuts", func() bool { return len(e.waits()) >= 6 })
	if w := e.waits()[:6]; !slices.Equal(w, sixWaits) {
		t.Errorf("waits %v, want %v", w, sixWaits)
	}
	if _, way := e.Status(); way != client.WebSocket {
		t.Errorf("left WebSockets, which the hub closes itself, for %s", way)
	}
}

// Waits begin with the first again after a connection that held.
func TestBackoffAfterAConnectionThatHeld(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.onVisit = func(v *visit) { v.close(0) } // before its hello
	const settled = 20 * time.Millisecond
	e := listen(t, h, func(o *client.Options) {
		inMilliseconds(o)
		o.Transport, o.Settled = client.WebSocket, settled
	})
	until(t, "six tries", func() bool { return len(e.waits()) >= 6 })
	if w := e.waits()[:6]; !slices.Equal(w, sixWaits) {
		t.Errorf("waits %v, want %v", w, sixWaits)
	}
	held := make(chan *visit, 1)
	h.set(func() { h.onVisit = func(v *visit) { v.send(hello); held <- v } })
	v := <-held
	until(t, "hello", func() bool { return e.phase() == client.Connected })
	since := time.Now()
	until(t, "a connection that has held", func() bool { return time.Since(since) > 10*settled })
	h.set(func() { h.onVisit = nil })
	before := len(e.waits())
	v.close(4008)
	until(t, "another try", func() bool { return len(e.waits()) > before })
	if w := e.waits()[before]; w != sixWaits[0] {
		t.Errorf("waits %s after a connection that held, want %s", w, sixWaits[0])
	}
}

// After a reset the snapshot counts, whatever it says, and old revisions are told again.
func TestReset(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, nil)
	v := h.visit(t, 0)
	one := goalcast.ForMatch(1)
	v.send(hello, snapshotOf(one, 4, match1(50)), goal(51), goalcast.Frame{Type: goalcast.FrameReset,
		Reason: goalcast.ResetEpoch}, snapshotOf(one, 1, match1(2)), goal(51))
	e.until(t, "the goal once more", func() bool { return len(e.events) == 2 })
	if !slices.Equal(e.resets, []goalcast.Reason{goalcast.ResetEpoch}) || e.last.Before.Seq != 2 {
		t.Errorf("resets %v, before %+v", e.resets, e.last.Before)
	}
}

func TestRefusals(t *testing.T) {
	text, err := os.ReadFile("../../testdata/refusals.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []refusal
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, way := range everyWay {
		for _, no := range all {
			t.Run(fmt.Sprintf("%s/%s", way, no.Code), func(t *testing.T) {
				t.Parallel()
				if no.Final {
					refuseForGood(t, way, no)
				} else {
					refuseForNow(t, way, no)
				}
			})
		}
	}
}

// refused listens to a hub that refuses.
func refused(t *testing.T, way client.Transport, no refusal) (*scriptedHub, *heard) {
	h := newHub(t)
	h.refusal = &no
	return h, listen(t, h, func(o *client.Options) {
		o.Transport, o.Backoff = way, time.Millisecond
		o.With(func() float64 { return 0 })
	})
}

// refuseForGood: it is an error, once, and is not tried again.
func refuseForGood(t *testing.T, way client.Transport, no refusal) {
	h, e := refused(t, way, no)
	e.until(t, "the end", func() bool { return e.over })
	want := client.Refusal{Code: no.Code, Detail: "refused: " + string(no.Code)}
	if got := e.refusal(); got == nil || *got != want || e.phase() != client.Closed {
		t.Errorf("told %v, %s; want %v", e.err, e.phase(), want)
	}
	if status, _ := e.Status(); len(h.refused) != 1 || status.Reason != string(no.Code) {
		t.Errorf("tried %d times; %+v", len(h.refused), status)
	}
	h.set(func() { h.refusal = nil }) // whoever has mended what was wrong may try again
	e.start(t)
	h.visit(t, 0)
}

// refuseForNow: it is told, and tried when the hub says. That it waits so long is seen with one of
// the codes.
func refuseForNow(t *testing.T, way client.Transport, no refusal) {
	h, e := refused(t, way, no)
	retry := time.Second
	if way == client.EventStream {
		retry = 300 * time.Millisecond
	}
	until(t, "the refusal", func() bool { return len(e.waits()) > 0 })
	if s, _ := e.Status(); s.Phase != client.Reconnecting || s.Reason != string(no.Code) || s.Retry != retry {
		t.Errorf("told %+v, want %s and to come back after %s", s, no.Code, retry)
	}
	if no.Code != goalcast.CodeFull {
		return
	}
	h.set(func() { h.refusal = nil })
	v := h.visit(t, 0)
	if after := v.at.Sub(h.refused[0]); after < retry || len(h.refused) != 1 || e.refusal() != nil {
		t.Errorf("back after %s, refused %d times, %v", after, len(h.refused), e.err)
	}
}

func TestBadCursorIsLeft(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.refusal = &refusal{Code: goalcast.CodeBadCursor, Final: true, Status: 400}
	e := listen(t, h, func(o *client.Options) {
		o.Cursor, o.Matches = "of-another-kind", []goalcast.Snapshot{match1(4)}
	})
	e.until(t, "a reset", func() bool { return len(e.resets) == 1 })
	h.set(func() { h.refusal = nil })
	if v := h.visit(t, 0); v.query.Has("since") || e.refusal() != nil {
		t.Errorf("came with %v; %v", v.query, e.err)
	}
}

func TestALaterSessionGoesOn(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, func(o *client.Options) { o.Cursor, o.Matches = "e1-4", []goalcast.Snapshot{match1(4)} })
	v := h.visit(t, 0)
	if since := v.query.Get("since"); since != "e1-4" {
		t.Errorf("came with %q", since)
	}
	v.send(hello, goal(5))
	e.until(t, "a goal", func() bool { return len(e.events) == 1 })
	e.leave()
	e.start(t)
	second := h.visit(t, 1)
	if since := second.query.Get("since"); since != "e1-5" || e.last.Now.Home.Name == "" {
		t.Errorf("went on with %q, knowing %+v", since, e.last.Now)
	}
}

// No network is no refusal, and no reason for another way.
func TestNoNetwork(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Close()
	e := listen(t, h, func(o *client.Options) { o.Backoff, o.MaxBackoff = time.Millisecond, 2*time.Millisecond })
	until(t, "some tries", func() bool { return len(e.waits()) > 4 })
	if _, way := e.Status(); way != client.WebSocket || e.refusal() != nil {
		t.Errorf("by %s, %v", way, e.err)
	}
}

// A network that lets only the lesser ways through is gone by, and left when it lets better ones.
func TestLesserWaysAndBackUp(t *testing.T) {
	for n := range everyWay[1:] {
		way := everyWay[n+1]
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.blocks = everyWay[:n+1]
			h.onVisit = func(v *visit) {
				switch {
				case v.transport != client.Poll:
					v.send(hello)
					if !v.query.Has("since") {
						v.send(snapshot(4))
					}
				case !v.query.Has("since"):
					v.send(snapshot(4))
				}
			}
			e := listen(t, h, func(o *client.Options) {
				o.Backoff, o.UpgradeAfter = time.Millisecond, 50*time.Millisecond
			})
			until(t, "a connection", func() bool {
				s, by := e.Status()
				return s.Phase == client.Connected && by == way && e.Cursor() == "e1-4"
			})
			h.set(func() { h.blocks = nil })
			until(t, "WebSockets again", func() bool {
				s, by := e.Status()
				return s.Phase == client.Connected && by == client.WebSocket
			})
			h.mu.Lock()
			last := h.visits[len(h.visits)-1]
			h.mu.Unlock()
			if since := last.query.Get("since"); since != "e1-4" {
				t.Errorf("came up with %q", since)
			}
			last.send(goal(5))
			e.until(t, "a goal", func() bool { return len(e.events) == 1 })
		})
	}
}

// WebSockets that break again and again after their hello are left for an event stream.
func TestWebSocketsThatBreak(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.onVisit = func(v *visit) {
		if v.send(hello); v.transport == client.WebSocket {
			v.close(0)
		}
	}
	e := listen(t, h, func(o *client.Options) { o.Backoff, o.MaxBackoff = time.Millisecond, 2*time.Millisecond })
	until(t, "an event stream", func() bool { _, way := e.Status(); return way == client.EventStream })
	if h.visit(t, 4); len(h.visits) != 5 {
		t.Errorf("%d connections", len(h.visits))
	}
}

// A connection that is silent for longer than the hub said is dead: a WebSocket whose ping has no
// answer, an event stream after twice as long.
func TestSilence(t *testing.T) {
	for _, way := range everyWay[:2] {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.deaf = true
			e := listen(t, h, func(o *client.Options) { o.Transport, o.PongTimeout = way, 20*time.Millisecond })
			quiet := hello
			quiet.Ping = 20
			h.visit(t, 0).send(quiet, snapshot(4))
			if v := h.visit(t, 1); v.query.Get("since") != "e1-4" {
				t.Errorf("came back with %v", v.query)
			}
			reason := map[client.Transport]string{client.WebSocket: "no pong", client.EventStream: "silent"}[way]
			e.until(t, "to be left", func() bool { return len(e.statuses) > 2 })
			if s := e.statuses[2]; s.Reason != reason {
				t.Errorf("left because of %q, want %q", s.Reason, reason)
			}
		})
	}
}

// A body that takes its time does not make the connection look dead, and loses nothing.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	quiet := hello
	quiet.Ping = 20
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		v := h.visit(t, 0)
		v.send(quiet, snapshot(4))
		for i := range int64(5) {
			v.send(goal(5 + i))
		}
	}()
	goals := 0
	for event, err := range client.Live(ctx, client.Options{URL: h.URL, Topics: []goalcast.Topic{goalcast.ForMatch(1)},
		PongTimeout: 5 * time.Second}) {
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond) // five times as long as the hub is silent
		if goals++; event.Now.Score.Home != goals {
			t.Errorf("%v after %d goals", event.Now.Score, goals)
		}
		if goals == 5 {
			break
		}
	}
	if len(h.visits) != 1 || goals != 5 {
		t.Errorf("%d goals over %d connections", goals, len(h.visits))
	}
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []client.Options{{}, {URL: "live.example"}, {URL: "ws://live.example"}, {URL: "http://\x00"},
		{URL: "https://live.example", Transport: "deltas"}} {
		count := 0
		for _, err := range client.Live(t.Context(), o) {
			if count++; err == nil {
				t.Errorf("%+v is right", o)
			}
		}
		if count != 1 {
			t.Errorf("%d errors", count)
		}
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, nil)
	h.visit(t, 0)
	for _, err := range e.Events(t.Context()) {
		if !errors.Is(err, client.ErrInUse) {
			t.Error(err)
		}
	}
}

// Topics change on the open socket; those that are refused are dropped, else the next connection
// would be refused; those that cannot be had now are asked for again.
func TestTopicsChange(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, func(o *client.Options) {
		o.Backoff = 4 * time.Millisecond
		o.With(func() float64 { return 0 })
	})
	first := h.visit(t, 0)
	e.Subscribe(goalcast.ForTeam(7)) // before hello
	first.send(hello, snapshot(1))
	until(t, "team:7", func() bool { return len(first.got()) == 1 })
	e.Subscribe(goalcast.ForMatch(3))
	until(t, "match:3", func() bool { return len(first.got()) == 2 })
	got := first.got()
	no := func(i int, code goalcast.Code) goalcast.Frame {
		return goalcast.Frame{Type: goalcast.FrameError, Code: code, Error: "no", ID: got[i].ID}
	}
	first.send(no(0, goalcast.CodeForbidden), no(1, goalcast.CodeUnavailable))
	until(t, "match:3 again", func() bool { return len(first.got()) == 3 })
	if got = first.got(); !slices.Equal(got[2].Topics, []string{"match:3"}) || len(e.problems) != 2 ||
		e.problems[0].Code != goalcast.CodeForbidden || !slices.Equal(e.problems[0].Topics,
		[]goalcast.Topic{goalcast.ForTeam(7)}) {
		t.Errorf("sent %+v; problems %+v", got, e.problems)
	}
	e.Unsubscribe(goalcast.ForMatch(1))
	until(t, "less", func() bool { return len(first.got()) == 4 })
	first.send(snapshotOf(goalcast.ForMatch(3), 2))
	until(t, "a cursor", func() bool { return e.Cursor() == "e1-2" })
	first.close(0)
	if second := h.visit(t, 1); second.query.Get("topics") != "match:3" || second.query.Get("since") != "e1-2" {
		t.Errorf("came back with %v", second.query)
	}
}

// An event stream has its topics for good: more of them make another connection.
func TestTopicsChangeByEventStream(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, func(o *client.Options) { o.Transport = client.EventStream })
	h.visit(t, 0).send(hello, snapshot(4))
	until(t, "a cursor", func() bool { return e.Cursor() != "" })
	e.Subscribe(goalcast.ForTeam(7))
	if v := h.visit(t, 1); v.query.Get("topics") != "match:1,team:7" || v.query.Has("since") {
		t.Errorf("came back with %v", v.query)
	}
}

// A snapshot of a match that comes along with its event counts, and nothing that was known is lost.
func TestMatchesComeAlong(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	team := goalcast.ForTeam(11)
	e := listen(t, h, func(o *client.Options) { o.Topics = []goalcast.Topic{team} })
	v := h.visit(t, 0)
	along := snapshotOf(goalcast.ForMatch(1), 0, match1(4))
	along.Cursor = nil
	older := along
	older.Matches = []goalcast.Snapshot{match1(3)}
	whole := along
	rich := match1(6)
	rich.Timeline = []goalcast.Event{*goal(5).Event, *goal(6).Event}
	rich.Lineups = []goalcast.LineupInMatch{{Lineup: goalcast.Lineup{Team: 11}, EventID: "x", Revision: 1}}
	whole.Matches = []goalcast.Snapshot{rich}
	short := along
	short.Matches = []goalcast.Snapshot{match1(7)}
	v.send(hello, snapshotOf(team, 4), along, goal(5), older, whole, short, goal(8))
	e.until(t, "two goals", func() bool { return len(e.events) == 2 })
	if m := e.last.Now; m.Score.Home != 3 || len(m.Lineups) != 1 || m.Home.Name == "" || m.Seq != 8 {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(e.Topics(), []goalcast.Topic{team}) || e.changes[0].Before != nil || e.changes[1].Event == nil {
		t.Errorf("topics %v, changes %+v", e.Topics(), e.changes)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, func(o *client.Options) { o.Replay, o.Speed = true, 10 })
	first := h.visit(t, 0)
	first.send(hello, snapshot(4), goal(5))
	e.until(t, "a goal", func() bool { return len(e.events) == 1 })
	first.close(0)
	second := h.visit(t, 1)
	if q := second.query; q.Get("replay") != "kickoff" || q.Get("speed") != "10" || q.Get("since") != "e1-5" {
		t.Errorf("asked %v", q)
	}
	second.send(hello, goal(6), goalcast.Frame{Type: goalcast.FrameBye, Reason: goalcast.ByeReplayOver, Retry: 1})
	e.until(t, "the end", func() bool { return e.over })
	if e.err != nil || e.last.Now.Score.Home != 2 || e.last.Latency != (client.Latency{}) || e.Cursor() != "" {
		t.Errorf("%v, %v, %+v, cursor %q", e.err, e.last.Now.Score, e.last.Latency, e.Cursor())
	}
	if s, _ := e.Status(); s.Phase != client.Closed || s.Reason != string(goalcast.ByeReplayOver) {
		t.Errorf("%+v", s)
	}
}

// withTokens gives tokens, each another; while *fail it gives none.
func withTokens(o *client.Options, asked *atomic.Int64, fail *atomic.Bool) {
	o.Token = func(context.Context) (string, error) {
		if fail != nil && fail.Load() {
			return "", errors.New("no network")
		}
		return fmt.Sprint("token-", asked.Add(1)), nil
	}
}

func TestTokens(t *testing.T) {
	for _, way := range everyWay[:2] {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			var asked atomic.Int64
			var fail atomic.Bool
			fail.Store(true)
			e := listen(t, h, func(o *client.Options) { o.Transport = way; withTokens(o, &asked, &fail) })
			until(t, "a try without a token", func() bool { return len(e.waits()) > 0 })
			fail.Store(false)
			first := h.visit(t, 0)
			if got := first.header.Get("Authorization"); got != "Bearer token-1" {
				t.Errorf("showed %q", got)
			}
			first.send(hello, snapshot(4), goalcast.Frame{Type: goalcast.FrameExpiring})
			next := first // a socket hands a new one in; others come back with it
			if way == client.WebSocket {
				until(t, "a new token", func() bool { return len(first.got()) == 1 })
				auth := first.got()[0]
				if auth.Type != goalcast.FrameAuth || auth.Token != "token-2" {
					t.Errorf("sent %+v", auth)
				}
				first.send(goalcast.Frame{Type: goalcast.FrameError, Code: goalcast.CodeUnauthorized, ID: auth.ID})
				until(t, "another", func() bool { return len(first.got()) == 2 })
				if auth = first.got()[1]; auth.Token != "token-3" {
					t.Errorf("sent %+v", auth)
				}
			} else if next = h.visit(t, 1); next.header.Get("Authorization") != "Bearer token-2" ||
				next.query.Get("since") != "e1-4" {
				t.Errorf("came back with %v, %v", next.header, next.query)
			}
			next.send(hello, goalcast.Frame{Type: goalcast.FrameBye, Reason: goalcast.ByeExpired, Retry: 1})
			before := asked.Load()
			until(t, "a connection with another", func() bool { return asked.Load() > before })
			if len(e.problems) > 0 {
				t.Errorf("problems %+v", e.problems)
			}
		})
	}
}

// A token that is refused is asked for again, three times in all, then somebody has to log in.
func TestTokenRefused(t *testing.T) {
	for _, way := range everyWay {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			h := newHub(t)
			h.refusal = &refusal{Code: goalcast.CodeUnauthorized, Final: true, Status: 401}
			var asked atomic.Int64
			e := listen(t, h, func(o *client.Options) { o.Transport = way; withTokens(o, &asked, nil) })
			e.until(t, "the end", func() bool { return e.over })
			if no := e.refusal(); no == nil || no.Code != goalcast.CodeUnauthorized || asked.Load() != 3 {
				t.Errorf("%v after %d tokens", e.err, asked.Load())
			}
		})
	}
}

// Prices are shown behind an open gate only, and no longer than two beats without a word.
func TestPrices(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	odds := goalcast.ForOdds(1)
	e := listen(t, h, func(o *client.Options) { o.Topics = []goalcast.Topic{odds} })
	v := h.visit(t, 0)
	version := int64(0)
	state := func(key, value string) goalcast.Frame {
		version++
		return goalcast.Frame{Type: goalcast.FrameState, State: &goalcast.State{Topic: odds, Key: key, Version: version,
			Value: json.RawMessage(value)}}
	}
	shows := func(want int) {
		t.Helper()
		until(t, fmt.Sprint("the price ", want), func() bool { p, _ := e.Price(1, "1x2", "home"); return p == want })
	}
	gate := func(want goalcast.GateReason) {
		t.Helper()
		until(t, fmt.Sprintf("the gate's reason %q", want), func() bool { return e.Gate(1).Reason == want })
	}
	gate(goalcast.GateStart)
	greeting := hello
	greeting.OddsBeat = 60_000
	v.send(greeting, goalcast.Frame{Type: goalcast.FrameSnapshot, Topic: &odds, Cursor: cursor(1)},
		state("!", `{"gate":"open"}`), state("1x2", `{"st":"open","sel":{"home":{"p":2350},"away":{}}}`))
	shows(2350)
	if p, ok := e.Price(1, "1x2", "away"); ok {
		t.Errorf("shows %d, which cannot be bet on", p)
	}
	v.send(state("!", `{"gate":"suspended","reason":"goal"}`), state("1x2", `{"st":"open","sel":{"home":{"p":9999}}}`))
	gate(goalcast.GateGoal)
	v.send(state("!", `{"gate":"open"}`))
	gate("")
	shows(0) // what was told before is void
	v.send(state("1x2", `{"st":"open","sel":{"home":{"p":1800}}}`))
	shows(1800)
	v.send(state("1x2", `{"st":"suspended","sel":{"home":{"p":1800}}}`))
	shows(0)
	v.send(state("1x2", `{"st":"open","sel":{"home":{"p":1900}}}`))
	shows(1900)
	stale := true
	v.send(goalcast.Frame{Type: goalcast.FrameStale, Stale: &stale})
	gate(goalcast.GateConnection)

	// Another hub counts its gates from elsewhere, and is silent soon.
	v.close(0)
	v = h.visit(t, 1)
	greeting.OddsBeat = 100
	version = 0
	v.send(greeting)
	until(t, "hello", func() bool { return e.phase() == client.Connected })
	shows(0)
	v.send(state("!", `{"gate":"open"}`), state("1x2", `{"st":"open","sel":{"home":{"p":1700}}}`))
	e.until(t, "silence to be told", func() bool {
		last := e.states[len(e.states)-1]
		return last.Key == goalcast.GateKey && goalcast.ReadGate(last.Value).Reason == goalcast.GateSilent
	})
	shows(0)
	if s, ok := e.State(odds, "1x2"); !ok || s.Version != 2 {
		t.Errorf("forgot %+v", s)
	}
	before := v.pinged()
	late := state("1x2", `{"st":"open","sel":{"home":{"p":1600}}}`) // it waited on its way, or the clock is wrong
	late.Sent = time.Now().Add(-time.Minute).UnixMilli()
	v.send(late)
	until(t, "a ping", func() bool { return v.pinged() > before })
	shows(0)
}

// What a later version of the hub may send spoils nothing.
func TestWhatIsNotKnownYet(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	e := listen(t, h, nil)
	v := h.visit(t, 0)
	v.send(hello, snapshot(4))
	for _, text := range []string{
		`{"type":"fireworks","topics":["sky:1"],"cursor":"whatever you like"}`,
		`{"type":"snapshot","topic":"player:9","matches":[],"cursor":"e1-4"}`,
		`{"type":"state","state":{"topic":"player:9","key":"mood","version":1,"value":7}}`,
		`{"type":"event","cursor":"z:5","event":{"id":"x","revision":1,"status":"confirmed","kind":"streaker","seq":5,
			"match":1,"topics":["match:1","player:9"],"sponsor":{"id":3},"times":{}},"sent":1}`,
	} {
		v.out <- []byte(text)
	}
	e.until(t, "the event", func() bool { return len(e.events) == 1 })
	if !slices.Equal(e.last.Topics, []goalcast.Topic{goalcast.ForMatch(1)}) || len(e.last.Now.Timeline) != 1 ||
		e.Cursor() != "z:5" || len(h.visits) != 1 {
		t.Errorf("told %+v, cursor %q", e.last, e.Cursor())
	}
	v.out <- []byte("{}}")
	h.visit(t, 1)
}
