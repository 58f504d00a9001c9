// Package kbc sends pushes through the bank's own push layer, to customers whose app has no device
// token with us. cmd/goalcast makes a Sender and passes it to package notify, whose words it
// speaks; package kbctest beside it is such a layer for tests. docs/kbc-push.md is the contract
// with it.
package kbc

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast/internal/upstream"
	"goalcast/notify"
)

// Service is the name of this push service in results and figures.
const Service = "kbc"

// MaxRecipients is how many recipients a batch has at most.
const MaxRecipients = 500

// turnWait is how long a batch waits for one of Config.Parallel and for Config.Limiter. Then it is
// put off by turnPause: a bank that hangs, or a low rate, must not hold up the notifier, which has
// pushes for others too.
const (
	turnWait  = 500 * time.Millisecond
	turnPause = time.Second
)

// Config says where the bank is and who we are. Zero fields take the default.
type Config struct {
	URL string // https; batches are posted to it

	// OAuth2 client credentials: a token of TokenURL is shown with each batch. Empty: none is.
	TokenURL, ClientID, ClientSecret string
	// Files in PEM of our certificate for TLS and its key. Empty: none is shown. They are read
	// again for each connection.
	CertFile, KeyFile string

	RootCAs  *x509.CertPool // that the bank's certificate is checked by; nil: the system's
	Timeout  time.Duration  // of one request; 5 s: one that was taken after all is not shown twice
	Parallel int            // batches under way at the same time; 4, fewer than the notifier's workers
	Limiter  notify.Limiter // of recipients; nil: none
}

func (c Config) check() error {
	for _, pair := range []struct{ name, value, with, withValue string }{
		{"TOKEN_URL", c.TokenURL, "CLIENT_ID", c.ClientID},
		{"CLIENT_ID", c.ClientID, "CLIENT_SECRET", c.ClientSecret},
		{"CLIENT_SECRET", c.ClientSecret, "TOKEN_URL", c.TokenURL},
		{"CERT_FILE", c.CertFile, "KEY_FILE", c.KeyFile},
		{"KEY_FILE", c.KeyFile, "CERT_FILE", c.CertFile},
	} {
		if pair.value != "" && pair.withValue == "" {
			return fmt.Errorf("set, and GOALCAST_KBC_PUSH_%s as well, though GOALCAST_KBC_PUSH_%s is not", pair.name,
				pair.with)
		}
	}
	if c.TokenURL == "" && c.CertFile == "" {
		return errors.New("set, and nothing says who we are: want GOALCAST_KBC_PUSH_TOKEN_URL, " +
			"GOALCAST_KBC_PUSH_CERT_FILE or both")
	}
	return nil
}

// Sender is a notify.Sender. It is safe for use by many goroutines.
type Sender struct {
	cfg     Config
	base    *http.Transport
	http    *http.Client
	tokens  *tokens       // nil: none is shown
	slots   chan struct{} // one for each batch under way
	now     func() time.Time
	seconds *prometheus.HistogramVec
}

// New makes a Sender. It reads the certificate, and calls nobody. No error shows a secret.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Sender, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = 4
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = cfg.Parallel
	base.MaxResponseHeaderBytes = maxAnswer
	base.TLSClientConfig = &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	if cfg.CertFile != "" {
		own, err := openCertificate(cfg.CertFile, cfg.KeyFile, log)
		if err != nil {
			return nil, err
		}
		base.TLSClientConfig.GetClientCertificate = own.get
	}
	s := &Sender{cfg: cfg, base: base, slots: make(chan struct{}, cfg.Parallel), now: time.Now,
		http: &http.Client{Transport: base, Timeout: cfg.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		seconds: promauto.With(reg).NewHistogramVec(prometheus.HistogramOpts{
			Name:    "goalcast_kbc_request_seconds",
			Help:    "Requests to the bank's push layer, by call (batch, token) and HTTP status (0: no answer).",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"call", "status"}),
	}
	if cfg.TokenURL != "" {
		s.tokens = newTokens(cfg, s.http, s.seconds)
	}
	return s, nil
}

