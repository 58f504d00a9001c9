package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

const haproxyConfig = "../deploy/haproxy/haproxy.cfg"

// waitServers waits until the states of HAProxy's servers are as given: "hub/blue-1" is "UP",
// "DOWN" or "DRAIN".
func waitServers(t *testing.T, h *testservers.HAProxy, want map[string]string) {
	t.Helper()
	waitFor(t, time.Minute, fmt.Sprintf("servers to be %v", want), func() error {
		got := map[string]string{}
		for line := range strings.Lines(h.Do("show stat -1 4 -1")) { // all proxies, servers only
			if columns := strings.Split(line, ","); len(columns) > 17 {
				state, _, _ := strings.Cut(columns[17], " ") // "UP 1/2" is on its way down
				got[columns[0]+"/"+columns[1]] = state
			}
		}
		for name, state := range want {
			if got[name] != state {
				return fmt.Errorf("servers are %v", got)
			}
		}
		return nil
	})
}

// deploy/haproxy/haproxy.cfg sends each path to the processes that have its role and are ready, and
// nobody to the admin address.
func TestHAProxyAsksWhoIsReady(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("haproxy")
	if err == nil { // as it is, and not as tests have it
		out, err := exec.Command(program, "-c", "-f", haproxyConfig).CombinedOutput()
		expected := strings.Count(string(out), "server state file") // there is none yet
		if err != nil || strings.Contains(string(out), "ALERT") || strings.Count(string(out), "WARNING") > expected {
			t.Errorf("haproxy -c: %v\n%s", err, out)
		}
	}

	var mu sync.Mutex
	posts := 0
	// fake says whether it is ready, and its name to everybody else.
	fake := func(name string, status int, readiness string) testservers.Behind {
		public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				mu.Lock()
				posts++
				mu.Unlock()
				panic(http.ErrAbortHandler) // no answer: it may have been kept
			}
			_, _ = fmt.Fprint(w, name)
		}))
		t.Cleanup(public.Close)
		admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			role, _, _ := strings.Cut(name, "-")
			if r.URL.String() != "/readyz?role="+role {
				t.Errorf("%s was asked for %s", name, r.URL)
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, readiness)
		}))
		t.Cleanup(admin.Close)
		return testservers.Behind{Public: public.URL, Admin: admin.URL}
	}
	const (
		ready    = `{"ready":true,"roles":{"odds":{"ready":true}}}`
		degraded = `{"ready":true,"roles":{"odds":{"ready":true,"degraded":"another process holds the sources"}}}`
		notReady = `{"ready":false,"roles":{"odds":{"ready":false,"reason":"leaving"}}}`
	)
	behind, states := map[string][]testservers.Behind{}, map[string]string{}
	for _, role := range []string{"hub", "rest", "ingest", "odds"} {
		behind[role+"-blue"] = []testservers.Behind{fake(role+"-blue", http.StatusServiceUnavailable, notReady)}
		behind[role+"-green"] = []testservers.Behind{fake(role+"-green", http.StatusOK, ready)}
		states[role+"/blue-1"], states[role+"/green-1"] = "DOWN", "UP"
	}
	behind["odds-blue"] = append(behind["odds-blue"], fake("odds-blue", http.StatusOK, degraded))
	states["odds/blue-2"] = "DOWN" // though it is ready for everything else
	h := testservers.HAProxyOf(t, haproxyConfig, behind, nil)
	waitServers(t, h, states)
	for path, want := range map[string]string{
		"/v1/live?topics=all": "hub", "/v1/live/": "rest", "/v1/matches": "rest", "/": "rest", "/docs": "rest",
		"/feeds/odds": "odds", "/feeds/opta": "ingest", "/callbacks/brightcove/1": "ingest", "/metrics": "rest",
		"/admin/audit": "rest", "/feedsof": "rest",
	} {
		for range 3 {
			if _, got := through(t, http.StatusOK, h.URL+path); string(got) != want+"-green" {
				t.Errorf("%s went to %s, want %s-green", path, got, want)
			}
		}
	}
	// A document is sent once, whatever becomes of it.
	for _, path := range []string{"/feeds/opta", "/v1/me/follows/match:1"} {
		mu.Lock()
		posts = 0
		mu.Unlock()
		// Or no answer, on a connection that was used before: the client knows what is right.
		status, _, err := request(http.MethodPost, h.URL+path, nil, []byte("a document"))
		mu.Lock()
		if err == nil && status != http.StatusBadGateway || posts != 1 {
			t.Errorf("POST %s: %d, %v, sent %d times", path, status, err, posts)
		}
		mu.Unlock()
	}
}

