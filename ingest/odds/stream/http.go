package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"goalcast/ingest/odds"
	"goalcast/internal/upstream"
)

// answer reads the endless answer to a GET.
func (c *connection) answer(ctx context.Context, transport http.RoundTripper, opened func() error) error {
	res, err := c.get(ctx, transport)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if c.cfg.Transport == SSE && media != "text/event-stream" {
		return fmt.Errorf("%w: the answer is no event stream", errRefused)
	}
	if err := opened(); err != nil {
		return err
	}
	if c.cfg.Transport == SSE {
		return c.events(res.Body)
	}
	return c.objects(newObjectReader(res.Body, c.cfg.Limits.Line))
}

// events tells what server-sent events say.
func (c *connection) events(body io.Reader) error {
	events := newEventReader(body, c.cfg.Limits.Message)
	for {
		data, err := events.next()
		switch {
		case err == nil:
			err = c.message(data)
		case errors.Is(err, errTooLong):
			err = c.unreadable(nil, err)
		}
		if err != nil {
			return err
		}
	}
}

// get asks for the stream. It follows one redirect, at once: such an address lives for a minute.
func (c *connection) get(ctx context.Context, transport http.RoundTripper) (*http.Response, error) {
	at, err := url.Parse(c.cfg.URL)
	if err != nil {
		return nil, errors.New("the URL is none")
	}
	header := c.cfg.Header.Clone()
	for redirected := false; ; redirected = true {
		res, err := c.ask(ctx, transport, at, header)
		if err != nil {
			return nil, err
		}
		if res.StatusCode == http.StatusOK {
			return res, nil
		}
		_ = res.Body.Close()
		if !isRedirect(res.StatusCode) {
			return nil, refusal(res)
		}
		next, err := at.Parse(res.Header.Get("Location"))
		switch {
		case redirected:
			return nil, fmt.Errorf("%w: redirected twice", errRefused)
		case err != nil || res.Header.Get("Location") == "" || next.Host == "":
			return nil, fmt.Errorf("%w: redirected to nowhere", errRefused)
		case next.Scheme != "https" && next.Scheme != at.Scheme:
			return nil, fmt.Errorf("%w: redirected from %s to %s", errRefused, at.Scheme, next.Scheme)
		case next.Host != at.Host || next.Scheme != at.Scheme:
			header = nil // it is not for others
		}
		at = next
	}
}

// maxLater is the longest pause that is believed.
const maxLater = 24 * time.Hour

// refusal is the error of an answer that is no stream. Where it says when to come back, so does the
// error.
func refusal(res *http.Response) error {
	err := fmt.Errorf("%w: status %d", errRefused, res.StatusCode)
	if after := upstream.RetryAfter(res.Header.Get("Retry-After"), time.Now(), maxLater); after > 0 {
		return odds.Later{Err: err, After: after}
	}
	return err
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect:
		return true
	}
	return false
}

// ask makes one request. It is not a client's, which would follow redirects, keep cookies and pass
// on headers.
func (c *connection) ask(ctx context.Context, transport http.RoundTripper, at *url.URL, header http.Header) (
	*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, errors.New("the URL is none")
	}
	if header != nil {
		r.Header = header.Clone()
	}
	if at.User != nil && r.Header.Get("Authorization") == "" {
		password, _ := at.User.Password()
		r.SetBasicAuth(at.User.Username(), password)
	}
	accept := "application/x-ndjson, application/json"
	if c.cfg.Transport == SSE {
		accept = "text/event-stream"
	}
	r.Header.Set("Accept", accept)
	r.Header.Set("Cache-Control", "no-cache")
	r.Header.Set("User-Agent", "goalcast")
	res, err := transport.RoundTrip(r)
	if err == nil {
		c.quota(res)
	}
	return res, err
}

// quota tells what an answer says of the requests that are left.
func (c *connection) quota(res *http.Response) {
	if remaining, limit, ok := quotaOf(res.Header); ok {
		c.sink.Quota(remaining, limit)
	}
}

// secretsOf are the parts of a configuration that no error may show.
func secretsOf(cfg Config) (secrets []string) {
	add := func(text string) {
		if len(text) >= minSecret {
			secrets = append(secrets, text, url.QueryEscape(text), url.PathEscape(text))
		}
	}
	if at, err := url.Parse(cfg.URL); err == nil {
		add(at.RawQuery)
		for _, values := range at.Query() {
			for _, value := range values {
				add(value)
			}
		}
		password, _ := at.User.Password()
		add(password)
	}
	for _, values := range cfg.Header {
		for _, value := range values {
			add(value)
			for _, part := range strings.Fields(value) { // "Bearer", and what it bears
				add(part)
			}
		}
	}
	for _, message := range cfg.Subscribe {
		add(message)
	}
	return secrets
}

// minSecret is how many bytes a secret has at least; shorter text is in any error by chance.
const minSecret = 6

// without makes an error that shows no secrets. A url.Error shows the whole address.
func (s *Source) without(err error) error {
	if err == nil {
		return nil
	}
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	text := err.Error()
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "...")
	}
	if text == err.Error() {
		return err
	}
	return errors.New(text)
}
