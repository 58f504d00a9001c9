package goalcast

import (
	"maps"
	"math"
	"slices"
	"time"
)

// PushTally is what became of the messages of a push or of a part of it, by the push service that
// they went to ("fcm", or the host of a browser's).
type PushTally map[string]ServiceTally

// ServiceTally counts messages. The store keeps it as JSON.
type ServiceTally struct {
	Sent    int            `json:"sent,omitempty"`    // the service took them
	Seen    int            `json:"seen,omitempty"`    // not sent: their phones have shown live what they say
	Failed  map[string]int `json:"failed,omitempty"`  // given up, by reason
	Retried map[string]int `json:"retried,omitempty"` // put off for another try, by reason; each try counts
	Removed int            `json:"removed,omitempty"` // of Failed: their devices are deleted
	Times   PushTimes      `json:"times,omitempty"`   // of Sent, if known
}

// Add adds what another tally counted.
func (t PushTally) Add(other PushTally) {
	for service, o := range other {
		s := t[service]
		s.Sent += o.Sent
		s.Seen += o.Seen
		s.Removed += o.Removed
		s.Failed, s.Retried, s.Times = addCounts(s.Failed, o.Failed), addCounts(s.Retried, o.Retried),
			addCounts(s.Times, o.Times)
		t[service] = s
	}
}

// Done counts the devices that nothing more is sent to: each is counted once.
func (t PushTally) Done() int {
	n := 0
	for _, s := range t {
		n += s.Sent + s.Seen
		for _, failed := range s.Failed {
			n += failed
		}
	}
	return n
}

func addCounts[K comparable, M ~map[K]int](to, from M) M {
	if to == nil && len(from) > 0 {
		to = M{}
	}
	for k, n := range from {
		to[k] += n
	}
	return to
}

// PushTimes are durations, counted in steps of a ninth: step i has those above 2^((i-1)/8) and up
// to 2^(i/8) ms. Few steps are needed for a batch, and those of all batches add up.
type PushTimes map[int]int

// stepsPerOctave is how many steps it takes for a duration to double.
const stepsPerOctave = 8

// maxPushTime is the longest duration that is told from longer ones; no push lives so long.
const maxPushTime = 24 * time.Hour

// Note counts a duration. What is less than a millisecond counts as one.
func (t PushTimes) Note(d time.Duration) {
	ms := float64(min(max(d, time.Millisecond), maxPushTime)) / float64(time.Millisecond)
	t[int(math.Ceil(stepsPerOctave*math.Log2(ms)))]++
}

// Quantile is a duration that a part q (0 to 1) of all do not exceed, rounded up to the end of its
// step: at most a tenth too long. 0 if there are none.
func (t PushTimes) Quantile(q float64) time.Duration {
	total := 0
	for _, n := range t {
		total += n
	}
	rank := max(1, int(math.Ceil(q*float64(total))))
	for _, step := range slices.Sorted(maps.Keys(t)) {
		if rank -= t[step]; rank <= 0 {
			return time.Duration(math.Exp2(float64(step)/stepsPerOctave) * float64(time.Millisecond))
		}
	}
	return 0
}
