package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"goalcast"
)

// Queues is the work for later. The store's Queue is one.
type Queues interface {
	Queues(context.Context) ([]goalcast.QueueState, error)
	// DeadTasks lists what was given up, newest first, from behind a place on; ErrNotFound for a
	// queue that does not exist.
	DeadTasks(ctx context.Context, queue string, after goalcast.DeadPlace, limit int) ([]goalcast.DeadTask, error)
	// ReviveTask lets one run again, at once; ErrNotFound, also for one that is not dead.
	ReviveTask(ctx context.Context, queue, id string) error
}

const (
	// maxDead is how many dead tasks a page has at most.
	maxDead = 500
	// maxDeadAfter is how long the name of a place among them may be: tasks' ids have events' ids
	// in them, of up to 200 bytes.
	maxDeadAfter = 400
)

// queueItem is a queue as operators see it.
type queueItem struct {
	goalcast.QueueState
	Oldest float64 `json:"oldest_seconds"` // how long the oldest of Waiting has waited
}

// getQueues tells how the queues and the periodic jobs stand.
func (s *Server) getQueues(w http.ResponseWriter, r *http.Request) error {
	if s.queues == nil {
		return errNotHere
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	states, err := s.queues.Queues(r.Context())
	if err != nil {
		return fmt.Errorf("queues: %w", err)
	}
	items := make([]queueItem, len(states))
	for i, state := range states {
		items[i] = queueItem{state, state.Oldest.Seconds()}
	}
	jobs, err := s.store.Jobs(r.Context())
	if err != nil {
		return fmt.Errorf("periodic jobs: %w", err)
	}
	if jobs == nil {
		jobs = []goalcast.JobState{}
	}
	return writeJSON(w, http.StatusOK, map[string]any{"queues": items, "jobs": jobs})
}

// getDead lists the tasks of a queue that were given up.
func (s *Server) getDead(w http.ResponseWriter, r *http.Request) error {
	if s.queues == nil {
		return errNotHere
	}
	q := newQuery(r, "limit", "after")
	limit, after := q.number("limit", 100, maxDead), q.deadPlace()
	if q.err != nil {
		return q.err
	}
	queue, err := pathText(r, "queue")
	if err != nil {
		return err
	}
	tasks, err := s.queues.DeadTasks(r.Context(), queue, after, limit+1)
	if err != nil {
		return fmt.Errorf("dead tasks: %w", err)
	}
	tasks, end := endPage(tasks, limit, func(d goalcast.DeadTask) string {
		return fmt.Sprintf("%d-%s", d.Died.Unix(), d.ID)
	})
	return writePage(w, r, end, struct {
		Tasks []goalcast.DeadTask `json:"tasks"`
		pageEnd
	}{tasks, end})
}

// deadPlace is where a page of dead tasks begins, as "s-id"; zero if it is not there.
func (q *query) deadPlace() goalcast.DeadPlace {
	text := q.text("after", maxDeadAfter)
	if text == "" {
		return goalcast.DeadPlace{}
	}
	at, id, _ := strings.Cut(text, "-")
	s, err := strconv.ParseInt(at, 10, 64)
	if err != nil || s < 0 || id == "" {
		q.badAfter()
		return goalcast.DeadPlace{}
	}
	return goalcast.DeadPlace{Died: time.Unix(s, 0).UTC(), ID: id}
}

// postRevive lets a dead task run again.
func (s *Server) postRevive(w http.ResponseWriter, r *http.Request) error {
	if s.queues == nil {
		return errNotHere
	}
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	queue, err := pathText(r, "queue")
	if err != nil {
		return err
	}
	task, err := pathText(r, "task")
	if err != nil {
		return err
	}
	if err := s.queues.ReviveTask(r.Context(), queue, task); err != nil {
		return fmt.Errorf("revive: %w", err)
	}
	s.audit(r, "revive", map[string]string{"state": "dead"}, map[string]string{"state": "pending"},
		slog.String("queue", queue), slog.String("task", task))
	w.WriteHeader(http.StatusNoContent)
	return nil
}
