package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast/internal/testservers"
)

// house is goalcast as a bank runs it: several processes of several roles behind an HAProxy, on a
// Redis and a PostgreSQL with a replica each. All of it can be broken.
type house struct {
	t        *testing.T
	redis    *testservers.RedisPair
	postgres *testservers.PostgresPair
	env      settings
	front    *testservers.HAProxy
	posts    []*post
	launched int // processes so far
}

// post is a place in the house: which roles are played there, and by which process now.
type post struct {
	roles string
	*process
	name string // of the process, at HAProxy
}

func (p *post) has(role string) bool { return slices.Contains(strings.Split(p.roles, ","), role) }

// houseSecret is of all providers.
const houseSecret = "secret-of-all-feeds-in-this-test"

// fronted are the roles that are asked from outside, which are HAProxy's backends.
var fronted = []string{"ingest", "hub", "rest", "odds"}

// newHouse starts it all.
func newHouse(t *testing.T, places []place, more ...string) *house {
	t.Helper()
	h := &house{t: t, redis: testservers.NewRedisPair(t), postgres: testservers.NewPostgresPair(t)}
	h.env = common.with("GOALCAST_DATABASE_URL="+h.postgres.FarURL(), "GOALCAST_REDIS_URL="+h.redis.URL,
		"GOALCAST_DRAIN_TIME=2s", "GOALCAST_TRUSTED_PROXIES=127.0.0.0/8", "GOALCAST_FEEDS_OPEN=false",
		"GOALCAST_FEED_SECRETS=opta="+houseSecret+",wsc="+houseSecret+",odds="+houseSecret).with(more...)
	// Its servers come and go by the runtime API, as processes do.
	h.front = testservers.HAProxyOf(t, haproxyConfig, nil, map[string]string{
		"\n\tmaxconn 2000\n": "\n\tmaxconn 9800\n"})
	for _, place := range places {
		for range place.Count {
			h.posts = append(h.posts, &post{roles: place.Roles})
		}
	}
	for _, p := range h.posts {
		h.launch(p)
	}
	for _, p := range h.posts {
		h.enlist(p)
	}
	return h
}

// launch has a new process take the place.
func (h *house) launch(p *post) {
	h.t.Helper()
	h.launched++
	p.name = fmt.Sprint("p", h.launched)
	p.process = launch(h.t, h.env, "serve", "--roles="+p.roles)
}

// enlist waits until the place's process is ready, and HAProxy knows of it and finds it so.
func (h *house) enlist(p *post) {
	h.t.Helper()
	p.waitReady()
	_, port, _ := strings.Cut(strings.TrimPrefix(p.admin, "http://"), ":")
	for _, role := range fronted {
		if !p.has(role) {
			continue
		}
		server := role + "/" + p.name
		for _, command := range []string{
			fmt.Sprintf("add server %s %s check port %s inter 200ms fall 1 rise 1", server,
				strings.TrimPrefix(p.public, "http://"), port),
			"enable health " + server, "enable server " + server,
		} {
			if answer := h.front.Do(command); answer != "" && !strings.Contains(answer, "registered") {
				h.t.Fatalf("%s: %s", command, answer)
			}
		}
		if role != "odds" { // of which only the one that holds the sources is asked
			waitServers(h.t, h.front, map[string]string{server: "UP"})
		}
	}
}

// lose kills the place's process, and has another take the place some seconds later.
func (h *house) lose(role string) {
	h.t.Helper()
	for _, p := range h.posts {
		if p.has(role) {
			p.kill()
			time.Sleep(2 * time.Second) // until somebody notices: the others do the work
			h.launch(p)
			h.enlist(p)
			return
		}
	}
	h.t.Fatalf("nobody is %s", role)
}

// deploy replaces all processes, one place after the other: the new one is ready before the old
// one is asked to leave.
func (h *house) deploy() {
	h.t.Helper()
	for _, p := range h.posts {
		old := p.process
		h.launch(p)
		h.enlist(p)
		old.stop(time.Minute)
	}
}

// silence says after how long each hub was not ready, from now on until ctx ends; hubs that were
// ready all the time are not in it.
func (h *house) silence(ctx context.Context) (unready func() map[string]time.Duration) {
	began := time.Now()
	var mu sync.Mutex
	found := map[string]time.Duration{}
	var all sync.WaitGroup
	for _, p := range h.posts {
		if !p.has("hub") {
			continue
		}
		name, url := p.name, p.admin+"/readyz?role=hub"
		all.Go(func() {
			for ctx.Err() == nil {
				status, _, err := request(http.MethodGet, url, nil, nil)
				if err == nil && status == http.StatusServiceUnavailable {
					mu.Lock()
					defer mu.Unlock()
					found[name] = time.Since(began)
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	return func() map[string]time.Duration { all.Wait(); return found }
}
