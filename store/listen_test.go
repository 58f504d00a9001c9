package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"goalcast"
	"goalcast/internal/testservers"
)

// The worst day: Redis dies in mid-match and comes back with nothing. Listeners learn that the stream is another one, and the next goal arrives.
func TestRedisRestartedEmpty(t *testing.T) {
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, BusOptions{})
	e := r.listen()
	for round := range 3 {
		first := int64(1 + 10*round)
		r.insist(goals(1, first, first+9)...)
		e.until("ten events", func() bool { return len(e.events) == 10 })
		if got := e.seqs(1); !slices.Equal(got, sequence(first, first+9)) {
			t.Errorf("round %d: heard %v", round, got)
		}
		server.RestartEmpty()
		e.until("a reset", func() bool { return len(e.resets) == round+2 })
		e.mu.Lock()
		if last, before := e.resets[round+1], e.resets[round]; last.Epoch == before.Epoch || last.Offset != 0 {
			t.Errorf("reset to %v after %v, want another epoch", last, before)
		}
		e.mu.Unlock()
	}
}

// A flush leaves connections and subscriptions alive: only the beat tells of it.
func TestRedisFlushed(t *testing.T) {
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, BusOptions{})
	e := r.listen()
	r.publish(goals(1, 1, 3)...)
	e.until("three events", func() bool { return len(e.events) == 3 })
	server.FlushAll()
	e.until("a reset", func() bool { return len(e.resets) == 2 })
	r.publish(goals(1, 4, 4)...)
	e.until("the next event", func() bool { return len(e.events) == 1 })
	server.FlushAll()
	r.publish(goals(1, 5, 6)...)
	e.until("two events of the third epoch", func() bool { return len(e.resets) == 3 && len(e.events) == 2 })
}

func TestMissedMessagesAreRepaired(t *testing.T) {
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, BusOptions{})
	e := r.listen()
	var seq int64
	for range 10 {
		r.publish(goals(1, seq+1, seq+5)...)
		if n := server.KillSubscribers(); n == 0 {
			// The listener was just between two connections; the next round finds it.
			t.Log("no subscriber to kill")
		}
		r.publish(goals(1, seq+6, seq+20)...)
		seq += 20
	}
	e.until("all events", func() bool { return len(e.events) == int(seq) })
	if got := e.seqs(1); !slices.Equal(got, sequence(1, seq)) || len(e.resets) != 1 {
		t.Errorf("heard %v with resets %v", got, e.resets)
	}
	if testutil.ToFloat64(r.bus.metrics.gaps) == 0 {
		t.Error("no gap was repaired")
	}
}

// A message that never comes, on a connection that lives: the next event shows the gap, and if there is none, the beat does.
func TestLostMessageIsRepairedBehindTheNextSign(t *testing.T) {
	onRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, BusOptions{})
		e := r.listen()
		silent := NewBus(r.redis, BusOptions{}, testLog(t), nil)
		quiet := strings.NewReplacer(`redis.call(ARGV[3], ARGV[2], 'e '`, `redis.call('ECHO', 'e '`).Replace(publishScript)
		if quiet == publishScript {
			t.Fatal("the script has changed")
		}
		silent.scripts.publish = redis.NewScript(quiet)
		lose := func(events ...goalcast.Event) {
			t.Helper()
			if err := silent.Publish(t.Context(), events); err != nil {
				t.Fatal(err)
			}
		}
		lose(goals(1, 1, 2)...)
		r.publish(goals(1, 3, 3)...)
		e.until("behind an event", func() bool { return len(e.events) == 3 })
		lose(goals(1, 4, 5)...)
		e.until("behind a beat", func() bool { return len(e.events) == 5 })
		if got := e.seqs(1); !slices.Equal(got, sequence(1, 5)) || len(e.resets) != 1 {
			t.Errorf("heard %v with resets %v", got, e.resets)
		}
	})
}

