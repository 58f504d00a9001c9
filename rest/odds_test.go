package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/rest"
)

const oddsPath = "/v1/matches/1009316/odds"

func withOdds(h *house) {
	topic := goalcast.ForOdds(1009316)
	h.with(func() {
		h.gate = goalcast.Gate{State: goalcast.GateOpen, Since: 1000}
		h.prices = []goalcast.State{
			{Topic: topic, Key: "ou:2.5", Version: 8, At: 1100, Value: json.RawMessage(`{"st":"suspended"}`)},
			{Topic: topic, Key: "1x2", Version: 7, At: 1200,
				Value: json.RawMessage(`{"st":"open","sel":{"home":{"p":2350},"draw":{"p":3400},"away":{}}}`)},
		}
		h.settlements = []goalcast.Event{{ID: "settlement:ou:0.5", Kind: goalcast.KindSettlement, Revision: 2,
			Status: goalcast.Cancelled, Settlement: &goalcast.Settlement{Market: "ou:0.5", Line: "0.5",
				Results: []goalcast.SettlementResult{{Selection: "over", Result: goalcast.Won, DeadHeat: 500}}}},
			{ID: "settlement:next", Kind: goalcast.KindSettlement, Revision: 1, Status: goalcast.Confirmed,
				Settlement: &goalcast.Settlement{Market: "next", Void: true, From: 5, Until: 6}}}
	})
}

func TestOddsAreServedWhileTheGateIsOpen(t *testing.T) {
	h := open(t)
	withOdds(h)
	a := h.get(t, oddsPath)
	want := `{"match":1009316,"gate":"open","since":1000,"markets":[` +
		`{"key":"1x2","version":7,"at":1200,"value":{"st":"open","sel":{"home":{"p":2350},"draw":{"p":3400},"away":{}}}},` +
		`{"key":"ou:2.5","version":8,"at":1100,"value":{"st":"suspended"}}],"settlements":[` +
		`{"market":"next","void":true,"from":5,"until":6,"revision":1,"status":"confirmed"},` +
		`{"market":"ou:0.5","line":"0.5","results":[{"selection":"over","result":"won","dead_heat":500}],` +
		`"revision":2,"status":"cancelled"}]}`
	if got := strings.TrimSpace(string(a.body)); a.status != http.StatusOK || got != want {
		t.Errorf("%d\n%s, want\n%s", a.status, got, want)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if a.header.Get("ETag") != "" {
		t.Error("prices have an ETag")
	}
}

// Whatever the bus hands over, no price is in an answer that does not say open.
func TestOddsNoPriceBehindAShutGate(t *testing.T) {
	h := open(t)
	withOdds(h)
	for _, gate := range []goalcast.Gate{{}, {State: goalcast.GateSuspended, Reason: goalcast.GateGoal, Since: 3},
		{State: goalcast.GateClosed, Reason: goalcast.GateFinished, Since: 4}} {
		h.with(func() { h.gate = gate })
		h.clock.add(time.Second) // what was read before is forgotten
		a := h.get(t, oddsPath)
		want := gate
		if gate.State == "" {
			want = goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateStart}
		}
		got := decode[struct {
			goalcast.Gate
			Markets, Settlements []json.RawMessage
		}](t, a.body)
		if got.Gate != want || got.Markets == nil || len(got.Markets) != 0 || len(got.Settlements) != 2 {
			t.Errorf("gate %+v: %s", gate, a.body)
		}
	}
}

// However many ask, the bus is asked once in OddsAge, and always with the time of now.
func TestOddsAreReadOnceForAllAndNeverKept(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.OddsAge = 50 * time.Millisecond })
	withOdds(h)
	h.get(t, oddsPath)
	h.get(t, oddsPath)
	h.with(func() { h.gate = goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateGoal, Since: 3} })
	h.clock.add(51 * time.Millisecond)
	if a := h.get(t, oddsPath); !strings.Contains(string(a.body), `"gate":"suspended","reason":"goal"`) {
		t.Errorf("after the gate was shut: %s", a.body)
	}
	h.with(func() {
		if len(h.oddsTimes) != 2 || h.oddsTimes[1].Sub(h.oddsTimes[0]) != 51*time.Millisecond {
			t.Errorf("asked at %v", h.oddsTimes)
		}
	})
}

func TestOddsRefused(t *testing.T) {
	h := open(t)
	withOdds(h)
	h.get(t, "/v1/matches/7/odds").problem(t, http.StatusNotFound, "not_found")
	h.get(t, "/v1/matches/x/odds").problem(t, http.StatusNotFound, "not_found")
	h.get(t, oddsPath+"?market=1x2").problem(t, http.StatusBadRequest, "bad_parameter")
	h.get(t, oddsPath)

	// What was read while the bus was there is not shown when it is away.
	h.clock.add(time.Second)
	h.with(func() { h.busErr = goalcast.ErrUnavailable })
	a := h.get(t, oddsPath)
	a.problem(t, http.StatusServiceUnavailable, "unavailable")
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control of a refusal %q", got)
	}

	private := open(t, func(c *rest.Config, _ *rest.Deps) { c.OddsPublic = false })
	withOdds(private)
	private.get(t, oddsPath).problem(t, http.StatusForbidden, "odds_not_public")
	private.get(t, "/v1/matches/7/odds").problem(t, http.StatusForbidden, "odds_not_public") // nor which there are
	private.with(func() {
		if len(private.oddsTimes) != 0 {
			t.Error("the bus was asked")
		}
	})
	nowhere := open(t, func(_ *rest.Config, d *rest.Deps) { d.Odds = nil })
	if a := nowhere.get(t, oddsPath); a.status != http.StatusNotImplemented {
		t.Errorf("without a bus: %d", a.status)
	}
}
