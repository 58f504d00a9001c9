package store

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"goalcast"
)

func TestDevices(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save := func(token string, user goalcast.UserID, platform, language string) {
			t.Helper()
			if err := s.SaveDevice(t.Context(), goalcast.Device{Token: token, User: user, Platform: platform, Language: language}); err != nil {
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
		if before[0].ID != after[0].ID || after[0].Language != "en" || after[0].Created != before[0].Created || after[0].Created.IsZero() {
			t.Errorf("before %+v, after %+v", before[0], after[0])
		}
		save("b", "bob", "ios", "fr") // the phone changes hands
		if a, b := tokens(t, s, "ann"), tokens(t, s, "bob"); !reflect.DeepEqual(a, []string{"a"}) || !reflect.DeepEqual(b, []string{"b", "c"}) {
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
		for _, topic := range []goalcast.Topic{goalcast.ForTeam(7), goalcast.ForMatch(9), goalcast.ForTeam(7), goalcast.ForTeam(3)} {
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
		if want := []goalcast.Topic{goalcast.ForMatch(9), goalcast.ForTeam(7)}; err != nil || !reflect.DeepEqual(got, want) {
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
				err := s.SaveDevice(t.Context(), goalcast.Device{Token: fmt.Sprint("t", i), User: "ann", Platform: "android", Language: "nl"})
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
		if err := s.SaveDevice(t.Context(), goalcast.Device{Token: have[0], User: "ann", Platform: "android", Language: "fr"}); err != nil {
			t.Errorf("change a device at the limit: %v", err)
		}
		for i := range MaxFollows {
			if err := s.Follow(t.Context(), "ann", goalcast.ForMatch(goalcast.MatchID(i+1))); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Follow(t.Context(), "ann", goalcast.ForMatch(1)); err != nil {
			t.Errorf("follow again at the limit: %v", err)
		}
		if err := s.Follow(t.Context(), "ann", goalcast.ForTeam(1)); !errors.Is(err, goalcast.ErrTooMany) {
			t.Errorf("follow beyond the limit: %v", err)
		}
	})
}

func TestAudienceInBatches(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		match, home := goalcast.ForMatch(9), goalcast.ForTeam(7)
		for i := range 25 {
			user := goalcast.UserID(fmt.Sprint("u", i))
			for _, kind := range []string{"a", "b"} {
				if err := s.SaveDevice(t.Context(), goalcast.Device{Token: fmt.Sprint(user, kind), User: user, Platform: "ios", Language: "nl"}); err != nil {
					t.Fatal(err)
				}
			}
			if i%5 == 4 {
				continue // follows nothing
			}
			follow(t, s, user, match)
			follow(t, s, user, home) // both: still once
		}
		bounds, err := s.BatchBounds(t.Context(), []goalcast.Topic{match, home}, 7)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for i, b := range bounds {
			devices, err := s.BatchDevices(t.Context(), []goalcast.Topic{match, home}, b[0], b[1])
			if err != nil || len(devices) > 7 || i < len(bounds)-1 && len(devices) != 7 {
				t.Errorf("batch %d has %d devices, %v", i, len(devices), err)
			}
			for _, d := range devices {
				seen[d.Token]++
			}
		}
		if len(seen) != 40 || len(bounds) != 6 {
			t.Errorf("%d devices in %d batches", len(seen), len(bounds))
		}
		for token, n := range seen {
			if n != 1 {
				t.Errorf("%s is in %d batches", token, n)
			}
		}
		if none, err := s.BatchBounds(t.Context(), []goalcast.Topic{goalcast.ForMatch(1)}, 7); err != nil || len(none) != 0 {
			t.Errorf("nobody follows: %v, %v", none, err)
		}
		if none, err := s.BatchBounds(t.Context(), nil, 7); err != nil || len(none) != 0 {
			t.Errorf("no topics: %v, %v", none, err)
		}
	})
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
