package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify/apns/apnstest"
	"goalcast/notify/fcm"
	"goalcast/notify/fcm/fcmtest"
	"goalcast/notify/live"
	"goalcast/store"
)

const (
	project = "bank"
	android = "token-of-an-android"
)

// google is the Firebase that Android phones hear.
type google struct {
	*fcmtest.Server
	t      *testing.T
	sender *fcm.Sender
}

func newGoogle(t *testing.T) *google {
	t.Helper()
	g := &google{Server: &fcmtest.Server{Project: project}, t: t}
	server := httptest.NewServer(g.Server)
	t.Cleanup(server.Close)
	sender, err := fcm.New(t.Context(), fcm.Config{ProjectID: project, Endpoint: server.URL + "/v1"},
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	g.sender = sender
	return g
}

// run runs a runner for Firebase until the test ends, or until it is stopped.
func (g *google) run(r *rig, cfg live.Config) (runner *live.Runner, stop func()) {
	g.t.Helper()
	log := slog.New(slog.DiscardHandler)
	runner = live.New(cfg, r.db, fcm.NewLive(g.sender, "live"), store.NewLeases(r.db, log), log,
		prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { _ = runner.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); all.Wait() })
	g.t.Cleanup(stop)
	return runner, stop
}

// screen is what an app makes of the messages it got: the newest by their time, whatever order they
// came in.
func (g *google) screen() (newest fcmtest.Delivery) {
	at := int64(-1)
	for _, d := range g.Data(android) {
		if t, err := strconv.ParseInt(d.Data["timestamp"], 10, 64); err == nil && t > at {
			newest, at = d, t
		}
	}
	return newest
}

func (g *google) shows(r *rig, text string) {
	g.t.Helper()
	r.wait("an Android phone shows "+text, func() bool {
		return strings.Contains(g.screen().Data["content-state"], text)
	})
}

func (g *google) clean() {
	g.t.Helper()
	if v := g.Violations(); len(v) > 0 {
		g.t.Errorf("violations: %v", v)
	}
}

// Both services move the same matches, with the same states, and what one of them does not take for
// an hour holds up the other no more than the other way round.
func TestServicesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	r, g := newRig(t), newGoogle(t)
	g.Subscribe(android, "live.7")
	g.Subscribe("another", "live.8")
	for _, id := range []goalcast.MatchID{7, 8} {
		r.happen(id, fixture(time.Now()))
		r.happen(id, begins(goalcast.FirstHalf))
	}
	firebase, _ := g.run(r, quick)
	r.run(quick)
	r.wait("channels and topics", func() bool { return len(r.kept()) == 4 })
	kept := r.kept()
	for i, c := range kept {
		want := []string{live.Apple, "fcm:" + project}[i%2]
		if c.Service != want || c.Match != goalcast.MatchID(7+i/2) ||
			want != live.Apple && c.ID != fmt.Sprint("live.", c.Match) {
			t.Fatalf("%+v", kept)
		}
	}
	seven, eight := kept[0].ID, kept[2].ID
	scored := func(id goalcast.MatchID) {
		r.happen(id, goal())
		firebase.Wake(id)
	}
	for _, channel := range []string{seven, eight} {
		r.shows(channel, `"home":0`)
	}
	r.wait("both topics", func() bool { return len(g.Data(android)) > 0 && len(g.Data("another")) > 0 })

	g.Fail("live.7", fcmtest.Unavailable(time.Hour))
	scored(7)
	r.shows(seven, `"home":1`)
	r.wait("Firebase is asked", func() bool { return g.Requests() == 3 })
	scored(7)
	r.shows(seven, `"home":2`)

	r.fake.Fail("POST /4/broadcasts/apps/"+apnstest.BundleID, apnstest.TooManyRequests(time.Hour))
	scored(8)
	home := func(n int) bool {
		all := g.Data("another")
		return strings.Contains(all[len(all)-1].Data["content-state"], fmt.Sprintf(`"home":%d`, n))
	}
	r.wait("the goal on Android", func() bool { return home(1) })
	r.wait("Apple is asked", func() bool { return r.metric("goalcast_live_errors_total") > 0 })
	scored(8)
	r.wait("the next one too", func() bool { return home(2) })
	if s := r.fake.Screen(eight).State; !strings.Contains(string(s), `"home":0`) || len(g.Data(android)) != 1 {
		t.Errorf("what failed got through: %s, %d", s, len(g.Data(android)))
	}

	// Apps are told of both.
	known := live.NewChannels(r.db, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = known.Run(ctx) })
	defer all.Wait()
	defer cancel()
	r.wait("both are known", func() bool {
		channel, topic := known.LiveChannel(7)
		return channel == seven && topic == "live.7"
	})
	r.clean()
	g.clean()
}

