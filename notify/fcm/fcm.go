// Package fcm sends pushes through Firebase Cloud Messaging, with Google's own admin SDK.
// cmd/goalcast makes a Sender and passes it to package notify, whose words it speaks; package
// fcmtest beside it is a Firebase for tests and for the demo.
package fcm

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/option"

	"goalcast/notify"
)

// Service is the name of this push service in results and figures, unless Config.Service is
// another.
const Service = "fcm"

// MaxMessages is how many messages are passed to Send at once, so that its time is bounded.
const MaxMessages = 500

// workers is how many messages one Send has under way.
const workers = 50

// scope is what an access token must allow.
const scope = "https://www.googleapis.com/auth/firebase.messaging"

// Config says which Firebase project to send for. Zero fields take the default.
type Config struct {
	// Service is what this push service is called in results and figures: Service by default. One
	// of several projects has a name of its own.
	Service string
	// ProjectID of Firebase; by default the one that the credentials name.
	ProjectID string
	// Credentials is the JSON of a service account's key. Empty: without Endpoint those
	// that the machine has (Google Cloud's own, or GOOGLE_APPLICATION_CREDENTIALS); with
	// Endpoint none at all.
	Credentials []byte
	// Topics is what the names of topics begin with that Listen and messages to topics are about;
	// "goalcast.follow" by default. Two goalcasts with the same project want two.
	Topics string
	// Endpoint is the address of another server than Google's, with "/v1" at its end:
	// for tests and the demo.
	Endpoint string
	// Timeout of one request; 10 s.
	Timeout time.Duration
	// Connections that are kept open; 400. Google speaks HTTP/2 and needs few; every message under
	// way needs one where HTTP/1.1 is spoken.
	Connections int
}

// Sender is a notify.Sender.
type Sender struct {
	service string
	project string
	topics  string
	client  *messaging.Client
	base    *http.Transport
	log     *slog.Logger
}

// New makes a Sender. It reads the credentials, and does not call Firebase.
func New(ctx context.Context, cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Sender, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Connections <= 0 {
		cfg.Connections = 400
	}
	cfg.Topics = cmp.Or(cfg.Topics, "goalcast.follow")
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConns, base.MaxIdleConnsPerHost = cfg.Connections, cfg.Connections
	var next http.RoundTripper = base
	if cfg.Endpoint != "" {
		endpoint, err := url.Parse(cfg.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("firebase: endpoint: %w", err)
		}
		next = elsewhere{base, endpoint}
	}
	credentials, err := credentials(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if credentials != nil {
		next = &oauth2.Transport{Source: credentials.TokenSource, Base: next}
		if cfg.ProjectID == "" {
			cfg.ProjectID = credentials.ProjectID
		}
	}
	if cfg.ProjectID == "" {
		return nil, errors.New("firebase: no project id")
	}
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: newOnce(next, cfg.Timeout,
		prometheus.WrapRegistererWith(prometheus.Labels{"project": cfg.ProjectID}, reg))})}
	if cfg.Endpoint != "" {
		options = append(options, option.WithEndpoint(cfg.Endpoint))
	}
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: cfg.ProjectID}, options...)
	if err != nil {
		return nil, fmt.Errorf("firebase: %w", err)
	}
	client, err := app.Messaging(ctx)
	if err != nil {
		return nil, fmt.Errorf("firebase messaging: %w", err)
	}
	return &Sender{service: cmp.Or(cfg.Service, Service), project: cfg.ProjectID, topics: cfg.Topics, client: client,
		base: base, log: log}, nil
}

// credentials reads what the configuration names; nil for none.
func credentials(ctx context.Context, cfg Config) (*google.Credentials, error) {
	// Tokens are fetched for as long as the process lives, not only while it starts.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Timeout: cfg.Timeout})
	if len(cfg.Credentials) == 0 {
		if cfg.Endpoint != "" {
			return nil, nil
		}
		found, err := google.FindDefaultCredentials(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("firebase: no credentials are configured, and the machine has none: %w", err)
		}
		return found, nil
	}
	var key struct {
		Type    string `json:"type"`
		Project string `json:"project_id"`
		Private string `json:"private_key"`
	}
	// No error here shows the text: it holds a private key.
	if json.Unmarshal(cfg.Credentials, &key) != nil || key.Type != "service_account" {
		return nil, errors.New("firebase: the credentials are not the JSON key of a service account")
	}
	account, err := google.JWTConfigFromJSON(cfg.Credentials, scope)
	if block, _ := pem.Decode([]byte(key.Private)); err != nil || block == nil {
		return nil, errors.New("firebase: the service account's key cannot be read")
	}
	return &google.Credentials{ProjectID: key.Project, TokenSource: account.TokenSource(ctx)}, nil
}

// Close ends idle connections.
func (s *Sender) Close() { s.base.CloseIdleConnections() }

// Service is the name of the push service, for metrics.
func (s *Sender) Service() string { return s.service }

// Send tries each message once and answers in the order asked.
func (s *Sender) Send(ctx context.Context, messages []notify.Message) []notify.Result {
	results := make([]notify.Result, len(messages))
	now := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, len(messages)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(messages); i = int(next.Add(1)) - 1 {
				m, shortened := encode(s.toTopics(messages[i]), now)
				results[i] = s.send(ctx, m, s.client.Send)
				results[i].Shortened = shortened
			}
		})
	}
	wg.Wait()
	return results
}

// send sends one message by the SDK's call. One that the SDK finds wrong is not sent.
func (s *Sender) send(ctx context.Context, m *messaging.Message,
	call func(context.Context, *messaging.Message) (string, error)) notify.Result {
	var request requestTime
	_, err := call(context.WithValue(ctx, requestKey{}, &request), m)
	at := time.Time(request)
	if err != nil && at.IsZero() && ctx.Err() == nil {
		return notify.Result{Outcome: notify.Rejected, Reason: "invalid_message", Err: err, Service: s.service}
	}
	r := outcome(ctx, err)
	r.Service, r.At = s.service, at
	return r
}

// dryTopic is where dry runs go: nobody gets them, also not who subscribed to it.
const dryTopic = "goalcast-canary"

// DryRun asks Firebase whether it would take a push, by the same client, credentials and
// connections as all others, and without one being sent (validate_only).
//
// It goes to a topic, which needs no device: Firebase answers 200 only if the account may send for
// the project and every block of the message is right. Of an invented token it would say 400 or
// 404, which it says also of a wrong message or project: that a phone is unknown and that the way
// to it is wrong could not be told apart. Whether Apple or a browser's push service takes the
// project's key is not looked at in a dry run, whatever it goes to.
func (s *Sender) DryRun(ctx context.Context) notify.Result {
	now := time.Now()
	m, _ := encode(notify.Message{ // of no platform that we know: it has the blocks of all
		Text: notify.Text{Title: "Canary", Body: "Nobody sees this"}, Language: "en", Tag: "canary", Collapse: "canary",
		Thread: "canary", Channel: "matches", High: true, Expires: now.Add(time.Minute),
		Data: map[string]string{"kind": "canary", "time": strconv.FormatInt(now.UnixMilli(), 10)},
	}, now)
	m.Topic = dryTopic
	return s.send(ctx, m, s.client.SendDryRun)
}
