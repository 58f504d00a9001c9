// Package apns speaks to Apple's push service itself, for what Firebase does not pass on: the
// broadcast channels of Live Activities, and pushes that start an activity. cmd/goalcast makes a
// Client and passes it to package live, whose words it speaks; package apnstest beside it is an
// Apple for tests.
//
// What Apple documents: "Sending channel management requests to APNs", "Sending broadcast push
// notification requests to APNs", "Starting and updating Live Activities with ActivityKit push
// notifications", "Handling error responses from Apple Push Notification service".
package apns

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/internal/upstream"
	"goalcast/notify/live"
)

// Apple's servers. Devices with an app from Xcode are in the sandbox, all others in production.
const (
	production       = "https://api.push.apple.com"
	productionManage = "https://api-manage-broadcast.push.apple.com:2196"
	sandbox          = "https://api.sandbox.push.apple.com"
	sandboxManage    = "https://api-manage-broadcast.sandbox.push.apple.com:2195"
)

// Config says which app to speak for. Zero fields take the default.
type Config struct {
	Key      []byte // the text of the .p8 file; a secret
	KeyID    string // of Key, ten characters
	TeamID   string // whose Key is, ten characters
	BundleID string // of the app
	Sandbox  bool   // the app's devices are in Apple's sandbox
	// Endpoint is another server than Apple's, for both pushes and channels: for tests. It speaks
	// HTTP/2, in clear text if it is http://.
	Endpoint string
	Roots    *x509.CertPool   // who vouches for the server; nil: who the system trusts
	Timeout  time.Duration    // of one request; 10 s
	Now      func() time.Time // nil: time.Now
}

// Service is what Apple's push service is called in metrics.
const Service = "apns"

// storeNewest is the message storage policy of channels: a phone that was off gets the newest push.
// With the other one, 0, Apple keeps none and refuses pushes that say how long they live.
const storeNewest = 1

// bundleText is what Apple takes as bundle id; it becomes part of a path.
var bundleText = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)

// Client is a live.Service. It is safe for use by many goroutines.
type Client struct {
	bundle       string
	push, manage string
	timeout      time.Duration
	now          func() time.Time
	provider     *provider
	http         *http.Client
	seconds      *prometheus.HistogramVec
}

