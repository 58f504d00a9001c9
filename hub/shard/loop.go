package shard

import (
	"runtime"
	"time"
)

// group is how many connections are written to between two looks into the inbox: half a
// millisecond.
const group = 64

// Run is the shard's goroutine. It ends when stop is closed, and leaves no connection.
func (s *Shard) Run(stop <-chan struct{}) error {
	polling := make(chan error, 1)
	go func() { polling <- s.poller.run() }()
	s.loop(stop)
	s.poller.close()
	return <-polling
}

func (s *Shard) loop(stop <-chan struct{}) {
	ticker := time.NewTicker(s.cfg.tick())
	defer ticker.Stop()
	flush := time.NewTimer(time.Hour)
	defer flush.Stop()
	always := make(chan struct{})
	close(always)
	io := s.poller.events

	defer func() {
		s.drain.end()
		s.throttle.end()
	}()
	for {
		var more <-chan struct{}
		if s.work(flush) {
			more = always
			// writes do not let others have the core: whoever reads the bus or shakes hands would
			// wait up to 10 ms
			runtime.Gosched()
		} else {
			s.noteWritten()
			s.publishStats()
		}
		select {
		case <-more:
		case <-s.inbox.wake:
		case <-flush.C:
		case batch, ok := <-io:
			io = s.handleIO(batch, ok, io)
		case <-ticker.C:
			s.handleTick()
		case <-s.drain.next:
			s.drainSome()
		case <-s.throttle.next:
			s.releaseDue(time.Now())
		case <-stop:
			s.end()
			return
		}
	}
}

// work does what the inbox asks for, writes to one group of connections and begins a state flush if
// one is due. It says whether there is more to do at once.
func (s *Shard) work(flush *time.Timer) bool {
	s.handleInbox()
	busy := s.step()
	s.noteFlushed()
	if !busy && !s.states.empty() {
		flush.Reset(s.flushes.pace.rest(time.Now(), s.cfg))
	}
	if len(s.flushes.dirty) > 0 && s.states.empty() {
		span := s.flushes.pace.span(s.cfg)
		if wait := time.Until(s.flushes.pace.began.Add(span)); wait > 0 {
			flush.Reset(wait)
		} else {
			s.stats.Pace = span
			s.flushStates()
			busy = true
		}
	}
	return busy
}

// step writes to one group of connections and says whether there was one. Those with a gate of
// prices come first, then those with events, so that a goal overtakes prices also in the middle of
// a state flush.
func (s *Shard) step() bool {
	if s.events.empty() && s.states.empty() {
		return false
	}
	began, n := time.Now(), 0
	for ; n < group && !s.urgent.empty(); n++ {
		s.flush(s.urgent.pop()) // and again in its turn, which finds what came meanwhile
	}
	for first := true; n < group && !s.events.empty(); n++ {
		c := s.events.pop()
		c.clear(inEvents)
		s.flush(c)
		if first {
			first = false
			s.noteFirst()
		}
	}
	s.flushes.rush.note(began, s.events.empty(), rushIntervals*s.cfg.StateInterval)
	s.noteWritten()
	if n == group || s.states.empty() {
		return true
	}
	if n > 0 {
		began = time.Now()
	}
	if s.flushes.pace.rest(began, s.cfg) > 0 {
		return n > 0
	}
	for ; n < group && s.events.empty() && !s.states.empty(); n++ {
		c := s.states.pop()
		c.clear(inStates)
		s.flush(c)
	}
	s.flushes.pace.worked += time.Since(began)
	return true
}

// handleIO does what the poller reports.
func (s *Shard) handleIO(batch []ready, ok bool, io chan []ready) chan []ready {
	if !ok {
		return nil
	}
	for _, r := range batch {
		c := s.sockets[r.fd]
		if c == nil || c.gen != r.gen {
			continue // closed meanwhile, and perhaps another one's now
		}
		if r.events&ioOut != 0 && c.is(blocked) {
			s.unblock(c)
		}
		if r.events&ioIn != 0 && c.life != dead {
			s.readable(c)
		} else if r.events&ioEnd != 0 {
			s.drop(c, "gone")
		}
	}
	s.poller.next <- struct{}{}
	return io
}
