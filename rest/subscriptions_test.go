package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify/webpush"
	"goalcast/notify/webpush/webpushtest"
	"goalcast/rest"
)

// toBrowsers sends to those that are sent to by default.
type toBrowsers struct{}

func (toBrowsers) PublicKey() string                   { return "public" }
func (toBrowsers) CheckEndpoint(endpoint string) error { return webpush.DefaultHosts.Check(endpoint) }
func (toBrowsers) ReadReceipt(receipt string, now time.Time) (time.Time, bool) {
	return told, receipt == "made-by-us" && now.Before(told.Add(time.Hour))
}
func (toBrowsers) CheckKeys(sub goalcast.Subscription) error { return webpush.CheckKeys(sub) }
func withBrowsers(_ *rest.Config, deps *rest.Deps)           { deps.Browsers = toBrowsers{} }

// subscription is what a page sends.
var subscription = subscribe("fcm.googleapis.com", nil)

func subscribe(host string, change func(*goalcast.Subscription)) string {
	sub := new(webpushtest.Server).Subscribe(host).Subscription()
	if change != nil {
		change(&sub)
	}
	text, err := json.Marshal(map[string]any{"language": "nl-BE", "subscription": map[string]any{
		"endpoint": sub.Endpoint, "expirationTime": nil, "keys": map[string]any{"p256dh": sub.Key, "auth": sub.Auth}}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	h := open(t, withBrowsers)
	const path = "/v1/me/subscriptions"
	id := decode[struct{ ID string }](t, h.ask(t, http.MethodPut, path, subscription, as(anna)).body).ID
	again := decode[struct{ ID string }](t, h.ask(t, http.MethodPut, path, subscription, as(anna)).body).ID
	if again != id {
		t.Errorf("twice is two: %q, %q", id, again)
	}
	if a := h.get(t, path, as(anna)); string(a.body) != `{"application_server_key":"public","ids":["`+id+`"]}` {
		t.Errorf("lists %s", a.body)
	}
	a := h.get(t, "/v1/me", as(anna))
	if !strings.Contains(string(a.body), `"token":"https://fcm.googleapis.com/…","platform":"web","language":"nl"`) {
		t.Errorf("exports %s", a.body)
	}
	for _, who := range []string{bram, anna, anna} { // it is not his
		if a := h.ask(t, http.MethodDelete, path+"/"+id, "", as(who)); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
		if left := len(h.get(t, path, as(anna)).body); who == bram && left < 60 {
			t.Error("another user deletes it")
		}
	}
	if a := h.get(t, "/v1/me/devices", as(anna)); string(a.body) != `{"devices":[]}` {
		t.Errorf("still there: %s", a.body)
	}
	const chrome = "fcm.googleapis.com"
	inside := func(s *goalcast.Subscription) { s.Endpoint = "http://127.0.0.1/" }
	shortKey := func(s *goalcast.Subscription) { s.Key = s.Key[:80] }
	shortAuth := func(s *goalcast.Subscription) { s.Auth = "x" }
	for body, parameter := range map[string]string{
		subscribe("push.example.org", nil):             "subscription.endpoint",
		subscribe(chrome, inside):                      "subscription.endpoint",
		subscribe(chrome, shortKey):                    "subscription.keys",
		subscribe(chrome, shortAuth):                   "subscription.keys",
		strings.Replace(subscription, "nl-BE", "?", 1): "language",
	} {
		p := h.ask(t, http.MethodPut, path, body, as(anna)).problem(t, http.StatusBadRequest, "bad_parameter")
		if p.Parameter != parameter {
			t.Errorf("%s: says %q", parameter, p.Parameter)
		}
	}
	h.ask(t, http.MethodPut, "/v1/me/devices/https:%2F%2Ffcm.googleapis.com%2Fx%23y.z",
		`{"platform":"web","language":"nl"}`, as(anna)).problem(t, http.StatusBadRequest, "bad_parameter")
	open(t).ask(t, http.MethodPut, path, subscription, as(anna)).problem(t, http.StatusNotImplemented, "not_here")
}
