package watch_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store"
	"goalcast/store/bus"
	"goalcast/watch"
)

func TestMain(m *testing.M) {
	bus.LogRedisTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var kickoff = time.Date(2026, 5, 17, 14, 30, 0, 0, time.UTC)

// tower is a Watch on a real store, with a clock and a queue of the test's.
type tower struct {
	*watch.Watch
	t     *testing.T
	db    *store.Store
	reg   *prometheus.Registry
	log   *lines
	mu    sync.Mutex
	now   time.Time
	tasks []goalcast.Task
	lag   time.Duration
	err   error // of the queue
}

type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

func (w *tower) Enqueue(_ context.Context, t goalcast.Task) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.tasks = append(w.tasks, t)
	}
	return w.err
}

func (w *tower) Queues(context.Context) ([]goalcast.QueueState, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []goalcast.QueueState{{Name: "urgent", Waiting: 1, Oldest: w.lag}, {Name: "default"}}, w.err
}

func newTower(t *testing.T, db *store.Store, cfg watch.Config) *tower {
	w := &tower{t: t, db: db, reg: prometheus.NewRegistry(), log: &lines{}, now: kickoff}
	cfg.Now = func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	w.Watch = watch.New(cfg, db, w, slog.New(slog.NewTextHandler(w.log, nil)), w.reg)
	return w
}

func onBoth(t *testing.T, test func(t *testing.T, db *store.Store)) {
	for name, url := range map[string]func() string{"memory": func() string { return "sqlite::memory:" },
		"postgres": func() string { return testservers.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(t.Context(), url(), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			test(t, db)
		})
	}
}

// happens commits events of match 7, as ingest would.
func (w *tower) happens(events ...goalcast.Event) {
	w.t.Helper()
	err := w.db.UpdateMatch(w.t.Context(), 7, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		var out []goalcast.Event
		for _, e := range events {
			e.Match, e.Seq, e.Topics = 7, rec.Snapshot.Seq+1, []goalcast.Topic{goalcast.ForMatch(7)}
			if e.Revision == 0 {
				e.Revision = 1
			}
			if e.Status == "" {
				e.Status = goalcast.Confirmed
			}
			rec.Snapshot = goalcast.Apply(rec.Snapshot, e)
			out = append(out, e)
		}
		return rec, out, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func fixture(revision int, halted goalcast.MatchState) goalcast.Event {
	return goalcast.Event{ID: "match:7:fixture", Revision: revision, Kind: goalcast.KindFixture,
		Fixture: &goalcast.Fixture{
			Home: goalcast.Team{ID: 1, Name: "Port Amber"}, Away: goalcast.Team{ID: 2, Name: "Saltmarsh Rovers"},
			Kickoff: kickoff, Halted: halted}}
}

func period(p goalcast.Period, at time.Time) goalcast.Event {
	return goalcast.Event{ID: "match:7:period:" + string(p), Kind: goalcast.KindPeriod, Period: p, At: at}
}

// document keeps one, applied.
func (w *tower) document(at time.Time, feed, body string) goalcast.DocumentID {
	w.t.Helper()
	d := goalcast.Document{Provider: "opta", Feed: feed, Match: 7, Body: []byte(body), Received: at}
	if err := w.db.KeepDocument(w.t.Context(), &d); err != nil {
		w.t.Fatal(err)
	}
	w.finish(d.ID, goalcast.DocumentApplied)
	return d.ID
}

func (w *tower) finish(id goalcast.DocumentID, state goalcast.DocumentState) {
	w.t.Helper()
	if err := w.db.FinishDocument(w.t.Context(), id, state, "why"); err != nil {
		w.t.Fatal(err)
	}
}

// at checks at a time after kick-off, and wants these alarms open.
func (w *tower) at(after time.Duration, want ...string) {
	w.t.Helper()
	w.mu.Lock()
	w.now = kickoff.Add(after)
	w.mu.Unlock()
	if err := w.Check(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	var names []string
	open, err := w.Alarms(w.t.Context(), goalcast.AlarmFilter{Open: true})
	for _, a := range open {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(names, want) {
		w.t.Errorf("%s after kick-off: open %v, %v; want %v", after, names, err, want)
	}
}

const minute = time.Minute

func TestMatchThatDoesNotStart(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		w := newTower(t, db, watch.Config{})
		w.happens(fixture(1, ""))
		w.at(-minute)
		w.at(9 * minute)
		w.at(10*minute, "not_started:7")
		w.at(11*minute, "not_started:7")
		if w.log.count("msg=alarm ") != 1 {
			t.Error("it was told more than once, or not at all")
		}
		if err := testutil.GatherAndCompare(w.reg,
			strings.NewReader("# HELP goalcast_watch_alarms_total Alarms that this process opened, by kind.\n"+
				"# TYPE goalcast_watch_alarms_total counter\ngoalcast_watch_alarms_total{kind=\"not_started\"} 1\n"),
			"goalcast_watch_alarms_total"); err != nil {
			t.Error(err)
		}
		if n := gauge(t, w.reg, "not_started"); n != 1 {
			t.Errorf("open by the metric: %v", n)
		}
		w.happens(period(goalcast.FirstHalf, kickoff.Add(11*minute)))
		w.document(kickoff.Add(12*minute), "F9", "a")
		w.at(12 * minute)
		if n := gauge(t, w.reg, "not_started"); n != 0 || w.log.count("alarm is over") != 1 {
			t.Errorf("open by the metric after it started: %v", n)
		}
	})
}

func gauge(t *testing.T, reg *prometheus.Registry, kind string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "goalcast_watch_alarms_open" && m.Label[0].GetValue() == kind {
				return m.Gauge.GetValue()
			}
		}
	}
	t.Fatal("no metric")
	return 0
}

