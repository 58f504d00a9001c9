package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goalcast"
	"goalcast/notify"
	"goalcast/notify/fcm/fcmtest"
	"goalcast/store"
)

// listener registers a phone that got a push before, whose user follows topics.
func (w *world) listener(token, language string, topics ...goalcast.Topic) (id int64) {
	w.t.Helper()
	w.user(token, "android", language, topics...)
	devices, err := w.store.Devices(w.t.Context(), goalcast.UserID("user of "+token))
	if err != nil || len(devices) != 1 {
		w.t.Fatal(devices, err)
	}
	if err := w.store.ConfirmDevices(w.t.Context(), []int64{devices[0].ID}); err != nil {
		w.t.Fatal(err)
	}
	return devices[0].ID
}

// prefers has the user of a phone prefer pushes without a sound, all day.
func (w *world) prefers(token string, p goalcast.Preferences) {
	w.t.Helper()
	if err := w.store.SavePreferences(w.t.Context(), goalcast.UserID("user of "+token), p); err != nil {
		w.t.Fatal(err)
	}
}

// synced has phones told until the condition holds.
func (n *running) synced(w *world, what string, condition func() bool) {
	w.t.Helper()
	w.eventually(what, func() bool {
		if err := n.SyncTopics(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		return condition()
	})
}

// listens says how many topics a phone listens to.
func (w *world) listens(token string, topics int) func() bool {
	return func() bool { return len(w.fcm.Listens(token)) == topics }
}

// phoneShows holds what a phone shows of an event against what it should: of which kind, and how
// many messages it took for that; 0 for nothing.
func (w *world) phoneShows(token, event, kind string, messages int) {
	w.t.Helper()
	count, said := 0, ""
	for _, s := range w.fcm.Phone(token) {
		if strings.HasSuffix(s.Key, event) {
			count, said = s.Replaced+1, s.Data["kind"]
		}
	}
	if count != messages || said != kind {
		w.t.Errorf("%s shows %q of %s after %d messages, want %q after %d", token, said, event, count, kind, messages)
	}
}

// byTopic counts messages that went to topics, and to tokens.
func (w *world) byTopic() (topics, tokens int) {
	for _, d := range w.fcm.Deliveries() {
		if d.Condition != "" {
			topics++
		} else {
			tokens++
		}
	}
	return topics, tokens
}

var noScores = goalcast.Preferences{Spoilers: goalcast.Spoilers{NoScores: true}}

// A huge audience gets one message for each language, whoever listens to several topics once; who
// has set something, never got a push, or began to follow since gets it by the token. What is taken
// back goes the same way, and not to who never heard of it.
func TestHugeAudienceGetsItByTopic(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.listener("all", "nl", goalcast.ForMatch(900), goalcast.ForTeam(1), goalcast.ForTeam(2),
			goalcast.ForCompetition(5))
		w.listener("home", "fr", goalcast.ForTeam(1))
		w.listener("league", "es", goalcast.ForCompetition(5))
		w.listener("choosy", "nl", goalcast.ForTeam(1))
		w.prefers("choosy", noScores)
		w.user("never", "ios", "nl", goalcast.ForTeam(2))
		w.listener("elsewhere", "nl", goalcast.ForTeam(77))
		n := w.run(notify.Config{TopicsFrom: 6}, nil, nil)
		n.synced(w, "phones listen", func() bool {
			return w.listens("all", 4)() && w.listens("home", 1)() && w.listens("league", 1)() &&
				w.listens("elsewhere", 1)()
		})
		if got := w.fcm.Listens("league"); got[0] != "goalcast.follow.en.competition.5" {
			t.Errorf("listens to %q", got)
		}
		e := w.goal("opta:1")
		w.idle()
		w.listener("new", "nl", goalcast.ForTeam(1))
		n.synced(w, "it is looked at", func() bool {
			due, err := w.store.TopicPhones(t.Context(), w.store.Now(), false, 10)
			return err == nil && len(due) == 0
		})
		for token, messages := range map[string]int{"all": 1, "home": 1, "league": 1, "choosy": 1, "never": 1} {
			w.phoneShows(token, "opta:1", "goal", messages)
		}
		if topics, tokens := w.byTopic(); topics != 4 || tokens != 2 {
			t.Errorf("%d messages to topics, %d to tokens", topics, tokens)
		}
		w.revise(e, cancelled)
		w.idle()
		for _, token := range []string{"all", "home", "league", "choosy", "never"} {
			w.phoneShows(token, "opta:1", "goal_cancelled", 2)
		}
		for _, token := range []string{"new", "elsewhere"} {
			w.phoneShows(token, "opta:1", "", 0)
			if got := len(w.fcm.Phone(token)); got != 0 {
				t.Errorf("%s shows %d", token, got)
			}
		}
		w.goal("opta:2")
		w.idle()
		w.phoneShows("new", "opta:2", "goal", 1) // by its token, until nothing can be taken back that it did not get
		w.phoneShows("all", "opta:2", "goal", 1)
	})
}

