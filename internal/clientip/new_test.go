package clientip_test

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5/middleware"

	"goalcast/internal/clientip"
)

// New and Middleware say the same of whatever peers and proxies write, and New makes nothing of
// memory for it.
func TestOneRuleForAddresses(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	hops := []string{"203.0.113.9", "10.1.2.3", "192.0.2.1", "::ffff:10.9.9.9", "2001:db8:1:2::1", "fd00::7",
		"fe80::1%eth0", "", " ", "unknown", "10.0.0.1:80", "1.2.3", "[::1]", "::ffff:203.0.113.8"}
	peers := []string{"203.0.113.9:443", "10.1.2.3:1", "[2001:db8::1]:9", "[fd00::1]:9", "[::ffff:10.0.0.2]:80",
		"10.0.0.9", "fd00::2", "[fe80::1%eth0]:5", "@", "", "10.0.0.9:", "10.0.0.9:http", "[::1]:99999", "fd00::2%1"}
	lists := [][]netip.Prefix{nil, {netip.MustParsePrefix("10.0.0.0/8")},
		{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("fe80::/10")}}
	answers := map[netip.Addr]int{}
	for _, proxies := range lists {
		find := clientip.New(proxies)
		for range 5_000 {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.RemoteAddr = peers[random.IntN(len(peers))]
			for range random.IntN(3) {
				var chain []string
				for range random.IntN(4) {
					chain = append(chain, hops[random.IntN(len(hops))])
				}
				r.Header.Add("X-Forwarded-For", strings.Join(chain, []string{",", ", "}[random.IntN(2)]))
			}
			var want netip.Addr
			clientip.Middleware(proxies)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				want = middleware.GetClientIPAddr(r.Context())
			})).ServeHTTP(nil, r)
			got := find(r)
			if got != want {
				t.Fatalf("peer %q, X-Forwarded-For %q, proxies %v: %v, want %v", r.RemoteAddr,
					r.Header.Values("X-Forwarded-For"), proxies, got, want)
			}
			answers[got]++
		}
	}
	if len(answers) < 8 || answers[netip.Addr{}] == 0 {
		t.Errorf("seed %d: only %v", seed, answers)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.RemoteAddr = "10.1.2.3:1"
	r.Header.Set("X-Forwarded-For", "2001:db8:1:2::1, 203.0.113.9, 10.4.4.4")
	find := clientip.New(lists[1])
	if n := testing.AllocsPerRun(100, func() { find(r) }); n != 0 {
		t.Errorf("%v pieces of memory", n)
	}
}