func TestPostponedMatchDoesNotAlarm(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		w := newTower(t, db, watch.Config{})
		w.happens(fixture(1, ""))
		w.at(15*minute, "not_started:7")
		w.happens(fixture(2, goalcast.Postponed))
		w.at(16 * minute)
	})
}

func TestSilentFeed(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		gap := false
		w := newTower(t, db, watch.Config{Gap: func(rec goalcast.MatchRecord) bool {
			return rec.Snapshot.ID == 7 &&
				gap
		}})
		w.happens(fixture(1, ""), period(goalcast.FirstHalf, kickoff))
		w.document(kickoff.Add(1*minute), "F9", "a")
		w.at(3 * minute)
		w.at(4*minute, "feed_silent:7")
		w.document(kickoff.Add(5*minute), "F9", "a") // the same again: the provider lives
		w.at(6 * minute)
		w.at(8*minute, "feed_silent:7")
		w.document(kickoff.Add(9*minute), "F24", "b")
		gap = true
		w.at(15 * minute) // the provider says itself that it sees nothing
		w.document(kickoff.Add(16*minute), "F24", "c")
		gap = false
		w.at(17 * minute)
		w.at(20*minute, "feed_silent:7")
		w.happens(period(goalcast.HalfTime, kickoff.Add(46*minute)))
		w.at(50 * minute) // nothing has to come in the pause
	})
}

func TestClipsThatDoNotCome(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		w := newTower(t, db, watch.Config{Clips: true, Silent: -1})
		goal := goalcast.Event{ID: "opta:1", Kind: goalcast.KindGoal, Team: 1, Period: goalcast.FirstHalf, Minute: 5,
			At: kickoff.Add(5 * minute), Goal: &goalcast.Goal{Type: goalcast.OpenPlay}}
		second := goal
		second.ID, second.Minute, second.At = "opta:2", 8, time.Time{}
		second.Times.Received = kickoff.Add(8 * minute).UnixMilli()
		clip := goalcast.Event{ID: "wsc:1", Kind: goalcast.KindClip, Clip: &goalcast.Clip{Of: "opta:1",
			URL: "https://clips.example.org/1"}}
		w.happens(fixture(1, ""), period(goalcast.FirstHalf, kickoff), goal, second)
		w.at(24 * minute)
		w.at(25*minute, "no_clip:opta:1")
		w.at(28*minute, "no_clip:opta:1", "no_clip:opta:2")
		w.happens(clip)
		w.at(29*minute, "no_clip:opta:2")
		second.Revision, second.Status = 2, goalcast.Cancelled
		w.happens(second)
		w.at(30 * minute)
		clip.Revision, clip.Status = 2, goalcast.Cancelled // the rights are gone, and with them the clip
		w.happens(clip, period(goalcast.FullTime, kickoff.Add(115*minute)))
		w.at(200*minute, "no_clip:opta:1")
		w.at(205*minute, "no_clip:opta:1", "no_summary:7")
		w.happens(goalcast.Event{ID: "wsc:9", Kind: goalcast.KindClip,
			Clip: &goalcast.Clip{URL: "https://clips.example.org/9"}})
		w.at(206*minute, "no_clip:opta:1")
		w.at(13 * time.Hour) // nobody waits for it any more
		without := newTower(t, db, watch.Config{Silent: -1})
		without.at(205 * minute)
	})
}

