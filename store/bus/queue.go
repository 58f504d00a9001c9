package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
	"goalcast/internal/sparselog"
)

// queueName is the queue that a task waits in: each owner ("ingest" of "ingest:document") has one
// for what is urgent and one for the rest. A process takes tasks only from queues of owners for
// which it has a handler: a process for pushes would otherwise take those that only one for feeds
// can run.
func queueName(kind string, urgent bool) string {
	owner, _, _ := strings.Cut(kind, ":")
	if urgent {
		return owner + ".urgent"
	}
	return owner + ".default"
}

// QueueOptions are the limits of the queue; zero fields take the default.
type QueueOptions struct {
	Prefix  string // of the queues' names, as that of Options
	Workers int    // tasks at a time in this process; 10
	// CheckInterval is how often an idle worker asks for a task, and so how long one waits at most
	// when nothing else is to do; 200 ms.
	CheckInterval time.Duration
	// DelayedInterval is how often tasks with a Delay, and retries, are looked at; 500 ms.
	DelayedInterval time.Duration
	// StopTimeout is how long Run waits for running tasks when ctx ends; after that they are left
	// to another process, or the next start; 8 s.
	StopTimeout time.Duration
	// TaskLimit is how long a task may run before its context ends; 5 min.
	TaskLimit time.Duration
	// RetryPause gives the pause before the next try after n failed ones; by default 1 s, 2 s, 4 s,
	// ... up to 5 min, each shortened at random by up to a quarter.
	RetryPause func(n int) time.Duration
}

// Queue holds work for later: retries, replays, batches of pushes. A task runs at least once, and
// in one process at a time. Redis may lose tasks (a wipe): the callers know from the database what
// is still to do.
type Queue struct {
	redis     *Redis
	options   QueueOptions
	names     names
	log       *slog.Logger
	client    *asynq.Client
	inspector *asynq.Inspector
	done      *prometheus.CounterVec

	mu       sync.Mutex
	handlers map[string]func(context.Context, []byte) error
}

// NewQueue makes a queue; it starts nothing.
func NewQueue(r *Redis, options QueueOptions, log *slog.Logger, reg prometheus.Registerer) *Queue {
	options.Workers = cmp.Or(options.Workers, 10)
	options.CheckInterval = cmp.Or(options.CheckInterval, 200*time.Millisecond)
	options.DelayedInterval = cmp.Or(options.DelayedInterval, 500*time.Millisecond)
	options.StopTimeout = cmp.Or(options.StopTimeout, 8*time.Second)
	options.TaskLimit = cmp.Or(options.TaskLimit, 5*time.Minute)
	if options.RetryPause == nil {
		options.RetryPause = retryPause
	}
	done := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Namespace: "goalcast", Subsystem: "store", Name: "tasks_total",
		Help: "Tasks that were run, by kind and result: done, retry (failed, to be tried again) or dead (given up).",
	}, []string{"kind", "result"})
	return &Queue{redis: r, options: options, names: r.names(options.Prefix), log: log, done: done,
		client: asynq.NewClientFromRedisClient(r.client), inspector: asynq.NewInspectorFromRedisClient(r.client),
		handlers: map[string]func(context.Context, []byte) error{}}
}

func retryPause(n int) time.Duration {
	d := min(time.Second<<min(max(n, 0), 20), 5*time.Minute)
	return d - rand.N(d/4)
}

// Handle sets the handler of a kind of task ("ingest:document": whose it is, and what); call it
// before Run, which needs at least one. When a handler returns an error, the task is tried again as
// often as Task.Retries says, unless the error is ErrPermanent.
func (q *Queue) Handle(kind string, run func(ctx context.Context, payload []byte) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.handlers[kind] = run
}

// Enqueue adds a task. If one with its ID is waiting or running already, nothing is added, and that
// is no error; one that was given up is replaced. A Delay is kept to the second, rounded up.
// ErrUnavailable: it may or may not have been added; trying again is safe if it has an ID.
func (q *Queue) Enqueue(ctx context.Context, t goalcast.Task) error {
	queue := q.names.queue(queueName(t.Kind, t.Urgent))
	options := []asynq.Option{asynq.Queue(queue), asynq.MaxRetry(t.Retries), asynq.Timeout(q.options.TaskLimit)}
	if t.ID != "" {
		options = append(options, asynq.TaskID(t.ID))
	}
	if t.Delay > 0 {
		// asynq keeps whole seconds and drops the rest: a second more, so that it is never too
		// early.
		options = append(options, asynq.ProcessAt(time.Now().Add(t.Delay+time.Second)))
	}
	_, err := q.client.EnqueueContext(ctx, asynq.NewTask(t.Kind, t.Payload), options...)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		if !q.forgetDead(queue, t.ID) {
			return nil
		}
		_, err = q.client.EnqueueContext(ctx, asynq.NewTask(t.Kind, t.Payload), options...)
		if errors.Is(err, asynq.ErrTaskIDConflict) {
			return nil // another process was first
		}
	}
	if err != nil {
		return fmt.Errorf("enqueue %s %s: %w: %w", t.Kind, t.ID, goalcast.ErrUnavailable, err)
	}
	return nil
}

