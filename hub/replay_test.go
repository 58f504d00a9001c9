package hub_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/hub"
)

func replayOf(match goalcast.MatchID, speed int) url.Values {
	return url.Values{"topics": {goalcast.ForMatch(match).String()}, "replay": {"kickoff"},
		"speed": {fmt.Sprint(speed)}}
}

func (w *world) period(id goalcast.MatchID, p goalcast.Period) {
	w.play(goalcast.Event{ID: fmt.Sprintf("period:%d:%s", id, p), Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindPeriod, Match: id, Period: p})
}

// withdraw has VAR take the goal n of a match back.
func (w *world) withdraw(id goalcast.MatchID, n int) {
	w.play(goalcast.Event{ID: fmt.Sprintf("goal:%d:%d", id, n), Revision: 2, Status: goalcast.Cancelled,
		Kind: goalcast.KindGoal, Match: id, Team: goalcast.TeamID(10 * id), Period: goalcast.FirstHalf,
		Minute: min(1+n/60, 45), Second: n % 60, Goal: &goalcast.Goal{Type: goalcast.OpenPlay}})
}

// first and second are a match of which a goal is taken back, in two parts; between them a replay
// may be made to wait.
func (w *world) first(id goalcast.MatchID) {
	w.period(id, goalcast.FirstHalf)
	w.goal(id, 1)
	w.play(message(id, 2, 20))
}

func (w *world) second(id goalcast.MatchID) {
	w.withdraw(id, 1)
	w.period(id, goalcast.HalfTime)
	w.play(goalcast.Event{ID: "settlement:1", Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Match: id, Topics: []goalcast.Topic{goalcast.ForOdds(id)}, Message: json.RawMessage(`"of a bet"`)})
	w.state(id, "1x2", 7)
	w.period(id, goalcast.SecondHalf)
	w.goal(id, 3)
	w.period(id, goalcast.FullTime)
	w.play(message(id, 4, 20))
	w.withdraw(id, 3) // it was found out on the next day
}

const toldInFirst, toldInSecond = 3, 7

// haltingWorld has match 1, which is over, and whose replay waits for half an hour behind its first
// half, and match 2, which is not over.
func haltingWorld() *world {
	w := newWorld()
	w.fixture(1)
	w.fixture(2)
	w.play(message(1, 1, 20))
	w.first(1)
	w.first(2)
	w.later(time.Hour)
	w.second(1)
	return w
}

// endlessWorld has a match of which more was told than is played again.
func endlessWorld() *world {
	w := haltingWorld()
	s := w.snaps[1]
	s.Seq = 10_001
	w.snaps[1] = s
	return w
}

