package hub

import "time"

// A viewer may ask for states at most so often (conflate_ms). After each burst its connection is held: it falls behind as usual and gets
// nothing of it until its time is over, then the newest of everything in one burst. There is no timer per connection: those held
// stand in a wheel.

// maxConflateMs is the longest interval that may be asked for.
const maxConflateMs = 60_000

const badConflate = "conflate_ms wants 0 to 60000"

// conflation is the interval that is in force if ms are asked for: no shorter than that of the rounds; 0 for none.
func (c Config) conflation(ms int64) time.Duration {
	if ms <= 0 {
		return 0
	}
	return min(max(time.Duration(ms)*time.Millisecond, c.StateInterval), maxConflateMs*time.Millisecond)
}

// holding is a shard's wheel of held connections. It turns only while there are any.
type holding struct {
	until  map[*conn]int64 // the step at which a held connection is let go
	wheel  map[int64][]*conn
	done   int64 // up to which step all were let go
	ticker *time.Ticker
	next   <-chan time.Time
}

// holdStep is how exactly times are kept: never too early, at most so much too late.
func (c Config) holdStep() time.Duration { return max(c.StateInterval/2, 10*time.Millisecond) }

func (s *shard) stepAt(t time.Time) int64 { return int64(t.Sub(s.began) / s.hub.cfg.holdStep()) }

// hold is called when states are written: more will not be before the connection's interval is over.
func (s *shard) hold(c *conn) {
	if c.conflate == 0 || c.is(held) {
		return
	}
	h, now := &s.holding, time.Now()
	if h.ticker == nil {
		h.until, h.wheel = make(map[*conn]int64), make(map[int64][]*conn)
		h.done = s.stepAt(now)
		h.ticker = time.NewTicker(s.hub.cfg.holdStep())
		h.next = h.ticker.C
	}
	step := s.stepAt(now.Add(time.Duration(c.conflate)*time.Millisecond)) + 1
	c.set(held)
	h.until[c] = step
	h.wheel[step] = append(h.wheel[step], c)
}

// release lets a connection have states again, or forgets it.
func (s *shard) release(c *conn) {
	if c.is(held) {
		c.clear(held)
		delete(s.holding.until, c)
	}
}

// letGo releases those whose time is over, and stops the wheel when it is empty.
func (s *shard) letGo(now time.Time) {
	h := &s.holding
	for to := s.stepAt(now); h.done < to; {
		h.done++
		for _, c := range h.wheel[h.done] {
			if h.until[c] == h.done { // else it was released before, and perhaps held again
				s.release(c)
				s.wantStates(c)
			}
		}
		delete(h.wheel, h.done)
	}
	if len(h.wheel) == 0 {
		h.end()
		*h = holding{}
	}
}

func (h *holding) end() {
	if h.ticker != nil {
		h.ticker.Stop()
	}
}

// setConflate changes a connection's interval, from now on.
func (s *shard) setConflate(c *conn, ms int64) {
	c.conflate = uint16(s.hub.cfg.conflation(ms).Milliseconds())
	s.release(c)
	s.wantStates(c)
}
