package hub

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"goalcast"
)

func testShard() *shard {
	h := &Hub{cfg: Config{}.WithDefaults(), interest: interest{count: make(map[goalcast.Topic]int)}, states: &states{}}
	h.limits = newLimits(h.cfg)
	return newShard(h, 0)
}

// TestIndex subscribes and unsubscribes at random and compares the index with a plain one after every step.
func TestIndex(t *testing.T) {
	s := testShard()
	conns := make([]*conn, 20)
	plain := make([]map[goalcast.Topic]bool, len(conns))
	for i := range conns {
		conns[i], plain[i] = &conn{}, make(map[goalcast.Topic]bool)
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
			s.follow(c, name)
			plain[i][name] = true
		}
		total := 0
		for i, c := range conns {
			total += len(plain[i])
			if len(c.subs) != len(plain[i]) {
				t.Fatalf("step %d: %d subs, want %d", step, len(c.subs), len(plain[i]))
			}
			for j, sub := range c.subs {
				if m := sub.topic.members[sub.place]; m.conn != c || int(m.sub) != j || !plain[i][sub.topic.name] || s.topics[sub.topic.name] != sub.topic {
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
		if members != total || s.stats.subscriptions != int64(total) {
			t.Fatalf("step %d: %d members, %d counted, want %d", step, members, s.stats.subscriptions, total)
		}
	}
}

// TestConnSize holds the struct to what its comment says.
func TestConnSize(t *testing.T) {
	if got := unsafe.Sizeof(conn{}); got > 176 {
		t.Errorf("conn is %d bytes", got)
	}
	if got := unsafe.Sizeof(sub{}) + unsafe.Sizeof(member{}); got > 32 {
		t.Errorf("a subscription is %d bytes", got)
	}
}

// TestRing compares resumes with a plain filter over all events, for any place to resume from.
func TestRing(t *testing.T) {
	r := ring{maxEvents: 100, maxBytes: 1 << 30}
	r.restart(goalcast.Cursor{Epoch: "e", Offset: 5})
	var all []*message
	for i := range uint64(400) {
		topics := []goalcast.Topic{goalcast.ForMatch(goalcast.MatchID(1 + rand.IntN(5))), goalcast.ForTeam(goalcast.TeamID(1 + rand.IntN(5))), goalcast.ForTeam(3)}
		p := goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: 6 + i}, Event: goalcast.Event{Topics: topics}, Raw: []byte(`{}`)}
		m := newEvent(p, i, testTime, nil)
		all = append(all, m)
		r.add(m)
		if len(r.events.list) > 100 {
			t.Fatal("too many events")
		}
		want := []goalcast.Topic{goalcast.ForMatch(goalcast.MatchID(1 + rand.IntN(6))), goalcast.ForTeam(goalcast.TeamID(1 + rand.IntN(6)))}
		since := 5 + rand.Uint64N(i+3)
		got, outcome := r.since(goalcast.Cursor{Epoch: "e", Offset: since}, want, 1<<30)
		switch {
		case since > r.last && outcome == goalcast.ResetAhead, since < r.first && outcome == goalcast.ResetTooOld:
			continue
		case outcome != resumed:
			t.Fatalf("since %d of %d to %d: %s", since, r.first, r.last, outcome)
		}
		var plain []*message
		for _, m := range all {
			if m.cursor.Offset > since && slices.ContainsFunc(m.topics, func(t goalcast.Topic) bool { return slices.Contains(want, t) }) {
				plain = append(plain, m)
			}
		}
		if !slices.Equal(got, plain) {
			t.Fatalf("since %d: %d events, want %d", since, len(got), len(plain))
		}
	}
	indexed := 0
	for _, q := range r.topics {
		indexed += len(q.list)
	}
	if indexed > 300 {
		t.Errorf("%d entries in the index of 100 events", indexed)
	}
	small := ring{maxEvents: 100, maxBytes: 2000}
	small.restart(goalcast.Cursor{Epoch: "e"})
	for i := range uint64(100) {
		small.add(newEvent(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: 1 + i}, Raw: fmt.Appendf(nil, `{"n":%d}`, i)}, i, testTime, nil))
	}
	if small.bytes > 2000 || len(small.events.list) == 0 {
		t.Errorf("%d bytes in %d events", small.bytes, len(small.events.list))
	}
}

// TestCutInBurst cuts a burst of state frames at every byte: what was written, the rest and what is sent after it are every frame's newest.
func TestCutInBurst(t *testing.T) {
	table := newStateTable(goalcast.ForOdds(1), 1)
	for i := range 6 {
		table.set(goalcast.State{Topic: table.topic, Key: fmt.Sprint("k", i), Version: 1, Value: []byte("1")}, testTime, 100, nil)
	}
	slots, upto := table.since(0)
	b := &burst{slots: slots, upto: upto}
	whole := string(b.alone(encSSE).bytes)
	for n := range len(whole) {
		change, rest := b.cut(b.alone(encSSE), n)
		later, _ := table.since(change)
		text := whole[:n] + string(rest)
		for _, s := range later {
			text += string(s.frame.bytes(encSSE))
		}
		if text != whole {
			t.Fatalf("cut at %d of %d: %d bytes", n, len(whole), len(text))
		}
	}
}

// TestStatesBetweenSnapshotAndJoin joins with a snapshot from before a round of states that the shard has given out already: the
// viewer must be behind from its snapshot on.
func TestStatesBetweenSnapshotAndJoin(t *testing.T) {
	s := testShard()
	name := goalcast.ForOdds(1)
	table := newStateTable(name, 1)
	s.hub.states.tables = map[goalcast.Topic]*tableEntry{name: {table: table}}
	first, late := &conn{}, &conn{}
	s.followAll(first, &join{topics: []goalcast.Topic{name}, marks: map[goalcast.Topic]uint64{name: 0}})
	for i := range 5 {
		table.set(goalcast.State{Topic: name, Key: fmt.Sprint("k", i), Version: 1, Value: []byte("1")}, testTime, 100, nil)
	}
	s.stateChanged(table)
	s.giveStates()
	s.followAll(late, &join{topics: []goalcast.Topic{name}, marks: map[goalcast.Topic]uint64{name: 3}})
	if len(late.behind) != 1 || late.behind[0].since != 3 || !late.is(inStates) {
		t.Fatalf("behind %+v", late.behind)
	}
	if b := s.burst(late.behind[0]); len(b.slots) != 2 || b.slots[0].change != 4 {
		t.Errorf("%d slots", len(b.slots))
	}
	if b := s.burst(first.behind[0]); len(b.slots) != 5 {
		t.Errorf("%d slots for the first", len(b.slots))
	}
}
