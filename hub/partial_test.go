package hub_test

import (
	"fmt"
	"testing"
	"time"

	"goalcast"
)

// TestPartialWrites makes sockets take lists in pieces: small kernel buffers, frames of all sizes,
// a viewer who reads in gulps, prices in between. Every event must arrive whole and once.
func TestPartialWrites(t *testing.T) {
	for _, e := range engines[:2] {
		for _, kind := range []string{"gobwas", "context", "sse"} {
			t.Run(e.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				const events = 400
				w := newWorld()
				cfg := e.cfg
				cfg.SendBuffer, cfg.MaxPending, cfg.StateInterval = 8<<10, 256<<20, time.Millisecond
				n := start(t, w, cfg, false)
				w.fixture(1)
				v := kinds[kind](t, n, query("match:1,odds:1", goalcast.Cursor{}))
				until(t, v, goalcast.FrameSnapshot)
				until(t, v, goalcast.FrameSnapshot)
				for i := 1; i <= events; i++ { // far more than any socket takes
					w.play(message(1, i, 37*i))
					for k := range 5 {
						w.state(1, fmt.Sprint("selection/", k), int64(i))
					}
				}
				newest := make(map[string]int64)
				for next := 1; next <= events || len(newest) < 5 || newest["selection/0"] < events; {
					r, err := v.next(t)
					if err != nil {
						t.Fatalf("after %d events: %v", next-1, err)
					}
					switch r.Type {
					case goalcast.FrameEvent:
						if r.Event.ID != fmt.Sprint("message:", next) || len(r.Event.Message) != 37*next+2 {
							t.Fatalf("event %s of %d bytes after %d", r.Event.ID, len(r.Event.Message), next-1)
						}
						next++
					case goalcast.FrameState:
						newest[r.State.Key] = max(newest[r.State.Key], r.State.Version)
					}
				}
				wait(t, "nothing waits", func() bool { return n.metric(t, "goalcast_hub_pending_bytes", "") == 0 })
				if cut := n.metric(t, "goalcast_hub_closed_total", ""); cut != 0 {
					t.Errorf("%v cut", cut)
				}
			})
		}
	}
}
