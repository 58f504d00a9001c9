package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"goalcast"
)

func TestDevices(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save := func(token string, user goalcast.UserID, platform, language string) {
			t.Helper()
			if err := s.SaveDevice(t.Context(), goalcast.Device{Token: token, User: user, Platform: platform,
				Language: language}); err != nil {
				t.Fatal(err)
			}
		}
		save("a", "ann", "android", "nl")
		save("b", "ann", "ios", "fr")
		save("c", "bob", "web", "de")
		first := tokens(t, s, "ann")
		if !reflect.DeepEqual(first, []string{"a", "b"}) {
			t.Fatalf("ann has %v", first)
		}
		before, _ := s.Devices(t.Context(), "ann")
		save("a", "ann", "android", "en") // another language: the same device
		after, _ := s.Devices(t.Context(), "ann")
		if before[0].ID != after[0].ID || after[0].Language != "en" || after[0].Created != before[0].Created ||
			after[0].Created.IsZero() {
			t.Errorf("before %+v, after %+v", before[0], after[0])
		}
		save("b", "bob", "ios", "fr") // the phone changes hands
		if a, b := tokens(t, s, "ann"), tokens(t, s, "bob"); !reflect.DeepEqual(a, []string{"a"}) ||
			!reflect.DeepEqual(b, []string{"b", "c"}) {
			t.Errorf("ann has %v, bob %v", a, b)
		}
		if err := s.DeleteDevice(t.Context(), "ann", "b"); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("ann deletes bob's device: %v", err)
		}
		if err := s.DeleteDevice(t.Context(), "bob", "b"); err != nil {
			t.Error(err)
		}
		for range 2 { // twice is once
			if err := s.DeleteToken(t.Context(), "c"); err != nil {
				t.Error(err)
			}
		}
		if got := tokens(t, s, "bob"); len(got) != 0 {
			t.Errorf("bob has %v", got)
		}
	})
}

func TestFollows(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for _, topic := range []goalcast.Topic{goalcast.ForTeam(7), goalcast.ForMatch(9), goalcast.ForTeam(7),
			goalcast.ForTeam(3)} {
			if err := s.Follow(t.Context(), "ann", topic); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Unfollow(t.Context(), "ann", goalcast.ForTeam(3)); err != nil {
			t.Fatal(err)
		}
		if err := s.Unfollow(t.Context(), "ann", goalcast.ForTeam(3)); err != nil {
			t.Errorf("unfollow what is not followed: %v", err)
		}
		got, err := s.Follows(t.Context(), "ann")
		if want := []goalcast.Topic{goalcast.ForMatch(9), goalcast.ForTeam(7)}; err != nil ||
			!reflect.DeepEqual(got, want) {
			t.Errorf("follows %v, %v; want %v", got, err, want)
		}
	})
}

