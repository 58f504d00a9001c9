package edge

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"goalcast"
	"goalcast/internal/upstream"
)

// maxAnswer is how many bytes an answer has at most: a list of matches with all that happened.
const maxAnswer = 256 << 20

// Match reads a match of the upstream's board, as of all events that this edge has heard. Errors:
// goalcast.ErrNotFound, goalcast.ErrUnavailable.
func (c *Client) Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error) {
	list, err := c.matches(ctx, goalcast.ForMatch(id))
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("match %d: %w", id, goalcast.ErrNotFound)
	}
	if err != nil {
		return goalcast.Snapshot{}, err
	}
	return list[0], nil
}

// Matches reads the matches of one team or competition, near now: those of the upstream's board
// that the filter chooses, all at once whatever its limit is. No other filter has an answer.
func (c *Client) Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	topic := goalcast.ForTeam(f.Team)
	switch {
	case (f.Team > 0) == (f.Competition > 0):
		return nil, fmt.Errorf("%w: an edge has matches of one team or competition", goalcast.ErrPermanent)
	case f.Competition > 0:
		topic = goalcast.ForCompetition(f.Competition)
	}
	list, err := c.matches(ctx, topic)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(s goalcast.Snapshot) bool { return !f.Chooses(s) })
	slices.SortFunc(list, goalcast.ByTime)
	return list, nil
}

func (c *Client) matches(ctx context.Context, t goalcast.Topic) ([]goalcast.Snapshot, error) {
	c.turn.Lock()
	as := c.seen
	c.turn.Unlock()
	var answer Matches
	err := c.get(ctx, "matches/"+t.String()+"?"+url.Values{"as": {as.String()}}.Encode(), &answer)
	return answer.Matches, err
}

// Told reads what was told of a match, at most so many revisions, in that order.
func (c *Client) Told(ctx context.Context, match goalcast.MatchID, limit int) (list []goalcast.Revision, err error) {
	err = c.get(ctx, fmt.Sprintf("told/%d?limit=%s", match, strconv.Itoa(min(limit, maxTold))), &list)
	return list, err
}

// Known calls visit for every match, team and competition that the upstream knows. Error:
// goalcast.ErrUnavailable, after some of them perhaps.
func (c *Client) Known(ctx context.Context, visit func(goalcast.Topic)) error {
	return c.ask(ctx, "known", func(body io.Reader) error {
		whole := false
		lines := bufio.NewScanner(body)
		for lines.Scan() && !whole {
			if lines.Text() == "" {
				whole = true
			} else if t, err := goalcast.ParseTopic(lines.Text()); err == nil { // else of a later version
				visit(t)
			}
		}
		if err := lines.Err(); err != nil || whole {
			return err
		}
		return io.ErrUnexpectedEOF
	})
}

// get asks the upstream for JSON.
func (c *Client) get(ctx context.Context, path string, to any) error {
	return c.ask(ctx, path, func(body io.Reader) error { return json.NewDecoder(body).Decode(to) })
}

// ask asks the upstream. Its errors are goalcast.ErrUnavailable.
func (c *Client) ask(ctx context.Context, path string, read func(io.Reader) error) error {
	err := c.request(ctx, path, read)
	if err != nil {
		c.metrics.requests.WithLabelValues("error").Inc()
		return fmt.Errorf("%w: upstream: %w", goalcast.ErrUnavailable, upstream.WithoutURL(err))
	}
	c.metrics.requests.WithLabelValues("ok").Inc()
	return nil
}

func (c *Client) request(ctx context.Context, path string, read func(io.Reader) error) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.URL+Path+path, nil)
	if err != nil {
		return err
	}
	r.Header = c.header()
	res, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return read(io.LimitReader(res.Body, maxAnswer))
}
