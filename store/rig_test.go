package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"goalcast"
	"goalcast/internal/testservers"
)

// patience is how long a test waits for what must happen; the machine may be busy.
const patience = 20 * time.Second

// ear is a listener that remembers, and checks at once what must hold always: offsets without a gap, no revision twice in an epoch.
type ear struct {
	t  testing.TB
	mu sync.Mutex

	cursor goalcast.Cursor
	events []goalcast.Event // since the last Reset
	all    []string         // keys of all events, over resets
	states map[string]goalcast.State
	resets []goalcast.Cursor
	stale  []bool
}

func (e *ear) Event(p goalcast.Published) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.Cursor.Epoch != e.cursor.Epoch || p.Cursor.Offset != e.cursor.Offset+1 {
		e.t.Errorf("event at %v after %v", p.Cursor, e.cursor)
	}
	e.cursor = p.Cursor
	e.events = append(e.events, p.Event)
	e.all = append(e.all, p.Event.Key())
}

func (e *ear) State(s goalcast.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := s.Topic.String() + "/" + s.Key
	if s.Version >= e.states[key].Version {
		e.states[key] = s
	}
}

func (e *ear) Reset(c goalcast.Cursor) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cursor, e.events = c, nil
	e.resets = append(e.resets, c)
}

func (e *ear) Stale(stale bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stale = append(e.stale, stale)
}

// until waits for a condition, under the ear's lock.
func (e *ear) until(what string, condition func() bool) {
	e.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		e.mu.Lock()
		ok := condition()
		e.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.t.Fatalf("%s: not within %v; cursor %v, %d events, resets %v, stale %v", what, patience, e.cursor, len(e.events), e.resets, e.stale)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// seqs lists the Seq of what was heard of a match, over all resets.
func (e *ear) seqs(match goalcast.MatchID) (list []int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.events {
		if ev.Match == match {
			list = append(list, ev.Seq)
		}
	}
	return list
}

// rig is a bus on a Redis server, and who listens to it.
type rig struct {
	t     testing.TB
	redis *Redis
	bus   *Bus
}

func newRig(t testing.TB, url string, options BusOptions) *rig {
	t.Helper()
	r, err := OpenRedis(t.Context(), url, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{t, r, NewBus(r, options, testLog(t), prometheus.NewRegistry())}
}

// listen starts to listen and waits until it is live.
func (r *rig) listen() *ear {
	r.t.Helper()
	e := r.listenOnly()
	e.until("live", func() bool { return slices.Contains(e.stale, false) })
	return e
}

func (r *rig) listenOnly() *ear {
	e := &ear{t: r.t, states: map[string]goalcast.State{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.bus.Listen(ctx, e); !errors.Is(err, context.Canceled) {
			r.t.Errorf("Listen = %v", err)
		}
	}()
	r.t.Cleanup(func() {
		cancel()
		<-done
	})
	return e
}

func (r *rig) publish(events ...goalcast.Event) {
	r.t.Helper()
	if err := r.bus.Publish(r.t.Context(), events); err != nil {
		r.t.Fatal(err)
	}
}

// insist publishes until it succeeds: Redis is coming back.
func (r *rig) insist(events ...goalcast.Event) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := r.bus.Publish(r.t.Context(), events)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
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

// onRedises runs a test on every kind of Redis that there is without installing more.
func onRedises(t *testing.T, test func(t *testing.T, url string)) {
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

// clusterOfOne is a Redis Cluster with all slots on one node: commands and channels go the cluster's way.
func clusterOfOne(t *testing.T) string {
	s := testservers.NewRedis(t, "--cluster-enabled", "yes")
	s.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	c := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer c.Close()
	deadline := time.Now().Add(patience)
	for c.Set(t.Context(), "ready", 1, 0).Err() != nil {
		if time.Now().After(deadline) {
			t.Fatal("the cluster does not come up")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "redis+cluster://" + s.Addr
}

// listenAnother listens as another process would.
func (r *rig) listenAnother() *ear {
	r.t.Helper()
	other := &rig{r.t, r.redis, NewBus(r.redis, r.bus.options, testLog(r.t), prometheus.NewRegistry())}
	return other.listen()
}