// colours are hubs of two versions behind one HAProxy, and those who watch through it.
type colours struct {
	t       *testing.T
	front   *testservers.HAProxy
	blue    []*process
	green   []*process
	viewers []*fan
	stay    int // viewers over transports that stay connected

	mu   sync.Mutex
	byes int // goodbyes so far
}

// join adds a viewer who comes back through HAProxy whenever its connection ends, and must miss
// nothing and see nothing twice.
func (c *colours) join(transport string) {
	v := &fan{}
	v.viewer = newViewer(c.t, c.front.URL, transports[transport], goalcast.ForMatch(1))
	v.polls = transport == "poll"
	v.Also = func(f goalcast.Frame, text []byte) {
		if f.Type == goalcast.FrameBye {
			c.mu.Lock()
			c.byes++
			c.mu.Unlock()
		}
		v.take(f, text)
	}
	if !v.polls {
		c.stay++
	}
	c.viewers = append(c.viewers, v)
	v.join()
}

// all waits until that is true of all viewers, and fails the test if one has seen what it must not.
func (c *colours) all(what string, right func(offset uint64, played int) bool) {
	c.t.Helper()
	waitFor(c.t, time.Minute, what, func() error {
		for i, v := range c.viewers {
			joins, offset, played, problem := v.account()
			if problem != nil {
				c.t.Fatalf("viewer %d: %v", i, problem)
			}
			if !right(offset, played) {
				return fmt.Errorf("viewer %d: %d joins, offset %d, %d messages", i, joins, offset, played)
			}
		}
		return nil
	})
}

// moves waits until all have what was published after it was called: by whatever way they are
// connected now.
func (c *colours) moves(what string) {
	c.t.Helper()
	newest := uint64(0)
	for _, v := range c.viewers {
		_, offset, _, _ := v.account()
		newest = max(newest, offset)
	}
	c.all(what, func(offset uint64, _ int) bool { return offset > newest+5 })
}

// connected is how many viewers the hubs have over a transport.
func connected(transport string, hubs ...*process) (n int) {
	for _, p := range hubs {
		n += int(p.metric("goalcast_hub_connections", fmt.Sprintf("transport=%q", transport)))
	}
	return n
}

