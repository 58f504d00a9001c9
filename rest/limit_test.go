package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/ratelimit"
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

// countedLimiter counts how often somebody has to be asked, and lets nobody through or everybody.
type countedLimiter struct {
	asked atomic.Int64
	wait  time.Duration
}

func (l *countedLimiter) Take(context.Context, string, rest.Rate) (ratelimit.Turn, error) {
	l.asked.Add(1)
	return ratelimit.Turn{Wait: l.wait}, nil
}

func (l *countedLimiter) Peek(string, rest.Rate) time.Duration { return 0 }

// An address may ask for so much of each class of public routes, as may its neighbours in one /64
// together; others are not held back by it, and an answer that passes says nothing of limits.
func TestReadsOfAnAddressAreLimited(t *testing.T) {
	h := open(t, behindProxies, func(c *rest.Config, _ *rest.Deps) { c.ReadRate = 60 })
	for i, tt := range []struct {
		path, code  string
		least, each int // turns at once, and those that come back in a minute
	}{
		{"/v1/matches/1009316", "rate_match", 6 + 20, 6 + 60},
		{"/v1/matches?date=2026-05-17", "rate_list", 3 + 10, 3 + 30},
		{"/v1/search?q=po", "rate_search", 1 + 1, 1 + 3},
		{"/v1/matches/1009316?seq=1", "rate_then", 1 + 1, 1 + 1},
	} {
		began := time.Now()
		address := func(host string) string { return from(fmt.Sprintf("2001:db8:%d:2::%s", i, host)) }
		var a answer
		given := 0
		for ; given <= 200; given++ {
			if a = h.get(t, tt.path, address(fmt.Sprint(1+given%2))); a.status == http.StatusTooManyRequests {
				break
			}
			if a.header.Get("RateLimit") != "" || a.header.Get("Cache-Control") == "no-store" {
				t.Fatalf("%s: %v", tt.path, a.header)
			}
		}
		back := float64(tt.each) * time.Since(began).Minutes()
		if given < tt.least || float64(given) > float64(tt.least)+back+1 {
			t.Errorf("%s: %d given, want %d and %.1f", tt.path, given, tt.least, back)
		}
		a.problem(t, http.StatusTooManyRequests, tt.code)
		if a.header.Get("Retry-After") == "" || a.header.Get("Cache-Control") != "no-store" ||
			!strings.HasPrefix(a.header.Get("RateLimit"), `"`+tt.code+`";r=0`) {
			t.Errorf("%s: %v", tt.path, a.header)
		}
		if a := h.get(t, tt.path, from(fmt.Sprintf("2001:db8:%d:3::1", i))); a.status != http.StatusOK {
			t.Errorf("%s of another network: %d %s", tt.path, a.status, a.body)
		}
	}
}

