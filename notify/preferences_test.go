package notify_test

import (
	"reflect"
	"slices"
	"testing"

	"goalcast"
	"goalcast/notify"
)

// prefer sets the preferences of the user of a device.
func (w *world) prefer(token string, p goalcast.Preferences) {
	w.t.Helper()
	if err := w.store.SavePreferences(w.t.Context(), goalcast.UserID("user of "+token), p); err != nil {
		w.t.Fatal(err)
	}
}

// preferOf sets those of what he follows.
func (w *world) preferOf(token string, topic goalcast.Topic, p goalcast.FollowPreferences) {
	w.t.Helper()
	if err := w.store.SaveFollowPreferences(w.t.Context(), goalcast.UserID("user of "+token), topic, p); err != nil {
		w.t.Fatal(err)
	}
}

// Nobody gets what he has switched off, and everybody else does, in whichever step his part of the
// audience is cut.
func TestPushesThatUsersHaveSwitchedOff(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		match, home := goalcast.ForMatch(900), goalcast.ForTeam(1)
		noGoals := map[goalcast.PushKind]bool{goalcast.PushGoals: false}
		for _, token := range []string{"plain", "no goals", "no kick-offs", "no goals of match", "match only"} {
			w.user(token, "ios", "en", match, home)
		}
		w.prefer("no goals", goalcast.Preferences{Kinds: noGoals})
		w.prefer("no kick-offs", goalcast.Preferences{Kinds: map[goalcast.PushKind]bool{goalcast.PushKickoffs: false}})
		w.preferOf("no goals of match", match, goalcast.FollowPreferences{Kinds: noGoals})
		w.prefer("match only", goalcast.Preferences{Kinds: noGoals})
		w.preferOf("match only", match, goalcast.FollowPreferences{
			Kinds: map[goalcast.PushKind]bool{goalcast.PushGoals: true}})
		n := w.run(notify.Config{BatchSize: 1}, nil, nil) // a step of one user, of two, of four
		e := w.goal("opta:1")
		w.idle()
		w.revise(e, cancelled)
		w.idle()
		want := []string{
			"match only: GOAL! 27' Noordzand 1-0 Val-Rouge", "match only: Goal cancelled: Noordzand 0-0 Val-Rouge",
			"no kick-offs: GOAL! 27' Noordzand 1-0 Val-Rouge", "no kick-offs: Goal cancelled: Noordzand 0-0 Val-Rouge",
			"plain: GOAL! 27' Noordzand 1-0 Val-Rouge", "plain: Goal cancelled: Noordzand 0-0 Val-Rouge",
		}
		if got := slices.Sorted(slices.Values(w.texts())); !reflect.DeepEqual(got, want) {
			t.Errorf("delivered %q, want %q", got, want)
		}
		if got := n.value(t, "goalcast_notify_withheld_total", "off"); got != 2 {
			t.Errorf("counted %v withheld, want 2", got)
		}
	})
}
