package rest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/rest"
)

const adminToken = "admin-token-0123456789"

func openWithAdmin(t *testing.T, change ...func(*rest.Config, *rest.Deps)) *house {
	t.Helper()
	return open(t, append([]func(*rest.Config, *rest.Deps){func(c *rest.Config, _ *rest.Deps) {
		c.AdminTokens["admin:anna"] = []string{adminToken}
	}}, change...)...)
}

// Whatever may change something under /admin is in the audit: before it is tried, and with its end.
func TestEveryAdminWriteIsAudited(t *testing.T) {
	h := openWithAdmin(t)
	writes := 0
	for route := range routesOf(t, h) {
		method, pattern, _ := strings.Cut(route, " ")
		if !strings.HasPrefix(pattern, "/admin/") || method == http.MethodGet {
			continue
		}
		writes++
		h.with(func() { h.audits = nil })
		path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(pattern, "1")
		_, a := h.send(t, method, path, "{}", as(adminToken))
		if len(h.audits) != 2 {
			t.Errorf("%s: %d, and %d entries", route, a.status, len(h.audits))
			continue
		}
		begun, ended := h.audits[0], h.audits[1]
		if begun.Who != "token:anna" || begun.Role != "admin" || begun.Action != route || begun.Status != 0 ||
			begun.Request == "" || begun.Request != a.header.Get("X-Request-Id") ||
			begun.Target != strings.Join(regexp.MustCompile(`\b1\b`).FindAllString(path, -1), "/") {
			t.Errorf("%s begun: %+v", route, begun)
		}
		if ended.Begin != begun.ID || ended.Status != a.status || ended.Action != route || ended.Who != begun.Who {
			t.Errorf("%s ended with %d: %+v", route, a.status, ended)
		}
		// nobody who may not is in it
		h.send(t, method, path, "{}")
		h.send(t, method, path, "{}", as("let-me-in"))
		if len(h.audits) != 2 {
			t.Errorf("%s: a stranger is in the audit", route)
		}
	}
	if writes < 5 {
		t.Errorf("only %d writes", writes)
	}
	if log := h.log.String(); strings.Contains(log, adminToken) {
		t.Error("a token is in the log")
	}
}

// The entry tells what was there before and after, and what it was about.
func TestAuditTellsBeforeAndAfter(t *testing.T) {
	h := openWithAdmin(t)
	h.documents[7] = document(7)
	h.mappings = []goalcast.OddsMapping{{Source: "exchange", Event: "e1", Decision: goalcast.MappingOpen}}
	h.with(func() { h.process = applied })
	for _, tt := range []struct{ method, path, body, target, before, after string }{
		{"POST", "/admin/messages", `{"topic":"team:174","body":"Rain.","id":"a"}`, "team:174", "",
			`{"event":"message:a","message":"Rain."}`},
		{"PUT", "/admin/odds/gates/1009316", `{"shut":true}`, "1009316", `"shut":false`, `"shut":true`},
		{"PUT", "/admin/odds/gates/1009316", `{"shut":false}`, "1009316", `"shut":true`, `"shut":false`},
		{"PUT", "/admin/names", `{"names":[{"kind":"team","id":7,"language":"nl","name":"Luik"}]}`, "team:7:nl",
			`{"team:7:nl":""}`, `{"team:7:nl":"Luik"}`},
		{"PUT", "/admin/names", `{"names":[{"kind":"team","id":7,"language":"nl","name":""},` +
			`{"kind":"team","id":8,"language":"nl","name":"Gent"},{"kind":"team","id":9,"language":"nl"}]}`, "2 names",
			`{"team:7:nl":"Luik","team:8:nl":""}`, `{"team:7:nl":"","team:8:nl":"Gent"}`},
		{"PUT", "/admin/odds/mappings", `{"source":"exchange","event":"e1","match":1009316}`, "exchange/e1",
			`"decision":"unmapped"`, `"match":1009316`},
		{"POST", "/admin/documents/7/replay", "", "7", `"attempts":1`, `"attempts":2`},
	} {
		h.with(func() { h.audits = nil })
		a := h.ask(t, tt.method, tt.path, tt.body, as(adminToken))
		if a.status >= 300 || len(h.audits) != 2 {
			t.Errorf("%s: %d %s, %+v", tt.path, a.status, a.body, h.audits)
			continue
		}
		e := h.audits[1]
		if e.Target != tt.target || !strings.Contains(string(e.Before), tt.before) ||
			tt.before == "" && e.Before != nil || !strings.Contains(string(e.After), tt.after) {
			t.Errorf("%s: target %s, before %s, after %s", tt.path, e.Target, e.Before, e.After)
		}
	}
	h.ask(t, "POST", "/admin/messages", `{"topic":"team:174","body":"`+strings.Repeat("<", 16000)+`"}`, as(adminToken))
	if e := h.audits[len(h.audits)-1]; !regexp.MustCompile(`^\{"bytes":\d{5}\}$`).Match(e.After) {
		t.Errorf("after %.100s", e.After)
	}
}

