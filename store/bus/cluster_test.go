package bus

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/store/bus/bustest"
)

// Slots are moved to other masters while events and states are published: nobody misses anything,
// gets it twice or has to begin anew. Then a master dies, and its replica goes on.
func TestClusterMovesSlotsAndLosesAMaster(t *testing.T) {
	t.Parallel()
	cluster := bustest.NewCluster(t)
	r := newRig(t, cluster.URL, Options{})
	e := r.listen()
	topic := goalcast.ForMatch(7)
	if _, _, err := r.bus.Follow(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	e.Until("the start to be over", func() bool { return slices.Equal(e.Stales, []bool{false}) })

	ctx, cancel := context.WithCancel(t.Context())
	var seq int64
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for ctx.Err() == nil {
			seq++
			r.insist(goals(1, seq, seq)...)
			for r.bus.SetState(ctx, []goalcast.State{lineOf(7, "home", seq)}) != nil && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
		}
	})
	price := func() (version int64) {
		for _, st := range e.States {
			version = max(version, st.Version)
		}
		return version
	}
	heard := func(more int) {
		t.Helper()
		e.Lock()
		events, version := len(e.Events), price()
		e.Unlock()
		e.Until("more events and states", func() bool { return len(e.Events) >= events+more && price() > version })
	}
	heard(20)
	for range 3 {
		cluster.Move(r.bus.names.head())
		heard(20)
		cluster.Move(r.bus.stateKey(topic))
		heard(20)
	}
	cancel()
	publishing.Wait()
	e.Until("all events", func() bool { return len(e.Events) == int(seq) })
	if got := e.Seqs(1); !slices.Equal(got, sequence(1, seq)) || len(e.Resets) != 1 {
		t.Errorf("heard %v of %d with resets %v", got, seq, e.Resets)
	}

	cluster.KillMasterOf(r.bus.names.head())
	r.insist(goals(2, 1, 5)...) // another match: of what the dead one had not passed on nothing is known
	e.Until("events of the new master", func() bool {
		return slices.ContainsFunc(e.Events, func(e goalcast.Event) bool { return e.Match == 2 && e.Seq == 5 })
	})
	e.Until("the bus to be back", func() bool { return testutil.ToFloat64(r.bus.metrics.stale) == 0 })
}
