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

var (
	noGoals = map[goalcast.PushKind]bool{goalcast.PushGoals: false}
	sleeps  = goalcast.Preferences{Kinds: noGoals, Spoilers: goalcast.Spoilers{NoScores: true, Delay: 30},
		Quiet: &goalcast.QuietHours{From: 22 * 60, To: 7 * 60, Zone: "Europe/Brussels", Hold: true}}
)

func preferencesOf(t *testing.T, s *Store, user goalcast.UserID) goalcast.UserPreferences {
	t.Helper()
	p, err := s.Preferences(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func prefer(t *testing.T, s *Store, user goalcast.UserID, p goalcast.Preferences) {
	t.Helper()
	if err := s.SavePreferences(t.Context(), user, p); err != nil {
		t.Fatal(err)
	}
}

func preferOf(t *testing.T, s *Store, user goalcast.UserID, topic goalcast.Topic, p goalcast.FollowPreferences) {
	t.Helper()
	if err := s.SaveFollowPreferences(t.Context(), user, topic, p); err != nil {
		t.Fatal(err)
	}
}

// preferenceRows counts the rows of preferences.
func preferenceRows(t *testing.T, s *Store) (n int) {
	t.Helper()
	if err := s.queryRow(t.Context(), `SELECT COUNT(*) FROM preferences`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPreferencesAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		home := goalcast.ForTeam(7)
		own := goalcast.FollowPreferences{Kinds: noGoals, Spoilers: &goalcast.Spoilers{Delay: 9}}
		if p := preferencesOf(t, s, "ann"); !p.IsZero() {
			t.Errorf("at first: %+v", p)
		}
		if err := s.SaveFollowPreferences(t.Context(), "ann", home, own); !errors.Is(err, goalcast.ErrNotFound) {
			t.Errorf("of what is not followed: %v", err)
		}
		follow(t, s, "ann", home)
		preferOf(t, s, "ann", home, own)
		prefer(t, s, "ann", sleeps)
		prefer(t, s, "bob", goalcast.Preferences{Spoilers: goalcast.Spoilers{Delay: 1}})
		want := goalcast.UserPreferences{Preferences: sleeps,
			Follows: map[goalcast.Topic]goalcast.FollowPreferences{home: own}}
		if p := preferencesOf(t, s, "ann"); !reflect.DeepEqual(p, want) {
			t.Errorf("%+v, want %+v", p, want)
		}
		if err := s.Unfollow(t.Context(), "ann", home); err != nil {
			t.Fatal(err)
		}
		if p := preferencesOf(t, s, "ann"); len(p.Follows) != 0 || !reflect.DeepEqual(p.Preferences, sleeps) {
			t.Errorf("not followed any more: %+v", p)
		}
		prefer(t, s, "ann", goalcast.Preferences{})
		if p := preferencesOf(t, s, "ann"); !p.IsZero() || preferenceRows(t, s) != 1 {
			t.Errorf("default again: %+v in %d rows", p, preferenceRows(t, s))
		}
	})
}

func TestFollowPreferencesAreLimited(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for i := range MaxFollowPreferences + 1 {
			follow(t, s, "ann", goalcast.ForTeam(goalcast.TeamID(i+1)))
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		refused := 0
		for i := range MaxFollowPreferences + 1 { // at once: none is lost
			all.Go(func() {
				err := s.SaveFollowPreferences(t.Context(), "ann", goalcast.ForTeam(goalcast.TeamID(i+1)),
					goalcast.FollowPreferences{Kinds: noGoals})
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, goalcast.ErrTooMany) {
					refused++
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := len(preferencesOf(t, s, "ann").Follows); n != MaxFollowPreferences || refused != 1 {
			t.Errorf("%d kept, %d refused", n, refused)
		}
	})
}

// The audience has each user's preferences, by the follows that led to him, in parts of any size.
func TestAudienceHasPreferences(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, _ := mergeWorld(t, s)
		match, home, league := goalcast.ForMatch(9), goalcast.ForTeam(7), goalcast.ForCompetition(5)
		off := goalcast.FollowPreferences{Kinds: noGoals}
		for _, user := range []goalcast.UserID{"plain", "sleeps", "match off", "league off", "team and league off"} {
			save(user, string(user))
		}
		save("sleeps", "second phone")
		for _, topic := range []goalcast.Topic{match, home, league} {
			follow(t, s, "plain", topic)
			follow(t, s, "match off", topic)
		}
		follow(t, s, "sleeps", home)
		prefer(t, s, "sleeps", sleeps)
		preferOf(t, s, "match off", match, off)
		follow(t, s, "league off", league)
		preferOf(t, s, "league off", league, off)
		follow(t, s, "team and league off", league)
		follow(t, s, "team and league off", home)
		preferOf(t, s, "team and league off", league, off)
		follow(t, s, "damaged", home)
		save("damaged", "damaged")
		sabotage(t, s, `INSERT INTO preferences (user_id, body, updated) VALUES ('damaged', '{"kinds":7}', 0)`)
		want := map[string]bool{"plain": true, "sleeps": false, "second phone": false, "match off": false,
			"league off": false, "team and league off": true, "damaged": true}
		for _, users := range []int{1, 2, 3, 100} {
			got := map[string]bool{}
			for after, more := goalcast.UserID(""), true; more; {
				list, last, again, err := s.Audience(t.Context(), []goalcast.Topic{match, home, league},
					goalcast.PushGoals, after, users)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range list {
					devices, err := s.DevicesByID(t.Context(), []int64{r.Device})
					if err != nil || len(devices) != 1 {
						t.Fatalf("%v, %v", devices, err)
					}
					got[devices[0].Token] = r.Preferences == nil || r.Preferences.Wants(goalcast.PushGoals)
					if user := devices[0].User; (r.Preferences == nil) != (user == "plain" || user == "damaged") ||
						user == "sleeps" && !reflect.DeepEqual(*r.Preferences, sleeps) {
						t.Errorf("%s: %+v", user, r.Preferences)
					}
				}
				after, more = last, again
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("parts of %d: %v, want %v", users, got, want)
			}
		}
		if s.SetAside() == 0 {
			t.Error("preferences that cannot be read are not counted")
		}
	})
}

// The audience of a kind that is off by default are those who have switched one on, before or after
// they followed something, also as another user.
func TestAudienceOfWhatIsOffByDefault(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, _ := mergeWorld(t, s)
		match, home, other := goalcast.ForMatch(9), goalcast.ForTeam(7), goalcast.ForTeam(8)
		on := map[goalcast.PushKind]bool{goalcast.PushLineups: true}
		all, one := goalcast.Preferences{Kinds: on}, goalcast.FollowPreferences{Kinds: on}
		for _, user := range []goalcast.UserID{"plain", "sleeps", "before", "after", "team only", "other team only",
			"not any more", "login"} {
			save(user, string(user))
		}
		prefer(t, s, "before", all)
		prefer(t, s, "anonymous", all)
		for _, user := range []goalcast.UserID{"plain", "sleeps", "before", "after", "team only", "other team only",
			"not any more", "anonymous", "login"} {
			follow(t, s, user, home)
		}
		follow(t, s, "anonymous", match)
		prefer(t, s, "sleeps", sleeps)
		prefer(t, s, "after", all)
		preferOf(t, s, "team only", home, one)
		follow(t, s, "other team only", other)
		preferOf(t, s, "other team only", other, one)
		prefer(t, s, "not any more", all)
		prefer(t, s, "not any more", goalcast.Preferences{})
		audience := func() (list, wants []string) {
			t.Helper()
			for after, more := goalcast.UserID(""), true; more; {
				part, last, again, err := s.Audience(t.Context(), []goalcast.Topic{match, home}, goalcast.PushLineups,
					after, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range part {
					devices, err := s.DevicesByID(t.Context(), []int64{r.Device})
					if err != nil || len(devices) != 1 {
						t.Fatal(devices, err)
					}
					list = append(list, devices[0].Token)
					if r.Preferences.Wants(goalcast.PushLineups) {
						wants = append(wants, devices[0].Token)
					}
				}
				after, more = last, again
			}
			slices.Sort(list)
			slices.Sort(wants)
			return list, wants
		}
		list, wants := audience()
		if want := []string{"after", "before", "other team only", "team only"}; !slices.Equal(list, want) {
			t.Errorf("audience %v, want %v", list, want)
		}
		if want := []string{"after", "before", "team only"}; !slices.Equal(wants, want) {
			t.Errorf("who wants them: %v, want %v", wants, want)
		}
		if _, err := s.Merge(t.Context(), "anonymous", "login"); err != nil {
			t.Fatal(err)
		}
		if err := s.Unfollow(t.Context(), "other team only", other); err != nil {
			t.Fatal(err)
		}
		if list, _ := audience(); !slices.Equal(list, []string{"after", "before", "login", "team only"}) {
			t.Errorf("after a login: %v", list)
		}
	})
}

