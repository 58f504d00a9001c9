package bus

import (
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

// DeadTasks lists the tasks of a queue that were given up, newest first. ErrNotFound for a queue
// that never had a task, unless this process works on it. Redis keeps the last 10,000 for 90 days.
func (q *Queue) DeadTasks(_ context.Context, queue string, limit int) ([]goalcast.DeadTask, error) {
	tasks, err := q.inspector.ListArchivedTasks(q.names.queue(queue), asynq.PageSize(limit))
	if errors.Is(err, asynq.ErrQueueNotFound) {
		if _, ours := q.config().Queues[q.names.queue(queue)]; ours {
			return nil, nil
		}
		return nil, fmt.Errorf("queue %q: %w", queue, goalcast.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("dead tasks of %s: %w: %w", queue, goalcast.ErrUnavailable, err)
	}
	var out []goalcast.DeadTask
	for _, t := range tasks {
		payload := strings.ToValidUTF8(string(t.Payload), "\uFFFD")
		out = append(out, goalcast.DeadTask{ID: t.ID, Kind: t.Type, Payload: payload, Error: t.LastErr,
			Tries: t.Retried + 1, Died: t.LastFailedAt.UTC()})
	}
	return out, nil
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