// TestClipsThatWereGivenUp: one alarm for each, until it begins again.
func TestClipsThatWereGivenUp(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		// the store notes the time by its own clock
		w := newTower(t, db, watch.Config{Silent: -1, Back: 24 * 365 * 100 * time.Hour})
		set := func(id, record string) {
			t.Helper()
			if err := db.UpdateClip(t.Context(), id, func([]byte) ([]byte, error) {
				return []byte(record),
					nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		set("a", `{"state":"failed","match":7,"title":"The opener","error":"DownloadFailed"}`)
		set("b", `{"state":"failed"}`)
		set("c", `{"state":"processing","error":"one job failed"}`)
		w.at(minute, "clip_failed:a", "clip_failed:b")
		alarms, err := db.Alarms(t.Context(), goalcast.AlarmFilter{Kind: goalcast.AlarmClipFailed, Match: 7})
		if err != nil || len(alarms) != 1 || alarms[0].Text != `clip a "The opener" was given up: DownloadFailed` {
			t.Errorf("%+v, %v", alarms, err)
		}
		set("a", `{"state":"waiting"}`)
		w.at(2*minute, "clip_failed:b")
		if list, err := db.FailedClips(t.Context(), time.Now().Add(time.Hour)); err != nil || len(list) != 0 {
			t.Errorf("given up in the future: %+v, %v", list, err)
		}
	})
}

func TestUnreadableDocuments(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		w := newTower(t, db, watch.Config{})
		id := w.document(kickoff, "F9", "a")
		w.at(minute)
		w.finish(id, goalcast.DocumentFailed)
		w.at(2*minute, "unreadable:opta/F9")
		w.finish(id, goalcast.DocumentApplied) // by a replay
		w.at(3 * minute)
		w.finish(id, goalcast.DocumentFailed)
		w.at(4*minute, "unreadable:opta/F9")
		w.at(25 * time.Hour)
	})
}

func TestDisagreement(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		var now []watch.Disagreement
		w := newTower(t, db, watch.Config{Silent: -1, NotStarted: -1,
			Disagreements: func(rec goalcast.MatchRecord) []watch.Disagreement {
				if rec.Snapshot.ID != 7 {
					t.Errorf("asked of match %d", rec.Snapshot.ID)
				}
				return now
			}})
		w.happens(fixture(1, ""))
		w.at(minute)
		now = []watch.Disagreement{{Name: "score", Text: "F9 says 1-0, F24 says 0-0", Since: kickoff.Add(minute)}}
		w.at(2 * minute)
		w.at(3*minute, "disagreement:7:score")
		now = nil
		w.at(4 * minute)
	})
}

func TestQueueLag(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		w := newTower(t, db, watch.Config{})
		d := goalcast.Document{Provider: "opta", Feed: "F9", Match: 7, Body: []byte("x"), Received: kickoff}
		if err := db.KeepDocument(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
		w.at(20 * time.Second)
		w.at(minute, "queue_lag:documents")
		w.lag = 31 * time.Second
		w.at(2*minute, "queue_lag:documents", "queue_lag:urgent")
		w.finish(d.ID, goalcast.DocumentApplied)
		w.at(3*minute, "queue_lag:urgent")
		w.err = goalcast.ErrUnavailable // nobody can look: what is open stays
		w.now = kickoff.Add(4 * minute)
		if err := w.Check(t.Context()); !errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("check = %v", err)
		}
		w.err, w.lag = nil, 0
		if open, err := w.Alarms(t.Context(), goalcast.AlarmFilter{Open: true}); err != nil || len(open) != 1 {
			t.Errorf("open %+v, %v", open, err)
		}
		w.at(5 * minute)
	})
}

