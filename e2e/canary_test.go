package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify/fcm/fcmtest"
)

// canarySecret is that of the canary's feed.
const canarySecret = "secret-of-the-canary-in-this-test"

// door is a front door: a balancer that knows which process has which role.
type door struct {
	*httptest.Server
	hub, ingest, rest atomic.Pointer[string]
}

func newDoor(t *testing.T) *door {
	d := &door{}
	d.Server = httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			to := &d.rest
			switch {
			case r.In.URL.Path == "/v1/live":
				to = &d.hub
			case strings.HasPrefix(r.In.URL.Path, "/feeds/"):
				to = &d.ingest
			}
			base := to.Load()
			if base == nil {
				none := "http://127.0.0.1:1"
				base = &none
			}
			if u, err := url.Parse(*base); err == nil {
				r.SetURL(u)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(d.Close)
	return d
}

// canaries are processes that take turns with the canary's match.
type canaries []*process

// seen is how many goals came on a way, and lost how many did not.
func (c canaries) seen(way string) float64 { return c.sum("goalcast_canary_seconds_count", way) }
func (c canaries) lost(way string) float64 { return c.sum("goalcast_canary_failures_total", way) }

func (c canaries) sum(metric, way string) (sum float64) {
	for _, p := range c {
		sum += p.metric(metric, `way="`+way+`"`)
	}
	return sum
}

// await waits until a count has gone up by two: one may have been under way.
func (c canaries) await(t *testing.T, what string, count func(string) float64, ways ...string) {
	t.Helper()
	before := map[string]float64{}
	for _, way := range ways {
		before[way] = count(way)
	}
	for _, way := range ways {
		waitFor(t, 90*time.Second, "goals "+what+" by "+way, func() error {
			if now := count(way); now < before[way]+2 {
				return fmt.Errorf("%v, then %v", before[way], now)
			}
			return nil
		})
	}
}

// The canary's goals come out on all ways of the public address. A way that is broken shows in its
// own figures only, and nobody else is shown anything of the match.
func TestCanaryMatch(t *testing.T) {
	t.Parallel()
	firebase := &fcmtest.Server{Project: "test"}
	fcm := httptest.NewServer(firebase)
	defer fcm.Close()
	front := newDoor(t)
	env := onServers(t, "GOALCAST_CANARY_URL="+front.URL, "GOALCAST_FEED_SECRETS=canary="+canarySecret,
		"GOALCAST_TEST_CANARY_EVERY=250ms", "GOALCAST_FCM_PROJECT=test", "GOALCAST_FCM_ENDPOINT="+fcm.URL+"/v1")
	// it takes no turn: with one, it would be waited for when it is killed
	hub := launch(t, env.with("GOALCAST_CANARY_URL="), "serve", "--roles=hub")
	ingest := launch(t, env, "serve", "--roles=ingest")
	other := launch(t, env, "serve", "--roles=rest,notify")
	for _, p := range []*process{hub, ingest, other} {
		p.waitReady()
	}
	front.hub.Store(&hub.public)
	front.ingest.Store(&ingest.public)
	front.rest.Store(&other.public)
	all := canaries{ingest, other}
	viewers := []string{"websocket", "sse", "poll"}
	all.await(t, "seen", all.seen, append(viewers, "post", "rest", "push")...)

	t.Run("nobody else is shown it", func(t *testing.T) { testCanaryIsHidden(t, env, front.URL, ingest, other) })

	for range 1000 {
		firebase.Fail(fcmtest.DryRun, fcmtest.NoPermission())
	}
	all.await(t, "lost", all.lost, "push")
	all.await(t, "seen", all.seen, viewers...)

	hub.kill()
	all.await(t, "lost", all.lost, viewers...)
	post, reads := all.lost("post"), all.lost("rest")
	all.await(t, "seen", all.seen, "post", "rest")
	if all.lost("post") != post || all.lost("rest") != reads {
		t.Error("without a hub, goals are lost that need none")
	}
	if n := strings.Count(other.log.String()+ingest.log.String(), `"way":"sse"`); n == 0 || n > 6 {
		t.Errorf("%d lines say that a stream is broken", n)
	}
}

func testCanaryIsHidden(t *testing.T, env settings, base string, ingest, other *process) {
	const id = "9007199254740991"
	day := time.Now().UTC().Format(time.DateOnly)
	for _, path := range []string{"/v1/matches", "/v1/matches?date=" + day, "/v1/search?q=canary", "/v1/competitions",
		"/v1/matches?state=scheduled"} {
		status, text := ask(t, http.MethodGet, base+path, nil, "")
		if status != http.StatusOK || strings.Contains(text, id) {
			t.Errorf("%s: %d %.300s", path, status, text)
		}
	}
	if status, text := ask(t, http.MethodGet, base+"/v1/oembed?url="+url.QueryEscape(base+"/v1/matches/"+id), nil,
		""); status != http.StatusNotFound {
		t.Errorf("an embed of it: %d %s", status, text)
	}
	m := other.match(goalcast.CanaryMatch)
	if len(m.Timeline) != 1 || m.Seq < 2 {
		t.Errorf("the match has %d events, seq %d", len(m.Timeline), m.Seq)
	}

	body := strings.ReplaceAll(jsonMatch(1, 1), "9000000001", id)
	if status, text := ask(t, http.MethodPost, ingest.public+"/feeds/json?wait=30s", nil,
		body); status != http.StatusUnprocessableEntity {
		t.Errorf("another feed tells of it: %d %s", status, text)
	}
	if status, _ := ask(t, http.MethodPost, base+"/feeds/canary", bearer("another secret, long enough"),
		`{"time":"2026-05-17T14:30:00Z"}`); status != http.StatusUnauthorized {
		t.Errorf("a stranger tells of it: %d", status)
	}

	db := openStore(t, env)
	if n, err := db.NumberEvents(t.Context(), 1000); err != nil || n > 0 {
		t.Errorf("partners are told of %d events: %v", n, err)
	}
	if n := other.metric("goalcast_notify_planned_total") + other.metric("goalcast_notify_sent_total"); n > 0 {
		t.Errorf("%v pushes of it", n)
	}
	before := time.Now().Add(time.Minute)
	if n, err := db.PruneCanary(t.Context(), before); err != nil || n == 0 {
		t.Errorf("%d events pruned: %v", n, err)
	}
	if _, err := db.Match(t.Context(), goalcast.CanaryMatch); err != nil {
		t.Error(errors.Join(errors.New("the match went with its events"), err))
	}
}
