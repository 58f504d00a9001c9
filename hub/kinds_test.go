package hub_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/hub"
)

// card shows a yellow card; n tells the cards of a match apart.
func card(match goalcast.MatchID, n int) goalcast.Event {
	return goalcast.Event{ID: fmt.Sprintf("card:%d:%d", match, n), Revision: 1, Status: goalcast.Confirmed,
		Kind: goalcast.KindCard, Match: match, Team: goalcast.TeamID(10 * match), Period: goalcast.FirstHalf,
		Minute: 1 + n, Card: &goalcast.Card{Type: goalcast.Yellow}}
}

// asking is a query with one more parameter.
func asking(topics string, since goalcast.Cursor, name, value string) map[string][]string {
	q := query(topics, since)
	q.Set(name, value)
	return q
}

// TestKinds: who asks for goals is sent goals, next to one who is sent everything. What is left out
// moves the cursor: behind an event that comes, a return repeats nothing and misses nothing.
func TestKinds(t *testing.T) {
	for name, dial := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			n := start(t, w, hub.Config{}, false)
			w.fixture(1)
			goals := dial(t, n, asking("match:1,team:10", goalcast.Cursor{}, "kinds", "goal"))
			hello := only(t, goals, goalcast.FrameHello)
			if want := []goalcast.Kind{goalcast.KindGoal, goalcast.KindFixture}; !slices.Equal(hello.Kinds, want) {
				t.Errorf("kinds in force: %v, want %v", hello.Kinds, want)
			}
			for range 2 {
				only(t, goals, goalcast.FrameSnapshot)
			}
			all := dial(t, n, query("match:1", goalcast.Cursor{}))
			until(t, all, goalcast.FrameSnapshot)
			for i := range 3 {
				w.play(card(1, i))
				w.goal(1, i)
			}
			for i := range 3 {
				if e := only(t, all, goalcast.FrameEvent).Event; e.Kind != goalcast.KindCard {
					t.Errorf("who asks for nothing: %s", e.ID)
				}
				only(t, all, goalcast.FrameEvent)
				got := only(t, goals, goalcast.FrameEvent)
				if want := fmt.Sprint("goal:1:", i); got.Event.ID != want {
					t.Errorf("%s, want %s", got.Event.ID, want)
				}
				hello.Cursor = got.Cursor
			}
			goals.cut()
			w.play(card(1, 7))
			w.goal(1, 7)
			again := dial(t, n, asking("match:1,team:10", *hello.Cursor, "kinds", "goal"))
			for {
				r, err := again.next(t)
				if err != nil {
					t.Fatal(err)
				}
				if r.Type == goalcast.FrameEvent {
					if r.Event.ID != "goal:1:7" {
						t.Errorf("after the return: %s", r.Event.ID)
					}
					return
				}
			}
		})
	}
}

// TestLeftOutMovesTheCursor: a viewer to whom nothing of what happens comes is told the cursor,
// also where prices keep its connection busy; and a poll's answer has the newest one.
func TestLeftOutMovesTheCursor(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{PingInterval: 100 * time.Millisecond, StateInterval: time.Millisecond}, false)
	w.fixture(1)
	for _, dial := range []func() viewer{
		func() viewer { return dialCoder(t, n, asking("match:1,odds:1", goalcast.Cursor{}, "kinds", "goal")) },
		func() viewer { return dialSSE(t, n, asking("match:1,odds:1", goalcast.Cursor{}, "kinds", "goal")) },
	} {
		v := dial()
		until(t, v, goalcast.FrameHello)
		at := w.play(card(1, int(time.Now().UnixNano()%1000)))
		for version := int64(1); ; version++ {
			w.state(1, "1x2/home", time.Now().UnixNano())
			r, err := v.next(t)
			if err != nil {
				t.Fatal(err)
			}
			if r.Type == goalcast.FrameEvent {
				t.Fatalf("a card that was left out: %s", r.raw)
			}
			if r.Type == goalcast.FramePong && r.Cursor != nil && *r.Cursor == at {
				break
			}
		}
		v.cut()
	}
	q := query("match:1", w.play(card(1, 1001)))
	q.Set("kinds", "goal")
	at := w.play(card(1, 1002))
	q.Set("wait", "10ms")
	res, err := n.web.Client().Get(n.web.URL + "/v1/live?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if want := fmt.Sprintf(`{"cursor":"%s","frames":[]}`, at); strings.TrimSpace(string(body)) != want {
		t.Errorf("%s, want %s", body, want)
	}
}

// TestKindsKeep: topics that are followed later are filtered too, what is no event is not, and a
// new match comes whatever was asked for.
func TestKindsKeep(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{}, false)
	w.fixture(1)
	c := coder(t, n, asking("", goalcast.Cursor{}, "kinds", "card"))
	v := coderViewer{c}
	only(t, v, goalcast.FrameHello)
	wait(t, "one who filters is counted", func() bool { return n.metric(t, "goalcast_hub_filtered", "") == 1 })
	if err := c.Write(t.Context(), websocket.MessageText,
		[]byte(`{"type":"subscribe","topics":["competition:5"]}`)); err != nil {
		t.Fatal(err)
	}
	only(t, v, goalcast.FrameSnapshot)
	w.goal(1, 1)
	w.fixture(2)
	w.goal(2, 1)
	w.play(card(2, 1))
	for _, want := range []string{"fixture:2", "card:2:1"} {
		if got := only(t, v, goalcast.FrameEvent).Event.ID; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	w.reset("e2")
	only(t, v, goalcast.FrameReset)
	only(t, v, goalcast.FrameSnapshot)
	c.CloseNow()
	wait(t, "nobody filters", func() bool { return n.metric(t, "goalcast_hub_filtered", "") == 0 })
}

// TestUnknownKind is refused, with the kinds there are.
func TestUnknownKind(t *testing.T) {
	n := start(t, newWorld(), hub.Config{}, false)
	for _, text := range []string{"gaol", "goal,", "goal,x"} {
		for _, accept := range []string{"", "text/event-stream"} {
			req, _ := http.NewRequest(http.MethodGet, n.web.URL+"/v1/live?topics=match:1&kinds="+text, nil)
			req.Header.Set("Accept", accept)
			res, err := n.web.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "bad_parameter") ||
				!strings.Contains(string(body), "goal,card,substitution") {
				t.Errorf("%s: %s %s", text, res.Status, body)
			}
		}
	}
}
