package bus

import (
	"errors"
	"fmt"
	"testing"

	"goalcast"
	"goalcast/internal/testservers"
	"goalcast/store/bus/bustest"
)

func lineOf(match goalcast.MatchID, key string, version int64) goalcast.State {
	return goalcast.State{Topic: goalcast.ForMatch(match), Key: goalcast.CommentaryKey + key, Version: version,
		Value: fmt.Appendf(nil, "{\"price\":\n%d}", version)}
}

func (r *rig) set(states ...goalcast.State) {
	r.t.Helper()
	if err := r.bus.SetState(r.t.Context(), states); err != nil {
		r.t.Fatal(err)
	}
}

func TestStatesOfFollowedTopics(t *testing.T) {
	bustest.OnRedises(t, func(t *testing.T, url string) {
		r := newRig(t, url, Options{})
		e := r.listen()
		r.set(lineOf(1, "home", 10), lineOf(1, "away", 10), lineOf(2, "home", 10))
		r.set(lineOf(1, "home", 9)) // late: nothing
		topic := goalcast.ForMatch(1)
		got, unfollow, err := r.bus.Follow(t.Context(), topic)
		if err != nil || len(got) != 2 || got[0].Key != "commentary/away" || got[1].Version != 10 {
			t.Errorf("follow = %+v, %v", got, err)
		}
		if err := r.bus.SetState(t.Context(), []goalcast.State{lineOf(1, "x", -1)}); !errors.Is(err,
			goalcast.ErrPermanent) {
			t.Errorf("negative version: %v", err)
		}
		big := int64(1)<<62 + 1
		r.set(lineOf(1, "home", big), lineOf(1, "draw", 11), lineOf(2, "home", 11))
		r.set(lineOf(1, "home", big-1))
		e.Until("new values", func() bool {
			return e.States["match:1/commentary/home"].Version == big &&
				e.States["match:1/commentary/draw"].Version == 11 &&
				e.States["match:1/commentary/away"].Version == 10
		})
		e.Lock()
		if _, ok := e.States["match:2/commentary/home"]; ok {
			t.Error("a state of a topic that nobody follows")
		}
		e.Unlock()
		if _, _, err := r.bus.Follow(t.Context(), goalcast.ForMatch(2)); err != nil {
			t.Fatal(err)
		}
		unfollow()
		unfollow() // which counts once
		r.set(lineOf(1, "home", big+1))
		r.set(lineOf(2, "home", 12)) // on the same way, after it
		e.Until("the other topic", func() bool { return e.States["match:2/commentary/home"].Version == 12 })
		e.Lock()
		if v := e.States["match:1/commentary/home"].Version; v != big {
			t.Errorf("version %d after Unfollow", v)
		}
		e.Unlock()
	})
}

func TestStatesSurviveLostConnections(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	r := newRig(t, server.URL, Options{})
	e := r.listen()
	for match := goalcast.MatchID(1); match <= 20; match++ {
		if _, _, err := r.bus.Follow(t.Context(), goalcast.ForMatch(match)); err != nil {
			t.Fatal(err)
		}
	}
	all := func(version int64) func() bool {
		return func() bool {
			for match := 1; match <= 20; match++ {
				if e.States[fmt.Sprintf("match:%d/commentary/home", match)].Version < version {
					return false
				}
			}
			return true
		}
	}
	var version int64
	set := func() {
		version++
		for match := goalcast.MatchID(1); match <= 20; match++ {
			r.set(lineOf(match, "home", version))
		}
	}
	for range 5 {
		set()
		server.KillSubscribers()
		set()
		e.Until("the newest values", all(version))
	}
	server.RestartEmpty()
	e.Until("a reset", func() bool { return len(e.Resets) == 2 })
	set()
	e.Until("values after the wipe", all(version))
}

// A Follow that fails is not counted: whoever got the error has nothing to give back.
func TestFollowThatFailsIsGivenBack(t *testing.T) {
	t.Parallel()
	server := testservers.NewRedis(t)
	server.Stop()
	r := newRig(t, server.URL, Options{})
	topic := goalcast.ForMatch(1)
	for range 3 {
		if _, _, err := r.bus.Follow(t.Context(), topic); !errors.Is(err, goalcast.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if n := r.bus.shardOf(topic).followed[topic]; n != 0 {
		t.Errorf("followed %d times", n)
	}
	server.Start()
	e := r.listen()
	_, unfollow, err := r.bus.Follow(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	unfollow()
	if _, _, err := r.bus.Follow(t.Context(), goalcast.ForMatch(2)); err != nil {
		t.Fatal(err)
	}
	r.set(lineOf(1, "home", 1))
	r.set(lineOf(2, "home", 1)) // on the same way, after it
	e.Until("what is followed", func() bool { return len(e.States) > 0 })
	e.Lock()
	defer e.Unlock()
	if _, ok := e.States["match:1/commentary/home"]; ok {
		t.Error("heard what nobody follows")
	}
}

// What is not listed as produced is not taken: the list is where tests find what must reach
// viewers.
func TestStatesThatAreNotListedAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, "embedded", Options{})
	for _, s := range []goalcast.State{{Topic: goalcast.ForMatch(1), Key: "secret"},
		{Topic: goalcast.ForTeam(1), Key: "stats"}} {
		s.Value = []byte("1")
		if err := r.bus.SetState(t.Context(), []goalcast.State{s}); !errors.Is(err, goalcast.ErrPermanent) {
			t.Errorf("%s of %s: %v", s.Key, s.Topic, err)
		}
	}
}
