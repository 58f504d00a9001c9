package notify_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
	"goalcast/store"
)

// embeddedWorld is a world in one process, for what does not depend on the database.
func embeddedWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "goalcast.db"), "embedded")
}

// counted is a store that counts what it is asked.
type counted struct {
	*store.Store
	claims, reads atomic.Int64
}

func (c *counted) ClaimBatch(ctx context.Context, id string, now time.Time, lease time.Duration) (goalcast.PushClaim,
	bool, error) {
	c.claims.Add(1)
	return c.Store.ClaimBatch(ctx, id, now, lease)
}

func (c *counted) UnplannedEvents(ctx context.Context, limit int) ([]goalcast.Event, error) {
	c.reads.Add(1)
	return c.Store.UnplannedEvents(ctx, limit)
}

// A replay makes a revision of which phones hear nothing, while the push of the one
// before is on its way.
func TestQuietRevisionOfAPushUnderWay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*goalcast.Event)
		pushes int
	}{
		"corrected":  {func(e *goalcast.Event) { e.Player = &goalcast.Player{ID: 12, Name: "Bram Okel"} }, 3},
		"taken back": {cancelled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embeddedWorld(t)
			w.fans(3)
			db := &counted{Store: w.store}
			g := gate{make(chan int), make(chan struct{})}
			w.run(notify.Config{Limiter: g}, db, nil)
			goal := w.goal("opta:1")
			<-g.waiting // claimed, and about to be sent
			goal.Revision, goal.Seq = 2, goal.Seq+1
			tt.change(&goal)
			err := w.store.UpdateMatch(store.Silent(t.Context()), 900,
				func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) {
					r.Snapshot = goalcast.Apply(r.Snapshot, goal)
					return r, []goalcast.Event{goal}, nil
				})
			if err != nil {
				t.Fatal(err)
			}
			close(g.open)
			w.idle()
			if n, claims := len(w.fcm.Deliveries()), db.claims.Load(); n != tt.pushes || claims > 4 {
				t.Errorf("%d claims, delivered %v", claims, w.texts())
			}
		})
	}
}

// A match of a feed that tells no names waits for itself alone, and is not
// looked at without a pause.
func TestMatchWithoutNamesHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	w.fans(1)
	err := w.store.UpdateMatch(t.Context(), 901, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
		error) {
		var events []goalcast.Event
		for i := range 10 {
			e := goalcast.Event{ID: fmt.Sprint("json:", i), Revision: 1, Seq: int64(i + 1), Match: 901,
				Status: goalcast.Confirmed, Kind: goalcast.KindGoal, Team: 1,
				Topics: []goalcast.Topic{goalcast.ForMatch(901)}, Goal: &goalcast.Goal{Type: goalcast.OpenPlay},
				Times: goalcast.Times{Received: time.Now().UnixMilli()}}
			r.Snapshot = goalcast.Apply(r.Snapshot, e)
			events = append(events, e)
		}
		return r, events, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	db := &counted{Store: w.store}
	w.goal("opta:1")
	w.run(notify.Config{Poll: time.Hour, PlanLimit: 5}, db, nil)
	w.eventually("the goal of the other match is pushed", func() bool { return len(w.fcm.Deliveries()) == 1 })
	if n := db.reads.Load(); n > 4 {
		t.Errorf("the outbox was read %d times", n)
	}
}

