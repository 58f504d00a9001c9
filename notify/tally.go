package notify

import (
	"time"

	"goalcast"
)

// tally counts what became of a batch's messages. It is pure.
type tally goalcast.PushTally

// sent counts a message that the service took, and how late it was asked to if that is known.
func (t tally) sent(r Result, due time.Time, late func(request time.Time) time.Duration) {
	s := t[r.Service]
	s.Sent++
	if !r.At.IsZero() && !due.IsZero() {
		if s.Times == nil {
			s.Times = goalcast.PushTimes{}
		}
		s.Times.Note(late(r.At))
	}
	t[r.Service] = s
}

// seen counts a message that its phone does not need.
func (t tally) seen(r Result) {
	s := t[r.Service]
	s.Seen++
	t[r.Service] = s
}

// failed counts a message that is given up.
func (t tally) failed(r Result, reason string, removed bool) {
	s := t[r.Service]
	if s.Failed == nil {
		s.Failed = map[string]int{}
	}
	s.Failed[reason]++
	if removed {
		s.Removed++
	}
	t[r.Service] = s
}

// retried counts a message that is put off.
func (t tally) retried(r Result) {
	s := t[r.Service]
	if s.Retried == nil {
		s.Retried = map[string]int{}
	}
	s.Retried[r.Reason]++
	t[r.Service] = s
}
