package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
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

func TestBusKeepsOrderAndDropsRepeats(t *testing.T) {
	onRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, BusOptions{})
		early := r.listen()
		for seq := int64(1); seq <= 250; seq += 50 {
			r.publish(append(goals(1, seq, seq+49), goals(2, seq, seq+49)...)...)
			r.publish(goals(1, max(1, seq-20), seq+49)...) // again, all of them known
		}
		r.publish(message("message:1", `"a"`))
		r.publish(message("message:1", `"a"`))
		late := r.listenAnother()
		for _, e := range []*ear{early, late} {
			e.until("all events", func() bool { return len(e.events) >= 501 })
			for match := goalcast.MatchID(1); match <= 2; match++ {
				if got := e.seqs(match); !slices.Equal(got, sequence(1, 250)) {
					t.Errorf("match %d: %v", match, got)
				}
			}
			if len(e.events) != 501 || len(e.resets) != 1 || e.resets[0].Offset != 0 {
				t.Errorf("%d events and resets %v, want 501 and one", len(e.events), e.resets)
			}
		}
		if got := testutil.ToFloat64(r.bus.metrics.published); got != 501 {
			t.Errorf("published = %v, want 501", got)
		}
	})
}

// listenAnother listens as another process would.
func (r *rig) listenAnother() *ear {
	r.t.Helper()
	other := &rig{r.t, r.redis, NewBus(r.redis, r.bus.options, testLog(r.t), prometheus.NewRegistry())}
	return other.listen()
}

func TestBusRefusesHoles(t *testing.T) {
	onRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, BusOptions{})
		e := r.listen()
		r.publish(goals(1, 5, 6)...) // nothing is known of the match: taken
		var hole *HoleError
		if err := r.bus.Publish(t.Context(), append(goals(1, 8, 9), goals(2, 1, 1)...)); !errors.As(err, &hole) || hole.Event.Seq != 8 {
			t.Errorf("publish 8 after 6 = %v, want a hole at 8", err)
		}
		if answers, err := r.bus.publishAll(t.Context(), goals(3, 2, 2), modeStrict); err != nil || answers[0] != answerHole {
			t.Errorf("publish 2 of an unknown match, strictly = %v, %v; want a hole", answers, err)
		}
		r.publish(goals(1, 7, 9)...)
		e.until("5 of match 1, 1 of match 2", func() bool { return len(e.events) == 6 })
		if got := e.seqs(1); !slices.Equal(got, sequence(5, 9)) {
			t.Errorf("heard %v, want 5 to 9", got)
		}
	})
}

func TestBusHandsOutHistory(t *testing.T) {
	onRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, BusOptions{History: 700})
		r.publish(goals(1, 1, 1500)...)
		e := r.listen()
		if got := e.seqs(1); !slices.Equal(got, sequence(801, 1500)) {
			t.Errorf("heard %d events, want 801 to 1500", len(got))
		}
		if got := testutil.ToFloat64(r.bus.metrics.gaps); got != 0 {
			t.Errorf("gaps = %v, want none: history is no gap", got)
		}
		r.publish(goals(1, 1501, 1501)...)
		e.until("the next one", func() bool { return len(e.events) == 701 })
	})
}

func TestListenEndsCleanly(t *testing.T) {
	r := newRig(t, testservers.Redis(t), BusOptions{})
	e := r.listen()
	if err := r.bus.Listen(t.Context(), e); err == nil {
		t.Error("two listen at once")
	}
}

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
	if len(e.resets) == 1 {
		t.Skip("the messages came before the connection was killed")
	}
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

func oddsOf(match goalcast.MatchID, key string, version int64) goalcast.State {
	return goalcast.State{Topic: goalcast.ForOdds(match), Key: key, Version: version, Value: fmt.Appendf(nil, "{\"price\":\n%d}", version)}
}

func (r *rig) set(states ...goalcast.State) {
	r.t.Helper()
	if err := r.bus.SetState(r.t.Context(), states); err != nil {
		r.t.Fatal(err)
	}
}