// What cannot be noted is not done. What was done and cannot be noted stays open, and the log
// tells.
func TestNothingIsDoneUnaudited(t *testing.T) {
	h := openWithAdmin(t)
	away := fmt.Errorf("audit: %w", goalcast.ErrUnavailable)
	h.with(func() { h.auditErr = []error{away, away} }) // also of the entry that it was not done
	a := h.ask(t, http.MethodPost, "/admin/messages", message, as(editorToken))
	a.problem(t, http.StatusServiceUnavailable, "unavailable")
	if len(h.messages)+len(h.published)+len(h.audits) != 0 {
		t.Errorf("done: %v, %v", h.messages, h.audits)
	}
	h.with(func() { h.auditErr = []error{nil, errors.New("disk full")} })
	a = h.ask(t, http.MethodPut, "/admin/names", `{"names":[{"kind":"team","id":7,"language":"nl","name":"Hail."}]}`,
		as(editorToken))
	if a.status != http.StatusOK || len(h.audits) != 1 || h.audits[0].Status != 0 {
		t.Errorf("%d, %+v", a.status, h.audits)
	}
	if log := h.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "Hail.") ||
		!strings.Contains(log, "begun=1") {
		t.Errorf("log %s", log)
	}
	h.ask(t, http.MethodPost, "/admin/messages", message, as(editorToken))
	for _, line := range []string{`{result=refused} 1`, `{result=open} 1`, `{result=written} 1`} {
		if !strings.Contains(h.metricLines(t), "goalcast_rest_audit_total"+line+"\n") {
			t.Errorf("no %s in\n%s", line, h.metricLines(t))
		}
	}
}

