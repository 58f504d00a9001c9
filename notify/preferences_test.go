package notify_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"time"

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

// ahead is a store whose clock can be put forward.
type ahead struct {
	notify.Store
	by atomic.Int64
}

func (a *ahead) Now() time.Time { return a.Store.Now().Add(time.Duration(a.by.Load())) }

// rested waits until nothing is left to do but what users want later.
func (w *world) rested() {
	w.t.Helper()
	w.eventually("nothing left to do now", func() bool {
		b, err := w.store.PushBacklog(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		b.Held = 0
		return b == goalcast.PushBacklog{}
	})
}

// done waits until no batch is left, whatever the clock.
func (w *world) done(events int) {
	w.t.Helper()
	w.eventually("all batches done", func() bool {
		list, err := w.store.RecentPushes(w.t.Context(), goalcast.PushPlace{}, 100)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, p := range list {
			for _, b := range p.Batches {
				if b.State == goalcast.BatchPlanned || b.State == goalcast.BatchClaimed {
					return false
				}
			}
		}
		return len(list) == events
	})
}

func spoiler(delay int, noScores bool) goalcast.Preferences {
	return goalcast.Preferences{Spoilers: goalcast.Spoilers{Delay: delay, NoScores: noScores}}
}

// A delayed push outlives the process that planned it, and its time to live is counted from then.
func TestDelayedPush(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for _, token := range []string{"now", "late", "blind"} {
			w.user(token, "android", "en", goalcast.ForMatch(900))
		}
		w.prefer("late", spoiler(60, false))
		w.prefer("blind", spoiler(0, true))
		clock := &ahead{Store: w.store}
		n := w.run(notify.Config{}, clock, nil)
		w.goal("opta:1")
		w.rested()
		want := []string{"blind: GOAL! 27' Noordzand - Val-Rouge", "now: GOAL! 27' Noordzand 1-0 Val-Rouge"}
		if got := slices.Sorted(slices.Values(w.texts())); !reflect.DeepEqual(got, want) {
			t.Errorf("at once: %q, want %q", got, want)
		}
		for _, d := range w.fcm.Deliveries() {
			if _, tells := d.Data["score"]; tells != (d.Token == "now") || d.Token == "blind" &&
				d.Body != "Harbour League" {
				t.Errorf("%+v", d)
			}
		}
		if got := n.value(t, "goalcast_notify_withheld_total", "delayed"); got != 1 {
			t.Errorf("counted %v delayed", got)
		}
		n.stop()
		clock.by.Store(int64(170 * time.Second)) // the others' push has lived 120 s
		w.run(notify.Config{}, clock, nil)
		w.done(1)
		want = append(want[:1:1], "late: GOAL! 27' Noordzand 1-0 Val-Rouge", want[1])
		if got := slices.Sorted(slices.Values(w.texts())); !reflect.DeepEqual(got, want) {
			t.Errorf("later: %q, want %q", got, want)
		}
	})
}

// Who has not got the goal yet hears nothing of it when it is taken back, nor later; who has got it
// does. What is corrected meanwhile comes as it is then, once.
func TestDelayedPushOfWhatChangesMeanwhile(t *testing.T) {
	const goal, corrected = "GOAL! 27' Noordzand 1-0 Val-Rouge", "GOAL! 28' Noordzand 1-0 Val-Rouge"
	for name, tt := range map[string]struct {
		change    func(*goalcast.Event)
		now, late []string
		undone    float64
	}{
		"taken back": {cancelled, []string{goal, "Goal cancelled: Noordzand 0-0 Val-Rouge"}, nil, 1},
		"corrected":  {func(e *goalcast.Event) { e.Minute = 28 }, []string{goal, corrected}, []string{corrected}, 0},
		"as it was":  {nil, []string{goal}, []string{goal}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *world) {
				w.user("now", "ios", "en", goalcast.ForMatch(900))
				w.user("late", "ios", "en", goalcast.ForMatch(900))
				w.prefer("late", spoiler(15, false))
				clock := &ahead{Store: w.store}
				n := w.run(notify.Config{}, clock, nil)
				e := w.goal("opta:1")
				w.rested()
				if tt.change != nil {
					w.revise(e, tt.change)
					w.rested()
				}
				clock.by.Store(int64(20 * time.Second))
				w.done(1)
				got := map[string][]string{}
				for _, d := range w.fcm.Deliveries() {
					got[d.Token] = append(got[d.Token], d.Title)
				}
				if !slices.Equal(got["now"], tt.now) || !slices.Equal(got["late"], tt.late) {
					t.Errorf("%q", got)
				}
				if got := n.value(t, "goalcast_notify_withheld_total", "taken_back"); got != tt.undone {
					t.Errorf("counted %v taken back, want %v", got, tt.undone)
				}
			})
		})
	}
}

