package notify_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/kbc"
	"goalcast/notify/kbc/kbctest"
)

// toBank is a bank and what sends to it.
func toBank(t *testing.T) (*kbctest.Server, *kbc.Sender) {
	t.Helper()
	fake := &kbctest.Server{ClientID: "goalcast", ClientSecret: "secret"}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if v := fake.Violations(); len(v) > 0 {
			t.Errorf("the bank says %v", v)
		}
	})
	sender, err := kbc.New(kbc.Config{URL: server.URL + "/v1/batches", TokenURL: server.URL + "/token",
		ClientID: "goalcast", ClientSecret: "secret", Timeout: 30 * time.Second}, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	return fake, sender
}

// customers registers n customers of the bank who follow the match, and notes that they got pushes.
func (w *world) customers(n int) (ids []int64) {
	w.t.Helper()
	for i := range n {
		reference := kbctest.Reference(i)
		w.user(reference, goalcast.PlatformBank, []string{"nl", "fr"}[i%2], goalcast.ForMatch(900))
		devices, err := w.store.Devices(w.t.Context(), goalcast.UserID("user of "+reference))
		if err != nil || len(devices) != 1 {
			w.t.Fatal(devices, err)
		}
		ids = append(ids, devices[0].ID)
	}
	if err := w.store.ConfirmDevices(w.t.Context(), ids); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// left counts those of the devices that are still there.
func (w *world) left(ids []int64) int {
	w.t.Helper()
	devices, err := w.store.DevicesByID(w.t.Context(), ids)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(devices)
}

// A goal reaches each customer once, though the bank fails in all ways, and goes when it is taken
// back. Who is no customer any more is forgotten, and phones get theirs as ever.
func TestGoalThroughTheBank(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	fake, sender := toBank(t)
	ids := w.customers(12)
	w.fans(2)
	gone, slow := kbctest.Reference(3), kbctest.Reference(4)
	fake.Forget(gone)
	fake.Throttle(slow)
	fake.Fail(kbctest.Failure{Taken: true, Cut: true}, kbctest.Failure{Taken: true, Cut: true},
		kbctest.Failure{Status: 503, RetryAfter: "1", Taken: true}, kbctest.Failure{Status: 429, RetryAfter: "1"})
	w.run(notify.Config{Bank: sender, RetryFault: 10 * time.Millisecond}, nil, nil)
	e := w.goal("opta:1")
	w.idle()
	fake.Revoke()
	w.revise(e, cancelled)
	w.idle()
	for i := range 12 {
		customer := kbctest.Reference(i)
		pushes, shown := fake.Pushes(customer), fake.Phone(customer)
		if customer == gone {
			if len(pushes) != 0 {
				t.Errorf("who is unknown was shown %d", len(pushes))
			}
			continue
		}
		if len(pushes) != 2 || len(shown) != 1 || pushes[0].Data["kind"] != "goal" ||
			shown[pushes[0].CollapseKey].Data["kind"] != "goal_cancelled" {
			t.Errorf("%s was shown %+v", customer, pushes)
		}
	}
	if left := w.left(ids); left != 11 {
		t.Errorf("%d customers are left", left)
	}
	for _, fan := range []string{"fan0", "fan1"} {
		if got := w.perDevice()[fan]; got != 2 {
			t.Errorf("%s got %d", fan, got)
		}
	}
}

// A bank that refuses us, and one that does not know most customers, is sent nothing more until it
// takes pushes again; nobody is forgotten, and phones get theirs.
func TestBankThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*kbctest.Server){
		"403": func(fake *kbctest.Server) { fake.Refuse(true) },
		"all unknown": func(fake *kbctest.Server) {
			for i := range 12 {
				fake.Forget(kbctest.Reference(i))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := embeddedWorld(t)
			fake, sender := toBank(t)
			ids := w.customers(12)
			w.fans(2)
			fail(fake)
			n := w.run(notify.Config{Bank: sender}, nil, nil)
			w.goal("opta:1")
			w.eventually("sending to the bank stops", func() bool {
				return n.value(t, "goalcast_notify_stopped", "kbc") == 1 && len(w.perDevice()) == 2
			})
			if n.value(t, "goalcast_notify_stopped", "fcm") != 0 {
				t.Error("pushes to phones stopped too")
			}
			if left := w.left(ids); left != 12 {
				t.Errorf("%d customers are left", left)
			}
			if name != "403" {
				return
			}
			fake.Refuse(false)
			w.idle()
			if n.value(t, "goalcast_notify_stopped", "kbc") != 0 || len(fake.Pushes(kbctest.Reference(0))) != 1 {
				t.Errorf("was not sent when it was right again: %v", fake.Pushes(kbctest.Reference(0)))
			}
		})
	}
}

// Where no bank is configured its customers get nothing, and stay.
func TestNoBank(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	ids := w.customers(1)
	n := w.run(notify.Config{}, nil, nil)
	w.goal("opta:1")
	w.idle()
	if n.value(t, "goalcast_notify_failed_total", "no_service") != 1 || len(w.perDevice()) != 0 || w.left(ids) != 1 {
		t.Errorf("sent %v", w.perDevice())
	}
}
