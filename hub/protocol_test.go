package hub_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/hub"
)

func TestSubscribe(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			cfg := e.cfg
			cfg.MaxTopics = 3
			n := start(t, w, cfg, e.tls)
			for id := range goalcast.MatchID(5) {
				w.fixture(1 + id)
			}
			c := coder(t, n, query("match:1", goalcast.Cursor{}))
			v := coderViewer{c}
			until(t, v, goalcast.FrameSnapshot)
			say := func(text string) {
				t.Helper()
				ctx, cancel := context.WithTimeout(context.Background(), limit)
				defer cancel()
				if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			say(`{"type":"subscribe","topics":["match:2","team:10"],"id":"a"}`)
			for _, want := range []goalcast.Topic{goalcast.ForMatch(2), goalcast.ForTeam(10)} {
				if s := only(t, v, goalcast.FrameSnapshot); *s.Topic != want {
					t.Errorf("snapshot of %s, want %s", s.Topic, want)
				}
			}
			w.goal(2, 1)
			w.goal(1, 1) // by match:1 and team:10, once
			w.goal(2, 2)
			for _, want := range []string{"goal:2:1", "goal:1:1", "goal:2:2"} {
				if e := only(t, v, goalcast.FrameEvent); e.Event.ID != want {
					t.Errorf("event %s, want %s", e.Event.ID, want)
				}
			}
			say(`{"type":"subscribe","topics":["match:3"],"id":"b"}`)
			if r := only(t, v, goalcast.FrameError); r.Code != "too_many_topics" || r.ID != "b" {
				t.Errorf("error %s", r.raw)
			}
			say(`{"type":"unsubscribe","topics":["match:1","team:10","match:77"]}`)
			say(`{"type":"ping","id":"p"}`)
			if r := only(t, v, goalcast.FramePong); r.ID != "p" || r.Time == 0 {
				t.Errorf("pong %s", r.raw)
			}
			w.goal(1, 2)
			w.goal(2, 3)
			if e := only(t, v, goalcast.FrameEvent); e.Event.ID != "goal:2:3" {
				t.Errorf("event %s after unsubscribing from its match", e.Event.ID)
			}
			for text, code := range map[string]string{
				`{"type":"subscribe","topics":["match:x"],"id":"c"}`: "bad_topic",
				`{"type":"subscribe","id":"c"}`:                      "bad_frame",
				`{"type":"dance","id":"c"}`:                          "bad_frame",
				`nonsense`:                                           "bad_frame",
				`["type"]`:                                           "bad_frame",
			} {
				say(text)
				if r := only(t, v, goalcast.FrameError); r.Code != goalcast.Code(code) {
					t.Errorf("%s: %s", text, r.raw)
				}
			}
			// the same again: unsubscribed, then subscribed twice in one go
			say(`{"type":"subscribe","topics":["match:3"]}`)
			say(`{"type":"subscribe","topics":["match:3","match:4"]}`)
			for range 3 {
				only(t, v, goalcast.FrameSnapshot)
			}
			w.goal(3, 1)
			w.goal(4, 1)
			only(t, v, goalcast.FrameEvent)
			if e := only(t, v, goalcast.FrameEvent); e.Event.ID != "goal:4:1" {
				t.Errorf("event %s", e.Event.ID)
			}
			v.cut()
			wait(t, "no subscription is left", func() bool {
				return n.metric(t, "goalcast_hub_subscriptions", "") == 0
			})
		})
	}
}

// TestSubscribeWhilePlaying adds and drops topics on an open socket under load: no hole, no repeat.
func TestSubscribeWhilePlaying(t *testing.T) {
	w := newWorld()
	n := start(t, w, hub.Config{MessageRate: 1e6, MessageBurst: 600}, false)
	for id := range goalcast.MatchID(4) {
		w.fixture(1 + id)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; ctx.Err() == nil; i++ {
			w.goal(goalcast.MatchID(1+i%4), i)
			time.Sleep(time.Millisecond / 2) // the pace of the stream
		}
	}()
	c := coder(t, n, query("match:1", goalcast.Cursor{}))
	v := coderViewer{c}
	seq := make(map[goalcast.MatchID]int64)
	for i := range 60 {
		id := goalcast.MatchID(2 + i%3)
		if err := c.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"subscribe","topics":["match:%d"]}`,
			id)); err != nil {
			t.Fatal(err)
		}
		for {
			r, err := v.next(t)
			if err != nil {
				t.Fatal(err)
			}
			if r.Type == goalcast.FrameEvent {
				if have := seq[r.Event.Match]; r.Event.Seq != have+1 {
					t.Errorf("event %d of match %d after %d", r.Event.Seq, r.Event.Match, have)
				}
				seq[r.Event.Match] = r.Event.Seq
			}
			if r.Type == goalcast.FrameSnapshot {
				seq[r.Matches[0].ID] = r.Matches[0].Seq
				if r.Matches[0].ID == id {
					break
				}
			}
		}
		if i%2 == 1 {
			if err := c.Write(ctx, websocket.MessageText,
				fmt.Appendf(nil, `{"type":"unsubscribe","topics":["match:%d"]}`, id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	<-done
}

// A stream over HTTP/2 lives on after its last event, however long nothing comes: a write deadline
// that is left behind would reset it. So does one, and a long poll, behind a server with deadlines
// of its own.
func TestQuietStreamsLiveOn(t *testing.T) {
	t.Parallel()
	const brief = time.Second // in which a busy machine has shaken hands
	for _, over := range []string{"SSE over HTTP/2", "poll over HTTP/2", "poll over HTTP/1.1"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.fixture(1)
			n := start(t, w, hub.Config{WriteTimeout: brief, PingInterval: time.Hour}, false)
			n.web.Close()
			n.web = httptest.NewUnstartedServer(n)
			n.web.Config.ReadTimeout, n.web.Config.WriteTimeout = brief, brief
			if strings.HasSuffix(over, "2") {
				n.web.EnableHTTP2 = true
				n.web.StartTLS()
			} else {
				n.web.Start()
			}
			dial := dialPoll
			if strings.HasPrefix(over, "SSE") {
				dial = dialSSE
			}
			v := dial(t, n, query("match:1", goalcast.Cursor{}))
			until(t, v, goalcast.FrameSnapshot)
			for i := range 2 {
				goal := time.AfterFunc(2*brief, func() { w.goal(1, i+1) })
				defer goal.Stop()
				until(t, v, goalcast.FrameEvent)
			}
		})
	}
}
