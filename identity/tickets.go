package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast"
)

// A browser's WebSocket and EventSource can send no header: a ticket in the address stands for the
// token there. One for a WebSocket is taken once. An EventSource comes back to the same address by
// itself, so that its ticket lasts as long as the token.

// Limits of tickets.
const (
	// MaxTickets is how many a user has at one time; of more, those that end first are dropped.
	MaxTickets = 20
	// OnceLife is how long a ticket for a WebSocket waits for its use.
	OnceLife = time.Minute
	// StreamLife is how long one for a stream lasts at most, whatever its token.
	StreamLife = 12 * time.Hour
)

// TicketStore keeps tickets for all processes, by their digest. bus.Tickets is one.
type TicketStore interface {
	Put(ctx context.Context, user goalcast.UserID, digest string, once bool, value []byte, life time.Duration,
		most int) error
	Take(ctx context.Context, digest string, once bool) ([]byte, error) // goalcast.ErrNotFound
	Drop(ctx context.Context, user goalcast.UserID) error
	Dropped(context.Context) (map[goalcast.UserID]int64, error) // lately, by when
}

// Tickets gives tickets out and takes them. It is safe for concurrent use.
type Tickets struct {
	verifier *Verifier
	store    TicketStore
	counts   *prometheus.CounterVec
}

// NewTickets makes the tickets of those whom a Verifier knows.
func NewTickets(v *Verifier, store TicketStore, reg prometheus.Registerer) *Tickets {
	t := &Tickets{verifier: v, store: store, counts: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "goalcast_identity_tickets_total",
		Help: "Tickets by kind (once: for a WebSocket; stream) and result: issued, taken, refused.",
	}, []string{"kind", "result"})}
	for _, once := range []bool{true, false} {
		for _, result := range []string{"issued", "taken", "refused"} {
			t.counts.WithLabelValues(kindOf(once), result)
		}
	}
	return t
}

func kindOf(once bool) string {
	if once {
		return "once"
	}
	return "stream"
}

// kept is who a ticket stands for. Rights are by name: what a bit means is each process's own.
type kept struct {
	User    goalcast.UserID `json:"user"`
	Login   bool            `json:"login"`
	Role    goalcast.Role   `json:"role"`
	Rights  []string        `json:"rights,omitempty"`
	Expires int64           `json:"expires,omitempty"` // ms since 1970 UTC
}

// The names of rights: to prices, and, with the name of a group behind it, to private competitions.
const (
	oddsRight    = "odds"
	privateRight = "private:"
)

// Issue gives somebody a ticket, and says until when it is good. ErrUnavailable.
func (t *Tickets) Issue(ctx context.Context, p goalcast.Person, once bool) (ticket string, until time.Time, err error) {
	now := t.verifier.cfg.Now()
	until = now.Add(StreamLife)
	if once {
		until = now.Add(OnceLife)
	}
	if !p.Expires.IsZero() && p.Expires.Before(until) {
		until = p.Expires
	}
	k := kept{User: p.User, Login: p.Login, Role: p.Role, Rights: t.rightNames(p.Rights)}
	switch {
	case !once:
		k.Expires = until.UnixMilli()
	case !p.Expires.IsZero():
		k.Expires = p.Expires.UnixMilli()
	}
	value, err := json.Marshal(k)
	if err != nil {
		return "", until, err
	}
	ticket = rand.Text()
	life := max(until.Sub(now), time.Millisecond)
	if err := t.store.Put(ctx, p.User, digest(ticket), once, value, life, MaxTickets); err != nil {
		return "", until, err
	}
	t.counts.WithLabelValues(kindOf(once), "issued").Inc()
	return ticket, until, nil
}

// Ticket says who shows a ticket. goalcast.ErrUnauthorized if it is none, or no longer;
// goalcast.ErrUnavailable.
func (t *Tickets) Ticket(ctx context.Context, ticket string, once bool) (p goalcast.Person, err error) {
	value, err := t.store.Take(ctx, digest(ticket), once)
	var k kept
	if err == nil {
		err = json.Unmarshal(value, &k)
	}
	p = goalcast.Person{User: k.User, Login: k.Login, Role: k.Role, Rights: t.rightsOf(k.Rights)}
	if k.Expires > 0 {
		p.Expires = time.UnixMilli(k.Expires)
	}
	switch over := !p.Expires.IsZero() && !t.verifier.cfg.Now().Before(p.Expires); {
	case errors.Is(err, goalcast.ErrNotFound), err == nil && over:
		t.counts.WithLabelValues(kindOf(once), "refused").Inc()
		return goalcast.Person{}, badToken("ticket")
	case err != nil:
		return goalcast.Person{}, err
	}
	t.counts.WithLabelValues(kindOf(once), "taken").Inc()
	return p, nil
}

// Revoke makes all tickets of a user worthless.
func (t *Tickets) Revoke(ctx context.Context, user goalcast.UserID) error {
	return t.store.Drop(ctx, user)
}

// Revoked says whose tickets were revoked in the last minutes, with what tells a user's last
// revocation from the one before.
func (t *Tickets) Revoked(ctx context.Context) (map[goalcast.UserID]int64, error) {
	return t.store.Dropped(ctx)
}

// digest is what is kept of a ticket, which is random enough that nobody finds it from that.
func digest(ticket string) string {
	sum := sha256.Sum256([]byte(ticket))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (t *Tickets) rightNames(have goalcast.Rights) (names []string) {
	if have.Have(goalcast.RightOdds) {
		names = append(names, oddsRight)
	}
	for n, group := range t.verifier.cfg.Private {
		if have.Have(goalcast.PrivateRight(n)) {
			names = append(names, privateRight+group.Name)
		}
	}
	return names
}

// rightsOf are the rights of names; one that this process does not know is none.
func (t *Tickets) rightsOf(names []string) (have goalcast.Rights) {
	for _, name := range names {
		if name == oddsRight {
			have |= goalcast.RightOdds
		}
		for n, group := range t.verifier.cfg.Private {
			if name == privateRight+group.Name {
				have |= goalcast.PrivateRight(n)
			}
		}
	}
	return have
}
