package shard

import "time"

// A viewer may ask for states at most so often (conflate_ms). After each batch its connection is
// throttled: it lags as usual and gets nothing until its time is over, then the newest of
// everything in one batch. There is no timer per connection: those that are throttled stand in a
// wheel.

// MaxConflate is the longest interval that may be asked for, in ms.
const MaxConflate = 60_000

// BadConflate is the answer to another one.
const BadConflate = "conflate_ms wants 0 to 60000"

// Conflation is the interval that is in force if ms are asked for: no shorter than that of the
// flushes; 0 for none.
func Conflation(ms int64, stateInterval time.Duration) time.Duration {
	if ms <= 0 {
		return 0
	}
	return min(max(time.Duration(ms)*time.Millisecond, stateInterval), MaxConflate*time.Millisecond)
}

// throttle is a shard's wheel of throttled connections. It turns only while there are any.
type throttle struct {
	until  map[*Conn]int64 // the step at which a connection is released
	wheel  map[int64][]*Conn
	done   int64 // up to which step all were released
	ticker *time.Ticker
	next   <-chan time.Time
}

// throttleStep is how exactly times are kept: never too early, at most so much too late.
func (c Config) throttleStep() time.Duration { return max(c.StateInterval/2, 10*time.Millisecond) }

func (s *Shard) stepAt(t time.Time) int64 { return int64(t.Sub(s.began) / s.cfg.throttleStep()) }

// hold is called when states are written: more will not be before the connection's interval is
// over.
func (s *Shard) hold(c *Conn) {
	if c.conflate == 0 || c.is(throttled) {
		return
	}
	h, now := &s.throttle, time.Now()
	if h.ticker == nil {
		h.until, h.wheel = make(map[*Conn]int64), make(map[int64][]*Conn)
		h.done = s.stepAt(now)
		h.ticker = time.NewTicker(s.cfg.throttleStep())
		h.next = h.ticker.C
	}
	step := s.stepAt(now.Add(time.Duration(c.conflate)*time.Millisecond)) + 1
	c.set(throttled)
	h.until[c] = step
	h.wheel[step] = append(h.wheel[step], c)
}

// release lets a connection have states again, or forgets it.
func (h *throttle) release(c *Conn) {
	if c.is(throttled) {
		c.clear(throttled)
		delete(h.until, c)
	}
}

// releaseDue releases those whose time is over, and stops the wheel when it is empty.
func (s *Shard) releaseDue(now time.Time) {
	h := &s.throttle
	for to := s.stepAt(now); h.done < to; {
		h.done++
		for _, c := range h.wheel[h.done] {
			if h.until[c] == h.done { // else it was released before, and perhaps throttled again
				h.release(c)
				s.wantStates(c)
			}
		}
		delete(h.wheel, h.done)
	}
	if len(h.wheel) == 0 {
		h.end()
		*h = throttle{}
	}
}

func (h *throttle) end() {
	if h.ticker != nil {
		h.ticker.Stop()
	}
}

// setConflate changes a connection's interval, from now on.
func (s *Shard) setConflate(c *Conn, ms int64) {
	c.conflate = uint16(Conflation(ms, s.cfg.StateInterval).Milliseconds())
	s.throttle.release(c)
	s.wantStates(c)
}
