// Package bustest records what comes over the bus, for tests. A Recorder is filled by the goroutine
// that listens and read by the test, under its lock.
package bustest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"goalcast"
	"goalcast/internal/testservers"
)

// Patience is how long a test waits for what must happen; the machine may be busy.
const Patience = 20 * time.Second

// Recorder is a listener that remembers, and checks at once what must always hold: offsets rise by
// one within an epoch. Its fields are guarded by its lock.
type Recorder struct {
	t testing.TB
	sync.Mutex

	Cursor goalcast.Cursor
	Events []goalcast.Event // since the last Reset
	All    []string         // keys of all events, over resets
	States map[string]goalcast.State
	Resets []goalcast.Cursor
	Stales []bool
}

// Record has a bus listen (Bus.Listen) until the test ends; it does not wait for the bus.
func Record(t testing.TB, listen func(context.Context, goalcast.Listener) error) *Recorder {
	r := &Recorder{t: t, States: map[string]goalcast.State{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := listen(ctx, r); !errors.Is(err, context.Canceled) {
			t.Errorf("Listen = %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return r
}

// RecordLive is Record once the stream is live.
func RecordLive(t testing.TB, listen func(context.Context, goalcast.Listener) error) *Recorder {
	t.Helper()
	r := Record(t, listen)
	r.Until("live", func() bool { return slices.Contains(r.Stales, false) })
	return r
}

// Event implements goalcast.Listener, as the next three do.
func (r *Recorder) Event(p goalcast.Published) {
	r.Lock()
	defer r.Unlock()
	if p.Cursor.Epoch != r.Cursor.Epoch || p.Cursor.Offset != r.Cursor.Offset+1 {
		r.t.Errorf("event at %v after %v", p.Cursor, r.Cursor)
	}
	r.Cursor = p.Cursor
	r.Events = append(r.Events, p.Event)
	r.All = append(r.All, p.Event.Key())
}

// State keeps the newest value.
func (r *Recorder) State(s goalcast.State) {
	r.Lock()
	defer r.Unlock()
	key := s.Topic.String() + "/" + s.Key
	if s.Version >= r.States[key].Version {
		r.States[key] = s
	}
}

// Reread keeps the newest values, and forgets those that are gone.
func (r *Recorder) Reread(t goalcast.Topic, all []goalcast.State) {
	r.Lock()
	maps.DeleteFunc(r.States, func(_ string, s goalcast.State) bool {
		return s.Topic == t && !slices.ContainsFunc(all, func(is goalcast.State) bool { return is.Key == s.Key })
	})
	r.Unlock()
	for _, s := range all {
		r.State(s)
	}
}

// Reset forgets the events.
func (r *Recorder) Reset(c goalcast.Cursor) {
	r.Lock()
	defer r.Unlock()
	r.Cursor, r.Events = c, nil
	r.Resets = append(r.Resets, c)
}

// Stale notes what was said.
func (r *Recorder) Stale(stale bool) {
	r.Lock()
	defer r.Unlock()
	r.Stales = append(r.Stales, stale)
}

// Until waits for a condition, which is asked under the lock.
func (r *Recorder) Until(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(2 * time.Millisecond) {
		r.Lock()
		ok := condition()
		r.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			r.Lock()
			defer r.Unlock()
			r.t.Fatalf("%s: not within %v; cursor %v, %d events, resets %v, stale %v",
				what, Patience, r.Cursor, len(r.Events), r.Resets, r.Stales)
		}
	}
}

// Seqs lists the Seq of a match's events since the last Reset.
func (r *Recorder) Seqs(match goalcast.MatchID) (list []int64) {
	r.Lock()
	defer r.Unlock()
	for _, e := range r.Events {
		if e.Match == match {
			list = append(list, e.Seq)
		}
	}
	return list
}

// OnRedises runs a test on every kind of Redis that there is without installing more.
func OnRedises(t *testing.T, test func(t *testing.T, url string)) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"redis":    func(t *testing.T) string { return testservers.Redis(t) },
		"embedded": func(*testing.T) string { return "embedded" },
		"cluster":  clusterOfOne, // takes two seconds to come up
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, url(t))
		})
	}
}

// clusterOfOne is a Redis Cluster with all slots on one node: commands and channels go the
// cluster's way.
func clusterOfOne(t *testing.T) string {
	s := testservers.NewRedis(t, "--cluster-enabled", "yes")
	s.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	c := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer c.Close()
	deadline := time.Now().Add(Patience)
	for c.Set(t.Context(), "ready", 1, 0).Err() != nil {
		if time.Now().After(deadline) {
			t.Fatal("the cluster does not come up")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "redis+cluster://" + s.Addr
}
