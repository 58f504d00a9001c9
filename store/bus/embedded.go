package bus

import (
	"context"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// embeddedTick is how exactly keys of the embedded server expire. Its own clock would look at every
// key for every command.
const embeddedTick = 200 * time.Millisecond

func (r *Redis) openEmbedded(string) error {
	m := miniredis.NewMiniRedis()
	first, err := m.Dial() // starts it without a port, through which any user of this machine could invent goals
	if err != nil {
		return err
	}
	_ = first.Close()
	server := m.Server()
	o := &redis.Options{Addr: "embedded", MaintNotificationsConfig: noMaintNotifications(),
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := pipe()
			server.ServeConn(theirs)
			return ours, nil
		}}
	prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled,
		&o.DisableIdentity)
	r.embedded, r.client = m, redis.NewClient(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.stop = func() {
		cancel()
		<-done
	}
	go func() {
		defer close(done)
		passTime(ctx, m)
	}()
	return nil
}

// passTime makes keys expire until ctx ends.
func passTime(ctx context.Context, m *miniredis.Miniredis) {
	t := time.NewTicker(embeddedTick)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}
