package rest_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"goalcast"
)

func TestPreferences(t *testing.T) {
	h := open(t)
	const path = "/v1/me/preferences"
	first := `{"kinds":{"clips":true,"goals":true,"kickoffs":true,"lineups":false,"messages":true,` +
		`"penalties":true,"red_cards":true,"results":true,"shootouts":true,"status":true,"summaries":true},"quiet_hours":null,"spoilers":{"no_scores":false,"delay_s":0}}`
	if a := h.get(t, path, as(anna)); a.status != http.StatusOK || string(a.body) != first {
		t.Errorf("at first: %d %s", a.status, a.body)
	}
	put := func(body string) answer { t.Helper(); return h.ask(t, http.MethodPut, path, body, as(anna)) }
	if a := put(`{"kinds":{"kickoffs":false,"goals":true},"spoilers":{"no_scores":true,"delay_s":300},"quiet_hours":` +
		`{"from":"22:30","to":"07:00","zone":"Europe/Brussels","mode":"hold"}}`); a.status != http.StatusNoContent {
		t.Fatalf("%d %s", a.status, a.body)
	}
	user := only(t, h.prefers)
	want := goalcast.Preferences{Kinds: map[goalcast.PushKind]bool{"kickoffs": false, "goals": true},
		Quiet:    &goalcast.QuietHours{From: 22*60 + 30, To: 7 * 60, Zone: "Europe/Brussels", Hold: true},
		Spoilers: goalcast.Spoilers{NoScores: true, Delay: 300}}
	if !reflect.DeepEqual(user.Preferences, want) {
		t.Errorf("kept %+v, want %+v", user.Preferences, want)
	}
	a := h.get(t, path, as(anna))
	for _, part := range []string{`"kickoffs":false`, `"results":true`, `"mode":"hold"`, `"from":"22:30"`,
		`"delay_s":300`} {
		if !strings.Contains(string(a.body), part) {
			t.Errorf("%s lacks %s", a.body, part)
		}
	}
	for body, parameter := range map[string]string{
		`{"kinds":{"odds":true}}`:                        "kinds.odds",
		`{"kinds":{"goals":null}}`:                       "kinds.goals",
		`{"kinds":{"goals":"yes"}}`:                      "kinds",
		`{"kind":{}}`:                                    "kind",
		`{"spoilers":{"no_scores":true,"delay_s":301}}`:  "spoilers.delay_s",
		`{"spoilers":{"no_scores":false,"delay_s":-1}}`:  "spoilers.delay_s",
		`{"spoilers":{"no_scores":false,"delay_s":1.5}}`: "spoilers.delay_s",
		quiet("24:00", "07:00", "UTC", "hold"):           "quiet_hours.from",
		quiet("22:00", "7:00", "UTC", "hold"):            "quiet_hours.to",
		quiet("22:00", "22:00", "UTC", "hold"):           "quiet_hours.to",
		quiet("22:00", "07:00", "", "hold"):              "quiet_hours.zone",
		quiet("22:00", "07:00", "Local", "hold"):         "quiet_hours.zone",
		quiet("22:00", "07:00", "../zone", "hold"):       "quiet_hours.zone",
		quiet("22:00", "07:00", "+02:00", "hold"):        "quiet_hours.zone",
		quiet("22:00", "07:00", "Europe/Brussels", ""):   "quiet_hours.mode",
	} {
		a := put(body)
		a.problem(t, http.StatusBadRequest, "bad_parameter")
		if !strings.Contains(string(a.body), `"parameter":"`+parameter) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	if !reflect.DeepEqual(only(t, h.prefers), user) {
		t.Error("what was refused changed something")
	}
	put(`[]`).problem(t, http.StatusBadRequest, "bad_body")
	if a := put(`{}`); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.get(t, path, as(anna)); string(a.body) != first {
		t.Errorf("the default again: %s", a.body)
	}
	if a := h.get(t, path, as(bram)); string(a.body) != first {
		t.Errorf("another user: %s", a.body)
	}
}

func quiet(from, to, zone, mode string) string {
	return `{"quiet_hours":{"from":"` + from + `","to":"` + to + `","zone":"` + zone + `","mode":"` + mode + `"}}`
}

// only is the one value of a map.
func only[K comparable, V any](t *testing.T, m map[K]V) (value V) {
	t.Helper()
	if len(m) != 1 {
		t.Errorf("%d values: %v", len(m), m)
	}
	for _, value = range m {
		return value
	}
	return value
}

func TestPreferencesOfAFollow(t *testing.T) {
	h := open(t)
	const path = "/v1/me/follows/team:174/preferences"
	put := func(body string) answer { t.Helper(); return h.ask(t, http.MethodPut, path, body, as(anna)) }
	h.get(t, path, as(anna)).problem(t, http.StatusNotFound, "not_found")
	put(`{}`).problem(t, http.StatusNotFound, "not_found")
	h.ask(t, http.MethodPut, "/v1/me/follows/team:174", "", as(anna))
	for _, body := range []string{`{"kinds":{"goals":false},"spoilers":{"no_scores":false,"delay_s":30}}`,
		`{"kinds":{},"spoilers":null}`} {
		if a := put(body); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := h.get(t, path, as(anna)); a.status != http.StatusOK || string(a.body) != body {
			t.Errorf("%d %s, want %s", a.status, a.body, body)
		}
	}
	put(`{"kinds":{"odds":true}}`).problem(t, http.StatusBadRequest, "bad_parameter")
	put(`{"spoilers":{"no_scores":true,"delay_s":999}}`).problem(t, http.StatusBadRequest, "bad_parameter")
	put(`{"quiet_hours":null}`).problem(t, http.StatusBadRequest, "bad_parameter")
	h.ask(t, http.MethodPut, "/v1/me/follows/odds:7/preferences", `{}`, as(anna)).
		problem(t, http.StatusBadRequest, "bad_topic")
}
