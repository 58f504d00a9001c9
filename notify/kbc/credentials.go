package kbc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"goalcast/internal/upstream"
)

// Why there is no token.
var (
	errDenied  = errors.New("the client's credentials are refused")
	errNoToken = errors.New("no token is to be had")
)

// tokens are access tokens by client credentials (RFC 6749, section 4.4). One is kept until it
// expires, or until the bank does not know it any more.
type tokens struct {
	config  clientcredentials.Config
	http    *http.Client
	seconds *prometheus.HistogramVec

	turn    chan struct{} // who has it reads and writes current
	current *oauth2.Token
}

func newTokens(cfg Config, client *http.Client, seconds *prometheus.HistogramVec) *tokens {
	return &tokens{http: client, seconds: seconds, turn: make(chan struct{}, 1), config: clientcredentials.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, TokenURL: cfg.TokenURL,
		AuthStyle: oauth2.AuthStyleInHeader}}
}

// get is a valid token, and not the one that was refused. Of all who want one, one fetches it.
func (t *tokens) get(ctx context.Context, refused string) (string, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", errNoToken, ctx.Err())
	}
	if t.current.Valid() && t.current.AccessToken != refused {
		return t.current.AccessToken, nil
	}
	began, status := time.Now(), http.StatusOK
	fresh, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.http))
	if err != nil {
		status, err = tokenError(err)
	} else {
		t.current = fresh
	}
	t.seconds.WithLabelValues("token", strconv.Itoa(status)).Observe(time.Since(began).Seconds())
	if err != nil {
		return "", err
	}
	return fresh.AccessToken, nil
}

// tokenError says why no token came, without the text of the answer: it may repeat the secret.
func tokenError(err error) (status int, _ error) {
	var answered *oauth2.RetrieveError
	if !errors.As(err, &answered) {
		return 0, fmt.Errorf("%w: %w", errNoToken, upstream.WithoutURL(err))
	}
	status = answered.Response.StatusCode
	why := errDenied
	if status/100 != 4 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
		why = errNoToken
	}
	return status, fmt.Errorf("%w: answered %d %s", why, status, word(answered.ErrorCode))
}

// certificate is ours for TLS.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
}

// openCertificate reads the files for the first time. Its error shows nothing of what is in them.
func openCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("GOALCAST_KBC_PUSH_CERT_FILE, GOALCAST_KBC_PUSH_KEY_FILE: %w", err)
	}
	return &certificate{certFile: certFile, keyFile: keyFile, log: log, current: &pair}, nil
}

// get is asked in each handshake. While the files cannot be used, as when they are half written,
// the one before stays.
func (c *certificate) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error("certificate for the bank not read again, the one before stays", "error", err)
	} else {
		c.current = &pair
	}
	return c.current, nil
}