// Whoever asks for little is given it by this process: nobody else is asked.
func TestReadsAskNobodyUntilThereAreMany(t *testing.T) {
	limiter := &countedLimiter{wait: time.Hour}
	h := open(t, behindProxies, func(c *rest.Config, d *rest.Deps) { c.ReadRate, d.Limiter = 600, limiter })
	for i := range 61 {
		a := h.get(t, "/v1/matches/1009316", from("203.0.113.9"))
		if i < 60 && (a.status != http.StatusOK || limiter.asked.Load() != 0) {
			t.Fatalf("%d: %d, asked %d times", i, a.status, limiter.asked.Load())
		}
	}
	for limiter.asked.Load() == 0 { // a turn comes back in a second
		h.get(t, "/v1/matches/1009316", from("203.0.113.9"))
	}
	h.get(t, "/v1/matches/1009316", from("203.0.113.10"))
	if n := limiter.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// Behind an address that has used up its rate each user with a login may ask for as much again;
// neighbours without one, or with a token that anybody can make up, are refused.
func TestUsersBehindOneAddress(t *testing.T) {
	h, issuer := openWithIssuer(t, behindProxies, func(c *rest.Config, _ *rest.Deps) { c.ReadRate = 24 })
	const own, shared = 2, 8 // of 24 a minute, at once
	carrier := from("203.0.113.9")
	ask := func(token string) (given int, refused answer) {
		t.Helper()
		for began := time.Now(); ; given++ {
			a := h.get(t, "/v1/matches/1009316", token, carrier)
			if a.status == http.StatusTooManyRequests {
				a.problem(t, http.StatusTooManyRequests, "rate_match")
				return given, a
			}
			if a.header.Get("RateLimit") != "" || a.header.Get("Cache-Control") == "no-store" {
				t.Fatalf("%v", a.header)
			}
			// The process's own part comes back, to the address and to the user.
			if back := 2*own*time.Since(began).Minutes() + 2; given > own+shared+int(back) {
				t.Fatalf("%.20s: %d given", token, given)
			}
		}
	}
	if given, _ := ask("X: y"); given < own+shared {
		t.Errorf("the address was given %d", given)
	}
	for _, user := range []string{"ann", "bob"} {
		given, a := ask(as(issuer.Token(claims{"sub": user})))
		if given < own+shared {
			t.Errorf("%s was given %d", user, given)
		}
		if a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.header.Get("RateLimit"), `"rate_match";r=0`) {
			t.Errorf("%v", a.header)
		}
	}
	if n := counter(t, h, "goalcast_rest_user_reads_total"); n < 2*(own+shared) {
		t.Errorf("counted %v", n)
	}
	for _, token := range []string{"X: y", as(anna), as(issuer.Token(claims{"sub": "ann"}))} {
		if given, _ := ask(token); given >= shared { // what a process gives may be back
			t.Errorf("%.20s: %d given", token, given)
		}
	}
}

// counter is the sum of a counter of the house.
func counter(t *testing.T, h *house, name string) (sum float64) {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// tiredLimiter gives addresses nothing to read, and everything else as buckets do.
type tiredLimiter struct {
	ratelimit.Limiter
}

func (l tiredLimiter) Take(ctx context.Context, key string, rate rest.Rate) (ratelimit.Turn, error) {
	if strings.HasPrefix(key, "rate_match:") && !strings.Contains(key, "user:") {
		return ratelimit.Turn{Wait: time.Hour}, nil
	}
	return l.Limiter.Take(ctx, key, rate)
}

// countedTokens counts the tokens that are looked at.
type countedTokens struct {
	rest.Authenticator
	looked *atomic.Int64
}

func (c countedTokens) Authenticate(r *http.Request) (goalcast.Person, error) {
	c.looked.Add(1)
	return c.Authenticator.Authenticate(r)
}

// As long as the address may read no token is looked at; then wrong ones give nothing, and only so
// many are looked at as may be guessed.
func TestTokensOfReadersAreLookedAtLate(t *testing.T) {
	var looked atomic.Int64
	h, issuer := openWithIssuer(t, behindProxies, func(c *rest.Config, d *rest.Deps) {
		c.ReadRate = 60
		d.Authenticator = countedTokens{d.Authenticator, &looked}
		at := time.Now()
		d.Limiter = tiredLimiter{ratelimit.NewBuckets[string](100, func() time.Time { return at }, func() {})}
	})
	carrier := from("203.0.113.9")
	wrong := as(issuer.Token(claims{"exp": time.Now().Add(-time.Hour).Unix()}))
	for range 6 { // the process's own part
		if a := h.get(t, "/v1/matches/1009316", wrong, carrier); a.status != http.StatusOK || looked.Load() > 0 {
			t.Fatalf("%d, %d tokens looked at", a.status, looked.Load())
		}
	}
	refused := 0
	for range 20 { // some of it comes back meanwhile
		if a := h.get(t, "/v1/matches/1009316", wrong, carrier); a.status != http.StatusOK {
			a.problem(t, http.StatusTooManyRequests, "rate_match")
			refused++
		}
	}
	if refused < 5 || looked.Load() != 3 {
		t.Errorf("%d refused, %d tokens looked at", refused, looked.Load())
	}
	login := as(issuer.Token(nil))
	h.get(t, "/v1/matches/1009316", login, carrier) // guesses are used up: none is looked at
	if looked.Load() != 3 {
		t.Errorf("%d tokens looked at", looked.Load())
	}
}
