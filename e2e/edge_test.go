package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/loadtest/check"
	"goalcast/store/bus"
)

const edgeSecret = "secret-of-the-edge-in-this-test"

// lastingAddress is one that nobody listens on, for a process that comes back to it: its port is
// none that the kernel gives to others meanwhile.
func lastingAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(12_000))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return ""
}

// quote puts a price on the bus and vouches for it until the test ends.
func quote(t *testing.T, redis string, match goalcast.MatchID) {
	t.Helper()
	r, err := bus.OpenRedis(redis)
	if err != nil {
		t.Fatal(err)
	}
	b := bus.New(r, bus.Options{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	topic := goalcast.ForOdds(match)
	done, err := b.PublishOdds(t.Context(), time.Now(), []goalcast.OddsStep{{Topic: topic, Fence: 1,
		Set:    &goalcast.Gate{State: goalcast.GateOpen},
		Prices: []goalcast.State{{Topic: topic, Key: "1x2", Version: 1, Value: json.RawMessage(`2350`)}}}})
	if err != nil || done[0].Outcome != goalcast.OddsPublished {
		t.Fatal(done, err)
	}
	var beats sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); beats.Wait(); r.Close() })
	beats.Go(func() {
		for step := (goalcast.OddsStep{Topic: topic, Fence: 1, Gate: done[0].Gate}); ctx.Err() == nil; {
			_, _ = b.PublishOdds(ctx, time.Now(), []goalcast.OddsStep{step})
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}

// redisOf is the address of Redis in settings.
func redisOf(env settings) (url string) {
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, "GOALCAST_REDIS_URL="); ok {
			url = value
		}
	}
	return url
}

// TestEdgeOutlivesItsUpstream: feeds and Redis, a hub on them, an edge of that hub, viewers at the
// edge. The hub is killed, events are taken in elsewhere, the hub comes back: viewers lose nothing,
// get nothing twice, and never had to connect again. No price is shown meanwhile. A viewer takes
// its cursor from the edge to the hub and back.
func TestEdgeOutlivesItsUpstream(t *testing.T) {
	t.Parallel()
	const match goalcast.MatchID = 9000000001
	env := onServers(t, "GOALCAST_EDGE_SECRETS=partner="+edgeSecret)
	source := launch(t, env, "serve", "--roles=ingest,rest")
	address := lastingAddress(t)
	upstream := func() *process { return launch(t, env, "serve", "--roles=hub,rest", "--listen="+address) }
	hub := upstream()
	toHub := settings{"GOALCAST_UPSTREAM=http://" + address, "GOALCAST_UPSTREAM_SECRET=" + edgeSecret}
	edge := launch(t, toHub, "edge")
	stranger := launch(t, toHub.with("GOALCAST_UPSTREAM_SECRET=another-secret-than-that"), "edge")
	source.waitReady()
	hub.waitReady()
	edge.waitReady()
	post := func(document string) {
		t.Helper()
		status, text := ask(t, http.MethodPost, source.public+"/feeds/json", nil, document)
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
	}
	post(strings.ReplaceAll(jsonMatch(0, 0), fmt.Sprint(match), fmt.Sprint(pricedMatch)))
	quote(t, redisOf(env), pricedMatch)

	history, err := check.New("", check.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var viewers []*viewer
	for name, over := range transports {
		v := newRecorder(t, history, fmt.Sprint("at the edge over ", name), edge.public, over, goalcast.ForMatch(match),
			goalcast.ForTeam(9000000011))
		v.join()
		viewers = append(viewers, v)
	}
	prices := newViewer(t, edge.public, overWebSocket, goalcast.ForOdds(pricedMatch))
	prices.join()
	priced := func(want bool) {
		t.Helper()
		waitFor(t, time.Minute, fmt.Sprint("prices to be shown: ", want), func() error {
			if _, shown := prices.Shown(pricedMatch)["1x2"]; shown != want {
				return fmt.Errorf("shown: %t", shown)
			}
			return nil
		})
	}
	mover := newViewer(t, edge.public, overSSE, goalcast.ForMatch(match))
	mover.join()
	goals := 0
	score := func(n int) {
		t.Helper()
		for range n {
			goals++
			post(jsonMatch(goals, goals))
		}
	}
	told := func(all ...*viewer) {
		t.Helper()
		for _, v := range all {
			v.waitEvents(time.Minute, fmt.Sprint(goals, " goals"), func([]goalcast.Event) error {
				if _, s, _ := v.State(match); s.Score.Home != goals {
					return fmt.Errorf("%s: %+v", v.Name(), s.Score)
				}
				return nil
			})
		}
	}
	score(2)
	told(append(viewers, mover)...)
	priced(true)

	waitFor(t, time.Minute, "an edge with a wrong secret to be refused", func() error {
		if stranger.metric("goalcast_upstream_connects_total", `result="refused"`) == 0 ||
			hub.metric("goalcast_edge_refused_total", `reason="unauthorized"`) == 0 ||
			!strings.HasPrefix(stranger.readiness(), "503 ") {
			return errors.New(stranger.readiness())
		}
		return nil
	})
	stranger.kill()

	newViewer(t, edge.public, overWebSocket, goalcast.ForMatch(match)).join() // from here on the edge has the match
	mover.Cut()
	hub.kill()
	waitFor(t, time.Minute, "the edge to be not ready", func() error {
		if text := edge.readiness(); !strings.HasPrefix(text, "503 ") {
			return errors.New(text)
		}
		return nil
	})
	priced(false)
	score(3) // by the process that still runs
	source.waitFinished()
	late := newViewer(t, edge.public, overWebSocket, goalcast.ForMatch(match)) // it gets what is in memory
	late.join()
	viewers = append(viewers, late)

	hub = upstream()
	told(viewers...)
	priced(true)
	mover.Move(hub.public)
	mover.join()
	told(mover)
	score(1)
	told(append(viewers, mover)...)
	mover.Cut()
	score(1)
	mover.Move(edge.public)
	mover.join()
	told(append(viewers, mover)...)

	for _, v := range append(viewers, mover) {
		if err := v.Problem(); err != nil || v.Resets() != 0 {
			t.Errorf("%s: %d resets, %v", v.Name(), v.Resets(), err)
		}
		if hellos := v.Hellos(); v != mover && hellos != 1 && v.Name() != "at the edge over poll" {
			t.Errorf("%s connected %d times", v.Name(), hellos)
		}
	}
	for _, found := range history.Check() {
		t.Error(found)
	}
	status, known := ask(t, http.MethodGet, hub.public+"/edge/v1/known", bearer(edgeSecret), "")
	if status != http.StatusOK || !strings.Contains(known, "match:9000000001\n") || !strings.HasSuffix(known, "\n\n") {
		t.Errorf("what there is: %d %s", status, known)
	}
	var page struct{ ID goalcast.MatchID }
	if err := get(fmt.Sprintf("%s/v1/matches/%d", edge.public, match), nil, &page); err != nil || page.ID != match {
		t.Errorf("REST at the edge: %+v, %v", page, err)
	}
	for _, path := range []string{"bus", "matches/match:1", "told/1"} {
		status, text := ask(t, http.MethodGet, hub.public+"/edge/v1/"+path, nil, "")
		if status != http.StatusUnauthorized {
			t.Errorf("%s without a secret: %d %s", path, status, text)
		}
	}
}
