package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store"
)

// witness keeps what one connection was told, in short words.
type witness struct {
	mu        sync.Mutex
	heard     []string
	snapshots int
}

func (w *witness) frame(_ string, text []byte) {
	f, err := decodeFrame(text)
	word := f.Type
	switch {
	case err != nil:
		word = err.Error()
	case f.Event != nil:
		word = strings.TrimPrefix(f.Event.ID, "message:")
	case f.Stale != nil:
		word = fmt.Sprint("stale ", *f.Stale)
	case f.State != nil:
		word = fmt.Sprint("version ", f.State.Version)
	case f.Type == goalcast.FramePong:
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if word == goalcast.FrameSnapshot {
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

// audience has viewers of match 1 and its odds, over both transports, who stay on one connection each. All are to hear the same.
func audience(t *testing.T, base string, viewers, topics int) (all func(what, want string)) {
	t.Helper()
	list := []string{"match:1"}
	for n := range topics {
		list = append(list, fmt.Sprint("odds:", 1+n))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	t.Cleanup(func() { cancel(); watching.Wait() })
	witnesses := make([]*witness, viewers)
	for i := range witnesses {
		w := &witness{}
		witnesses[i] = w
		over := []transport{overWebSocket, overSSE}[i%2]
		watching.Go(func() {
			err := over(ctx, base, strings.Join(list, ","), "", w.frame)
			if ctx.Err() == nil {
				t.Errorf("viewer %d was cut off: %v", i, err)
			}
		})
	}
	return func(what, want string) {
		t.Helper()
		waitFor(t, 60*time.Second, what, func() error {
			for i, w := range witnesses {
				if got := w.words(); got != want {
					return fmt.Errorf("viewer %d heard %s; want %s", i, got, want)
				}
			}
			return nil
		})
	}
}

// TestNetworkCut has Redis on another machine and loses the network between it and a hub: nothing says so, packets are just gone. Viewers are told
// within 3 s and stay; what is published meanwhile reaches them in order when the network is back, and Redis sees two subscriptions, not one for each viewer.
func TestNetworkCut(t *testing.T) {
	const viewers, topics, toHub, toSource = 20, 30, 0, 1
	redis := testservers.NewRemoteRedis(t, 2)
	env := []string{"GOALCAST_ADMIN_TOKENS=operator=" + operatorToken, "GOALCAST_DATABASE_URL=" + testservers.Postgres(t), "GOALCAST_DRAIN_TIME=100ms"}
	source := start(t, append(env, "GOALCAST_REDIS_URL="+redis.CableURL(toSource)), "serve", "--roles=ingest,rest")
	if err := source.tell(0); err != nil { // the stream exists
		t.Fatal(err)
	}
	price := pricer(t, redis.CableURL(toSource))
	node := start(t, append(env, "GOALCAST_REDIS_URL="+redis.CableURL(toHub)), "serve", "--roles=hub")
	all := audience(t, node.public, viewers, topics)
	joined := fmt.Sprint(1+topics, " snapshots, hello")
	all("everybody to have joined", joined)
	if err := source.tell(1); err != nil {
		t.Fatal(err)
	}
	all("the network to be whole", joined+", rolling-1")
	subscribed, let := redis.Calls("subscribe"), node.metric(t, "goalcast_hub_handshakes_total")

	redis.Cut(toHub)
	cut := joined + ", rolling-1, stale true"
	all("everybody to be told of the silence", cut)
	if why := node.readiness(); !strings.Contains(why, "503") || !strings.Contains(why, "silent") {
		t.Errorf("readiness while the network is cut: %s", why)
	}
	if silence := node.silence(t); silence > 5*time.Second { // 3 are promised; the machine may be busy
		t.Errorf("told after %v", silence)
	}
	published := ""
	for n := 2; n <= 31; n++ {
		if err := source.tell(n); err != nil {
			t.Fatal(err)
		}
		published += fmt.Sprint(", rolling-", n)
	}
	all("nothing to come", cut)

	redis.Mend(toHub)
	all("everybody to have all that was missed", cut+published+", stale false")
	node.waitReady()
	price(7)
	all("a price", cut+published+", stale false, version 7")
	if again := redis.Calls("subscribe") - subscribed; again < 2 || again > 2+2 { // one for events, one for all prices; each may be tried again
		t.Errorf("%d subscriptions after the cut, want one for events and one for states", again)
	}
	if more := node.metric(t, "goalcast_hub_handshakes_total") - let; more != 0 {
		t.Errorf("%v viewers came anew", more)
	}
}

// pricer puts prices of match 1 on the bus.
func pricer(t *testing.T, url string) func(version int64) {
	t.Helper()
	redis, err := store.OpenRedis(t.Context(), url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Close() })
	bus := store.NewBus(redis, store.BusOptions{}, slog.New(slog.DiscardHandler), nil)
	return func(version int64) {
		t.Helper()
		one := goalcast.State{Topic: goalcast.ForOdds(1), Key: "1x2/home", Version: version, Value: json.RawMessage(`{"price":2350}`)}
		if err := bus.SetState(t.Context(), []goalcast.State{one}); err != nil {
			t.Fatal(err)
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
