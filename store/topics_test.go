package store

import (
	"slices"
	"testing"
	"time"

	"goalcast"
)

// due are the devices whose topics are to be looked at.
func due(t *testing.T, s *Store, only bool) []goalcast.TopicPhone {
	t.Helper()
	phones, err := s.TopicPhones(t.Context(), s.Now().Add(time.Second), only, 100)
	if err != nil {
		t.Fatal(err)
	}
	return phones
}

// nothingDue notes that nothing is due any more.
func nothingDue(t *testing.T, s *Store) {
	t.Helper()
	must(t, s.SavePhoneTopics(t.Context(), due(t, s, false)))
	if left := due(t, s, false); len(left) != 0 {
		t.Fatalf("%+v are still due", left)
	}
}

// Whatever changes what a device is to listen to makes it due; registering once more does not.
func TestWhatMakesTopicsDue(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		device := goalcast.Device{Token: "a", User: "ann", Platform: "ios", Language: "nl"}
		must(t, s.SaveDevice(ctx, device))
		must(t, s.SaveDevice(ctx, goalcast.Device{Token: "b", User: "bob", Platform: "ios", Language: "nl"}))
		for name, change := range map[string]func() error{
			"follow":   func() error { return s.Follow(ctx, "ann", goalcast.ForTeam(1)) },
			"unfollow": func() error { return s.Unfollow(ctx, "ann", goalcast.ForTeam(1)) },
			"preferences": func() error {
				return s.SavePreferences(ctx, "ann", goalcast.Preferences{Spoilers: goalcast.Spoilers{NoScores: true}})
			},
			"none":      func() error { return s.SavePreferences(ctx, "ann", goalcast.Preferences{}) },
			"confirmed": func() error { return s.ConfirmDevices(ctx, []int64{1}) },
			"language": func() error {
				device.Language = "fr"
				return s.SaveDevice(ctx, device)
			},
			"app": func() error {
				device.App = "kids"
				return s.SaveDevice(ctx, device)
			},
			"merge": func() error {
				_, err := s.Merge(ctx, "ann", "anna")
				device.User = "anna"
				if err == nil {
					_, err = s.Merge(ctx, "anna", "ann")
					device.User = "ann"
				}
				return err
			},
		} {
			nothingDue(t, s)
			must(t, change())
			if phones := due(t, s, false); len(phones) != 1 || phones[0].Token != "a" {
				t.Errorf("%s: %+v", name, phones)
			}
		}
		nothingDue(t, s)
		must(t, s.SaveDevice(ctx, device))
		if phones := due(t, s, false); len(phones) != 0 {
			t.Errorf("registered again: %+v", phones)
		}
	})
}

// What a device listens to is kept as it was told; a change that comes between is not forgotten.
func TestTopicsOfDevices(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		must(t, s.SaveDevice(ctx, goalcast.Device{Token: "a", User: "ann", Platform: "ios", Language: "nl"}))
		must(t, s.ConfirmDevices(ctx, []int64{1}))
		follow(t, s, "ann", goalcast.ForTeam(1))
		follow(t, s, "ann", goalcast.ForMatch(9))
		p := due(t, s, false)[0]
		if p.ID != 1 || p.User != "ann" || p.Token != "a" || p.Language != "nl" || !p.Proven || p.Prefers ||
			!slices.Equal(p.Follows, []goalcast.Topic{goalcast.ForMatch(9), goalcast.ForTeam(1)}) {
			t.Fatalf("%+v", p)
		}
		if only := due(t, s, true); len(only) != 0 {
			t.Errorf("listens already: %+v", only)
		}
		time.Sleep(2 * time.Millisecond) // of the database's clock
		must(t, s.SavePreferences(ctx, "ann", goalcast.Preferences{Spoilers: goalcast.Spoilers{Delay: 30}}))
		p.Topics, p.Unsure = []string{"nl.team.1"}, []string{"nl.match.9"}
		must(t, s.SavePhoneTopics(ctx, []goalcast.TopicPhone{p}))
		again := due(t, s, false)
		if len(again) != 1 || !again[0].Prefers || !slices.Equal(again[0].Topics, p.Topics) ||
			!slices.Equal(again[0].Unsure, p.Unsure) {
			t.Errorf("%+v", again)
		}
		if phones, err := s.Listening(ctx, []int64{1, 2}); err != nil || len(phones) != 1 ||
			phones[0].Language != "nl" || !slices.Equal(phones[0].Topics, p.Topics) {
			t.Errorf("%+v, %v", phones, err)
		}
		nothingDue(t, s)
		if only := due(t, s, true); len(only) != 1 {
			t.Errorf("of those that listen: %+v", only)
		}
	})
}

// A device that is deleted leaves its token until its phone listens no more; registered again, it
// listens to what it did, perhaps. Tokens that are sealed stay so.
func TestTopicLeavers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		s.UseDeviceKeys(deviceKeys(t, "first"))
		for _, token := range []string{"gone", "back", "silent"} {
			must(t, s.SaveDevice(ctx, goalcast.Device{Token: token, User: goalcast.UserID("user of " + token),
				Platform: "ios", Language: "nl"}))
		}
		phones := due(t, s, false)
		for i := range phones {
			if phones[i].Token != "silent" {
				phones[i].Topics, phones[i].Unsure = []string{"nl.team.1"}, []string{"nl.team.2"}
			}
		}
		must(t, s.SavePhoneTopics(ctx, phones))
		must(t, s.Erase(ctx, "user of gone"))
		must(t, s.DeleteDevice(ctx, "user of back", "back"))
		must(t, s.DeleteToken(ctx, "silent"))
		var open int
		must(t, s.queryRow(ctx, `SELECT COUNT(*) FROM topic_leavers WHERE token IN ('gone', 'back')`).Scan(&open))
		if open != 0 {
			t.Error("a token is kept in the clear")
		}
		must(t, s.SaveDevice(ctx, goalcast.Device{Token: "back", User: "another", Platform: "ios", Language: "nl"}))
		left, err := s.TopicLeavers(ctx, 10)
		if err != nil || len(left) != 1 || left[0].Token != "gone" ||
			!slices.Equal(left[0].Unsure, []string{"nl.team.1", "nl.team.2"}) {
			t.Fatalf("%+v, %v", left, err)
		}
		only := due(t, s, true)
		if len(only) != 1 || only[0].User != "another" || len(only[0].Topics) != 0 ||
			!slices.Equal(only[0].Unsure, []string{"nl.team.1", "nl.team.2"}) {
			t.Errorf("who is back: %+v", only)
		}
		must(t, s.ForgetLeavers(ctx, []int64{left[0].ID}))
		if left, err := s.TopicLeavers(ctx, 10); err != nil || len(left) != 0 {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

func TestFollowedBy(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for _, user := range []goalcast.UserID{"a", "b", "c"} {
			follow(t, s, user, goalcast.ForTeam(1))
		}
		follow(t, s, "a", goalcast.ForTeam(2))
		topics := []goalcast.Topic{goalcast.ForMatch(9), goalcast.ForTeam(1), goalcast.ForTeam(2)}
		for followers, want := range map[int]bool{1: true, 4: true, 5: false} {
			if got, err := s.FollowedBy(t.Context(), topics, followers); err != nil || got != want {
				t.Errorf("%d: %v, %v", followers, got, err)
			}
		}
	})
}