func TestClockSkew(t *testing.T) {
	for _, tt := range []struct {
		name string
		ways []time.Duration // from the provider's time to ours
		want bool
	}{
		{"normal", []time.Duration{time.Second, 3 * time.Second, 5 * time.Second}, false},
		{"one late", []time.Duration{time.Second, time.Hour, 5 * time.Second}, false},
		{"all late", []time.Duration{time.Minute, time.Hour, 40 * time.Second}, true},
		{"ahead", []time.Duration{time.Second, -4 * time.Second, time.Second}, true},
		{"a little ahead", []time.Duration{time.Second, -time.Second, time.Second}, false},
		{"too few to tell", []time.Duration{time.Hour, time.Hour}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, db *store.Store) {
				w := newTower(t, db, watch.Config{Silent: -1})
				w.happens(fixture(1, ""), period(goalcast.FirstHalf, kickoff))
				for i, way := range tt.ways {
					came := kickoff.Add(time.Duration(i+1) * minute)
					w.happens(goalcast.Event{ID: fmt.Sprint("opta:", i), Kind: goalcast.KindCard, Team: 1,
						Period: goalcast.FirstHalf, Card: &goalcast.Card{Type: goalcast.Yellow},
						Times: goalcast.Times{Provider: came.Add(-way).UnixMilli(), Received: came.UnixMilli()}})
				}
				if tt.want {
					w.at(5*minute, "clock_skew:opta")
				} else {
					w.at(5 * minute)
				}
				w.at(45 * minute) // old news says nothing of now
			})
		})
	}
}

// hook is an on-call tool that fails a while.
type hook struct {
	mu      sync.Mutex
	fail    int
	calls   []string
	bodies  [][]byte
	headers []http.Header
	wake    chan struct{}
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail > 0 {
		h.fail--
		http.Error(w, "later", http.StatusBadGateway)
		return
	}
	var n struct {
		Event string
		Alarm goalcast.Alarm
	}
	if err := json.Unmarshal(body, &n); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.calls = append(h.calls, n.Event+" "+n.Alarm.Name)
	h.bodies, h.headers = append(h.bodies, body), append(h.headers, r.Header)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *hook) until(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		calls := slices.Clone(h.calls)
		h.mu.Unlock()
		if slices.Equal(calls, want) {
			return
		}
		select {
		case <-h.wake:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("calls %v, want %v", calls, want)
		}
	}
}

// The webhook over the real queue: it fails twice, then hears of each turn once, signed.
func TestWebhook(t *testing.T) {
	const secret = "a-secret-of-the-test"
	onBoth(t, func(t *testing.T, db *store.Store) {
		h := &hook{fail: 2, wake: make(chan struct{}, 1)}
		server := httptest.NewServer(h)
		defer server.Close()
		redis, err := bus.OpenRedis("embedded")
		if err != nil {
			t.Fatal(err)
		}
		defer redis.Close()
		queue := bus.NewQueue(redis, bus.QueueOptions{CheckInterval: 5 * time.Millisecond,
			DelayedInterval: 10 * time.Millisecond,
			RetryPause:      func(int) time.Duration { return time.Millisecond }}, slog.New(slog.DiscardHandler),
			prometheus.NewRegistry())
		w := newTower(t, db, watch.Config{})
		w.Watch = watch.New(watch.Config{Webhook: server.URL + "/in?token=hidden", Secret: secret,
			Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }},
			db, queue, slog.New(slog.NewTextHandler(w.log, nil)), prometheus.NewRegistry())
		queue.Handle(watch.TaskWebhook, w.WebhookTask)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); queue.Run(ctx) }()
		defer func() { cancel(); <-ended }()

		w.happens(fixture(1, ""))
		w.at(10*minute, "not_started:7")
		h.until(t, "opened not_started:7")
		open, err := w.Alarms(t.Context(), goalcast.AlarmFilter{Open: true})
		if err != nil || len(open) != 1 {
			t.Fatal(open, err)
		}
		for range 2 {
			if a, err := w.AckAlarm(t.Context(), open[0].ID, "operator"); err != nil || a.AckedBy != "operator" {
				t.Errorf("%+v, %v", a, err)
			}
		}
		h.until(t, "opened not_started:7", "acknowledged not_started:7")
		w.happens(fixture(2, goalcast.Postponed))
		w.at(12 * minute)
		h.until(t, "opened not_started:7", "acknowledged not_started:7", "closed not_started:7")
		if _, err := w.AckAlarm(t.Context(), 999, "operator"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("%v", err)
		}
		for i, header := range h.headers {
			signed := header.Get("Goalcast-Signature")
			at, _, _ := strings.Cut(strings.TrimPrefix(signed, "t="), ",")
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write([]byte(at + "." + string(h.bodies[i])))
			if signed != "t="+at+",v1="+hex.EncodeToString(mac.Sum(nil)) ||
				header.Get("Content-Type") != "application/json" || header.Get("Goalcast-Delivery") == "" {
				t.Errorf("call %d: %v", i, header)
			}
		}
	})
}

