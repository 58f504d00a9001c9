package canary

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"goalcast"
)

// goal is one that is looked for on all ways at once.
type goal struct {
	cfg     Config
	at      time.Time     // by which it is known, in whole milliseconds
	posting chan struct{} // closed when it is on its way
	posted  time.Time     // when that was; read behind posting
}

// The limits of what is read.
const (
	maxFrame  = 1 << 20 // bytes
	restEvery = 250 * time.Millisecond
)

// post posts the goal as a provider does.
func (g *goal) post(ctx context.Context, secret string) error {
	body, err := json.Marshal(document{g.at})
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if secret != "" {
		header.Set("Authorization", "Bearer "+secret)
	}
	_, err = g.ask(ctx, http.MethodPost, g.cfg.FeedURL+"/feeds/"+goalcast.CanaryFeed, header, body)
	return err
}

// ask sends a request that has to be answered with 200, and reads the answer.
func (g *goal) ask(ctx context.Context, method, address string, header http.Header, body []byte) ([]byte, error) {
	answer, err := g.open(ctx, method, address, header, body)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(io.LimitReader(answer.Body, maxFrame))
}

// open is ask for what has no end; the caller closes the body.
func (g *goal) open(ctx context.Context, method, address string, header http.Header, body []byte) (*http.Response,
	error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := g.cfg.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 200))
		_ = answer.Body.Close()
		return nil, fmt.Errorf("%s: %s %s", r.URL.Path, answer.Status, bytes.TrimSpace(text))
	}
	return answer, nil
}

// live is the address of the hub, with more parameters.
func (g *goal) live(more string) string {
	return g.cfg.URL + "/v1/live?topics=" + url.QueryEscape(goalcast.ForMatch(goalcast.CanaryMatch).String()) + more
}

// is says whether a frame tells of the goal.
func (g *goal) is(text []byte) (bool, error) {
	var f goalcast.Frame
	if err := json.Unmarshal(text, &f); err != nil {
		return false, fmt.Errorf("not a frame: %w", err)
	}
	switch {
	case f.Type == goalcast.FrameError:
		return false, fmt.Errorf("%s: %s", f.Code, f.Error)
	case f.Type == goalcast.FrameBye:
		return false, fmt.Errorf("the hub said goodbye: %s", f.Reason)
	}
	return f.Type == goalcast.FrameEvent && g.scored(*f.Event), nil
}

// scored says whether an event is the goal.
func (g *goal) scored(e goalcast.Event) bool { return e.ID == goalID && e.At.Equal(g.at) }

// The ways call listens when a goal from then on has to come, and return when it came.

func overWebSocket(ctx context.Context, g *goal, listens func()) error {
	c, answer, err := websocket.Dial(ctx, g.live(""), &websocket.DialOptions{HTTPClient: g.cfg.HTTP})
	if err != nil {
		if answer != nil && answer.StatusCode != http.StatusSwitchingProtocols {
			return fmt.Errorf("handshake: %s", answer.Status)
		}
		return err
	}
	defer func() { _ = c.CloseNow() }()
	c.SetReadLimit(maxFrame)
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return err
		}
		listens()
		if found, err := g.is(text); err != nil || found {
			return err
		}
	}
}

func overSSE(ctx context.Context, g *goal, listens func()) error {
	answer, err := g.open(ctx, http.MethodGet, g.live(""), http.Header{"Accept": {"text/event-stream"}}, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxFrame)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		listens()
		if found, err := g.is([]byte(data)); err != nil || found {
			return err
		}
	}
	return cut(lines.Err())
}

// cut is the error of a stream that ended.
func cut(err error) error {
	if err == nil {
		err = errors.New("the stream ended")
	}
	return err
}

func overPoll(ctx context.Context, g *goal, listens func()) error {
	for since := ""; ; {
		text, err := g.ask(ctx, http.MethodGet, g.live("&since="+url.QueryEscape(since)), nil, nil)
		if err != nil {
			return err
		}
		var polled struct {
			Cursor string            `json:"cursor"`
			Frames []json.RawMessage `json:"frames"`
		}
		if err := json.Unmarshal(text, &polled); err != nil {
			return fmt.Errorf("not an answer to a poll: %w", err)
		}
		for _, f := range polled.Frames {
			if found, err := g.is(f); err != nil || found {
				return err
			}
		}
		if since = polled.Cursor; since == "" {
			return errors.New("an answer to a poll without a cursor")
		}
		listens()
	}
}

func overREST(ctx context.Context, g *goal, listens func()) error {
	listens()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-g.posting:
	}
	for {
		failed := g.snapshot(ctx)
		if failed == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return failed
		case <-time.After(restEvery):
		}
	}
}

// errNotYet is that a match is as it was before the goal.
var errNotYet = errors.New("the snapshot does not have it")

// snapshot asks once for the match; nil if it has the goal.
func (g *goal) snapshot(ctx context.Context) error {
	text, err := g.ask(ctx, http.MethodGet, fmt.Sprintf("%s/v1/matches/%d", g.cfg.URL, goalcast.CanaryMatch), nil, nil)
	if err != nil {
		return err
	}
	var m goalcast.Snapshot
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("not a match: %w", err)
	}
	if e, ok := m.Event(goalID); ok && g.scored(e) {
		return nil
	}
	return errNotYet
}
