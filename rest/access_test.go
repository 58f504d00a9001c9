package rest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/identity"
	"goalcast/identity/identitytest"
	"goalcast/rest"
)

type claims = identitytest.Claims

// openWithIssuer starts a house that knows the logins of a real identity service.
func openWithIssuer(t *testing.T, change ...func(*rest.Config, *rest.Deps)) (*house, *identitytest.Server) {
	t.Helper()
	issuer := identitytest.New(t)
	cfg := issuer.Issuer()
	cfg.Roles = map[goalcast.Role]identity.Grant{}
	for _, role := range goalcast.Roles {
		cfg.Roles[role] = identity.Grant{Claim: "role", Values: []string{role.String()}}
	}
	cfg.Odds = identity.Grant{Claim: "age18", Values: []string{"true"}}
	v := identity.New(identity.Config{Issuers: []identity.Issuer{cfg}}, rest.Anonymous,
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	all := append([]func(*rest.Config, *rest.Deps){func(c *rest.Config, d *rest.Deps) {
		c.AdminTokens["admin"] = []string{"admin-token-0123456789"}
		d.Authenticator = rest.TokenIdentity{Tokens: v}
	}}, change...)
	return open(t, all...), issuer
}

// Every route has a rule, and keeps to it with whatever somebody shows. What is asked for is made
// up; who is let in gets some other answer than 401 or 403.
func TestEveryRouteForEveryRole(t *testing.T) {
	h, issuer := openWithIssuer(t, func(c *rest.Config, _ *rest.Deps) {
		c.UserRate = rest.Rate{PerMinute: 1e6, Burst: 1e6}
		c.IPRate, c.GuessRate = c.UserRate, c.UserRate
	})
	login := func(c claims) string { return issuer.Token(c) }
	callers := []struct {
		name  string
		token string
		role  goalcast.Role // on /v1; -1 is nobody
		admin goalcast.Role
		known bool // on /v1
		boss  bool // on /admin
	}{
		{name: "without a token"},
		{name: "with a word", token: "let-me-in"},
		{name: "with an expired login", token: login(claims{"role": "admin",
			"exp": time.Now().Add(-time.Hour).Unix()})},
		{name: "with another service's login", token: login(claims{"role": "admin", "aud": "shop"})},
		{name: "anonymous", token: anna, role: goalcast.Viewer, known: true},
		{name: "login without a role", token: login(nil), known: true, boss: true},
		{name: "viewer", token: login(claims{"role": "viewer"}), role: goalcast.Viewer, admin: goalcast.Viewer,
			known: true, boss: true},
		{name: "editor", token: login(claims{"role": "editor"}), role: goalcast.Editor, admin: goalcast.Editor,
			known: true, boss: true},
		{name: "operator", token: login(claims{"role": "operator"}), role: goalcast.Operator, admin: goalcast.Operator,
			known: true, boss: true},
		{name: "admin", token: login(claims{"role": "admin"}), role: goalcast.Admin, admin: goalcast.Admin, known: true,
			boss: true},
		{name: "editor's token", token: editorToken, admin: goalcast.Editor, boss: true},
		{name: "operator's token", token: operatorToken, admin: goalcast.Operator, boss: true},
		{name: "admin's token", token: "admin-token-0123456789", admin: goalcast.Admin, boss: true},
	}
	rules := h.server.Rules()
	asked := 0
	for route := range routesOf(t, h) {
		need, ok := rules[route]
		method, path, _ := strings.Cut(route, " ")
		isAdmin := strings.HasPrefix(path, "/admin/")
		own := path == "/v1/me" || strings.HasPrefix(path, "/v1/me/")
		switch {
		case !ok:
			t.Errorf("%s has no rule", route)
			continue
		case isAdmin && need < goalcast.Editor, own && need != goalcast.Viewer,
			!isAdmin && need == goalcast.NoRole && method != http.MethodGet && route != "POST /v1/receipts/{receipt}":
			t.Errorf("%s is for %s", route, need)
		}
		path = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "1")
		for _, c := range callers {
			var headers []string
			if c.token != "" {
				headers = []string{as(c.token)}
			}
			have, known := c.role, c.known
			if isAdmin {
				have, known = c.admin, c.boss
			}
			asked++
			_, a := h.send(t, method, path, "{}", headers...)
			switch {
			case need == goalcast.NoRole:
				if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
					t.Errorf("%s, which is for everybody, %s: %d %s", route, c.name, a.status, a.body)
				}
			case !known:
				a.problem(t, http.StatusUnauthorized, "unauthorized")
				if got := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") ||
					strings.Contains(got, "invalid_token") != (c.token != "") {
					t.Errorf("%s, %s: WWW-Authenticate %q", route, c.name, got)
				}
			case have < need:
				a.problem(t, http.StatusForbidden, "forbidden")
				if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, "insufficient_scope") {
					t.Errorf("%s, %s: WWW-Authenticate %q", route, c.name, got)
				}
			case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden &&
				!strings.Contains(string(a.body), `"no_login"`):
				t.Errorf("%s, which needs %s, %s: %d %s", route, need, c.name, a.status, a.body)
			}
			if t.Failed() {
				t.Fatalf("%s, %s: %d %s", route, c.name, a.status, a.body)
			}
		}
	}
	for route := range rules {
		if !routesOf(t, h)[route] {
			t.Errorf("there is a rule for %s, which is not there", route)
		}
	}
	if asked < 300 {
		t.Errorf("only %d requests", asked)
	}
	log := h.log.String()
	for _, c := range callers {
		if c.token != "" && strings.Contains(log, c.token) {
			t.Errorf("the token of %s is in the log", c.name)
		}
	}
}

