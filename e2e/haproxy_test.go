package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

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
