package kbc_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast/internal/testservers"
	"goalcast/notify"
	"goalcast/notify/kbc"
	"goalcast/notify/kbc/kbctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "client-secret-0123456789"

// start starts a bank that wants client credentials, and what sends to it.
func start(t *testing.T, change func(*kbc.Config)) (*kbc.Sender, *kbctest.Server) {
	t.Helper()
	fake := &kbctest.Server{ClientID: "goalcast", ClientSecret: secret}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if v := fake.Violations(); len(v) > 0 {
			t.Errorf("the bank says %v", v)
		}
	})
	cfg := kbc.Config{URL: server.URL + "/v1/batches", TokenURL: server.URL + "/token", ClientID: "goalcast",
		ClientSecret: secret, Timeout: 30 * time.Second}
	if change != nil {
		change(&cfg)
	}
	return sender(t, cfg), fake
}

func sender(t *testing.T, cfg kbc.Config) *kbc.Sender {
	t.Helper()
	s, err := kbc.New(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// goal is a push to so many customers, who read Dutch and French by turns.
func goal(customers int) (messages []notify.Message) {
	for i := range customers {
		messages = append(messages, notify.Message{
			Token: kbctest.Reference(i + 1), Platform: "bank", Push: "opta:1/0/1", High: true,
			Text:     notify.Text{Title: "Noordzand 1-0 Val-Rouge", Body: "27' Joris Wuyts"},
			Language: []string{"nl", "fr"}[i%2], Tag: "goal:900:opta:1", Collapse: "goal:900", Channel: "goals",
			Expires: time.Now().Add(time.Hour),
			Data:    map[string]string{"match": "900", "kind": "goal", "event": "opta:1"}})
	}
	return messages
}

// all are so many results that are alike.
func all(n int, r notify.Result) []notify.Result {
	out := make([]notify.Result, n)
	for i := range out {
		out[i] = r
	}
	return out
}

// want compares results, but for errors and times.
func want(t *testing.T, what string, got, want []notify.Result) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d results, want %d", what, len(got), len(want))
	}
	for i, r := range got {
		if (r.Err == nil) != (r.Outcome == notify.Delivered) {
			t.Errorf("%s: message %d: error %v", what, i, r.Err)
		}
		if r.Err != nil && (strings.Contains(r.Err.Error(), secret) || strings.Contains(r.Err.Error(), "customer_")) {
			t.Errorf("%s: the error shows a secret: %v", what, r.Err)
		}
		r.Err, r.At = nil, time.Time{}
		w := want[i]
		w.Service = "kbc"
		if r != w {
			t.Errorf("%s: message %d: %+v, want %+v", what, i, r, w)
		}
	}
}

var delivered = notify.Result{Outcome: notify.Delivered}

// What is sent is the example of the contract, byte for byte but for space.
func TestRequestIsTheContracts(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/kbc-push.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```http\n")
	example, _, _ := strings.Cut(rest, "```")
	head, body, ok := strings.Cut(example, "\n\n")
	asked, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") +
		"\r\n\r\n")))
	if err != nil || !ok {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(body)); err != nil {
		t.Fatal(err)
	}
	s, fake := start(t, nil)
	messages := goal(2)
	for i := range messages {
		messages[i].Expires = time.Date(2026, time.March, 14, 21, 14, 30, 999, time.FixedZone("Brussels", 3600))
	}
	want(t, "the example", s.Send(t.Context(), messages), all(2, delivered))
	got := fake.Requests()[0]
	if string(got.Body) != compact.String() {
		t.Errorf("sent %s\nwant %s", got.Body, compact.String())
	}
	for name := range asked.Header {
		is, should := got.Header.Get(name), asked.Header.Get(name)
		if name == "Authorization" {
			is, should = is[:len("Bearer ")], should[:len("Bearer ")]
		}
		if is != should {
			t.Errorf("%s: %q, want %q", name, is, should)
		}
	}
}

