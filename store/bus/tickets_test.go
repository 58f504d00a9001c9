package bus

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// onBothRedises runs a test on a real server and on the embedded one.
func onBothRedises(t *testing.T, f func(t *testing.T, r *Redis)) {
	t.Helper()
	for name, url := range map[string]func() string{"server": func() string { return testservers.Redis(t) },
		"embedded": func() string { return "embedded" }} {
		t.Run(name, func(t *testing.T) {
			r, err := OpenRedis(url())
			must(t, err)
			t.Cleanup(func() { must(t, r.Close()) })
			f(t, r)
		})
	}
}

func TestTickets(t *testing.T) {
	onBothRedises(t, func(t *testing.T, r *Redis) {
		here, there := NewTickets(r, ""), NewTickets(r, "") // two processes
		gone := func(digest string, once bool) {
			t.Helper()
			if v, err := there.Take(t.Context(), digest, once); !errors.Is(err, goalcast.ErrNotFound) {
				t.Errorf("%s: %q, %v", digest, v, err)
			}
		}
		good := func(digest string, once bool) {
			t.Helper()
			if v, err := there.Take(t.Context(), digest, once); err != nil || string(v) != "value of "+digest {
				t.Errorf("%s: %q, %v", digest, v, err)
			}
		}
		put := func(user goalcast.UserID, digest string, once bool, life time.Duration) {
			t.Helper()
			must(t, here.Put(t.Context(), user, digest, once, []byte("value of "+digest), life, 3))
		}
		gone("nothing", true)
		put("ann", "a", true, time.Minute)
		gone("a", false) // is of the other kind
		good("a", true)
		gone("a", true) // once
		put("ann", "b", false, time.Minute)
		good("b", false)
		good("b", false)
		put("bob", "c", false, time.Minute)
		must(t, here.Drop(t.Context(), "ann"))
		gone("b", false)
		good("c", false)
		must(t, here.Drop(t.Context(), "ann")) // twice is once
		for i := range 5 {
			put("ann", fmt.Sprint("many-", i), false, time.Duration(i+1)*time.Minute)
		}
		gone("many-0", false)
		gone("many-1", false)
		good("many-2", false)
		good("many-4", false)
		put("ann", "short", false, 20*time.Millisecond)
		deadline := time.Now().Add(patience)
		for _, err := there.Take(t.Context(), "short", false); err == nil && time.Now().Before(deadline); {
			_, err = there.Take(t.Context(), "short", false)
		}
		gone("short", false)
	})
}

func TestTicketsWhileRedisIsAway(t *testing.T) {
	r, err := OpenRedis("redis://127.0.0.1:1")
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	tickets := NewTickets(r, "")
	if _, err := tickets.Take(t.Context(), "a", true); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	err = tickets.Put(t.Context(), "ann", "a", true, nil, time.Minute, 3)
	if !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// Whose tickets were dropped is told to all processes, and when: twice is another time.
func TestDroppedTicketsAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, testservers.Redis(t), Options{})
	tickets := NewTickets(r.redis, "")
	if all, err := tickets.Dropped(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	must(t, tickets.Drop(t.Context(), "login:abc"))
	first, err := NewTickets(r.redis, "").Dropped(t.Context())
	if err != nil || len(first) != 1 || first["login:abc"] == 0 {
		t.Errorf("%v, %v", first, err)
	}
	for deadline := time.Now().Add(patience); ; {
		must(t, tickets.Drop(t.Context(), "login:abc"))
		again, err := tickets.Dropped(t.Context())
		must(t, err)
		if again["login:abc"] > first["login:abc"] {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, and then %v", first, again)
		}
	}
}
