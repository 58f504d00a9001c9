package shard

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goalcast"
)

// pair makes a connection that follows topics, and the descriptor of its peer.
func (s *testWorld) pair(t *testing.T, topics ...goalcast.Topic) (*Conn, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	c := &Conn{fd: int32(fds[0]), allowance: 1 << 20}
	s.conns[c] = struct{}{}
	for _, followed := range s.claim(t, topics...) {
		s.follow(c, followed)
	}
	return c, fds[1]
}

func testEvent(topic goalcast.Topic, seq uint64) *Event {
	return NewEvent(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: seq}, Event: goalcast.Event{Match: 1,
		Topics: []goalcast.Topic{topic}}}, seq, time.Now(), nil, 1)
}

// TestGoalOvertakesPrices: an event that comes in the middle of a state flush is written before the
// rest of the flush.
func TestGoalOvertakesPrices(t *testing.T) {
	s := newTestWorld(testConfig())
	match, odds := goalcast.ForMatch(1), goalcast.ForOdds(2)
	var prices, goals []int
	for range 3 * group {
		_, peer := s.pair(t, odds)
		prices = append(prices, peer)
	}
	for range 10 {
		_, peer := s.pair(t, match)
		goals = append(goals, peer)
	}
	table := s.topics[odds].followed.Table
	table.Set(goalcast.State{Topic: odds, Key: "1x2/home", Version: 1, Value: []byte("2")}, time.Now(), 10, nil)
	s.statesChanged(table)
	s.flushStates()
	told := func(peers []int, kind string) (n int) {
		t.Helper()
		b := make([]byte, 4096)
		for _, peer := range peers {
			if k, err := unix.Read(peer, b); err == nil && strings.Contains(string(b[:k]), `"type":"`+kind+`"`) {
				n++
			}
		}
		return n
	}
	s.step()
	if n := told(prices, "state"); n != group {
		t.Fatalf("%d have the price after a step, want %d", n, group)
	}
	s.fanOut(testEvent(match, 1))
	s.step()
	if n := told(goals, "event"); n != len(goals) {
		t.Errorf("%d of %d have the goal after the next step", n, len(goals))
	}
	for s.step() || !s.states.empty() {
	}
	if n := told(prices, "state"); n != 2*group {
		t.Errorf("%d have the price in the end, want %d", n, 2*group)
	}
}

// TestAGoalToManyGoesAlone: while viewers wait for an event, those who get it get no prices with
// it, and have them when all have the event; unless events rush for longer than a flush's interval.
func TestAGoalToManyGoesAlone(t *testing.T) {
	for what, interval := range map[string]time.Duration{"a goal": time.Hour, "events without end": 0} {
		t.Run(what, func(t *testing.T) {
			cfg := testConfig()
			cfg.StateInterval = interval
			s := newTestWorld(cfg)
			match, odds := goalcast.ForMatch(1), goalcast.ForOdds(1)
			var peers []int
			for range 3 * group {
				_, peer := s.pair(t, match, odds)
				peers = append(peers, peer)
			}
			table := s.topics[odds].followed.Table
			table.Set(goalcast.State{Topic: odds, Key: "1x2", Version: 1, Value: []byte("2")}, time.Now(), 10, nil)
			s.statesChanged(table)
			s.flushStates()
			s.fanOut(testEvent(match, 1))
			got := make([]string, len(peers))
			look := func() (events, states int) {
				b := make([]byte, 4096)
				for i, peer := range peers {
					if k, err := unix.Read(peer, b); err == nil {
						got[i] += string(b[:k])
					}
					events += strings.Count(got[i], `"type":"event"`)
					states += strings.Count(got[i], `"type":"state"`)
				}
				return events, states
			}
			s.step() // the rush is noticed after the first group
			s.step()
			events, states := look()
			if want := map[string]int{"a goal": group, "events without end": 2 * group}[what]; events != 2*group ||
				states != want {
				t.Errorf("%d events and %d prices after two groups, want %d prices", events, states, want)
			}
			for s.step() || !s.states.empty() {
			}
			if events, states = look(); events != 3*group || states != 3*group {
				t.Errorf("%d events and %d prices in the end", events, states)
			}
		})
	}
}

