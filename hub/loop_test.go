package hub

import (
	"testing"
	"time"
)

// TestPace: rounds of states are an interval apart, and further if they take more than their share of the time.
func TestPace(t *testing.T) {
	cfg := Config{StateInterval: 100 * time.Millisecond, StateShare: 0.25}.WithDefaults()
	for worked, want := range map[time.Duration]time.Duration{
		0: 100 * time.Millisecond, 25 * time.Millisecond: 100 * time.Millisecond, 50 * time.Millisecond: 200 * time.Millisecond, time.Second: 4 * time.Second,
	} {
		p := pace{worked: worked}
		if got := p.span(cfg); got != want {
			t.Errorf("after %v of work the next round comes after %v, want %v", worked, got, want)
		}
	}
	for share, want := range map[float64]float64{0: 0.33, -1: 0.33, 2: 0.33, 1: 1, 0.1: 0.1} {
		if got := (Config{StateShare: share}).WithDefaults().StateShare; got != want {
			t.Errorf("a share of %v becomes %v", share, got)
		}
	}
}