func TestSilenceIsTold(t *testing.T) {
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, BusOptions{})
	e := r.listen()
	r.publish(goals(1, 1, 1)...)
	e.until("an event", func() bool { return len(e.events) == 1 })
	start := time.Now()
	server.Pause(5 * time.Second)
	e.until("stale", func() bool { return slices.Equal(e.stale, []bool{false, true}) })
	if d := time.Since(start); d < time.Second || d > 5*time.Second {
		t.Errorf("told after %v, want about 3 s", d)
	}
	if testutil.ToFloat64(r.bus.metrics.stale) != 1 {
		t.Error("the gauge does not say stale")
	}
	e.until("fresh", func() bool { return slices.Equal(e.stale, []bool{false, true, false}) })
	r.insist(goals(1, 2, 3)...)
	e.until("all events", func() bool { return len(e.events) == 3 })
	if len(e.resets) != 1 {
		t.Errorf("resets %v, want only the first: nothing was lost", e.resets)
	}
}

func TestRedisAwayAtTheStart(t *testing.T) {
	server := testservers.NewRedis(t)
	server.Stop()
	r := newRig(t, server.URL, BusOptions{StaleAfter: 500 * time.Millisecond, Beat: 100 * time.Millisecond})
	if err := r.bus.Publish(t.Context(), goals(1, 1, 1)); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("publish = %v, want ErrUnavailable", err)
	}
	e := r.listenOnly()
	e.until("stale", func() bool { return slices.Equal(e.stale, []bool{true}) })
	server.Start()
	e.until("fresh", func() bool { return slices.Equal(e.stale, []bool{true, false}) })
	r.insist(goals(1, 1, 1)...)
	e.until("the event", func() bool { return len(e.events) == 1 })
}

// Who was away for longer than the stream reaches gets a reset, and what is left.
func TestTrimmedStreamResets(t *testing.T) {
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, BusOptions{StreamLength: 50})
	e := r.listen()
	r.publish(goals(1, 1, 10)...)
	e.until("ten events", func() bool { return len(e.events) == 10 })
	// Redis trims whole nodes of 100 entries. While the listener is busy its connection is killed, and the stream runs away.
	e.mu.Lock()
	r.publish(goals(1, 11, 12)...)
	server.KillSubscribers()
	r.publish(goals(1, 13, 1000)...)
	e.mu.Unlock()
	e.until("the newest event", func() bool { return len(e.events) > 0 && e.events[len(e.events)-1].Seq == 1000 })
	if len(e.resets) != 2 || e.resets[0].Epoch != e.resets[1].Epoch || e.resets[1].Offset < 12 {
		t.Errorf("resets %v, want a second one of the same epoch", e.resets)
	}
}

// A failover to a replica that lacks the newest events: the offsets are given to other events. The past has changed, and the epoch must too.
func TestBusThatWentBackInTime(t *testing.T) {
	onRedises(t, func(t *testing.T, url string) {
		for _, tt := range []struct {
			name string
			more int64 // events published after the failover, before anybody can notice
		}{{"fewer", 0}, {"as many", 2}, {"more", 5}} {
			t.Run(tt.name, func(t *testing.T) {
				r := newRig(t, url, BusOptions{Prefix: "back-" + strings.ReplaceAll(tt.name, " ", "-")})
				e := r.listen()
				r.publish(goals(1, 1, 10)...)
				e.until("ten events", func() bool { return len(e.events) == 10 })
				// What a replica would have that is two events behind.
				back := `redis.call('XTRIM', KEYS[2], 'MAXLEN', 0)
					redis.call('DEL', KEYS[2])
					for i = 1, 8 do redis.call('XADD', KEYS[2], i .. '-0', 'e', ARGV[i]) end
					redis.call('HSET', KEYS[1], 'offset', '8')
					return 1`
				var args []any
				for _, ev := range goals(1, 1, 8) {
					body, err := jsonText(ev)
					if err != nil {
						t.Fatal(err)
					}
					args = append(args, body)
				}
				if err := redis.NewScript(back).Run(t.Context(), r.redis.client, r.bus.headKeys(), args...).Err(); err != nil {
					t.Fatal(err)
				}
				if tt.more > 0 {
					r.publish(goals(1, 11, 10+tt.more)...)
				}
				e.until("a reset", func() bool { return len(e.resets) == 2 })
				if e.resets[0].Epoch == e.resets[1].Epoch {
					t.Errorf("resets %v, want another epoch", e.resets)
				}
				r.publish(goals(1, 11+tt.more, 12+tt.more)...)
				e.until("what comes next", func() bool { return len(e.events) >= 2 && e.events[len(e.events)-1].Seq == 12+tt.more })
			})
		}
	})
}
