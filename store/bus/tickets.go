package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"goalcast"
)

// maxTicketLife is how long a ticket lasts at most.
const maxTicketLife = 12 * time.Hour

const (
	// droppedMemory is how long it is noted whose tickets were dropped: hubs ask every few seconds,
	// and Redis may be away for some time.
	droppedMemory = 15 * time.Minute
	// maxDropped is how many of them hubs are told, the newest.
	maxDropped = 10_000
)

// Tickets are kept for all processes: what one gives out, any other takes. The bus sees digests of
// tickets only; what they are good for is its caller's.
type Tickets struct {
	redis *Redis
	names names
}

// NewTickets makes them; it does not contact Redis. The prefix may be empty.
func NewTickets(r *Redis, prefix string) *Tickets { return &Tickets{r, r.names(prefix)} }

// putTicket keeps a ticket, and of its user the last ones to end. KEYS: 1 the ticket, 2 those of
// the user. ARGV: 1 value, 2 how long it lasts, ms, 3 its place in the list, 4 how many a user may
// have, 5 now, ms, 6 what the names of tickets begin with.
var putTicket = redis.NewScript(`
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[5])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', ARGV[5] + ARGV[2]), ARGV[3])
local over = redis.call('ZCARD', KEYS[2]) - ARGV[4]
if over > 0 then
	for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do
		redis.call('DEL', ARGV[6] .. old)
	end
	redis.call('ZREMRANGEBYRANK', KEYS[2], 0, over - 1)
end
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[2]) then
	redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 1
`)

// dropTickets deletes all tickets of a user, and notes that for the hubs. KEYS: 1 those of the
// user, 2 whose tickets were dropped. ARGV: 1 what the names of tickets begin with, 2 the user, 3
// now and 4 how long it is noted, ms.
var dropTickets = redis.NewScript(`
for _, old in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
	redis.call('DEL', ARGV[1] .. old)
end
redis.call('DEL', KEYS[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', ARGV[3] - ARGV[4]))
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
`)

// ticketPlace is a ticket's place among its user's: what is behind the beginning of its name.
func ticketPlace(digest string, once bool) string {
	if once {
		return "once:" + digest
	}
	return "stream:" + digest
}

// Put keeps a ticket of a user for a while: one that is taken once, or one for streams. Of more
// than a user may have, those that end first are dropped. ErrUnavailable.
func (t *Tickets) Put(ctx context.Context, user goalcast.UserID, digest string, once bool, value []byte,
	life time.Duration, most int) error {
	place := ticketPlace(digest, once)
	keys := []string{t.names.ticket(place), t.names.tickets(user)}
	args := []any{value, min(life, maxTicketLife).Milliseconds(), place, most, time.Now().UnixMilli(),
		t.names.ticket("")}
	return wrapRedis("keep a ticket", putTicket.Run(ctx, t.redis.client, keys, args...).Err())
}

// Take gives what a ticket is good for, and deletes one that is taken once. ErrNotFound,
// ErrUnavailable.
func (t *Tickets) Take(ctx context.Context, digest string, once bool) ([]byte, error) {
	key := t.names.ticket(ticketPlace(digest, once))
	get := t.redis.client.Get
	if once {
		get = t.redis.client.GetDel
	}
	value, err := get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("ticket: %w", goalcast.ErrNotFound)
	}
	return value, wrapRedis("take a ticket", err)
}

// Drop deletes all tickets of a user. ErrUnavailable.
func (t *Tickets) Drop(ctx context.Context, user goalcast.UserID) error {
	return wrapRedis("drop tickets",
		dropTickets.Run(ctx, t.redis.client, []string{t.names.tickets(user), t.names.dropped()}, t.names.ticket(""),
			string(user), time.Now().UnixMilli(), droppedMemory.Milliseconds()).Err())
}

// Dropped lists whose tickets were dropped in the last minutes, by when. ErrUnavailable.
func (t *Tickets) Dropped(ctx context.Context) (map[goalcast.UserID]int64, error) {
	list, err := t.redis.client.ZRevRangeWithScores(ctx, t.names.dropped(), 0, maxDropped-1).Result()
	if err != nil {
		return nil, wrapRedis("whose tickets were dropped", err)
	}
	all := make(map[goalcast.UserID]int64, len(list))
	for _, z := range list {
		user, _ := z.Member.(string)
		all[goalcast.UserID(user)] = int64(z.Score)
	}
	return all, nil
}