// In quiet hours a goal comes without a sound or not at all, since it is none at dawn; what is
// still news then comes then.
func TestQuietHoursOfUsers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		now := time.Now().UTC()
		at := func(d time.Duration) goalcast.DayTime {
			when := now.Add(d)
			return goalcast.DayTime(when.Hour()*60 + when.Minute())
		}
		quiet := func(from, to time.Duration, hold bool) goalcast.Preferences {
			return goalcast.Preferences{Quiet: &goalcast.QuietHours{From: at(from), To: at(to), Zone: "Etc/UTC",
				Hold: hold}}
		}
		for token, p := range map[string]goalcast.Preferences{"awake": quiet(2*time.Hour, 4*time.Hour, true),
			"silent": quiet(-time.Hour, time.Hour, false), "held": quiet(-time.Hour, time.Hour, true)} {
			w.user(token, "android", "en", goalcast.ForMatch(900))
			w.prefer(token, p)
		}
		clock := &ahead{Store: w.store}
		n := w.run(notify.Config{}, clock, nil)
		w.goal("opta:1")
		w.commit(goalcast.Event{ID: "match:900:fixture", Revision: 2, Kind: goalcast.KindFixture,
			Fixture: &goalcast.Fixture{Competition: goalcast.Competition{ID: 5, Name: "Harbour League"},
				Home: goalcast.Team{ID: 1, Name: "Noordzand"}, Away: goalcast.Team{ID: 2, Name: "Val-Rouge"},
				Halted: goalcast.Postponed}})
		w.rested()
		want := []string{"awake: GOAL! 27' Noordzand 1-0 Val-Rouge", "awake: Postponed: Noordzand - Val-Rouge",
			"silent: GOAL! 27' Noordzand 1-0 Val-Rouge", "silent: Postponed: Noordzand - Val-Rouge"}
		if got := slices.Sorted(slices.Values(w.texts())); !reflect.DeepEqual(got, want) {
			t.Errorf("now: %q, want %q", got, want)
		}
		for _, d := range w.fcm.Deliveries() {
			if d.Silent != (d.Token == "silent") || d.High == (d.Token == "silent") {
				t.Errorf("%+v", d)
			}
		}
		for reason, count := range map[string]float64{"held": 1, "dropped": 1, "off": 0} {
			if got := n.value(t, "goalcast_notify_withheld_total", reason); got != count {
				t.Errorf("counted %v %s, want %v", got, reason, count)
			}
		}
		clock.by.Store(int64(70 * time.Minute))
		w.done(2)
		want = []string{want[0], want[1], "held: Postponed: Noordzand - Val-Rouge", want[2], want[3]}
		if got := slices.Sorted(slices.Values(w.texts())); !reflect.DeepEqual(got, want) {
			t.Errorf("after quiet hours: %q, want %q", got, want)
		}
	})
}

// What was held too long, since nothing was sent for hours, is dropped.
func TestHeldPushIsNotSentTooLate(t *testing.T) {
	t.Parallel()
	w := embeddedWorld(t)
	w.user("late", "ios", "en", goalcast.ForMatch(900))
	w.prefer("late", spoiler(15, false))
	clock := &ahead{Store: w.store}
	n := w.run(notify.Config{}, clock, nil)
	w.goal("opta:1")
	w.rested()
	clock.by.Store(int64(136 * time.Second))
	w.done(1)
	if got := w.texts(); len(got) != 0 || n.value(t, "goalcast_notify_withheld_total", "dropped") != 1 {
		t.Errorf("delivered %q", got)
	}
}

// lineup commits a team's line-up.
func (w *world) lineup(team goalcast.TeamID, revision int, name string) {
	w.t.Helper()
	w.commit(goalcast.Event{ID: fmt.Sprintf("match:900:lineup:%d", team), Revision: revision, Kind: goalcast.KindLineup,
		Team: team, Period: goalcast.PreMatch, Lineup: &goalcast.Lineup{Team: team,
			Players: []goalcast.LineupPlayer{{Player: goalcast.Player{ID: goalcast.PlayerID(team), Name: name},
				Start: true}}}})
}