// TestDeployBehindHAProxy is the evening of docs/deploy.md. Viewers on all transports watch through
// HAProxy; it is reloaded while a hub drains; the worker before it ends in time; viewers are moved
// to hubs of another colour, back and forth. Nobody loses a message or gets one twice.
func TestDeployBehindHAProxy(t *testing.T) {
	t.Parallel()
	const drain = 2 * time.Second
	env := onServers(t, "GOALCAST_DRAIN_TIME="+drain.String())
	source := start(t, env, "serve", "--roles=ingest,rest")
	if err := source.tell(0); err != nil { // the stream exists
		t.Fatal(err)
	}
	c := &colours{t: t}
	behind := map[string][]testservers.Behind{}
	c.green = []*process{launch(t, env, "serve", "--roles=hub")}
	for range 2 {
		c.blue = append(c.blue, launch(t, env, "serve", "--roles=hub"))
	}
	for name, hubs := range map[string][]*process{"hub-blue": c.blue, "hub-green": c.green} {
		for _, hub := range hubs {
			hub.waitReady()
			behind[name] = append(behind[name], hub.behind())
		}
	}
	c.front = testservers.HAProxyOf(t, haproxyConfig, behind, map[string]string{
		"hard-stop-after 90s": "hard-stop-after 6s", "close-spread-time 60s": "close-spread-time 2s"})
	c.set("green", "drain")
	waitServers(t, c.front, map[string]string{"hub/blue-1": "UP", "hub/blue-2": "UP", "hub/green-1": "DRAIN"})
	for range 4 {
		for name := range transports {
			c.join(name)
		}
	}
	for _, hub := range c.blue {
		if connected("websocket", hub)+connected("sse", hub) == 0 {
			t.Error("nobody watches on one of the hubs")
		}
	}
	watching := len(c.viewers)
	stop := publishing(t, source)
	c.moves("all to watch")

	leaving := c.blue[1]
	if err := leaving.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	old := c.front.Reload()
	waitServers(t, c.front, map[string]string{"hub/green-1": "DRAIN"}) // as before it
	select {
	case <-leaving.done:
		if leaving.err != nil {
			t.Errorf("the hub ended with %v", leaving.err)
		}
	case <-time.After(drain + time.Minute):
		t.Fatal("the hub does not end")
	}
	c.mu.Lock()
	if c.byes == 0 {
		t.Error("nobody was said goodbye to by the hub that left while HAProxy was reloaded")
	}
	c.mu.Unlock()
	c.moves("all to watch after the reload")
	waitFor(t, time.Minute, "the worker before the reload to end", func() error {
		if now := c.front.Workers(); slices.ContainsFunc(old, func(pid int) bool { return slices.Contains(now, pid) }) {
			return fmt.Errorf("workers %v, before the reload %v", now, old)
		}
		return nil
	})
	c.moves("those to come back whom the worker cut")

	// Forth, back, and forth again; each time the next viewer shows where it goes.
	for _, to := range []string{"green", "blue", "green"} {
		from := map[string]string{"green": "blue", "blue": "green"}[to]
		c.set(to, "ready")
		waitServers(t, c.front, map[string]string{"hub/" + to + "-1": "UP"})
		c.set(from, "drain")
		hubs := map[string][]*process{"green": c.green, "blue": c.blue[:1]}
		before := connected("websocket", hubs[to]...)
		c.join("websocket")
		waitFor(t, time.Minute, "the next viewer to be on "+to, func() error { // counted a moment after hello
			if now := connected("websocket", hubs[to]...); now != before+1 {
				return fmt.Errorf("%d viewers, before it came %d", now, before)
			}
			return nil
		})
	}
	c.moves("all to watch on two colours")
	c.blue[0].stop(drain + time.Minute)
	waitFor(t, time.Minute, "all viewers to be on the new colour", func() error {
		if n := connected("websocket", c.green...) + connected("sse", c.green...); n != c.stay {
			return fmt.Errorf("%d of %d", n, c.stay)
		}
		return nil
	})
	played := stop()
	last := uint64(0) // the offset of the last message, by those who have had all
	c.all("all messages", func(offset uint64, n int) bool {
		if n == played {
			last = offset
		}
		return last > 0 && offset == last
	})
	for i, v := range c.viewers[:watching] {
		if _, _, n, problem := v.account(); n != played || problem != nil {
			t.Errorf("viewer %d: %d of %d messages, %v", i, n, played, problem)
		}
	}
	t.Logf("%d messages, %d goodbyes", played, c.byes)
}

// set changes what HAProxy does with the hubs of a colour.
func (c *colours) set(colour, state string) {
	c.t.Helper()
	for i := range map[string][]*process{"blue": c.blue, "green": c.green}[colour] {
		if answer := c.front.Do(fmt.Sprintf("set server hub/%s-%d state %s", colour, i+1, state)); answer != "" {
			c.t.Fatal(answer)
		}
	}
}
