package rest_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/ratelimit"
	"goalcast/rest"
)

func TestIdentity(t *testing.T) {
	h := open(t)
	for name, header := range map[string]string{
		"none":       "",
		"empty":      "Bearer ",
		"basic":      "Basic " + anna,
		"short":      "Bearer " + anna[:31],
		"long":       "Bearer " + strings.Repeat(anna, 17),
		"characters": "Bearer " + anna[:31] + "=",
		"padded":     "Bearer " + strings.Repeat("ab", 20),
		"word":       "Bearer " + strings.Repeat("abcdef", 6)[:32],
		"counted":    "Bearer 01234567890123456789012345678901",
		"digits":     "Bearer 0123456789abcdef0123456789abcdef",
		"one letter": "Bearer " + strings.Repeat("a", 32),
		"zero UUID":  "Bearer 00000000-0000-0000-0000-000000000001",
		"easy UUID":  "Bearer 12345678-1234-1234-1234-123456789012",
		"alphabet":   "Bearer abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
		"date":       "Bearer user-2026-11-28-user-2026-11-28-user",
		"two":        "Bearer " + anna + " " + bram,
	} {
		for _, route := range []string{"GET /v1/me/devices", "PUT /v1/me/devices/" + phone, "GET /v1/me/follows",
			"DELETE /v1/me/follows/team:1"} {
			method, path, _ := strings.Cut(route, " ")
			a := h.ask(t, method, path, "", "Authorization: "+header)
			a.problem(t, http.StatusUnauthorized, "unauthorized")
			if !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") ||
				a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", name, a.header)
			}
		}
	}
	for _, header := range []string{"Bearer " + anna, "bearer " + anna, "Bearer 9f86d081884c7d659a2feaa0c55ad015",
		"Bearer 550e8400-e29b-41d4-a716-446655440000"} {
		if a := h.get(t, "/v1/me/follows", "Authorization: "+header); a.status != http.StatusOK {
			t.Errorf("%s: %d", header, a.status)
		}
	}
	h.ask(t, http.MethodPut, "/v1/me/follows/team:174", "", as(anna))
	sum := sha256.Sum256([]byte(anna))
	user := goalcast.UserID(base64.RawURLEncoding.EncodeToString(sum[:])[:22])
	if len(h.follows) != 1 || len(h.follows[user]) != 1 {
		t.Errorf("follows %v, want one of %s", h.follows, user)
	}
}

// No random token may be refused: an app keeps the one that it made up.
func TestRandomTokensAreTaken(t *testing.T) {
	for seed := range uint64(3000) {
		random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
		raw := make([]byte, 24)
		random.Read(raw)
		uuid := fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:16])
		for _, token := range []string{hex.EncodeToString(raw[:16]), hex.EncodeToString(raw), uuid,
			base64.RawURLEncoding.EncodeToString(raw)} {
			r := httptest.NewRequest(http.MethodGet, "/v1/me/follows", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			if _, err := (rest.BearerIdentity{}).Authenticate(r); err != nil {
				t.Errorf("%s is refused", token)
			}
		}
	}
}

