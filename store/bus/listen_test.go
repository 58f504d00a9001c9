package bus

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
	"goalcast/store/bus/bustest"
)

// The worst day: Redis dies in mid-match and comes back with nothing. Listeners learn that the
// stream is another one, and the next goal arrives.
func TestRedisRestartedEmpty(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, Options{})
	e := r.listen()
	for round := range 3 {
		first := int64(1 + 10*round)
		r.insist(goals(1, first, first+9)...)
		e.Until("ten events", func() bool { return len(e.Events) == 10 })
		if got := e.Seqs(1); !slices.Equal(got, sequence(first, first+9)) {
			t.Errorf("round %d: heard %v", round, got)
		}
		server.RestartEmpty()
		e.Until("a reset", func() bool { return len(e.Resets) == round+2 })
		e.Lock()
		if last, before := e.Resets[round+1], e.Resets[round]; last.Epoch == before.Epoch || last.Offset != 0 {
			t.Errorf("reset to %v after %v, want another epoch", last, before)
		}
		e.Unlock()
	}
}

// A flush leaves connections and subscriptions alive: only the beat tells of it.
func TestRedisFlushed(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, Options{})
	e := r.listen()
	r.publish(goals(1, 1, 3)...)
	e.Until("three events", func() bool { return len(e.Events) == 3 })
	server.FlushAll()
	e.Until("a reset", func() bool { return len(e.Resets) == 2 })
	r.publishAll(goals(1, 4, 4)...)
	e.Until("the next event", func() bool { return len(e.Events) == 1 })
	server.FlushAll()
	r.publishAll(goals(1, 5, 6)...)
	e.Until("two events of the third epoch", func() bool { return len(e.Resets) == 3 && len(e.Events) == 2 })
}

func TestMissedMessagesAreRepaired(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, Options{})
	e := r.listen()
	// What comes during the start is read with the history, and missed by nobody.
	e.Until("the start to be over", func() bool { return slices.Equal(e.Stales, []bool{false}) })
	var seq int64
	killed := 0 // of ten times, since the listener may be between two connections
	for range 10 {
		r.publish(goals(1, seq+1, seq+5)...)
		killed += server.KillSubscribers()
		r.publish(goals(1, seq+6, seq+20)...)
		seq += 20
	}
	e.Until("all events", func() bool { return len(e.Events) == int(seq) })
	if got := e.Seqs(1); !slices.Equal(got, sequence(1, seq)) || len(e.Resets) != 1 {
		t.Errorf("heard %v with resets %v", got, e.Resets)
	}
	if killed == 0 {
		t.Error("no connection was killed")
	}
}

// A message that never comes, on a connection that lives: the next event shows the gap, and if
// there is none, the beat does.
func TestLostMessageIsRepairedBehindTheNextSign(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, Options{})
		e := r.listen()
		silent := New(r.redis, Options{}, testLog(t), nil)
		quiet := strings.NewReplacer(`redis.call(ARGV[3], ARGV[2], 'e '`,
			`redis.call('ECHO', 'e '`).Replace(publishScript)
		if quiet == publishScript {
			t.Fatal("the script has changed")
		}
		silent.scripts.publish = redis.NewScript(quiet)
		lose := func(events ...goalcast.Event) {
			t.Helper()
			if err := silent.PublishAll(t.Context(), events); err != nil {
				t.Fatal(err)
			}
		}
		lose(goals(1, 1, 2)...)
		r.publish(goals(1, 3, 3)...)
		e.Until("behind an event", func() bool { return len(e.Events) == 3 })
		lose(goals(1, 4, 5)...)
		e.Until("behind a beat", func() bool { return len(e.Events) == 5 })
		if got := e.Seqs(1); !slices.Equal(got, sequence(1, 5)) || len(e.Resets) != 1 {
			t.Errorf("heard %v with resets %v", got, e.Resets)
		}
		// A repair is counted once its last event has been delivered.
		e.Until("two gaps counted as repaired", func() bool { return testutil.ToFloat64(r.bus.metrics.gaps) >= 2 })
	})
}

