package shard

import (
	"math/bits"
	"sync"
	"time"

	"goalcast/hub/frame"
)

// BatchBuckets counts writes by how many frames went out in one: 1, 2-3, 4-7, ... 512 and more.
const BatchBuckets = 10

func batchBucket(frames int) int { return min(max(bits.Len(uint(frames))-1, 0), BatchBuckets-1) }

// Closings are the reasons for which connections end, as labels.
var Closings = [...]string{
	"gone", "client", "drain", "too_slow", "stalled", "no_pong", "protocol", "rate", "too_big", "answered", "shutdown",
	"error",
	"unavailable", "expired", "replay_over",
}

// tally counts closings.
type tally [len(Closings)]int64

func (t *tally) add(label string) {
	for i, name := range Closings {
		if name == label {
			t[i]++
		}
	}
}

// Stats are a shard's counters: plain numbers that only its goroutine touches, copied out before it
// sleeps.
type Stats struct {
	Connections   [Transports]int64
	Delayed       int64 // of the connections, those with a delay
	Filtered      int64 // of the connections, those with some kinds of event left out
	Subscriptions int64
	Topics        int64
	Pending       int64 // bytes in lists
	Bytes         int64
	Messages      [frame.Classes]int64
	Received      [gotKinds]int64
	Closed        tally
	Batches       [BatchBuckets]int64
	BatchFrames   int64
	Pace          time.Duration // least time between the last two state flushes
}

// published is the copy of a shard's counters that others read.
type published struct {
	mu    sync.Mutex
	stats Stats
}

func (s *Shard) publishStats() {
	s.stats.Topics, s.stats.Subscriptions = int64(len(s.topics)), s.subscriptions
	for _, l := range s.lanes {
		s.stats.Topics += int64(len(l.topics))
		s.stats.Subscriptions += l.subscriptions
	}
	s.published.mu.Lock()
	s.published.stats = s.stats
	s.published.mu.Unlock()
}

// Stats returns the counters as of a moment ago.
func (s *Shard) Stats() Stats {
	s.published.mu.Lock()
	defer s.published.mu.Unlock()
	return s.published.stats
}

// count counts a connection that has joined, or ended.
func (s *Shard) count(c *Conn, n int64) {
	s.stats.Connections[c.transport] += n
	if c.Delay() > 0 {
		s.stats.Delayed += n
	}
	if c.is(filtered) {
		s.stats.Filtered += n
	}
}

// Add adds another shard's counters; Pace becomes the longer one.
func (a *Stats) Add(b Stats) {
	a.Delayed += b.Delayed
	a.Filtered += b.Filtered
	a.Subscriptions += b.Subscriptions
	a.Topics += b.Topics
	a.Pending += b.Pending
	a.Bytes += b.Bytes
	a.Pace = max(a.Pace, b.Pace)
	a.BatchFrames += b.BatchFrames
	addAll(a.Connections[:], b.Connections[:])
	addAll(a.Messages[:], b.Messages[:])
	addAll(a.Received[:], b.Received[:])
	addAll(a.Closed[:], b.Closed[:])
	addAll(a.Batches[:], b.Batches[:])
}

func addAll(to, from []int64) {
	for i := range to {
		to[i] += from[i]
	}
}