// forgetDead removes a task that was given up and reports whether it did.
func (q *Queue) forgetDead(queue, id string) bool {
	info, err := q.inspector.GetTaskInfo(queue, id)
	if err != nil {
		return errors.Is(err, asynq.ErrTaskNotFound) // it ended just now
	}
	return (info.State == asynq.TaskStateArchived || info.State == asynq.TaskStateCompleted) &&
		q.inspector.DeleteTask(queue, id) == nil
}

// Run works on tasks until ctx ends, and returns its error once the running ones have ended
// (StopTimeout). Redis may be away at the start, or go and come back: the workers ask again.
func (q *Queue) Run(ctx context.Context) error {
	server := asynq.NewServerFromRedisClient(q.redis.client, q.config())
	if err := server.Start(asynq.HandlerFunc(q.process)); err != nil {
		return fmt.Errorf("start queue: %w", err)
	}
	<-ctx.Done()
	server.Shutdown()
	return ctx.Err()
}

func (q *Queue) config() asynq.Config {
	q.mu.Lock()
	defer q.mu.Unlock()
	queues := map[string]int{}
	for kind := range q.handlers {
		queues[q.names.queue(queueName(kind, true))], queues[q.names.queue(queueName(kind, false))] = 9, 1
	}
	return asynq.Config{
		Concurrency: q.options.Workers,
		// Weights, not strict: a flood of urgent tasks leaves the others one turn in ten.
		Queues:                   queues,
		TaskCheckInterval:        q.options.CheckInterval,
		DelayedTaskCheckInterval: q.options.DelayedInterval,
		ShutdownTimeout:          q.options.StopTimeout,
		RetryDelayFunc:           func(n int, _ error, _ *asynq.Task) time.Duration { return q.options.RetryPause(n) },
		Logger:                   asynqLog{q.log, sparselog.New(q.log)},
		LogLevel:                 asynq.InfoLevel,
	}
}

// process runs one task, counts it, and logs what went wrong: nothing else sees a task's error.
func (q *Queue) process(ctx context.Context, t *asynq.Task) error {
	q.mu.Lock()
	run := q.handlers[t.Type()]
	q.mu.Unlock()
	if run == nil {
		q.done.WithLabelValues("unknown", "retry").Inc()
		return fmt.Errorf("no handler for tasks of kind %q", t.Type()) // a newer process may have one
	}
	err := run(ctx, t.Payload())
	tries, _ := asynq.GetRetryCount(ctx)
	limit, _ := asynq.GetMaxRetry(ctx)
	id, _ := asynq.GetTaskID(ctx)
	switch {
	case err == nil:
		q.done.WithLabelValues(t.Type(), "done").Inc()
		return nil
	case errors.Is(err, goalcast.ErrPermanent):
		q.done.WithLabelValues(t.Type(), "dead").Inc()
		q.log.Error("task given up", "kind", t.Type(), "task", id, "error", err)
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	case tries >= limit:
		q.done.WithLabelValues(t.Type(), "dead").Inc()
		q.log.Error("task given up", "kind", t.Type(), "task", id, "tries", tries+1, "error", err)
	default:
		q.done.WithLabelValues(t.Type(), "retry").Inc()
		q.log.Warn("task failed", "kind", t.Type(), "task", id, "tries", tries+1, "error", err)
	}
	return err
}

// asynqLog passes on what asynq says. Its workers, its recoverer and its heartbeat each complain
// every second or more often while Redis is away: warnings are sparse. A task's own error is not
// among them; process logs that. Fatal is not followed by an exit here, and "info" is about asynq's
// inner parts.
type asynqLog struct {
	log    *slog.Logger
	sparse *sparselog.Log
}

func (l asynqLog) Debug(args ...any) { l.log.Debug("queue: " + fmt.Sprint(args...)) }
func (l asynqLog) Info(args ...any)  { l.log.Debug("queue: " + fmt.Sprint(args...)) }
func (l asynqLog) Warn(args ...any)  { l.sparse.Warn("queue: " + fmt.Sprint(args...)) }
func (l asynqLog) Error(args ...any) { l.sparse.Warn("queue: " + fmt.Sprint(args...)) }
func (l asynqLog) Fatal(args ...any) { l.log.Error("queue: " + fmt.Sprint(args...)) }