// A match on Android phones from its start to its end: what they get and how, whatever fails, and
// through which process.
func TestMatchByTopic(t *testing.T) {
	t.Parallel()
	r, g := newRig(t), newGoogle(t)
	g.Subscribe(android, "live.7")
	g.Subscribe("another", "live.8")
	r.happen(7, fixture(time.Now().Add(time.Hour)))
	fresh := quick
	fresh.Fresh = 500 * time.Millisecond // what is not repeated to topics
	fresh.Keep = time.Minute
	began := time.Now()
	_, stop := g.run(r, fresh)
	g.shows(r, `"scheduled"`)
	r.happen(7, begins(goalcast.FirstHalf))
	g.shows(r, `"first_half"`)
	if d := g.screen(); d.High || !d.DataOnly || d.Collapse != "live:7" || d.Topic != "live.7" ||
		d.Data["kind"] != "live" || d.Data["event"] != live.Update || d.Data["match"] != "7" ||
		d.TTL < live.MaxAge-time.Hour || len(d.Data) != 5 {
		t.Errorf("%+v", d)
	}
	var state live.State
	if err := json.Unmarshal([]byte(g.screen().Data["content-state"]), &state); err != nil ||
		state.Period != goalcast.FirstHalf {
		t.Errorf("%+v, %v", state, err)
	}
	for range 20 {
		r.happen(7, goal())
	}
	g.shows(r, `"home":20`)
	if d := g.screen(); !d.High {
		t.Errorf("a goal waits: %+v", d)
	}
	sent := g.Data(android)
	if n, took := len(sent), time.Since(began); n > 1+int(took/time.Second) {
		t.Errorf("%d messages in %v", n, took)
	}
	for i, d := range sent[1:] {
		if d.Data["timestamp"] <= sent[i].Data["timestamp"] {
			t.Errorf("%s after %s", d.Data["timestamp"], sent[i].Data["timestamp"])
		}
		if d.Data["content-state"] == sent[i].Data["content-state"] {
			t.Error("a state is sent twice")
		}
	}

	// A process that takes over tells what happened meanwhile, and only the newest.
	stop()
	for range 2 {
		r.happen(7, goal())
	}
	g.TurnOff(android)
	g.Fail("live.7", fcmtest.Internal())
	before := len(g.Deliveries())
	second, stop := g.run(r, fresh)
	r.wait("the state is sent", func() bool { return len(g.Deliveries()) > before })

	// The account is refused: nothing is sent until the pause is over, then the newest. A phone
	// that was off gets that alone.
	g.Fail("live.7", fcmtest.NoPermission())
	r.happen(7, begins(goalcast.FullTime))
	second.Wake(7)
	r.wait("the end", func() bool { return len(g.Deliveries()) == before+2 })
	g.TurnOn(android)
	if d := g.screen(); len(g.Data(android)) != len(sent)+1 || d.Data["event"] != live.End || !d.High ||
		!strings.Contains(d.Data["content-state"], `"home":22`) ||
		!strings.Contains(d.Data["content-state"], `"finished"`) || d.TTL > time.Minute {
		t.Errorf("%d messages after %d, newest %+v", len(g.Data(android)), len(sent), d)
	}
	stop()
	g.run(r, quick)
	r.wait("nothing is left", func() bool { return len(r.kept()) == 0 })
	if d := g.Data("another"); len(d) > 0 {
		t.Errorf("another match's phones got %+v", d)
	}
	g.clean()
}