func TestLimitsOfAUser(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		// Many at once: the limit holds all the same.
		var wg sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for i := range MaxDevices + 5 {
			wg.Go(func() {
				err := s.SaveDevice(t.Context(), goalcast.Device{Token: fmt.Sprint("t", i), User: "ann",
					Platform: "android", Language: "nl"})
				if errors.Is(err, goalcast.ErrTooMany) {
					mu.Lock()
					refused++
					mu.Unlock()
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		have := tokens(t, s, "ann")
		if refused != 5 || len(have) != MaxDevices {
			t.Errorf("%d refused, %d kept", refused, len(have))
		}
		if err := s.SaveDevice(t.Context(), goalcast.Device{Token: have[0], User: "ann", Platform: "android",
			Language: "fr"}); err != nil {
			t.Errorf("change a device at the limit: %v", err)
		}
		sabotage(t, s, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO follows (user_id, kind, topic, created, place) SELECT 'ann', %d, i, 1, 1
			FROM n`, MaxFollows-1, goalcast.MatchTopic))
		if err := s.Follow(t.Context(), "ann", goalcast.ForMatch(MaxFollows)); err != nil {
			t.Errorf("the last one that fits: %v", err)
		}
		if err := s.Follow(t.Context(), "ann", goalcast.ForMatch(1)); err != nil {
			t.Errorf("follow again at the limit: %v", err)
		}
		if err := s.Follow(t.Context(), "ann", goalcast.ForTeam(1)); !errors.Is(err, goalcast.ErrTooMany) {
			t.Errorf("follow beyond the limit: %v", err)
		}
	})
}

func TestAudienceInParts(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		match, home := goalcast.ForMatch(9), goalcast.ForTeam(7)
		want := map[int64]bool{}
		for i := range 25 {
			user := goalcast.UserID(fmt.Sprint("u", i))
			for _, kind := range []string{"a", "b"} {
				if i%6 == 5 {
					continue // follows, and has no device (any more)
				}
				if err := s.SaveDevice(t.Context(), goalcast.Device{Token: fmt.Sprint(user, kind), User: user,
					Platform: "ios", Language: "nl"}); err != nil {
					t.Fatal(err)
				}
			}
			if i%5 == 4 {
				continue // follows nothing
			}
			if i%3 != 0 {
				follow(t, s, user, match)
			}
			if i%3 != 1 {
				follow(t, s, user, home) // some both: still once
			}
			devices, err := s.Devices(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range devices {
				want[d.ID] = true
			}
		}
		for _, users := range []int{1, 3, 7, 20, 21, 100} {
			got := map[int64]bool{}
			after, more, parts := goalcast.UserID(""), true, 0
			for more {
				devices, last, again, err := s.Audience(t.Context(), []goalcast.Topic{match, home},
					goalcast.PushGoals, after, users)
				if err != nil || len(devices) > 2*users || again && last == after {
					t.Fatalf("%d users after %q: %d devices, last %q, %v", users, after, len(devices), last, err)
				}
				for _, id := range ids(devices) {
					if got[id] {
						t.Errorf("parts of %d: device %d comes twice", users, id)
					}
					got[id] = true
				}
				after, more = last, again
				parts++
			}
			// 20 users follow; that nobody is left may take one look more
			if !reflect.DeepEqual(got, want) || parts != 20/users+1 {
				t.Errorf("parts of %d: %d devices in %d parts, want %d", users, len(got), parts, len(want))
			}
		}
		if none, last, more, err := s.Audience(t.Context(), []goalcast.Topic{goalcast.ForMatch(1)},
			goalcast.PushGoals, "", 7); err != nil || len(none) != 0 || more || last != "" {
			t.Errorf("nobody follows: %v, %q, %v, %v", none, last, more, err)
		}
		if none, _, more, err := s.Audience(t.Context(), nil, goalcast.PushGoals, "",
			7); err != nil || len(none) != 0 || more {
			t.Errorf("no topics: %v, %v, %v", none, more, err)
		}
	})
}

func ids(recipients []goalcast.Recipient) (list []int64) {
	for _, r := range recipients {
		list = append(list, r.Device)
	}
	return list
}

func tokens(t *testing.T, s *Store, user goalcast.UserID) []string {
	t.Helper()
	devices, err := s.Devices(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range devices {
		out = append(out, d.Token)
	}
	return out
}

func follow(t *testing.T, s *Store, user goalcast.UserID, topic goalcast.Topic) {
	t.Helper()
	if err := s.Follow(t.Context(), user, topic); err != nil {
		t.Fatal(err)
	}
}

// Nobody chooses his place: who followed something first is told first, whatever his id, and a user
// has one place for all that he follows.
func TestAudienceComesInTheOrderOfAge(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		match, home := goalcast.ForMatch(9), goalcast.ForTeam(7)
		for i, user := range []goalcast.UserID{"zoe", "yve", "ann", "-00"} {
			follow(t, s, user, home)
			if i%2 == 0 {
				follow(t, s, user, match)
			}
			sabotage(t, s, fmt.Sprintf(`UPDATE follows SET place = %d WHERE user_id = '%s'`, 1000+i, user))
			if err := s.SaveDevice(t.Context(), goalcast.Device{Token: "phone of " + string(user), User: user,
				Platform: "ios", Language: "nl"}); err != nil {
				t.Fatal(err)
			}
		}
		follow(t, s, "zoe", goalcast.ForTeam(3))
		follow(t, s, "yve", match) // much later than ann, and still before her
		var got []int64
		for after, more := goalcast.UserID(""), true; more; {
			devices, last, again, err := s.Audience(t.Context(), []goalcast.Topic{match, home},
				goalcast.PushGoals, after, 1)
			if err != nil {
				t.Fatal(err)
			}
			got, after, more = append(got, ids(devices)...), last, again
		}
		if want := []int64{1, 2, 3, 4}; !reflect.DeepEqual(got, want) {
			t.Errorf("devices %v, want %v", got, want)
		}
	})
}

func TestDevicesExpire(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save := func(token string) {
			t.Helper()
			if err := s.SaveDevice(t.Context(), goalcast.Device{Token: token, User: goalcast.UserID("user of " + token),
				Platform: "ios", Language: "nl"}); err != nil {
				t.Fatal(err)
			}
		}
		for _, token := range []string{"old", "old, seen again", "invented", "just registered"} {
			save(token)
		}
		if fresh, err := s.NewDevices(t.Context(), []int64{3, 1, 2, 9}); err != nil ||
			!reflect.DeepEqual(fresh, []int64{1, 2, 3}) {
			t.Errorf("new: %v, %v", fresh, err)
		}
		if err := s.ConfirmDevices(t.Context(), []int64{1, 2}); err != nil {
			t.Fatal(err)
		}
		sabotage(t, s, fmt.Sprintf(`UPDATE devices SET seen = seen - %d WHERE id < 3`, KeepDevice.Milliseconds()+1000))
		sabotage(t, s, fmt.Sprintf(`UPDATE devices SET seen = seen - %d
			WHERE id = 3`, KeepNewDevice.Milliseconds()+1000))
		save("old, seen again")
		if n, err := s.PruneDevices(t.Context()); err != nil || n != 2 {
			t.Errorf("pruned %d, %v", n, err)
		}
		left, err := s.DevicesByID(t.Context(), []int64{1, 2, 3, 4})
		if err != nil || len(left) != 2 || left[0].Token != "old, seen again" || !left[0].Proven ||
			left[1].Token != "just registered" || left[1].Proven {
			t.Errorf("left %+v, %v", left, err)
		}
	})
}

// How a device is reached is told without its token, also of devices from before, unless their
// tokens were encrypted then.
func TestAudienceTellsCarriers(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		topic := goalcast.ForTeam(1)
		browser := goalcast.Subscription{Endpoint: "https://Web.Push.Example/x/y", Key: "k", Auth: "a"}
		for token, platform := range map[string]string{"registration-token": "android", browser.Token(): "web",
			"https://bare.example?x#k.a": "web", "reference-of-the-bank": goalcast.PlatformBank} {
			must(t, s.SaveDevice(ctx, goalcast.Device{Token: token, User: "anna", Platform: platform}))
		}
		must(t, s.SaveDevice(ctx, goalcast.Device{Token: "of the kids' app", User: "anna", Platform: "ios",
			App: "kids"}))
		if all, err := s.Devices(ctx, "anna"); err != nil || len(all) != 5 || all[4].App != "kids" || all[0].App != "" {
			t.Errorf("devices %+v, %v", all, err)
		}
		follow(t, s, "anna", topic)
		carriers := func() []string {
			t.Helper()
			list, _, _, err := s.Audience(ctx, []goalcast.Topic{topic}, goalcast.PushGoals, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, r := range list {
				out = append(out, r.Carrier)
			}
			slices.Sort(out)
			return out
		}
		want := []string{"", "app:kids", "bank", "https://bare.example", "https://web.push.example"}
		if got := carriers(); !slices.Equal(got, want) {
			t.Errorf("carriers %q", got)
		}
		must(t, s.SaveDevice(ctx, goalcast.Device{Token: "of the kids' app", User: "anna", Platform: "ios"}))
		want = slices.Delete(want, 1, 2) // it is of no app by name any more, which was not known before
		want = append([]string{""}, want...)
		sabotage(t, s, `DELETE FROM devices WHERE token LIKE '%bare%'`) // no push service has such endpoints
		provider, err := s.migrations()
		must(t, err)
		if _, err := provider.DownTo(ctx, 46); err != nil {
			t.Fatal(err)
		}
		must(t, s.Migrate(ctx))
		if got := carriers(); !slices.Equal(got, slices.Delete(want, 3, 4)) {
			t.Errorf("after a migration: carriers %q", got)
		}
	})
}