// Redis is away, which is what the alarm may be about: the call is made all the same.
func TestWebhookWithoutTheQueue(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		h := &hook{wake: make(chan struct{}, 1)}
		server := httptest.NewServer(h)
		defer server.Close()
		w := newTower(t, db, watch.Config{Webhook: server.URL})
		w.happens(fixture(1, ""))
		w.err = goalcast.ErrUnavailable
		w.now = kickoff.Add(10 * minute)
		if err := w.Check(t.Context()); !errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		h.until(t, "opened not_started:7")
		server.Close()
		w.happens(fixture(2, goalcast.Postponed))
		if err := w.Check(t.Context()); !errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("%v", err)
		}
		if w.log.count("alarm webhook") < 2 || w.log.count(server.URL) != 0 {
			t.Error("a call that fails is not told, or told with its URL")
		}
	})
}

func TestJobThatDoesNotSucceed(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.Store) {
		const every = 20 * time.Millisecond
		w := newTower(t, db, watch.Config{JobStale: time.Millisecond}) // less than three periods: these count
		jobs := store.NewJobs(db, store.JobOptions{Lease: time.Second}, slog.New(slog.DiscardHandler),
			prometheus.NewRegistry())
		var good atomic.Bool
		jobs.Add("pull", every, func(context.Context) error {
			if good.Load() {
				return nil
			}
			return errors.New("nobody there")
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- jobs.Run(ctx) }()
		await := func(what string, want func(open []goalcast.Alarm) bool) {
			t.Helper()
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(every) {
				w.mu.Lock()
				w.now = time.Now()
				w.mu.Unlock()
				if err := w.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				open, err := w.Alarms(t.Context(), goalcast.AlarmFilter{Open: true})
				if err != nil || time.Now().After(deadline) {
					t.Fatalf("%s: %v, %v", what, open, err)
				}
				if want(open) {
					return
				}
			}
		}
		await("the alarm", func(open []goalcast.Alarm) bool {
			return len(open) == 1 && open[0].Name == "job_stale:pull" && open[0].Kind == goalcast.AlarmJobStale &&
				strings.Contains(open[0].Text, `"pull", every 20ms`)
		})
		good.Store(true)
		await("its end", func(open []goalcast.Alarm) bool { return len(open) == 0 })
		good.Store(false)
		await("the alarm again", func(open []goalcast.Alarm) bool { return len(open) == 1 })
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		await("nobody does the job any more", func(open []goalcast.Alarm) bool { return len(open) == 0 })
		jobsNow, err := db.Jobs(t.Context())
		if err != nil || len(jobsNow) != 1 {
			t.Fatal(jobsNow, err)
		}
		w.at(jobsNow[0].Succeeded.Sub(kickoff) + 3*every - time.Millisecond) // not yet
	})
}

// A step that is held is an alarm as long as it is.
func TestStepThatIsHeld(t *testing.T) {
	t.Parallel()
	db, err := store.Open(t.Context(), "sqlite::memory:", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := "document 9 says that the match has not begun"
	w := newTower(t, db, watch.Config{Silent: -1, NotStarted: -1, Held: func(rec goalcast.MatchRecord) string {
		if rec.Snapshot.ID != 7 {
			t.Errorf("asked of match %d", rec.Snapshot.ID)
		}
		return text
	}})
	w.happens(goalcast.Event{ID: "match:7:fixture", Kind: goalcast.KindFixture,
		Fixture: &goalcast.Fixture{Kickoff: kickoff.Add(-time.Hour)}})
	for _, want := range []int{1, 1, 0} {
		if want == 0 {
			text = ""
		}
		if err := w.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		open, err := w.Alarms(t.Context(), goalcast.AlarmFilter{Open: true, Kind: goalcast.AlarmHeld})
		if err != nil || len(open) != want || want > 0 && (open[0].Name != "step_held:7" ||
			!strings.HasSuffix(open[0].Text, text)) {
			t.Errorf("%+v, %v, want %d", open, err, want)
		}
	}
}
