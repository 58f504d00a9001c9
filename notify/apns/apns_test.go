package apns

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast/notify/apns/apnstest"
	"goalcast/notify/live"
)

// rig is a client and the fake that it speaks to, on a clock of their own.
type rig struct {
	fake   *apnstest.Server
	client *Client

	mu  sync.Mutex
	now time.Time
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{now: time.Date(2026, 11, 28, 19, 45, 0, 0, time.UTC)}
	fake, key := apnstest.New()
	fake.Now = r.clock
	server := fake.Serve()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	client, err := New(Config{Key: key, KeyID: apnstest.KeyID, TeamID: apnstest.TeamID, BundleID: apnstest.BundleID,
		Endpoint: server.URL, Roots: roots, Now: r.clock}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	r.fake, r.client = fake, client
	return r
}

// update is a push as good as any.
func (r *rig) update(state string) live.Push {
	now := r.clock()
	return live.Push{Event: live.Update, State: json.RawMessage(state), At: now, Stale: now.Add(5 * time.Minute),
		Expires: now.Add(5 * time.Minute), High: true}
}

func (r *rig) start(channel string) live.Push {
	p := r.update(`{"home":0}`)
	p.Event, p.Channel, p.Type, p.Attributes = live.Start, channel, "MatchAttributes", json.RawMessage(`{"match":1}`)
	p.Title, p.Body = "Noordzand - Eikendal", "Kick-off"
	return p
}

const device = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestChannelIsCreatedUsedAndDeleted(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	id, err := r.client.CreateChannel(ctx, 7)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.client.Channel(ctx, id); err != nil || c != (Channel{Policy: 1, Type: "LiveActivity"}) {
		t.Errorf("read: %+v, %v", c, err)
	}
	if err := r.client.Broadcast(ctx, id, r.update(`{"home":1}`)); err != nil {
		t.Error(err)
	}
	if screen := r.fake.Screen(id); string(screen.State) != `{"home":1}` || screen.At != r.clock().Unix() {
		t.Errorf("phones show %s of %d", screen.State, screen.At)
	}
	p := r.fake.Pushes(id)[0]
	if want := r.clock().Add(5 * time.Minute).Unix(); p.Priority != 10 || p.Stale != want || p.Expires != want {
		t.Errorf("%+v", p)
	}
	end := r.update(`{"home":2}`)
	end.At, end.Event, end.High, end.Dismiss = end.At.Add(time.Second), live.End, false, r.clock().Add(time.Hour)
	if err := r.client.Broadcast(ctx, id, end); err != nil {
		t.Error(err)
	}
	p = r.fake.Pushes(id)[1]
	if !r.fake.Screen(id).Ended || p.Priority != 5 || p.Dismiss != r.clock().Add(time.Hour).Unix() {
		t.Errorf("%+v", p)
	}
	if list, err := r.client.Channels(ctx); err != nil || !slices.Equal(list, []string{id}) {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := r.client.DeleteChannel(ctx, id); err != nil {
		t.Error(err)
	}
	if list, err := r.client.Channels(ctx); err != nil || len(list) > 0 {
		t.Errorf("list: %v, %v", list, err)
	}
	for name, err := range map[string]error{
		"delete": r.client.DeleteChannel(ctx, id), "broadcast": r.client.Broadcast(ctx, id, r.update(`{}`)),
	} {
		if !errors.Is(err, live.ErrNoChannel) {
			t.Errorf("%s a channel that is gone: %v", name, err)
		}
	}
	if v := r.fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

func TestActivityIsStartedOnADevice(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	id, err := r.client.CreateChannel(ctx, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.client.Start(ctx, device, r.start(id)); err != nil {
		t.Fatal(err)
	}
	got := r.fake.Device(device)
	if len(got) != 1 || got[0].Channel != id || got[0].Type != "MatchAttributes" || got[0].Title == "" {
		t.Errorf("%+v", got)
	}
	r.fake.Remove(device)
	if err := r.client.Start(ctx, device, r.start(id)); !errors.Is(err, live.ErrNoDevice) {
		t.Errorf("a device without the app: %v", err)
	}
	err = r.client.Start(ctx, "../../1/apps", r.start(id))
	if !errors.Is(err, live.ErrNoDevice) {
		t.Errorf("no token: %v", err)
	}
	if v := r.fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// What Apple says is understood, and only credentials' faults are called so.
func TestAnswers(t *testing.T) {
	r := newRig(t)
	fail := func(status int, reason string) apnstest.Failure {
		return apnstest.Failure{Status: status, Reason: reason}
	}
	for _, tt := range []struct {
		failure apnstest.Failure
		want    error // of live; nil: try again
	}{
		{fail(400, "FeatureNotEnabled"), live.ErrDenied},
		{fail(400, "TopicDisallowed"), live.ErrDenied},
		{fail(400, "BadTopic"), live.ErrDenied},
		{fail(403, "InvalidProviderToken"), live.ErrDenied},
		{fail(403, "Forbidden"), live.ErrDenied},
		{fail(403, ""), live.ErrDenied},
		{fail(400, "CannotCreateChannelConfig"), live.ErrFull},
		{fail(400, "ChannelNotRegistered"), live.ErrNoChannel},
		{fail(410, "ChannelNotRegistered"), live.ErrNoChannel},
		{fail(400, "BadChannelId"), live.ErrNoChannel},
		{fail(410, "Unregistered"), live.ErrNoDevice},
		{fail(410, "ExpiredToken"), live.ErrNoDevice},
		{fail(400, "BadDeviceToken"), live.ErrNoDevice},
		{fail(400, "DeviceTokenNotForTopic"), live.ErrNoDevice},
		{fail(400, "MissingChannelId"), live.ErrRefused},
		{fail(400, "BadExpirationDate"), live.ErrRefused},
		{fail(400, "what is this"), live.ErrRefused},
		{fail(413, "PayloadTooLarge"), live.ErrRefused},
		{fail(404, "BadPath"), live.ErrRefused},
		{apnstest.Internal(), nil},
		{apnstest.Unavailable(), nil},
		{apnstest.Shutdown(), nil},
		{fail(502, ""), nil},
		{fail(429, "TooManyProviderTokenUpdates"), nil},
		{apnstest.TooManyRequests(0), nil},
		{apnstest.LostAnswer(), nil},
	} {
		r.fake.Fail("", tt.failure)
		_, err := r.client.CreateChannel(t.Context(), 7)
		if err == nil {
			t.Errorf("%+v: no error", tt.failure)
		}
		for _, e := range []error{live.ErrDenied, live.ErrFull, live.ErrNoChannel, live.ErrNoDevice, live.ErrRefused} {
			if is := errors.Is(err, e); is != errors.Is(tt.want, e) {
				t.Errorf("%d %s: %q is %q: %v", tt.failure.Status, tt.failure.Reason, err, e, is)
			}
		}
	}
}

func TestServiceThatTakesNoMoreSaysForHowLong(t *testing.T) {
	r := newRig(t)
	for failure, want := range map[*apnstest.Failure]time.Duration{
		{Status: 429, Reason: "TooManyRequests", RetryAfter: 7 * time.Second}: 7 * time.Second,
		{Status: 503, Reason: "Shutdown"}:                                     0,
		{Status: 429, RetryAfter: 100 * 24 * time.Hour}:                       time.Hour,
	} {
		r.fake.Fail("", *failure)
		_, err := r.client.Channels(t.Context())
		var busy *live.BusyError
		if !errors.As(err, &busy) || busy.After != want {
			t.Errorf("%+v: %v", failure, err)
		}
	}
}

// One token is for all requests, as long as Apple takes it and no longer.
func TestProviderTokenIsRenewed(t *testing.T) {
	r, ctx := newRig(t), t.Context()
	list := func(want int) {
		t.Helper()
		if _, err := r.client.Channels(ctx); err != nil {
			t.Fatal(err)
		}
		if n := r.fake.Tokens(); n != want {
			t.Fatalf("%d tokens after %v, want %d", n, r.clock(), want)
		}
	}
	list(1)
	r.pass(39 * time.Minute)
	list(1)
	r.pass(time.Minute)
	list(2)
	var all sync.WaitGroup
	r.pass(41 * time.Minute)
	for range 20 {
		all.Go(func() { _, _ = r.client.Channels(ctx) })
	}
	all.Wait()
	list(3)
	// Apple says that it has expired, though it has not by our clock.
	r.pass(30 * time.Minute)
	r.fake.Fail("", apnstest.Failure{Status: 403, Reason: "ExpiredProviderToken"})
	list(4)
	// Twice within 20 minutes is a clock that is wrong: no new token helps.
	r.pass(time.Minute)
	r.fake.Fail("", apnstest.Failure{Status: 403, Reason: "ExpiredProviderToken"})
	if _, err := r.client.Channels(ctx); !errors.Is(err, live.ErrDenied) {
		t.Errorf("%v", err)
	}
	list(4)
	if v := r.fake.Violations(); len(v) > 0 {
		t.Errorf("violations: %v", v)
	}
}

// A dry run goes well where Apple takes what we send, changes nothing there and shows on no phone;
// where Apple does not accept us, or nobody answers, it says so.
func TestDryRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	channel, err := r.client.CreateChannel(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if result, err := r.client.DryRun(t.Context()); result != "ok" || err != nil {
			t.Errorf("%s, %v", result, err)
		}
	}
	if v := r.fake.Violations(); len(v) > 0 || len(r.fake.Pushes(channel)) > 0 || len(r.fake.Channels()) != 1 {
		t.Errorf("Apple says %v; %d pushes, %d channels", v, len(r.fake.Pushes(channel)), len(r.fake.Channels()))
	}
	text, _ := apnstest.Key()
	otherKey, otherApp := *r.client, *r.client
	otherApp.bundle = "org.example.other"
	otherKey.provider, err = newProvider(Config{Key: text, KeyID: apnstest.KeyID, TeamID: apnstest.TeamID,
		Now: r.clock},
		prometheus.NewCounter(prometheus.CounterOpts{Name: "made"}))
	if err != nil {
		t.Fatal(err)
	}
	if result, err := otherKey.DryRun(t.Context()); result != "InvalidProviderToken" ||
		!errors.Is(err, live.ErrDenied) {
		t.Errorf("with another key: %s, %v", result, err)
	}
	if result, err := otherApp.DryRun(t.Context()); result != "TopicDisallowed" || !errors.Is(err, live.ErrDenied) {
		t.Errorf("with another app: %s, %v", result, err)
	}
	away, cancel := context.WithCancel(t.Context())
	cancel()
	if result, err := r.client.DryRun(away); result != "no_answer" || err == nil {
		t.Errorf("without an answer: %s, %v", result, err)
	}
	for _, word := range []string{"InvalidProviderToken", "TopicDisallowed", "no_answer"} {
		if !slices.Contains(Denials(), word) {
			t.Errorf("%s is not counted from the start", word)
		}
	}
}

func TestPushThatIsTooLargeIsNotSent(t *testing.T) {
	r := newRig(t)
	id, err := r.client.CreateChannel(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := r.fake.Counts()
	state := fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 5100))
	for name, err := range map[string]error{
		"broadcast": r.client.Broadcast(t.Context(), id, r.update(state)),
		"start": func() error {
			p := r.start(id)
			p.State = json.RawMessage(state[:4000] + `"}`)
			return r.client.Start(t.Context(), device, p)
		}(),
		"no JSON": r.client.Broadcast(t.Context(), id, r.update(`{`)),
	} {
		if !errors.Is(err, live.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, _, _ := r.fake.Counts(); after != before {
		t.Errorf("%d requests", after-before)
	}
}

func TestServerThatDoesNotAnswerOrSpeaksSomethingElse(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	r := newRig(t)
	r.client.timeout = 100 * time.Millisecond
	r.fake.Fail("", apnstest.Failure{Wait: block})
	if _, err := r.client.Channels(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	old := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"channels":[]}`)
	}))
	defer old.Close()
	_, key := apnstest.New()
	roots := x509.NewCertPool()
	roots.AddCert(old.Certificate())
	client, err := New(Config{Key: key, KeyID: apnstest.KeyID, TeamID: apnstest.TeamID, BundleID: apnstest.BundleID,
		Endpoint: old.URL, Roots: roots}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if list, err := client.Channels(t.Context()); err == nil {
		t.Errorf("HTTP/1.1 is spoken: %v", list)
	}
}

// Tokens of devices and ours are in no error.
func TestErrorsKeepSecrets(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	r.client.push = server.URL
	token, err := r.client.provider.get()
	if err != nil {
		t.Fatal(err)
	}
	err = r.client.Start(t.Context(), device, r.start("x"))
	if err == nil || strings.Contains(err.Error(), device) || strings.Contains(err.Error(), token) {
		t.Errorf("%v", err)
	}
}

func TestConfigThatCannotWork(t *testing.T) {
	_, key := apnstest.New()
	good := Config{Key: key, KeyID: apnstest.KeyID, TeamID: apnstest.TeamID, BundleID: apnstest.BundleID}
	if _, err := New(good, prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no key":     {func(c *Config) { c.Key = nil }, "PEM"},
		"other text": {func(c *Config) { c.Key = []byte("private-words") }, "PEM"},
		"broken key": {func(c *Config) {
			c.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("private")})
		}, "P-256"},
		"another curve": {func(c *Config) {
			c.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		}, "P-256"},
		"no key id":       {func(c *Config) { c.KeyID = "" }, "key's id"},
		"long team id":    {func(c *Config) { c.TeamID = "TEAM0123456" }, "team's id"},
		"no bundle id":    {func(c *Config) { c.BundleID = "" }, "bundle"},
		"path for bundle": {func(c *Config) { c.BundleID = "org.example/../x" }, "bundle"},
	} {
		cfg := good
		tt.change(&cfg)
		_, err := New(cfg, prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "private") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
