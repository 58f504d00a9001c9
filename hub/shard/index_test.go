package shard

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"goalcast"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
)

// door lets a shard's tests alone.
type door struct{}

func (door) Subscribe(*Shard, *Conn, []goalcast.Topic, string)     {}
func (door) Renew(*Shard, *Conn, []goalcast.Topic, string, string) {}
func (door) Rejoin(*Shard, []Rejoining)                            {}
func (door) Acked(goalcast.Phone, []goalcast.Cursor, int)          {}
func (door) Written(*Event)                                        {}
func (door) StatesWritten(time.Time)                               {}
func (door) Refused(string)                                        {}

var testTime = time.Date(2026, 8, 22, 15, 0, 0, 0, time.UTC)

func testConfig() Config {
	return Config{Shards: 1, MaxPending: 256 << 10, MaxTopics: 100, MessageRate: 20, MessageBurst: 40,
		MaxMessage:   4 << 10,
		PingInterval: 25 * time.Second, MaxUnanswered: 3, WriteTimeout: 10 * time.Second,
		StateInterval: 100 * time.Millisecond, StateShare: 0.33, RetrySpread: 10 * time.Second}
}

// testWorld is a shard and the topics that are followed.
type testWorld struct {
	*Shard
	followed *follow.Registry
}

func newTestWorld(cfg Config) *testWorld {
	return &testWorld{New(0, cfg, door{}, slog.New(slog.DiscardHandler)),
		follow.New(silent{}, follow.Config{Shards: 1, MaxStates: 1000, Timeout: time.Minute,
			Linger: time.Hour, Changed: func(*follow.Table) {}}, slog.New(slog.DiscardHandler))}
}

// silent is a bus without states.
type silent struct{}

func (silent) Follow(context.Context, goalcast.Topic) ([]goalcast.State, func(), error) {
	return nil, func() {}, nil
}

// claim counts a viewer in topics.
func (w *testWorld) claim(t *testing.T, topics ...goalcast.Topic) follow.Claim {
	t.Helper()
	claim, err := w.followed.Follow(t.Context(), topics)
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

// TestIndex subscribes and unsubscribes at random and compares the index with a plain one after
// every step.
func TestIndex(t *testing.T) {
	s := newTestWorld(testConfig())
	conns := make([]*Conn, 20)
	plain := make([]map[goalcast.Topic]bool, len(conns))
	for i := range conns {
		conns[i], plain[i] = &Conn{}, make(map[goalcast.Topic]bool)
	}
	for step := range 20_000 {
		i := rand.IntN(len(conns))
		c, name := conns[i], goalcast.ForMatch(goalcast.MatchID(1+rand.IntN(8)))
		switch at := c.find(name); {
		case rand.IntN(50) == 0:
			s.leaveAll(c)
			clear(plain[i])
		case at >= 0:
			s.leave(c, at)
			delete(plain[i], name)
		default:
			s.follow(c, s.claim(t, name)[0])
			plain[i][name] = true
		}
		total := 0
		for i, c := range conns {
			total += len(plain[i])
			if len(c.subs) != len(plain[i]) {
				t.Fatalf("step %d: %d subs, want %d", step, len(c.subs), len(plain[i]))
			}
			for j, sub := range c.subs {
				if m := sub.topic.members[sub.place]; m.conn != c || int(m.sub) != j ||
					!plain[i][sub.topic.followed.Name] || s.topics[sub.topic.followed.Name] != sub.topic {
					t.Fatalf("step %d: conn %d sub %d is not where it says", step, i, j)
				}
			}
		}
		members := 0
		for _, topic := range s.topics {
			if len(topic.members) == 0 {
				t.Fatal("a topic without members stays")
			}
			members += len(topic.members)
		}
		if members != total || s.subscriptions != int64(total) {
			t.Fatalf("step %d: %d members, %d counted, want %d", step, members, s.subscriptions, total)
		}
		if s.followed.Nobody() != (total == 0) || step%100 == 0 && len(s.followed.Viewed()) != len(s.topics) {
			t.Fatalf("step %d: %d topics are followed, counted are %v", step, len(s.topics), s.followed.Viewed())
		}
	}
}

// TestConnSize holds the struct to what its comment says.
func TestConnSize(t *testing.T) {
	if got := unsafe.Sizeof(Conn{}); got > 192 { // a size class of Go's
		t.Errorf("conn is %d bytes", got)
	}
	if got := unsafe.Sizeof(sub{}) + unsafe.Sizeof(member{}); got > 32 {
		t.Errorf("a subscription is %d bytes", got)
	}
}

// TestStatesBetweenSnapshotAndJoin joins with a snapshot from before a state flush that the shard
// has given out already: the viewer must lag from its snapshot on.
func TestStatesBetweenSnapshotAndJoin(t *testing.T) {
	s := newTestWorld(testConfig())
	name := goalcast.ForOdds(1)
	first, late := &Conn{}, &Conn{}
	s.start(first, &Start{Claim: s.claim(t, name), Marks: map[goalcast.Topic]uint64{name: 0}})
	table := s.topics[name].followed.Table
	for i := range 5 {
		table.Set(goalcast.State{Topic: name, Key: fmt.Sprint("k", i), Version: 1, Value: []byte("1")}, testTime, 100,
			nil)
	}
	s.statesChanged(table)
	s.flushStates()
	s.start(late, &Start{Claim: s.claim(t, name), Marks: map[goalcast.Topic]uint64{name: 3}})
	if len(late.lags) != 1 || late.lags[0].since != 3 || !late.is(inStates) {
		t.Fatalf("lags %+v", late.lags)
	}
	if b := s.flushes.batch(late.lags[0]); len(b.Updates) != 2 || b.Updates[0].Change != 4 {
		t.Errorf("%d updates", len(b.Updates))
	}
	if b := s.flushes.batch(first.lags[0]); len(b.Updates) != 5 {
		t.Errorf("%d updates for the first", len(b.Updates))
	}
}

// TestGatesComeBehindWhatAConnectionBeginsWith has a gate shut between the snapshot that a viewer
// gets and the join: if the snapshot came last, the viewer would show prices.
func TestGatesComeBehindWhatAConnectionBeginsWith(t *testing.T) {
	s := newTestWorld(testConfig())
	name := goalcast.ForOdds(1)
	hello, snapshot := frame.Fixed("hello", []byte("h"), nil), frame.Fixed("snapshot", []byte("s"), nil)
	first, late := &Conn{}, &Conn{}
	s.start(first, &Start{Claim: s.claim(t, name)})
	gate := goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateGoal}
	s.topics[name].followed.Table.Take(goalcast.State{Topic: name, Key: goalcast.GateKey, Version: 7,
		Value: gate.Encode()}, testTime, 100, nil)
	s.start(late, &Start{Claim: s.claim(t, name), Marks: map[goalcast.Topic]uint64{name: 0},
		Frames: []*frame.Message{hello, snapshot}})
	if p := late.pending; len(p) != 3 || p[0] != hello || p[1] != snapshot || p[2].Kind != goalcast.FrameState {
		t.Errorf("%d frames wait, want hello, the snapshot and the gate: %+v", len(p), p)
	}
}
