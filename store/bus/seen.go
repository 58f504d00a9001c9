package bus

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"time"

	"goalcast"
)

const (
	// seenLife is how long it is known who has shown a revision of an event, after the last one
	// said so.
	seenLife = time.Minute
	// seenTimeout is how long a push waits for the answer of Redis at most.
	seenTimeout = 500 * time.Millisecond
)

// Seen knows for a moment which phones have shown which events, for all processes: hubs say so, and
// notifiers ask. Redis may lose all of it, and some phones are told of what they have shown.
type Seen struct {
	redis   *Redis
	names   names
	timeout time.Duration
	away    absence
}

// SeenOptions are those of Seen; zero fields take the default.
type SeenOptions struct {
	Prefix  string
	Timeout time.Duration // of a push's question to Redis, which then is not asked for a second; 500 ms
}

// NewSeen makes it; it does not contact Redis.
func NewSeen(r *Redis, o SeenOptions, log *slog.Logger) *Seen {
	return &Seen{redis: r, names: r.names(o.Prefix), timeout: cmp.Or(o.Timeout, seenTimeout), away: absence{log: log,
		begun: "it is not known who has seen what while Redis is away: all are pushed to",
		over:  "it is known again who has seen what"}}
}

// Keep notes what phones have shown, in one round trip. ErrUnavailable.
func (s *Seen) Keep(ctx context.Context, list []goalcast.Seen) error {
	members := map[string][]any{}
	for _, one := range list {
		members[one.Event] = append(members[one.Event], memberOf(one.Phone))
	}
	pipe := s.redis.client.Pipeline()
	for event, phones := range members {
		pipe.SAdd(ctx, s.names.shown(event), phones...)
		pipe.PExpire(ctx, s.names.shown(event), seenLife)
	}
	_, err := pipe.Exec(ctx)
	return wrapRedis("note what phones have shown", err)
}

// Seen says which of the phones have shown the revision of an event (Event.KeyOfAll), in one call
// that takes half a second at most. ErrUnavailable: that is not known.
func (s *Seen) Seen(ctx context.Context, event string, phones []goalcast.Phone) ([]bool, error) {
	if len(phones) == 0 {
		return nil, nil
	}
	if s.away.now() {
		return nil, fmt.Errorf("%w: %w", goalcast.ErrUnavailable, errRedisAway)
	}
	members := make([]any, len(phones))
	for i, p := range phones {
		members[i] = memberOf(p)
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	seen, err := s.redis.client.SMIsMember(limited, s.names.shown(event), members...).Result()
	if ctx.Err() == nil {
		s.away.note(err)
	}
	if err != nil {
		return nil, wrapRedis("ask which phones have shown an event", err)
	}
	return seen, nil
}

// memberOf stands for a phone in 22 characters that tell nothing of it.
func memberOf(p goalcast.Phone) string {
	sum := sha256.Sum256([]byte(string(p.User) + "\n" + p.Device))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