func TestAuditIsReadByAdmins(t *testing.T) {
	h := openWithAdmin(t)
	for range 3 {
		h.ask(t, http.MethodPost, "/admin/messages", message, as(editorToken))
	}
	type page struct {
		Entries []goalcast.AuditEntry
		Before  int64
		After   string
		More    bool
	}
	got := decode[page](t, h.get(t, "/admin/audit?limit=2", as(adminToken)).body)
	if len(got.Entries) != 2 || got.Entries[0].ID != 6 || got.Before != 5 || got.After != "5" || !got.More ||
		got.Entries[0].Who != "token:editor" {
		t.Errorf("%+v", got)
	}
	h.get(t, "/admin/audit?who=token:anna&action=PUT+/admin/odds&since=2026-05-17T12:00:00Z"+
		"&until=2026-05-18T00:00:00Z&before=5&limit=6", as(adminToken))
	want := goalcast.AuditFilter{Who: "token:anna", Action: "PUT /admin/odds", Before: 5, Limit: 7,
		Since: time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC), Until: time.Date(2026, 5, 18, 0, 0, 0, 0, time.UTC)}
	if h.auditFor != want {
		t.Errorf("filter %+v", h.auditFor)
	}
	for _, query := range []string{"who=%00", "action=" + strings.Repeat("x", 201), "since=now", "before=0",
		"limit=501", "page=2"} {
		h.get(t, "/admin/audit?"+query, as(adminToken)).problem(t, http.StatusBadRequest, "bad_parameter")
	}
	for _, path := range []string{"/admin/audit", "/admin/audit/export", "/admin/audit/verify"} {
		h.get(t, path, as(operatorToken)).problem(t, http.StatusForbidden, "forbidden")
	}

	// what is exported can be checked by whoever has it
	a := h.get(t, "/admin/audit/export", as(adminToken))
	var chain goalcast.AuditChain
	for lines := bufio.NewScanner(bytes.NewReader(a.body)); lines.Scan(); {
		var e goalcast.AuditEntry
		if err := errors.Join(json.Unmarshal(lines.Bytes(), &e), chain.Add(e)); err != nil {
			t.Error(err)
		}
	}
	verified := decode[struct {
		OK   bool
		ID   int64
		Hash string
	}](t, h.get(t, "/admin/audit/verify", as(adminToken)).body)
	if chain.ID != 6 || a.header.Get("Content-Type") != "application/x-ndjson" || !verified.OK || verified.ID != 6 ||
		verified.Hash != chain.Hash {
		t.Errorf("exported to %+v, verified %+v", chain, verified)
	}
	h.with(func() { h.audits[3].After = []byte(`"something else"`) })
	verified = decode[struct {
		OK   bool
		ID   int64
		Hash string
	}](t, h.get(t, "/admin/audit/verify", as(adminToken)).body)
	if verified.OK || verified.ID != 3 || verified.Hash != h.audits[2].Hash ||
		!strings.Contains(h.metricLines(t), "goalcast_rest_audit_broken{} 1\n") {
		t.Errorf("verified %+v", verified)
	}
}

// An empty book is a whole one.
func TestAuditMayBeEmpty(t *testing.T) {
	h := openWithAdmin(t)
	if a := h.get(t, "/admin/audit", as(adminToken)); string(a.body) != `{"entries":[]}` {
		t.Errorf("%s", a.body)
	}
	if a := h.get(t, "/admin/audit/export", as(adminToken)); a.status != http.StatusOK || len(a.body) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := h.get(t, "/admin/audit/verify", as(adminToken)); string(a.body) != `{"ok":true,"id":0,"hash":""}` {
		t.Errorf("%s", a.body)
	}
}

// The book is verified by itself: what is new each time, all of it once a day and after a change
// was found. Entries that were cut off show as well.
func TestAuditIsVerifiedByItself(t *testing.T) {
	var later atomic.Int64 // hours
	h := openWithAdmin(t, func(c *rest.Config, _ *rest.Deps) {
		c.Now = func() time.Time { return kickoff.Add(time.Duration(later.Load()) * time.Hour) }
	})
	write := func() { h.ask(t, http.MethodPost, "/admin/messages", message, as(editorToken)) }
	verify := func(when string, broken bool) {
		t.Helper()
		if err := h.server.VerifyAudit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("goalcast_rest_audit_broken{} %d\n", map[bool]int{true: 1}[broken]); !strings.Contains(
			h.metricLines(t), want) {
			t.Errorf("%s: want %s", when, want)
		}
	}
	verify("nothing is written", false)
	write()
	verify("two entries", false)
	write()
	h.with(func() { h.audits[0].Who = "somebody else" })
	verify("an entry changed that was verified", false) // today
	later.Store(25)
	verify("a day later", true)
	verify("still", true)
	h.with(func() { h.audits[0].Who = "token:editor" })
	verify("put back", false)
	write()
	h.with(func() { h.audits[5].Target = "7" })
	verify("a new entry is wrong", true)
	h.with(func() { h.audits = h.audits[:5] })
	verify("that one is gone, which nobody had verified", false)
	h.with(func() { h.audits = h.audits[:4] })
	verify("one is gone that was verified", true)
	verify("still gone", true)
	if log := h.log.String(); strings.Count(log, `msg="the audit was changed"`) != 5 || !strings.Contains(log, "level=ERROR") {
		t.Errorf("log %s", log)
	}
}
