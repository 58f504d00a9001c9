package ingest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/ingest/merge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an Ingest with a memory behind it and a real server before it.
type bench struct {
	*Ingest
	memory *Memory
	url    string // of the endpoint
	logged *lines
	client *http.Client
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	cfg.Open = cfg.Open || cfg.Secrets == nil
	b := &bench{memory: NewMemory(), logged: &lines{}}
	log := slog.New(slog.NewTextHandler(b.logged, nil))
	b.Ingest = New(cfg, b.memory, b.memory, b.memory, []Provider{plain{}}, log, prometheus.NewRegistry())
	server := httptest.NewServer(b.Handler())
	b.url, b.client = server.URL+"/feeds/plain", server.Client()
	t.Cleanup(func() { server.Close(); b.work.close(time.Hour) })
	return b
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// body is a document of the plain provider.
func body(h said) []byte {
	b, err := json.Marshal(merge.Reading{Source: h.source, Version: h.v, Matches: []merge.MatchReading{h.m}})
	if err != nil {
		panic(err)
	}
	return b
}

// send posts a document; headers in pairs.
func (b *bench) send(t *testing.T, url string, doc []byte, headers ...string) (*http.Response, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	res, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return res, answer
}

func (b *bench) await(t *testing.T, what string, condition func(*Memory) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := b.memory.Await(ctx, condition); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// counted waits until a counter stands at n: documents are counted after they have their state.
func counted(t *testing.T, counter prometheus.Counter, n float64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); testutil.ToFloat64(counter) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("counted %v, want %v", testutil.ToFloat64(counter), n)
		}
	}
}

func applied(n int) func(*Memory) bool {
	return func(m *Memory) bool { return m.States()[goalcast.DocumentApplied] == n }
}

var oneGoal = says(sourceEvents, 27, fixture(), goal(1, home, 27, 5))

func TestDocumentIsKeptAnsweredAndApplied(t *testing.T) {
	b := newBench(t, Config{})
	res, answer := b.send(t, b.url+"?key=hush&x=1", body(oneGoal), "X-META-feed-TYPE", "F24", "x-meta-game-id", "77",
		"Authorization", "Bearer hush", "Cookie", "a=hush", "X-Api-Key", "hush", "X-Meta-Language", "en\xff")
	if res.StatusCode != 200 || answer["document"] != 1.0 || answer["state"] != "received" {
		t.Fatalf("%s %v", res.Status, answer)
	}
	b.await(t, "the goal", func(m *Memory) bool {
		return len(m.Published) == 2 && m.States()[goalcast.DocumentApplied] == 1
	})
	doc, _ := b.memory.Document(t.Context(), 1)
	if doc.Feed != "F24" || doc.Match != 77 || doc.Provider != "plain" || !bytes.Equal(doc.Body, body(oneGoal)) ||
		doc.Attempts != 1 || doc.Received.IsZero() {
		t.Errorf("kept %+v", doc)
	}
	if text := fmt.Sprint(doc.Headers); strings.Contains(text, "hush") ||
		!strings.Contains(text, "x-meta-feed-type:F24") || doc.Headers["x-meta-language"] != "en\uFFFD" {
		t.Errorf("kept headers %s", text)
	}
	if s := b.memory.Record(77).Snapshot; s.Score.Home != 1 {
		t.Errorf("score %v", s.Score)
	}
	if strings.Contains(b.logged.String(), "hush") || strings.Count(b.logged.String(), "no secret") != 1 {
		t.Errorf("log: %s", b.logged)
	}
	counted(t, b.metrics.documents.WithLabelValues("plain", "F24", "changed"), 1)
	if n := testutil.ToFloat64(b.metrics.events.WithLabelValues("goal", "new")); n != 1 {
		t.Errorf("goals %v", n)
	}
}

