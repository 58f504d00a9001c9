package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/identity"
	"goalcast/identity/identitytest"
)

// shelf keeps tickets in memory; that the bus does so for all processes its own tests show.
type shelf struct {
	mu     sync.Mutex
	values map[string][]byte
	lives  []time.Duration
	users  map[goalcast.UserID][]string
	away   bool
}

func (s *shelf) Put(_ context.Context, user goalcast.UserID, digest string, once bool, value []byte,
	life time.Duration, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return goalcast.ErrUnavailable
	}
	key := fmt.Sprint(once, digest)
	s.values[key] = value
	s.lives = append(s.lives, life)
	s.users[user] = append(s.users[user], key)
	return nil
}

func (s *shelf) Take(_ context.Context, digest string, once bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, goalcast.ErrUnavailable
	}
	value, ok := s.values[fmt.Sprint(once, digest)]
	if !ok {
		return nil, goalcast.ErrNotFound
	}
	if once {
		delete(s.values, fmt.Sprint(once, digest))
	}
	return value, nil
}

func (s *shelf) Dropped(context.Context) (map[goalcast.UserID]int64, error) { return nil, nil }

func (s *shelf) Drop(_ context.Context, user goalcast.UserID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.users[user] {
		delete(s.values, key)
	}
	return nil
}

func newTickets(t *testing.T, change func(*identity.Config, *identitytest.Server)) (*world, *identity.Tickets,
	*shelf) {
	w := newWorld(t, change)
	s := &shelf{values: map[string][]byte{}, users: map[goalcast.UserID][]string{}}
	return w, identity.NewTickets(w.Verifier, s, prometheus.NewRegistry()), s
}

func TestATicketStandsForItsPerson(t *testing.T) {
	w, tickets, kept := newTickets(t, nil)
	p := goalcast.Person{User: "login:x", Login: true, Role: goalcast.Editor,
		Rights:  goalcast.RightOdds,
		Expires: w.clock().Add(2 * time.Hour).Truncate(time.Millisecond)}
	for _, once := range []bool{true, false} {
		ticket, until, err := tickets.Issue(t.Context(), p, once)
		if err != nil {
			t.Fatal(err)
		}
		want := p.Expires
		if once {
			want = w.clock().Add(time.Minute)
		}
		if d := until.Sub(want); d < -time.Second || d > time.Second {
			t.Errorf("good until %s, want %s", until, want)
		}
		for key, value := range kept.values {
			if strings.Contains(key+string(value), ticket) {
				t.Errorf("the ticket is kept: %s %s", key, value)
			}
		}
		if _, err := tickets.Ticket(t.Context(), ticket, !once); !errors.Is(err, goalcast.ErrUnauthorized) {
			t.Errorf("as the other kind: %v", err)
		}
		for round := range 2 {
			got, err := tickets.Ticket(t.Context(), ticket, once)
			if once && round == 1 {
				if !errors.Is(err, goalcast.ErrUnauthorized) {
					t.Errorf("a second time: %v", err)
				}
			} else if err != nil || !got.Expires.Equal(p.Expires) || got.User != p.User || got.Rights != p.Rights ||
				got.Role != p.Role || !got.Login {
				t.Errorf("%+v, %v; want %+v", got, err, p)
			}
		}
	}
}

func TestATicketLastsAsLongAsItsToken(t *testing.T) {
	w, tickets, kept := newTickets(t, nil)
	for _, c := range []struct {
		token time.Duration // 0: it does not end
		once  bool
		want  time.Duration
	}{{time.Hour, false, time.Hour}, {24 * time.Hour, false, identity.StreamLife}, {0, false, identity.StreamLife},
		{time.Hour, true, identity.OnceLife}, {10 * time.Second, true, 10 * time.Second},
		{0, true, identity.OnceLife}} {
		p := goalcast.Person{User: "x"}
		if c.token > 0 {
			p.Expires = w.clock().Add(c.token)
		}
		if _, _, err := tickets.Issue(t.Context(), p, c.once); err != nil {
			t.Fatal(err)
		}
		if got := kept.lives[len(kept.lives)-1]; got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	ticket, _, err := tickets.Issue(t.Context(), goalcast.Person{User: "x", Expires: w.clock().Add(time.Hour)}, false)
	if err != nil {
		t.Fatal(err)
	}
	w.pass(61 * time.Minute) // whatever the store says
	if _, err := tickets.Ticket(t.Context(), ticket, false); !errors.Is(err, goalcast.ErrUnauthorized) {
		t.Errorf("after its end: %v", err)
	}
}

func TestTicketsAreRevoked(t *testing.T) {
	_, tickets, kept := newTickets(t, nil)
	ticket, _, err := tickets.Issue(t.Context(), goalcast.Person{User: "x"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := tickets.Revoke(t.Context(), "y"); err != nil {
		t.Error(err)
	}
	if _, err := tickets.Ticket(t.Context(), ticket, false); err != nil {
		t.Errorf("another's was revoked: %v", err)
	}
	if err := tickets.Revoke(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	if _, err := tickets.Ticket(t.Context(), ticket, false); !errors.Is(err, goalcast.ErrUnauthorized) {
		t.Errorf("%v", err)
	}
	kept.away = true // which makes no ticket bad
	if _, err := tickets.Ticket(t.Context(), ticket, false); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	_, _, err = tickets.Issue(t.Context(), goalcast.Person{User: "x"}, true)
	if !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
