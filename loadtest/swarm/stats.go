package swarm

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Stats is what a worker has counted, or all of them together. Moments are microseconds
// since 1970, 0 for never.
type Stats struct {
	Conns   int64 // viewers there are to be
	Joined  int64 // connected and told how things stand
	Dialing int64 // on their way
	Joins   int64 // how often a viewer joined, returns included
	Failed  int64 // handshakes that came to nothing; they are tried again
	Lost    int64 // joined connections that the server ended

	FirstDial, LastJoin   int64 `json:",omitzero"`
	FirstEvent, LastEvent int64 `json:",omitzero"`
	LastState             int64 `json:",omitzero"`

	Frames, Bytes int64
	Compressed    int64 // frames
	Events        int64 // event frames: deliveries
	States        int64 // values of states, apart from those in snapshots
	Snapshots     int64

	Missed      int64 // events left out, by the numbers of their streams
	Repeated    int64 // events that came again, or after a later one
	CursorsBack int64 // events whose cursor was not above the one before
	Backwards   int64 // values older than the one before of the same key
	Unmarked    int64 // events without mark, match or seq: only counted
	Resets      int64 // joins with a cursor, answered with a reset
	Stale       int64 // times the hub said that it hears nothing
	Byes        int64

	Closes map[string]int64 // close codes of WebSockets
	Errors map[string]int64 // why handshakes failed or connections broke

	LoopBusy float64 // the busiest worker's share of time not spent waiting, since Reset
	MaxRSS   int64   // of all workers together, bytes

	EventLatency *Latency // event's mark to its bytes read
	StateLatency *Latency
	GateLatency  *Latency // a goal's shutting of prices, "since" to its bytes read
	JoinLatency  *Latency // dialing to joined
}

// Latency is a histogram of microseconds, up to two minutes, to three digits. Its text form is
// HdrHistogram's V2 compressed encoding.
type Latency struct{ *hdrhistogram.Histogram }

const longest = int64(2 * time.Minute / time.Microsecond)

func newLatency() *Latency { return &Latency{hdrhistogram.New(1, longest, 3)} }

func (l *Latency) record(micros int64) {
	_ = l.RecordValue(min(max(micros, 1), longest)) // in range
}

// merge adds another histogram; nil is an empty one.
func (l *Latency) merge(o *Latency) error {
	if o == nil {
		return nil
	}
	if dropped := l.Merge(o.Histogram); dropped > 0 {
		return fmt.Errorf("merge histograms: %d values out of range", dropped)
	}
	return nil
}

// MarshalText is the encoding for other tools; MarshalJSON follows it.
func (l *Latency) MarshalText() ([]byte, error) {
	return l.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
}

// UnmarshalText reads it.
func (l *Latency) UnmarshalText(text []byte) (err error) {
	l.Histogram, err = hdrhistogram.Decode(text)
	return err
}

// Quantile is the time within which a share of all (0 to 1) was; 0 if there was none.
func (l *Latency) Quantile(share float64) time.Duration {
	if l == nil || l.TotalCount() == 0 {
		return 0
	}
	return time.Duration(l.ValueAtQuantile(100*share)) * time.Microsecond
}

// Count is how many there were.
func (l *Latency) Count() int64 {
	if l == nil {
		return 0
	}
	return l.TotalCount()
}

// NewStats are those of nothing yet.
func NewStats() Stats {
	return Stats{Closes: map[string]int64{}, Errors: map[string]int64{},
		EventLatency: newLatency(), StateLatency: newLatency(), GateLatency: newLatency(),
		JoinLatency: newLatency()}
}

// Add merges other figures in: another worker's, or another time's.
func (s *Stats) Add(o Stats) error {
	for to, from := range map[*int64]int64{
		&s.Conns: o.Conns, &s.Joined: o.Joined, &s.Dialing: o.Dialing, &s.Joins: o.Joins, &s.Failed: o.Failed,
		&s.Lost:   o.Lost,
		&s.Frames: o.Frames, &s.Bytes: o.Bytes, &s.Compressed: o.Compressed, &s.Events: o.Events, &s.States: o.States,
		&s.Snapshots: o.Snapshots,
		&s.Missed:    o.Missed, &s.Repeated: o.Repeated, &s.CursorsBack: o.CursorsBack, &s.Backwards: o.Backwards,
		&s.Unmarked: o.Unmarked,
		&s.Resets:   o.Resets, &s.Stale: o.Stale, &s.Byes: o.Byes, &s.MaxRSS: o.MaxRSS,
	} {
		*to += from
	}
	earliest(&s.FirstDial, o.FirstDial)
	earliest(&s.FirstEvent, o.FirstEvent)
	s.LastJoin, s.LastEvent, s.LastState = max(s.LastJoin, o.LastJoin), max(s.LastEvent, o.LastEvent), max(s.LastState,
		o.LastState)
	s.LoopBusy = max(s.LoopBusy, o.LoopBusy)
	for k, n := range o.Closes {
		s.Closes[k] += n
	}
	for k, n := range o.Errors {
		s.Errors[k] += n
	}
	if err := s.EventLatency.merge(o.EventLatency); err != nil {
		return err
	}
	if err := s.StateLatency.merge(o.StateLatency); err != nil {
		return err
	}
	if err := s.GateLatency.merge(o.GateLatency); err != nil {
		return err
	}
	return s.JoinLatency.merge(o.JoinLatency)
}

func earliest(to *int64, t int64) {
	if *to == 0 || t != 0 && t < *to {
		*to = t
	}
}

// Expected is what was published by the time of a Check.
type Expected struct {
	Streams map[int64]int64   // last number of each stream
	Odds    map[int64][]int64 // last number of each key, by match
}

// Verdict is what a Check found: all zero but Conns means that every viewer has everything.
type Verdict struct {
	Conns   int64 // viewers that were looked at
	Behind  int64 // events that are missing at the end, over all viewers
	Viewers int64 // to whom some are missing
	Prices  int64 // last values that are not the last ones published
	Missing int64 // matches a viewer follows of which it has no value at all
}

func (v *Verdict) add(o Verdict) {
	v.Conns += o.Conns
	v.Behind += o.Behind
	v.Viewers += o.Viewers
	v.Prices += o.Prices
	v.Missing += o.Missing
}