// routesOf are all routes that are served.
func routesOf(t *testing.T, h *house) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, handler := range []http.Handler{h.server.Public(), h.server.Admin()} {
		if err := chi.Walk(handler.(chi.Routes), func(method, route string, _ http.Handler,
			_ ...func(http.Handler) http.Handler) error {
			all[method+" "+route] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// The description names the role of each operation of /admin, as the rules have it.
func TestDescriptionHasTheRules(t *testing.T) {
	h := open(t)
	for route, need := range h.server.Rules() {
		method, path, _ := strings.Cut(route, " ")
		op := h.desc.doc.Paths.Find(path).GetOperation(method)
		if op == nil {
			t.Errorf("%s is not described", route)
			continue
		}
		schemes := map[string]bool{}
		if op.Security != nil {
			for _, one := range *op.Security {
				for name := range one {
					schemes[name] = true
				}
			}
		}
		if schemes["admin"] != (need >= goalcast.Editor) || need == goalcast.Viewer && !schemes["identity"] {
			t.Errorf("%s needs %s, and the description has %v", route, need, schemes)
		}
	}
}

// An administrator whom an issuer vouches for is in the audit's lines, as nobody's name.
func TestALoginAdministers(t *testing.T) {
	h, issuer := openWithIssuer(t)
	token := issuer.Token(claims{"sub": "hanne", "role": "editor"})
	a := h.ask(t, http.MethodPost, "/admin/messages", `{"topic":"match:1009316","body":{"text":"Rain."}}`, as(token))
	if a.status != http.StatusAccepted {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if log := h.log.String(); !regexp.MustCompile(`action=message role=editor user=login:\S{22} `).MatchString(log) ||
		strings.Contains(log, "hanne") {
		t.Errorf("log: %s", log)
	}
	issuer.Down(true)
	issuer.Rotate()
	a = h.ask(t, http.MethodPost, "/admin/messages", `{}`, as(issuer.Token(claims{"role": "editor"})))
	a.problem(t, http.StatusServiceUnavailable, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	// the configured tokens need nobody
	a = h.ask(t, http.MethodPost, "/admin/messages", `{"topic":"match:1009316","body":{"text":"Rain."}}`, as(editorToken))
	if a.status != http.StatusAccepted {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// Without configured tokens /admin is there for those an issuer vouches for.
func TestAdminByLoginsOnly(t *testing.T) {
	h, issuer := openWithIssuer(t, func(c *rest.Config, _ *rest.Deps) { c.AdminTokens = nil })
	if a := h.get(t, "/admin/alarms", as(issuer.Token(claims{"role": "operator"}))); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	h.get(t, "/admin/alarms").problem(t, http.StatusUnauthorized, "unauthorized")
}

func TestMerge(t *testing.T) {
	h, issuer := openWithIssuer(t)
	login := as(issuer.Token(claims{"sub": "anna", "role": "viewer"}))
	h.ask(t, http.MethodPut, "/v1/me/follows/team:174", "", as(anna))
	h.ask(t, http.MethodPut, "/v1/me/follows/team:175", "", as(anna))
	h.ask(t, http.MethodPut, "/v1/me/follows/team:175", "", login)
	h.ask(t, http.MethodPut, "/v1/me/devices/"+phone, `{"platform":"ios","language":"nl"}`, as(anna))
	for _, want := range []string{`{"devices":1,"follows":1}`, `{"devices":0,"follows":0}`} { // twice is once
		a := h.ask(t, http.MethodPost, "/v1/me/merge", `{"anonymous":"`+anna+`"}`, login)
		if a.status != http.StatusOK || strings.TrimSpace(string(a.body)) != want {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := h.get(t, "/v1/me/follows", login); !strings.Contains(string(a.body), "team:174") {
			t.Errorf("%s", a.body)
		}
		if a := h.get(t, "/v1/me/devices", login); !strings.Contains(string(a.body), "ios") {
			t.Errorf("%s", a.body)
		}
		if a := h.get(t, "/v1/me/follows", as(anna)); string(a.body) != `{"topics":[]}` {
			t.Errorf("the anonymous user still follows %s", a.body)
		}
	}
	for body, want := range map[string]string{`{"anonymous":"abc"}`: "bad_parameter", `{}`: "bad_parameter",
		`{"anonymous":"` + strings.Repeat("a", 40) + `"}`: "bad_parameter", `{"who":"x"}`: "bad_body", `[]`: "bad_body"} {
		a := h.ask(t, http.MethodPost, "/v1/me/merge", body, login)
		if a.status != http.StatusBadRequest || !strings.Contains(string(a.body), want) && want != "bad_body" {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	h.ask(t, http.MethodPost, "/v1/me/merge", `{"anonymous":"`+anna+`"}`, as(bram)).
		problem(t, http.StatusForbidden, "no_login")
	h.with(func() { h.err = goalcast.ErrTooMany })
	h.ask(t, http.MethodPost, "/v1/me/merge", `{"anonymous":"`+anna+`"}`, login).
		problem(t, http.StatusConflict, "too_many")
	if log := h.log.String(); strings.Contains(log, anna) {
		t.Error("the anonymous user's token is in the log")
	}
}

// shelf is where tickets come from.
type shelf struct {
	issued  []string
	revoked []goalcast.UserID
	err     error
}

func (s *shelf) Issue(_ context.Context, p goalcast.Person, once bool) (string, time.Time, error) {
	s.issued = append(s.issued, fmt.Sprint(p.User, once))
	return "the-ticket", kickoff.Add(time.Hour), s.err
}

func (s *shelf) Revoke(_ context.Context, user goalcast.UserID) error {
	s.revoked = append(s.revoked, user)
	return s.err
}

func TestTickets(t *testing.T) {
	tickets := &shelf{}
	h, issuer := openWithIssuer(t, func(_ *rest.Config, d *rest.Deps) { d.Tickets = tickets })
	login := as(issuer.Token(claims{"role": "viewer"}))
	const path = "/v1/live/ticket"
	for _, kind := range []string{"websocket", "stream"} {
		a := h.ask(t, http.MethodPost, path, `{"for":"`+kind+`"}`, login)
		if a.status != http.StatusCreated || !strings.Contains(string(a.body), `"ticket":"the-ticket"`) ||
			a.header.Get("Cache-Control") != "no-store" || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%d %v %s", a.status, a.header, a.body)
		}
	}
	if len(tickets.issued) != 2 || !strings.HasSuffix(tickets.issued[0], " true") &&
		!strings.HasSuffix(tickets.issued[0], "true") || !strings.HasSuffix(tickets.issued[1], "false") {
		t.Errorf("%v", tickets.issued)
	}
	h.ask(t, http.MethodPost, path, `{"for":"ever"}`, login).problem(t, http.StatusBadRequest, "bad_parameter")
	h.ask(t, http.MethodPost, path, `{"for":"stream"}`).problem(t, http.StatusUnauthorized, "unauthorized")
	gone := h.ask(t, http.MethodDelete, path, "", login)
	if gone.status != http.StatusNoContent || len(tickets.revoked) != 1 {
		t.Errorf("%d, %v", gone.status, tickets.revoked)
	}
	tickets.err = goalcast.ErrUnavailable
	h.ask(t, http.MethodPost, path, `{"for":"stream"}`, login).problem(t, http.StatusServiceUnavailable, "unavailable")
	if log := h.log.String(); strings.Contains(log, "the-ticket") {
		t.Error("a ticket is in the log")
	}
	a := h.ask(t, http.MethodOptions, path, "", "Origin: https://page.example.org",
		"Access-Control-Request-Method: POST")
	if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
		!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("%v", a.header)
	}
	a = open(t).ask(t, http.MethodPost, path, `{"for":"stream"}`, as(anna))
	a.problem(t, http.StatusNotImplemented, "not_here")
}

// Prices that are not public are for those whose login says so.
func TestOddsNeedTheirRight(t *testing.T) {
	h, issuer := openWithIssuer(t, func(c *rest.Config, _ *rest.Deps) { c.OddsPublic = false })
	const path = "/v1/matches/1009316/odds"
	h.get(t, path).problem(t, http.StatusForbidden, "odds_not_public")
	h.get(t, path, as(anna)).problem(t, http.StatusForbidden, "odds_not_public")
	h.get(t, path, as(issuer.Token(nil))).problem(t, http.StatusForbidden, "odds_not_public")
	h.get(t, path, as(issuer.Token(claims{"age18": false}))).problem(t, http.StatusForbidden, "odds_not_public")
	h.get(t, path, as("let-me-in")).problem(t, http.StatusUnauthorized, "unauthorized")
	a := h.get(t, path, as(issuer.Token(claims{"age18": true})))
	if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}

// Preflights let pages of the configured origins merge, and any page read with a token.
func TestPreflightsAllowTokens(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.MeOrigins = []string{"https://app.example.org"} })
	for path, want := range map[string][2]string{
		"/v1/me/merge":              {"POST", "https://app.example.org"},
		"/v1/matches/1009316/odds":  {"GET", "*"},
		"/v1/competitions/23":       {"GET", "*"},
		"/v1/matches?competition=1": {"GET", "*"},
	} {
		a := h.ask(t, http.MethodOptions, path, "", "Origin: https://app.example.org",
			"Access-Control-Request-Method: "+want[0], "Access-Control-Request-Headers: authorization")
		if got := a.header.Get("Access-Control-Allow-Origin"); got != want[1] ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") ||
			!slices.Contains(strings.Split(a.header.Get("Access-Control-Allow-Methods"), ", "), want[0]) {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}

// Who has logged in gets pushes through the bank's app, by the reference that the bank gave.
func TestCustomersOfTheBank(t *testing.T) {
	h, issuer := openWithIssuer(t, func(c *rest.Config, _ *rest.Deps) { c.Bank = true })
	const path, body = "/v1/me/devices/customer_1000001", `{"platform":"bank","language":"nl-BE"}`
	login := as(issuer.Token(claims{"sub": "anna", "role": "viewer"}))
	h.ask(t, http.MethodPut, path, body, as(anna)).problem(t, http.StatusForbidden, "no_login")
	for _, reference := range []string{"anna@example.org1", "a.b.c.d.e.f.g.h.i", strings.Repeat("a", 129)} {
		h.ask(t, http.MethodPut, "/v1/me/devices/"+reference, body, login).
			problem(t, http.StatusBadRequest, "bad_parameter")
	}
	for range 2 {
		if a := h.ask(t, http.MethodPut, path, body, login); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	a := h.get(t, "/v1/me/devices", login)
	if !strings.Contains(string(a.body), `"token":"cust…","platform":"bank","language":"nl"`) {
		t.Errorf("lists %s", a.body)
	}
	if a := h.ask(t, http.MethodDelete, path, "", login); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	if log := h.log.String(); strings.Contains(log, "customer_1000001") {
		t.Error("the reference is in the log")
	}
}
