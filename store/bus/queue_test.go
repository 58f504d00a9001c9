package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/internal/sparselog"
	"goalcast/internal/testservers"
	"goalcast/store/bus/bustest"
)

// crew counts the runs of tasks by payload.
type crew struct {
	t    testing.TB
	mu   sync.Mutex
	runs map[string]int
}

func (c *crew) note(payload string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs[payload]++
}

func (c *crew) until(payload string, n int) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		c.mu.Lock()
		got := c.runs[payload]
		c.mu.Unlock()
		if got >= n {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("task %q ran %d times, want %d", payload, got, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (c *crew) count(payload string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs[payload]
}

// newQueue runs a queue whose tasks of kind "test" succeed, unless their payload says otherwise:
// "twice" fails the first two times, "never" always, "permanent" for good.
func newQueue(t testing.TB, url string) (*Queue, *crew) {
	t.Helper()
	r, err := OpenRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	q := NewQueue(r, QueueOptions{CheckInterval: 20 * time.Millisecond, DelayedInterval: 50 * time.Millisecond,
		StopTimeout: 5 * time.Second,
		RetryPause:  func(int) time.Duration { return 50 * time.Millisecond }}, quiet(), prometheus.NewRegistry())
	c := &crew{t: t, runs: map[string]int{}}
	q.Handle("test", func(_ context.Context, payload []byte) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		name := string(payload)
		c.runs[name]++
		switch {
		case name == "twice" && c.runs[name] <= 2, name == "never":
			return errors.New("not yet")
		case name == "permanent":
			return fmt.Errorf("broken: %w", goalcast.ErrPermanent)
		}
		return nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
		r.Close()
	})
	return q, c
}

func (c *crew) add(q *Queue, tasks ...goalcast.Task) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for _, task := range tasks {
		for err := q.Enqueue(c.t.Context(), task); err != nil; err = q.Enqueue(c.t.Context(), task) {
			if !errors.Is(err, goalcast.ErrUnavailable) || time.Now().After(deadline) { // Redis may be coming back
				c.t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func task(payload string) goalcast.Task {
	return goalcast.Task{Kind: "test", ID: "test:" + payload, Payload: []byte(payload), Retries: 5}
}

// TestTasksOfOthersAreLeftAlone: a process that only sends pushes took the documents of one for
// feeds, and used up their tries.
func TestTasksOfOthersAreLeftAlone(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		pushes, theirs := newQueue(t, url) // takes "test" only
		other := goalcast.Task{Kind: "feeds:document", ID: "feeds:1", Payload: []byte("1"), Urgent: true, Retries: 1}
		theirs.add(pushes, other, task("mine"))
		theirs.until("mine", 1)
		if states, err := pushes.Queues(t.Context()); err != nil || len(states) != 2 ||
			states[0].Name != "feeds.urgent" || states[0].Waiting != 1 {
			t.Errorf("queues: %+v, %v", states, err)
		}
		if got := testutil.ToFloat64(pushes.done.WithLabelValues("unknown", "retry")); got != 0 {
			t.Errorf("%v tasks of others were taken", got)
		}
	})
}

func TestQueue(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		q, c := newQueue(t, url)
		urgent, later := task("urgent"), task("later")
		urgent.Urgent = true
		later.Delay = 300 * time.Millisecond
		start := time.Now()
		c.add(q, task("plain"), urgent, later, later, task("twice"), task("permanent"))
		c.until("plain", 1)
		c.until("urgent", 1)
		c.until("later", 1)
		if d := time.Since(start); d < later.Delay {
			t.Errorf("the delayed task ran after %v", d)
		}
		c.until("twice", 3)
		c.until("permanent", 1)
		if got := testutil.ToFloat64(q.done.WithLabelValues("test", "retry")); got != 2 {
			t.Errorf("retries counted: %v, want 2", got)
		}
		// The mark is made after the run; nothing else runs meanwhile.
		c.add(q, task("last"))
		c.until("last", 1)
		if c.count("permanent") != 1 || c.count("later") != 1 {
			t.Errorf("runs: %v", c.runs)
		}
	})
}

