package bus

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ServerFacts is what one Redis server says of itself, for who looks whether it fits.
type ServerFacts struct {
	Address   string
	Version   string        // as "7.0.15"
	MaxMemory int64         // bytes that it may take; 0 is no limit
	Policy    string        // what it does when it has them: "noeviction" and others
	Ahead     time.Duration // of this machine's clock
}

// Inspect asks the server for what it says of itself; of a cluster each master, of Sentinels the
// master. Nil for the embedded one. ErrUnavailable if one does not answer.
func (r *Redis) Inspect(ctx context.Context) ([]ServerFacts, error) {
	if r.embedded != nil {
		return nil, nil
	}
	cluster, ok := r.client.(*redis.ClusterClient)
	if !ok {
		facts, err := inspect(ctx, r.client)
		return []ServerFacts{facts}, err
	}
	var mu sync.Mutex
	var all []ServerFacts
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		facts, err := inspect(ctx, master)
		mu.Lock()
		defer mu.Unlock()
		facts.Address = master.Options().Addr
		all = append(all, facts)
		return err
	})
	return all, wrapRedis("inspect Redis", err)
}

func inspect(ctx context.Context, client redis.Cmdable) (f ServerFacts, err error) {
	asked := time.Now()
	now, err := client.Time(ctx).Result()
	if err != nil {
		return f, wrapRedis("inspect Redis", err)
	}
	f.Ahead = now.Sub(asked.Add(time.Since(asked) / 2))
	text, err := client.Info(ctx).Result()
	if err != nil {
		return f, wrapRedis("inspect Redis", err)
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "redis_version":
			f.Version = value
		case "maxmemory":
			f.MaxMemory, _ = strconv.ParseInt(value, 10, 64) // 0 if it is no number
		case "maxmemory_policy":
			f.Policy = value
		}
	}
	return f, nil
}
