package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Who is in none of the networks is refused, whatever a stranger says of himself; an empty list
// lets all in.
func TestNetworksKeepOthersOut(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}
	inside := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	f := newFence(proxies, prometheus.NewRegistry())
	taken := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	ask := func(h http.Handler, peer, forwarded string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/feeds/json", nil)
		r.RemoteAddr = peer
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	walled := f.around("feeds", inside, taken)
	for _, tt := range []struct {
		peer, forwarded string
		want            int
	}{
		{"192.0.2.7:1", "", http.StatusTeapot},
		{"[::ffff:192.0.2.7]:1", "", http.StatusTeapot},
		{"[2001:db8::1]:1", "", http.StatusTeapot},
		{"198.51.100.1:1", "", http.StatusForbidden},
		{"198.51.100.1:1", "192.0.2.7", http.StatusForbidden}, // no proxy of ours
		{"10.9.1.1:1", "192.0.2.7", http.StatusTeapot},
		{"10.9.1.1:1", "192.0.2.7, 198.51.100.1", http.StatusForbidden},
		{"[2001:db9::1]:1", "", http.StatusForbidden},
		{"nonsense", "", http.StatusForbidden},
	} {
		if got := ask(walled, tt.peer, tt.forwarded); got != tt.want {
			t.Errorf("%s for %q: %d, want %d", tt.peer, tt.forwarded, got, tt.want)
		}
	}
	if n := testutil.ToFloat64(f.refused.WithLabelValues("feeds")); n != 5 {
		t.Errorf("%v counted", n)
	}
	if got := ask(f.around("admin", nil, taken), "198.51.100.1:1", ""); got != http.StatusTeapot {
		t.Error("without networks:", got)
	}
}