// Inventing devices takes time, from whichever users; a phone that registers again at each start
// does not count.
func TestRateOfNewDevices(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.DeviceRate = rest.Rate{PerMinute: 1, Burst: 2} })
	put := func(user, token string) answer {
		t.Helper()
		return h.ask(t, http.MethodPut, "/v1/me/devices/"+token, `{"platform":"ios","language":"nl"}`, as(user))
	}
	for range 5 {
		for _, user := range []string{anna, bram} {
			if a := put(user, "phone-of-"+user); a.status != http.StatusNoContent {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	}
	for _, user := range []string{anna, bram} {
		a := put(user, "another-phone-of-"+user)
		a.problem(t, http.StatusTooManyRequests, "rate_devices")
		if a.header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	if len(h.devices) != 2 {
		t.Errorf("devices %v", h.devices)
	}
	h.clock.add(time.Minute)
	if a := put(bram, "another-phone-of-"+bram); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// oidc is another way to know users.
type oidc struct{ err error }

func (o oidc) Authenticate(*http.Request) (goalcast.Person, error) {
	return goalcast.Person{User: "carla", Login: true, Role: goalcast.Viewer}, o.err
}

func TestOtherAuthenticator(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{{nil, 200}, {goalcast.ErrUnauthorized, 401}, {fmt.Errorf("keys: %w", goalcast.ErrUnavailable), 503}} {
		h := open(t, func(_ *rest.Config, d *rest.Deps) { d.Authenticator = oidc{tt.err} })
		h.with(func() { h.follows["carla"] = []goalcast.Topic{goalcast.ForTeam(9)} })
		a := h.get(t, "/v1/me/follows")
		if a.status != tt.status || tt.err == nil && string(a.body) != `{"topics":["team:9"]}` {
			t.Errorf("%v: %d %s", tt.err, a.status, a.body)
		}
	}
}

func TestDevices(t *testing.T) {
	h := open(t)
	const body = `{"platform":"android","language":"nl_BE"}`
	path := "/v1/me/devices/" + url.PathEscape(phone)
	put := func(path, token string) {
		t.Helper()
		if a := h.ask(t, http.MethodPut, path, body, as(token)); a.status != http.StatusNoContent {
			t.Fatalf("PUT %s: %d %s", path, a.status, a.body)
		}
	}
	put(path, anna)
	put("/v1/me/devices/"+phone, anna) // the same token, a colon as it is
	// The description's router takes an escaped slash for a slash; ours does not.
	if _, a := h.send(t, http.MethodPut, "/v1/me/devices/a%2Fslash%25and~token+1", body,
		as(anna[:31]+"x")); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	if len(h.devices) != 2 || h.devices[1].Token != "a/slash%and~token+1" || h.devices[0].Token != phone ||
		h.devices[0].Language != "nl" || h.devices[0].Platform != "android" {
		t.Fatalf("devices %+v", h.devices)
	}
	list := h.get(t, "/v1/me/devices", as(anna))
	if strings.Contains(string(list.body), phone) || !strings.Contains(string(list.body), `"token":"dQw4w9…6789"`) {
		t.Errorf("list %s", list.body)
	}
	// Bram cannot remove Anna's phone, and is not told whether there is one.
	if a := h.ask(t, http.MethodDelete, path, "", as(bram)); a.status != http.StatusNoContent || len(h.devices) != 2 {
		t.Errorf("%d, devices %v", a.status, h.devices)
	}
	put(path, bram) // he holds it now
	if a := h.get(t, "/v1/me/devices", as(anna)); string(a.body) != `{"devices":[]}` {
		t.Errorf("Anna's %s", a.body)
	}
	for range 2 { // the second time it is gone
		if a := h.ask(t, http.MethodDelete, path, "", as(bram)); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if len(h.devices) != 1 {
		t.Errorf("devices %v", h.devices)
	}
}

// A device says which app it is of, where there are several; one that says none is of the first.
func TestDevicesOfSeveralApps(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.Apps, c.Bank = []string{"bank", "kids"}, true })
	at := "/v1/me/devices/" + phone
	for body, want := range map[string]string{`{"platform":"ios","language":"nl","app":"kids"}`: "kids",
		`{"platform":"ios","language":"nl"}`: "", `{"platform":"web","language":"nl","app":"bank"}`: "bank"} {
		a := h.ask(t, http.MethodPut, at, body, as(anna))
		if a.status != http.StatusNoContent || len(h.devices) != 1 || h.devices[0].App != want {
			t.Errorf("%s: %d, %+v", body, a.status, h.devices)
		}
		list := h.get(t, "/v1/me/devices", as(anna))
		if strings.Contains(string(list.body), `"app"`) != (want != "") ||
			!strings.Contains(string(list.body), want) {
			t.Errorf("%s: list %s", body, list.body)
		}
	}
	for _, body := range []string{`{"platform":"ios","language":"nl","app":"Kids"}`,
		`{"platform":"bank","language":"nl","app":"bank"}`} {
		a := h.ask(t, http.MethodPut, at, body, as(anna))
		if p := a.problem(t, http.StatusBadRequest, "bad_parameter"); p.Parameter != "app" {
			t.Errorf("%s: %+v", body, p)
		}
	}
	one := open(t) // where there is one app it has no name
	a := one.ask(t, http.MethodPut, at, `{"platform":"ios","language":"nl","app":"bank"}`, as(anna))
	if p := a.problem(t, http.StatusBadRequest, "bad_parameter"); p.Parameter != "app" {
		t.Errorf("%+v", p)
	}
}

func TestBadDevices(t *testing.T) {
	h := open(t)
	const good = `{"platform":"ios","language":"nl"}`
	at := "/v1/me/devices/" + phone
	for _, tt := range []struct {
		path, body, kind string
		status           int
		code, parameter  string
	}{
		{at, `{"platform":"windows","language":"nl"}`, "application/json", 400, "bad_parameter", "platform"},
		{at, `{"platform":"ios"}`, "application/json", 400, "bad_parameter", "language"},
		{at, `{"platform":"ios","language":"n"}`, "application/json", 400, "bad_parameter", "language"},
		{at, `{"platform":"ios","language":"nl","token":"x"}`, "application/json", 400, "bad_parameter", "token"},
		{at, `{"platform":7,"language":"nl"}`, "application/json", 400, "bad_parameter", "platform"},
		{at, `["ios"]`, "application/json", 400, "bad_body", ""},
		{at, `{"platform":"ios",`, "application/json", 400, "bad_body", ""},
		{at, `{"platform" "ios"}`, "application/json", 400, "bad_body", ""},
		{at, ``, "application/json", 400, "bad_body", ""},
		{"/v1/me/preferences", " null ", "application/json", 400, "bad_body", ""},
		{at, good + good, "application/json", 400, "bad_body", ""},
		{at, `{"platform":"ios","language":"` + "\xff\xfe" + `"}`, "application/json", 400, "bad_body", ""},
		{at, good, "text/plain", 415, "not_json", ""},
		{at, good, "application/json; charset=latin1", 415, "not_json", ""},
		{at, good, "", 415, "not_json", ""},
		{at, `{"platform":"` + strings.Repeat("x", 4096) + `"}`, "application/json", 413, "too_large", ""},
		{"/v1/me/devices/short", good, "application/json", 400, "bad_parameter", "token"},
		{"/v1/me/devices/" + strings.Repeat("x", 1025), good, "application/json", 400, "bad_parameter", "token"},
		{"/v1/me/devices/0123456789%200123456789", good, "application/json", 400, "bad_parameter", "token"},
		{"/v1/me/devices/0123456789%00123456789", good, "application/json", 400, "bad_parameter", "token"},
		{at + "?force=1", good, "application/json", 400, "bad_parameter", "query"},
	} {
		a := h.ask(t, http.MethodPut, tt.path, tt.body, as(anna), "Content-Type: "+tt.kind)
		if p := a.problem(t, tt.status, tt.code); p.Parameter != tt.parameter {
			t.Errorf("%s %.80s: %+v", tt.path, tt.body, p)
		}
		if strings.Contains(string(a.body), "rest.") || strings.Contains(string(a.body), "Go ") {
			t.Errorf("%.80s: %s tells of our types", tt.body, a.body)
		}
	}
	if len(h.devices) != 0 {
		t.Errorf("devices %v", h.devices)
	}
	if a := h.ask(t, http.MethodPut, at, good, as(anna),
		"Content-Type: application/json; charset=UTF-8"); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestFollows(t *testing.T) {
	h := open(t)
	for _, topic := range []string{"team:174", "match:1009316", "competition%3A23", "team:174"} {
		if a := h.ask(t, http.MethodPut, "/v1/me/follows/"+topic, "", as(anna)); a.status != http.StatusNoContent {
			t.Errorf("%s: %d %s", topic, a.status, a.body)
		}
	}
	for range 2 {
		if a := h.ask(t, http.MethodDelete, "/v1/me/follows/match:1009316", "",
			as(anna)); a.status != http.StatusNoContent {
			t.Errorf("%d", a.status)
		}
	}
	if a := h.get(t, "/v1/me/follows", as(anna)); string(a.body) != `{"topics":["team:174","competition:23"]}` {
		t.Errorf("%s", a.body)
	}
	if a := h.get(t, "/v1/me/follows", as(bram)); string(a.body) != `{"topics":[]}` {
		t.Errorf("%s", a.body)
	}
	for _, topic := range []string{"odds:1009316", "team:0", "team:x", "player:4", "team", "team:01", "*"} {
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			h.ask(t, method, "/v1/me/follows/"+topic, "", as(anna)).problem(t, http.StatusBadRequest, "bad_topic")
		}
	}
}

func TestTooMany(t *testing.T) {
	h := open(t)
	h.with(func() { h.err = fmt.Errorf("%w follows: 500", goalcast.ErrTooMany) })
	h.ask(t, http.MethodPut, "/v1/me/follows/team:174", "", as(anna)).problem(t, http.StatusConflict, "too_many")
	h.ask(t, http.MethodPut, "/v1/me/devices/"+phone, `{"platform":"ios","language":"nl"}`, as(anna)).problem(t,
		http.StatusConflict, "too_many")
}

func TestRateOfUser(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.UserRate = rest.Rate{PerMinute: 6, Burst: 3} })
	for range 3 {
		if a := h.get(t, "/v1/me/follows", as(anna)); a.status != http.StatusOK {
			t.Fatalf("%d", a.status)
		}
	}
	a := h.get(t, "/v1/me/follows", as(anna))
	a.problem(t, http.StatusTooManyRequests, "rate_user")
	if a.header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	if a := h.get(t, "/v1/me/follows", as(bram)); a.status != http.StatusOK {
		t.Errorf("another user: %d", a.status)
	}
	h.clock.add(10 * time.Second)
	if a := h.get(t, "/v1/me/follows", as(anna)); a.status != http.StatusOK {
		t.Errorf("after the wait: %d", a.status)
	}
	h.get(t, "/v1/me/follows", as(anna)).problem(t, http.StatusTooManyRequests, "rate_user")
	if !strings.Contains(h.metricLines(t), "goalcast_rest_refused_total{code=rate_user} 2\n") {
		t.Error(h.metricLines(t))
	}
}

