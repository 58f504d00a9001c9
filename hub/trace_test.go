package hub

import (
	"testing"
	"time"

	"goalcast"
	"goalcast/hub/shard"
)

// Who does not trace pays for one look at each event.
func TestUntracedEvents(t *testing.T) {
	h := &Hub{}
	p := goalcast.Published{Event: goalcast.Event{ID: "opta:7", Match: 5, Times: goalcast.Times{Received: 1}}}
	e := shard.NewEvent(p, 1, testTime, nil, 1)
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		h.timed(e, &p.Event)
		h.noteFanOut(e, now)
	}); n > 0 || e.Timing != nil {
		t.Errorf("%v allocations, %v", n, e.Timing)
	}
}
