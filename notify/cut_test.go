package notify_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify"
)

// cutting is a store that stops where an audience is cut further, for the time that it is asked to:
// until let through, or dead.
type cutting struct {
	notify.Store
	at      chan struct{} // takes one whenever an audience is about to be cut further
	through chan struct{} // closed: all may
	dies    bool          // nobody may: this process is dead
}

func (c *cutting) ExtendPush(ctx context.Context, event string,
	extend func(goalcast.PushRecord) (goalcast.PushRecord, []goalcast.PushBatch, error)) error {
	select {
	case c.at <- struct{}{}:
	default:
	}
	if c.dies {
		return errDead
	}
	select {
	case <-c.through:
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.Store.ExtendPush(ctx, event, extend)
}

// once fails the test unless every one of n fans was sent one push, and shows it.
func (w *world) once(n int) {
	w.t.Helper()
	got := w.perDevice()
	for i := range n {
		if token := fmt.Sprint("fan", i); got[token] != 1 || len(w.fcm.Phone(token)) != 1 {
			w.t.Errorf("%s got %d and shows %+v", token, got[token], w.fcm.Phone(token))
		}
	}
	if len(got) != n {
		w.t.Errorf("%d devices got something, want %d", len(got), n)
	}
}

func TestFirstAreSentWhileTheRestIsStillCut(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const fans = 24
		w.fans(fans)
		slow := &cutting{Store: w.store, at: make(chan struct{}, 1), through: make(chan struct{})}
		n := w.run(notify.Config{BatchSize: 4}, slow, nil)
		w.goal("opta:1")
		<-slow.at
		w.eventually("the first have it", func() bool { return len(w.fcm.Deliveries()) == 4 })
		if open, err := w.store.OpenPushes(t.Context(), time.Now().Add(time.Hour), 10); err != nil || len(open) != 1 {
			t.Errorf("open: %v, %v", open, err)
		}
		close(slow.through)
		w.idle()
		w.once(fans)
		if got := n.value(t, "goalcast_notify_batches_planned_total", ""); got != fans/4 {
			t.Errorf("%v batches", got)
		}
		if got := n.value(t, "goalcast_notify_audience_seconds", ""); got != 1 {
			t.Errorf("%v audiences measured", got)
		}
	})
}

func TestCrashWhileTheAudienceIsCut(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const fans = 21
		w.fans(fans)
		dead := &cutting{Store: w.store, at: make(chan struct{}, 1), dies: true}
		first := w.run(notify.Config{BatchSize: 3, Patience: time.Hour}, dead, nil)
		w.goal("opta:1")
		<-dead.at
		w.eventually("the first have it", func() bool { return len(w.fcm.Deliveries()) == 3 })
		first.stop()
		for range 3 { // each of them takes up what was left behind
			w.run(notify.Config{BatchSize: 3, Patience: time.Millisecond}, nil, nil)
		}
		w.idle()
		w.once(fans)
	})
}

func TestSeveralCutOneAudience(t *testing.T) {
	inTurn(t, func(t *testing.T, w *world) {
		const fans, goals = 24, 3
		w.fans(fans)
		for range 3 { // without patience: all are at the same audience
			w.run(notify.Config{BatchSize: 2, Patience: time.Nanosecond, Poll: 2 * time.Millisecond}, nil, nil)
		}
		for i := range goals {
			w.goal(fmt.Sprint("opta:", i))
		}
		w.idle()
		got := w.perDevice()
		for token, n := range got {
			if n != goals {
				t.Errorf("%s got %d", token, n)
			}
		}
		if len(got) != fans {
			t.Errorf("%d devices", len(got))
		}
	})
}

func TestGoalCancelledWhileItsAudienceIsCut(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.fans(20)
		slow := &cutting{Store: w.store, at: make(chan struct{}, 1), through: make(chan struct{})}
		n := w.run(notify.Config{BatchSize: 4}, slow, nil)
		e := w.goal("opta:1")
		<-slow.at
		w.eventually("the first have it", func() bool { return len(w.fcm.Deliveries()) == 4 })
		w.revise(e, cancelled)
		n.Wake()
		w.eventually("taken back", func() bool { return len(w.fcm.Deliveries()) == 8 })
		close(slow.through)
		w.idle()
		got := w.perDevice()
		if len(got) != 4 || w.fcm.Requests() != 8 {
			t.Errorf("delivered %v", w.texts())
		}
		for token := range got {
			if shown := w.fcm.Phone(token); len(shown) != 1 || shown[0].Data["kind"] != "goal_cancelled" {
				t.Errorf("%s shows %+v", token, shown)
			}
		}
	})
}

func TestGoalCorrectedWhileItsAudienceIsCut(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const fans = 20
		w.fans(fans)
		slow := &cutting{Store: w.store, at: make(chan struct{}, 1), through: make(chan struct{})}
		n := w.run(notify.Config{BatchSize: 4}, slow, nil)
		e := w.goal("opta:1")
		<-slow.at
		w.eventually("the first have it", func() bool { return len(w.fcm.Deliveries()) == 4 })
		w.revise(e, func(e *goalcast.Event) { e.Player = &goalcast.Player{ID: 12, Name: "Ilse Maes"} })
		n.Wake()
		w.eventually("corrected", func() bool { return len(w.fcm.Deliveries()) == 8 })
		close(slow.through)
		w.idle()
		for i := range fans {
			shown := w.fcm.Phone(fmt.Sprint("fan", i))
			if len(shown) != 1 || shown[0].Body != "Ilse Maes" ||
				shown[0].Silent != (w.perDevice()[shown[0].Token] == 2) {
				t.Errorf("fan%d shows %+v", i, shown)
			}
		}
		if n := len(w.fcm.Deliveries()); n != fans+4 {
			t.Errorf("%d deliveries", n)
		}
	})
}