func TestMergeOfPreferences(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		home, away := goalcast.ForTeam(1), goalcast.ForTeam(2)
		late := goalcast.FollowPreferences{Spoilers: &goalcast.Spoilers{Delay: 10}}
		off := goalcast.FollowPreferences{Kinds: noGoals}
		prefer(t, s, "anonymous", sleeps)
		for _, topic := range []goalcast.Topic{home, away} {
			follow(t, s, "anonymous", topic)
			preferOf(t, s, "anonymous", topic, off)
		}
		follow(t, s, "login", home)
		preferOf(t, s, "login", home, late)
		want := goalcast.UserPreferences{Preferences: sleeps,
			Follows: map[goalcast.Topic]goalcast.FollowPreferences{home: late, away: off}}
		for range 2 { // twice is once
			if _, err := s.Merge(t.Context(), "anonymous", "login"); err != nil {
				t.Fatal(err)
			}
			if p := preferencesOf(t, s, "login"); !reflect.DeepEqual(p, want) {
				t.Errorf("%+v, want %+v", p, want)
			}
			if p := preferencesOf(t, s, "anonymous"); !p.IsZero() || preferenceRows(t, s) != 1 {
				t.Errorf("the anonymous user still has %+v", p)
			}
		}
		prefer(t, s, "login", goalcast.Preferences{Spoilers: goalcast.Spoilers{Delay: 5}})
		prefer(t, s, "anonymous", sleeps)
		if _, err := s.Merge(t.Context(), "anonymous", "login"); err != nil {
			t.Fatal(err)
		}
		if p := preferencesOf(t, s, "login"); p.Spoilers.Delay != 5 || p.Quiet != nil || len(p.Follows) != 2 {
			t.Errorf("what the login had set is gone: %+v", p)
		}
	})
}

// Who is no user any more leaves nothing behind.
func TestPreferencesOfNobodyExpire(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		save, follow := mergeWorld(t, s)
		for _, user := range []goalcast.UserID{"gone", "new", "phone", "follows"} {
			prefer(t, s, user, sleeps)
		}
		save("phone", "p")
		follow("follows", 1)
		sabotage(t, s, fmt.Sprintf(`UPDATE preferences SET updated = updated - %d
			WHERE user_id <> 'new'`, KeepNewDevice.Milliseconds()+1000))
		if _, err := s.PruneDevices(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, user := range []goalcast.UserID{"gone", "new", "phone", "follows"} {
			if p := preferencesOf(t, s, user); p.IsZero() != (user == "gone") {
				t.Errorf("%s: %+v", user, p)
			}
		}
	})
}
