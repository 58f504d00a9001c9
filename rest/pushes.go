package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"goalcast"
)

// maxPushes is how many events with pushes are listed at most. Each may have thousands of batches,
// which the database counts.
const maxPushes = 100

// pushItem is an event with pushes, as operators see it.
type pushItem struct {
	Event    string               `json:"event"`
	Match    goalcast.MatchID     `json:"match,omitempty"`
	Revision int                  `json:"revision"`
	State    string               `json:"state"`
	Since    time.Time            `json:"since,omitzero"`
	Planned  time.Time            `json:"planned"`
	Open     bool                 `json:"open,omitempty"`
	Kind     string               `json:"kind,omitempty"`
	Title    string               `json:"title,omitempty"`
	Body     string               `json:"body,omitempty"`
	Batches  []goalcast.PushCount `json:"batches"`
}

// getPushes lists the events whose pushes were planned last, and what waits.
func (s *Server) getPushes(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "limit")
	limit := q.number("limit", 20, maxPushes)
	if q.err != nil {
		return q.err
	}
	list, err := s.store.RecentPushes(r.Context(), limit)
	if err != nil {
		return fmt.Errorf("pushes: %w", err)
	}
	backlog, err := s.store.PushBacklog(r.Context())
	if err != nil {
		return fmt.Errorf("what waits to be pushed: %w", err)
	}
	items := make([]pushItem, len(list))
	for i, p := range list {
		items[i] = pushItem{Event: p.Event, Match: p.Match, Revision: p.Revision, State: p.State, Since: p.Since,
			Planned: p.Planned, Open: p.Open, Batches: p.Batches}
		if p.Batches == nil {
			items[i].Batches = []goalcast.PushCount{}
		}
		items[i].Kind, items[i].Title, items[i].Body = pushText(p.Content)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"pushes": items, "waiting": map[string]int{
		"events": backlog.Events, "audiences": backlog.Audiences, "batches": backlog.Batches, "held": backlog.Held}})
}

// pushText is what a push says, in English, or else in any language there is.
func pushText(content []byte) (kind, title, body string) {
	var c struct {
		Kind  string
		Texts map[string]struct{ Title, Body string }
	}
	if json.Unmarshal(content, &c) != nil {
		return "", "", ""
	}
	text, ok := c.Texts["en"]
	if !ok {
		for _, text = range c.Texts {
			break
		}
	}
	return c.Kind, text.Title, text.Body
}