func TestWhoMayPost(t *testing.T) {
	b := newBench(t, Config{Secrets: map[string][]string{"plain": {"s3cret", "s3cret-too"}}})
	open := newBench(t, Config{Open: true})
	shut := newBench(t, Config{Secrets: map[string][]string{"other": {"s3cret"}}})
	for _, tt := range []struct {
		name    string
		bench   *bench
		query   string
		remote  string
		headers []string
		want    int
	}{
		{"nothing", b, "", "", nil, 401},
		{"wrong bearer", b, "", "", []string{"Authorization", "Bearer s3cre"}, 401},
		{"secret as another scheme", b, "", "", []string{"Authorization", "Digest s3cret"}, 401},
		{"bearer", b, "", "", []string{"Authorization", "bearer s3cret"}, 200},
		{"basic", b, "", "", []string{"Authorization", "Basic b3B0YTpzM2NyZXQ="}, 200},    // opta:s3cret
		{"basic, wrong", b, "", "", []string{"Authorization", "Basic czNjcmV0Og=="}, 401}, // s3cret:
		{"api key", b, "", "", []string{"X-API-KEY", "s3cret"}, 200},
		{"query", b, "?key=s3cret", "203.0.113.9:1", nil, 200},
		{"query, empty", b, "?key=", "", nil, 401},
		{"the second of two", b, "?key=s3cret-too", "", nil, 200},
		{"no secret, not open", shut, "", "127.0.0.1:1", nil, 403},
		{"another's secret", shut, "?key=s3cret", "127.0.0.1:1", nil, 403},
		{"this machine", open, "", "127.0.0.1:1", nil, 200},
		{"this machine, six", open, "", "[::1]:1", nil, 200},
		{"this machine, mapped", open, "", "[::ffff:127.0.0.1]:1", nil, 200},
		{"another machine", open, "", "203.0.113.9:1", nil, 403},
		{"no address", open, "", "@", nil, 403},
		{"behind a proxy here", open, "", "127.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9"}, 403},
		{"behind a proxy here, new way", open, "", "127.0.0.1:1", []string{"Forwarded", "for=203.0.113.9"}, 403},
		{"behind a proxy here that names the scheme only", open, "", "127.0.0.1:1",
			[]string{"X-Forwarded-Proto", "https"}, 403},
		{"a name of somebody's that points here", open, "", "127.0.0.1:1", []string{"Host", "rebound.example.com"},
			403},
		{"a page in a browser here", open, "", "127.0.0.1:1", []string{"Origin", "https://example.com"}, 403},
	} {
		reasons := 0
		// what is no document stands behind the same door
		stream := tt.bench.guard.Admit("plain", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
			func(string) { reasons++ })
		for way, h := range map[string]http.Handler{"document": tt.bench.Handler(), "stream": stream} {
			r := httptest.NewRequest(http.MethodPost, "/feeds/plain"+tt.query, bytes.NewReader(body(oneGoal)))
			r.RemoteAddr, r.Host = tt.remote, "127.0.0.1:8080"
			for i := 0; i < len(tt.headers); i += 2 {
				r.Header.Set(tt.headers[i], tt.headers[i+1])
			}
			if host := r.Header.Get("Host"); host != "" {
				r.Host = host
				r.Header.Del("Host")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want || (tt.want == 401) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%s, %s: %d %s", tt.name, way, w.Code, w.Body)
			}
		}
		if (reasons == 1) != (tt.want != 200) {
			t.Errorf("%s: %d reasons", tt.name, reasons)
		}
	}
}

func packed(t *testing.T, w io.WriteCloser, to *bytes.Buffer, text []byte) []byte {
	t.Helper()
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Bytes()
}

func zipped(t *testing.T, text []byte) []byte {
	var to bytes.Buffer
	return packed(t, gzip.NewWriter(&to), &to, text)
}

func deflated(t *testing.T, text []byte) []byte {
	var to bytes.Buffer
	return packed(t, zlib.NewWriter(&to), &to, text)
}