func TestSilenceIsTold(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, Options{})
	e := r.listen()
	r.publish(goals(1, 1, 1)...)
	e.Until("an event", func() bool { return len(e.Events) == 1 })
	start := time.Now()
	server.Pause(10 * time.Second) // long, so that a slow machine sees the silence too
	e.Until("stale", func() bool { return slices.Equal(e.Stales, []bool{false, true}) })
	if d := time.Since(start); d < time.Second {
		t.Errorf("told after %v, want about 3 s", d)
	}
	if testutil.ToFloat64(r.bus.metrics.stale) != 1 {
		t.Error("the gauge does not say stale")
	}
	e.Until("fresh", func() bool { return slices.Equal(e.Stales, []bool{false, true, false}) })
	r.insist(goals(1, 2, 3)...)
	e.Until("all events", func() bool { return len(e.Events) == 3 })
	if len(e.Resets) != 1 {
		t.Errorf("resets %v, want only the first: nothing was lost", e.Resets)
	}
}

func TestRedisAwayAtTheStart(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	server.Stop()
	r := newRig(t, server.URL, Options{StaleAfter: 500 * time.Millisecond, Heartbeat: 100 * time.Millisecond})
	if _, _, err := r.bus.Publish(t.Context(), goals(1, 1, 1)); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("publish = %v, want ErrUnavailable", err)
	}
	e := bustest.Record(t, r.bus.Listen)
	e.Until("stale", func() bool { return slices.Equal(e.Stales, []bool{true}) })
	server.Start()
	e.Until("fresh", func() bool { return slices.Equal(e.Stales, []bool{true, false}) })
	r.insist(goals(1, 1, 1)...)
	e.Until("the event", func() bool { return len(e.Events) == 1 })
}

// Who was away for longer than the stream reaches gets a reset, and what is left.
func TestTrimmedStreamResets(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, Options{StreamLength: 50})
	e := r.listen()
	r.publish(goals(1, 1, 10)...)
	e.Until("ten events", func() bool { return len(e.Events) == 10 })
	// Redis trims whole nodes of 100 entries. While the listener is busy its connection is killed,
	// and the stream runs away.
	e.Lock()
	r.publish(goals(1, 11, 12)...)
	server.KillSubscribers()
	r.publish(goals(1, 13, 1000)...)
	e.Unlock()
	e.Until("the newest event", func() bool { return len(e.Events) > 0 && e.Events[len(e.Events)-1].Seq == 1000 })
	if len(e.Resets) != 2 || e.Resets[0].Epoch != e.Resets[1].Epoch || e.Resets[1].Offset < 12 {
		t.Errorf("resets %v, want a second one of the same epoch", e.Resets)
	}
}

// A failover to a replica that lacks the newest events: the offsets are given to other events. The
// past has changed, and the epoch must too.
func TestBusThatWentBackInTime(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		for _, tt := range []struct {
			name string
			more int64 // events published after the failover, before anybody can notice
		}{{"fewer", 0}, {"as many", 2}, {"more", 5}} {
			t.Run(tt.name, func(t *testing.T) {
				r := newRig(t, url, Options{Prefix: "back-" + strings.ReplaceAll(tt.name, " ", "-")})
				e := r.listen()
				r.publish(goals(1, 1, 10)...)
				e.Until("ten events", func() bool { return len(e.Events) == 10 })
				// What a replica would have that is two events behind.
				back := `redis.call('XTRIM', KEYS[2], 'MAXLEN', 0)
					redis.call('DEL', KEYS[2])
					for i = 1, 8 do redis.call('XADD', KEYS[2], i .. '-0', 'e', ARGV[i]) end
					redis.call('HSET', KEYS[1], 'offset', '8')
					return 1`
				var args []any
				for _, ev := range goals(1, 1, 8) {
					body, err := encode(ev)
					if err != nil {
						t.Fatal(err)
					}
					args = append(args, body)
				}
				if err := redis.NewScript(back).Run(t.Context(), r.redis.client, r.bus.headKeys(),
					args...).Err(); err != nil {
					t.Fatal(err)
				}
				if tt.more > 0 {
					r.publish(goals(1, 11, 10+tt.more)...)
				}
				e.Until("a reset", func() bool { return len(e.Resets) == 2 })
				if e.Resets[0].Epoch == e.Resets[1].Epoch {
					t.Errorf("resets %v, want another epoch", e.Resets)
				}
				r.publish(goals(1, 11+tt.more, 12+tt.more)...)
				e.Until("what comes next", func() bool {
					return len(e.Events) >= 2 &&
						e.Events[len(e.Events)-1].Seq == 12+tt.more
				})
			})
		}
	})
}
