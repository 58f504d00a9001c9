package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// standing is something that deploy/ has to stand in front of goalcast.
type standing struct {
	start func(tb testing.TB, behind testservers.Behind) (base string)
	keeps bool // answers, as long as goalcast says
}

func (p *process) behind() testservers.Behind {
	return testservers.Behind{Public: p.public, Admin: p.admin}
}

var fronts = map[string]standing{
	"nginx": {keeps: true, start: func(tb testing.TB, behind testservers.Behind) string {
		return testservers.NginxOf(tb, "../deploy/nginx/nginx.conf", behind.Public)
	}},
	"varnish": {keeps: true, start: func(tb testing.TB, behind testservers.Behind) string {
		return testservers.VarnishOf(tb, "../deploy/varnish/goalcast.vcl", behind.Public)
	}},
	"haproxy": {start: func(tb testing.TB, behind testservers.Behind) string {
		one := []testservers.Behind{behind}
		h := testservers.HAProxyOf(tb, haproxyConfig, map[string][]testservers.Behind{"hub-blue": one, "rest-blue": one,
			"ingest-blue": one, "odds-blue": one}, nil)
		return h.URL
	}},
}

// through sends a request with headers, "Name: value" in turns, and expects a status.
func through(t *testing.T, want int, url string, headers ...string) (http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		t.Fatalf("%s: %s, want %d; %v\n%s", url, res.Status, want, err, tail(string(body), 500))
	}
	return res.Header, body
}

// What stands in front passes everything on, keeps what may be kept for as long as it may be, and
// goes on with it when goalcast is away.
func TestFronts(t *testing.T) {
	t.Parallel()
	for name, f := range fronts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testFront(t, f)
		})
	}
}