// A clip has a picture, which the bank takes by its contract and no other way.
func TestPicture(t *testing.T) {
	t.Parallel()
	s, fake := start(t, nil)
	clip := goal(2)
	for i := range clip {
		clip[i].Push, clip[i].Channel, clip[i].Tag = "clip:1/0/1", "clips", "clip:900:opta:1"
		clip[i].Image = "https://clips.example.org/900/1.jpg?w=1280&h=720"
	}
	want(t, "a clip", s.Send(t.Context(), clip), all(2, delivered))
	if got := fake.Pushes(clip[0].Token)[0]; got.Image != clip[0].Image {
		t.Errorf("shows %q", got.Image)
	}
	body := string(fake.Requests()[0].Body)
	server := httptest.NewServer(&kbctest.Server{})
	t.Cleanup(server.Close)
	for name, tt := range map[string]struct {
		from, to string
		status   int
	}{
		"as it is":       {"", "", 200},
		"plain http":     {"https://clips", "http://clips", 400},
		"no address":     {"https://clips.example.org", "", 400},
		"too long":       {"w=1280", strings.Repeat("w", 500), 400},
		"empty":          {clip[0].Image, "", 400},
		"of a goal":      {`"clips"`, `"goals"`, 400},
		"no such clip's": {`"image"`, `"picture"`, 400},
	} {
		req, err := http.NewRequest(http.MethodPost, server.URL+"/v1/batches",
			strings.NewReader(strings.Replace(body, tt.from, tt.to, 1)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", strings.Repeat("k", 32))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tt.status {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestBatches(t *testing.T) {
	t.Parallel()
	s, fake := start(t, nil)
	want(t, "1,201 customers", s.Send(t.Context(), goal(1201)), all(1201, delivered))
	if requests, tokens := len(fake.Requests()), fake.Tokens(); requests != 3 || tokens != 1 {
		t.Errorf("%d requests, %d tokens", requests, tokens)
	}
	first := fake.Requests()[0].Header.Get("Idempotency-Key")
	off := goal(2)
	for i := range off {
		off[i].Push, off[i].Text.Title = "opta:1/0/2", "0-0"
		off[i].Data = map[string]string{"match": "900", "kind": "off"}
		off[i].Silent, off[i].High = true, false
	}
	want(t, "two pushes at once", s.Send(t.Context(), append(goal(1), off...)), all(3, delivered))
	if key := fake.Requests()[4].Header.Get("Idempotency-Key"); key == first {
		t.Error("another text has the same key")
	}
	for _, customer := range []string{kbctest.Reference(1), kbctest.Reference(2)} {
		if shown := fake.Phone(customer); len(shown) != 1 || shown["goal:900:opta:1"].Title != "0-0" ||
			len(fake.Pushes(customer)) != 2 {
			t.Errorf("shows %v of %v", shown, fake.Pushes(customer))
		}
	}
	if body := string(fake.Requests()[4].Body); !strings.Contains(body, `"priority":"normal","silent":true`) {
		t.Errorf("sent %s", body)
	}
}

func TestLongTextIsShortened(t *testing.T) {
	t.Parallel()
	s, fake := start(t, nil)
	messages := goal(2)
	messages[0].Text.Body = strings.Repeat("é", 2000)
	results := s.Send(t.Context(), messages)
	if !results[0].Shortened || results[1].Shortened {
		t.Errorf("%+v", results)
	}
	if got := fake.Pushes(kbctest.Reference(1))[0]; len(got.Title)+len(got.Body) < 990 {
		t.Errorf("%d bytes are left", len(got.Title)+len(got.Body))
	}
}

// What the answer to the whole batch means. What may have been taken is not shown twice.
func TestAnswers(t *testing.T) {
	t.Parallel()
	denied := notify.Result{Outcome: notify.Denied, Reason: "credentials", All: true}
	bad := notify.Result{Outcome: notify.Rejected, Reason: "bad_request"}
	strange := notify.Result{Outcome: notify.Rejected, Reason: "other_status"}
	quota := func(after time.Duration) notify.Result {
		return notify.Result{Outcome: notify.Later, Reason: notify.ReasonQuota, After: after}
	}
	later := func(reason string, after time.Duration) notify.Result {
		return notify.Result{Outcome: notify.Later, Reason: reason, Unsure: true, After: after}
	}
	for name, tt := range map[string]struct {
		failure kbctest.Failure
		want    notify.Result
	}{
		"429":                 {kbctest.Failure{Status: 429, RetryAfter: "7"}, quota(7 * time.Second)},
		"429, nothing said":   {kbctest.Failure{Status: 429}, quota(0)},
		"503":                 {kbctest.Failure{Status: 503, RetryAfter: "3"}, later("unavailable", 3*time.Second)},
		"500 that took it":    {kbctest.Failure{Status: 500, Taken: true}, later("unavailable", 0)},
		"408":                 {kbctest.Failure{Status: 408}, later("unavailable", 0)},
		"409":                 {kbctest.Failure{Status: 409, RetryAfter: "1"}, later("under_way", time.Second)},
		"another form":        {kbctest.Failure{Status: 200, Body: `{"ok":true}`, Taken: true}, later("bad_answer", 0)},
		"a page":              {kbctest.Failure{Status: 200, Body: `<html>`}, later("bad_answer", 0)},
		"results of others":   {kbctest.Failure{Status: 200, Body: others}, later("bad_answer", 0)},
		"a new status":        {kbctest.Failure{Status: 200, Body: muted}, strange},
		"400 with the secret": {kbctest.Failure{Status: 400, Body: `{"error":"` + secret + `"}`}, bad},
		"413":                 {kbctest.Failure{Status: 413}, bad},
		"422":                 {kbctest.Failure{Status: 422}, bad},
		"403":                 {kbctest.Failure{Status: 403, Body: `{"error":"no_permission"}`}, denied},
		"404":                 {kbctest.Failure{Status: 404}, denied},
		"301":                 {kbctest.Failure{Status: 301}, denied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, fake := start(t, nil)
			fake.Fail(tt.failure)
			want(t, "the first try", s.Send(t.Context(), goal(2)), all(2, tt.want))
			want(t, "the second try", s.Send(t.Context(), goal(2)), all(2, delivered))
			if shown := fake.Pushes(kbctest.Reference(2)); len(shown) != 1 {
				t.Errorf("was shown %d times", len(shown))
			}
		})
	}
}

const (
	others = `{"results":[{"recipient":"customer_1000002","status":"accepted"},` +
		`{"recipient":"customer_1000001","status":"accepted"}]}`
	muted = `{"results":[{"recipient":"customer_1000001","status":"muted"},` +
		`{"recipient":"customer_1000002","status":"muted"}]}`
)

// A connection that is cut after the batch was taken: it goes again under its key, and to a part of
// the customers as well.
func TestCutConnectionShowsNothingTwice(t *testing.T) {
	t.Parallel()
	s, fake := start(t, nil)
	// net/http itself tries once more where the connection was used before
	fake.Fail(kbctest.Failure{Taken: true, Cut: true}, kbctest.Failure{Cut: true})
	want(t, "the first try", s.Send(t.Context(), goal(3)),
		all(3, notify.Result{Outcome: notify.Later, Reason: "no_answer", Unsure: true}))
	if len(fake.Requests()) == 1 {
		s.Send(t.Context(), goal(3))
	}
	want(t, "a part of it", s.Send(t.Context(), goal(3)[1:]), all(2, delivered))
	want(t, "more", s.Send(t.Context(), goal(4)), all(4, delivered))
	keys := map[string]bool{}
	for _, r := range fake.Requests() {
		keys[r.Header.Get("Idempotency-Key")] = true
	}
	if len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
	}
	for i := range 4 {
		if shown := fake.Pushes(kbctest.Reference(i + 1)); len(shown) != 1 {
			t.Errorf("customer %d was shown %d", i, len(shown))
		}
	}
}

func TestResultsOfCustomers(t *testing.T) {
	t.Parallel()
	s, fake := start(t, nil)
	fake.Forget(kbctest.Reference(2))
	fake.Throttle(kbctest.Reference(3))
	unknown := notify.Result{Outcome: notify.Gone, Reason: "unknown_recipient"}
	want(t, "three", s.Send(t.Context(), goal(3)), []notify.Result{delivered, unknown,
		{Outcome: notify.Later, Reason: notify.ReasonQuota, After: time.Second}})
	want(t, "again", s.Send(t.Context(), goal(3)), []notify.Result{delivered, unknown, delivered})
}

func TestToken(t *testing.T) {
	t.Parallel()
	s, fake := start(t, nil)
	want(t, "the first", s.Send(t.Context(), goal(1)), all(1, delivered))
	fake.Revoke()
	want(t, "a new one", s.Send(t.Context(), goal(2)), all(2, delivered))
	if fake.Tokens() != 2 || len(fake.Requests()) != 3 {
		t.Errorf("%d tokens, %d requests", fake.Tokens(), len(fake.Requests()))
	}
	fake.Fail(kbctest.Failure{Status: 401}, kbctest.Failure{Status: 401})
	want(t, "none that is taken", s.Send(t.Context(), goal(1)),
		all(1, notify.Result{Outcome: notify.Denied, Reason: "credentials", All: true}))
	if fake.Tokens() != 3 || len(fake.Requests()) != 5 {
		t.Errorf("%d tokens, %d requests", fake.Tokens(), len(fake.Requests()))
	}
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	s, fake := start(t, func(c *kbc.Config) { c.ClientSecret = secret + "-of-another" })
	want(t, "another secret", s.Send(t.Context(), goal(2)),
		all(2, notify.Result{Outcome: notify.Denied, Reason: "credentials", All: true}))
	if len(fake.Requests()) != 0 {
		t.Error("a batch was sent without a token")
	}
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, shown, _ := r.BasicAuth()
		http.Error(w, id+shown, http.StatusBadGateway)
	}))
	t.Cleanup(away.Close)
	s, _ = start(t, func(c *kbc.Config) { c.TokenURL = away.URL })
	want(t, "tokens are away", s.Send(t.Context(), goal(2)),
		all(2, notify.Result{Outcome: notify.Later, Reason: "no_token"}))
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(nil)
	gone.Close()
	s, _ := start(t, func(c *kbc.Config) { c.URL = gone.URL })
	want(t, "no server", s.Send(t.Context(), goal(1)), all(1, notify.Result{Outcome: notify.Later, Reason: "connect"}))
}

