package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// maxPushes is how many events with pushes a page lists at most. Each may have thousands of
// batches, which the database counts.
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
	Batches  []goalcast.PushCount `json:"batches,omitzero"`
}

// getPushes lists the events whose pushes were planned last, and what waits.
func (s *Server) getPushes(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "limit", "after")
	limit, after := q.number("limit", 20, maxPushes), q.pushPlace()
	if q.err != nil {
		return q.err
	}
	list, err := s.store.RecentPushes(r.Context(), after, limit+1)
	if err != nil {
		return fmt.Errorf("pushes: %w", err)
	}
	backlog, err := s.store.PushBacklog(r.Context())
	if err != nil {
		return fmt.Errorf("what waits to be pushed: %w", err)
	}
	answer := struct {
		Pushes  []pushItem     `json:"pushes"`
		Waiting map[string]int `json:"waiting"`
		pageEnd
	}{Waiting: map[string]int{"events": backlog.Events, "audiences": backlog.Audiences, "batches": backlog.Batches,
		"held": backlog.Held}}
	list, answer.pageEnd = endPage(list, limit, func(p goalcast.PushState) string {
		return fmt.Sprintf("%d-%s", p.Planned.UnixMilli(), p.Event)
	})
	answer.Pushes = make([]pushItem, len(list))
	for i, p := range list {
		answer.Pushes[i] = itemOfPush(p)
		answer.Pushes[i].Batches = append([]goalcast.PushCount{}, p.Batches...)
	}
	return writePage(w, r, answer.pageEnd, answer)
}

// pushPlace is where a page of the list of pushes begins, as "ms-event"; zero if it is not there.
func (q *query) pushPlace() goalcast.PushPlace {
	text := q.text("after", maxPushAfter)
	if text == "" {
		return goalcast.PushPlace{}
	}
	at, event, _ := strings.Cut(text, "-")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil || ms <= 0 || event == "" {
		q.badAfter()
		return goalcast.PushPlace{}
	}
	return goalcast.PushPlace{Planned: time.UnixMilli(ms).UTC(), Event: event}
}

// maxPushAfter is how long the name of such a place may be: events' ids are up to 200 bytes.
const maxPushAfter = 250

func itemOfPush(p goalcast.PushState) pushItem {
	item := pushItem{Event: p.Event, Match: p.Match, Revision: p.Revision, State: p.State, Since: p.Since,
		Planned: p.Planned, Open: p.Open}
	item.Kind, item.Title, item.Body = pushText(p.Content)
	return item
}

// pushRevision is what became of one revision's pushes, as operators see it.
type pushRevision struct {
	Revision int                    `json:"revision"`
	Devices  int                    `json:"devices"`
	Waiting  int                    `json:"waiting"`
	Unsent   map[string]int         `json:"unsent"`
	Services map[string]pushService `json:"services"`
	Batches  []goalcast.PushCount   `json:"batches"`
}

// pushService is what became of what one push service was asked for.
type pushService struct {
	Sent    int            `json:"sent"`
	Seen    int            `json:"seen"`
	Failed  map[string]int `json:"failed"`
	Retried map[string]int `json:"retried"`
	Removed int            `json:"removed"`
	P50     float64        `json:"p50_ms,omitempty"`
	P99     float64        `json:"p99_ms,omitempty"`
}

// getPush tells what became of one event's pushes.
func (s *Server) getPush(w http.ResponseWriter, r *http.Request) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	event, err := pathText(r, "event")
	if err != nil {
		return err
	}
	f, err := s.store.PushFigures(r.Context(), event)
	if err != nil {
		return fmt.Errorf("figures of a push: %w", err)
	}
	answer := struct {
		pushItem
		OpenBatches int            `json:"open_batches"`
		Withheld    map[string]int `json:"withheld"`
		Revisions   []pushRevision `json:"revisions"`
	}{pushItem: itemOfPush(f.PushState), Withheld: counts(f.Withheld), Revisions: []pushRevision{}}
	for _, rev := range f.Revisions {
		item := pushRevision{Revision: rev.Revision, Devices: rev.Devices, Waiting: rev.Waiting,
			Unsent: counts(rev.Unsent), Services: map[string]pushService{}, Batches: rev.Batches}
		for name, t := range rev.Tally {
			item.Services[name] = pushService{Sent: t.Sent, Seen: t.Seen, Failed: counts(t.Failed),
				Retried: counts(t.Retried), Removed: t.Removed,
				P50: inMillis(t.Times.Quantile(.5)), P99: inMillis(t.Times.Quantile(.99))}
		}
		for _, b := range rev.Batches {
			if b.State == goalcast.BatchPlanned || b.State == goalcast.BatchClaimed {
				answer.OpenBatches += b.Count
			}
		}
		answer.Revisions = append(answer.Revisions, item)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// counts are an object in JSON also where there are none.
func counts(c map[string]int) map[string]int {
	if c == nil {
		return map[string]int{}
	}
	return c
}

// inMillis is a duration in milliseconds, to a tenth.
func inMillis(d time.Duration) float64 {
	return float64(d.Round(100*time.Microsecond).Microseconds()) / 1000
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
