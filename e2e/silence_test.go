package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store/bus"
)

// witness is a viewer who keeps what one connection told it, in short words.
type witness struct {
	*viewer
	mu        sync.Mutex
	heard     []string
	snapshots int
}

func (w *witness) note(f goalcast.Frame, _ []byte) {
	word := string(f.Type)
	switch {
	case f.Event != nil:
		word = strings.TrimPrefix(f.Event.ID, "message:")
	case f.Stale != nil:
		word = fmt.Sprint("stale ", *f.Stale)
	case f.State != nil && f.State.Key == goalcast.GateKey:
		return
	case f.State != nil:
		word = fmt.Sprint("version ", f.State.Version)
	case f.Type == goalcast.FramePong:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.Type == goalcast.FrameSnapshot {
		w.snapshots++
		return
	}
	w.heard = append(w.heard, word)
}

func (w *witness) words() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Sprintf("%d snapshots, %s", w.snapshots, strings.Join(w.heard, ", "))
}

// told lists the messages that came, and says how often and what was heard last of
// the given kinds of word.
func (w *witness) told() (messages []string, resets int, stale string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, word := range w.heard {
		switch {
		case strings.HasPrefix(word, "rolling-"):
			messages = append(messages, word)
		case word == string(goalcast.FrameReset):
			resets++
		case strings.HasPrefix(word, "stale "):
			stale = word
		}
	}
	return messages, resets, stale
}

// crowd is viewers who stay on one connection each: one that connected again would have
// heard a second hello.
type crowd struct {
	t         *testing.T
	witnesses []*witness
}

// audience follows match 1 and the prices of so many matches, half of it over WebSockets and
// half over event streams.
func audience(t *testing.T, base string, viewers, topics int) crowd {
	t.Helper()
	list := []goalcast.Topic{goalcast.ForMatch(1)}
	for n := range topics {
		list = append(list, goalcast.ForOdds(goalcast.MatchID(1+n)))
	}
	c := crowd{t: t}
	for i := range viewers {
		w := &witness{viewer: newViewer(t, base, []transport{overWebSocket, overSSE}[i%2], list...)}
		w.Also = w.note
		w.Join()
		c.witnesses = append(c.witnesses, w)
	}
	return c
}

// wait waits until the check finds everybody well.
func (c crowd) wait(what string, check func(*witness) error) {
	c.t.Helper()
	waitFor(c.t, 60*time.Second, what, func() error {
		for i, w := range c.witnesses {
			if _, _, problem := w.State(0); problem != nil || w.Hellos() > 1 {
				c.t.Fatalf("viewer %d: %v; heard %s; want one connection", i, problem, w.words())
			}
			if err := check(w); err != nil {
				return fmt.Errorf("viewer %d: %w", i, err)
			}
		}
		return nil
	})
}

// heard waits until everybody has heard just that.
func (c crowd) heard(what, want string) {
	c.t.Helper()
	c.wait(what, func(w *witness) error {
		if got := w.words(); got != want {
			return fmt.Errorf("heard %s; want %s", got, want)
		}
		return nil
	})
}

// TestRedisPausedOrKilled: viewers stay and are told of the silence; what is said meanwhile reaches
// each once when Redis is back, with its memory or without.
func TestRedisPausedOrKilled(t *testing.T) {
	const viewers, topics = 20, 30
	for _, tt := range []struct {
		name       string
		begin, end func(*testservers.RedisServer)
		resets     int
	}{
		{"paused", func(r *testservers.RedisServer) { r.Pause(8 * time.Second) }, func(*testservers.RedisServer) {}, 0},
		{"killed", (*testservers.RedisServer).Stop, (*testservers.RedisServer).Start, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			redis := testservers.NewRedis(t)
			env := common.with("GOALCAST_DATABASE_URL="+testservers.Postgres(t), "GOALCAST_REDIS_URL="+redis.URL)
			source := start(t, env, "serve", "--roles=ingest,rest")
			if err := source.tell(0); err != nil { // the stream exists
				t.Fatal(err)
			}
			node := start(t, env, "serve", "--roles=hub")
			all := audience(t, node.public, viewers, topics)
			all.heard("everybody to have joined", fmt.Sprint(1+topics, " snapshots, hello"))
			before := 0
			if tt.resets == 0 { // a Redis that is restarted counts from the beginning
				before = redis.Calls("subscribe")
			}

			tt.begin(redis)
			all.wait("everybody to be told", func(w *witness) error {
				if _, _, stale := w.told(); stale != "stale true" {
					return fmt.Errorf("heard %s", w.words())
				}
				return nil
			})
			if silence := node.silence(t); silence > 5*time.Second { // 3 are promised; the machine may be busy
				t.Errorf("told after %v", silence)
			}
			have := func(want ...string) {
				t.Helper()
				all.wait(fmt.Sprint("everybody to have ", want), func(w *witness) error {
					if messages, resets, stale := w.told(); !slices.Equal(messages, want) || resets != tt.resets ||
						stale != "stale false" {
						return fmt.Errorf("heard %s", w.words())
					}
					return nil
				})
			}
			if err := source.tell(1); err != nil { // it is saved
				t.Fatal(err)
			}
			tt.end(redis)
			node.waitReady()
			have("rolling-1")
			if err := source.tell(2); err != nil {
				t.Fatal(err)
			}
			have("rolling-1", "rolling-2")
			// Two for the hub, one for the other process; each may have been tried twice.
			if again := redis.Calls("subscribe") - before; again > 2*3 {
				t.Errorf("%d subscriptions after the silence", again)
			}
			if n := node.metric("goalcast_hub_handshakes_total"); n != viewers {
				t.Errorf("%v handshakes of %d viewers", n, viewers)
			}
		})
	}
}

// pricer puts prices of match 1 on the bus.
func pricer(t *testing.T, url string) func(version int64) {
	t.Helper()
	redis, err := bus.OpenRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	b := bus.New(redis, bus.Options{}, slog.New(slog.DiscardHandler), nil)
	var gate int64
	return func(version int64) {
		t.Helper()
		topic := goalcast.ForOdds(1)
		step := goalcast.OddsStep{Topic: topic, Fence: 1, Gate: gate, Set: &goalcast.Gate{State: goalcast.GateOpen},
			Prices: []goalcast.State{{Topic: topic, Key: "1x2", Version: version,
				Value: json.RawMessage(`{"price":2350}`)}}}
		for {
			done, err := b.PublishOdds(t.Context(), time.Now(), []goalcast.OddsStep{step})
			if err != nil {
				t.Fatal(err)
			}
			if gate = done[0].Gate; done[0].Outcome == goalcast.OddsPublished {
				return
			}
			step.Gate = gate // Redis was emptied meanwhile
		}
	}
}

// silence is how long, by the process's own account, the bus was silent when viewers were told.
func (p *process) silence(t *testing.T) time.Duration {
	t.Helper()
	for line := range strings.Lines(p.log.String()) {
		var l struct {
			Msg string
			For time.Duration
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Msg == "the bus is silent" {
			return l.For
		}
	}
	t.Fatal(errors.New("the log says nothing of a silent bus"))
	return 0
}