func TestBodies(t *testing.T) {
	b := newBench(t, Config{MaxBody: 4096})
	full := bytes.Repeat([]byte("x"), 4096)
	whole := zipped(t, body(oneGoal))
	for _, tt := range []struct {
		name, encoding string
		body           []byte
		want           int
		reason         string // of the refusal; empty if it is kept
	}{
		{"plain", "", body(oneGoal), 200, ""},
		{"identity", "identity", body(oneGoal), 200, ""},
		{"gzip", "gzip", whole, 200, ""},
		{"deflate", "Deflate", deflated(t, body(oneGoal)), 200, ""},
		{"as large as may be", "", full, 200, ""},
		{"one byte more", "", append(full, 'x'), 413, "too_large"},
		{"20 MB", "", make([]byte, 20<<20), 413, "too_large"},
		{"zip bomb", "gzip", zipped(t, make([]byte, 3<<20)), 413, "too_large"},
		{"deflate bomb", "deflate", deflated(t, make([]byte, 3<<20)), 413, "too_large"},
		{"empty", "", nil, 400, "empty"},
		{"nothing, as gzip", "gzip", nil, 400, "empty"},
		{"empty gzip", "gzip", zipped(t, nil), 400, "empty"},
		{"no gzip", "gzip", []byte("surely not"), 400, "broken"},
		{"half a gzip", "gzip", whole[:len(whole)/2], 400, "broken"},
		{"unknown encoding", "br", whole, 415, "encoding"},
	} {
		before, counted := len(b.memory.documents), testutil.ToFloat64(b.metrics.refused.WithLabelValues("plain",
			tt.reason))
		res, answer := b.send(t, b.url, tt.body, "Content-Encoding", tt.encoding)
		kept := 0
		b.memory.With(func() { kept = len(b.memory.documents) - before })
		if res.StatusCode != tt.want || (kept == 1) != (tt.want == 200) || tt.want != 200 && answer["error"] == nil {
			t.Errorf("%s: %s %v, kept %d", tt.name, res.Status, answer, kept)
		}
		if got := testutil.ToFloat64(b.metrics.refused.WithLabelValues("plain",
			tt.reason)) - counted; tt.reason != "" && got != 1 {
			t.Errorf("%s: %s counted %v times", tt.name, tt.reason, got)
		}
	}
	doc, _ := b.memory.Document(t.Context(), 3)
	if !bytes.Equal(doc.Body, body(oneGoal)) {
		t.Errorf("gzip kept as %q", doc.Body)
	}
}

func TestChunkedBodyIsLimitedToo(t *testing.T) {
	b := newBench(t, Config{MaxBody: 4096})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url, io.LimitReader(endless{}, 1<<20))
	res, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 || len(b.memory.documents) != 0 {
		t.Errorf("%s", res.Status)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestSlowBodyIsGivenUp(t *testing.T) {
	b := newBench(t, Config{})
	server := httptest.NewUnstartedServer(b.Handler())
	server.Config.ReadTimeout = 50 * time.Millisecond
	server.Start()
	defer server.Close()
	b.url = server.URL + "/feeds/plain"
	body, stop := io.Pipe()
	defer stop.Close()
	go func() { _, _ = stop.Write([]byte("{")) }()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url, body)
	res, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 400 || len(b.memory.documents) != 0 {
		t.Errorf("%s", res.Status)
	}
}

func TestOtherRequests(t *testing.T) {
	b := newBench(t, Config{})
	for _, tt := range []struct {
		method, path string
		want         int
	}{{"GET", "/feeds/plain", 405}, {"PUT", "/feeds/plain", 405}, {"POST", "/feeds/nobody", 404},
		{"POST", "/feeds/", 404}, {"POST", "/feeds/plain/x", 404}} {
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, strings.NewReader("x")))
		if w.Code != tt.want || tt.want == 405 && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s %s: %d", tt.method, tt.path, w.Code)
		}
	}
}