// A smaller audience is sent to by tokens, whoever listens, and so is all when topics are switched
// off, which ends that phones listen.
func TestSmallAudienceAndNoTopics(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	w.listener("a", "nl", goalcast.ForTeam(1))
	n := w.run(notify.Config{TopicsFrom: 2, TopicsGrace: time.Millisecond}, nil, nil)
	n.synced(w, "it listens", w.listens("a", 1))
	w.goal("opta:1")
	w.idle()
	n.stop()
	n = w.run(notify.Config{TopicsGrace: time.Millisecond}, nil, nil)
	n.synced(w, "it listens no more", w.listens("a", 0))
	w.goal("opta:2")
	w.idle()
	if topics, tokens := w.byTopic(); topics != 0 || tokens != 2 {
		t.Errorf("%d messages to topics, %d to tokens", topics, tokens)
	}
	w.phoneShows("a", "opta:1", "goal", 1)
	w.phoneShows("a", "opta:2", "goal", 1)
}

// A phone whose user sets something, whose language or follows change, that is given away or whose
// device is deleted listens no more; it gets the next goal once, and hears that the last is taken
// back.
func TestPhonesThatListenNoMore(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		phones := []string{"stays", "sets", "moves", "unfollows", "given", "deleted"}
		for _, token := range phones {
			w.listener(token, "nl", goalcast.ForTeam(1), goalcast.ForTeam(77))
		}
		n := w.run(notify.Config{TopicsFrom: 2, TopicsGrace: time.Millisecond}, nil, nil)
		for _, token := range phones {
			n.synced(w, token+" listens", w.listens(token, 2))
		}
		e := w.goal("opta:1")
		w.idle()
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		w.prefers("sets", noScores)
		must(w.store.SaveDevice(ctx, goalcast.Device{Token: "moves", User: "user of moves", Platform: "android",
			Language: "fr"}))
		must(w.store.Unfollow(ctx, "user of unfollows", goalcast.ForTeam(1)))
		must(w.store.SaveDevice(ctx, goalcast.Device{Token: "given", User: "another", Platform: "android",
			Language: "nl"}))
		must(w.store.DeleteDevice(ctx, "user of deleted", "deleted"))
		n.synced(w, "they listen no more", func() bool {
			return w.listens("sets", 0)() && w.listens("moves", 1)() && w.listens("unfollows", 1)() &&
				w.listens("given", 0)() && w.listens("deleted", 0)()
		})
		if got := w.fcm.Listens("moves"); got[0] != "goalcast.follow.fr.team.77" {
			t.Errorf("who speaks French now listens to %q", got)
		}
		w.goal("opta:2")
		w.idle()
		w.revise(e, cancelled)
		w.idle()
		for _, token := range []string{"stays", "sets", "moves"} {
			w.phoneShows(token, "opta:1", "goal_cancelled", 2)
			w.phoneShows(token, "opta:2", "goal", 1)
		}
		w.phoneShows("unfollows", "opta:1", "goal_cancelled", 2)
		w.phoneShows("unfollows", "opta:2", "", 0)
		w.phoneShows("given", "opta:2", "", 0)
		w.phoneShows("deleted", "opta:1", "goal", 1)
		w.phoneShows("deleted", "opta:2", "", 0)
		// Who comes back is told what to listen to as anybody.
		w.listener("deleted", "nl", goalcast.ForTeam(77))
		n.synced(w, "it listens again", w.listens("deleted", 1))
	})
}

