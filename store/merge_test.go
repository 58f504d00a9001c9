package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"goalcast"
)

// mergeWorld saves devices and follows.
func mergeWorld(t *testing.T, s *Store) (save func(user goalcast.UserID, tokens ...string),
	follow func(user goalcast.UserID, teams ...goalcast.TeamID)) {
	save = func(user goalcast.UserID, tokens ...string) {
		t.Helper()
		for _, token := range tokens {
			if err := s.SaveDevice(t.Context(), goalcast.Device{Token: token, User: user, Platform: "ios",
				Language: "nl"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	follow = func(user goalcast.UserID, teams ...goalcast.TeamID) {
		t.Helper()
		for _, team := range teams {
			if err := s.Follow(t.Context(), user, goalcast.ForTeam(team)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return save, follow
}

func followed(t *testing.T, s *Store, user goalcast.UserID) string {
	t.Helper()
	topics, err := s.Follows(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(topics)
}

func TestALoginGetsWhatTheAnonymousUserHad(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, follow := mergeWorld(t, s)
		save("anonymous", "a", "b")
		follow("anonymous", 1, 2, 3)
		save("login", "c")
		follow("login", 3, 4)
		save("other", "d")
		follow("other", 1)
		for round, want := range []goalcast.Merged{{Devices: 2, Follows: 2}, {}} { // twice is once
			m, err := s.Merge(t.Context(), "anonymous", "login")
			if err != nil || m != want {
				t.Errorf("round %d: %+v, %v", round, m, err)
			}
			if got := tokens(t, s, "login"); !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Errorf("devices %v", got)
			}
			if got := followed(t, s, "login"); got != "[team:1 team:2 team:3 team:4]" {
				t.Errorf("follows %s", got)
			}
			if d, f := tokens(t, s, "anonymous"), followed(t, s, "anonymous"); len(d) != 0 || f != "[]" {
				t.Errorf("the anonymous user still has %v, %s", d, f)
			}
		}
		if d, f := tokens(t, s, "other"), followed(t, s, "other"); len(d) != 1 || f != "[team:1]" {
			t.Errorf("another has %v, %s", d, f)
		}
		// pushes find all, each once
		audience, _, more, err := s.Audience(t.Context(), []goalcast.Topic{goalcast.ForTeam(2), goalcast.ForTeam(4)},
			goalcast.PushGoals, "", 100)
		if err != nil || more || len(audience) != 3 {
			t.Errorf("audience %v, %v, %v", audience, more, err)
		}
	})
}

func TestAUserMergedIntoItselfStays(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, follow := mergeWorld(t, s)
		save("ann", "a")
		follow("ann", 1)
		if m, err := s.Merge(t.Context(), "ann", "ann"); err != nil || m != (goalcast.Merged{}) {
			t.Errorf("%+v, %v", m, err)
		}
		if d, f := tokens(t, s, "ann"), followed(t, s, "ann"); len(d) != 1 || f != "[team:1]" {
			t.Errorf("%v, %s", d, f)
		}
	})
}

// Limits hold; what does not fit changes nothing.
func TestAMergeThatIsTooMuchChangesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, follow := mergeWorld(t, s)
		for i := range MaxDevices {
			save("login", fmt.Sprint("login-", i))
		}
		save("anonymous", "a")
		follow("anonymous", 1)
		if _, err := s.Merge(t.Context(), "anonymous", "login"); !errors.Is(err, goalcast.ErrTooMany) {
			t.Errorf("%v", err)
		}
		if d, f := tokens(t, s, "anonymous"), followed(t, s, "anonymous"); len(d) != 1 || f != "[team:1]" {
			t.Errorf("%v, %s", d, f)
		}
		if f := followed(t, s, "login"); f != "[]" {
			t.Errorf("the login follows %s", f)
		}
	})
}

// Merges of one user at the same time, into two logins and with new follows in between, end with
// everything in one place, nothing lost and nothing twice.
func TestMergesAtTheSameTime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, follow := mergeWorld(t, s)
		save("anonymous", "a", "b")
		follow("anonymous", 1, 2, 3)
		var all sync.WaitGroup
		var mu sync.Mutex
		var sum goalcast.Merged
		for i := range 8 {
			to := goalcast.UserID(fmt.Sprint("login-", i%2))
			all.Go(func() {
				m, err := s.Merge(t.Context(), "anonymous", to)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				sum.Devices += m.Devices
				sum.Follows += m.Follows
			})
			all.Go(func() { // the other way round must not deadlock
				if _, err := s.Merge(t.Context(), to, goalcast.UserID(fmt.Sprint("login-", (i+1)%2))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		devices, follows := 0, 0
		for _, user := range []goalcast.UserID{"anonymous", "login-0", "login-1"} {
			devices += len(tokens(t, s, user))
			topics, err := s.Follows(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			follows += len(topics)
		}
		if devices != 2 || follows != 3 || sum != (goalcast.Merged{Devices: 2, Follows: 3}) {
			t.Errorf("%d devices, %d follows; merged %+v", devices, follows, sum)
		}
		if d, f := tokens(t, s, "anonymous"), followed(t, s, "anonymous"); len(d) != 0 || f != "[]" {
			t.Errorf("the anonymous user still has %v, %s", d, f)
		}
	})
}
