package notify_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/webpush"
	"goalcast/notify/webpush/webpushtest"
)

// toBrowsers is a push service for browsers and what sends to it, by another key if so.
func toBrowsers(t *testing.T, other bool) (*webpushtest.Server, *webpush.Sender) {
	t.Helper()
	text, err := webpush.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := webpush.ReadKey(text)
	if err != nil {
		t.Fatal(err)
	}
	fake := &webpushtest.Server{Public: key.Public()}
	if other {
		fake.Public = "another"
	}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	sender, err := webpush.New(webpush.Config{Key: key, Subject: "https://goals.example.org/contact",
		Page: "https://goals.example.org/{match}", Endpoint: server.URL}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sender.Close)
	return fake, sender
}

// From a goal to what the browser decrypts, and back when it is taken back; a browser that is gone
// is forgotten, and phones get theirs as ever.
func TestGoalInBrowser(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	fake, sender := toBrowsers(t, false)
	here, gone := fake.Subscribe("web.push.apple.com"), fake.Subscribe("fcm.googleapis.com")
	for _, b := range []*webpushtest.Browser{here, gone} {
		w.user(b.Subscription().Token(), "web", "nl", goalcast.ForMatch(900))
	}
	fake.End(gone)
	w.fans(2)
	w.run(notify.Config{Browsers: sender}, nil, nil)
	e := w.goal("opta:1")
	w.idle()
	w.revise(e, cancelled)
	w.idle()
	taken := fake.Taken(here)
	if len(taken) != 2 || taken[0].Topic != taken[1].Topic || taken[0].Urgency != "high" {
		t.Fatalf("took %+v; violations %v", taken, fake.Violations())
	}
	var goal, off webpush.Declarative
	if json.Unmarshal(taken[0].Payload, &goal) != nil || json.Unmarshal(taken[1].Payload, &off) != nil ||
		goal.Notification.Lang != "nl" || goal.Notification.Data["kind"] != "goal" ||
		off.Notification.Data["kind"] != "goal_cancelled" || off.Notification.Tag != goal.Notification.Tag ||
		goal.Notification.Title == "" || goal.Notification.Navigate != "https://goals.example.org/900" {
		t.Errorf("says %s, then %s", taken[0].Payload, taken[1].Payload)
	}
	left, err := w.store.Devices(t.Context(), goalcast.UserID("user of "+gone.Subscription().Token()))
	if err != nil || len(left) != 0 {
		t.Errorf("who is gone has %d devices, %v", len(left), err)
	}
	for _, fan := range []string{"fan0", "fan1"} {
		if shown := w.fcm.Phone(fan); len(shown) != 1 {
			t.Errorf("%s shows %d", fan, len(shown))
		}
	}
}

// A push service that answers nothing holds up what is for it, and nothing else: not a goal, not
// its being taken back, not the next goal, though this process has one worker for each service. Who
// was made to wait shows in the end what all others show.
func TestHangingServiceHoldsUpOnlyItsOwn(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		fake, sender := toBrowsers(t, false)
		letGo := fake.Hang("web.push.apple.com")
		defer letGo()
		var hung, well []*webpushtest.Browser
		for range 6 { // in turn, so that any batch of followers in a row would have all three kinds
			hung = append(hung, fake.Subscribe("web.push.apple.com"))
			well = append(well, fake.Subscribe("updates.push.services.mozilla.com"))
			w.user(hung[len(hung)-1].Subscription().Token(), "web", "nl", goalcast.ForMatch(900))
			w.user(well[len(well)-1].Subscription().Token(), "web", "nl", goalcast.ForMatch(900))
			w.user(fmt.Sprint("fan", len(hung)-1), "android", "nl", goalcast.ForMatch(900))
		}
		n := w.run(notify.Config{Browsers: sender, BatchSize: 3, Workers: 1, Backlog: 2}, nil, nil)
		told := func(pushes int) func() bool {
			return func() bool {
				for i, b := range well {
					if len(fake.Taken(b)) != pushes || w.perDevice()[fmt.Sprint("fan", i)] != pushes {
						return false
					}
				}
				return true
			}
		}
		e := w.goal("opta:1")
		n.Wake()
		w.eventually("others have the goal", told(1))
		w.revise(e, cancelled)
		n.Wake()
		w.eventually("others have it taken back", told(2))
		w.goal("opta:2")
		n.Wake()
		w.eventually("others have the next goal", told(3))
		for _, b := range hung {
			if len(fake.Taken(b)) != 0 {
				t.Fatal("the service that hangs took something")
			}
		}
		letGo()
		w.idle()
		for i, b := range hung {
			taken := fake.Taken(b)
			if len(taken) == 0 {
				t.Fatalf("browser %d took nothing", i)
			}
			shown := map[string]string{} // by tag
			for _, m := range taken {
				var said webpush.Declarative
				if err := json.Unmarshal(m.Payload, &said); err != nil {
					t.Fatal(err)
				}
				shown[said.Notification.Tag] = said.Notification.Data["kind"]
			}
			for tag, kind := range shown {
				want := "goal"
				if strings.HasSuffix(tag, "opta:1") {
					want = "goal_cancelled"
				}
				if kind != want {
					t.Errorf("browser %d shows %s for %s", i, kind, tag)
				}
			}
		}
	})
}

// A wrong key stops pushes to that push service, deletes nobody, and leaves phones alone.
func TestWrongKeyStopsBrowsersOnly(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	fake, sender := toBrowsers(t, true)
	const fans = 12
	var users []goalcast.UserID
	for range fans {
		token := fake.Subscribe("web.push.apple.com").Subscription().Token()
		w.user(token, "web", "nl", goalcast.ForMatch(900))
		users = append(users, goalcast.UserID("user of "+token))
	}
	var ids []int64
	for _, user := range users {
		devices, err := w.store.Devices(t.Context(), user)
		if err != nil || len(devices) != 1 {
			t.Fatal(devices, err)
		}
		ids = append(ids, devices[0].ID)
	}
	if err := w.store.ConfirmDevices(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	w.fans(2)
	n := w.run(notify.Config{Browsers: sender}, nil, nil)
	w.goal("opta:1")
	w.eventually("sending to Apple stops", func() bool {
		return n.value(t, "goalcast_notify_stopped", "*.push.apple.com") == 1 && len(w.fcm.Phone("fan0")) == 1 &&
			len(w.fcm.Phone("fan1")) == 1
	})
	if n.value(t, "goalcast_notify_stopped", "fcm") != 0 {
		t.Error("pushes to phones stopped too")
	}
	if left, err := w.store.DevicesByID(t.Context(), ids); err != nil || len(left) != fans {
		t.Errorf("%d of %d are left, %v", len(left), fans, err)
	}
}
