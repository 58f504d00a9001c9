package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"goalcast"
)

// maxSessionLife is how long a session lasts at most.
const maxSessionLife = 12 * time.Hour

// Sessions are those of people at the operator's page, kept for all processes. The bus sees digests
// of what is in their cookies, and values that it cannot read.
type Sessions struct {
	redis *Redis
	names names
}

// NewSessions makes them; it does not contact Redis. The prefix may be empty.
func NewSessions(r *Redis, prefix string) *Sessions { return &Sessions{r, r.names(prefix)} }

// Put keeps a session for a while. ErrUnavailable.
func (s *Sessions) Put(ctx context.Context, digest string, value []byte, life time.Duration) error {
	return wrapRedis("keep a session",
		s.redis.client.Set(ctx, s.names.session(digest), value, min(life, maxSessionLife)).Err())
}

// Get gives a session. ErrNotFound, ErrUnavailable.
func (s *Sessions) Get(ctx context.Context, digest string) ([]byte, error) {
	value, err := s.redis.client.Get(ctx, s.names.session(digest)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("session: %w", goalcast.ErrNotFound)
	}
	return value, wrapRedis("read a session", err)
}
