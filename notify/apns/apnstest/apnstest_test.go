package apnstest

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// request is one that the fake takes, which each case makes wrong in one or more ways.
type request struct {
	method, path, body string
	header             map[string]string
}

// The fake refuses in Apple's order: with several faults, the first is told.
func TestRefusals(t *testing.T) {
	s := &Server{BundleID: BundleID, TeamID: TeamID, KeyID: KeyID, MaxChannels: 2}
	p8, public := Key()
	s.Key = public
	now := time.Date(2026, 11, 28, 19, 45, 0, 0, time.UTC)
	s.Now = func() time.Time { return now }
	good := providerToken(t, p8, TeamID, KeyID, now)
	ask := func(r request) (int, string, http.Header) {
		req := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
		req.ProtoMajor = 2
		req.Header.Set("authorization", "bearer "+good)
		for name, value := range r.header {
			req.Header.Set(name, value)
			if value == "" {
				req.Header.Del(name)
			}
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		var said struct{ Reason string }
		_ = json.Unmarshal(w.Body.Bytes(), &said)
		return w.Code, said.Reason, w.Header()
	}
	channels, create := "/1/apps/"+BundleID+"/channels", `{"message-storage-policy":0,"push-type":"LiveActivity"}`
	_, _, head := ask(request{"POST", channels, create, nil})
	none := head.Get("apns-channel-id")
	_, _, head = ask(request{"POST", channels, strings.Replace(create, "0", "1", 1), nil})
	newest := head.Get("apns-channel-id")
	device := strings.Repeat("0123456789abcdef", 4)
	push := `{"aps":{"timestamp":1,"event":"update","content-state":{}}}`
	long := `{"aps":{"timestamp":1,"event":"update","content-state":{"x":"` + strings.Repeat("x", 5100) + `"}}}`

	type header = map[string]string
	broadcast := func(id string, body string, change header) request {
		h := header{"apns-channel-id": id, "apns-push-type": "liveactivity", "apns-expiration": "0",
			"apns-priority": "5"}
		for name, value := range change {
			h[name] = value
		}
		return request{"POST", "/4/broadcasts/apps/" + BundleID, body, h}
	}
	to := func(token string, body string, change header) request {
		h := header{"apns-topic": BundleID + ".push-type.liveactivity", "apns-push-type": "liveactivity"}
		for name, value := range change {
			h[name] = value
		}
		return request{"POST", "/3/device/" + token, body, h}
	}
	bearer := func(token string) header { return header{"authorization": "bearer " + token} }
	_, otherKey := New()
	for _, tt := range []struct {
		name   string
		r      request
		status int
		reason string
	}{
		{"no path", request{"POST", "/4/broadcasts", "", header{"authorization": ""}}, 404, "BadPath"},
		{"no token", broadcast("", "", header{"authorization": ""}), 403, "MissingProviderToken"},
		{"nonsense", broadcast("", "", bearer("x")), 403, "InvalidProviderToken"},
		{"another key", broadcast("", "", bearer(providerToken(t, otherKey, TeamID, KeyID, now))), 403,
			"InvalidProviderToken"},
		{"another key's id", broadcast("", "", bearer(providerToken(t, p8, TeamID, TeamID, now))), 403,
			"InvalidProviderToken"},
		{"another team", broadcast("", "", bearer(providerToken(t, p8, KeyID, KeyID, now))), 403,
			"InvalidProviderToken"},
		{"old token", broadcast("", "", bearer(providerToken(t, p8, TeamID, KeyID, now.Add(-time.Hour)))), 403,
			"ExpiredProviderToken"},
		{"token of tomorrow", broadcast("", "", bearer(providerToken(t, p8, TeamID, KeyID, now.Add(time.Hour)))), 403,
			"InvalidProviderToken"},
		{"another token so soon",
			broadcast("", "", bearer(providerToken(t, p8, TeamID, KeyID, now.Add(-time.Minute)))),
			429, "TooManyProviderTokenUpdates"},
		{"another app", request{"POST", "/4/broadcasts/apps/org.other", "", nil}, 400, "TopicDisallowed"},

		{"get", request{"GET", "/4/broadcasts/apps/" + BundleID, "", nil}, 405, "MethodNotAllowed"},
		{"no channel", broadcast("", "", header{"apns-push-type": "", "apns-expiration": "x"}), 400,
			"MissingChannelId"},
		{"no type", broadcast("x", "", header{"apns-push-type": "", "apns-expiration": "x"}), 400, "MissingPushType"},
		{"another type", broadcast("x", "", header{"apns-push-type": "alert", "apns-expiration": "x"}), 400,
			"InvalidPushType"},
		{"no expiration", broadcast("x", "", header{"apns-expiration": "", "apns-priority": "7"}), 400,
			"BadExpirationDate"},
		{"kept by a channel that keeps none", broadcast(none, push, header{"apns-expiration": "99"}), 400,
			"BadExpirationDate"},
		{"priority", broadcast("x", "", header{"apns-priority": "7"}), 400, "BadPriority"},
		{"no id", broadcast("x", "", nil), 400, "BadChannelId"},
		{"unknown", broadcast("AAAAAAAAAAAAAAAAAAAAAA==", "", nil), 400, "ChannelNotRegistered"},
		{"empty", broadcast(newest, "", nil), 400, "PayloadEmpty"},
		{"long", broadcast(newest, long, nil), 413, "PayloadTooLarge"},
		{"good", broadcast(newest, push, header{"apns-expiration": "99"}), 200, ""},

		{"no device", to("", push, nil), 400, "MissingDeviceToken"},
		{"no topic", to("x", push, header{"apns-topic": ""}), 400, "MissingTopic"},
		{"another app's", to("x", push, header{"apns-topic": "org.other"}), 400, "TopicDisallowed"},
		{"the app's own", to("x", push, header{"apns-topic": BundleID}), 400, "InvalidPushType"},
		{"expiration", to("x", push, header{"apns-expiration": "-1"}), 400, "BadExpirationDate"},
		{"priority", to("x", push, header{"apns-priority": "0"}), 400, "BadPriority"},
		{"no token", to("x", push, nil), 400, "BadDeviceToken"},
		{"empty", to(device, "", nil), 400, "PayloadEmpty"},
		{"long", to(device, long, nil), 413, "PayloadTooLarge"},
		{"good", to(device, push, nil), 200, ""},

		{"put", request{"PUT", channels, create, nil}, 405, "MethodNotAllowed"},
		{"read none", request{"GET", channels, "", nil}, 400, "MissingChannelId"},
		{"read", request{"GET", channels, "", header{"apns-channel-id": none}}, 200, ""},
		{"no policy", request{"POST", channels, `{"message-storage-policy":2,"push-type":"LiveActivity"}`, nil}, 400,
			"BadMessageStoragePolicy"},
		{"no type", request{"POST", channels, `{"message-storage-policy":1}`, nil}, 400, "MissingPushType"},
		{"another type", request{"POST", channels, `{"push-type":"Alert"}`, nil}, 400, "InvalidPushType"},
		{"full", request{"POST", channels, create, nil}, 400, "CannotCreateChannelConfig"},
		{"delete", request{"DELETE", channels, "", header{"apns-channel-id": none}}, 204, ""},
		{"again", request{"DELETE", channels, "", header{"apns-channel-id": none}}, 400, "ChannelNotRegistered"},
		{"room again", request{"POST", channels, create, nil}, 201, ""},
	} {
		if status, reason, _ := ask(tt.r); status != tt.status || reason != tt.reason {
			t.Errorf("%s: %d %s, want %d %s", tt.name, status, reason, tt.status, tt.reason)
		}
	}
	s.Interval = time.Second
	if status, reason, _ := ask(broadcast(newest, push, nil)); status != 429 || reason != "TooManyRequests" {
		t.Errorf("two in a second: %d %s", status, reason)
	}
	// What is not after what a phone shows changes nothing, however new it is.
	now = now.Add(time.Second)
	if status, _, _ := ask(broadcast(newest, push, nil)); status != 200 || s.Screen(newest).Late != 1 {
		t.Errorf("%d, %+v", status, s.Screen(newest))
	}
}

// providerToken is one that a sender would make.
func providerToken(t *testing.T, p8 []byte, team, kid string, at time.Time) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private(t, p8)},
		(&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := json.Marshal(map[string]any{"iss": team, "iat": at.Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func private(t *testing.T, p8 []byte) any {
	t.Helper()
	block, _ := pem.Decode(p8)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
