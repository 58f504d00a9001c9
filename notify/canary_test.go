package notify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
)

// A dry run is counted by what Firebase answers, and shows on no phone.
func TestCanary(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	n := w.run(notify.Config{}, nil, nil)
	n.canary.Run(t.Context())
	w.fcm.Fail("", fcmtest.Internal()) // of pushes only
	n.canary.Run(t.Context())
	want := map[string]float64{"ok": 2}
	for reason, f := range map[string]fcmtest.Failure{
		"credentials": fcmtest.NoPermission(), "not_found": fcmtest.NoSuchProject(),
		"quota_exceeded": fcmtest.QuotaExceeded(time.Hour), "unavailable": fcmtest.Unavailable(time.Hour),
		"internal": fcmtest.Internal(), "no_answer": {Drop: true}, "invalid_argument": fcmtest.InvalidArgument(),
	} {
		w.fcm.Fail(fcmtest.DryRun, f)
		n.canary.Run(t.Context())
		want[reason] = 1
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	n.canary.Run(ended) // is not counted
	total := 0.0
	for result, count := range want {
		total += count
		if got := n.value(t, "goalcast_notify_canary_total", result); got != count {
			t.Errorf("%s: counted %f", result, got)
		}
	}
	if got := n.value(t, "goalcast_notify_canary_seconds", ""); got != total {
		t.Errorf("timed %f of %f", got, total)
	}
	if w.fcm.DryRuns() != int(total) || w.fcm.Requests() != 0 || len(w.fcm.Deliveries()) != 0 {
		t.Errorf("%d dry runs, %d requests, delivered: %v", w.fcm.DryRuns(), w.fcm.Requests(), w.texts())
	}
}

// What a dry run learns stops no push and starts none, and no device is deleted for it.
func TestCanaryDisturbsNobody(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	const fans = 12
	w.fans(fans)
	w.prove(fans)
	n := w.run(notify.Config{}, nil, nil)
	for range 3 {
		w.fcm.Fail(fcmtest.DryRun, fcmtest.NoPermission())
		n.canary.Run(t.Context())
	}
	w.goal("opta:1")
	w.idle()
	w.once(fans)
	if n.value(t, "goalcast_notify_canary_total", "credentials") != 3 ||
		n.value(t, "goalcast_notify_stopped", "") != 0 {
		t.Error("a dry run stopped the pushes, or was not counted")
	}

	for i := range fans {
		for range 6 { // that is half a minute: the brake is pulled for longer each time
			w.fcm.Fail(fmt.Sprint("fan", i), fcmtest.NoPermission())
		}
	}
	w.goal("opta:2")
	w.eventually("sending stops", func() bool { return n.value(t, "goalcast_notify_stopped", "") == 1 })
	n.canary.Run(t.Context())
	if n.value(t, "goalcast_notify_canary_total", "ok") != 1 || n.value(t, "goalcast_notify_stopped", "") != 1 {
		t.Error("a dry run let go the brake, or was not made")
	}
	for i := range fans {
		user := goalcast.UserID(fmt.Sprint("user of fan", i))
		if devices, err := w.store.Devices(t.Context(), user); err != nil || len(devices) != 1 {
			t.Errorf("fan%d has %d devices, %v", i, len(devices), err)
		}
	}
}

// counts is a Limiter that lets nothing through.
type counts struct{ asked int }

func (c *counts) Wait(_ context.Context, n int) error {
	c.asked += n
	return errors.New("too much is waiting")
}

// A dry run is one of the messages that the rate limit is of.
func TestCanaryKeepsToTheRate(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	limiter := &counts{}
	n := w.run(notify.Config{Limiter: limiter}, nil, nil)
	n.canary.Run(t.Context())
	if limiter.asked != 1 || w.fcm.DryRuns() != 0 || n.value(t, "goalcast_notify_canary_total", "rate") != 1 {
		t.Errorf("asked for %d, %d dry runs", limiter.asked, w.fcm.DryRuns())
	}
}

// Where nothing is sent to phones there is nothing to look at, and no figure that an alert could
// be about.
func TestNoCanaryWithoutPhones(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	canary := notify.NewCanary(log, reg)
	notify.New(notify.Config{Canary: canary}, nil, nil, nil, log, reg)
	canary.Run(t.Context())
	if !canary.Empty() {
		t.Error("somebody is asked")
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "goalcast_notify_canary_total" {
			t.Error("counted")
		}
	}
}

// answers is a push service whose dry runs end as it says, once it is let go.
type answers struct {
	name   string
	result notify.Result
	letGo  chan struct{}
}

func (a answers) Service() string { return a.name }

func (a answers) DryRun(ctx context.Context) notify.Result {
	select {
	case <-a.letGo:
	case <-ctx.Done():
	}
	return a.result
}

// Each push service is asked and counted by itself.
func TestCanaryAsksEveryService(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	n := w.run(notify.Config{}, nil, nil)
	slow := answers{"apns", notify.Result{Outcome: notify.Denied, Reason: "no_key", Err: errDead}, make(chan struct{})}
	n.canary.Add(slow, nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.canary.Run(t.Context())
	}()
	w.eventually("Firebase answered", func() bool { return n.value(t, "goalcast_notify_canary_total", "ok") == 1 })
	close(slow.letGo)
	<-ended
	if got := n.value(t, "goalcast_notify_canary_total", "no_key"); got != 1 {
		t.Errorf("%v dry runs of the other", got)
	}
}