// A bank that hangs takes the batches that may be under way, and no more.
func TestBankHangs(t *testing.T) {
	t.Parallel()
	s, fake := start(t, func(c *kbc.Config) { c.Parallel = 2 })
	want(t, "before", s.Send(t.Context(), goal(1)), all(1, delivered))
	resume := fake.Hang()
	defer resume()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { want(t, "that hangs", s.Send(t.Context(), goal(3)), all(3, delivered)) })
	}
	for deadline := time.Now().Add(30 * time.Second); len(fake.Requests()) < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("two are not under way")
		}
	}
	want(t, "no turn", s.Send(t.Context(), goal(3)),
		all(3, notify.Result{Outcome: notify.Later, Reason: "no_turn", After: time.Second}))
	resume()
	wg.Wait()
}

// spent is a rate that is used up.
type spent struct{}

func (spent) Wait(ctx context.Context, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestRateIsKept(t *testing.T) {
	t.Parallel()
	s, fake := start(t, func(c *kbc.Config) { c.Limiter, c.Parallel = spent{}, 1 })
	for range 2 { // the first leaves its place
		want(t, "used up", s.Send(t.Context(), goal(3)),
			all(3, notify.Result{Outcome: notify.Later, Reason: "no_turn", After: time.Second}))
	}
	if len(fake.Requests()) != 0 {
		t.Error("a batch was sent")
	}
}

// With a certificate: of the right authority, of another, and one that is exchanged.
func TestCertificate(t *testing.T) {
	t.Parallel()
	banks, other := testservers.NewAuthority(t), testservers.NewAuthority(t)
	folder := t.TempDir()
	files := func(by *testservers.Authority) (cert, key string) {
		certPEM, keyPEM := by.Issue(time.Now().Add(time.Hour))
		cert, key = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
		for name, text := range map[string][]byte{cert: certPEM, key: keyPEM} {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return cert, key
	}
	certPEM, keyPEM := banks.Issue(time.Now().Add(time.Hour))
	own, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	fake := &kbctest.Server{}
	server := httptest.NewUnstartedServer(fake)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs: banks.Pool}
	server.StartTLS()
	t.Cleanup(server.Close)
	denied := all(2, notify.Result{Outcome: notify.Denied, Reason: "credentials", All: true})
	with := func(roots *x509.CertPool, by *testservers.Authority) *kbc.Sender {
		cert, key := files(by)
		return sender(t, kbc.Config{URL: server.URL + "/v1/batches", CertFile: cert, KeyFile: key, RootCAs: roots,
			Timeout: 30 * time.Second})
	}

	s := with(banks.Pool, other)
	want(t, "a certificate of another authority", s.Send(t.Context(), goal(2)), denied)
	files(banks)
	want(t, "exchanged", s.Send(t.Context(), goal(2)), all(2, delivered))
	cert, _ := files(other)
	fake.Refuse(true)
	want(t, "no permission", s.Send(t.Context(), goal(2)), denied) // ends the connection
	fake.Refuse(false)
	want(t, "of another authority again", s.Send(t.Context(), goal(2)), denied)
	files(banks)
	want(t, "and right again", s.Send(t.Context(), goal(2)), all(2, delivered))
	if err := os.WriteFile(cert, []byte("half a"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Close()
	want(t, "half written", s.Send(t.Context(), goal(2)), all(2, delivered))

	s = with(other.Pool, banks)
	want(t, "the bank's is of a stranger", s.Send(t.Context(), goal(2)), denied)
	if v := fake.Violations(); len(v) > 0 || len(fake.Pushes(kbctest.Reference(1))) != 1 {
		t.Errorf("%v, shown %d times", v, len(fake.Pushes(kbctest.Reference(1))))
	}
}

func TestWhatBelongsTogether(t *testing.T) {
	t.Parallel()
	full := kbc.Config{URL: "https://a", TokenURL: "https://a", ClientID: "a", ClientSecret: secret}
	for name, change := range map[string]func(*kbc.Config){
		"no secret":      func(c *kbc.Config) { c.ClientSecret = "" },
		"no client":      func(c *kbc.Config) { c.ClientID = "" },
		"no token URL":   func(c *kbc.Config) { c.TokenURL = "" },
		"no key":         func(c *kbc.Config) { c.CertFile = "cert.pem" },
		"no certificate": func(c *kbc.Config) { c.KeyFile = "key.pem" },
		"no files":       func(c *kbc.Config) { c.CertFile, c.KeyFile = "cert.pem", "key.pem" },
		"nothing":        func(c *kbc.Config) { *c = kbc.Config{URL: "https://a"} },
	} {
		cfg := full
		change(&cfg)
		_, err := kbc.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
