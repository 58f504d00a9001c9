package notify_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/notify"
	"goalcast/notify/fcm"
	"goalcast/notify/fcm/fcmtest"
	"goalcast/store"
	"goalcast/store/bus"
)

var (
	_ notify.Store  = (*store.Store)(nil)
	_ notify.Queue  = (*bus.Queue)(nil)
	_ notify.Sender = (*fcm.Sender)(nil)
)

// TestMain lets more tests run at once than there are processors: they wait, most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m,
		// a module of Google's SDK starts it
		goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"),
		// of a closed pool whose server is away: ends within a second
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}

// world is all that a notifier stands on, for one test: a real database, a real queue in a real
// Redis, and a Firebase.
type world struct {
	t        *testing.T
	store    *store.Store
	redisURL string
	redis    *bus.Redis
	fcm      *fcmtest.Server
	sender   *fcm.Sender
	log      *slog.Logger

	mu  sync.Mutex
	seq int64
}

// onBoth runs a test on both databases, beside others.
func onBoth(t *testing.T, test func(*testing.T, *world)) {
	t.Parallel()
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, world(t))
		})
	}
}

// inTurn runs a test on both databases, beside no other: it measures, waits for what ends within a
// second, or works hard.
func inTurn(t *testing.T, test func(*testing.T, *world)) {
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) { test(t, world(t)) })
	}
}

var worlds = map[string]func(*testing.T) *world{
	"sqlite": func(t *testing.T) *world {
		return newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "goalcast.db"), testservers.Redis(t))
	},
	"postgres": func(t *testing.T) *world { return newWorld(t, testservers.Postgres(t), testservers.Redis(t)) },
}

func newWorld(t *testing.T, url, redisURL string) *world {
	t.Helper()
	level := slog.LevelError + 1 // pushes that fail on purpose are logged as errors
	if os.Getenv("GOALCAST_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	w := &world{t: t, redisURL: redisURL, fcm: &fcmtest.Server{},
		log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))}
	var err error
	if w.store, err = store.Open(t.Context(), url, w.log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	if err := w.store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.redis, err = bus.OpenRedis(redisURL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.redis.Close() })
	server := httptest.NewServer(w.fcm)
	t.Cleanup(server.Close)
	w.sender, err = fcm.New(t.Context(), fcm.Config{ProjectID: "demo", Endpoint: server.URL + "/v1"}, w.log,
		prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.sender.Close)
	t.Cleanup(func() {
		if v := w.fcm.Violations(); len(v) > 0 {
			t.Errorf("Firebase says: %v", v)
		}
	})
	w.commit(fixture(1, "Noordzand", "Val-Rouge"))
	return w
}

func fixture(revision int, home, away string) goalcast.Event {
	return goalcast.Event{ID: "match:900:fixture", Revision: revision, Kind: goalcast.KindFixture,
		Fixture: &goalcast.Fixture{
			Competition: goalcast.Competition{ID: 5, Name: "Harbour League"}, Home: goalcast.Team{ID: 1, Name: home},
			Away:    goalcast.Team{ID: 2, Name: away},
			Kickoff: time.Now().Add(-30 * time.Minute)}}
}

var templates = sync.OnceValues(notify.LoadTemplates)

// running is a notifier and its queue, in a process of their own as it were.
type running struct {
	*notify.Notifier
	canary  *notify.Canary
	metrics *prometheus.Registry
	stop    func()
}

// run starts a notifier. Its parts may be replaced: nil is the real one.
func (w *world) run(cfg notify.Config, db notify.Store, queue notify.Queue) *running {
	w.t.Helper()
	if cfg.Poll == 0 {
		cfg.Poll = 50 * time.Millisecond
	}
	reg := prometheus.NewRegistry()
	q := bus.NewQueue(w.redis, bus.QueueOptions{}, w.log, reg)
	if db == nil {
		db = w.store
	}
	if queue == nil {
		queue = q
	}
	var err error
	if cfg.Templates, err = templates(); err != nil {
		w.t.Fatal(err)
	}
	cfg.Canary = notify.NewCanary(w.log, reg)
	n := notify.New(cfg, db, queue, w.sender, w.log, reg)
	q.Handle(notify.TaskBatch, n.Batch)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, part := range []func(context.Context) error{n.Run, q.Run} {
		wg.Go(func() {
			if err := part(ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.t.Error(err)
			}
		})
	}
	stop := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	w.t.Cleanup(stop)
	return &running{n, cfg.Canary, reg, stop}
}

