package brightcove

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"goalcast"
	"goalcast/internal/upstream"
)

// maxPause is the longest pause after 429 that does not say for how long.
const maxPause = time.Minute

// call sends in as JSON, nothing if it is nil, and reads the answer into out. A token that is
// refused is replaced once.
func (c *Client) call(ctx context.Context, name, method, address string, in, out any) error {
	body, err := c.callTwice(ctx, name, method, address, in)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s: answer: %w: %w", name, goalcast.ErrUnavailable, err)
	}
	return nil
}

func (c *Client) callTwice(ctx context.Context, name, method, address string, in any) ([]byte, error) {
	var payload []byte
	if in != nil {
		var err error
		if payload, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	for again := false; ; again = true {
		if err := c.mayAsk(); err != nil {
			c.metrics.requests.WithLabelValues(name, "held").Inc()
			return nil, err
		}
		token, err := c.token.get(ctx)
		if err != nil {
			return nil, err
		}
		r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(payload))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Accept", "application/json")
		if payload != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		body, err := c.send(r, name)
		var refused *Error
		if !again && errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
			c.token.drop(token) // it ended early, or was revoked
			continue
		}
		return body, err
	}
}

// send makes one request and counts it. Errors: *Error for an answer, ErrUnavailable for none.
func (c *Client) send(r *http.Request, name string) ([]byte, error) {
	begin := time.Now()
	res, err := c.http.Do(r)
	if err != nil {
		c.metrics.requests.WithLabelValues(name, "none").Inc()
		return nil, fmt.Errorf("brightcove: %w: %w", goalcast.ErrUnavailable, upstream.WithoutURL(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, c.cfg.MaxAnswer+1))
	c.metrics.seconds.WithLabelValues(name).Observe(time.Since(begin).Seconds())
	c.metrics.requests.WithLabelValues(name, fmt.Sprint(res.StatusCode)).Inc()
	if err == nil && int64(len(body)) > c.cfg.MaxAnswer {
		err = fmt.Errorf("an answer of more than %d bytes", c.cfg.MaxAnswer)
	}
	if err != nil {
		return nil, fmt.Errorf("brightcove: %w: %w", goalcast.ErrUnavailable, err)
	}
	told := readError(res.StatusCode, res.Header, body)
	if c.hold(told); res.StatusCode >= 200 && res.StatusCode < 300 {
		return body, nil
	}
	return nil, told
}

// hold stops all calls after "too many requests", for as long as Brightcove asks, or for a growing
// pause where it does not say.
func (c *Client) hold(e *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Status != http.StatusTooManyRequests {
		c.limits = 0
		return
	}
	if e.Wait == 0 {
		e.Wait = min(c.cfg.Pause<<min(c.limits, 10), maxPause)
		c.limits++
	}
	if until := time.Now().Add(e.Wait); until.After(c.until) {
		c.until = until
	}
}

// mayAsk returns an error with Wait while calls are held.
func (c *Client) mayAsk() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if wait := time.Until(c.until); wait > 0 {
		return &Error{Code: codeLimit, Message: "too many requests before", Wait: wait}
	}
	return nil
}