func TestQueueTakesAnIDOnce(t *testing.T) {
	t.Parallel()
	q, c := newQueue(t, testservers.Redis(t))
	waiting := task("waiting")
	waiting.Delay = 200 * time.Millisecond
	for range 5 {
		c.add(q, waiting)
	}
	c.until("waiting", 1)
	// Done: the same ID is a new task.
	deadline := time.Now().Add(patience)
	for c.count("waiting") < 2 {
		c.add(q, waiting)
		if time.Now().After(deadline) {
			t.Fatal("the ID is never free again")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A task that was given up keeps its ID in Redis for months; a replay of it must run all the same.
func TestQueueRunsADeadTaskAgain(t *testing.T) {
	t.Parallel()
	q, c := newQueue(t, testservers.Redis(t))
	once := task("never")
	once.Retries = 1
	c.add(q, once)
	c.until("never", 2)
	deadline := time.Now().Add(patience)
	for c.count("never") < 3 {
		c.add(q, once)
		if time.Now().After(deadline) {
			t.Fatal("the replay never ran")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestQueueOutlivesRedis(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	server.Stop()
	q, c := newQueue(t, server.URL)
	if err := q.Enqueue(t.Context(), task("early")); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("enqueue = %v, want ErrUnavailable", err)
	}
	server.Start()
	c.add(q, task("first"))
	c.until("first", 1)
	server.RestartEmpty()
	c.add(q, task("second"))
	c.until("second", 1)
}

func TestQueueWaitsForTasksAtTheEnd(t *testing.T) {
	t.Parallel()
	r, err := OpenRedis(testservers.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	q := NewQueue(r, QueueOptions{CheckInterval: 20 * time.Millisecond}, quiet(), nil)
	started, finish := make(chan struct{}), make(chan struct{})
	var finished bool
	q.Handle("test", func(context.Context, []byte) error {
		close(started)
		<-finish
		finished = true
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- q.Run(ctx) }()
	if err := q.Enqueue(ctx, task("slow")); err != nil {
		t.Fatal(err)
	}
	<-started
	cancel()
	select {
	case <-done:
		t.Fatal("Run returned before the task ended")
	case <-time.After(100 * time.Millisecond):
	}
	close(finish)
	if err := <-done; !errors.Is(err, context.Canceled) || !finished {
		t.Errorf("Run = %v, task finished: %v", err, finished)
	}
}

// While Redis is away asynq's parts complain many times a second.
func TestQueueComplainsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		l := asynqLog{log, sparselog.New(log)}
		for range 90 {
			l.Error("Dequeue error: dial tcp: connection refused")
			l.Warn("recoverer: could not move task")
			time.Sleep(time.Second)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "skipped=0") || !strings.Contains(lines[1], "skipped=119") {
			t.Errorf("logged\n%s", out.String())
		}
	})
}

var front goalcast.DeadPlace // of a list of dead tasks

func TestDeadTasksAreRevived(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r, err := OpenRedis(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		q := NewQueue(r, QueueOptions{CheckInterval: 10 * time.Millisecond}, quiet(), prometheus.NewRegistry())
		c := &crew{t: t, runs: map[string]int{}}
		var mu sync.Mutex
		broken := true
		q.Handle("test:work", func(_ context.Context, payload []byte) error {
			mu.Lock()
			defer mu.Unlock()
			c.note(string(payload))
			if broken {
				return fmt.Errorf("%w: no such match", goalcast.ErrPermanent)
			}
			return nil
		})
		if states, err := q.Queues(t.Context()); err != nil || len(states) != 0 {
			t.Errorf("queues of an empty Redis: %+v, %v", states, err)
		}
		if dead, err := q.DeadTasks(t.Context(), "test.urgent", front, 10); err != nil || len(dead) != 0 {
			t.Errorf("dead tasks of an empty Redis: %+v, %v", dead, err)
		}
		if err := q.ReviveTask(t.Context(), "test.urgent", "work:1"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("revive of nothing: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); q.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		if err := q.Enqueue(t.Context(), goalcast.Task{Kind: "test:work", ID: "work:1", Payload: []byte("7"),
			Urgent: true, Retries: 3}); err != nil {
			t.Fatal(err)
		}
		c.until("7", 1)
		var dead []goalcast.DeadTask
		for end := time.Now().Add(patience); len(dead) == 0; time.Sleep(5 * time.Millisecond) {
			if dead, err = q.DeadTasks(t.Context(), "test.urgent", front, 10); err != nil || time.Now().After(end) {
				t.Fatal("not dead", err)
			}
		}
		if d := dead[0]; d.ID != "work:1" || d.Kind != "test:work" || d.Payload != "7" || d.Tries != 1 ||
			d.Error == "" || time.Since(d.Died) > time.Minute {
			t.Errorf("dead: %+v", d)
		}
		if states, err := q.Queues(t.Context()); err != nil || states[0].Dead != 1 {
			t.Errorf("queues: %+v, %v", states, err)
		}
		if err := q.ReviveTask(t.Context(), "test.default", "work:1"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("revive in another queue: %v", err)
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		if err := q.ReviveTask(t.Context(), "test.urgent", "work:1"); err != nil {
			t.Fatal(err)
		}
		c.until("7", 2)
		if dead, err := q.DeadTasks(t.Context(), "test.urgent", front, 10); err != nil || len(dead) != 0 {
			t.Errorf("after its revival: %+v, %v", dead, err)
		}
		if _, err := q.DeadTasks(t.Context(), "slow", front, 10); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("no such queue: %v", err)
		}
	})
}

// Pages of dead tasks have each once, the newest first, also where some are revived meanwhile.
func TestDeadTasksHavePages(t *testing.T) {
	t.Parallel()
	r, err := OpenRedis(testservers.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	q := NewQueue(r, QueueOptions{CheckInterval: 10 * time.Millisecond}, quiet(), prometheus.NewRegistry())
	q.Handle("test:work", func(context.Context, []byte) error { return goalcast.ErrPermanent })
	const all = deadPage + 10
	for i := range all {
		if err := q.Enqueue(t.Context(), goalcast.Task{Kind: "test:work", ID: fmt.Sprint("work:", i)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = q.Run(ctx) }()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		states, err := q.Queues(t.Context())
		if err == nil && len(states) > 0 && states[0].Dead == all {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v, %v", states, err)
		}
	}
	cancel()
	<-ended
	seen := map[string]bool{}
	var last goalcast.DeadPlace
	for pages := 0; ; pages++ {
		page, err := q.DeadTasks(t.Context(), "test.default", last, 60)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			if seen[d.ID] || last.ID != "" && !older(d, last) {
				t.Fatalf("%+v behind %+v, seen before: %t", d, last, seen[d.ID])
			}
			seen[d.ID], last = true, goalcast.DeadPlace{Died: d.Died, ID: d.ID}
		}
		if len(page) < 60 {
			break
		}
		if pages == 0 { // the place itself is gone, and so is another one of that page
			for _, d := range page[58:] {
				if err := q.ReviveTask(t.Context(), "test.default", d.ID); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(seen) != all {
		t.Errorf("%d tasks of %d", len(seen), all)
	}
}
