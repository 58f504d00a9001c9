package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"goalcast"
)

const (
	// audienceLife is how long what a node told of its viewers counts: a few times as long as
	// until it tells again, so that one that is late does not vanish.
	audienceLife = 15 * time.Second
	// maxNodes is of how many nodes is read what they told.
	maxNodes = 500
)

// tellAudience keeps what a node tells, and forgets nodes that are gone. KEYS: 1 the node's, 2 the
// list of nodes. ARGV: 1 what it tells, 2 how long that counts, ms, 3 the node, 4 now, ms.
var tellAudience = redis.NewScript(`
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', ARGV[4] - 10 * ARGV[2]))
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
return redis.call('PEXPIRE', KEYS[2], ARGV[2])
`)

// TellAudience lets all processes know of a node's viewers, until it is told anew or a few seconds
// have passed. ErrUnavailable.
func (b *Bus) TellAudience(ctx context.Context, a goalcast.Audience) error {
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("viewers of %s: %w", a.Node, err)
	}
	keys := []string{b.names.audience(a.Node), b.names.audiences()}
	return wrapRedis("tell of viewers", tellAudience.Run(ctx, b.redis.client, keys, text,
		audienceLife.Milliseconds(), a.Node, time.Now().UnixMilli()).Err())
}

// ForgetAudience is called by a node that ends.
func (b *Bus) ForgetAudience(ctx context.Context, node string) error {
	pipe := b.redis.client.Pipeline()
	pipe.Del(ctx, b.names.audience(node))
	pipe.ZRem(ctx, b.names.audiences(), node)
	_, err := pipe.Exec(ctx)
	return wrapRedis("forget viewers", err)
}

// Audiences lists what the nodes told of their viewers a moment ago, by node. ErrUnavailable.
func (b *Bus) Audiences(ctx context.Context) ([]goalcast.Audience, error) {
	nodes, err := b.redis.client.ZRevRange(ctx, b.names.audiences(), 0, maxNodes-1).Result()
	if err != nil {
		return nil, wrapRedis("nodes that have viewers", err)
	}
	slices.Sort(nodes)
	pipe := b.redis.client.Pipeline()
	told, left := make([]*redis.StringCmd, len(nodes)), make([]*redis.DurationCmd, len(nodes))
	for i, node := range nodes {
		told[i], left[i] = pipe.Get(ctx, b.names.audience(node)), pipe.PTTL(ctx, b.names.audience(node))
	}
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) { // a node that has gone
		return nil, wrapRedis("viewers of nodes", err)
	}
	var list []goalcast.Audience
	for i, node := range nodes {
		var a goalcast.Audience
		text, err := told[i].Bytes()
		if err != nil {
			continue
		}
		if err := json.Unmarshal(text, &a); err != nil {
			b.log.Error("unreadable viewers on the bus", "node", node, "error", err)
			continue
		}
		a.Age = max(audienceLife-max(left[i].Val(), 0), 0)
		list = append(list, a)
	}
	return list, nil
}