// sameness is a frame without what differs between live and again: cursors, and when something
// was published and sent.
func sameness(t *testing.T, r received) string {
	t.Helper()
	var f map[string]any
	if err := json.Unmarshal([]byte(r.raw), &f); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cursor", "sent", "time", "speed"} {
		delete(f, name)
	}
	if e, ok := f["event"].(map[string]any); ok {
		delete(e["times"].(map[string]any), "published")
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAReplayIsWhatALiveViewerGot: frame by frame, with the goal that was taken back, on every
// transport. Prices and bets are not in it.
func TestAReplayIsWhatALiveViewerGot(t *testing.T) {
	for _, e := range engines {
		for kind, dial := range kinds {
			if kind == "poll" {
				continue
			}
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld()
				cfg := e.cfg
				cfg.Replay = w.Told
				n := start(t, w, cfg, e.tls)
				w.fixture(1)
				w.play(message(1, 1, 20)) // before kick-off: in no snapshot, and not told again
				live := dial(t, n, query("match:1", goalcast.Cursor{}))
				var want, got []string
				next := func(v viewer, to *[]string) received {
					t.Helper()
					r, err := v.next(t)
					if err != nil {
						t.Fatalf("%v after %v", err, *to)
					}
					*to = append(*to, sameness(t, r))
					return r
				}
				next(live, &want) // hello
				next(live, &want) // snapshot: it is in
				w.first(1)
				w.second(1)
				for range toldInFirst + toldInSecond {
					next(live, &want)
				}
				again := dial(t, n, replayOf(1, 60))
				if hello := next(again, &got); hello.Speed != 60 {
					t.Errorf("speed %d: %s", hello.Speed, hello.raw)
				}
				last := uint64(0)
				for {
					r := next(again, &got)
					if r.Type == goalcast.FrameBye {
						if r.Reason != goalcast.ByeReplayOver || r.Cursor != nil || r.Retry <= 0 {
							t.Errorf("bye %s", r.raw)
						}
						break
					}
					if r.Cursor == nil || r.Cursor.Offset <= last || kind == "sse" && r.Type == goalcast.FrameEvent &&
						r.id != r.Cursor.String() {
						t.Errorf("id %q, cursor %v after %d: %s", r.id, r.Cursor, last, r.raw)
					} else {
						last = r.Cursor.Offset
					}
				}
				got = got[:len(got)-1]
				if !slices.Equal(got, want) {
					t.Errorf("again:\n%s\nlive:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				_, err := again.next(t)
				if kind == "coder" && websocket.CloseStatus(err) != websocket.StatusNormalClosure || err == nil {
					t.Errorf("after the end: %v", err)
				}
				wait(t, "place given back", func() bool {
					return n.metric(t, "goalcast_hub_replays", "") == 0 &&
						n.metric(t, "goalcast_hub_closed_total", "replay_over") == 1
				})
			})
		}
	}
}

// Who was cut goes on where it was, also at another node and with an EventSource's own means; who
// was told all is not played it again and again.
func TestAReplayGoesOn(t *testing.T) {
	for _, kind := range []string{"coder", "sse"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := haltingWorld()
			n := start(t, w, hub.Config{Replay: w.Told}, false)
			v := kinds[kind](t, n, replayOf(1, 60))
			var seen goalcast.Cursor
			for range toldInFirst {
				all := until(t, v, goalcast.FrameEvent)
				seen = *all[len(all)-1].Cursor
			}
			v.cut()
			for i := range w.told[1] {
				w.told[1][i].At = w.now // no wait any more
			}
			q := replayOf(1, 60)
			other := start(t, w, hub.Config{Replay: w.Told}, false)
			if kind == "sse" {
				v = rawSSE(t, other, "GET /v1/live?"+q.Encode()+
					" HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: "+seen.String()+"\r\n\r\n")
			} else {
				q.Set("since", seen.String())
				v = kinds[kind](t, other, q)
			}
			all := until(t, v, goalcast.FrameBye)
			if len(all) != 1+toldInSecond+1 || all[0].Type != goalcast.FrameHello ||
				all[1].Event.Status != goalcast.Cancelled {
				t.Errorf("on return: %v", all)
			}
			end := *all[len(all)-2].Cursor
			if kind == "sse" { // a browser that gets this gives up
				res := askAs(t, other, "sse", q.Encode()+"&since="+end.String(), "", "")
				if res.StatusCode != http.StatusNoContent {
					t.Errorf("after the end: %s", res.Status)
				}
				wait(t, "places given back",
					func() bool { return other.metric(t, "goalcast_hub_connections", "") == 0 })
			} else {
				q.Set("since", end.String())
				if all := until(t, kinds[kind](t, other, q), goalcast.FrameBye); len(all) != 2 {
					t.Errorf("after the end: %v", all)
				}
			}
			for since, reason := range map[string]goalcast.Reason{"e1-5": goalcast.ResetEpoch,
				seen.Epoch + "-1": goalcast.ResetTooOld, seen.Epoch + "-100": goalcast.ResetAhead} {
				q.Set("since", since)
				v := kinds[kind](t, other, q)
				until(t, v, goalcast.FrameHello)
				if r := only(t, v, goalcast.FrameReset); r.Reason != reason {
					t.Errorf("since %s: %s", since, r.raw)
				}
				only(t, v, goalcast.FrameSnapshot)
			}
			wait(t, "places given back", func() bool { return other.metric(t, "goalcast_hub_replays", "") == 0 })
		})
	}
}

// What happens meanwhile is not a replay's: no event, no price, no word of the bus. It is kept
// alive all the same, has one topic, and is said goodbye to like others.
func TestAReplayHearsNothingElse(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := haltingWorld()
			cfg := e.cfg
			cfg.Replay, cfg.PingInterval, cfg.DrainTime = w.Told, 200*time.Millisecond, 100*time.Millisecond
			n := start(t, w, cfg, false)
			v, _ := watch(t, n, replayOf(1, 1).Encode())
			for range toldInFirst {
				v.hears(goalcast.FrameEvent)
			}
			n.Stale(true)
			w.goal(1, 9)
			w.state(1, "1x2", 8)
			n.Stale(false)
			w.reset("e2")
			wait(t, "refreshed", func() bool { return n.Ready() == nil })
			v.say(`{"type":"subscribe","topics":["match:2"],"id":"a"}`)
			if f := only(t, v, goalcast.FrameError); f.Code != goalcast.CodeBadFrame || f.ID != "a" {
				t.Errorf("%s", f.raw)
			}
			if f := only(t, v, goalcast.FramePong); f.Cursor != nil { // of the live stream, which it does not follow
				t.Errorf("%s", f.raw)
			}
			events := kinds["sse"](t, n, replayOf(1, 1)).(sseViewer)
			for range toldInFirst {
				until(t, events, goalcast.FrameEvent)
			}
			before := *events.id
			if f := only(t, events, goalcast.FramePong); f.Cursor != nil {
				t.Errorf("%s", f.raw)
			}
			if *events.id != before {
				t.Errorf("a keep-alive changed the id from %s to %s", before, *events.id)
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			drained := make(chan error, 1)
			go func() { drained <- n.Drain(ctx) }()
			for _, v := range []viewer{v, events} {
				all := until(t, v, goalcast.FrameBye)
				if bye := all[len(all)-1]; bye.Reason != goalcast.ByeDrain || bye.Cursor != nil {
					t.Errorf("%s", bye.raw)
				}
			}
			if err := <-drained; err != nil {
				t.Error(err)
			}
			if got := n.metric(t, "goalcast_hub_replays", ""); got != 0 {
				t.Errorf("%v replays are left", got)
			}
		})
	}
}

