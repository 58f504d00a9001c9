package rest_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/rest"
)

func document(id goalcast.DocumentID) goalcast.Document {
	body := []byte("<Opta/>\xff")
	return goalcast.Document{ID: id, Provider: "opta", Feed: "F9", Match: 1009316,
		Headers: map[string]string{"x-meta-feed-type": "F9"}, Body: body, Size: len(body),
		Digest: sha256.Sum256(body), Received: time.Date(2026, 5, 17, 18, 44, 1, 0, time.UTC),
		State: goalcast.DocumentApplied, Attempts: 1}
}

func applied(d *goalcast.Document) error {
	d.State, d.Error = goalcast.DocumentApplied, ""
	d.Attempts++
	return nil
}

const message = `{"topic":"match:1009316","body":{"text":"Rain."}}`

func TestRoles(t *testing.T) {
	h := open(t)
	h.documents[7] = document(7)
	h.process = applied
	for _, tt := range []struct {
		token           string
		messages, reads int
	}{
		{"", 401, 401},
		{anna, 401, 401},
		{editorToken + "x", 401, 401},
		{editorToken[:10], 401, 401},
		{editorToken, 202, 403},
		{operatorToken, 202, 200},
	} {
		a := h.ask(t, http.MethodPost, "/admin/messages", message, as(tt.token))
		if a.status != tt.messages {
			t.Errorf("%q: messages %d", tt.token, a.status)
		}
		if tt.messages == 401 && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %v", tt.token, a.header)
		}
		for _, route := range []string{"GET /admin/documents", "GET /admin/documents/7", "GET /admin/documents/7/body",
			"POST /admin/documents/7/replay"} {
			method, path, _ := strings.Cut(route, " ")
			if a := h.ask(t, method, path, "", as(tt.token)); a.status != tt.reads ||
				a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%q: %s %d %v", tt.token, route, a.status, a.header)
			}
		}
	}
}

// Without tokens nobody comes in, whatever he shows, and whoever starts the process is told.
func TestNoAdminTokens(t *testing.T) {
	for _, tokens := range []map[string][]string{nil, {"editor": {""}}, {"janitor": {"janitor-token-0123456789"}}} {
		h := open(t, func(c *rest.Config, _ *rest.Deps) { c.AdminTokens = tokens })
		for _, token := range []string{"", "janitor-token-0123456789", editorToken} {
			h.ask(t, http.MethodPost, "/admin/messages", message, as(token)).problem(t, http.StatusForbidden,
				"admin_disabled")
			h.get(t, "/admin/documents", as(token)).problem(t, http.StatusForbidden, "admin_disabled")
		}
		if strings.Count(h.log.String(), "no admin tokens") != 1 {
			t.Errorf("log %s", h.log)
		}
	}
	if h := open(t); strings.Contains(h.log.String(), "no admin tokens") {
		t.Errorf("log %s", h.log)
	}
}

