package brightcove

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tokens keeps the one access token of all callers. A token lives for some five minutes.
type tokens struct {
	early time.Duration
	renew func(context.Context) (token string, life time.Duration, err error)

	running sync.WaitGroup // requests under way

	mu       sync.Mutex // guards the rest
	token    string
	renewAt  time.Time     // from here on it is renewed; it is still good
	ends     time.Time     // from here on it is worth nothing
	fetching chan struct{} // closed when the request under way is over; nil while there is none
	err      error         // of the last request
}

// get returns a token that is good now. The first who finds that it is time to renew does
// so; meanwhile the others use the old token while it is good, and wait for the new one
// when it is not. The request outlives the caller, so that one who gives up does not take
// the others' token with him.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	now := time.Now()
	good := t.token != "" && now.Before(t.ends)
	if good && now.Before(t.renewAt) {
		defer t.mu.Unlock()
		return t.token, nil
	}
	wait := t.fetching
	if wait == nil {
		wait = make(chan struct{})
		t.fetching = wait
		t.running.Go(func() { t.fetch(context.WithoutCancel(ctx), wait) })
	}
	token := t.token
	t.mu.Unlock()
	if good {
		return token, nil
	}
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-wait:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return "", t.err
	}
	return t.token, nil
}

// fetch ends with the client's time-out at the latest. What it fetched is there
// before done is closed.
func (t *tokens) fetch(ctx context.Context, done chan struct{}) {
	begin := time.Now()
	token, life, err := t.renew(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fetching, t.err = nil, err
	if err == nil {
		// Counted from before the request: the answer took time as well.
		t.token, t.ends = token, begin.Add(life)
		t.renewAt = t.ends.Add(-min(t.early, life/2))
	} else if time.Now().Before(t.ends) {
		t.renewAt = time.Now().Add(time.Second) // not with each call
	}
	close(done)
}

// drop forgets a token that was refused, unless there is another one by now.
func (t *tokens) drop(token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == token {
		t.token = ""
	}
}

// fetchToken asks OAuth for a token by client credentials.
func (c *Client) fetchToken(ctx context.Context) (string, time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.OAuthURL+"/v4/access_token",
		strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return "", 0, fmt.Errorf("access token: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(c.cfg.ClientID, c.cfg.ClientSecret)
	body, err := c.send(r, "token")
	if err != nil {
		return "", 0, fmt.Errorf("access token: %w", err)
	}
	var answer struct {
		Token string  `json:"access_token"`
		Life  float64 `json:"expires_in"` // seconds
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", 0, fmt.Errorf("access token: %w", err)
	}
	if answer.Token == "" || answer.Life <= 0 {
		return "", 0, fmt.Errorf("access token: %w",
			&Error{Status: http.StatusOK, Message: "an answer without a token"})
	}
	return answer.Token, time.Duration(min(answer.Life, 86400) * float64(time.Second)), nil
}
