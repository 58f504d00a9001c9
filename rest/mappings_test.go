package rest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"goalcast"
	"goalcast/rest"
)

// shut lists what the bus was told: "7 unmapped".
func (f *fake) shut() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.steps {
		if s.Fence != 0 || s.Set == nil || s.Set.State != goalcast.GateSuspended ||
			s.Topic.Kind != goalcast.OddsTopic || s.Set.Since == 0 {
			list = append(list, fmt.Sprintf("wrong: %+v", s))
			continue
		}
		list = append(list, fmt.Sprint(s.Topic.ID, " ", s.Set.Reason))
	}
	return list
}

func withMapping(h *house) {
	h.with(func() {
		h.matches[7] = fullMatch()
		h.mappings = []goalcast.OddsMapping{{Source: "exchange", Event: "1.23", Match: 7,
			Decision: goalcast.MappingFound, Competition: "Coastal League", Kickoff: kickoff,
			Home: "Port Amber", Away: "Saltmarsh", Described: kickoff,
			Decided: kickoff}, {Source: "feed", Event: "x", Decision: goalcast.MappingOpen,
			Candidates: []goalcast.MatchID{7, 1009316}, Described: kickoff}}
	})
}

func TestMappingsAreListed(t *testing.T) {
	h := open(t)
	if a := h.get(t, "/admin/odds/mappings", as(operatorToken)); string(a.body) != `{"mappings":[]}` ||
		h.mappingsFor != (goalcast.OddsMappingFilter{Limit: 101}) {
		t.Errorf("%s, %+v", a.body, h.mappingsFor)
	}
	withMapping(h)
	a := h.get(t, "/admin/odds/mappings?source=feed&decision=unmapped&match=7&limit=1000", as(operatorToken))
	if !strings.Contains(string(a.body), `"candidates":[7,1009316]`) || h.mappingsFor != (goalcast.OddsMappingFilter{
		Source: "feed", Decision: goalcast.MappingOpen, Match: 7, Limit: 1001}) {
		t.Errorf("%s, %+v", a.body, h.mappingsFor)
	}
	h.get(t, "/admin/odds/mappings", as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
	for _, query := range []string{"source=a/b", "decision=wrong", "match=0", "limit=1001", "state=open"} {
		h.get(t, "/admin/odds/mappings?"+query, as(operatorToken)).problem(t, http.StatusBadRequest, "bad_parameter")
	}
}

func TestOperatorDecidesMappings(t *testing.T) {
	h := open(t)
	withMapping(h)
	put := func(body string) answer {
		t.Helper()
		return h.ask(t, http.MethodPut, "/admin/odds/mappings", body, as(operatorToken))
	}
	type done struct {
		goalcast.OddsDecision
		Pending []goalcast.MatchID
	}
	d := decode[done](t, put(`{"source":"exchange","event":"1.23","match":1009316}`).body)
	if d.Before.Match != 7 || d.Before.Decision != goalcast.MappingFound || d.Mapping.Match != 1009316 ||
		d.Mapping.Decision != goalcast.MappingDecided || d.Mapping.By != "operator" || d.Pending != nil {
		t.Errorf("%+v", d)
	}
	if got := h.shut(); !slices.Equal(got, []string{"7 unmapped", "1009316 unmapped"}) {
		t.Errorf("the bus was told %v", got)
	}
	if log := h.log.String(); !strings.Contains(log, "msg=audit action=mapping role=operator") ||
		!strings.Contains(log, "source=exchange event=1.23 match=1009316 before=7 decision=found") {
		t.Errorf("log %s", log)
	}

	// The bus is away: it is decided all the same.
	h.with(func() { h.steps, h.busErr = nil, goalcast.ErrUnavailable })
	d = decode[done](t, put(`{"source":"exchange","event":"1.23","match":null}`).body)
	if d.Mapping.Decision != goalcast.MappingRefused || d.Before.Match != 1009316 ||
		!slices.Equal(d.Pending, []goalcast.MatchID{1009316}) {
		t.Errorf("%+v", d)
	}
	h.with(func() { h.steps, h.busErr = nil, nil })
	put(`{"source":"exchange","event":"1.23","match":null}`)
	if got := h.shut(); got != nil {
		t.Errorf("nothing has changed, and the bus was told %v", got)
	}

	for _, tt := range []struct {
		body      string
		status    int
		code      string
		parameter string
	}{
		{`{"source":"exchange","event":"9","match":7}`, 404, "not_found", ""},
		{`{"source":"feed","event":"x","match":99}`, 422, "no_match", "match"},
		{`{"source":"feed","event":"x"}`, 400, "bad_parameter", "match"},
		{`{"source":"feed","event":"x","match":"7"}`, 400, "bad_parameter", "match"},
		{`{"source":"feed","event":"x","match":0}`, 400, "bad_parameter", "match"},
		{`{"source":"feed","event":"x","match":1.5}`, 400, "bad_parameter", "match"},
		{`{"source":"","event":"x","match":7}`, 400, "bad_parameter", "source"},
		{`{"source":"feed","event":"x y","match":7}`, 400, "bad_parameter", "event"},
		{`{"source":"feed","event":"x","match":7,"by":"me"}`, 400, "bad_parameter", "by"},
		{`{"source":"feed","event":"` + strings.Repeat("x", 3000) + `","match":7}`, 413, "too_large", ""},
	} {
		if p := put(tt.body).problem(t, tt.status, tt.code); p.Parameter != tt.parameter {
			t.Errorf("%.60s: parameter %q", tt.body, p.Parameter)
		}
	}
	h.with(func() { h.decide = func(*goalcast.OddsMapping) error { return goalcast.ErrTaken } })
	put(`{"source":"feed","event":"x","match":7}`).problem(t, http.StatusConflict, "taken")
	if got := h.shut(); got != nil {
		t.Errorf("what was refused was told the bus: %v", got)
	}
	h.ask(t, http.MethodPut, "/admin/odds/mappings", `{"source":"feed","event":"x","match":7}`,
		as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
}

func TestOperatorShutsPrices(t *testing.T) {
	h := open(t)
	put := func(id, body string) answer {
		t.Helper()
		return h.ask(t, http.MethodPut, "/admin/odds/gates/"+id, body, as(operatorToken))
	}
	if a := h.get(t, "/admin/odds/gates", as(operatorToken)); !strings.HasPrefix(string(a.body), `{"gates":[],`) {
		t.Errorf("%s", a.body)
	}
	const shut = `{"match":1009316,"shut":true,"since":"2026-05-17T18:30:00Z","by":"operator"`
	if a := put("1009316", `{"shut":true}`); a.status != http.StatusOK || string(a.body) != shut+"}" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if got := h.shut(); !slices.Equal(got, []string{"1009316 operator"}) {
		t.Errorf("the bus was told %v", got)
	}
	if a := h.get(t, "/admin/odds/gates", as(operatorToken)); !strings.HasPrefix(string(a.body),
		`{"gates":[`+shut+"}],") {
		t.Errorf("%s", a.body)
	}
	h.with(func() { h.busErr = goalcast.ErrUnavailable })
	if a := put("1009316", `{"shut":true}`); string(a.body) != shut+`,"pending":true}` {
		t.Errorf("%s", a.body)
	}
	h.with(func() { h.steps, h.busErr = nil, nil })
	if a := put("1009316", `{"shut":false}`); string(a.body) != `{"match":1009316,"shut":false}` {
		t.Errorf("%s", a.body)
	}
	if got := h.shut(); got != nil {
		t.Errorf("only who holds the sources opens; the bus was told %v", got)
	}
	if log := h.log.String(); !strings.Contains(log, "action=gate role=operator") ||
		!strings.Contains(log, "match=1009316 shut=true") {
		t.Errorf("log %s", log)
	}
	put("7", `{"shut":true}`).problem(t, http.StatusNotFound, "not_found")
	put("x", `{"shut":true}`).problem(t, http.StatusNotFound, "not_found")
	put("1009316", `{}`).problem(t, http.StatusBadRequest, "bad_parameter")
	put("1009316", `{"shut":"yes"}`).problem(t, http.StatusBadRequest, "bad_parameter")
	h.with(func() { h.err = goalcast.ErrTooMany })
	put("1009316", `{"shut":true}`).problem(t, http.StatusConflict, "too_many")
}

func TestProcessThatCannotShutPrices(t *testing.T) {
	h := open(t, func(_ *rest.Config, d *rest.Deps) { d.Gates = nil })
	for _, path := range []string{"/admin/odds/mappings", "/admin/odds/gates/7"} {
		h.ask(t, http.MethodPut, path, `{}`, as(operatorToken)).problem(t, http.StatusNotImplemented, "not_here")
	}
}
