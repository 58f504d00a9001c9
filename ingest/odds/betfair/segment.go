package betfair

import (
	"errors"
	"time"
)

// errSegments means that the segments of a message are not what they should be: what was in them is
// lost, and the subscription has to be made again.
var errSegments = errors.New("betfair: segments out of order")

// segments joins the segments of a message.
type segments struct {
	whole *message // nil: none has begun
	size  int      // bytes so far
	since time.Time
}

// add takes a message that is no heartbeat and returns a complete one, or nil while it has only
// begun.
func (s *segments) add(m *message, size, limit int, now time.Time) (*message, error) {
	if begins := m.Segment == "" || m.Segment == segmentStart; begins != (s.whole == nil) {
		s.drop()
		return nil, errSegments
	}
	switch m.Segment {
	case "":
		return m, nil
	case segmentStart:
		s.whole, s.since = m, now
	case segmentMiddle, segmentEnd:
		s.join(m)
	default:
		s.drop()
		return nil, errSegments
	}
	if s.size += size; s.size > limit {
		s.drop()
		return nil, errLimit
	}
	if m.Segment != segmentEnd {
		return nil, nil
	}
	whole := s.whole
	s.drop()
	return whole, nil
}

// join adds a segment. Clocks may be in any of them; the newest time and the worst status count.
func (s *segments) join(m *message) {
	w := s.whole
	w.Markets = append(w.Markets, m.Markets...)
	w.Delayed = w.Delayed || m.Delayed
	w.PublishedMS = max(w.PublishedMS, m.PublishedMS)
	w.Status = max(w.Status, m.Status)
	w.ConflateMS = max(w.ConflateMS, m.ConflateMS)
	w.HeartbeatMS = max(w.HeartbeatMS, m.HeartbeatMS)
	if m.Clk != "" {
		w.Clk = m.Clk
	}
	if m.InitialClk != "" {
		w.InitialClk = m.InitialClk
	}
	if w.Change == "" {
		w.Change = m.Change
	}
}

func (s *segments) drop() { *s = segments{} }
