package bus

import (
	"context"
	"errors"
	"slices"
	"testing"

	"goalcast"
	"goalcast/internal/testservers"
)

// Only what a phone's own user said of the very revision counts.
func TestWhoHasSeenWhat(t *testing.T) {
	t.Parallel()
	const goal = "7/opta:1#2"
	ann, ben := goalcast.UserID("login:ann"), goalcast.UserID("login:ben")
	for name, url := range map[string]string{"server": testservers.Redis(t), "embedded": "embedded"} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, url, Options{})
			s := NewSeen(r.redis, SeenOptions{Timeout: patience}, testLog(t))
			must(t, s.Keep(t.Context(), []goalcast.Seen{
				{Event: goal, Phone: goalcast.Phone{User: ann, Device: "phone"}},
				{Event: goal, Phone: goalcast.Phone{User: ann, Device: "phone"}},
				{Event: goal, Phone: goalcast.Phone{User: ben, Device: "tablet"}},
				{Event: "7/opta:1#1", Phone: goalcast.Phone{User: ann, Device: "tablet"}},
			}))
			got, err := s.Seen(t.Context(), goal, []goalcast.Phone{{User: ann, Device: "phone"},
				{User: ann, Device: "tablet"}, {User: ben, Device: "phone"}, {User: ben, Device: "tablet"},
				{User: ann, Device: "none"}})
			if want := []bool{true, false, false, true, false}; err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %v; want %v", got, err, want)
			}
			got, err = s.Seen(t.Context(), "8/opta:1#2", []goalcast.Phone{{User: ann, Device: "phone"}})
			if err != nil || !slices.Equal(got, []bool{false}) {
				t.Errorf("of another match: %v, %v", got, err)
			}
		})
	}
}

// While Redis is away, a push that asks is answered at once, and learns that nobody knows.
func TestWhoHasSeenWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	r, err := OpenRedis("redis://127.0.0.1:1/0")
	must(t, err)
	defer r.Close()
	s := NewSeen(r, SeenOptions{}, quiet())
	for range 2 {
		_, err := s.Seen(t.Context(), "7/opta:1#2", []goalcast.Phone{{User: "a", Device: "b"}})
		if !errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	if err := s.Keep(context.Background(), []goalcast.Seen{{Event: "7/opta:1#2"}}); !errors.Is(err,
		goalcast.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
