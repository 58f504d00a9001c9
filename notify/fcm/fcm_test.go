package fcm

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start")) // a module of Google's SDK starts it
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
	s, err := New(t.Context(), Config{ProjectID: "demo", Endpoint: endpoint, Timeout: 2 * time.Second}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func message(token, platform string) notify.Message {
	return notify.Message{
		Token: token, Platform: platform, Text: notify.Text{Title: "GOAL!", Body: "Someone"}, Language: "nl", Tag: "goal:9:opta:1",
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
		if len(shown) != 1 || shown[0].Title != "GOAL! again" || shown[0].Sounds != 1 || shown[0].Replaced != 1 || !shown[0].Silent {
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

func TestOutcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		failure fcmtest.Failure
		want    notify.Result
	}{
		"unregistered":    {fcmtest.Unregistered(), notify.Result{Outcome: notify.Gone, Reason: "unregistered"}},
		"sender id":       {fcmtest.SenderIDMismatch(), notify.Result{Outcome: notify.Gone, Reason: "sender_id_mismatch"}},
		"bad token":       {fcmtest.InvalidToken(), notify.Result{Outcome: notify.Gone, Reason: "invalid_token"}},
		"bad message":     {fcmtest.InvalidArgument(), notify.Result{Outcome: notify.Rejected, Reason: "invalid_argument"}},
		"bad, no code":    {fcmtest.Failure{Status: 400}, notify.Result{Outcome: notify.Rejected, Reason: "invalid_argument"}},
		"apple's key":     {fcmtest.ThirdPartyAuth(), notify.Result{Outcome: notify.Denied, Reason: "third_party_auth_error"}},
		"our credentials": {fcmtest.Failure{Status: 401}, notify.Result{Outcome: notify.Denied, Reason: "credentials"}},
		"no permission":   {fcmtest.Failure{Status: 403}, notify.Result{Outcome: notify.Denied, Reason: "credentials"}},
		"no such project": {fcmtest.Failure{Status: 404}, notify.Result{Outcome: notify.Rejected, Reason: "http_404"}},
		"quota":           {fcmtest.QuotaExceeded(90 * time.Second), notify.Result{Outcome: notify.Later, Reason: "quota_exceeded", After: 90 * time.Second}},
		"quota, no time":  {fcmtest.QuotaExceeded(0), notify.Result{Outcome: notify.Later, Reason: "quota_exceeded"}},
		"too many":        {fcmtest.Failure{Status: 429, RetryAfter: time.Second}, notify.Result{Outcome: notify.Later, Reason: "quota_exceeded", After: time.Second}},
		"internal":        {fcmtest.Internal(), notify.Result{Outcome: notify.Later, Reason: "internal", Unsure: true}},
		"bad gateway":     {fcmtest.Failure{Status: 502}, notify.Result{Outcome: notify.Later, Reason: "internal", Unsure: true}},
		"unavailable":     {fcmtest.Unavailable(7 * time.Second), notify.Result{Outcome: notify.Later, Reason: "unavailable", After: 7 * time.Second}},
		"away, no time":   {fcmtest.Unavailable(0), notify.Result{Outcome: notify.Later, Reason: "unavailable"}},
		"no answer":       {fcmtest.Failure{Drop: true}, notify.Result{Outcome: notify.Later, Reason: "no_answer", Unsure: true}},
	} {
		t.Run(name, func(t *testing.T) {
			fake, sender := start(t)
			fake.Fail("a", tt.failure)
			results := sender.Send(t.Context(), []notify.Message{message("a", "android"), message("b", "ios")})
			got := results[0]
			if got.Err == nil {
				t.Error("no error")
			}
			got.Err = nil
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
	for _, r := range sender.Send(t.Context(), []notify.Message{message("a", "android"), message("", "ios")}) {
		if r.Outcome != notify.Rejected || r.Reason != "invalid_message" {
			t.Errorf("%+v", r)
		}
	}
	if fake.Requests() != 0 {
		t.Error("something was sent")
	}
}

func TestCredentials(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":     `private-words`,
		"other kind":  `{"type":"authorized_user","client_secret":"private-words"}`,
		"broken key":  `{"type":"service_account","project_id":"demo","client_email":"a@b","private_key":"private-words"}`,
		"empty value": `{}`,
	} {
		_, err := New(t.Context(), Config{ProjectID: "demo", Credentials: []byte(text)}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), "private-words") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(t.Context(), Config{Endpoint: "http://127.0.0.1:1/v1"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil {
		t.Error("no project, and no error")
	}
}