func testFront(t *testing.T, f standing) {
	const secret = "secret-of-the-json-feed-in-this-test"
	p := start(t, onFile(t, "GOALCAST_TRUSTED_PROXIES=127.0.0.0/8", "GOALCAST_FEEDS_OPEN=false",
		"GOALCAST_FEED_SECRETS=json="+secret), "serve")
	base := f.start(t, p.behind())
	post := func(goals int) {
		t.Helper()
		status, text := ask(t, http.MethodPost, base+"/feeds/json?wait=30s", bearer(secret), jsonMatch(goals, goals))
		if status != http.StatusOK {
			t.Fatal(status, text)
		}
	}
	post(8) // so many that packing is worth it
	const match = 9000000001
	url := fmt.Sprintf("%s/v1/matches/%d", base, match)

	told := map[*viewer]int{} // events so far
	for _, name := range slices.Sorted(maps.Keys(transports)) {
		v := newViewer(t, base, transports[name], goalcast.ForMatch(match))
		v.join()
		told[v] = v.events()
	}

	// one form for all who take it, however they write that; another for others
	h, whole := through(t, http.StatusOK, url)
	if h.Get("Content-Encoding") != "" || !json.Valid(whole) {
		t.Errorf("asked for identity: %v %.100s", h, whole)
	}
	served := func(accept string) (kept bool) {
		h, _ := through(t, http.StatusOK, url, "Accept-Encoding", accept)
		if h.Get("Content-Encoding") != "br" || h.Get("Vary") == "" {
			t.Errorf("%q: %v", accept, h)
		}
		return h.Get("X-Cache-Status") != "MISS"
	}
	// A second is short where the machine is slow: of several tries one falls into it.
	waitFor(t, 30*time.Second, "an answer to be kept", func() error {
		if served("gzip, deflate, br, zstd"); !served("br;q=0.9, *;q=0.1") && f.keeps {
			return errors.New("asked goalcast twice")
		}
		return nil
	})
	if h, _ := through(t, http.StatusOK, url, "Accept-Encoding", "br;q=0"); h.Get("Content-Encoding") != "" {
		t.Errorf("who refuses br gets %v", h)
	}
	tag := h.Get("ETag")
	through(t, http.StatusNotModified, url, "If-None-Match", tag)

	// what is one person's own passes by
	requests := func() float64 { return p.metric("goalcast_rest_request_seconds_count", `route="/v1/matches/{id}"`) }
	const anna, bram = "b0Yt3q9Zc1-Lm_Q7xW5vR2sK8dJ4hG6f", "Zk8fT2nQ5wX1cV7bN3mL9pR4sD6gH0jY"
	before := requests()
	for range 3 {
		through(t, http.StatusOK, url, "Authorization", "Bearer "+anna)
	}
	if asked := requests() - before; asked < 3 {
		t.Errorf("of 3 requests with a token goalcast saw %v", asked)
	}
	follow, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, base+"/v1/me/follows/match:9000000001", nil)
	follow.Header.Set("Authorization", "Bearer "+anna)
	res, err := http.DefaultClient.Do(follow)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatal(res, err)
	}
	_ = res.Body.Close()
	_, annas := through(t, http.StatusOK, base+"/v1/me/follows", "Authorization", "Bearer "+anna)
	_, brams := through(t, http.StatusOK, base+"/v1/me/follows", "Authorization", "Bearer "+bram)
	if !bytes.Contains(annas, []byte("match:9000000001")) || bytes.Contains(brams, []byte("match:9000000001")) {
		t.Errorf("follows of one %s, of the other %s", annas, brams)
	}
	through(t, http.StatusNotFound, base+"/admin/documents", "Authorization", "Bearer "+operatorToken)

	// a goal: to viewers at once, in the snapshot when its second is over
	post(9)
	for v := range told {
		waitFor(t, 30*time.Second, "the goal", func() error {
			if n := v.events(); n == told[v] {
				return errors.New("not told")
			}
			return nil
		})
	}
	score := func() error {
		_, text := through(t, http.StatusOK, url)
		var s goalcast.Snapshot
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		if s.Score.Home != 9 {
			return fmt.Errorf("score %v", s.Score)
		}
		return nil
	}
	waitFor(t, 30*time.Second, "the goal in the snapshot", score)

	if !f.keeps {
		return
	}
	// goalcast away
	p.kill()
	waitFor(t, 60*time.Second, "the last score while goalcast is away", func() error {
		status, text, err := request(http.MethodGet, url, http.Header{"Accept-Encoding": {"identity"}}, nil)
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %v %s", status, err, text)
		}
		return nil
	})
	if err := score(); err != nil {
		t.Error(err)
	}
}

// Headers that a stranger sends do not change where goalcast thinks a request comes from.
func TestFrontsAreNotFooled(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []http.Header
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Header.Clone())
		w.Header().Set("Cache-Control", "no-store")
	}))
	t.Cleanup(behind.Close)
	for name, f := range fronts {
		base := f.start(t, testservers.Behind{Public: behind.URL, Admin: behind.URL})
		for _, path := range []string{"/v1/matches/1", "/v1/matches/1?lang=fr", "/v1/live", "/v1/me/follows"} {
			mu.Lock()
			asked = nil
			mu.Unlock()
			through(t, http.StatusOK, base+path, "X-Forwarded-For", "192.0.2.1",
				"Accept-Language", "nl-BE, nl;q=0.8, en")
			mu.Lock()
			for _, h := range asked {
				if h.Get("User-Agent") == "" {
					continue // Varnish's own question, whether we are there
				}
				if from := h.Get("X-Forwarded-For"); from != "127.0.0.1" {
					t.Errorf("%s: %s came from %q", name, path, from)
				}
				want, seen := map[string]string{"/v1/matches/1": "nl-BE", "/v1/matches/1?lang=fr": ""}[path]
				if !f.keeps {
					want = "nl-BE, nl;q=0.8, en" // it passes on what it does not keep answers by
				}
				if got := h.Get("Accept-Language"); seen && got != want {
					t.Errorf("%s: %s in %q, want %q", name, path, got, want)
				}
			}
			mu.Unlock()
		}
	}
}
