package betfair

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// maxToken is how many bytes a session token has at most.
const maxToken = 4 << 10

// FileSession reads the session token from a file each time; who writes it keeps it alive.
func FileSession(path string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("betfair: session: %w", err)
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxToken))
		if err != nil {
			return "", fmt.Errorf("betfair: session: %w", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" || strings.ContainsAny(token, "\r\n") {
			return "", fmt.Errorf("betfair: session: %s does not hold one line", path)
		}
		return token, nil
	}
}

// CertificateConfig is an account that logs in by certificate ("non-interactive login").
type CertificateConfig struct {
	AppKey         string
	User, Password string
	Certificate    tls.Certificate
	TLS            *tls.Config // besides the certificate; default: the system's authorities
	LoginURL       string
	KeepAliveURL   string
	Timeout        time.Duration // of a request
	LoginEvery     time.Duration // at most one login in this time: Betfair locks out who tries often
}

// Certificate logs in and keeps its session alive. Its method may be called by many goroutines.
type Certificate struct {
	cfg  CertificateConfig
	http *http.Client
	log  *slog.Logger

	mu    sync.Mutex // held while Betfair is asked: one login for all
	token string
	login time.Time // the last one
}

// NewCertificate prepares a login; it asks nobody.
func NewCertificate(cfg CertificateConfig, log *slog.Logger) *Certificate {
	if cfg.LoginURL == "" {
		cfg.LoginURL = "https://identitysso-cert.betfair.com/api/certlogin"
	}
	if cfg.KeepAliveURL == "" {
		cfg.KeepAliveURL = "https://identitysso.betfair.com/api/keepAlive"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.LoginEvery <= 0 {
		cfg.LoginEvery = time.Minute
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		config = cfg.TLS.Clone()
	}
	config.Certificates = []tls.Certificate{cfg.Certificate}
	return &Certificate{cfg: cfg, http: newHTTP(config, cfg.Timeout), log: log}
}

// Session returns the token of a session that was alive just now: the one there is, kept alive by
// the question, or that of a new login.
func (c *Certificate) Session(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.http.CloseIdleConnections() // the next call is minutes away
	if c.token != "" {
		alive, err := c.keepAlive(ctx)
		if alive {
			return c.token, nil
		}
		if err != nil {
			// Nobody said that it is over. The stream will, if so.
			c.log.Warn("session with betfair not kept alive", "error", err)
			return c.token, nil
		}
		c.log.Info("session with betfair is over, logging in")
		c.token = ""
	}
	if wait := c.cfg.LoginEvery - time.Since(c.login); !c.login.IsZero() && wait > 0 {
		return "", fmt.Errorf("betfair: login: the last one was less than %v ago", c.cfg.LoginEvery)
	}
	c.login = time.Now()
	token, err := c.logIn(ctx)
	if err != nil {
		return "", fmt.Errorf("betfair: login: %w", err)
	}
	c.token = token
	return token, nil
}

func (c *Certificate) logIn(ctx context.Context) (string, error) {
	form := url.Values{"username": {c.cfg.User}, "password": {c.cfg.Password}}
	var answer struct {
		Token  string `json:"sessionToken"`
		Status string `json:"loginStatus"`
	}
	if err := c.post(ctx, c.cfg.LoginURL, form.Encode(), "", &answer); err != nil {
		return "", err
	}
	if answer.Status != "SUCCESS" || answer.Token == "" {
		return "", fmt.Errorf("%w: login: %.50s", ErrRefused, answer.Status)
	}
	return answer.Token, nil
}

// keepAlive says whether the session goes on; an error means that this is not known.
func (c *Certificate) keepAlive(ctx context.Context) (bool, error) {
	var answer struct {
		Status string `json:"status"`
	}
	if err := c.post(ctx, c.cfg.KeepAliveURL, "", c.token, &answer); err != nil {
		return false, err
	}
	switch answer.Status {
	case "SUCCESS":
		return true, nil
	case "FAIL":
		return false, nil
	}
	return false, errors.New("neither success nor failure")
}

func (c *Certificate) post(ctx context.Context, to, form, session string, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form))
	if err != nil {
		return err
	}
	r.Header.Set("X-Application", c.cfg.AppKey)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if session != "" {
		r.Header.Set("X-Authentication", session)
	}
	return exchange(c.http, r, out)
}