// Line-ups go once to who has asked for them; if the match is postponed meanwhile, they do not go.
func TestLineups(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		kickoff := fixture(2, "Noordzand", "Val-Rouge")
		kickoff.Fixture.Kickoff = time.Now().Add(50 * time.Minute)
		w.commit(kickoff)
		on := goalcast.Preferences{Kinds: map[goalcast.PushKind]bool{goalcast.PushLineups: true}}
		late := on
		late.Spoilers.Delay = 15
		for _, token := range []string{"plain", "on", "late"} {
			w.user(token, "android", "en", goalcast.ForMatch(900), goalcast.ForTeam(1))
		}
		w.prefer("on", on)
		w.prefer("late", late)
		clock := &ahead{Store: w.store}
		n := w.run(notify.Config{}, clock, nil)
		w.lineup(1, 1, "Joris Wuyts")
		w.rested()
		if got := w.texts(); len(got) != 0 {
			t.Errorf("with one line-up: %q", got)
		}
		w.lineup(2, 1, "Léon Hardi")
		w.rested()
		w.lineup(2, 2, "Bram Okel")
		w.rested()
		postponed := kickoff
		postponed.Revision, postponed.Fixture = 3, new(*kickoff.Fixture)
		postponed.Fixture.Halted = goalcast.Postponed
		w.commit(postponed)
		w.rested()
		clock.by.Store(int64(20 * time.Second))
		w.done(2)
		const lineups, off = "on: Line-ups: Noordzand - Val-Rouge", ": Postponed: Noordzand - Val-Rouge"
		want := []string{"late" + off, lineups, "on" + off, "plain" + off}
		if got := slices.Sorted(slices.Values(w.texts())); !reflect.DeepEqual(got, want) {
			t.Errorf("delivered %q, want %q", got, want)
		}
		for _, d := range w.fcm.Deliveries() {
			if d.Data["kind"] == "lineups" && (d.Key != "lineups:900" || d.Collapse != "period:900" || d.High ||
				d.TTL < 48*time.Minute || d.TTL > 50*time.Minute) {
				t.Errorf("%+v", d)
			}
		}
		if got := n.value(t, "goalcast_notify_withheld_total", "taken_back"); got != 1 {
			t.Errorf("counted %v taken back, want 1", got)
		}
	})
}

// Clips come later than goals, without waking the phone, with a picture for who may see scores; who
// waits for one that is taken back meanwhile gets none.
func TestClips(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		for _, token := range []string{"plain", "blind", "late", "off"} {
			w.user(token, "ios", "en", goalcast.ForMatch(900))
		}
		w.prefer("blind", spoiler(0, true))
		w.prefer("late", spoiler(15, false))
		noClips := goalcast.Preferences{Kinds: map[goalcast.PushKind]bool{goalcast.PushClips: false}}
		w.prefer("off", noClips)
		clock := &ahead{Store: w.store}
		w.run(notify.Config{Country: "BE"}, clock, nil)
		w.goal("opta:1")
		w.rested()
		clock.by.Store(int64(16 * time.Second))
		w.idle()
		before := len(w.fcm.Deliveries())
		clip := w.commit(goalcast.Event{ID: "wsc:1:900", Kind: goalcast.KindClip, At: time.Now().UTC(),
			Clip: &goalcast.Clip{Of: "opta:1", Video: "v1", Include: []string{"BE"},
				Thumbnail: "https://clips.example.org/67.jpg"}})[0]
		w.rested()
		w.revise(clip, cancelled)
		w.rested()
		clock.by.Store(int64(time.Minute))
		w.idle()
		got := map[string]string{}
		for _, d := range w.fcm.Deliveries()[before:] {
			got[d.Token] = d.Title + ", " + d.Image
			if d.Data["kind"] != "clip" || d.Data["of"] != "opta:1" || d.High || d.Silent ||
				d.Key != "clip:900:opta:1" {
				t.Errorf("%+v", d)
			}
		}
		want := map[string]string{"plain": "Video: 27' Noordzand 1-0 Val-Rouge, https://clips.example.org/67.jpg",
			"blind": "Video: Noordzand - Val-Rouge, "}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("delivered %q, want %q", got, want)
		}
	})
}
