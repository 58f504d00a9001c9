package rest_test

import (
	"net/http"
	"testing"

	"goalcast"
)

func TestWhatWasShownIsToldToOperators(t *testing.T) {
	h := open(t)
	const query = "/admin/odds/at?match=7&market=ou:2.5&selection=over&at=2026-11-28T20:31:07.250Z"
	if a := h.get(t, query, as(operatorToken)); string(a.body) !=
		`{"match":7,"market":"ou:2.5","selection":"over","at":1795897867250,"shown":false}` {
		t.Errorf("%s", a.body)
	}
	h.with(func() {
		h.oddsAt = goalcast.OddsAt{Shown: true, Gate: goalcast.GateOpen, Since: 5, Source: "exchange", Status: "open",
			Price: 2359, Text: "2.3599", Provider: 1, Received: 2, Published: 3}
	})
	if a := h.get(t, query, as(operatorToken)); string(a.body) != `{"match":7,"market":"ou:2.5","selection":"over",`+
		`"at":1795897867250,"shown":true,"gate":"open","since":5,"source":"exchange","status":"open","price":2359,`+
		`"text":"2.3599","provider":1,"received":2,"published":3}` {
		t.Errorf("%s", a.body)
	}
	h.get(t, query, as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
	h.get(t, query).problem(t, http.StatusUnauthorized, "unauthorized")
	for _, wrong := range []string{"", "?match=7", "?match=7&market=1x2&selection=home",
		"?match=0&market=1x2&selection=home&at=" +
			"2026-11-28T20:31:07Z", "?match=7&market=1x2&selection=home&at=yesterday",
		"?match=7&market=a%20b&selection=home&at=2026-11-28T20:31:07Z"} {
		h.get(t, "/admin/odds/at"+wrong, as(operatorToken)).problem(t, http.StatusBadRequest, "bad_parameter")
	}
}