// TestAGateThatShutsInARushLeavesNothingToDo: the prices that it made void are not waited for.
func TestAGateThatShutsInARushLeavesNothingToDo(t *testing.T) {
	cfg := testConfig()
	cfg.StateInterval = time.Hour
	s := newTestWorld(cfg)
	match, odds := goalcast.ForMatch(1), goalcast.ForOdds(1)
	for range 3 * group {
		s.pair(t, match, odds)
	}
	table := s.topics[odds].followed.Table
	gate := func(version int64, g goalcast.Gate) {
		st := goalcast.State{Topic: odds, Key: goalcast.GateKey, Version: version, Value: g.Encode()}
		_, _, change := table.Take(st, time.Now(), 10, nil)
		s.gate(&Gate{Table: table, GateChange: change})
	}
	gate(1, goalcast.Gate{State: goalcast.GateOpen})
	table.Take(goalcast.State{Topic: odds, Key: "1x2", Version: 1, Value: []byte("2")}, time.Now(), 10, nil)
	s.statesChanged(table)
	s.flushStates()
	gate(2, goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateGoal})
	s.fanOut(testEvent(match, 1))
	for deadline := time.Now().Add(20 * time.Second); s.step() || !s.states.empty(); {
		if time.Now().After(deadline) {
			t.Fatal("it never ends")
		}
	}
	for c := range s.conns {
		if len(c.lags) > 0 {
			t.Fatal("somebody lacks what is void")
		}
	}
}

// TestAGateOvertakesItsGoal: a gate that comes after the goal it is shut for is written before
// those have the goal who do not look at these prices; one that is only repeated waits for its
// turn.
func TestAGateOvertakesItsGoal(t *testing.T) {
	for _, repeated := range []bool{false, true} {
		s := newTestWorld(testConfig())
		match, odds := goalcast.ForMatch(1), goalcast.ForOdds(1)
		for range 3 * group {
			s.pair(t, match)
		}
		var bettors []int
		for range 5 {
			_, peer := s.pair(t, match, odds)
			bettors = append(bettors, peer)
		}
		s.topics[match].start = len(s.topics[match].members) - 7919 // it begins with the first member
		s.fanOut(testEvent(match, 1))
		table := s.topics[odds].followed.Table
		st := goalcast.State{Topic: odds, Key: goalcast.GateKey, Version: 1,
			Value: goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateGoal}.Encode()}
		_, _, change := table.Take(st, time.Now(), 10, nil)
		if repeated {
			change.Void = 0
		}
		s.gate(&Gate{Table: table, GateChange: change})
		read := func() (gates, events int) {
			b := make([]byte, 4096)
			for _, peer := range bettors {
				if k, err := unix.Read(peer, b); err == nil {
					gates += strings.Count(string(b[:k]), `"suspended"`)
					events += strings.Count(string(b[:k]), `"type":"event"`)
				}
			}
			return gates, events
		}
		s.step()
		want := len(bettors)
		if repeated {
			want = 0
		}
		gates, events := read()
		if gates != want {
			t.Errorf("repeated %v: after a step %d have the gate, want %d", repeated, gates, want)
		}
		for s.step() {
		}
		moreGates, moreEvents := read()
		if gates+moreGates != len(bettors) || events+moreEvents != len(bettors) {
			t.Errorf("repeated %v: %d gates and %d goals in the end, want %d", repeated, gates+moreGates,
				events+moreEvents, len(bettors))
		}
	}
}

// TestNobodyIsAlwaysLast: each event begins with another viewer.
func TestNobodyIsAlwaysLast(t *testing.T) {
	s := newTestWorld(testConfig())
	const viewers = 10
	match := goalcast.ForMatch(1)
	for range viewers {
		s.follow(&Conn{fd: -1, allowance: 1 << 20}, s.claim(t, match)[0])
	}
	first, last := map[*Conn]bool{}, map[*Conn]bool{}
	for seq := range uint64(viewers) {
		s.fanOut(testEvent(match, seq+1))
		order := s.events.list[s.events.head:]
		if len(order) != viewers {
			t.Fatalf("round %d: %d viewers", seq, len(order))
		}
		first[order[0]], last[order[viewers-1]] = true, true
		for !s.events.empty() {
			s.events.pop().clear(inEvents)
		}
	}
	if len(first) != viewers || len(last) != viewers {
		t.Errorf("in %d rounds %d of %d viewers were first, %d last", viewers, len(first), viewers, len(last))
	}
}
