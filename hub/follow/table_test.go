package follow

import (
	"fmt"
	"testing"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// TestCutInBatch cuts a batch of state frames at every byte: what was written, the rest and what is
// sent after it are every frame's newest.
func TestCutInBatch(t *testing.T) {
	table := NewTable(goalcast.ForOdds(1), 1)
	for i := range 6 {
		table.Set(goalcast.State{Topic: table.Topic, Key: fmt.Sprint("k", i), Version: 1, Value: []byte("1")},
			time.Now(), 100, nil)
	}
	updates, upto := table.Since(0)
	b := &frame.Batch{Updates: updates, Upto: upto}
	whole := string(b.Alone(frame.SSE).Bytes)
	for n := range len(whole) {
		change, rest := b.Cut(b.Alone(frame.SSE), n)
		later, _ := table.Since(change)
		text := whole[:n] + string(rest)
		for _, s := range later {
			text += string(s.Frame.Bytes(frame.SSE))
		}
		if text != whole {
			t.Fatalf("cut at %d of %d: %d bytes", n, len(whole), len(text))
		}
	}
}