// What was told stays told, however long ago its batches and texts were pruned.
func TestPruningMakesNoNews(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	w.fans(1)
	w.run(notify.Config{}, nil, nil)
	postponed := func(revision int, venue string) goalcast.Event {
		e := fixture(revision, "Noordzand", "Val-Rouge")
		e.Fixture.Halted, e.Fixture.Venue = goalcast.Postponed, venue
		return e
	}
	w.commit(postponed(2, ""))
	goal := w.goal("opta:1")
	w.idle()
	if n := len(w.texts()); n != 2 {
		t.Fatalf("told %v", w.texts())
	}
	if _, err := w.store.PrunePushes(t.Context(), w.store.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.commit(postponed(3, "Kadepark"))
	w.revise(goal, func(e *goalcast.Event) { e.At = time.Time{}; e.Second = 12 })
	w.idle()
	if n := len(w.texts()); n != 2 {
		t.Errorf("told once more: %v", w.texts())
	}
}

// prove makes devices such as got a push before.
func (w *world) prove(n int) {
	w.t.Helper()
	var ids []int64
	for i := range n {
		devices, err := w.store.Devices(w.t.Context(), goalcast.UserID(fmt.Sprint("user of fan", i)))
		if err != nil || len(devices) != 1 {
			w.t.Fatal(devices, err)
		}
		ids = append(ids, devices[0].ID)
	}
	if err := w.store.ConfirmDevices(w.t.Context(), ids); err != nil {
		w.t.Fatal(err)
	}
}

// Whoever sets the service account or the project of somebody else loses no registration: sending
// stops until it is right.
func TestWrongProjectDeletesNobody(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]fcmtest.Failure{
		"sender id": fcmtest.SenderIDMismatch(), "no permission": fcmtest.NoPermission(),
		"no project": fcmtest.NoSuchProject(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embeddedWorld(t)
			const fans = 12
			w.fans(fans)
			w.prove(fans)
			for i := range fans {
				w.fcm.Fail(fmt.Sprint("fan", i), failure)
			}
			n := w.run(notify.Config{}, nil, nil)
			w.goal("opta:1")
			w.eventually("sending stops", func() bool {
				return w.fcm.Requests() == fans && n.value(t, "goalcast_notify_stopped", "") == 1
			})
			w.idle() // a second later it is mended
			for i := range fans {
				if devices, err := w.store.Devices(t.Context(),
					goalcast.UserID(fmt.Sprint("user of fan", i))); err != nil || len(devices) != 1 {
					t.Errorf("fan%d has %d devices, %v", i, len(devices), err)
				}
			}
			w.once(fans)
			if n.value(t, "goalcast_notify_stopped", "") != 0 {
				t.Error("still stopped")
			}
		})
	}
}

// A phone that may have got a goal hears that it is taken back, whatever the push service answered.
func TestGoalThatMayHaveArrivedIsWithdrawn(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	w.fans(4)
	for i, f := range []fcmtest.Failure{fcmtest.Unavailable(time.Hour), fcmtest.Internal(), fcmtest.BadGateway(),
		{Drop: true}} {
		f.Deliver, f.RetryAfter = true, time.Hour
		w.fcm.Fail(fmt.Sprint("fan", i), f)
	}
	w.run(notify.Config{RetryFault: time.Hour, RetryMost: time.Hour}, nil, nil)
	e := w.goal("opta:1")
	w.idle()
	w.revise(e, cancelled)
	w.idle()
	for i := range 4 {
		if shown := w.fcm.Phone(fmt.Sprint("fan", i)); len(shown) != 1 || shown[0].Data["kind"] != "goal_cancelled" {
			t.Errorf("fan%d shows %+v", i, shown)
		}
	}
}

// Whoever got a push before is not made to wait by devices that anybody can invent.
func TestNewDevicesComeLast(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	const fans, invented = 12, 60
	for i := range invented { // registered before all others
		w.user(fmt.Sprint("invented", i), "android", "nl", goalcast.ForMatch(900))
	}
	w.fans(fans)
	w.prove(fans)
	w.run(notify.Config{BatchSize: 2 * invented, Workers: 1}, nil, nil)
	w.goal("opta:1")
	w.idle()
	all := w.fcm.Deliveries()
	if len(all) != fans+invented {
		t.Fatalf("%d deliveries", len(all))
	}
	for i, d := range all[:fans] {
		if !strings.HasPrefix(d.Token, "fan") {
			t.Errorf("%s is number %d", d.Token, i)
		}
	}
	fresh, err := w.store.NewDevices(t.Context(), []int64{1, 2, invented, invented + fans})
	if err != nil || len(fresh) != 0 {
		t.Errorf("still new: %v, %v", fresh, err)
	}
}
