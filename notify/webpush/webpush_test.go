package webpush_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/webpush"
	"goalcast/notify/webpush/webpushtest"
)

const page = "https://goals.example.org/match/{match}"

func key(t *testing.T) webpush.Key {
	t.Helper()
	text, err := webpush.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	k, err := webpush.ReadKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sender(t *testing.T, cfg webpush.Config) *webpush.Sender {
	t.Helper()
	cfg.Subject, cfg.Page = "https://goals.example.org/contact", page
	s, err := webpush.New(cfg, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func start(t *testing.T) (*webpush.Sender, *webpushtest.Server) {
	t.Helper()
	k := key(t)
	fake := &webpushtest.Server{Public: k.Public()}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if v := fake.Violations(); len(v) > 0 {
			t.Errorf("the push service says %v", v)
		}
	})
	return sender(t, webpush.Config{Key: k, Endpoint: server.URL}), fake
}

func goal(to goalcast.Subscription) notify.Message {
	return notify.Message{Token: to.Token(), Platform: "web",
		Text: notify.Text{Title: "⚽ 1-0", Body: "Joris Wuyts 27'"}, Language: "nl", Tag: "goal:900:opta:1", High: true,
		Expires: time.Now().Add(time.Hour), Data: map[string]string{"match": "900", "kind": "goal"}}
}

func TestMessageIsWhatTheBrowserShows(t *testing.T) {
	t.Parallel()
	s, fake := start(t)
	var messages []notify.Message
	var browsers []*webpushtest.Browser
	for _, host := range []string{"fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com",
		"db5p.notify.windows.com"} {
		b := fake.Subscribe(host)
		browsers, messages = append(browsers, b), append(messages, goal(b.Subscription()))
	}
	off := messages[0]
	off.Text.Title, off.High, off.Silent = "0-0", false, true
	results := s.Send(t.Context(), messages)
	for i, r := range append(results, s.Send(t.Context(), []notify.Message{off})...) {
		if r.Outcome != notify.Delivered || r.Shortened {
			t.Errorf("message %d: %+v", i, r)
		}
	}
	for _, b := range browsers {
		taken := fake.Taken(b)[0]
		var said webpush.Declarative
		if err := json.Unmarshal(taken.Payload, &said); err != nil {
			t.Fatal(err)
		}
		n := said.Notification
		if said.WebPush != 8030 || n.Title != "⚽ 1-0" || n.Body != "Joris Wuyts 27'" || n.Lang != "nl" || n.Silent ||
			n.Navigate != "https://goals.example.org/match/900" || n.Data["kind"] != "goal" {
			t.Errorf("says %s", taken.Payload)
		}
		if taken.Urgency != "high" || taken.TTL < 3000 || taken.TTL > 3600 || len(taken.Topic) != 32 {
			t.Errorf("sent with %+v", taken)
		}
	}
	both := fake.Taken(browsers[0])
	if len(both) != 2 || both[0].Topic != both[1].Topic {
		t.Errorf("what takes the goal's place has another topic: %d messages", len(both))
	}
}

// A receipt is the same for all who get a push, says when that could have been shown, ends with the
// push, and cannot be made by anybody else.
func TestReceipt(t *testing.T) {
	t.Parallel()
	ours, told := key(t), time.UnixMilli(1_779_042_240_250)
	ends := told.Add(2 * time.Minute).Truncate(time.Second)
	receipt := ours.Receipt(told, ends)
	if receipt != ours.Receipt(told, ends) || len(receipt) != 35 {
		t.Errorf("%q", receipt)
	}
	if at, ok := ours.ReadReceipt(receipt, ends.Add(-time.Millisecond)); !ok || !at.Equal(told) {
		t.Errorf("%s %t", at, ok)
	}
	if _, ok := ours.ReadReceipt(receipt, ends); ok {
		t.Error("it does not end")
	}
	if _, ok := key(t).ReadReceipt(receipt, told); ok {
		t.Error("another key's is taken")
	}
	raw, err := base64.RawURLEncoding.DecodeString(receipt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		bad := slices.Clone(raw)
		bad[i] ^= 1
		if _, ok := ours.ReadReceipt(base64.RawURLEncoding.EncodeToString(bad), told); ok {
			t.Errorf("taken with another byte %d", i)
		}
	}
	for _, bad := range []string{"", receipt[:34], receipt + "A", receipt + "=", "é" + receipt} {
		if _, ok := ours.ReadReceipt(bad, told); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}

// The part of the pushes that is configured has a receipt; the data of the others is as it was.
func TestPushesHaveReceipts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		share float64
		told  time.Time
		want  bool
	}{{1, time.Now(), true}, {0, time.Now(), false}, {1, time.Time{}, false}} {
		k := key(t)
		fake := &webpushtest.Server{Public: k.Public()}
		server := httptest.NewServer(fake)
		t.Cleanup(server.Close)
		s := sender(t, webpush.Config{Key: k, Endpoint: server.URL, Receipts: tt.share})
		b := fake.Subscribe("fcm.googleapis.com")
		m := goal(b.Subscription())
		m.Told = tt.told
		if r := s.Send(t.Context(), []notify.Message{m})[0]; r.Outcome != notify.Delivered {
			t.Fatalf("%+v", r)
		}
		var said webpush.Declarative
		if err := json.Unmarshal(fake.Taken(b)[0].Payload, &said); err != nil {
			t.Fatal(err)
		}
		at, ok := k.ReadReceipt(said.Notification.Data["receipt"], m.Expires.Add(-time.Second))
		if ok != tt.want || ok && at.UnixMilli() != m.Told.UnixMilli() || len(m.Data) != 2 {
			t.Errorf("%+v: %t %s, %v", tt, ok, at, m.Data)
		}
	}
}

