package hub_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/hub"
)

// TestConflate plays prices much faster than viewers asked for them: they come no more often than
// that, the last one comes, and a goal waits for none of it.
func TestConflate(t *testing.T) {
	for _, e := range engines {
		for _, kind := range []string{"gobwas", "deflate", "context", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				const interval, span = 200 * time.Millisecond, time.Second
				w := newWorld()
				cfg := e.cfg
				cfg.StateInterval = 2 * time.Millisecond
				n := start(t, w, cfg, e.tls)
				w.fixture(1)
				q := query("odds:1,match:1", goalcast.Cursor{})
				q.Set("conflate_ms", "200")
				v := kinds[kind](t, n, q)
				if hello := only(t, v, goalcast.FrameHello); hello.ConflateMs != 200 {
					t.Errorf("hello %s", hello.raw)
				}
				only(t, v, goalcast.FrameSnapshot)
				only(t, v, goalcast.FrameSnapshot)
				begin := time.Now()
				ended := make(chan int64, 1)
				go func() {
					last := int64(0)
					for time.Since(begin) < span {
						last++
						w.state(1, "a", last)
						time.Sleep(time.Millisecond)
					}
					w.state(1, "b", last) // a second key does not make it more
					ended <- last
				}()
				got, last, newest := 0, int64(-1), map[string]int64{}
				for last < 0 || newest["a"] < last || newest["b"] < last {
					r := only(t, v, goalcast.FrameState)
					if newest[r.State.Key] = r.State.Version; r.State.Key == "a" {
						got++
					}
					select {
					case last = <-ended:
					default:
						if last < 0 && time.Since(begin) > span {
							last = <-ended
						}
					}
				}
				if most := int(time.Since(begin)/interval) + 1; got > most || got < 2 {
					t.Errorf("%d in %v, at most %d are allowed", got, time.Since(begin), most)
				}
			})
		}
	}
}

// TestConflateHoldsNoEvent has a price held back for a minute: a goal comes before it, and so does
// it itself once the viewer asks for all again.
func TestConflateHoldsNoEvent(t *testing.T) {
	for _, e := range engines[:2] {
		t.Run(e.name, func(t *testing.T) {
			w := newWorld()
			cfg := e.cfg
			cfg.StateInterval = time.Millisecond
			n := start(t, w, cfg, false)
			w.fixture(1)
			q := query("odds:1,match:1", goalcast.Cursor{})
			q.Set("conflate_ms", "60000")
			c := coder(t, n, q)
			v := coderViewer{c}
			until(t, v, goalcast.FrameSnapshot)
			only(t, v, goalcast.FrameSnapshot)
			w.state(1, "a", 1)
			only(t, v, goalcast.FrameState)
			for i := 1; i <= 3; i++ {
				w.state(1, "a", int64(1+i))
				w.goal(1, i)
				only(t, v, goalcast.FrameEvent)
			}
			say := func(text string) {
				if err := c.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			say(`{"type":"subscribe","topics":["match:2"],"conflate_ms":60001,"id":"x"}`)
			if r := only(t, v, goalcast.FrameError); r.Code != "bad_frame" || r.ID != "x" {
				t.Errorf("error %s", r.raw)
			}
			say(`{"type":"subscribe","topics":["match:2"],"conflate_ms":0}`)
			newest := int64(1)
			for snapshot := false; !snapshot || newest < 4; {
				r, err := v.next(t)
				if err != nil {
					t.Fatal(err)
				}
				snapshot = snapshot || r.Type == goalcast.FrameSnapshot
				if r.State != nil { // one that went out between the snapshot and now may come once more
					if r.State.Version < newest {
						t.Errorf("state %s after %d", r.raw, newest)
					}
					newest = r.State.Version
				}
			}
			w.state(1, "a", 5)
			r := only(t, v, goalcast.FrameState)
			if r.State.Version == newest { // likewise
				r = only(t, v, goalcast.FrameState)
			}
			if r.State.Version != 5 {
				t.Errorf("state %s", r.raw)
			}
		})
	}
}

// TestConflateIsChecked refuses intervals that make no sense and never promises a shorter one than
// its own.
func TestConflateIsChecked(t *testing.T) {
	n := start(t, newWorld(), hub.Config{}, false)
	for text, want := range map[string]int{"-1": 400, "60001": 400, "1s": 400, "99999999999999999999": 400, "0": 200,
		"60000": 200, "": 200} {
		res, err := http.Get(n.web.URL + "/v1/live?topics=match:1&wait=1ms&conflate_ms=" + text)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("conflate_ms=%s: %s, want %d", text, res.Status, want)
		}
	}
	for text, want := range map[string]int64{"1": 100, "0": 0, "60000": 60000} {
		q := query("match:1", goalcast.Cursor{})
		q.Set("conflate_ms", text)
		if r := only(t, dialGobwas(t, n, q), goalcast.FrameHello); r.ConflateMs != want {
			t.Errorf("conflate_ms=%s: %d is in force, want %d", text, r.ConflateMs, want)
		}
	}
}
