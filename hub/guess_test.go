package hub_test

import (
	"net/http"
	"sync"
	"testing"

	"goalcast/hub"
	"goalcast/internal/ratelimit"
)

// poll asks for nothing in particular, from an address, with a token.
func poll(t *testing.T, n *node, address, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.web.URL+"?topics=match:1&wait=0s", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Test-Address", address)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// Whoever shows wrong tokens is soon not asked any more who he is, nor are his neighbours in one
// /64; all others are, and those that show none.
func TestWrongTokensAreLimited(t *testing.T) {
	n := start(t, newWorld(), hub.Config{Identity: people{&sync.Map{}},
		GuessRate: ratelimit.Rate{PerMinute: 1, Burst: 3},
		ClientIP:  func(r *http.Request) string { return r.Header.Get("X-Test-Address") }}, false)
	for i, want := range []int{401, 401, 401, 503, 503} {
		if got := poll(t, n, "2001:db8:1:2::1", "nobody"); got != want {
			t.Errorf("wrong token %d: %d, want %d", i, got, want)
		}
	}
	for _, tt := range []struct {
		address, token string
		want           int
	}{{"2001:db8:1:2:ffff::9", "fan", 503}, {"2001:db8:1:2::1", "", 200}, {"2001:db8:1:3::1", "fan", 200},
		{"203.0.113.9", "nobody", 401}} {
		if got := poll(t, n, tt.address, tt.token); got != tt.want {
			t.Errorf("%s with %q: %d, want %d", tt.address, tt.token, got, tt.want)
		}
	}
	if got := n.metric(t, "goalcast_hub_refused_total", "guesses"); got != 3 {
		t.Errorf("%v were refused as guesses", got)
	}
}

// The handshakes of one address are limited, where that is set.
func TestHandshakesOfAnAddressAreLimited(t *testing.T) {
	n := start(t, newWorld(), hub.Config{AddressRate: ratelimit.Rate{PerMinute: 1, Burst: 2},
		ClientIP: func(r *http.Request) string { return r.Header.Get("X-Test-Address") }}, false)
	for i, want := range []int{200, 200, 503} {
		if got := poll(t, n, "203.0.113.9", ""); got != want {
			t.Errorf("handshake %d: %d, want %d", i, got, want)
		}
	}
	if got := poll(t, n, "203.0.113.10", ""); got != 200 {
		t.Errorf("another address: %d", got)
	}
}
