package hub

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goalcast"
)

// pair makes a connection that follows a topic, and the descriptor of its peer.
func (s *shard) pair(t *testing.T, topic goalcast.Topic) (*conn, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	c := &conn{fd: int32(fds[0]), allowance: 1 << 20}
	s.conns[c] = struct{}{}
	s.follow(c, topic)
	return c, fds[1]
}

func testEvent(topic goalcast.Topic, seq uint64) *message {
	return newEvent(goalcast.Published{Cursor: goalcast.Cursor{Epoch: "e", Offset: seq}, Event: goalcast.Event{Match: 1, Topics: []goalcast.Topic{topic}}}, seq, time.Now(), nil)
}

func read(t *testing.T, fd int) string {
	t.Helper()
	b := make([]byte, 4096)
	n, err := unix.Read(fd, b)
	if err == unix.EAGAIN {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// TestLend: an event for a few is written by whoever posts it, unless that would be in anybody's way; then the shard is woken and has everything left to do.
func TestLend(t *testing.T) {
	topic := goalcast.ForMatch(1)
	for _, c := range []struct {
		name      string
		followers int
		before    func(*shard)
		lent      bool
	}{
		{"few", 3, nil, true},
		{"none", 0, nil, true},
		{"a group", group, nil, true},
		{"many", group + 1, nil, false},
		{"at work", 3, func(s *shard) { s.mu.Lock() }, false},
		{"something else is asked for", 3, func(s *shard) { s.inbox.put(op{kind: opReset, arg: goalcast.Cursor{}}) }, false},
		{"something waits to be written", 3, func(s *shard) { s.states.push(&conn{}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testShard()
			var peers []int
			for range c.followers {
				_, peer := s.pair(t, topic)
				peers = append(peers, peer)
			}
			m := testEvent(topic, 1)
			m.shards.Store(2) // the other shard is not done
			if c.before != nil {
				c.before(s)
			}
			s.inbox.put(op{kind: opEvent, msg: m})
			s.lend(m)
			woken := len(s.inbox.wake) == 1
			if woken == c.lent {
				t.Errorf("woken: %v", woken)
			}
			if s.inbox.empty() != c.lent {
				t.Errorf("the inbox is empty: %v", s.inbox.empty())
			}
			want := ""
			if c.lent {
				want = string(m.bytes(encWS))
			}
			for _, peer := range peers {
				if got := read(t, peer); got != want {
					t.Errorf("a follower got %q, want %q", got, want)
				}
			}
			if c.lent && s.published.stats.messages[classEvent] != int64(c.followers) {
				t.Errorf("%d deliveries counted", s.published.stats.messages[classEvent])
			}
			if left := m.shards.Load(); (left == 1) != c.lent {
				t.Errorf("%d shards have yet to write it", left)
			}
		})
	}
}

// TestLender: the goroutine that reads the bus goes on reading when it has much to read.
func TestLender(t *testing.T) {
	var l lender
	now := time.Now()
	if !l.eager(now) {
		t.Error("not before the first event")
	}
	l = lender{since: now, took: time.Millisecond}
	if l.eager(now.Add(999 * time.Microsecond)) {
		t.Error("right after the last")
	}
	if !l.eager(now.Add(time.Millisecond)) {
		t.Error("not after it was idle for long enough")
	}
}

// TestPace: rounds of states are an interval apart, and further if they take more than their share of the time.
func TestPace(t *testing.T) {
	cfg := Config{StateInterval: 100 * time.Millisecond, StateShare: 0.25}.withDefaults()
	for worked, want := range map[time.Duration]time.Duration{
		0: 100 * time.Millisecond, 25 * time.Millisecond: 100 * time.Millisecond, 50 * time.Millisecond: 200 * time.Millisecond, time.Second: 4 * time.Second,
	} {
		p := pace{worked: worked}
		if got := p.span(cfg); got != want {
			t.Errorf("after %v of work the next round comes after %v, want %v", worked, got, want)
		}
	}
	for share, want := range map[float64]float64{0: 0.5, -1: 0.5, 2: 0.5, 1: 1, 0.1: 0.1} {
		if got := (Config{StateShare: share}).withDefaults().StateShare; got != want {
			t.Errorf("a share of %v becomes %v", share, got)
		}
	}
}
