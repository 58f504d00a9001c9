package hub

import (
	"runtime"
	"time"
)

// run is the shard's goroutine. It ends when stop is closed, and leaves no connection.
func (s *shard) run(stop <-chan struct{}) {
	ticker := time.NewTicker(s.hub.cfg.tick())
	defer ticker.Stop()
	round := time.NewTimer(time.Hour)
	defer round.Stop()
	always := make(chan struct{})
	close(always)
	io := s.poller.events

	defer s.farewell.end()
	defer s.holding.end()
	for {
		var more <-chan struct{}
		if s.work(round) {
			more = always
			runtime.Gosched() // writes do not let others have the core: whoever reads the bus or shakes hands would wait up to 10 ms
		} else {
			s.landed()
			s.publishStats()
		}
		select {
		case <-more:
		case <-s.inbox.wake:
		case <-round.C:
		case batch, ok := <-io:
			io = s.handleIO(batch, ok, io)
		case <-ticker.C:
			s.handleTick()
		case <-s.farewell.next:
			s.farewell.some(s)
		case <-s.holding.next:
			s.letGo(time.Now())
		case <-stop:
			s.end()
			return
		}
	}
}

// work does what the inbox asks for, writes to one group of connections and begins a round of states if one is due. It says whether there is more to do at once.
func (s *shard) work(round *time.Timer) bool {
	s.handleInbox()
	busy := s.step()
	if len(s.dirty) > 0 && s.states.empty() {
		span := s.pace.span(s.hub.cfg)
		if wait := time.Until(s.pace.began.Add(span)); wait > 0 {
			round.Reset(wait)
		} else {
			s.stats.pace = span
			s.giveStates()
			busy = true
		}
	}
	return busy
}

// step writes to one group of connections and says whether there was one. Those with events come first, so that a goal overtakes
// prices also in the middle of a round.
func (s *shard) step() bool {
	if s.events.empty() && s.states.empty() {
		return false
	}
	began, n := time.Now(), 0
	for ; n < group && !s.events.empty(); n++ {
		c := s.events.pop()
		c.clear(inEvents)
		s.flush(c)
	}
	s.landed()
	if n == group || s.states.empty() {
		return true
	}
	if n > 0 {
		began = time.Now()
	}
	for ; n < group && s.events.empty() && !s.states.empty(); n++ {
		c := s.states.pop()
		c.clear(inStates)
		s.flush(c)
	}
	s.pace.worked += time.Since(began)
	return true
}

// pace is how fast rounds of states follow each other: not before StateInterval, and not so fast that they take more than StateShare of the shard's time.
type pace struct {
	began  time.Time     // the last round
	worked time.Duration // spent on it
}

// span is how long after the last round the next one may begin.
func (p *pace) span(cfg Config) time.Duration {
	return max(cfg.StateInterval, time.Duration(float64(p.worked)/cfg.StateShare))
}
