package notify_test

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/fcm"
	"goalcast/notify/fcm/fcmtest"
)

// kidsApp is a second app, with a Firebase of its own that knows no other project.
func (w *world) kidsApp() (*fcmtest.Server, notify.App) {
	w.t.Helper()
	fake := &fcmtest.Server{Project: "kids-project"}
	server := httptest.NewServer(fake)
	w.t.Cleanup(server.Close)
	sender, err := fcm.New(w.t.Context(), fcm.Config{Service: "fcm:kids-project", ProjectID: "kids-project",
		Endpoint: server.URL + "/v1"}, w.log, prometheus.NewRegistry())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(sender.Close)
	w.t.Cleanup(func() {
		if v := fake.Violations(); len(v) > 0 {
			w.t.Errorf("Firebase of kids says: %v", v)
		}
	})
	return fake, notify.App{Name: "kids", Sender: sender}
}

// has registers n devices of an app that follow the match and got pushes before.
func (w *world) has(n int, app string) (ids []int64) {
	w.t.Helper()
	for i := range n {
		user := goalcast.UserID(fmt.Sprint(app, "-user", i))
		if err := w.store.SaveDevice(w.t.Context(), goalcast.Device{Token: fmt.Sprint(app, "-phone", i), User: user,
			Platform: "android", App: app, Language: "nl"}); err != nil {
			w.t.Fatal(err)
		}
		if err := w.store.Follow(w.t.Context(), user, goalcast.ForMatch(900)); err != nil {
			w.t.Fatal(err)
		}
		devices, err := w.store.Devices(w.t.Context(), user)
		if err != nil || len(devices) != 1 || devices[0].App != app {
			w.t.Fatal(devices, err)
		}
		ids = append(ids, devices[0].ID)
	}
	if err := w.store.ConfirmDevices(w.t.Context(), ids); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// Each device gets a goal and its end once, through the project of its app: that of one which names
// none is the first. Batches are of one app each, and so is what is counted.
func TestSeveralApps(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		fake, kids := w.kidsApp()
		w.has(5, "kids")
		w.has(3, "first")
		w.fans(4) // of no app
		w.run(notify.Config{App: "first", Apps: []notify.App{kids}}, nil, nil)
		e := w.goal("opta:1")
		w.idle()
		w.revise(e, cancelled)
		w.idle()
		got := map[string]int{}
		for _, d := range fake.Deliveries() {
			got[d.Token]++
		}
		if len(got) != 5 {
			t.Errorf("%d of the kids' phones got something", len(got))
		}
		for i := range 5 {
			if n := got[fmt.Sprint("kids-phone", i)]; n != 2 {
				t.Errorf("kids-phone%d got %d", i, n)
			}
		}
		for _, token := range []string{"first-phone0", "first-phone2", "fan0", "fan3"} {
			if n := w.perDevice()[token]; n != 2 {
				t.Errorf("%s got %d", token, n)
			}
		}
		if n := len(w.perDevice()); n != 7 {
			t.Errorf("%d phones of the first app got something", n)
		}
		services, err := w.store.BatchServices(t.Context(), "opta:1", 1)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(services) // two are of the first: those that never got a push come last
		if !slices.Equal(services, []string{"fcm", "fcm", "fcm:kids-project"}) {
			t.Errorf("batches of %q", services)
		}
		f := w.figures("opta:1")
		if f.Tally["fcm:kids-project"].Sent != 5 || f.Tally["fcm"].Sent != 7 {
			t.Errorf("counted %+v", f)
		}
	})
}

// An account that may not send for its project stops that app and no other; no device is deleted,
// and each app is asked by a canary of its own.
func TestAWrongProjectStopsItsAppOnly(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	fake, kids := w.kidsApp()
	fake.Fail("", slices.Repeat([]fcmtest.Failure{fcmtest.NoPermission()}, 1000)...)
	fake.Fail(fcmtest.DryRun, fcmtest.NoPermission())
	ids := w.has(12, "kids")
	w.fans(2)
	n := w.run(notify.Config{App: "first", Apps: []notify.App{kids}}, nil, nil)
	w.goal("opta:1")
	w.eventually("sending to the kids' app stops", func() bool {
		return n.value(t, "goalcast_notify_stopped", "fcm:kids-project") == 1 && len(w.perDevice()) == 2
	})
	w.goal("opta:2")
	w.eventually("others have the next goal", func() bool { return w.perDevice()["fan1"] == 2 })
	if n.value(t, "goalcast_notify_stopped", "fcm") != 0 {
		t.Error("pushes to the first app stopped too")
	}
	if left := w.left(ids); left != len(ids) {
		t.Errorf("%d devices of the kids' app are left", left)
	}
	n.canary.Run(t.Context())
	if w.fcm.DryRuns() != 1 || fake.DryRuns() != 1 ||
		n.value(t, "goalcast_notify_canary_total", "credentials") != 1 {
		t.Errorf("%d and %d dry runs", w.fcm.DryRuns(), fake.DryRuns())
	}
}

// A device of an app that is not configured any more gets nothing, and others get theirs.
func TestDeviceOfAnAppThatIsGone(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	ids := w.has(1, "kids")
	w.fans(1)
	n := w.run(notify.Config{}, nil, nil)
	w.goal("opta:1")
	w.idle()
	if got := w.perDevice(); len(got) != 1 || got["fan0"] != 1 || w.left(ids) != 1 ||
		n.value(t, "goalcast_notify_failed_total", "no_service") != 1 {
		t.Errorf("delivered %v, %d left", got, w.left(ids))
	}
}
