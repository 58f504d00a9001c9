package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify"
	"goalcast/store/bus"
)

var _ notify.Seen = (*bus.Seen)(nil)

// shows says that a user's phone, of a token, has shown a revision.
func (w *world) shows(seen *bus.Seen, user, token string, e goalcast.Event) {
	w.t.Helper()
	phone := goalcast.Phone{User: goalcast.UserID(user), Device: goalcast.DeviceName(token)}
	if err := seen.Keep(w.t.Context(), []goalcast.Seen{{Event: e.KeyOfAll(), Phone: phone}}); err != nil {
		w.t.Fatal(err)
	}
}

// tally sums up what became of an event's messages.
func (w *world) tally(event string) goalcast.ServiceTally {
	w.t.Helper()
	f, err := w.store.PushFigures(w.t.Context(), event)
	if err != nil {
		w.t.Fatal(err)
	}
	sum := goalcast.PushTally{}
	for _, r := range f.Revisions {
		sum.Add(r.Tally)
	}
	return sum["fcm"]
}

// A phone that has shown a goal live gets no push of it; all others do, and also those that showed
// something else, or for which somebody else said so. Of what becomes of the goal all are told.
func TestWhoHasSeenAGoalIsNotToldOfIt(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for _, token := range []string{"watches", "away", "strange", "early"} {
			w.user(token, "android", "en", goalcast.ForMatch(900))
		}
		seen := bus.NewSeen(w.redis, bus.SeenOptions{Timeout: time.Minute}, w.log)
		goal := goalcast.Event{ID: "g1", Match: 900, Revision: 1}
		w.shows(seen, "user of watches", "watches", goal)
		w.shows(seen, "user of away", "strange", goal)
		w.shows(seen, "user of early", "early", goalcast.Event{ID: "g1", Match: 900, Revision: 2})
		w.shows(seen, "user of early", "early", goalcast.Event{ID: "g1", Match: 901, Revision: 1})
		r := w.run(notify.Config{Seen: seen, SeenWait: time.Millisecond}, nil, nil)
		first := w.goal("g1")
		w.idle()
		got := w.perDevice()
		if len(got) != 3 || got["watches"] != 0 {
			t.Errorf("%v", got)
		}
		if sum := w.tally("g1"); sum.Sent != 3 || sum.Seen != 1 {
			t.Errorf("%+v", sum)
		}
		if n := r.value(t, "goalcast_notify_seen_total", ""); n != 1 {
			t.Errorf("%v are counted", n)
		}
		off := w.revise(first, cancelled)
		w.shows(seen, "user of away", "away", off)
		w.idle()
		if got := w.perDevice(); got["watches"] != 1 || got["away"] != 2 || got["strange"] != 2 {
			t.Errorf("after it was taken back: %v", got)
		}
	})
}

// What takes the place of a push that stands on the phone is sent whatever the phone has shown: the
// goal that stands after all replaces the one that was taken back.
func TestWhatReplacesAPushIsSentToWhoHasSeenIt(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.user("phone", "android", "en", goalcast.ForMatch(900))
		seen := bus.NewSeen(w.redis, bus.SeenOptions{Timeout: time.Minute}, w.log)
		w.run(notify.Config{Seen: seen, SeenWait: time.Millisecond}, nil, nil)
		e := w.goal("g1")
		w.idle()
		for _, change := range []func(*goalcast.Event){cancelled,
			func(e *goalcast.Event) { e.Status = goalcast.Confirmed }} {
			next := e
			next.Revision++
			w.shows(seen, "user of phone", "phone", next)
			e = w.revise(e, change)
			w.idle()
		}
		if got := w.perDevice()["phone"]; got != 3 {
			t.Errorf("%d pushes: %v", got, w.texts())
		}
		if shown := w.fcm.Phone("phone"); len(shown) != 1 {
			t.Errorf("the phone shows %+v", shown)
		}
	})
}

// unsure does not know who has seen what.
type unsure struct{}

func (unsure) Seen(context.Context, string, []goalcast.Phone) ([]bool, error) {
	return nil, errors.New("Redis does not answer")
}

func TestAllAreToldIfNobodyKnowsWhoHasSeenIt(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.fans(3)
		r := w.run(notify.Config{Seen: unsure{}, SeenWait: time.Millisecond}, nil, nil)
		w.goal("g1")
		w.idle()
		if got := w.perDevice(); len(got) != 3 {
			t.Errorf("%v", got)
		}
		if n := r.value(t, "goalcast_notify_errors_total", "seen"); n != 1 {
			t.Errorf("%v are counted", n)
		}
	})
}

// asked is one who says that everybody has seen everything, and notes what it was asked and when.
type asked chan string

func (a asked) Seen(_ context.Context, event string, phones []goalcast.Phone) ([]bool, error) {
	a <- fmt.Sprint(event, " ", len(phones))
	return slices.Repeat([]bool{true}, len(phones)), nil
}

// Phones get the time to say that they have shown a goal. Of what is no news of its own nobody is
// asked, and all are told.
func TestPushesWaitForWhoMayHaveSeenThem(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.fans(3)
		questions := make(asked, 100)
		w.run(notify.Config{Seen: questions, SeenWait: 700 * time.Millisecond}, nil, nil)
		began := time.Now()
		w.goal("g1")
		w.idle()
		if took := time.Since(began); took < 600*time.Millisecond { // less what clocks may differ by
			t.Errorf("they waited for %s", took)
		}
		if got := w.perDevice(); len(got) != 0 {
			t.Errorf("%v", got)
		}
		w.commit(goalcast.Event{ID: "ht", Kind: goalcast.KindPeriod, Period: goalcast.HalfTime, Minute: 45,
			At: time.Now().UTC()})
		w.idle()
		if got := w.perDevice(); len(got) != 3 {
			t.Errorf("half time: %v", got)
		}
		var all []string
		for len(questions) > 0 {
			all = append(all, <-questions)
		}
		if !slices.Equal(all, []string{"900/g1#1 3"}) {
			t.Errorf("asked %q", all)
		}
	})
}
