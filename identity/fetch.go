package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"goalcast/internal/dial"
)

// client calls issuers. Its answers have an end in time and in size, and no answer sends it
// elsewhere.
type client struct {
	http    *http.Client
	timeout time.Duration
	max     int64
}

func newClient(cfg Config) *client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial.New().DialContext, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: cfg.MaxAsking, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: cfg.FetchTimeout,
		MaxResponseHeaderBytes: 32 << 10,
	}
	return &client{timeout: cfg.FetchTimeout, max: cfg.MaxAnswer, http: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// do makes a call and gives the whole of a 200's body. Its errors have neither the body, which is
// a stranger's text, nor anything of the request but its address.
func (c *client) do(ctx context.Context, r *http.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r.Header.Set("Accept", "application/json")
	answer, err := c.http.Do(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, c.max+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) > c.max:
		return nil, fmt.Errorf("an answer of more than %d bytes", c.max)
	}
	return body, nil
}

func (c *client) get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("no URL")
	}
	return c.do(ctx, r)
}

func (c *client) close() { c.http.CloseIdleConnections() }