func TestMessages(t *testing.T) {
	h := open(t)
	a := h.ask(t, http.MethodPost, "/admin/messages",
		"{\n \"topic\": \"team:174\", \"body\": { \"text\": \"Rain, \\u20ac <b>\" },\n \"id\": \"quiz-1\"}",
		as(editorToken))
	if a.status != http.StatusAccepted || string(a.body) != `{"id":"message:quiz-1"}` {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if len(h.messages) != 1 || len(h.published) != 1 {
		t.Fatalf("saved %v, published %v", h.messages, h.published)
	}
	e := h.messages[0]
	if e.ID != "message:quiz-1" || e.Revision != 1 || e.Status != goalcast.Confirmed ||
		e.Kind != goalcast.KindMessage || e.Seq != 0 || e.Match != 0 ||
		len(e.Topics) != 1 || e.Topics[0] != goalcast.ForTeam(174) ||
		string(e.Message) != `{"text":"Rain, \u20ac <b>"}` || e.Score != nil {
		t.Errorf("event %+v, message %s", e, e.Message)
	}
	if !e.At.Equal(h.clock.now()) || e.Times.Received != h.clock.now().UnixMilli() {
		t.Errorf("at %v, times %+v", e.At, e.Times)
	}
	if h.published[0].ID != e.ID {
		t.Errorf("published %+v", h.published)
	}
	if log := h.log.String(); !strings.Contains(log, "msg=audit action=message role=editor") ||
		!strings.Contains(log, "topic=team:174 event=message:quiz-1") {
		t.Errorf("log %s", log)
	}
	seen := map[string]bool{}
	for _, body := range []string{`null`, `"text"`, `7`, `[]`, `false`, `{}`} {
		a := h.ask(t, http.MethodPost, "/admin/messages", `{"topic":"competition:23","body":`+body+`}`,
			as(operatorToken))
		id := decode[struct{ ID string }](t, a.body).ID
		if a.status != http.StatusAccepted || seen[id] || len(id) < 30 ||
			string(h.messages[len(h.messages)-1].Message) != body {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
		seen[id] = true
	}
}

// Saved is accepted: what could not be published now goes out later. Not saved is not.
func TestMessageWhenThingsAreAway(t *testing.T) {
	h := open(t)
	h.with(func() { h.pubErr = goalcast.ErrUnavailable })
	if a := h.ask(t, http.MethodPost, "/admin/messages", message, as(editorToken)); a.status != http.StatusAccepted {
		t.Errorf("%d %s", a.status, a.body)
	}
	if !strings.Contains(h.log.String(), "saved, not published yet") || !strings.Contains(h.metricLines(t),
		"goalcast_rest_messages_total{result=saved} 1\n") {
		t.Errorf("log %s", h.log)
	}
	h.with(func() { h.pubErr, h.err = nil, goalcast.ErrUnavailable })
	h.ask(t, http.MethodPost, "/admin/messages", message, as(editorToken)).problem(t, http.StatusServiceUnavailable,
		"unavailable")
	if len(h.published) != 0 {
		t.Errorf("published %v", h.published)
	}
}

// A push is sent by who has seen its preview, and exactly that.
func TestPushesOfMessagesAreConfirmed(t *testing.T) {
	h := open(t)
	body := func(title, confirm string) string {
		return `{"topic":"team:174","body":"Rain.","id":"rain","push":{"en":{"title":"` + title +
			`","body":"Kick-off at nine."}},"confirm":"` + confirm + `"}`
	}
	a := h.ask(t, http.MethodPost, "/admin/messages/preview", body("Rain", ""), as(editorToken))
	preview := decode[struct{ Confirm string }](t, a.body)
	for _, wrong := range []string{body("Rain", ""), body("Snow", preview.Confirm), body("Rain", "0123456789abcdef"),
		`{"topic":"team:174","body":"Rain.","confirm":"` + preview.Confirm + `"}`} {
		h.ask(t, http.MethodPost, "/admin/messages", wrong, as(editorToken)).problem(t, http.StatusConflict,
			"not_confirmed")
	}
	if len(h.messages) > 0 {
		t.Fatalf("saved %v", h.messages)
	}
	a = h.ask(t, http.MethodPost, "/admin/messages", body("Rain", preview.Confirm), as(editorToken))
	if a.status != http.StatusAccepted || len(h.messages) != 1 || h.messages[0].Push["en"].Title != "Rain" {
		t.Fatalf("%d %s: %+v", a.status, a.body, h.messages)
	}
	h.with(func() { h.err = &goalcast.PauseError{Wait: 90 * time.Second} })
	a = h.ask(t, http.MethodPost, "/admin/messages", body("Rain", preview.Confirm), as(editorToken))
	a.problem(t, http.StatusTooManyRequests, "rate_push")
	if a.header.Get("Retry-After") != "90" {
		t.Errorf("%v", a.header)
	}
}

func TestBadMessages(t *testing.T) {
	h := open(t)
	for _, tt := range []struct {
		body            string
		status          int
		code, parameter string
	}{
		{`{"topic":"odds:1009316","body":1}`, 400, "bad_topic", "topic"},
		{`{"topic":"everyone","body":1}`, 400, "bad_topic", "topic"},
		{`{"body":1}`, 400, "bad_topic", "topic"},
		{`{"topic":"match:1"}`, 400, "bad_parameter", "body"},
		{`{"topic":"match:1","body":1,"id":"has space"}`, 400, "bad_parameter", "id"},
		{`{"topic":"match:1","body":1,"id":"` + strings.Repeat("x", 101) + `"}`, 400, "bad_parameter", "id"},
		{`{"topic":"match:1","body":1,"to":"all"}`, 400, "bad_parameter", "to"},
		{`{"topic":"match:1","body":1,"push":{}}`, 400, "bad_parameter", "push"},
		{`{"topic":"match:1","body":1,"push":{"nl":{"title":"a","body":"b"}}}`, 400, "bad_parameter", "push"},
		{`{"topic":"match:1","body":1,"push":{"en":{"title":"a","body":" "}}}`, 400, "bad_parameter", "push"},
		{`{"topic":"match:1","body":1,"push":{"en":{"title":"a","body":"b"},"xx":{"title":"a","body":"b"}}}`, 400,
			"bad_parameter", "push"},
		{`{"topic":"match:1","body":1,"push":{"en":{"title":"` + strings.Repeat("é", 101) + `","body":"b"}}}`, 400,
			"bad_parameter", "push"},
		{`{"topic":"match:1","body":{"a":}}`, 400, "bad_body", ""},
		{`{"topic":"match:1","body":"` + "\xff" + `"}`, 400, "bad_body", ""},
		{`{"topic":"match:1","body":"` + strings.Repeat("x", 16384) + `"}`, 413, "too_large", ""},
	} {
		p := h.ask(t, http.MethodPost, "/admin/messages", tt.body, as(editorToken)).problem(t, tt.status, tt.code)
		if p.Parameter != tt.parameter {
			t.Errorf("%.80s: %+v", tt.body, p)
		}
	}
	if len(h.messages)+len(h.published) != 0 {
		t.Errorf("saved %v, published %v", h.messages, h.published)
	}
}

// An array is one action: all of its messages are kept, in its order, or none.
func TestArrayOfMessages(t *testing.T) {
	h := openWithAdmin(t)
	a := h.ask(t, http.MethodPost, "/admin/messages", ` [{"topic":"team:174","body":"Rain.","id":"b"},
		{"topic":"match:8","body":{"n":2},"id":"a"},{"topic":"team:174","body":3}]`, as(editorToken))
	ids := decode[struct{ IDs []string }](t, a.body).IDs
	if a.status != http.StatusAccepted || len(ids) != 3 || ids[0] != "message:b" || ids[1] != "message:a" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if len(h.messages) != 3 || len(h.published) != 3 {
		t.Fatalf("saved %v, published %v", h.messages, h.published)
	}
	for i, e := range h.published {
		if e.ID != ids[i] || e.Kind != goalcast.KindMessage {
			t.Errorf("published %+v, want %s", e, ids[i])
		}
	}
	if len(h.audits) != 2 || h.audits[1].Target != "3 messages" || h.audits[1].Status != http.StatusAccepted ||
		!strings.HasPrefix(string(h.audits[1].After), `{"events":["message:b","message:a","message:`) {
		t.Errorf("audit %+v", h.audits)
	}
	if !strings.Contains(h.metricLines(t), "goalcast_rest_messages_total{result=published} 3\n") {
		t.Error(h.metricLines(t))
	}
	long := strings.Repeat("x", 100-4)
	var list []string
	for n := range 100 {
		list = append(list, fmt.Sprintf(`{"topic":"team:174","body":1,"id":"%s-%03d"}`, long, n))
	}
	a = h.ask(t, http.MethodPost, "/admin/messages", "["+strings.Join(list, ",")+"]", as(editorToken))
	last := h.audits[len(h.audits)-1]
	if a.status != http.StatusAccepted || last.Target != "team:174" || !strings.Contains(string(last.After), "-099") {
		t.Errorf("as many as there may be: %d %.100s, audit %.100s", a.status, a.body, last.After)
	}
}

// The error of an array says which of its messages is wrong, and nothing of it is kept.
func TestBadArraysOfMessages(t *testing.T) {
	h := open(t)
	const good = `{"topic":"team:174","body":1,"id":"a"}`
	for _, tt := range []struct {
		body            string
		status          int
		code, parameter string
	}{
		{`[]`, 400, "bad_body", ""},
		{`[` + good, 400, "bad_body", ""},
		{`[` + good + `,null]`, 400, "bad_body", ""},
		{`[` + good + `,[` + good + `]]`, 400, "bad_body", ""},
		{`[` + good + `,{"topic":"everyone","body":1}]`, 400, "bad_topic", "[1].topic"},
		{`[` + good + `,{"topic":"match:1"}]`, 400, "bad_parameter", "[1].body"},
		{`[` + good + `,{"topic":"match:1","body":1,"to":"all"}]`, 400, "bad_parameter", "[1].to"},
		{`[` + good + `,` + good + `]`, 400, "bad_parameter", "[1].id"},
		{`[` + good + `,{"topic":"match:1","body":1,"push":{"en":{"title":"a","body":"b"}}}]`, 400, "bad_parameter",
			"[1].push"},
		{`[` + good + `,{"topic":"match:1","body":1,"confirm":"x"}]`, 409, "not_confirmed", ""},
		{`[` + good + `,{"topic":"match:1","body":"` + strings.Repeat("x", 16384) + `"}]`, 413, "too_large", ""},
		{`[` + good + strings.Repeat(`,{"topic":"match:1","body":1}`, 100) + `]`, 413, "too_many_messages", ""},
		{`[` + strings.Repeat(" ", 100*16384) + `]`, 413, "too_large", ""},
	} {
		p := h.ask(t, http.MethodPost, "/admin/messages", tt.body, as(editorToken)).problem(t, tt.status, tt.code)
		if p.Parameter != tt.parameter || strings.Contains(tt.body, good+",{") && tt.code != "too_many_messages" &&
			!strings.HasPrefix(p.Detail, "[1]: ") {
			t.Errorf("%.80s: %+v", tt.body, p)
		}
	}
	if len(h.messages)+len(h.published) != 0 {
		t.Errorf("saved %v, published %v", h.messages, h.published)
	}
}

func TestDocuments(t *testing.T) {
	h := open(t)
	failed := document(8)
	failed.State, failed.Error, failed.Match, failed.Headers = goalcast.DocumentFailed, "unexpected end", 0, nil
	h.documents[7], h.documents[8] = document(7), failed

	list := decode[struct{ Documents []struct{ ID int64 } }](t, h.get(t, "/admin/documents", as(operatorToken)).body)
	if len(list.Documents) != 2 || list.Documents[0].ID != 8 || h.docFilter != (goalcast.DocumentFilter{Limit: 101}) {
		t.Errorf("list %+v, filter %+v", list, h.docFilter)
	}
	h.get(t, "/admin/documents?provider=opta&feed=f24&match=9&state=failed"+
		"&from=2026-05-17T12:00:00%2B02:00&to=2026-05-18T00:00:00Z&before=50&limit=7", as(operatorToken))
	want := goalcast.DocumentFilter{Provider: "opta", Feed: "F24", Match: 9, State: goalcast.DocumentFailed, Before: 50,
		Limit: 8,
		From:  time.Date(2026, 5, 17, 10, 0, 0, 0, time.UTC), To: time.Date(2026, 5, 18, 0, 0, 0, 0, time.UTC)}
	if h.docFilter != want {
		t.Errorf("filter %+v, want %+v", h.docFilter, want)
	}
	for _, query := range []string{"provider=a'b", "feed=F 9", "match=x", "state=lost", "from=yesterday", "to=1",
		"limit=501", "before=0", "page=2"} {
		name, _, _ := strings.Cut(query, "=")
		p := h.get(t, "/admin/documents?"+strings.ReplaceAll(query, " ", "%20"), as(operatorToken)).problem(t,
			http.StatusBadRequest, "bad_parameter")
		if p.Parameter != name && name != "page" {
			t.Errorf("%s: %+v", query, p)
		}
	}

	one := string(h.get(t, "/admin/documents/7", as(operatorToken)).body)
	for _, part := range []string{`"sha256":"` + fmt.Sprintf("%x", document(7).Digest), `"bytes":8`,
		`"x-meta-feed-type":"F9"`, `"received":"2026-05-17T18:44:01Z"`} {
		if !strings.Contains(one, part) {
			t.Errorf("no %s in %s", part, one)
		}
	}
	body := h.get(t, "/admin/documents/7/body", as(operatorToken))
	if string(body.body) != "<Opta/>\xff" || body.header.Get("Content-Type") != "application/octet-stream" ||
		!strings.HasPrefix(body.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%q %v", body.body, body.header)
	}
	for _, path := range []string{"/admin/documents/9", "/admin/documents/9/body", "/admin/documents/x"} {
		h.get(t, path, as(operatorToken)).problem(t, http.StatusNotFound, "not_found")
	}
}

func TestReplay(t *testing.T) {
	h := open(t)
	replay := func(id string) answer {
		return h.ask(t, http.MethodPost, "/admin/documents/"+id+"/replay", "", as(operatorToken))
	}
	failed := document(7)
	failed.State, failed.Error = goalcast.DocumentFailed, "unexpected end"
	h.documents[7] = failed
	type state struct {
		State, Error string
		Attempts     int
	}
	for _, tt := range []struct {
		process func(*goalcast.Document) error
		want    state
	}{
		{applied, state{"applied", "", 2}},
		{func(d *goalcast.Document) error {
			d.State, d.Error, d.Attempts = goalcast.DocumentFailed, "no such feed", d.Attempts+1
			return fmt.Errorf("%w: no such feed", goalcast.ErrPermanent)
		}, state{"failed", "no such feed", 3}},
	} {
		h.with(func() { h.process = tt.process })
		if a := replay("7"); a.status != http.StatusOK || decode[state](t, a.body) != tt.want {
			t.Errorf("%d %s, want %+v", a.status, a.body, tt.want)
		}
	}
	// The document failed before, but that is not what happened now.
	h.with(func() {
		h.process = func(*goalcast.Document) error { return fmt.Errorf("apply: %w", goalcast.ErrUnavailable) }
	})
	replay("7").problem(t, http.StatusServiceUnavailable, "unavailable")
	h.with(func() { h.process = func(*goalcast.Document) error { return errors.New("disk full on /dev/sda1") } })
	if a := replay("7"); strings.Contains(string(a.body), "sda1") {
		t.Errorf("%s", a.body)
	}
	replay("9").problem(t, http.StatusNotFound, "not_found")
	if !strings.Contains(h.log.String(), "action=replay role=operator") {
		t.Errorf("log %s", h.log)
	}
	h = open(t, func(_ *rest.Config, d *rest.Deps) { d.Replayer = nil })
	h.documents[7] = document(7)
	h.ask(t, http.MethodPost, "/admin/documents/7/replay", "", as(operatorToken)).problem(t, http.StatusNotImplemented,
		"no_ingest")
}
