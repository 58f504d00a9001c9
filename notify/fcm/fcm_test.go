package fcm

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
)

func TestMain(m *testing.M) {
	if os.Getenv(benchServer) != "" {
		serveBench()
		return
	}
	// a module of Google's SDK starts it
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// start runs a fake Firebase and a Sender for it.
func start(t *testing.T) (*fcmtest.Server, *Sender) {
	t.Helper()
	fake := &fcmtest.Server{Project: "demo"}
	server := httptest.NewServer(fake)
	sender := newSender(t, server.URL+"/v1")
	t.Cleanup(func() {
		sender.Close()
		server.Close()
	})
	return fake, sender
}

func newSender(t *testing.T, endpoint string) *Sender {
	t.Helper()
	s, err := New(t.Context(), Config{ProjectID: "demo", Endpoint: endpoint, Timeout: 2 * time.Second},
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func message(token, platform string) notify.Message {
	return notify.Message{
		Token: token, Platform: platform, Text: notify.Text{Title: "GOAL!", Body: "Someone"}, Language: "nl",
		Tag:      "goal:9:opta:1",
		Collapse: "goal:9", Thread: "match:9", Channel: "goals", High: true, Expires: time.Now().Add(2 * time.Minute),
		Data: map[string]string{"event": "opta:1", "time": fmt.Sprint(time.Now().UnixMilli())},
	}
}

func TestEveryPlatformTakesWhatIsSent(t *testing.T) {
	fake, sender := start(t)
	var messages []notify.Message
	for _, platform := range []string{"android", "ios", "web", "fridge"} {
		loud := message(platform, platform)
		silent := loud
		silent.Silent, silent.High, silent.Text.Title = true, false, "GOAL! again"
		for _, r := range sender.Send(t.Context(), []notify.Message{loud}) { // one after the other: order matters here
			if r.Outcome != notify.Delivered || r.Err != nil {
				t.Errorf("%s: %+v", platform, r)
			}
		}
		messages = append(messages, silent)
	}
	for i, r := range sender.Send(t.Context(), messages) {
		if r.Outcome != notify.Delivered {
			t.Errorf("%s, silent: %+v", messages[i].Token, r)
		}
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
	for _, m := range messages {
		shown := fake.Phone(m.Token)
		if len(shown) != 1 || shown[0].Title != "GOAL! again" || shown[0].Sounds != 1 || shown[0].Replaced != 1 ||
			!shown[0].Silent {
			t.Errorf("%s shows %+v", m.Token, shown)
			continue
		}
		if d := shown[0]; d.TTL < 115*time.Second || d.TTL > 2*time.Minute || d.Data["event"] != "opta:1" || d.High {
			t.Errorf("%s: %+v", m.Token, d)
		}
	}
	for _, d := range fake.Deliveries()[:4] {
		if !d.High || d.Silent || d.Key != "goal:9:opta:1" {
			t.Errorf("loud: %+v", d)
		}
	}
}

// A picture comes with the notification on every platform.
func TestPictures(t *testing.T) {
	fake, sender := start(t)
	const picture = "https://clips.example.org/900/67.jpg"
	for _, platform := range []string{"android", "ios", "web", "fridge"} {
		for _, image := range []string{"", picture} {
			m := message(platform+image, platform)
			m.Image = image
			if r := sender.Send(t.Context(), []notify.Message{m})[0]; r.Outcome != notify.Delivered {
				t.Errorf("%s, %q: %+v", platform, image, r)
			}
			if shown := fake.Phone(m.Token); len(shown) != 1 || shown[0].Image != image {
				t.Errorf("%s shows %+v, want the picture %q", platform, shown, image)
			}
		}
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// Firebase takes the dry run's message for every platform, and delivers nothing.
func TestDryRun(t *testing.T) {
	fake, sender := start(t)
	for want, failure := range map[notify.Outcome]fcmtest.Failure{
		notify.Denied: fcmtest.NoPermission(), notify.Foreign: fcmtest.NoSuchProject(),
		notify.Later: {Drop: true}, notify.Delivered: {},
	} {
		fake.Fail(fcmtest.DryRun, failure)
		if r := sender.DryRun(t.Context()); r.Outcome != want || r.Service != Service || r.At.IsZero() {
			t.Errorf("want %s, got %+v", want, r)
		}
	}
	another := httptest.NewServer(&fcmtest.Server{Project: "another"})
	defer another.Close()
	stranger := newSender(t, another.URL+"/v1")
	defer stranger.Close()
	if r := stranger.DryRun(t.Context()); r.Outcome != notify.Foreign || r.Reason != "not_found" {
		t.Errorf("of another project: %+v", r)
	}
	if fake.DryRuns() != 4 || fake.Requests() != 0 || len(fake.Deliveries()) != 0 || len(fake.Violations()) != 0 {
		t.Errorf("%d dry runs, %d requests; delivered %v; violations %v", fake.DryRuns(), fake.Requests(),
			fake.Deliveries(), fake.Violations())
	}
}

func TestOutcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		failure fcmtest.Failure
		want    notify.Result
	}{
		"unregistered":    {fcmtest.Unregistered(), notify.Result{Outcome: notify.Gone, Reason: "unregistered"}},
		"bad token":       {fcmtest.InvalidToken(), notify.Result{Outcome: notify.Gone, Reason: "invalid_token"}},
		"bad token, text": {fcmtest.InvalidTokenText(), notify.Result{Outcome: notify.Gone, Reason: "invalid_token"}},
		"bad message": {fcmtest.InvalidArgument(), notify.Result{Outcome: notify.Rejected,
			Reason: "invalid_argument"}},
		"bad, no code": {fcmtest.TooBig(), notify.Result{Outcome: notify.Rejected, Reason: "invalid_argument"}},
		"bad, any reason": {fcmtest.Failure{Status: 400, Code: "INVALID_ARGUMENT",
			Message: "Request contains an invalid argument."},
			notify.Result{Outcome: notify.Rejected, Reason: "invalid_argument"}},
		"token and more": {fcmtest.Failure{Status: 400, Code: "INVALID_ARGUMENT",
			Field: "message: registration token and ttl"},
			notify.Result{Outcome: notify.Rejected, Reason: "invalid_argument"}},
		"too long a body": {fcmtest.Failure{Status: 413, Body: "<html>"}, notify.Result{Outcome: notify.Rejected,
			Reason: "invalid_argument"}},
		"sender id": {fcmtest.SenderIDMismatch(), notify.Result{Outcome: notify.Foreign,
			Reason: "sender_id_mismatch"}},
		"no such project": {fcmtest.NoSuchProject(), notify.Result{Outcome: notify.Foreign, Reason: "not_found"}},
		"no such page": {fcmtest.Failure{Status: 404, Body: "<html>"}, notify.Result{Outcome: notify.Foreign,
			Reason: "not_found"}},
		"apple's key": {fcmtest.ThirdPartyAuth(), notify.Result{Outcome: notify.Denied,
			Reason: "third_party_auth_error"}},
		"our credentials": {fcmtest.Failure{Status: 401}, notify.Result{Outcome: notify.Denied, Reason: "credentials",
			All: true}},
		"no permission": {fcmtest.NoPermission(), notify.Result{Outcome: notify.Denied, Reason: "credentials",
			All: true}},
		"quota": {fcmtest.QuotaExceeded(90 * time.Second), notify.Result{Outcome: notify.Later,
			Reason: "quota_exceeded", After: 90 * time.Second}},
		"quota, no time": {fcmtest.QuotaExceeded(0), notify.Result{Outcome: notify.Later, Reason: "quota_exceeded"}},
		"too many": {fcmtest.Failure{Status: 429, RetryAfter: time.Second}, notify.Result{Outcome: notify.Later,
			Reason: "quota_exceeded", After: time.Second}},
		"internal": {fcmtest.Internal(), notify.Result{Outcome: notify.Later, Reason: "internal", Unsure: true}},
		"bad gateway": {fcmtest.BadGateway(), notify.Result{Outcome: notify.Later, Reason: "internal",
			Unsure: true}},
		"gateway's time": {fcmtest.Failure{Status: 504}, notify.Result{Outcome: notify.Later, Reason: "internal",
			Unsure: true}},
		"cancelled": {fcmtest.Failure{Status: 499}, notify.Result{Outcome: notify.Later, Reason: "internal",
			Unsure: true}},
		"unavailable": {fcmtest.Unavailable(7 * time.Second), notify.Result{Outcome: notify.Later,
			Reason: "unavailable", After: 7 * time.Second, Unsure: true}},
		"away, no time": {fcmtest.Unavailable(0), notify.Result{Outcome: notify.Later, Reason: "unavailable",
			Unsure: true}},
		"no answer": {fcmtest.Failure{Drop: true}, notify.Result{Outcome: notify.Later, Reason: "no_answer",
			Unsure: true}},
		"half an error": {fcmtest.Failure{Status: 500, Cut: true}, notify.Result{Outcome: notify.Later,
			Reason: "no_answer", Unsure: true}},
		"half a success": {fcmtest.Failure{Cut: true}, notify.Result{Outcome: notify.Delivered}},
		"any success":    {fcmtest.Failure{Status: 200, Body: "<html>"}, notify.Result{Outcome: notify.Delivered}},
		"something else": {fcmtest.Failure{Status: 418}, notify.Result{Outcome: notify.Rejected,
			Reason: "http_other"}},
	} {
		t.Run(name, func(t *testing.T) {
			fake, sender := start(t)
			fake.Fail("a", tt.failure)
			results := sender.Send(t.Context(), []notify.Message{message("a", "android"), message("b", "ios")})
			got := results[0]
			if (got.Err == nil) != (tt.want.Outcome == notify.Delivered) {
				t.Errorf("error %v", got.Err)
			}
			if got.Reason != "" && !slices.Contains(sender.Reasons(), got.Reason) {
				t.Errorf("%q is not among the reasons", got.Reason)
			}
			if got.Service != Service || got.At.IsZero() {
				t.Errorf("%q was asked at %v", got.Service, got.At)
			}
			got.Err, got.Service, got.At = nil, "", time.Time{}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if results[1].Outcome != notify.Delivered {
				t.Errorf("the other device: %+v", results[1])
			}
			if n := fake.Requests(); n != 2 {
				t.Errorf("%d requests for two messages: somebody tried again", n)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	sender := newSender(t, "http://"+l.Addr().String()+"/v1")
	defer sender.Close()
	started := time.Now()
	r := sender.Send(t.Context(), []notify.Message{message("a", "android")})[0]
	if r.Outcome != notify.Later || r.Reason != "connect" || r.Unsure {
		t.Errorf("%+v", r)
	}
	if d := time.Since(started); d > 900*time.Millisecond {
		t.Errorf("took %v: the SDK waited to try again", d)
	}
}

func TestTimeIsOver(t *testing.T) {
	block := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(block)
	sender := newSender(t, server.URL+"/v1")
	defer sender.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r := sender.Send(ctx, []notify.Message{message("a", "android")})[0]
	if r.Outcome != notify.Later || r.Reason != "timeout" || !r.Unsure {
		t.Errorf("%+v", r)
	}
	// And a server that takes longer than a request may, while the batch still has time.
	r = sender.Send(t.Context(), []notify.Message{message("a", "android")})[0]
	if r.Outcome != notify.Later || r.Reason != "no_answer" || !r.Unsure {
		t.Errorf("%+v", r)
	}
}

func TestMoreThanTheSDKTakes(t *testing.T) {
	fake, sender := start(t)
	fake.Fail("t700", fcmtest.Unregistered())
	messages := make([]notify.Message, 1203)
	for i := range messages {
		messages[i] = message(fmt.Sprint("t", i), "android")
	}
	for i, r := range sender.Send(t.Context(), messages) {
		if want := i != 700; (r.Outcome == notify.Delivered) != want {
			t.Errorf("message %d: %+v", i, r)
		}
	}
	if n := len(fake.Deliveries()); n != 1202 {
		t.Errorf("%d delivered", n)
	}
}

func TestMessageThatTheSDKRefuses(t *testing.T) {
	fake, sender := start(t)
	messages := []notify.Message{message("a", "android"), message("b", "web"), message("", "ios"), message("c", "ios")}
	for i, r := range sender.Send(t.Context(), messages) {
		if bad := i == 2; bad != (r.Outcome == notify.Rejected && r.Reason == "invalid_message") ||
			bad == (r.Outcome == notify.Delivered) {
			t.Errorf("message %d: %+v", i, r)
		}
	}
	if n := fake.Requests(); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// A text that is too long for Firebase is shortened, between characters as people see them, and
// what fits is left as it is.
func TestTextsThatAreTooLong(t *testing.T) {
	fake, sender := start(t)
	long := map[string]string{}
	for i := range 12 {
		long[fmt.Sprint("key", i)] = strings.Repeat("\u0001", 40)
	}
	for name, tt := range map[string]struct {
		text notify.Text
		data map[string]string // besides the usual
		fits bool
	}{
		"title":    {text: notify.Text{Title: "GOAL! " + strings.Repeat("Noordzand ", 2000), Body: "Joris Wuyts"}},
		"body":     {text: notify.Text{Title: "GOAL!", Body: strings.Repeat("ĳ", 5000)}},
		"both":     {text: notify.Text{Title: strings.Repeat("⚽", 3000), Body: strings.Repeat("\u0001\"<", 3000)}},
		"families": {text: notify.Text{Title: strings.Repeat("👨‍👩‍👧‍👦", 300), Body: strings.Repeat("🇧🇪", 900)}},
		"Hebrew": {text: notify.Text{Title: strings.Repeat("\u2068הפועל באר שבע\u2069 1-0 ", 400),
			Body: "כדורגל"}},
		"data":        {text: notify.Text{Title: "GOAL!", Body: strings.Repeat("Noordzand ", 60)}, data: long},
		"just enough": {text: notify.Text{Title: "GOAL!", Body: strings.Repeat("x", 1200)}, fits: true},
	} {
		for _, platform := range []string{"android", "ios", "web", "fridge"} {
			m := message(name+platform, platform)
			m.Text = tt.text
			maps.Copy(m.Data, tt.data)
			r := sender.Send(t.Context(), []notify.Message{m})[0]
			if r.Outcome != notify.Delivered || r.Shortened == tt.fits {
				t.Errorf("%s, %s: %+v", name, platform, r)
				continue
			}
			shown := fake.Phone(m.Token)[0]
			if !r.Shortened {
				if shown.Title != tt.text.Title || shown.Body != tt.text.Body {
					t.Errorf("%s, %s: shows %.50q, %.50q", name, platform, shown.Title, shown.Body)
				}
				continue
			}
			title, cut1 := strings.CutSuffix(shown.Title, "…")
			body, cut2 := strings.CutSuffix(shown.Body, "…")
			if !cut1 && !cut2 || !strings.HasPrefix(tt.text.Title, title) || !strings.HasPrefix(tt.text.Body, body) ||
				!utf8.ValidString(title+body) || len(title) < 5 || len(title+body) < 50 {
				t.Errorf("%s, %s: shows %.50q, %.50q", name, platform, shown.Title, shown.Body)
			}
			family, flag := "👨‍👩‍👧‍👦", "🇧🇪"
			if name == "families" && (len(title)%len(family) != 0 || len(body)%len(flag) != 0) {
				t.Errorf("%s, %s: a family or a flag is torn: %q, %q", name, platform, title, body)
			}
		}
	}
	if v := fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// What is taken to fit without a count does, whatever its bytes are in JSON.
func TestWhatSurelyFits(t *testing.T) {
	now := time.Now()
	for _, platform := range []string{"android", "ios", "web", "fridge"} {
		for name, grow := range map[string]func(*notify.Message, string){
			"title":    func(m *notify.Message, more string) { m.Text.Title += more },
			"body":     func(m *notify.Message, more string) { m.Text.Body += more },
			"tag":      func(m *notify.Message, more string) { m.Tag += more },
			"collapse": func(m *notify.Message, more string) { m.Collapse += more },
			"image":    func(m *notify.Message, more string) { m.Image += more },
			"thread":   func(m *notify.Message, more string) { m.Thread += more },
			"data":     func(m *notify.Message, more string) { m.Data["event"] += more },
		} {
			m := message("", platform)
			m.Language = "zh-Hant-TW"
			if !surelyFits(m, maxPayload) {
				t.Fatal("the usual message is counted")
			}
			for surelyFits(m, maxPayload) {
				if out, _ := encode(m, now); payload(out) > maxPayload {
					t.Fatalf("%s, %s: %d bytes", platform, name, payload(out))
				}
				grow(&m, "\u0001")
			}
		}
	}
}

func TestCredentials(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":     `private-words`,
		"other kind":  `{"type":"authorized_user","client_secret":"private-words"}`,
		"broken key":  `{"type":"service_account","project_id":"demo","client_email":"a@b","private_key":"private-words"}`,
		"empty value": `{}`,
	} {
		_, err := New(t.Context(), Config{ProjectID: "demo", Credentials: []byte(text)}, slog.New(slog.DiscardHandler),
			prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), "private-words") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(t.Context(), Config{Endpoint: "http://127.0.0.1:1/v1"}, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry()); err == nil {
		t.Error("no project, and no error")
	}
}

// What is answered by who repeats what was asked shows neither our assertion, which fetches a
// token, nor the device's token.
func TestErrorsRepeatNothing(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := httputil.DumpRequest(r, true)
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write(text)
	}))
	defer echo.Close()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := json.Marshal(map[string]string{"type": "service_account", "project_id": "demo", "client_email": "a@b",
		"token_uri": echo.URL, "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	for reason, cfg := range map[string]Config{faultToken: {Credentials: key},
		"internal": {Endpoint: echo.URL + "/v1"}} {
		cfg.ProjectID = "demo"
		s, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		r := s.Send(t.Context(), []notify.Message{message("secret-of-a-device", "android")})[0]
		s.Close()
		if r.Reason != reason || r.Err == nil || strings.Contains(r.Err.Error(), "secret-of-a-device") ||
			strings.Contains(r.Err.Error(), "assertion") {
			t.Errorf("%s: %+v", reason, r)
		}
	}
}
