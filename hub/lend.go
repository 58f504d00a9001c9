package hub

import "time"

// A shard asleep has to be woken for an event: a goroutine made ready, mostly a thread woken for it, which costs as much as eight deliveries. For
// an event of few followers that is a fifth of all, so the goroutine that brought it writes it itself, as long as it has nothing else to do.

// lender is what the hub knows of the goroutine that brings events.
type lender struct {
	since time.Time     // when it was done with the last event
	took  time.Duration // what that took
}

// eager says whether the goroutine has the time: since the last event it must have been idle for as long as that took, so that under load
// it reads on and the shards work side by side.
func (l *lender) eager(now time.Time) bool { return now.Sub(l.since) >= l.took }

// lent notes that it is done with an event that came at a time.
func (l *lender) lent(came time.Time) { l.since = time.Now(); l.took = l.since.Sub(came) }

// lend has the calling goroutine write an event that was posted just now, if the shard sleeps and has nothing else to do and few follow; else it wakes the shard.
func (s *shard) lend(m *message) {
	if s.mu.TryLock() {
		done := s.lent(m)
		s.mu.Unlock()
		if done {
			return
		}
	}
	s.inbox.rouse()
}

// lent does it. The event must be all there is in the inbox: other ops may change what the sleeping goroutine waits for.
func (s *shard) lent(m *message) bool {
	if !s.events.empty() || !s.states.empty() || s.followers(m) > group || !s.inbox.only(m) {
		return false
	}
	s.handleInbox()
	s.step()
	s.landed()
	s.publishStats()
	return s.events.empty() && s.inbox.empty()
}

// followers counts those in whose lists an event would be put, at least.
func (s *shard) followers(m *message) int {
	n := 0
	for _, name := range m.topics {
		if t := s.topics[name]; t != nil {
			n += len(t.members)
		}
	}
	return n
}
