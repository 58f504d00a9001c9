package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
)

// A token is exchanged for a cookie that says nothing of it and that no script and no other site
// gets.
func TestLogin(t *testing.T) {
	h := open(t)
	shelf := &shelf{}
	server := httptest.NewServer(h.process(shelf))
	t.Cleanup(server.Close)
	v := visit(t, server.URL)
	for _, path := range []string{"", "feeds?state=failed", "documents/1", "documents/1/raw", "nowhere"} {
		a := v.get(path)
		if to := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/console/login") {
			t.Errorf("%s: %d %s", path, a.status, to)
		}
	}
	for _, token := range []string{"", "wrong", operatorToken + "x", strings.Repeat("x", 9000)} {
		a := v.post("login", "token", token)
		if a.status != http.StatusUnauthorized || v.cookie() != nil || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%q: %d %s", token, a.status, a.body)
		}
		contains(t, a.body, "unauthorized", a.header.Get("X-Request-Id"))
	}
	a := v.post("login", "token", " "+operatorToken+"\n", "next", "/console/feeds?state=failed")
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/console/feeds?state=failed" {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}
	cookie := a.header.Get("Set-Cookie")
	contains(t, cookie, "HttpOnly", "SameSite=Strict", "Path=/console/", "Max-Age=28800")
	containsNot(t, cookie, "Secure", operatorToken, "Domain")
	contains(t, v.page(""), "Overview", "Log out")
	contains(t, v.get("feeds").header.Get("Cache-Control"), "no-store")

	if len(shelf.values) != 1 {
		t.Fatalf("%d sessions are kept", len(shelf.values))
	}
	for digest, value := range shelf.values {
		if strings.Contains(string(value), operatorToken) || strings.Contains(v.cookie().Value, digest) ||
			strings.Contains(digest, v.cookie().Value) {
			t.Error("what is kept gives the token or the cookie away")
		}
	}
	// behind a proxy with TLS
	a = v.send(http.MethodPost, "/console/login", url.Values{"token": {operatorToken}},
		"Origin: https://"+strings.TrimPrefix(v.base, "http://"))
	contains(t, a.header.Get("Set-Cookie"), "Secure")
}

// Nobody is sent to another site after the login.
func TestLoginLeadsToOurPages(t *testing.T) {
	v := open(t).visitor(t)
	for _, next := range []string{"https://evil.example/", "//evil.example/console/", "/\\evil.example",
		"javascript:alert(1)", "/admin/documents", "/console/\\\\evil.example", "http:///console/"} {
		if to := v.post("login", "token", operatorToken, "next", next).header.Get("Location"); to != "/console/" {
			t.Errorf("%s leads to %s", next, to)
		}
	}
}

// A session ends by itself, by a logout in any process, and with its token.
func TestSessionsEnd(t *testing.T) {
	h := open(t)
	other := httptest.NewServer(h.process(h.sessions))
	t.Cleanup(other.Close)
	v := h.visitor(t).login(operatorToken)
	there := func() int { // the same browser at the other process
		t.Helper()
		a := visit(t, other.URL).send(http.MethodGet, "/console/alarms", nil, "Host: x",
			"Cookie: "+strings.Replace(v.cookie().String(), port(h.server.URL), port(other.URL), 1))
		return a.status
	}
	if status := there(); status != http.StatusOK {
		t.Errorf("the other process answers %d", status)
	}
	kept := v.cookie()
	if a := v.post("logout"); a.status != http.StatusSeeOther || v.cookie() != nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	v.client.Jar.SetCookies(mustURL(t, v.base+"/console/"), []*http.Cookie{{Name: kept.Name, Value: kept.Value,
		Path: "/console/"}})
	if a := v.get("alarms"); a.status != http.StatusSeeOther {
		t.Errorf("a cookie that was logged out: %d", a.status)
	}
	h.pass(3 * time.Second)
	v.client.Jar.SetCookies(mustURL(t, v.base+"/console/"), []*http.Cookie{kept})
	if status := there(); status != http.StatusSeeOther {
		t.Errorf("the other process answers %d after the logout", status)
	}

	v = h.visitor(t).login(operatorToken)
	h.pass(8*time.Hour - time.Second)
	v.page("alarms")
	h.pass(2 * time.Second)
	if a := v.get("alarms"); a.status != http.StatusSeeOther ||
		!strings.Contains(a.header.Get("Location"), "ended=1") {
		t.Errorf("%d %s", a.status, a.header.Get("Location"))
	}

	v = h.visitor(t).login(operatorToken)
	h.rest.UseAdminTokens(map[string][]string{"operator": {"another-token-0123456789"}})
	for _, path := range []string{"", "alarms", "feeds"} {
		if a := v.get(path); a.status != http.StatusSeeOther {
			t.Errorf("%s with a token that was withdrawn: %d", path, a.status)
		}
	}
}

