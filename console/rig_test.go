package console_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/console"
	"goalcast/hub/board"
	"goalcast/rest"
	"goalcast/store"
	"goalcast/store/bus"
	"goalcast/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	editorToken   = "editor-token-0123456789"
	operatorToken = "operator-token-0123456789"
	adminToken    = "admin-token-0123456789"
)

// house is the page with the real admin API, database and Redis behind it.
type house struct {
	db       *store.Store
	redis    *bus.Redis
	bus      *bus.Bus
	queue    *bus.Queue
	rest     *rest.Server
	page     *console.Console
	server   *httptest.Server
	sessions console.Sessions

	mu       sync.Mutex
	now      time.Time
	replayed []goalcast.DocumentID
}

func open(t *testing.T) *house {
	t.Helper()
	log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	h := &house{now: time.Now()}
	var err error
	if h.db, err = store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "page.db"), log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.db.Close() })
	must(t, h.db.Migrate(t.Context()))
	if h.redis, err = bus.OpenRedis("embedded"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.redis.Close() })
	h.bus = bus.New(h.redis, bus.Options{}, log, reg)
	b := board.New(h.db, log, reg)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.bus.Listen(ctx, b) })
	t.Cleanup(func() { stop(); wg.Wait() })
	h.queue = bus.NewQueue(h.redis, bus.QueueOptions{}, log, reg)
	h.rest = rest.New(rest.Config{AdminTokens: map[string][]string{"editor": {editorToken}, "operator": {operatorToken},
		"admin": {adminToken}}, Now: h.time},
		rest.Deps{Board: b, Store: h.db, Poster: store.NewRelay(h.db, h.bus, log, reg), Replayer: h,
			Alarms: watch.New(watch.Config{}, h.db, h.queue, log, reg), Queues: h.queue, Gates: h.bus, Viewers: h.bus,
			Odds: h.bus, Settlements: h.db}, log, reg)
	h.sessions = bus.NewSessions(h.redis, "")
	h.page = h.process(h.sessions)
	h.server = httptest.NewServer(h.page)
	t.Cleanup(h.server.Close)
	return h
}

// process is the page as one process serves it.
func (h *house) process(sessions console.Sessions) *console.Console {
	return console.New(console.Config{API: h.rest.Admin(), Sessions: sessions, Now: h.time},
		slog.New(slog.DiscardHandler))
}

func (h *house) time() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// Process implements rest.Replayer.
func (h *house) Process(ctx context.Context, id goalcast.DocumentID) error {
	h.mu.Lock()
	h.replayed = append(h.replayed, id)
	h.mu.Unlock()
	return h.db.FinishDocument(ctx, id, goalcast.DocumentApplied, "")
}

// visitor is a browser.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
}

func (h *house) visitor(t *testing.T) *visitor { return visit(t, h.server.URL) }

func visit(t *testing.T, base string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &visitor{t, base, &http.Client{Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// shown is an answer.
type shown struct {
	status int
	header http.Header
	body   string
}

func (v *visitor) send(method, path string, form url.Values, headers ...string) shown {
	v.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, body)
	must(v.t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := v.client.Do(req)
	must(v.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(v.t, err)
	return shown{res.StatusCode, res.Header, string(text)}
}

func (v *visitor) get(path string) shown {
	v.t.Helper()
	return v.send(http.MethodGet, "/console/"+path, nil)
}

// page is get for one that has to be there.
func (v *visitor) page(path string) string {
	v.t.Helper()
	a := v.get(path)
	if a.status != http.StatusOK {
		v.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	return a.body
}

// post sends a form from the page itself, with a number of its own.
func (v *visitor) post(path string, pairs ...string) shown {
	v.t.Helper()
	form := url.Values{"once": {fmt.Sprint(time.Now().UnixNano())}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.send(http.MethodPost, "/console/"+path, form, "Origin: "+v.base)
}

// done posts what has to work, and follows to the page that confirms it.
func (v *visitor) done(path string, pairs ...string) string {
	v.t.Helper()
	a := v.post(path, pairs...)
	if a.status != http.StatusSeeOther {
		v.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	return v.page(strings.TrimPrefix(a.header.Get("Location"), "/console/"))
}

func (v *visitor) login(token string) *visitor {
	v.t.Helper()
	if a := v.post("login", "token", token); a.status != http.StatusSeeOther {
		v.t.Fatalf("login: %d %s", a.status, a.body)
	}
	return v
}

func (v *visitor) cookie() *http.Cookie {
	v.t.Helper()
	u, err := url.Parse(v.base + "/console/")
	must(v.t, err)
	if list := v.client.Jar.Cookies(u); len(list) == 1 {
		return list[0]
	}
	return nil
}

var tags = regexp.MustCompile(`<[^>]*>`)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// contains checks that a page says something, in its source.
func contains(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("no %q in %s", part, tags.ReplaceAllString(page, ""))
		}
	}
}

func containsNot(t *testing.T, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(page, part) {
			t.Errorf("%q in %s", part, page)
		}
	}
}