// Close ends idle connections.
func (s *Sender) Close() { s.base.CloseIdleConnections() }

// Service is the name of the push service, for metrics.
func (s *Sender) Service() string { return Service }

// Send tries each message once and answers in the order asked.
func (s *Sender) Send(ctx context.Context, messages []notify.Message) []notify.Result {
	results := make([]notify.Result, 0, len(messages))
	for len(messages) > 0 {
		n := 1 // messages of one push, which differ in language and recipient only
		for n < min(len(messages), MaxRecipients) && messages[n].Push == messages[0].Push {
			n++
		}
		results = append(results, s.batch(ctx, messages[:n])...)
		messages = messages[n:]
	}
	return results
}

func (s *Sender) batch(ctx context.Context, messages []notify.Message) []notify.Result {
	leave, err := s.enter(ctx, len(messages))
	if err != nil {
		return same(len(messages), notify.Result{Outcome: notify.Later, Reason: reasonTurn, After: turnPause, Err: err})
	}
	defer leave()
	body, shortened, err := encode(messages)
	if err != nil {
		return same(len(messages), notify.Result{Outcome: notify.Rejected, Reason: reasonBad, Err: err})
	}
	began := time.Now()
	results := outcomes(s.ask(ctx, body, key(messages[0])), messages)
	for i := range results {
		results[i].Service, results[i].At, results[i].Shortened = Service, began, shortened[messages[i].Language]
	}
	if results[0].All {
		s.base.CloseIdleConnections() // the next try shows the certificate that is there then
	}
	return results
}

// enter waits for the batch's turn; leave ends it.
func (s *Sender) enter(ctx context.Context, recipients int) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnWait)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, errOpen
	}
	leave = func() { <-s.slots }
	if s.cfg.Limiter != nil {
		if err := s.cfg.Limiter.Wait(ctx, recipients); err != nil {
			leave()
			return nil, errRate
		}
	}
	return leave, nil
}

func same(n int, r notify.Result) []notify.Result {
	r.Service = Service
	all := make([]notify.Result, n)
	for i := range all {
		all[i] = r
	}
	return all
}

// reply is what came of a request.
type reply struct {
	status int           // HTTP; 0: no answer
	after  time.Duration // Retry-After; 0 for none
	body   []byte
	err    error // with status 0
	wrote  bool  // with status 0: the request was on its way
}

// ask posts a batch. Where the bank does not know our token any more, it is asked once more with a
// new one.
func (s *Sender) ask(ctx context.Context, body []byte, key string) reply {
	if s.tokens == nil {
		return s.post(ctx, body, key, "")
	}
	token, err := s.tokens.get(ctx, "")
	if err != nil {
		return reply{err: err}
	}
	r := s.post(ctx, body, key, token)
	if r.status != http.StatusUnauthorized {
		return r
	}
	if token, err = s.tokens.get(ctx, token); err != nil {
		return reply{err: err}
	}
	return s.post(ctx, body, key, token)
}

func (s *Sender) post(ctx context.Context, body []byte, key, token string) (r reply) {
	var wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return reply{err: upstream.WithoutURL(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	began := time.Now()
	defer func() {
		s.seconds.WithLabelValues("batch", strconv.Itoa(r.status)).Observe(time.Since(began).Seconds())
	}()
	resp, err := s.http.Do(req)
	if err != nil {
		return reply{err: upstream.WithoutURL(err), wrote: wrote.Load()}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil && resp.StatusCode/100 == 2 { // the other statuses say enough
		return reply{err: err, wrote: true}
	}
	after := upstream.RetryAfter(resp.Header.Get("Retry-After"), s.now(), maxAfter)
	return reply{status: resp.StatusCode, after: after, body: text}
}
