package store

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/store/bus"
	"goalcast/store/bus/bustest"
)

const patience = bustest.Patience

// quiet is for tests that provoke errors which are logged.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// rig is a bus, for what brings events to it.
type rig struct {
	t   testing.TB
	bus *bus.Bus
}

func newRig(t testing.TB, url string) *rig {
	t.Helper()
	r, err := bus.OpenRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{t, bus.New(r, bus.Options{}, testLog(t), prometheus.NewRegistry())}
}

func (r *rig) listen() *bustest.Recorder {
	r.t.Helper()
	return bustest.RecordLive(r.t, r.bus.Listen)
}

func (r *rig) relay(s *Store) *Relay {
	return NewRelay(s, r.bus, testLog(r.t), prometheus.NewRegistry())
}

// goals are events of a match with Seq from to to.
func goals(match goalcast.MatchID, from, to int64) (list []goalcast.Event) {
	for seq := from; seq <= to; seq++ {
		list = append(list, matchEvent(match, seq, goalcast.KindGoal))
	}
	return list
}

func sequence(from, to int64) (list []int64) {
	for ; from <= to; from++ {
		list = append(list, from)
	}
	return list
}
