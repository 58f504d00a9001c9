package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"goalcast"
	"goalcast/notify/apns"
	"goalcast/notify/apns/apnstest"
	"goalcast/notify/live"
	"goalcast/store"
)

// patience is how long a test waits for what has to come.
const patience = 2 * time.Minute

// rig is a runner on a real database, and the Apple that it speaks to.
type rig struct {
	t      *testing.T
	url    string
	key    []byte
	fake   *apnstest.Server
	apple  string
	db     *store.Store
	leases live.Leases
	runner *live.Runner
	reg    *prometheus.Registry
}

// alone is the only process there is: it need not wait until the lease of a killed one ends.
type alone struct{}

func (alone) Hold(ctx context.Context, _ string, run func(context.Context, int64) error) error {
	return run(ctx, 1)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, url: "sqlite:" + filepath.Join(t.TempDir(), "live.db"), reg: prometheus.NewRegistry()}
	r.fake, r.key = apnstest.New()
	server := r.fake.ServeClear()
	t.Cleanup(server.Close)
	r.apple = server.URL
	r.db = openStore(t.Context(), t, r.url)
	return r
}

func openStore(ctx context.Context, t *testing.T, url string) *store.Store {
	t.Helper()
	db, err := store.Open(ctx, url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return db
}

func (r *rig) newRunner(cfg live.Config) *live.Runner {
	r.t.Helper()
	client, err := apns.New(apns.Config{Key: r.key, KeyID: apnstest.KeyID, TeamID: apnstest.TeamID,
		BundleID: apnstest.BundleID, Endpoint: r.apple}, r.reg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(client.Close)
	log := slog.New(slog.DiscardHandler)
	if r.leases == nil {
		r.leases = store.NewLeases(r.db, log)
	}
	return live.New(cfg, r.db, client, r.leases, log, r.reg)
}

// run runs a runner until the test ends, or until it is stopped.
func (r *rig) run(cfg live.Config) (stop func()) {
	r.t.Helper()
	r.runner = r.newRunner(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = r.runner.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// quick are limits with which a match is soon told and over. They sweep once only, which deletes
// nothing: sweeps in a row may take a channel for nobody's that a slow machine takes long to keep.
var quick = live.Config{Look: 100 * time.Millisecond, Sweep: time.Hour, Keep: 300 * time.Millisecond,
	Pause: 300 * time.Millisecond}

// sweeping are limits with which channels of nobody soon go, too.
var sweeping = live.Config{Look: quick.Look, Sweep: 100 * time.Millisecond, Keep: quick.Keep, Pause: quick.Pause}

// happen adds an event to a match, after its fixture.
func (r *rig) happen(id goalcast.MatchID, e goalcast.Event) {
	r.t.Helper()
	happen(r.t, r.db, id, e)
	if r.runner != nil {
		r.runner.Wake(id)
	}
}

func happen(t *testing.T, db *store.Store, id goalcast.MatchID, e goalcast.Event) {
	t.Helper()
	err := db.UpdateMatch(t.Context(), id, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		e.Match, e.Seq, e.Revision, e.Status = id, rec.Snapshot.Seq+1, 1, goalcast.Confirmed
		e.ID = fmt.Sprintf("test:%d:%d", id, e.Seq)
		e.Topics = []goalcast.Topic{goalcast.ForMatch(id)}
		e.Times.Received = time.Now().UnixMilli()
		rec.Snapshot = goalcast.Apply(rec.Snapshot, e)
		score := rec.Snapshot.Score
		e.Score = &score
		return rec, []goalcast.Event{e}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func fixture(kickoff time.Time) goalcast.Event {
	return goalcast.Event{Kind: goalcast.KindFixture, Fixture: &goalcast.Fixture{Kickoff: kickoff,
		Competition: goalcast.Competition{ID: 23, Name: "Eredivisie der Dromen"},
		Home:        goalcast.Team{ID: 1, Name: "Noordzand"}, Away: goalcast.Team{ID: 2, Name: "Eikendal"}}}
}

func begins(p goalcast.Period) goalcast.Event {
	return goalcast.Event{Kind: goalcast.KindPeriod, Period: p, At: time.Now().UTC()}
}

func goal() goalcast.Event {
	return goalcast.Event{Kind: goalcast.KindGoal, Period: goalcast.FirstHalf, Minute: 3, Team: 1,
		Goal: &goalcast.Goal{Type: goalcast.OpenPlay}}
}

// wait waits until something is so.
func (r *rig) wait(what string, so func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for !so() {
		if time.Now().After(deadline) {
			r.t.Fatalf("not in time: %s; violations %v", what, r.fake.Violations())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// kept are the channels in the database.
func (r *rig) kept() []goalcast.LiveChannel {
	r.t.Helper()
	list, err := r.db.LiveChannels(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// channel waits for the match's channel.
func (r *rig) channel() string {
	r.t.Helper()
	r.wait("a channel", func() bool { return len(r.kept()) == 1 && len(r.fake.Channels()) == 1 })
	return r.kept()[0].ID
}

// shows waits until phones show a state with this text in it.
func (r *rig) shows(channel, text string) {
	r.t.Helper()
	r.wait("phones show "+text, func() bool { return strings.Contains(string(r.fake.Screen(channel).State), text) })
}

func (r *rig) metric(name string) (value float64) {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.Metric {
				value += valueOf(m)
			}
		}
	}
	return value
}

func valueOf(m *dto.Metric) float64 { return m.GetGauge().GetValue() + m.GetCounter().GetValue() }

func (r *rig) clean() {
	r.t.Helper()
	if v := r.fake.Violations(); len(v) > 0 {
		r.t.Errorf("violations: %v", v)
	}
}

const (
	phone     = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	deadPhone = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
)

// A match from its channel to the end: phones are started once, show each goal, at most one push a
// second is sent however much happens, and nothing is left.
func TestMatchFromBeforeKickoffToTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fake.Interval = time.Second
	ctx := t.Context()
	for token, phone := range map[string]string{"token-of-one-phone": phone, "token-of-a-dead-one": deadPhone,
		"token-of-an-android": ""} {
		user := goalcast.UserID(token)
		if err := r.db.SaveDevice(ctx, goalcast.Device{Token: token, User: user, Platform: "ios", Language: "nl",
			LiveToken: phone}); err != nil {
			t.Fatal(err)
		}
		for _, topic := range []goalcast.Topic{goalcast.ForMatch(7), goalcast.ForTeam(1)} {
			if err := r.db.Follow(ctx, user, topic); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.fake.Remove(deadPhone)
	r.happen(7, fixture(time.Now().Add(time.Hour)))
	r.happen(8, fixture(time.Now().Add(48*time.Hour))) // not soon
	began := time.Now()
	r.run(quick)
	channel := r.channel()
	r.shows(channel, `"scheduled"`)

	r.happen(7, begins(goalcast.FirstHalf))
	r.wait("the phone is started", func() bool { return len(r.fake.Device(phone)) > 0 })
	start := r.fake.Device(phone)[0]
	if start.Channel != channel || start.Type != live.AttributesType || start.Title != "Noordzand – Eikendal" ||
		!strings.Contains(string(start.State), `"first_half"`) || start.Stale == 0 || start.Priority != 10 {
		t.Errorf("%+v", start)
	}
	for range 30 {
		r.happen(7, goal())
	}
	r.shows(channel, `"home":30`)
	pushes := r.fake.Pushes(channel)
	if n, took := len(pushes), time.Since(began); n > 1+int(took/time.Second) {
		t.Errorf("%d pushes in %v", n, took)
	}
	if last := pushes[len(pushes)-1]; last.Priority != 10 || last.Event != "update" || last.Expires == 0 {
		t.Errorf("%+v", last)
	}
	r.happen(7, begins(goalcast.FullTime))
	r.wait("the end", func() bool { return r.fake.Screen(channel).Ended || len(r.fake.Channels()) == 0 })
	r.wait("nothing is left", func() bool { return len(r.fake.Channels()) == 0 && len(r.kept()) == 0 })
	if n := len(r.fake.Device(phone)); n != 1 {
		t.Errorf("the phone was started %d times", n)
	}
	if list, err := r.db.LiveAudience(ctx, []goalcast.Topic{goalcast.ForMatch(7)}, 0, 10); err != nil ||
		len(list) != 1 || list[0].Token != phone {
		t.Errorf("dead tokens are kept: %d, %v", len(list), err)
	}
	r.clean()
}

func TestPushServiceThatFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.happen(7, fixture(time.Now()))
	r.happen(7, begins(goalcast.FirstHalf))
	r.run(quick)
	channel := r.channel()
	r.shows(channel, `"home":0`)

	// Busy: what waits is replaced by what is newer.
	broadcast := "POST /4/broadcasts/apps/" + apnstest.BundleID
	before := len(r.fake.Pushes(channel))
	r.fake.Fail(broadcast, apnstest.TooManyRequests(2*time.Second), apnstest.Internal())
	r.happen(7, goal())
	r.happen(7, goal())
	r.happen(7, goal())
	r.shows(channel, `"home":3`)
	if n := len(r.fake.Pushes(channel)) - before; n > 2 {
		t.Errorf("%d pushes", n)
	}
	// The answer is lost: it is sent again, which phones leave out or show, as new as it is.
	r.fake.Fail(broadcast, apnstest.LostAnswer())
	r.happen(7, goal())
	r.shows(channel, `"home":4`)
	// The channel is gone: there is another one.
	r.fake.Drop(channel)
	r.happen(7, goal())
	r.wait("another channel", func() bool { return len(r.fake.Channels()) == 1 && len(r.kept()) == 1 })
	channel = r.channel()
	r.shows(channel, `"home":5`)

	// Denied: an alarm, and no request until the pause is over.
	denied := make([]apnstest.Failure, 2)
	for i := range denied {
		denied[i] = apnstest.Failure{Status: 403, Reason: "InvalidProviderToken"}
	}
	r.fake.Fail("", denied...)
	r.happen(7, goal())
	r.wait("the alarm", func() bool { return r.metric("goalcast_live_denied") == 1 })
	r.shows(channel, `"home":6`)
	r.wait("no alarm", func() bool { return r.metric("goalcast_live_denied") == 0 })
	r.clean()
}

// Channels that are nobody's go: at Apple only, in the database only, of matches that moved.
func TestOrphansAreSwept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	client, err := apns.New(apns.Config{Key: r.key, KeyID: apnstest.KeyID, TeamID: apnstest.TeamID,
		BundleID: apnstest.BundleID, Endpoint: r.apple}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.CreateChannel(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	gone := goalcast.LiveChannel{Service: live.Apple, ID: "AAAAAAAAAAAAAAAAAAAAAA==", Match: 9, Created: time.Now()}
	if _, err := r.db.AddLiveChannel(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	r.happen(7, fixture(time.Now().Add(time.Hour)))
	r.run(sweeping)
	channel := r.channel()
	r.wait("one channel on both sides", func() bool {
		kept, there := r.kept(), r.fake.Channels()
		return len(kept) == 1 && len(there) == 1 && kept[0].ID == there[0] && kept[0].Match == 7
	})
	if kept := r.kept(); kept[0].ID != channel && channel != gone.ID {
		t.Errorf("the match has another channel")
	}
	err = r.db.UpdateMatch(t.Context(), 7, func(rec goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		e := fixture(time.Now().Add(72 * time.Hour))
		e.Match, e.Seq, e.Revision, e.Status, e.ID = 7, rec.Snapshot.Seq+1, 2, goalcast.Confirmed, "test:7:1"
		e.Topics = []goalcast.Topic{goalcast.ForMatch(7)}
		rec.Snapshot = goalcast.Apply(rec.Snapshot, e)
		return rec, []goalcast.Event{e}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.wait("no channel for a match that moved", func() bool {
		return len(r.fake.Channels()) == 0 && len(r.kept()) == 0
	})
	r.clean()
}

// matches is how many have a channel in the test that kills.
const matches = 200

// The process is killed at each point of the way of a channel, again and again: in the end no
// channel is left at Apple or in the database, and each match was told to its end. The test runs
// itself as the process that is killed.
func TestKilledProcessLeavesNoOrphan(t *testing.T) {
	const key = "LIVE_TEST_RUN"
	if text := os.Getenv(key); text != "" {
		runUntilKilled(t, text)
		return
	}
	r := newRig(t)
	var mu sync.Mutex
	told := map[string]bool{} // channels on which the end was told
	r.fake.Taken = func(channel string, p apnstest.Push) {
		mu.Lock()
		defer mu.Unlock()
		told[channel] = told[channel] || p.Event == live.End
	}
	for id := range goalcast.MatchID(matches) {
		r.happen(id+1, fixture(time.Now().Add(time.Hour)))
	}
	kill := func(point string, nth int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledProcessLeavesNoOrphan$")
		child, err := json.Marshal(childRun{r.url, r.apple, r.key, point, nth})
		if err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(os.Environ(), key+"="+string(child))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("not killed at %s:%d: %v\n%s", point, nth, err, out)
		}
	}
	kill("created", 50)
	kill("created", 1)
	kill("added", 60)
	for id := range goalcast.MatchID(matches) {
		r.happen(id+1, begins(goalcast.FirstHalf))
	}
	kill("stamped", 70)
	kill("sent", 70)
	// What has no channel at full time gets none any more.
	r.leases = alone{}
	stop := r.run(quick)
	r.wait("a channel for each match", func() bool { return len(r.kept()) == matches })
	stop()
	r.runner, r.reg = nil, prometheus.NewRegistry()
	for id := range goalcast.MatchID(matches) {
		r.happen(id+1, begins(goalcast.FullTime))
	}
	kill("deleted", 30)
	kill("deleted", 30)

	r.run(sweeping)
	r.wait("nothing is left", func() bool { return len(r.fake.Channels()) == 0 && len(r.kept()) == 0 })
	_, created, deleted := r.fake.Counts()
	mu.Lock()
	defer mu.Unlock()
	ends := 0
	for _, end := range told {
		if end {
			ends++
		}
	}
	if ends != matches {
		t.Errorf("%d channels were told the end of their match, want %d", ends, matches)
	}
	if created != deleted {
		t.Errorf("%d channels were created, %d deleted", created, deleted)
	}
	r.clean()
}

// childRun is what the process that is killed has to know.
type childRun struct {
	Store, Apple string
	Key          []byte
	Point        string
	Nth          int
}

func runUntilKilled(t *testing.T, text string) {
	var c childRun
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, url: c.Store, apple: c.Apple, key: c.Key, reg: prometheus.NewRegistry()}
	r.db = openStore(t.Context(), t, c.Store)
	cfg := sweeping
	var mu sync.Mutex
	cfg.Fault = func(point string) {
		mu.Lock()
		defer mu.Unlock()
		if point != c.Point {
			return
		}
		if c.Nth--; c.Nth == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r.leases = alone{}
	_ = r.newRunner(cfg).Run(ctx)
	t.Fatal("not killed at " + c.Point + ":" + strconv.Itoa(c.Nth))
}