// New makes a Client. It reads the key, and does not call Apple.
func New(cfg Config, reg prometheus.Registerer) (*Client, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if !bundleText.MatchString(cfg.BundleID) {
		return nil, errors.New("the bundle id: want one like org.example.app")
	}
	c := &Client{bundle: cfg.BundleID, push: production, manage: productionManage, timeout: cfg.Timeout, now: cfg.Now}
	if cfg.Sandbox {
		c.push, c.manage = sandbox, sandboxManage
	}
	if cfg.Endpoint != "" {
		c.push = strings.TrimSuffix(cfg.Endpoint, "/")
		c.manage = c.push
	}
	factory := promauto.With(reg)
	made := factory.NewCounter(prometheus.CounterOpts{Name: "goalcast_apns_provider_tokens_total",
		Help: "Tokens made to show to Apple: one in 40 minutes."})
	var err error
	if c.provider, err = newProvider(cfg, made); err != nil {
		return nil, err
	}
	c.seconds = factory.NewHistogramVec(prometheus.HistogramOpts{
		Name: "goalcast_apns_request_seconds",
		Help: "Requests to Apple, by what was asked and what came of it: ok, no_answer, Apple's reason or the " +
			"HTTP status.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"call", "result"})
	var protocols http.Protocols
	protocols.SetHTTP2(true) // Apple speaks nothing else
	protocols.SetUnencryptedHTTP2(strings.HasPrefix(c.push, "http://"))
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, Protocols: &protocols, MaxIdleConnsPerHost: 4,
			IdleConnTimeout: 10 * time.Minute,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots},
			// A connection that is dead without saying so is found before a goal is sent into it.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 5 * time.Second},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call is one request.
type call struct {
	name    string // for the metric
	method  string
	url     string
	headers map[string]string
	body    []byte
	want    int // the status of success
}

// Channel is how Apple describes a broadcast channel.
type Channel struct {
	Policy int    `json:"message-storage-policy"` // 0: no message is kept for phones that are off; 1: the newest is
	Type   string `json:"push-type"`              // "LiveActivity"
}

func (c *Client) channels(list string) string {
	return c.manage + "/1/apps/" + c.bundle + "/" + list
}

// Name is the service's name.
func (c *Client) Name() string { return live.Apple }

// CreateChannel makes a channel and returns its id. live.ErrFull if there are as many as Apple
// allows: 10,000.
func (c *Client) CreateChannel(ctx context.Context, _ goalcast.MatchID) (string, error) {
	body, err := json.Marshal(Channel{storeNewest, "LiveActivity"})
	if err != nil {
		return "", err
	}
	head, _, err := c.do(ctx, call{name: "create_channel", method: http.MethodPost, url: c.channels("channels"),
		body: body, want: http.StatusCreated})
	if err != nil {
		return "", fmt.Errorf("create channel: %w", err)
	}
	id := head.Get("apns-channel-id")
	if id == "" {
		return "", errors.New("create channel: Apple's answer names none")
	}
	return id, nil
}

// Channel reads what Apple knows of a channel; live.ErrNoChannel if there is none.
func (c *Client) Channel(ctx context.Context, id string) (Channel, error) {
	_, body, err := c.do(ctx, call{name: "read_channel", method: http.MethodGet, url: c.channels("channels"),
		headers: map[string]string{"apns-channel-id": id}, want: http.StatusOK})
	var channel Channel
	if err == nil {
		err = json.Unmarshal(body, &channel)
	}
	if err != nil {
		return Channel{}, fmt.Errorf("read channel: %w", err)
	}
	return channel, nil
}

// DeleteChannel deletes a channel: nobody gets a push through it any more. live.ErrNoChannel if
// there is none.
func (c *Client) DeleteChannel(ctx context.Context, id string) error {
	if _, _, err := c.do(ctx, call{name: "delete_channel", method: http.MethodDelete, url: c.channels("channels"),
		headers: map[string]string{"apns-channel-id": id}, want: http.StatusNoContent}); err != nil {
		return fmt.Errorf("delete channel: %w", err)
	}
	return nil
}

// Channels lists the ids of all channels that the app has in this environment.
func (c *Client) Channels(ctx context.Context) ([]string, error) {
	_, body, err := c.do(ctx, call{name: "list_channels", method: http.MethodGet, url: c.channels("all-channels"),
		want: http.StatusOK})
	var list struct {
		Channels []string `json:"channels"`
	}
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	return list.Channels, nil
}

// Broadcast sends an Update or End to all phones that listen to a channel.
func (c *Client) Broadcast(ctx context.Context, channel string, p live.Push) error {
	return c.broadcast(ctx, "broadcast", channel, p)
}

func (c *Client) broadcast(ctx context.Context, name, channel string, p live.Push) error {
	head := headers(p)
	head["apns-channel-id"] = channel
	return c.send(ctx, name, c.push+"/4/broadcasts/apps/"+c.bundle, head, p, MaxBroadcast)
}

// noChannel is an id as channels have it, and no channel has: of 16 zero bytes.
const noChannel = "AAAAAAAAAAAAAAAAAAAAAA=="

// Service is the name of the push service, for metrics.
func (c *Client) Service() string { return Service }

// DryRun says whether Apple would take a broadcast: one is sent to a channel that does not exist,
// so that no phone gets it. Apple looks at the token, the app and its right to broadcast before it
// looks for the channel: that it knows no such channel is the answer of success. result is "ok",
// "no_answer", Apple's word or the HTTP status.
func (c *Client) DryRun(ctx context.Context) (result string, err error) {
	now := c.now()
	err = c.broadcast(ctx, "dry_run", noChannel, live.Push{Event: live.Update, State: json.RawMessage(`{}`), At: now,
		Expires: now.Add(time.Minute)})
	if err == nil || errors.Is(err, live.ErrNoChannel) {
		return resultOK, nil
	}
	return reason(err), err
}

// Start starts an activity on the device whose token it is; live.ErrNoDevice if there is none.
func (c *Client) Start(ctx context.Context, token string, p live.Push) error {
	head := headers(p)
	head["apns-topic"] = c.bundle + ".push-type.liveactivity"
	return c.send(ctx, "start", c.push+"/3/device/"+url.PathEscape(token), head, p, MaxPush)
}

func (c *Client) send(ctx context.Context, name, to string, head map[string]string, p live.Push, most int) error {
	body, err := encode(p)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", name, live.ErrRefused, err)
	}
	if len(body) > most {
		return fmt.Errorf("%s: %w: %d bytes, Apple takes %d", name, live.ErrRefused, len(body), most)
	}
	if _, _, err := c.do(ctx, call{name: name, method: http.MethodPost, url: to, headers: head, body: body,
		want: http.StatusOK}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// do asks once; a second time if the token had expired, of which Apple takes no notice else. Its
// errors name no token: neither ours nor a device's.
func (c *Client) do(ctx context.Context, r call) (http.Header, []byte, error) {
	started := c.now()
	head, body, err := c.once(ctx, r)
	c.seconds.WithLabelValues(r.name, reason(err)).Observe(c.now().Sub(started).Seconds())
	return head, body, err
}

func (c *Client) once(ctx context.Context, r call) (http.Header, []byte, error) {
	for again := true; ; again = false {
		token, err := c.provider.get()
		if err != nil {
			return nil, nil, err
		}
		head, body, err := c.ask(ctx, r, token)
		var e *Error
		if again && errors.As(err, &e) && e.Reason == "ExpiredProviderToken" && c.provider.renew(token) {
			continue
		}
		return head, body, err
	}
}

// maxAnswer is how much of an answer is read, in bytes: a list of 10,000 channels has 0.5 MB.
const maxAnswer = 4 << 20

func (c *Client) ask(ctx context.Context, r call, token string) (http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, nil, errors.New("not a request that can be sent")
	}
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("authorization", "bearer "+token)
	if len(r.body) > 0 {
		req.Header.Set("content-type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, upstream.WithoutURL(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case resp.StatusCode != r.want:
		return nil, nil, failure(resp, body, c.now())
	case err != nil:
		return nil, nil, fmt.Errorf("read answer: %w", err)
	}
	return resp.Header, body, nil
}
