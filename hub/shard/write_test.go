package shard

import (
	"bytes"
	"fmt"
	"testing"

	"goalcast"
	"goalcast/hub/frame"
)

// TestPartialBatchAdvances cuts a batch of states at every byte: of what was written nothing is
// sent again, of the rest nothing is left out.
func TestPartialBatchAdvances(t *testing.T) {
	s, d := newTestWorld(testConfig()), frame.NewDeflater(1)
	for _, e := range []frame.Encoding{frame.WebSocket, frame.SSE, frame.Deflate} {
		followed := s.claim(t, goalcast.ForOdds(goalcast.MatchID(e)+1))[0]
		table := followed.Table
		for i := range 3 {
			table.Set(goalcast.State{Topic: table.Topic, Key: fmt.Sprint("k", i), Version: 1, Value: []byte("1")},
				testTime, 100, d)
		}
		top := &topic{followed: followed, flushed: 3}
		updates, upto := table.Since(0)
		top.batch = frame.Batch{Upto: upto, Updates: updates}
		whole := top.batch.Alone(e).Bytes
		for n := 1; n <= len(whole); n++ {
			c := &Conn{fd: -1, encoding: e, lags: []lag{{topic: top}}}
			_, total := s.gather(c)
			if total != len(whole) {
				t.Fatalf("%d bytes to write, want %d", total, len(whole))
			}
			s.consume(c, n)
			// the frame that was begun goes on, then what the connection still lacks
			got := append(bytes.Clone(whole[:n]), c.rest...)
			if len(c.lags) > 0 {
				got = append(got, s.flushes.batch(c.lags[0]).Alone(e).Bytes...)
			}
			if !bytes.Equal(got, whole) {
				t.Fatalf("encoding %d, cut after %d of %d bytes: %d are sent in all, the connection lags since %+v", e,
					n, len(whole), len(got), c.lags)
			}
		}
	}
}