// A phone that Firebase does not let listen, for now or for good, gets each push by its token.
func TestPhonesThatCannotListen(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	w.listener("gone", "nl", goalcast.ForTeam(1))
	w.fcm.Forget("gone")
	n := w.run(notify.Config{TopicsFrom: 1, TopicsGrace: time.Millisecond}, nil, nil)
	n.synced(w, "it is refused", func() bool {
		return n.value(t, "goalcast_notify_topic_changes_total", "refused") == 1
	})
	w.listener("unlucky", "nl", goalcast.ForTeam(1))
	w.fcm.Fail(fcmtest.Topics, fcmtest.Failure{Status: 503, Message: "Unavailable"})
	n.synced(w, "it fails", func() bool { return n.value(t, "goalcast_notify_topic_changes_total", "failed") == 1 })
	w.listener("maybe", "nl", goalcast.ForTeam(2)) // it listens, and the answer does not come
	w.fcm.Fail(fcmtest.Topics, fcmtest.Failure{Drop: true, Deliver: true})
	n.synced(w, "it fails", func() bool { return n.value(t, "goalcast_notify_topic_changes_total", "failed") == 2 })
	w.goal("opta:1")
	w.idle()
	w.phoneShows("gone", "opta:1", "goal", 1)
	w.phoneShows("unlucky", "opta:1", "goal", 1)
	if shown := w.fcm.Phone("maybe"); len(shown) != 1 || shown[0].Data["kind"] != "goal" {
		t.Errorf("who may listen shows %+v", shown)
	}
}

// forgetful is a store that a process dies with before it has written down what it told phones.
type forgetful struct {
	*store.Store
	saves atomic.Int64
}

var errDied = errors.New("the process died")

func (f *forgetful) SavePhoneTopics(ctx context.Context, phones []goalcast.TopicPhone) error {
	if f.saves.Add(1) == 2 {
		return errDied
	}
	return f.Store.SavePhoneTopics(ctx, phones)
}

// A process that dies after it has told phones leaves none without its goals, nor one that shows
// two.
func TestProcessDiesWhileItTellsPhones(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for i := range 5 {
			w.listener(fmt.Sprint("fan", i), "nl", goalcast.ForTeam(1))
		}
		dying := &forgetful{Store: w.store}
		n := w.run(notify.Config{TopicsFrom: 1, TopicsGrace: time.Millisecond}, dying, nil)
		w.eventually("it dies", func() bool { return errors.Is(n.SyncTopics(t.Context()), errDied) })
		e := w.goal("opta:1")
		w.idle()
		n.synced(w, "it is known again who listens", func() bool {
			phones, err := w.store.Listening(t.Context(), []int64{1, 2, 3, 4, 5})
			unsure := slices.ContainsFunc([]string{"fan0", "fan1", "fan2", "fan3", "fan4"},
				func(token string) bool { return len(w.fcm.Listens(token)) > 0 })
			return err == nil && len(phones) == 0 && !unsure // the goal may yet be taken back
		})
		w.goal("opta:2")
		w.idle()
		w.revise(e, cancelled)
		w.idle()
		for i := range 5 {
			token := fmt.Sprint("fan", i)
			w.phoneShows(token, "opta:2", "goal", 1)
			if shown := w.fcm.Phone(token); len(shown) != 2 {
				t.Errorf("%s shows %d", token, len(shown))
			}
			if last := w.fcm.Phone(token)[0]; last.Data["kind"] != "goal_cancelled" {
				t.Errorf("%s shows %v last", token, last.Data)
			}
		}
	})
}
