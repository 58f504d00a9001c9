package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"goalcast"
	"goalcast/internal/problem"
)

// Alarms is what operators should know, and what they do about it. ingest's Watch is one.
type Alarms interface {
	Alarms(context.Context, goalcast.AlarmFilter) ([]goalcast.Alarm, error) // newest first
	// AckAlarm notes that somebody takes care; who was first stays. ErrNotFound.
	AckAlarm(ctx context.Context, id int64, by string) (goalcast.Alarm, error)
}

// getAlarms lists alarms, newest first; those that are open unless asked for all.
func (s *Server) getAlarms(w http.ResponseWriter, r *http.Request) error {
	if s.alarms == nil {
		return errNotHere
	}
	q := newQuery(r, "state", "kind", "match", "limit", "after")
	kinds := make([]string, len(goalcast.AlarmKinds))
	for i, k := range goalcast.AlarmKinds {
		kinds[i] = string(k)
	}
	f := goalcast.AlarmFilter{Open: q.word("state", "open", "all") != "all",
		Kind:  goalcast.AlarmKind(q.word("kind", kinds...)),
		Match: goalcast.MatchID(q.id("match")), Before: q.afterID(), Limit: 1 + q.number("limit", 100, 500)}
	if q.err != nil {
		return q.err
	}
	list, err := s.alarms.Alarms(r.Context(), f)
	if err != nil {
		return fmt.Errorf("alarms: %w", err)
	}
	answer := struct {
		Alarms []goalcast.Alarm `json:"alarms"`
		pageEnd
	}{}
	answer.Alarms, answer.pageEnd = endPage(list, f.Limit-1, func(a goalcast.Alarm) string { return fmt.Sprint(a.ID) })
	return writePage(w, r, answer.pageEnd, answer)
}

// postAck acknowledges an alarm: somebody takes care of it. It stays open until its reason is gone.
func (s *Server) postAck(w http.ResponseWriter, r *http.Request) error {
	if s.alarms == nil {
		return errNotHere
	}
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	alarm, err := s.alarms.AckAlarm(r.Context(), id, roleOf(r.Context()).String())
	if err != nil {
		return fmt.Errorf("acknowledge alarm %d: %w", id, err)
	}
	s.audit(r, "ack", nil, alarm, slog.Int64("alarm", id), slog.String("kind", string(alarm.Kind)))
	return writeJSON(w, http.StatusOK, alarm)
}

// errNotHere is the answer of a process that was not given the part.
var errNotHere error = problem.New(http.StatusNotImplemented, "not_here", "this process does not have that part")
