package rest_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"goalcast"
	"goalcast/rest"
)

// A user sees what is kept of them, and nobody else does; erased, there is nothing.
func TestAUserIsShownAndErased(t *testing.T) {
	tickets := &shelf{}
	h := open(t, func(_ *rest.Config, d *rest.Deps) { d.Tickets = tickets })
	h.ask(t, http.MethodPut, "/v1/me/devices/"+phone, `{"platform":"ios","language":"nl"}`, as(anna))
	h.ask(t, http.MethodPut, "/v1/me/follows/team:174", "", as(anna))
	h.ask(t, http.MethodPut, "/v1/me/follows/team:175", "", as(bram))
	h.ask(t, http.MethodPut, "/v1/me/preferences", `{"kinds":{"kickoffs":false}}`, as(anna))
	h.ask(t, http.MethodPut, "/v1/me/follows/team:174/preferences", `{"kinds":{"goals":false}}`, as(anna))
	shows := func(who string, want ...string) {
		t.Helper()
		a := h.get(t, "/v1/me", as(who))
		if a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-store" ||
			strings.Contains(string(a.body), phone) {
			t.Errorf("%d %v %s", a.status, a.header, a.body)
		}
		for _, text := range want {
			if !strings.Contains(string(a.body), text) {
				t.Errorf("%s lacks %s", a.body, text)
			}
		}
	}
	shows(anna, `"platform":"ios"`, `"follows":["team:174"]`, `"kickoffs":false`,
		`"follow_preferences":{"team:174":{"kinds":{"goals":false},"spoilers":null}}`)
	shows(bram, `"devices":[]`, `"follows":["team:175"]`)

	tickets.err = errors.New("Redis is away")
	if a := h.ask(t, http.MethodDelete, "/v1/me", "", as(anna)); a.status < 500 {
		t.Errorf("erased with tickets left: %d", a.status)
	}
	shows(anna, `"platform":"ios"`)
	tickets.err = nil
	for range 2 { // twice is once
		if a := h.ask(t, http.MethodDelete, "/v1/me", "", as(anna)); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
		shows(anna, `"devices":[]`, `"follows":[]`, `"kickoffs":true`, `"follow_preferences":{}`)
	}
	shows(bram, `"follows":["team:175"]`)
	user, _ := rest.Anonymous(anna)
	others := func(u goalcast.UserID) bool { return u != user }
	if slices.ContainsFunc(tickets.revoked, others) || len(tickets.revoked) < 3 {
		t.Errorf("tickets of %v ended", tickets.revoked)
	}
}
