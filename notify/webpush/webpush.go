// Package webpush sends pushes to browsers through the push services of their makers (Web Push:
// RFC 8030, 8291, 8292). cmd/goalcast makes a Sender and passes it to package notify, whose words
// it speaks; package webpushtest beside it is such a push service for tests.
//
// Whoever registers a subscription names the URL that is sent to. It is looked at when it is
// registered (Hosts.Check) and again each time when it is sent to: https, a host of the list, an
// address of the public internet, no redirect, a bounded answer, a deadline.
package webpush

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vapid "github.com/SherClockHolmes/webpush-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/internal/upstream"
	"goalcast/notify"
)

// Config says who we are to browsers. Zero fields take the default.
type Config struct {
	Key Key
	// Subject is whom a push service may turn to: an https URL. The other form that there is,
	// mailto:, is refused: the library would write it wrongly, and Apple then takes nothing.
	Subject string
	// Page is the URL that a click on a notification opens, with {match} for the match's number.
	Page  string
	Hosts Hosts // that are sent to; DefaultHosts
	// Endpoint is the address of a server that gets all requests instead, whatever host they are
	// for: for tests.
	Endpoint string
	// Resolver finds the addresses of hosts; nil: the system's.
	Resolver *net.Resolver
	Timeout  time.Duration // of one request; 10 s
	Parallel int           // requests to one push service under way at the same time; 128
	// Receipts is the part of the messages, 0 to 1, whose browsers are asked to say when they have
	// shown them: these have a Key.Receipt in their data.
	Receipts float64
}

// Sender is a notify.Browsers. It is safe for use by many goroutines.
type Sender struct {
	cfg     Config
	http    *http.Client
	close   func()
	slots   map[string]chan struct{} // by push service, one for each request under way
	now     func() time.Time
	seconds *prometheus.HistogramVec
}

// New makes a Sender; it calls nobody.
func New(cfg Config, reg prometheus.Registerer) (*Sender, error) {
	if cfg.Hosts == nil {
		cfg.Hosts = DefaultHosts
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = 128
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	client, done := upstream.NewClient(upstream.Config{Endpoint: cfg.Endpoint, Resolver: cfg.Resolver,
		Connect: cfg.Timeout, PerHost: cfg.Parallel, Header: maxAnswer})
	slots := map[string]chan struct{}{}
	for _, service := range cfg.Hosts {
		slots[service] = make(chan struct{}, cfg.Parallel)
	}
	return &Sender{
		cfg: cfg, close: done, slots: slots, now: time.Now, http: client,
		seconds: promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
			Name:    "goalcast_webpush_request_seconds",
			Help:    "Requests to the push services of browsers, by service and HTTP status (0: no answer).",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"service", "status"}),
	}, nil
}

func (c Config) check() error {
	if c.Key == (Key{}) {
		return errors.New("no key")
	}
	if err := c.Hosts.Validate(); err != nil {
		return err
	}
	if err := CheckSubject(c.Subject); err != nil {
		return err
	}
	return CheckPage(c.Page)
}

// CheckSubject says what is wrong with Config.Subject.
func CheckSubject(subject string) error {
	if u, err := url.Parse(subject); err != nil || !web(u) || !strings.Contains(u.Hostname(), ".") {
		return errors.New("want an https URL of a page that says how to reach you, not mailto: and no host inside")
	}
	return nil
}

// CheckPage says what is wrong with Config.Page.
func CheckPage(page string) error {
	u, err := url.Parse(pageOf(page, map[string]string{"match": "1"}))
	switch {
	case err != nil || !web(u):
		return errors.New("want an https URL, with {match} where the number of the match stands")
	case len(page) > maxPage:
		return fmt.Errorf("want at most %d bytes", maxPage)
	}
	return nil
}

func web(u *url.URL) bool { return u.Scheme == "https" && u.Host != "" && u.User == nil }

// Close ends idle connections.
func (s *Sender) Close() { s.close() }

// Services are the entries of the list of hosts: each is a push service.
func (s *Sender) Services() []string { return s.cfg.Hosts }

// Service is the entry of the list that an endpoint belongs to, or one that begins so; "" for none.
func (s *Sender) Service(endpoint string) string { return s.cfg.Hosts.of(endpoint) }

// Send tries each message once and answers in the order asked. Those to a push service that is slow
// hold up those behind them: the notifier sends to one at a time.
func (s *Sender) Send(ctx context.Context, messages []notify.Message) []notify.Result {
	results := make([]notify.Result, len(messages))
	var wg sync.WaitGroup
	for i, m := range messages {
		sub, _ := goalcast.ParseSubscription(m.Token)
		service := s.Service(sub.Endpoint)
		if service == "" {
			results[i] = notify.Result{Outcome: notify.Rejected, Reason: reasonEndpoint, Err: errEndpoint}
			continue
		}
		slots := s.slots[service]
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			results[i] = notify.Result{Outcome: notify.Later, Reason: reasonTimeout, Err: ctx.Err()}
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = s.send(ctx, m, sub, service)
		})
	}
	wg.Wait()
	return results
}

func (s *Sender) send(ctx context.Context, m notify.Message, sub goalcast.Subscription, service string) notify.Result {
	if !m.Told.IsZero() && rand.Float64() < s.cfg.Receipts {
		data := map[string]string{inData: s.cfg.Key.Receipt(m.Told, m.Expires)}
		maps.Copy(data, m.Data) // which others have, too
		m.Data = data
	}
	payload, shortened, err := encode(m, s.cfg.Page)
	if err != nil {
		return notify.Result{Outcome: notify.Rejected, Reason: reasonTooLarge, Err: err}
	}
	if err := CheckKeys(sub); err != nil {
		return notify.Result{Outcome: notify.Rejected, Reason: reasonEncryption, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	began := time.Now()
	resp, err := vapid.SendNotificationWithContext(ctx, payload, &vapid.Subscription{Endpoint: sub.Endpoint,
		Keys: vapid.Keys{P256dh: sub.Key, Auth: sub.Auth}}, &vapid.Options{
		HTTPClient: s.http, Subscriber: s.cfg.Subject, VAPIDPublicKey: s.cfg.Key.public,
		VAPIDPrivateKey: s.cfg.Key.private, RecordSize: recordSize(len(payload)), Topic: topic(m.Tag),
		Urgency: urgency(m),
		// rounded down: 0 is "now or never"
		TTL: int(max(0, m.Expires.Sub(s.now())) / time.Second),
	})
	status, result := 0, notify.Result{}
	if err != nil {
		result = unanswered(upstream.WithoutURL(err), wrote.Load())
	} else {
		status, result = resp.StatusCode, outcome(resp, s.now())
	}
	result.Shortened, result.Service, result.At = shortened, service, began
	s.seconds.WithLabelValues(service, strconv.Itoa(status)).Observe(time.Since(began).Seconds())
	return result
}
