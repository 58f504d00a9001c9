package shard

import (
	"testing"
	"time"
)

// TestPace: state flushes are an interval apart, and further if they take more than their share of
// the time. So are the groups of one.
func TestPace(t *testing.T) {
	cfg := Config{StateInterval: 100 * time.Millisecond, StateShare: 0.25}
	for worked, want := range map[time.Duration]time.Duration{
		0: 100 * time.Millisecond, 25 * time.Millisecond: 100 * time.Millisecond,
		50 * time.Millisecond: 200 * time.Millisecond, time.Second: 4 * time.Second,
	} {
		p := pace{worked: worked}
		if got := p.span(cfg); got != want {
			t.Errorf("after %v of work the next flush comes after %v, want %v", worked, got, want)
		}
		p.began = time.Unix(0, 0)
		if got, want := p.rest(p.began.Add(worked), cfg), 3*worked; got != want {
			t.Errorf("after %v of work the next group comes after %v, want %v", worked, got, want)
		}
	}
}
