package bus

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/store/bus/bustest"
)

const patience = bustest.Patience

// rig is a bus on a Redis server, and who listens to it.
type rig struct {
	t     testing.TB
	redis *Redis
	bus   *Bus
}

func newRig(t testing.TB, url string, options Options) *rig {
	t.Helper()
	r, err := OpenRedis(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{t, r, New(r, options, testLog(t), prometheus.NewRegistry())}
}

// listen listens, and waits until the stream is live.
func (r *rig) listen() *bustest.Recorder {
	r.t.Helper()
	return bustest.RecordLive(r.t, r.bus.Listen)
}

// publish publishes events that nothing is missing before, as far as the bus knows.
func (r *rig) publish(events ...goalcast.Event) {
	r.t.Helper()
	if _, held, err := r.bus.Publish(r.t.Context(), events); err != nil || len(held) > 0 {
		r.t.Fatal(held, err)
	}
}

// publishAll publishes whatever is missing.
func (r *rig) publishAll(events ...goalcast.Event) {
	r.t.Helper()
	must(r.t, r.bus.PublishAll(r.t.Context(), events))
}

// insist publishes until it succeeds: Redis is coming back.
func (r *rig) insist(events ...goalcast.Event) {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := r.bus.PublishAll(r.t.Context(), events)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// goals are events of a match with Seq from to to.
func goals(match goalcast.MatchID, from, to int64) (list []goalcast.Event) {
	for seq := from; seq <= to; seq++ {
		list = append(list, goalcast.Event{ID: fmt.Sprintf("test:%d:%d", match, seq), Revision: 1,
			Status: goalcast.Confirmed,
			Kind:   goalcast.KindGoal, Seq: seq, Match: match, Topics: []goalcast.Topic{goalcast.ForMatch(match),
				goalcast.ForTeam(1)},
			Team: 1, Period: goalcast.FirstHalf, Minute: int(seq), Goal: &goalcast.Goal{Type: goalcast.OpenPlay}})
	}
	return list
}

// message is an editor's message.
func message(id, body string) goalcast.Event {
	return goalcast.Event{ID: id, Revision: 1, Status: goalcast.Confirmed, Kind: goalcast.KindMessage,
		Topics: []goalcast.Topic{goalcast.ForTeam(1)}, Message: json.RawMessage(body)}
}

func sequence(from, to int64) (list []int64) {
	for ; from <= to; from++ {
		list = append(list, from)
	}
	return list
}

// another is the bus as another process would have it.
func (r *rig) another() *rig {
	return &rig{r.t, r.redis, New(r.redis, r.bus.options, testLog(r.t), prometheus.NewRegistry())}
}

// testLog writes what went wrong to the test's output, and everything with GOALCAST_TEST_LOG set.
func testLog(t testing.TB) *slog.Logger {
	level := slog.LevelError
	if os.Getenv("GOALCAST_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

// quiet is for tests that provoke errors which are logged.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
