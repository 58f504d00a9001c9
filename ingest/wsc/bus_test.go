package wsc_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/wsc"
	"goalcast/store"
	"goalcast/store/bus"
)

// ear hears the bus.
type ear struct {
	mu     sync.Mutex
	live   bool
	events []goalcast.Event
}

func (e *ear) Event(p goalcast.Published) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, p.Event)
}
func (*ear) State(goalcast.State)                    {}
func (*ear) Reread(goalcast.Topic, []goalcast.State) {}
func (*ear) Reset(goalcast.Cursor)                   {}
func (e *ear) Stale(stale bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live = e.live || !stale
}

func (e *ear) is(condition func() bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return condition()
}

// newest is the last revision of the goal's clip that was heard.
func (e *ear) newest() (clip goalcast.Event) {
	for _, ev := range e.events {
		if ev.ID == "wsc:"+goalClip+":77" {
			clip = ev
		}
	}
	return clip
}

// TestFromWebhookToTheBus goes the whole way with a real queue, relay and bus: Brightcove calls
// back, and viewers hear of the clip, of VAR, and of the rights.
func TestFromWebhookToTheBus(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	redis, err := bus.OpenRedis("embedded")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { redis.Close() })
	reg := prometheus.NewRegistry()
	b := bus.New(redis, bus.Options{}, log, reg)
	queue := bus.NewQueue(redis, bus.QueueOptions{CheckInterval: 20 * time.Millisecond,
		DelayedInterval: 50 * time.Millisecond}, log, reg)
	var relay *store.Relay
	r := newRig(t, setup{queue: func(r *rig) (wsc.Queue, ingest.Publisher) {
		relay = store.NewRelay(r.db, b, log, reg)
		return queue, relay
	}})
	queue.Handle(wsc.TaskUpload, r.clips.Task)
	queue.Handle(wsc.TaskCheck, r.clips.Task)
	queue.Handle(ingest.TaskKind, r.ingest.ProcessTask)
	e := &ear{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, run := range []func(context.Context) error{queue.Run, relay.Run, r.clips.Run,
		func(ctx context.Context) error { return b.Listen(ctx, e) }} {
		wg.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	hears := func(what string, condition func(goalcast.Event) bool) {
		t.Helper()
		await(t, what, func() bool { return e.is(func() bool { return condition(e.newest()) }) })
	}
	await(t, "the bus", func() bool { return e.is(func() bool { return e.live }) })

	r.goals(27)
	r.post("wsc", webhook("Create", 1, nil))
	await(t, "a job", func() bool { return len(r.vendor.Jobs()) == 1 && r.field("state") == "processing" })
	job := r.vendor.Jobs()[0]
	r.vendor.SetJob(job.ID, "finished")
	begin := time.Now()
	r.vendor.NotifyAll(job.ID)
	hears("the clip", func(c goalcast.Event) bool {
		return c.Counts() && c.Clip != nil && c.Clip.Video == job.Video && c.Clip.Of == "plain:1"
	})
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("%v from the callbacks to the bus: polled", took)
	}
	r.goals(-27)
	hears("VAR", func(c goalcast.Event) bool { return c.Status == goalcast.Cancelled })
	r.goals(27)
	hears("the goal given", func(c goalcast.Event) bool { return c.Counts() })
	r.post("wsc", webhook("Update", 2, nil))
	await(t, "a second job", func() bool { return len(r.vendor.Jobs()) == 2 && r.field("state") == "processing" })
	r.vendor.SetJob(r.vendor.Jobs()[1].ID, "finished")
	r.vendor.NotifyAll(r.vendor.Jobs()[1].ID)
	hears("the better cut", func(c goalcast.Event) bool { return c.Counts() && c.Clip.Poster != "" && c.Revision >= 4 })
	r.post("wsc", deletion(3))
	hears("the end of the rights", func(c goalcast.Event) bool { return c.Status == goalcast.Cancelled })
	await(t, "the video hidden", func() bool { return r.vendor.Videos()[0].State == "INACTIVE" })
	e.mu.Lock()
	defer e.mu.Unlock()
	last := int64(0)
	for _, ev := range e.events {
		if ev.Match == match && ev.Seq != last+1 {
			t.Errorf("%s has seq %d after %d", ev.Key(), ev.Seq, last)
		}
		last = ev.Seq
	}
}
