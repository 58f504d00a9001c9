package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hibiken/asynq"

	"goalcast"
)

// Queues lists the state of the queues by name. One that never had a task is missing.
func (q *Queue) Queues(context.Context) ([]goalcast.QueueState, error) {
	known, err := q.inspector.Queues()
	if err != nil {
		return nil, fmt.Errorf("queues: %w: %w", goalcast.ErrUnavailable, err)
	}
	slices.Sort(known)
	var out []goalcast.QueueState
	for _, full := range known {
		name, ours := q.names.ownQueue(full)
		if !ours {
			continue
		}
		info, err := q.inspector.GetQueueInfo(full)
		if err != nil {
			return nil, fmt.Errorf("queue %s: %w: %w", name, goalcast.ErrUnavailable, err)
		}
		out = append(out, goalcast.QueueState{Name: name, Waiting: info.Pending, Delayed: info.Scheduled + info.Retry,
			Running: info.Active, Dead: info.Archived, Oldest: info.Latency})
	}
	return out, nil
}

// deadPage is how many dead tasks are read at once.
const deadPage = 200

// DeadTasks lists the tasks of a queue that were given up, newest first and those of one second by
// ID downwards, from behind a place on. ErrNotFound for a queue that never had a task, unless this
// process works on it. Redis keeps the last 10,000 for 90 days.
//
// asynq counts pages from the oldest task on: so they are read from the last one back. What dies
// meanwhile moves nothing but the last page, and what is revived moves older ones nearer.
func (q *Queue) DeadTasks(_ context.Context, queue string, after goalcast.DeadPlace, limit int) ([]goalcast.DeadTask,
	error) {
	full := q.names.queue(queue)
	// What counts the tasks does not say, as this does, that there is no such queue.
	if _, err := q.inspector.ListArchivedTasks(full, asynq.PageSize(1)); errors.Is(err, asynq.ErrQueueNotFound) {
		if _, ours := q.config().Queues[full]; ours {
			return nil, nil
		}
		return nil, fmt.Errorf("queue %q: %w", queue, goalcast.ErrNotFound)
	}
	info, err := q.inspector.GetQueueInfo(full)
	if err != nil {
		return nil, fmt.Errorf("dead tasks of %s: %w: %w", queue, goalcast.ErrUnavailable, err)
	}
	var out []goalcast.DeadTask
	for page := (info.Archived + deadPage - 1) / deadPage; page > 0 && len(out) < limit; page-- {
		tasks, err := q.inspector.ListArchivedTasks(full, asynq.PageSize(deadPage), asynq.Page(page))
		if err != nil {
			return nil, fmt.Errorf("dead tasks of %s: %w: %w", queue, goalcast.ErrUnavailable, err)
		}
		for _, t := range slices.Backward(tasks) {
			d := deadTask(t)
			if len(out) < limit && (after.ID == "" || older(d, after)) {
				out = append(out, d)
				after = goalcast.DeadPlace{Died: d.Died, ID: d.ID}
			}
		}
	}
	return out, nil
}

// older says whether a dead task stands behind a place.
func older(d goalcast.DeadTask, than goalcast.DeadPlace) bool {
	return cmp.Or(d.Died.Compare(than.Died), strings.Compare(d.ID, than.ID)) < 0
}

func deadTask(t *asynq.TaskInfo) goalcast.DeadTask {
	return goalcast.DeadTask{ID: t.ID, Kind: t.Type, Payload: strings.ToValidUTF8(string(t.Payload), "\uFFFD"),
		Error: t.LastErr, Tries: t.Retried + 1, Died: t.LastFailedAt.UTC()}
}

// ReviveTask runs a task that was given up again, at once. ErrNotFound, also for one that is not
// dead.
func (q *Queue) ReviveTask(_ context.Context, queue, id string) error {
	doing := fmt.Sprintf("revive task %s of %s", id, queue)
	info, err := q.inspector.GetTaskInfo(q.names.queue(queue), id)
	if err == nil && info.State != asynq.TaskStateArchived {
		return fmt.Errorf("%s: it is %s: %w", doing, info.State, goalcast.ErrNotFound)
	}
	if err == nil {
		err = q.inspector.RunTask(q.names.queue(queue), id)
	}
	switch {
	case errors.Is(err, asynq.ErrQueueNotFound), errors.Is(err, asynq.ErrTaskNotFound):
		return fmt.Errorf("%s: %w", doing, goalcast.ErrNotFound)
	case err != nil:
		return fmt.Errorf("%s: %w: %w", doing, goalcast.ErrUnavailable, err)
	}
	return nil
}