func TestStatesOfFollowedTopics(t *testing.T) {
	onRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, BusOptions{})
		e := r.listen()
		r.set(oddsOf(1, "home", 10), oddsOf(1, "away", 10), oddsOf(2, "home", 10))
		r.set(oddsOf(1, "home", 9)) // late: nothing
		topic := goalcast.ForOdds(1)
		got, err := r.bus.Follow(t.Context(), topic)
		if err != nil || len(got) != 2 || got[0].Key != "away" || got[1].Version != 10 {
			t.Errorf("follow = %+v, %v", got, err)
		}
		if err := r.bus.SetState(t.Context(), []goalcast.State{oddsOf(1, "x", -1)}); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("negative version: %v", err)
		}
		big := int64(1)<<62 + 1
		r.set(oddsOf(1, "home", big), oddsOf(1, "draw", 11), oddsOf(2, "home", 11))
		r.set(oddsOf(1, "home", big-1))
		e.until("new values", func() bool {
			return e.states["odds:1/home"].Version == big && e.states["odds:1/draw"].Version == 11 && e.states["odds:1/away"].Version == 10
		})
		e.mu.Lock()
		if _, ok := e.states["odds:2/home"]; ok {
			t.Error("a state of a topic that nobody follows")
		}
		e.mu.Unlock()
		if _, err := r.bus.Follow(t.Context(), goalcast.ForOdds(2)); err != nil {
			t.Fatal(err)
		}
		r.bus.Unfollow(topic)
		r.set(oddsOf(1, "home", big+1))
		r.set(oddsOf(2, "home", 12)) // on the same way, after it
		e.until("the other topic", func() bool { return e.states["odds:2/home"].Version == 12 })
		e.mu.Lock()
		if v := e.states["odds:1/home"].Version; v != big {
			t.Errorf("version %d after Unfollow", v)
		}
		e.mu.Unlock()
	})
}

func TestStatesSurviveLostConnections(t *testing.T) {
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, BusOptions{})
	e := r.listen()
	for match := goalcast.MatchID(1); match <= 20; match++ {
		if _, err := r.bus.Follow(t.Context(), goalcast.ForOdds(match)); err != nil {
			t.Fatal(err)
		}
	}
	all := func(version int64) func() bool {
		return func() bool {
			for match := 1; match <= 20; match++ {
				if e.states[fmt.Sprintf("odds:%d/home", match)].Version < version {
					return false
				}
			}
			return true
		}
	}
	var version int64
	set := func() {
		version++
		for match := goalcast.MatchID(1); match <= 20; match++ {
			r.set(oddsOf(match, "home", version))
		}
	}
	for range 5 {
		set()
		server.KillSubscribers()
		set()
		e.until("the newest values", all(version))
	}
	server.RestartEmpty()
	e.until("a reset", func() bool { return len(e.resets) == 2 })
	set()
	e.until("values after the wipe", all(version))
}

func TestRedisURLs(t *testing.T) {
	for _, tt := range []struct {
		url  string
		good bool
	}{
		{"embedded", true},
		{"redis://user:secret@127.0.0.1:6379/2", true},
		{"rediss://127.0.0.1:6379", true},
		{"redis+sentinel://:secret@a:26379,b:26379/main?db=2&tls=true", true},
		{"redis+cluster://a:7000,b:7001?tls=true", true},
		{"redis+sentinel://a:26379/", false},
		{"redis+sentinel://a/main", false},
		{"redis+sentinel://a:1/main?db=secret", false},
		{"redis+cluster://a:7000?tls=perhaps", false},
		{"redis://user:secret@a:b:c", false},
		{"memcached://a", false},
		{"", false},
	} {
		r, err := OpenRedis(t.Context(), tt.url, testLog(t))
		if (err == nil) != tt.good {
			t.Errorf("OpenRedis(%q) = %v", tt.url, err)
		}
		if err == nil {
			r.Close()
		} else if strings.Contains(err.Error(), "user:secret") {
			t.Errorf("OpenRedis(%q): the error shows the password: %v", tt.url, err)
		}
	}
}

func TestEmbeddedKeysExpire(t *testing.T) {
	r := newRig(t, "embedded", BusOptions{})
	if err := r.redis.client.Set(t.Context(), "x", 1, 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(patience)
	for r.redis.client.Exists(t.Context(), "x").Val() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("the key is still there")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
