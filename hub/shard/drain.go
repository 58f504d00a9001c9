package shard

import (
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// drain says goodbye to a shard's connections, some at a time.
type drain struct {
	ticker *time.Ticker
	next   <-chan time.Time
	began  time.Time
	span   time.Duration
	total  int // who was there when it began
	gone   int // who was said goodbye to
}

// begin starts it; it is over after the span.
func (d *drain) begin(conns int, span time.Duration) {
	if d.ticker != nil {
		return
	}
	d.began, d.span, d.total = time.Now(), span, conns
	d.ticker = time.NewTicker(max(span/100, time.Millisecond))
	d.next = d.ticker.C
}

func (d *drain) end() {
	if d.ticker != nil {
		d.ticker.Stop()
	}
}

// drainSome says goodbye to as many as the time asks for. The order is that of Go's maps: any.
func (s *Shard) drainSome() {
	d := &s.drain
	n := len(s.conns) // in the end to all, those who came through the door as it closed included
	if passed := time.Since(d.began); passed < d.span {
		n = int(int64(d.total)*int64(passed)/int64(d.span)) - d.gone
		d.gone += max(n, 0)
	}
	for c := range s.conns {
		if n <= 0 {
			return
		}
		if c.life != alive {
			continue
		}
		n--
		last := []*frame.Message{s.bye(goalcast.ByeDrain, s.told(c))}
		if c.transport == WebSocket {
			last = append(last, frame.Close(goalcast.CloseGoingAway, "drain"))
		}
		s.close(c, "drain", last...)
	}
}
