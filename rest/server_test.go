package rest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/docs"
	"goalcast/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	editorToken   = "editor-token-0123456789"
	operatorToken = "operator-token-0123456789"
	anna          = "b0Yt3q9Zc1-Lm_Q7xW5vR2sK8dJ4hG6f"
	bram          = "Zk8fT2nQ5wX1cV7bN3mL9pR4sD6gH0jY"
	phone         = "dQw4w9WgXcQ:APA91bF-example_token_of_a_phone_0123456789"
)

// house is a running server with everything around it. Every answer that its client gets is held
// against the description.
type house struct {
	*fake
	clock  *clock
	public *httptest.Server
	admin  *httptest.Server
	server *rest.Server
	reg    *prometheus.Registry
	log    *logText
	desc   *description
}

// logText collects what was logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open starts a house. change may alter its configuration and parts.
func open(t *testing.T, change ...func(*rest.Config, *rest.Deps)) *house {
	t.Helper()
	f := newFake()
	f.matches[1009316] = fullMatch()
	f.found = []goalcast.Found{{Kind: "team", ID: 174, Name: "Port Amber"}, {Kind: "competition", ID: 23,
		Name: "Coastal League"}, {Kind: "player", ID: 174, Name: "Wout Pypaertsz"}}
	h := &house{fake: f, clock: &clock{at: kickoff.Add(20 * time.Minute)}, reg: prometheus.NewRegistry(),
		log: &logText{}, desc: describe(t)}
	cfg := rest.Config{AdminTokens: map[string][]string{"editor": {editorToken}, "operator": {operatorToken}},
		OddsPublic: true, Now: h.clock.now}
	deps := rest.Deps{Board: f, Store: f, Poster: f, Replayer: f, Alarms: f, Queues: f, Gates: f, States: f, Odds: f,
		Settlements: f, Viewers: f, Names: &bookOfNames{f}, LiveChannels: f}
	for _, c := range change {
		c(&cfg, &deps)
	}
	h.server = rest.New(cfg, deps, slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		h.reg)
	h.public, h.admin = httptest.NewServer(h.server.Public()), httptest.NewServer(h.server.Admin())
	t.Cleanup(h.public.Close)
	t.Cleanup(h.admin.Close)
	return h
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request to the public or, for /admin, the admin listener. Headers are "Name: value";
// body is sent as JSON unless a header says otherwise.
func (h *house) ask(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	req, got := h.send(t, method, path, body, headers...)
	if method != http.MethodHead && method != http.MethodOptions && got.header.Get("Content-Encoding") == "" {
		h.desc.check(t, req, got)
	}
	return got
}

// send is ask without a look at the description.
func (h *house) send(t *testing.T, method, path, body string, headers ...string) (*http.Request, answer) {
	t.Helper()
	base := h.public
	if strings.HasPrefix(path, "/admin") {
		base = h.admin
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	req.Body = io.NopCloser(strings.NewReader(body)) // to be read again
	return req, answer{status: resp.StatusCode, header: resp.Header, body: text}
}

// get is ask without much.
func (h *house) get(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	return h.ask(t, http.MethodGet, path, "", headers...)
}

func as(token string) string { return "Authorization: Bearer " + token }

// problem checks that the answer is one of this status and code, and returns it.
func (a answer) problem(t *testing.T, status int, code string) problem {
	t.Helper()
	p := decode[problem](t, a.body)
	if a.status != status || p.Status != status || p.Code != code ||
		a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer %d %s %s; want %d %s", a.status, a.header.Get("Content-Type"), a.body, status, code)
	}
	return p
}

type problem struct {
	Status                         int
	Code, Detail, Parameter, Title string
	RequestID                      string `json:"request_id"`
}

// description is docs/openapi.yaml, with every object closed: a field that it does not name is an
// error.
type description struct {
	doc    *openapi3.T
	router routers.Router
	known  map[[sha256.Size]byte]bool // answers that came before; nil: each is checked
}

func describe(t *testing.T) *description {
	t.Helper()
	d, err := readDescription()
	if err != nil {
		t.Fatal(err)
	}
	own := *d // what it knows is this test's alone
	return &own
}

// readDescription reads it once for all tests, which takes longer than most of them; they only look
// at it.
var readDescription = sync.OnceValues(func() (*description, error) {
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
	text, err := docs.Files.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // paths are matched as they are
	for _, item := range doc.Paths.Map() {
		item.Servers = nil
		for _, op := range item.Operations() {
			for _, r := range op.Responses.Map() {
				for _, m := range r.Value.Content {
					closed(m.Schema)
				}
			}
		}
	}
	for _, s := range doc.Components.Schemas {
		closed(s)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	return &description{doc: doc, router: router}, nil
})

// closed forbids other properties in an object and in what it holds.
func closed(s *openapi3.SchemaRef) {
	if s == nil || s.Value == nil || s.Value.AdditionalProperties.Has != nil {
		return
	}
	if len(s.Value.Properties) > 0 {
		no := false
		s.Value.AdditionalProperties.Has = &no
	}
	for _, p := range s.Value.Properties {
		closed(p)
	}
	closed(s.Value.Items)
}

// check holds an answer, and a request that was not refused, against the description.
func (d *description) check(t *testing.T, r *http.Request, a answer) {
	t.Helper()
	if err := d.errorIn(r, a); err != nil {
		t.Errorf("%s %s: %d %.400s\nis not as described: %v", r.Method, r.URL.Path, a.status, a.body, err)
	}
}

func (d *description) errorIn(r *http.Request, a answer) error {
	ctx := context.Background()
	route, params, err := d.router.FindRoute(r)
	if err != nil { // no such route or method: the answer is a problem all the same
		if d.knows("", a) {
			return nil
		}
		return d.doc.Components.Schemas["Problem"].Value.VisitJSON(mustJSON(a.body), openapi3.EnableJSONSchema2020())
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true,
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if a.status < 400 {
		if err := openapi3filter.ValidateRequest(ctx, in); err != nil {
			return err
		}
	}
	if d.knows(route.Method+" "+route.Path, a) {
		return nil
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{RequestValidationInput: in,
		Status: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader(a.body)), Options: in.Options})
}

// knows says whether the same answer of an operation, but for the id of its request, came before:
// then it has been checked. It does so where known is not nil.
func (d *description) knows(operation string, a answer) bool {
	if d.known == nil {
		return false
	}
	text := fmt.Sprintf("%s %d %v %s", operation, a.status, a.header, a.body)
	if id := a.header.Get("X-Request-Id"); id != "" {
		text = strings.ReplaceAll(text, id, "")
	}
	sum := sha256.Sum256([]byte(text))
	before := d.known[sum]
	d.known[sum] = true
	return before
}