// value reads a counter, a gauge, or how often a histogram observed: without a label the first of
// them, else the sum of all that have a label of that value.
func (r *running) value(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.Metric {
			has := func(l *dto.LabelPair) bool { return l.GetValue() == label }
			if label == "" || slices.ContainsFunc(m.Label, has) {
				sum += float64(m.GetHistogram().GetSampleCount()) + m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
			if label == "" {
				return sum
			}
		}
	}
	return sum
}

// commit puts a revision into the match and the outbox, as ingest does.
func (w *world) commit(events ...goalcast.Event) []goalcast.Event {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []goalcast.Event
	err := w.store.UpdateMatch(w.t.Context(), 900, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		out = nil
		for i, e := range events {
			e.Match, e.Topics = 900, []goalcast.Topic{goalcast.ForMatch(900), goalcast.ForTeam(1), goalcast.ForTeam(2),
				goalcast.ForCompetition(5)}
			e.Revision, e.Seq = max(1, e.Revision), w.seq+int64(i)+1
			if e.Status == "" {
				e.Status = goalcast.Confirmed
			}
			if e.Times.Received == 0 {
				e.Times.Received = time.Now().UnixMilli()
			}
			e.SetClock()
			r.Snapshot = goalcast.Apply(r.Snapshot, e)
			score := r.Snapshot.Score
			e.Score = &score
			out = append(out, e)
		}
		return r, out, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.seq += int64(len(events))
	return out
}

// goal commits the first revision of a goal that was scored just now.
func (w *world) goal(id string) goalcast.Event {
	w.t.Helper()
	return w.commit(goalcast.Event{ID: id, Kind: goalcast.KindGoal, Team: 1, Period: goalcast.FirstHalf, Minute: 27,
		At:   time.Now().UTC(),
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay}, Player: &goalcast.Player{ID: 11, Name: "Joris Wuyts"}})[0]
}

// revise commits the next revision of an event.
func (w *world) revise(e goalcast.Event, change func(*goalcast.Event)) goalcast.Event {
	w.t.Helper()
	e.Revision++
	e.Times = goalcast.Times{}
	change(&e)
	return w.commit(e)[0]
}

func cancelled(e *goalcast.Event) { e.Status = goalcast.Cancelled }

// user registers a device for a user of his own, who follows the topics.
func (w *world) user(token, platform, language string, topics ...goalcast.Topic) {
	w.t.Helper()
	user := goalcast.UserID("user of " + token)
	if err := w.store.SaveDevice(w.t.Context(), goalcast.Device{Token: token, User: user, Platform: platform,
		Language: language}); err != nil {
		w.t.Fatal(err)
	}
	for _, topic := range topics {
		if err := w.store.Follow(w.t.Context(), user, topic); err != nil {
			w.t.Fatal(err)
		}
	}
}

// fans registers n devices that follow the match.
func (w *world) fans(n int) {
	w.t.Helper()
	for i := range n {
		w.user(fmt.Sprint("fan", i), []string{"android", "ios", "web"}[i%3], "nl", goalcast.ForMatch(900))
	}
}

// eventually waits until the condition holds.
func (w *world) eventually(what string, condition func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not within 20 s: %s; delivered: %v", what, w.texts())
		}
	}
}

// idle waits until nothing is left to plan, to send or to try again.
func (w *world) idle() {
	w.t.Helper()
	w.eventually("nothing left to do", func() bool {
		b, err := w.store.PushBacklog(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		return b == goalcast.PushBacklog{}
	})
}

// texts are the titles that devices got, in order, as "token: title".
func (w *world) texts() []string {
	var out []string
	for _, d := range w.fcm.Deliveries() {
		out = append(out, d.Token+": "+d.Title)
	}
	return out
}

// perDevice counts the deliveries of each device.
func (w *world) perDevice() map[string]int {
	out := map[string]int{}
	for _, d := range w.fcm.Deliveries() {
		out[d.Token]++
	}
	return out
}