func TestLongMessageIsShortened(t *testing.T) {
	t.Parallel()
	s, fake := start(t)
	for _, body := range []string{strings.Repeat("é", 5000), strings.Repeat("\x01", 4000), strings.Repeat(`"`, 3900)} {
		b := fake.Subscribe("fcm.googleapis.com")
		m := goal(b.Subscription())
		m.Text.Body = body
		if r := s.Send(t.Context(), []notify.Message{m})[0]; r.Outcome != notify.Delivered || !r.Shortened {
			t.Fatalf("%.80v", r)
		}
		taken := fake.Taken(b)[0].Payload
		if len(taken) > webpush.MaxPayload || len(taken) < webpush.MaxPayload-8 {
			t.Errorf("%d bytes of %d", len(taken), webpush.MaxPayload)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s, fake := start(t)
	for _, tt := range []struct {
		failure webpushtest.Failure
		want    notify.Result
	}{
		{webpushtest.Failure{Status: 404}, notify.Result{Outcome: notify.Gone, Reason: notify.ReasonUnregistered}},
		{webpushtest.Failure{Status: 410}, notify.Result{Outcome: notify.Gone, Reason: notify.ReasonUnregistered}},
		{webpushtest.Failure{Status: 413}, notify.Result{Outcome: notify.Rejected, Reason: "too_large"}},
		{webpushtest.Failure{Status: 400}, notify.Result{Outcome: notify.Rejected, Reason: "bad_request"}},
		{webpushtest.Failure{Status: 401}, notify.Result{Outcome: notify.Foreign, Reason: "vapid"}},
		{webpushtest.Failure{Status: 403}, notify.Result{Outcome: notify.Foreign, Reason: "vapid"}},
		{webpushtest.Failure{Status: 400, Body: `{"reason":"VapidPkHashMismatch"}`},
			notify.Result{Outcome: notify.Foreign, Reason: "vapid"}},
		{webpushtest.Failure{Status: 429, RetryAfter: "7"},
			notify.Result{Outcome: notify.Later, Reason: notify.ReasonQuota, After: 7 * time.Second}},
		{webpushtest.Failure{Status: 503, RetryAfter: "9"},
			notify.Result{Outcome: notify.Later, Reason: "unavailable", After: 9 * time.Second, Unsure: true}},
		{webpushtest.Failure{Status: 500}, notify.Result{Outcome: notify.Later, Reason: "internal", Unsure: true}},
		{webpushtest.Failure{Status: 307}, notify.Result{Outcome: notify.Rejected, Reason: "redirect"}},
	} {
		b := fake.Subscribe("web.push.apple.com")
		fake.Fail(b, tt.failure)
		before := fake.Requests()
		r := s.Send(t.Context(), []notify.Message{goal(b.Subscription())})[0]
		if r.Err == nil || strings.Contains(r.Err.Error(), "/push/") {
			t.Errorf("%d: error %v", tt.failure.Status, r.Err)
		}
		if r.Service != "*.push.apple.com" || r.At.IsZero() {
			t.Errorf("%d: counted for %q, at %v", tt.failure.Status, r.Service, r.At)
		}
		r.Err, r.Service, r.At = nil, "", time.Time{}
		if r != tt.want {
			t.Errorf("%d: %+v", tt.failure.Status, r)
		}
		if n := fake.Requests() - before; n != 1 {
			t.Errorf("%d: %d requests", tt.failure.Status, n)
		}
	}
}

func TestAnotherKey(t *testing.T) {
	t.Parallel()
	fake := &webpushtest.Server{Public: key(t).Public()}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	s := sender(t, webpush.Config{Key: key(t), Endpoint: server.URL})
	m := goal(fake.Subscribe("web.push.apple.com").Subscription())
	if r := s.Send(t.Context(), []notify.Message{m})[0]; r.Outcome != notify.Foreign || r.Reason != "vapid" {
		t.Errorf("%+v", r)
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]bool{
		"https://fcm.googleapis.com/fcm/send/x": true, "https://FCM.googleapis.com:443/x": true,
		"https://web.push.apple.com/x": true, "https://a.b.notify.windows.com/w/?token=x": true,
		"http://fcm.googleapis.com/x": false, "https://fcm.googleapis.com:8443/x": false,
		"https://me@fcm.googleapis.com/x": false, "https://fcm.googleapis.com.example.org/x": false,
		"https://push.apple.com/x": false, "https://evilpush.apple.com/x": false, "https://127.0.0.1/x": false,
		"https://example.org/#.push.apple.com": false, "https://example.org\\.push.apple.com/": false,
		"https://fcm.googleapis.com/x#y": false, "https://fcm.googleapis.com./x": false,
		"https://fcm.googleapis.com/" + strings.Repeat("x", webpush.MaxEndpoint): false, "": false,
	} {
		if err := webpush.DefaultHosts.Check(endpoint); (err == nil) != want {
			t.Errorf("%.80s: %v", endpoint, err)
		}
	}
	for _, hosts := range []webpush.Hosts{{}, {"*"}, {"*.com"}, {"127.0.0.1"}, {"localhost"}, {"https://a.example"},
		{"a.example:443"}, {"A.example"}} {
		if hosts.Validate() == nil {
			t.Errorf("%v is taken", hosts)
		}
	}
}

// A host of the list whose name leads into our network is not connected to.
func TestAddressIsLookedAtWhenItIsSentTo(t *testing.T) {
	t.Parallel()
	fake := &webpushtest.Server{}
	s := sender(t, webpush.Config{Key: key(t), Hosts: webpush.Hosts{"push.example.org"},
		Resolver: leadsTo(t, "127.0.0.1")})
	r := s.Send(t.Context(), []notify.Message{goal(fake.Subscribe("push.example.org").Subscription())})[0]
	if r.Outcome != notify.Later || r.Reason != "not_public" || r.Unsure {
		t.Errorf("%+v", r)
	}
	r = s.Send(t.Context(), []notify.Message{goal(fake.Subscribe("fcm.googleapis.com").Subscription())})[0]
	if r.Outcome != notify.Rejected || r.Reason != "endpoint" {
		t.Errorf("not in the list: %+v", r)
	}
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{"", "mailto:me@example.org", "me@example.org", "http://example.org",
		"https://localhost"} {
		if webpush.CheckSubject(subject) == nil {
			t.Errorf("subject %q is taken", subject)
		}
	}
	for _, text := range []string{"", "x", strings.Repeat("A", 43), "mailto:"} {
		if _, err := webpush.ReadKey(text); err == nil {
			t.Errorf("key %q is taken", text)
		}
	}
}
