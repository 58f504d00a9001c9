package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/rest"
)

// Every error has one status, and what is ours stays with us.
func TestErrors(t *testing.T) {
	h := open(t)
	for _, tt := range []struct {
		err    error
		status int
		code   string
		retry  string
	}{
		{fmt.Errorf("match 1: %w", goalcast.ErrNotFound), 404, "not_found", ""},
		{fmt.Errorf("redis 10.0.0.7: %w", goalcast.ErrUnavailable), 503, "unavailable", "2"},
		{errSecret, 500, "internal", ""},
	} {
		h.with(func() { h.err = tt.err })
		a := h.get(t, "/v1/matches/1009316")
		p := a.problem(t, tt.status, tt.code)
		if a.header.Get("Retry-After") != tt.retry || a.header.Get("Cache-Control") != "no-store" ||
			a.header.Get("ETag") != "" {
			t.Errorf("%v: headers %v", tt.err, a.header)
		}
		if strings.Contains(string(a.body), "10.") || strings.Contains(string(a.body), "users") {
			t.Errorf("%v came through: %s", tt.err, a.body)
		}
		if p.Title != http.StatusText(tt.status) || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
			t.Errorf("%+v", p)
		}
		if known := strings.Contains(h.log.String(), p.RequestID+` error="`) || strings.Contains(h.log.String(),
			p.RequestID+" error="); known != (tt.status >= 500) {
			t.Errorf("%v: error logged: %t\n%s", tt.err, known, h.log)
		}
	}
}

func TestPanic(t *testing.T) {
	h := open(t)
	h.with(func() { h.panics = true })
	a := h.get(t, "/v1/matches/1009316")
	a.problem(t, http.StatusInternalServerError, "internal")
	if strings.Contains(string(a.body), "secret") || !strings.Contains(h.log.String(), "a secret of ours") {
		t.Errorf("%s; log %s", a.body, h.log)
	}
}

func TestTimeout(t *testing.T) {
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.Timeout = 20 * time.Millisecond })
	h.with(func() { h.hang = true })
	h.get(t, "/v1/matches/1009316").problem(t, http.StatusServiceUnavailable, "unavailable")
}

// Someone who did not wait is not our fault.
func TestClientGone(t *testing.T) {
	h := open(t)
	h.with(func() { h.hang = true })
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-h.hangs
		leave()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.public.URL+"/v1/matches/1009316", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req); err == nil {
		_ = resp.Body.Close()
		t.Fatal(resp.Status)
	}
	h.public.Close() // waits for the handler
	if lines := h.metricLines(t); !strings.Contains(lines, "route=/v1/matches/{id},status=499} 1\n") ||
		strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("%s\n%s", lines, h.log)
	}
}

func TestUnknownRoutes(t *testing.T) {
	h := open(t)
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/match/1", "/v1/matches/", "/v1/matches/1/goals", "/v1/you",
		"/v2/matches", "/v1/me/devices/", "/admin", "/admin/users"} {
		h.get(t, path, as(anna)).problem(t, http.StatusNotFound, "no_route")
	}
	for _, tt := range []struct{ method, path, allow string }{
		{"POST", "/v1/matches", "GET, HEAD"},
		{"DELETE", "/v1/matches/1009316", "GET, HEAD"},
		{"POST", "/v1/me/devices/" + phone, "PUT, DELETE"},
		{"GET", "/v1/me/follows/team:174", "PUT, DELETE"},
		{"PATCH", "/v1/me/follows", "GET, HEAD"},
		{"GET", "/admin/messages", "POST"},
		{"PUT", "/admin/documents/7/replay", "POST"},
	} {
		a := h.ask(t, tt.method, tt.path, "")
		a.problem(t, http.StatusMethodNotAllowed, "no_method")
		if a.header.Get("Allow") != tt.allow {
			t.Errorf("%s %s: Allow %q, want %q", tt.method, tt.path, a.header.Get("Allow"), tt.allow)
		}
	}
}

func TestHeaders(t *testing.T) {
	h := open(t)
	for _, path := range []string{"/v1/matches/1009316", "/v1/matches/4", "/nothing", "/v1/me/follows",
		"/admin/documents"} {
		a := h.get(t, path)
		if len(a.header.Get("X-Request-Id")) < 8 {
			t.Errorf("%s: request id %q", path, a.header.Get("X-Request-Id"))
		}
	}
	for sent, kept := range map[string]bool{"edge-0123456789": true, "short": false, strings.Repeat("x", 65): false,
		"with space and \"quotes\"": false} {
		if got := h.get(t, "/v1/matches", "X-Request-Id: "+sent).header.Get("X-Request-Id"); (got == sent) != kept {
			t.Errorf("request id %q became %q", sent, got)
		}
	}
}

