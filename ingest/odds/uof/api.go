package uof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"goalcast/ingest/odds"
	"goalcast/internal/upstream"
)

// api is the provider's HTTP API. Its methods may be called by several goroutines.
type api struct {
	cfg  *Config
	http *http.Client
	m    *metrics
}

func newAPI(cfg *Config, m *metrics) *api {
	transport := http.DefaultTransport.(*http.Transport).Clone() // its own, so that its connections can be closed
	if cfg.TLS != nil {
		transport.TLSClientConfig = cfg.TLS.Clone()
	}
	return &api{cfg: cfg, m: m, http: &http.Client{Transport: transport,
		// the token goes nowhere else
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// apiError is an answer that is no success.
type apiError struct {
	call   string
	status int
	wait   time.Duration // the provider wants no other call before
}

func (e *apiError) Error() string { return fmt.Sprintf("%s: status %d", e.call, e.status) }

// maxWait is how long the provider may have us wait.
const maxWait = 2 * time.Hour

// request makes one request and walks through the answer. The error shows no token: that is in a
// header.
func (a *api) request(ctx context.Context, call, method, path string, visit func(*element) error) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.CallTime)
	defer cancel()
	err := a.exchange(ctx, call, method, path, visit)
	result := "ok"
	var refused *apiError
	switch {
	case errors.As(err, &refused):
		result = strconv.Itoa(refused.status)
	case err != nil:
		result = "none"
	}
	a.m.requests.WithLabelValues(call, result).Inc()
	return err
}

func (a *api) exchange(ctx context.Context, call, method, path string, visit func(*element) error) error {
	r, err := http.NewRequestWithContext(ctx, method, a.cfg.API+path, nil)
	if err != nil {
		return errors.New("the address of the API is none")
	}
	r.Header.Set("X-Access-Token", a.cfg.Token)
	r.Header.Set("Accept", "application/xml")
	r.Header.Set("User-Agent", "goalcast")
	response, err := a.http.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return &apiError{call, response.StatusCode, upstream.RetryAfter(response.Header.Get("Retry-After"), time.Now(),
			maxWait)}
	}
	if visit == nil {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, int64(a.cfg.MaxAnswer)+1))
	if err != nil {
		return fmt.Errorf("%s: after %d bytes: %w", call, len(body), err)
	}
	if len(body) > a.cfg.MaxAnswer {
		return fmt.Errorf("%s: more than %d bytes", call, a.cfg.MaxAnswer)
	}
	if err := walk(body, visit); err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}

// virtualHost asks who we are, and so where in the server our feed is.
func (a *api) virtualHost(ctx context.Context) (string, error) {
	var bookmaker string
	err := a.request(ctx, "whoami", http.MethodGet, "/users/whoami.xml", func(e *element) error {
		if e.root {
			bookmaker = e.text("bookmaker_id")
		}
		return nil
	})
	if err == nil && (bookmaker == "" || strings.Trim(bookmaker, "0123456789") != "") {
		err = errors.New("whoami: no bookmaker id")
	}
	return "/unifiedfeed/" + bookmaker, err
}

// producers asks for those that are configured.
func (a *api) producers(ctx context.Context) (map[int]*producer, error) {
	found := map[int]*producer{}
	err := a.request(ctx, "producers", http.MethodGet, "/descriptions/producers.xml", func(e *element) error {
		if string(e.name) != "producer" {
			return nil
		}
		p, err := newProducer(e, a.cfg)
		if err == nil && slices.Contains(a.cfg.Producers, p.id) {
			found[p.id] = p
		}
		return err
	})
	for _, id := range a.cfg.Producers {
		if err == nil && found[id] == nil {
			err = fmt.Errorf("there is no producer %d", id)
		}
	}
	return found, err
}

// beginRecovery asks for a recovery.
func (a *api) beginRecovery(ctx context.Context, product string, c call) error {
	query := url.Values{"request_id": {strconv.FormatInt(c.request, 10)}}
	if !c.after.IsZero() {
		query.Set("after", strconv.FormatInt(c.after.UnixMilli(), 10))
	}
	if a.cfg.Node != 0 {
		query.Set("node_id", strconv.Itoa(a.cfg.Node))
	}
	return a.request(ctx, "recovery", http.MethodPost,
		"/"+url.PathEscape(product)+"/recovery/initiate_request?"+query.Encode(), nil)
}

// maxMarketKinds is how many market ids are kept; the provider has some 1,500.
const maxMarketKinds = 20_000

// groups asks which groups each market id belongs to.
func (a *api) groups(ctx context.Context) (map[int64][]string, error) {
	groups := map[int64][]string{}
	path := "/descriptions/" + url.PathEscape(a.cfg.Language) + "/markets.xml"
	err := a.request(ctx, "markets", http.MethodGet, path, func(e *element) error {
		if string(e.name) != "market" {
			return nil
		}
		id, err := e.number("id", -1)
		if text := e.text("groups"); err == nil && text != "" && len(groups) < maxMarketKinds {
			groups[id] = strings.Split(text, "|")
		}
		return err
	})
	return groups, err
}

// maxName is how long a name may be, in bytes; it is cut.
const maxName = 200

// fixture asks what match an event is.
func (a *api) fixture(ctx context.Context, event string) (odds.Fixture, error) {
	f := odds.Fixture{Event: event}
	path := "/sports/" + url.PathEscape(a.cfg.Language) + "/sport_events/" + url.PathEscape(event) + "/fixture.xml"
	err := a.request(ctx, "fixture", http.MethodGet, path, func(e *element) error {
		switch string(e.name) {
		case "fixture":
			f.Kickoff = e.time("start_time")
			if f.Kickoff.IsZero() {
				f.Kickoff = e.time("scheduled")
			}
		case "tournament":
			f.Competition = name(e)
		case "competitor":
			switch e.text("qualifier") {
			case "home":
				f.Home = name(e)
			case "away":
				f.Away = name(e)
			}
		}
		return nil
	})
	if err == nil && (f.Home == "" || f.Away == "") {
		err = errors.New("fixture: no two teams")
	}
	return f, err
}

func name(e *element) string {
	text := e.text("name")
	return strings.ToValidUTF8(text[:min(len(text), maxName)], "")
}