func TestTooManyAtOnce(t *testing.T) {
	b := newBench(t, Config{MaxRequests: 1})
	arrived, let := make(chan struct{}), make(chan struct{})
	b.memory.Keeping = func() { close(arrived); <-let }
	done := make(chan struct{})
	go func() { defer close(done); b.send(t, b.url, body(oneGoal)) }()
	<-arrived
	res, _ := b.send(t, b.url, body(oneGoal))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s", res.Status)
	}
	close(let)
	<-done
}

func TestStoreAwayIs503AndNothingIsApplied(t *testing.T) {
	b := newBench(t, Config{})
	b.memory.KeepErr = fmt.Errorf("keep: %w", goalcast.ErrUnavailable)
	res, answer := b.send(t, b.url, body(oneGoal))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || strings.Contains(fmt.Sprint(answer),
		"unavailable") {
		t.Errorf("%s %v", res.Status, answer)
	}
	b.work.close(time.Hour)
	if b.memory.Updates != 0 || len(b.memory.documents) != 0 {
		t.Errorf("%d updates", b.memory.Updates)
	}
}

func TestDigest(t *testing.T) {
	b := newBench(t, Config{})
	right := md5.Sum(body(oneGoal))
	for said, alarms := range map[string]float64{
		hex.EncodeToString(right[:]): 0, strings.ToUpper(hex.EncodeToString(right[:])): 0, "not an md5": 0,
		strings.Repeat("0", 32): 1,
	} {
		counter := b.metrics.alarms.WithLabelValues("plain", "digest")
		before := testutil.ToFloat64(counter)
		if res, _ := b.send(t, b.url, body(oneGoal), "X-Meta-Message-Digest", said); res.StatusCode != 200 {
			t.Errorf("%q: %s", said, res.Status)
		}
		if got := testutil.ToFloat64(counter) - before; got != alarms {
			t.Errorf("%q: %v alarms", said, got)
		}
	}
}

func TestUnreadableDocumentsFailAlone(t *testing.T) {
	b := newBench(t, Config{})
	farAhead := says(sourceEvents, 0, fixture())
	farAhead.v.Time = time.Now().Add(48 * time.Hour)
	noID := says(sourceEvents, 0, fixture())
	noID.m.Facts = []goalcast.Event{{Kind: goalcast.KindGoal, Status: goalcast.Confirmed}}
	noMatch := oneGoal
	noMatch.m.Match = 0
	bad := [][]byte{[]byte("{"), []byte("\x00\xff"), []byte("panic"), []byte(`{"Source":""}`), body(farAhead),
		body(noID), body(noMatch)}
	for _, doc := range append(bad, []byte("unread")) {
		if res, _ := b.send(t, b.url, doc); res.StatusCode != 200 {
			t.Errorf("%q: %s", doc, res.Status)
		}
	}
	b.send(t, b.url, body(oneGoal))
	b.await(t, "all documents", func(m *Memory) bool {
		s := m.States()
		return s[goalcast.DocumentFailed] == len(bad) && s[goalcast.DocumentIgnored] == 1 &&
			s[goalcast.DocumentApplied] == 1
	})
	b.work.close(time.Hour)
	if n := testutil.ToFloat64(b.metrics.alarms.WithLabelValues("plain", "unreadable")); n != float64(len(bad)) {
		t.Errorf("%v alarms", n)
	}
	if n := testutil.ToFloat64(b.metrics.alarms.WithLabelValues("plain", "panic")); n != 1 {
		t.Errorf("%v panics", n)
	}
	for id := range len(bad) {
		if d, _ := b.memory.Document(t.Context(), goalcast.DocumentID(id+1)); d.Error == "" || d.Attempts != 1 {
			t.Errorf("document %d: %q after %d attempts", d.ID, d.Error, d.Attempts)
		}
		if err := b.Process(t.Context(), goalcast.DocumentID(id+1)); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("replayed: %v", err)
		}
	}
	if b.memory.Record(77).Snapshot.Score.Home != 1 {
		t.Error("the good one was not applied")
	}
}
