package hub

import (
	"testing"
	"time"
)

func TestStormIsCollectedOnceItIsOver(t *testing.T) {
	var s storms
	now := time.UnixMilli(1_790_000_000_000)
	for i, step := range []struct {
		joined int64
		want   bool
	}{
		{0, false}, {4000, false}, {4050, false}, // no storm yet
		{9000, false}, {15_000, false}, {15_050, true}, {15_060, false},
		{25_000, false}, {25_010, false}, // too soon after the last one
	} {
		now = now.Add(time.Second)
		if got := s.over(step.joined, now); got != step.want {
			t.Errorf("look %d, %d joined: %t", i, step.joined, got)
		}
	}
	if now = now.Add(stormPause); !s.over(25_020, now) {
		t.Error("not collected after the pause")
	}
}