func TestCORS(t *testing.T) {
	const ours, theirs = "https://www.example.org", "https://evil.example"
	h := open(t, func(c *rest.Config, _ *rest.Deps) { c.MeOrigins = []string{ours} })
	for _, tt := range []struct{ path, origin, want, methods string }{
		{"/v1/matches/1009316", theirs, "*", "GET, HEAD"},
		{"/v1/nothing", theirs, "*", "GET, HEAD"},
		{"/v1/me/follows", ours, ours, "GET, HEAD, POST, PUT, DELETE"},
		{"/v1/me/follows", theirs, "", ""},
		{"/v1/me/devices/x", theirs, "", ""},
		{"/v1/me/follows", "", "", ""},
		{"/admin/documents", ours, "", ""},
	} {
		origin := "Origin: " + tt.origin
		a := h.get(t, tt.path, origin)
		if got := a.header.Get("Access-Control-Allow-Origin"); got != tt.want {
			t.Errorf("GET %s from %q: %q, want %q", tt.path, tt.origin, got, tt.want)
		}
		if tt.want != "" && !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Goalcast-Cursor") {
			t.Errorf("GET %s: exposed %q", tt.path, a.header.Get("Access-Control-Expose-Headers"))
		}
		a = h.ask(t, http.MethodOptions, tt.path, "", origin, "Access-Control-Request-Method: PUT")
		if got := a.header.Get("Access-Control-Allow-Methods"); got != tt.methods {
			t.Errorf("OPTIONS %s from %q: %q, want %q", tt.path, tt.origin, got, tt.methods)
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: credentials allowed", tt.path)
		}
		if strings.HasPrefix(tt.path, "/v1/me") && !strings.Contains(strings.Join(a.header.Values("Vary"), ","),
			"Origin") {
			t.Errorf("%s: Vary %v", tt.path, a.header.Values("Vary"))
		}
	}
}

// Labels and log lines hold patterns, never what was asked for: it may be a device's token.
func TestMetricsAndLog(t *testing.T) {
	h := open(t)
	h.ask(t, http.MethodPut, "/v1/me/devices/"+phone, `{"platform":"ios","language":"nl"}`, as(anna))
	h.get(t, "/v1/matches/1009316")
	h.get(t, "/v1/matches/1009316?x=secret")
	h.get(t, "/wp-login.php")
	h.ask(t, "BREW", "/v1/matches", "")
	h.ask(t, http.MethodPost, "/admin/messages", `{"topic":"team:174","body":"secret words"}`, as(editorToken))
	for _, want := range []string{
		`goalcast_rest_request_seconds{api=public,method=PUT,route=/v1/me/devices/{token},status=204} 1`,
		`goalcast_rest_request_seconds{api=public,method=GET,route=/v1/matches/{id},status=200} 1`,
		`goalcast_rest_request_seconds{api=public,method=GET,route=/v1/matches/{id},status=400} 1`,
		`goalcast_rest_request_seconds{api=public,method=GET,route=none,status=404} 1`,
		`goalcast_rest_request_seconds{api=public,method=other,route=none,status=405} 1`,
		`goalcast_rest_request_seconds{api=admin,method=POST,route=/admin/messages,status=202} 1`,
		`goalcast_rest_refused_total{code=bad_parameter} 1`,
		`goalcast_rest_refused_total{code=no_route} 1`,
		`goalcast_rest_messages_total{result=published} 1`,
	} {
		if lines := h.metricLines(t); !strings.Contains(lines, want+"\n") {
			t.Errorf("no %s in\n%s", want, lines)
		}
	}
	text := h.log.String()
	for _, secret := range []string{phone, "dQw4w9WgXcQ", anna, editorToken, "secret", "wp-login"} {
		if strings.Contains(text, secret) || strings.Contains(h.metricLines(t), secret) {
			t.Errorf("%s is in log or metrics:\n%s", secret, text)
		}
	}
	if !strings.Contains(text, "route=/v1/matches/{id} status=200") ||
		!strings.Contains(text, "action=message role=editor") {
		t.Errorf("log\n%s", text)
	}
}

// metricLines lists the counts of all metrics, one a line.
func (h *house) metricLines(t *testing.T) string {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			count := m.GetCounter().GetValue() + m.GetGauge().GetValue() +
				float64(m.GetHistogram().GetSampleCount())
			fmt.Fprintf(&b, "%s{%s} %v\n", f.GetName(), strings.Join(labels, ","), count)
		}
	}
	return b.String()
}