// Redis may lose all sessions, or be away: who is logged in stays so, and who logs in is.
func TestSessionsWithoutRedis(t *testing.T) {
	h := open(t)
	shelf := &shelf{}
	here, there := httptest.NewServer(h.process(shelf)), httptest.NewServer(h.process(shelf))
	t.Cleanup(here.Close)
	t.Cleanup(there.Close)
	v := visit(t, here.URL).login(operatorToken)
	look := func(what string, base string, want int) {
		t.Helper()
		h.pass(3 * time.Second)
		a := visit(t, base).send(http.MethodGet, "/console/message", nil,
			"Cookie: "+strings.Replace(v.cookie().String(), port(here.URL), port(base), 1))
		if a.status != want {
			t.Errorf("%s: %d, want %d", what, a.status, want)
		}
	}
	look("at first", there.URL, 200)
	shelf.set(func() { shelf.err = goalcast.ErrUnavailable })
	look("while Redis is away", here.URL, 200)
	v = visit(t, here.URL).login(operatorToken)
	look("who logged in meanwhile", here.URL, 200)
	look("who logged in meanwhile, elsewhere", there.URL, 303)
	shelf.set(func() { shelf.err, shelf.values = nil, nil })
	look("when Redis came back empty", here.URL, 200)
	look("and then elsewhere", there.URL, 200)
	shelf.set(func() { shelf.err = context.DeadlineExceeded })
	look("while Redis hangs", here.URL, 200)
	shelf.set(func() {
		shelf.err = nil
		for digest := range shelf.values {
			shelf.values[digest] = []byte("something else")
		}
	})
	look("with a value that nobody sealed", here.URL, 303)
}

// shelf keeps sessions, or does not.
type shelf struct {
	mu     sync.Mutex
	values map[string][]byte
	err    error
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shelf) Put(_ context.Context, digest string, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	s.values[digest] = value
	return nil
}

func (s *shelf) Get(_ context.Context, digest string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[digest]
	if !ok && s.err == nil {
		return nil, errors.Join(goalcast.ErrNotFound)
	}
	return value, s.err
}

// What changes something is done only for a page of ours; another site's, or a program's, changes
// nothing, whatever cookie it shows.
func TestWritesComeFromThePageItself(t *testing.T) {
	h := open(t)
	v := h.visitor(t).login(operatorToken)
	host := strings.TrimPrefix(v.base, "http://")
	writes := h.page.Writes()
	if len(writes) < 9 {
		t.Fatalf("only %v", writes)
	}
	for _, path := range writes {
		path = strings.NewReplacer("{id}", "1", "{queue}", "ingest.default").Replace(path)
		for _, headers := range [][]string{
			nil,
			{"Origin: null"},
			{"Origin: https://evil.example"},
			{"Origin: http://" + host + ".evil.example"},
			{"Origin: http://evil.example/" + host},
			{"Sec-Fetch-Site: cross-site", "Origin: " + v.base},
			{"Sec-Fetch-Site: same-site", "Origin: " + v.base},
			{"Sec-Fetch-Site: none"},
			{"Referer: " + v.base + "/console/"},
		} {
			a := v.send(http.MethodPost, path, url.Values{"once": {"1"}, "token": {operatorToken}}, headers...)
			if a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" {
				t.Errorf("%s with %v: %d", path, headers, a.status)
			}
			contains(t, a.body, "foreign_origin")
		}
		for _, method := range []string{http.MethodPut, http.MethodDelete} {
			a := v.send(method, path, nil)
			if a.status != http.StatusMethodNotAllowed && a.status != http.StatusNotFound {
				t.Errorf("%s %s: %d", method, path, a.status)
			}
		}
	}
	v.page("alarms") // the session is what it was
	for _, headers := range [][]string{{"Origin: " + v.base}, {"Origin: http://" + strings.ToUpper(host)},
		{"Sec-Fetch-Site: same-origin"}} {
		a := v.send(http.MethodPost, "/console/alarms/1/ack", url.Values{"once": {headers[0]}}, headers...)
		if a.status != http.StatusNotFound { // there is no such alarm
			t.Errorf("%v: %d %s", headers, a.status, a.body)
		}
	}
}

// A link from elsewhere finds the session: the browser is asked to come again from our own page.
func TestALinkFromElsewhere(t *testing.T) {
	v := open(t).visitor(t)
	a := v.send(http.MethodGet, "/console/alarms", nil, "Sec-Fetch-Site: cross-site")
	if a.status != http.StatusOK || !strings.Contains(a.body, `http-equiv="refresh"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := v.send(http.MethodGet, "/console/alarms", nil, "Sec-Fetch-Site: same-origin"); a.status != 303 {
		t.Errorf("%d", a.status)
	}
}

func port(base string) string { return base[strings.LastIndex(base, ":")+1:] }

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	must(t, err)
	return u
}
