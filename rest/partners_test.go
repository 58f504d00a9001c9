package rest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// Where partners stand is shown to operators, who set their cursors; both ends are in the audit.
func TestPartners(t *testing.T) {
	h := openWithAdmin(t)
	if a := h.get(t, "/admin/partners", as(operatorToken)); string(a.body) != `{"partners":[]}` {
		t.Errorf("%s", a.body)
	}
	now := h.clock.now()
	h.with(func() {
		h.partners = []goalcast.PartnerState{
			{Name: "gazette", Cursor: 40, Newest: 42, Oldest: now.Add(-1500 * time.Millisecond), Configured: kickoff,
				Taken: kickoff, Failing: kickoff, Attempts: 3, Retry: kickoff, Reason: "busy", Error: "answered 503"},
			{Name: "texts", Cursor: 42, Newest: 42, Configured: kickoff},
			{Name: "tower", Cursor: 1, Newest: 42, Configured: kickoff, Failing: kickoff, Paused: kickoff,
				Reason: "gone"},
		}
	})
	a := string(h.get(t, "/admin/partners", as(operatorToken)).body)
	for _, part := range []string{`"name":"gazette","cursor":40,"newest":42,"lag_seconds":1.5,"state":"failing"`,
		`"attempts":3`, `"reason":"busy","error":"answered 503"`,
		`"name":"texts","cursor":42,"newest":42,"lag_seconds":0,"state":"ok","configured"`, `"state":"paused"`} {
		if !strings.Contains(a, part) {
			t.Errorf("no %s in %s", part, a)
		}
	}
	const replay = "/admin/partners/tower/replay"
	again := h.ask(t, http.MethodPost, replay, `{"cursor":1}`, as(adminToken))
	if again.status != http.StatusOK || !strings.Contains(string(again.body), `"cursor":1,`) ||
		!strings.Contains(string(again.body), `"state":"ok"`) {
		t.Errorf("%d %s", again.status, again.body)
	}
	if e := h.audits[len(h.audits)-1]; e.Target != "tower" || !strings.Contains(string(e.Before), `"state":"paused"`) ||
		!strings.Contains(string(e.After), `"state":"ok"`) || e.Who != "token:anna" {
		t.Errorf("%+v", e)
	}
	since := h.ask(t, http.MethodPost, replay, `{"since":"2026-03-14T19:00:00Z"}`, as(operatorToken))
	if since.status != http.StatusOK || !h.partnersSince.Equal(time.Date(2026, 3, 14, 19, 0, 0, 0, time.UTC)) {
		t.Errorf("%d %s, %v", since.status, since.body, h.partnersSince)
	}
	p := h.ask(t, http.MethodPost, replay, `{"cursor":43}`, as(operatorToken)).problem(t,
		http.StatusUnprocessableEntity, "out_of_reach")
	if !strings.Contains(p.Detail, "from 0 to 42") || p.Parameter != "cursor" {
		t.Errorf("%+v", p)
	}
	h.ask(t, http.MethodPost, "/admin/partners/nobody/replay", `{"cursor":1}`, as(operatorToken)).
		problem(t, http.StatusNotFound, "not_found")
	for _, body := range []string{`{}`, `{"cursor":-1}`, `{"cursor":1,"since":"2026-03-14T19:00:00Z"}`,
		`{"since":"0001-01-01T00:00:00Z"}`, `{"number":1}`} {
		if a := h.ask(t, http.MethodPost, replay, body, as(operatorToken)); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	h.get(t, "/admin/partners", as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
	h.ask(t, http.MethodPost, replay, `{"cursor":1}`, as(editorToken)).problem(t, http.StatusForbidden, "forbidden")
}