// Guessing is limited by address, before an identity is looked at; only proxies that are ours may
// say whose request it is.
func TestRateOfAddress(t *testing.T) {
	rate := func(proxies ...string) *house {
		return open(t, func(c *rest.Config, _ *rest.Deps) {
			c.IPRate = rest.Rate{PerMinute: 1, Burst: 2}
			for _, p := range proxies {
				c.Proxies = append(c.Proxies, netip.MustParsePrefix(p))
			}
		})
	}
	h := rate()
	for i := range 2 {
		h.get(t, "/v1/me/follows", fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i)).problem(t, http.StatusUnauthorized,
			"unauthorized")
	}
	h.get(t, "/v1/me/follows", "X-Forwarded-For: 198.51.100.9", as(anna)).problem(t, http.StatusTooManyRequests,
		"rate_ip")
	if a := h.get(t, "/v1/matches"); a.status != http.StatusOK {
		t.Errorf("matches are not limited: %d", a.status)
	}

	h = rate("127.0.0.0/8", "::1/128")
	for i := range 4 {
		for range 2 {
			if a := h.get(t, "/v1/me/follows", fmt.Sprintf("X-Forwarded-For: 203.0.113.7, 2001:db8:0:%d::1, 127.0.0.9",
				i), as(anna)); a.status != http.StatusOK {
				t.Errorf("client %d: %d", i, a.status)
			}
		}
	}
	for _, same := range []string{"2001:db8:0:1::2", "2001:db8:0:1:ffff::"} { // one customer's /64
		h.get(t, "/v1/me/follows", "X-Forwarded-For: "+same, as(anna)).problem(t, http.StatusTooManyRequests, "rate_ip")
	}
}

// brokenLimiter does not answer.
type brokenLimiter struct{}

func (brokenLimiter) Take(context.Context, string, rest.Rate) (ratelimit.Turn, error) {
	return ratelimit.Turn{Wait: time.Hour}, errors.New("away")
}

func (brokenLimiter) Peek(string, rest.Rate) time.Duration { return 0 }

func TestLimiterAway(t *testing.T) {
	h := open(t, func(_ *rest.Config, d *rest.Deps) { d.Limiter = brokenLimiter{} })
	if a := h.get(t, "/v1/me/follows", as(anna)); a.status != http.StatusOK {
		t.Errorf("%d", a.status)
	}
	if !strings.Contains(h.metricLines(t), "goalcast_rest_limiter_errors_total{} 2\n") {
		t.Error(h.metricLines(t))
	}
}
