package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// PartnerStore is where partners stand that are told of events by webhooks.
type PartnerStore interface {
	// Partners lists them by name.
	Partners(context.Context) ([]goalcast.PartnerState, error)
	// ReplayPartner has one told of all events behind a number, or of those committed since a time
	// if that is not zero, and ends its pause. ErrNotFound; a goalcast.ReachError.
	ReplayPartner(ctx context.Context, name string, cursor int64, since time.Time) (before,
		after goalcast.PartnerState, err error)
}

// maxPartnerBody is how long the body of a request about a partner may be, in bytes.
const maxPartnerBody = 1 << 10

// partnerItem is where a partner stands, as operators see it.
type partnerItem struct {
	Name       string    `json:"name"`
	Cursor     int64     `json:"cursor"`
	Newest     int64     `json:"newest"`
	Lag        float64   `json:"lag_seconds"`
	State      string    `json:"state"`
	Taken      time.Time `json:"taken,omitzero"`
	Failing    time.Time `json:"failing_since,omitzero"`
	Attempts   int       `json:"attempts,omitempty"`
	Retry      time.Time `json:"retry,omitzero"`
	Paused     time.Time `json:"paused_since,omitzero"`
	Reason     string    `json:"reason,omitempty"`
	Error      string    `json:"error,omitempty"`
	Configured time.Time `json:"configured"`
}

func (s *Server) itemOfPartner(p goalcast.PartnerState) partnerItem {
	item := partnerItem{Name: p.Name, Cursor: p.Cursor, Newest: p.Newest,
		Lag:   float64(p.Lag(s.cfg.Now()).Milliseconds()) / 1000,
		State: "ok", Taken: p.Taken, Failing: p.Failing, Attempts: p.Attempts, Retry: p.Retry, Paused: p.Paused,
		Reason: p.Reason, Error: p.Error, Configured: p.Configured}
	switch {
	case !p.Paused.IsZero():
		item.State = "paused"
	case !p.Failing.IsZero():
		item.State = "failing"
	}
	return item
}

// getPartners lists where all partners stand.
func (s *Server) getPartners(w http.ResponseWriter, r *http.Request) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	list, err := s.store.Partners(r.Context())
	if err != nil {
		return fmt.Errorf("partners: %w", err)
	}
	answer := struct {
		Partners []partnerItem `json:"partners"`
	}{make([]partnerItem, len(list))}
	for i, p := range list {
		answer.Partners[i] = s.itemOfPartner(p)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// postPartnerReplay has a partner told of events again, or of those that it was not told of while
// it was paused.
func (s *Server) postPartnerReplay(w http.ResponseWriter, r *http.Request) error {
	name, err := pathText(r, "name")
	if err != nil {
		return err
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	var body struct {
		Cursor *int64     `json:"cursor"`
		Since  *time.Time `json:"since"`
	}
	if err := readJSON(w, r, maxPartnerBody, &body); err != nil {
		return err
	}
	var cursor int64
	var since time.Time
	switch {
	case (body.Cursor == nil) == (body.Since == nil):
		return badParameter("cursor", "want cursor or since, one of the two")
	case body.Cursor != nil && *body.Cursor < 0:
		return badParameter("cursor", "want 0 or more")
	case body.Cursor != nil:
		cursor = *body.Cursor
	case body.Since.Year() < 2000 || body.Since.Year() > 9999:
		return badParameter("since", "want a time after the year 2000")
	default:
		since = *body.Since
	}
	before, after, err := s.store.ReplayPartner(r.Context(), name, cursor, since)
	var reach *goalcast.ReachError
	if errors.As(err, &reach) {
		p := problem.New(http.StatusUnprocessableEntity, "out_of_reach", reach.Error())
		p.Parameter = "cursor"
		return p
	}
	if err != nil {
		return fmt.Errorf("replay of partner: %w", err)
	}
	item := s.itemOfPartner(after)
	s.audit(r, "partner", s.itemOfPartner(before), item, slog.String("partner", name),
		slog.Int64("before", before.Cursor), slog.Int64("cursor", after.Cursor))
	return writeJSON(w, http.StatusOK, item)
}