// A node that stops does not wait for replays.
func TestAReplayEndsWithItsNode(t *testing.T) {
	w := haltingWorld()
	n := start(t, w, hub.Config{Replay: w.Told}, false)
	v := dialCoder(t, n, replayOf(1, 1))
	until(t, v, goalcast.FrameEvent)
	n.stop()
	for {
		if _, err := v.next(t); err != nil {
			break
		}
	}
	if got := n.metric(t, "goalcast_hub_replays", ""); got != 0 {
		t.Errorf("%v replays are left", got)
	}
}

// Replays are bounded, and a place that was left is free again.
func TestReplaysAreBounded(t *testing.T) {
	w := haltingWorld()
	n := start(t, w, hub.Config{Replay: w.Told, MaxReplays: 2, RetrySpread: 3 * time.Second}, false)
	for range 3 {
		a, b := dialCoder(t, n, replayOf(1, 1)), dialSSE(t, n, replayOf(1, 1))
		until(t, a, goalcast.FrameEvent)
		until(t, b, goalcast.FrameEvent)
		res := askAs(t, n, "websocket", replayOf(1, 1).Encode(), "", "")
		checkRefusal(t, "websocket", res, refusalForm{Code: "replays_full", Status: 503})
		until(t, dialCoder(t, n, query("match:1", goalcast.Cursor{})), goalcast.FrameSnapshot) // live is not met
		a.cut()
		b.cut()
		wait(t, "both are gone", func() bool { return n.metric(t, "goalcast_hub_replays", "") == 0 })
	}
	if got := n.metric(t, "goalcast_hub_refused_total", "replays"); got != 3 {
		t.Errorf("%v were refused", got)
	}
	w.down = errors.New("database away")
	res := askAs(t, n, "sse", replayOf(1, 1).Encode(), "", "")
	text, _ := io.ReadAll(res.Body)
	if !strings.Contains(string(text), `"unavailable"`) || n.metric(t, "goalcast_hub_replays", "") != 0 {
		t.Errorf("without a database: %s", text)
	}
}

// A replay of a private match is for whoever may see it, as long as that is so. To others the match
// does not exist.
func TestAPrivateReplay(t *testing.T) {
	w := privateWorld()
	for _, id := range []goalcast.MatchID{1, 2, 4} {
		w.first(id)
		w.later(time.Hour)
		w.second(id)
	}
	n := start(t, w, hub.Config{Replay: w.Told, Identity: people{&sync.Map{}}}, false)
	answer := func(match goalcast.MatchID, token string) string {
		t.Helper()
		res := askAs(t, n, "websocket", replayOf(match, 1).Encode(), "", token)
		text, err := bufio.NewReader(res.Body).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		text, _, _ = strings.Cut(text, `"request_id"`)
		return res.Status + text
	}
	missing := answer(77, "")
	for _, who := range []string{"", "punter", "guest"} {
		for _, match := range []goalcast.MatchID{1, 4} {
			if got := answer(match, who); got != missing {
				t.Errorf("match %d, %q: %s, want %s", match, who, got, missing)
			}
		}
	}
	if w.read("told:1")+w.read("told:4") > 0 {
		t.Error("a private match was read for somebody else")
	}
	until(t, dialCoder(t, n, replayOf(2, 1)), goalcast.FrameEvent)
	v, _ := watch(t, n, replayOf(1, 1).Encode(), "Authorization: Bearer member")
	for range toldInFirst {
		v.hears(goalcast.FrameEvent)
	}
	v.say(`{"type":"auth","token":"member","id":"1"}`)
	v.hears(goalcast.FrameRenewed)
	v.say(`{"type":"auth","token":"punter","id":"2"}`)
	only(t, v, goalcast.FrameRenewed)
	if f := only(t, v, goalcast.FrameBye); f.Reason != goalcast.ByeReplayOver {
		t.Errorf("%s", f.raw)
	}
	soon, _ := watch(t, n, replayOf(2, 1).Encode(), "Authorization: Bearer fan-3s")
	if f := soon.hears(goalcast.FrameBye); f.Reason != goalcast.ByeExpired || f.Cursor != nil {
		t.Errorf("%+v", f)
	}
}

// A viewer of a replay who takes nothing is cut like others.
func TestASlowViewerOfAReplay(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.fixture(1)
			w.period(1, goalcast.FirstHalf)
			for n := range 900 {
				w.play(message(1, n, 4000))
			}
			w.period(1, goalcast.FullTime)
			for i := range w.told[1] {
				w.told[1][i].At = w.now // all at once
			}
			cfg := e.cfg
			cfg.Replay, cfg.MaxPending, cfg.SendBuffer = w.Told, 4<<10, 16<<10
			n := start(t, w, cfg, false)
			dialGobwas(t, n, replayOf(1, 1))
			wait(t, "cut", func() bool { return n.metric(t, "goalcast_hub_closed_total", "too_slow") == 1 })
		})
	}
}
