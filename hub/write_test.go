package hub

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/hub/board"
)

// TestPartialBurstAdvances cuts a burst of states at every byte: of what was written nothing is sent again, of the rest nothing is left out.
func TestPartialBurstAdvances(t *testing.T) {
	reg := prometheus.NewRegistry()
	h := New(Config{Shards: 1, DeflateMin: 1}, board.New(nil, slog.Default(), reg), nil, slog.Default(), reg)
	s := h.shards[0]
	for _, e := range []encoding{encWS, encSSE, encDeflate} {
		table := newStateTable(goalcast.ForOdds(1), 1)
		for i := range 3 {
			table.set(goalcast.State{Topic: table.topic, Key: fmt.Sprint("k", i), Version: 1, Value: []byte("1")}, testTime, 100, h.deflater)
		}
		top := &topic{name: table.topic, table: table, flushed: 3}
		slots, upto := table.since(0)
		top.round = burst{since: 0, upto: upto, slots: slots}
		whole := top.round.alone(e).bytes
		for n := 1; n <= len(whole); n++ {
			c := &conn{fd: -1, encoding: e, behind: []behind{{topic: top}}}
			_, total := s.gather(c)
			if total != len(whole) {
				t.Fatalf("%d bytes to write, want %d", total, len(whole))
			}
			s.consume(c, n)
			got := append(bytes.Clone(whole[:n]), c.rest...) // the frame that was begun goes on, then what the connection still lacks
			if len(c.behind) > 0 {
				got = append(got, s.burst(c.behind[0]).alone(e).bytes...)
			}
			if !bytes.Equal(got, whole) {
				t.Fatalf("encoding %d, cut after %d of %d bytes: %d are sent in all, the connection is behind since %+v", e, n, len(whole), len(got), c.behind)
			}
		}
	}
}
