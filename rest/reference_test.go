package rest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What is searched for is folded before the database is asked, once for all who ask.
func TestSearch(t *testing.T) {
	h := open(t)
	for _, text := range []string{"Põrt  amb", "port AMB"} {
		a := h.get(t, "/v1/search?q="+url.QueryEscape(text))
		if !strings.Contains(string(a.body), `{"kind":"team","id":174,"name":"Port Amber"}`) {
			t.Errorf("%d %s", a.status, a.body)
		}
		if b := h.get(t, "/v1/search?q="+url.QueryEscape(text), "If-None-Match: "+
			a.header.Get("ETag")); b.status != http.StatusNotModified {
			t.Errorf("%d", b.status)
		}
	}
	if got := strings.Join(h.asked, ","); got != "search port amb" {
		t.Errorf("asked %s", got)
	}
	for _, text := range []string{"", "p", " p ", "--", strings.Repeat("p", 51)} {
		if p := h.get(t, "/v1/search?q="+url.QueryEscape(text)).problem(t, http.StatusBadRequest,
			"bad_parameter"); p.Parameter != "q" {
			t.Errorf("%q: %+v", text, p)
		}
	}
	h.get(t, "/v1/search?q="+strings.Repeat("%C3%A9", 50)) // letters, not bytes
}

func TestPlayersSeasonsCompetitions(t *testing.T) {
	h := open(t)
	for path, want := range map[string]string{
		"/v1/players/5":               `"squads":[{"competition":{"id":23,"name":"Coastal League"},"season":"2025"`,
		"/v1/competitions/23/seasons": `{"competition":23,"seasons":[{"season":"2025","standings":true,"squads":false}`,
		"/v1/competitions?after=23":   `{"competitions":[{"id":24,"name":"Coastal League"},{"id":901,`,
		"/v1/competitions?after=901":  `{"competitions":[]}`,
	} {
		if a := h.get(t, path); a.status != http.StatusOK || !strings.Contains(string(a.body), want) ||
			a.header.Get("ETag") == "" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, path := range []string{"/v1/players/6", "/v1/players/x", "/v1/competitions/4/seasons"} {
		h.get(t, path).problem(t, http.StatusNotFound, "not_found")
	}
	h.get(t, "/v1/competitions?after=x").problem(t, http.StatusBadRequest, "bad_parameter")
	h.get(t, "/v1/competitions/23/seasons?after=1999").problem(t, http.StatusBadRequest, "bad_parameter")
}
