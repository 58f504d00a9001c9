package rest_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"goalcast/rest"
)

// from makes a request seem to come from an address.
func from(address string) string { return "X-Forwarded-For: " + address }

func behindProxies(c *rest.Config, _ *rest.Deps) {
	c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	c.GuessRate = rest.Rate{PerMinute: 1, Burst: 3}
}

// Whoever shows wrong tokens is soon not listened to any more, nor are his neighbours in one /64.
// Others are, and the right token of the configuration always is.
func TestWrongTokensAreLimited(t *testing.T) {
	h, issuer := openWithIssuer(t, behindProxies, func(c *rest.Config, _ *rest.Deps) { c.OddsPublic = false })
	for path, right := range map[string]string{"/admin/alarms": operatorToken, "/v1/matches/1009316/odds": ""} {
		login := as(issuer.Token(claims{"role": "operator", "age18": true}))
		for range 3 {
			h.get(t, path, as("let-me-in"), from("2001:db8:1:2::1")).problem(t, http.StatusUnauthorized, "unauthorized")
		}
		for _, token := range []string{as("let-me-in"), login} {
			a := h.get(t, path, token, from("2001:db8:1:2:ffff::9"))
			a.problem(t, http.StatusTooManyRequests, "rate_guesses")
			if a.header.Get("Retry-After") != "60" {
				t.Errorf("%s: %v", path, a.header)
			}
		}
		if right != "" {
			if a := h.get(t, path, as(right), from("2001:db8:1:2::1")); a.status != http.StatusOK {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		if a := h.get(t, path, login, from("2001:db8:1:3::1")); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// Right tokens are no guesses, however many; nor is a request without one.
func TestRightTokensAreNoGuesses(t *testing.T) {
	h, issuer := openWithIssuer(t, behindProxies)
	login := as(issuer.Token(claims{"role": "operator"}))
	for range 8 {
		h.get(t, "/admin/alarms").problem(t, http.StatusUnauthorized, "unauthorized")
		for _, token := range []string{login, as(operatorToken)} {
			if a := h.get(t, "/admin/alarms", token); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
	}
}

// A client reads from the answer how much it may still ask.
func TestRateLimitHeaders(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) {
		c.UserRate, c.IPRate = rest.Rate{PerMinute: 60, Burst: 2}, rest.Rate{PerMinute: 60, Burst: 10}
	})
	for i, want := range []string{`"rate_ip";r=9;t=1, "rate_user";r=1;t=1`, `"rate_ip";r=8;t=2, "rate_user";r=0;t=2`,
		`"rate_ip";r=7;t=3, "rate_user";r=0;t=2`} {
		a := h.get(t, "/v1/me/follows", as(anna))
		if got := strings.Join(a.header.Values("RateLimit"), ", "); got != want {
			t.Errorf("%d: RateLimit %s, want %s", i, got, want)
		}
		const policy = `"rate_ip";q=10;w=10, "rate_user";q=2;w=2`
		if got := strings.Join(a.header.Values("RateLimit-Policy"), ", "); got != policy {
			t.Errorf("%d: RateLimit-Policy %s", i, got)
		}
		if (a.status == http.StatusTooManyRequests) != (i == 2) || (a.header.Get("Retry-After") == "1") != (i == 2) {
			t.Errorf("%d: %d, %v", i, a.status, a.header)
		}
	}
}
