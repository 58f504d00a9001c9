package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"goalcast"
)

// redisTimeout is how long a connection to Redis may take to be made, and a command to be answered. Longer than any healthy answer, and
// short enough that a dead server is noticed before viewers have to be told (BusOptions.StaleAfter).
const redisTimeout = 2 * time.Second

// Redis is a Redis server, a master chosen by Sentinels, a cluster, or a server inside this process. The bus and the queue stand on it;
// rest takes its client for rate limits. Nothing that is only in Redis is missed when it is gone.
type Redis struct {
	log      *slog.Logger
	client   redis.UniversalClient
	db       int // number of the database; 0 in clusters, which have but one
	conns    *redisConns
	cluster  bool
	embedded *miniredis.Miniredis // nil but for "embedded"
	stop     func()               // ends and waits for what makes time pass in the embedded server
}

// embeddedTick is how exact the times are after which keys of the embedded server expire. Its own clock would look at every key for every command.
const embeddedTick = 200 * time.Millisecond

// OpenRedis reads the URL and makes a client; nothing is connected yet, so that goalcast starts while Redis is away. The URLs:
//
//	embedded                                                     a server in this process, which nobody else can reach; empty at start
//	redis://[user:password@]host:port[/db], rediss://...         one server, without and with TLS
//	redis+sentinel://[user:password@]host:port,.../master[?db=0] the master of that name; the hosts are Sentinels
//	redis+cluster://[user:password@]host:port,...                a cluster; the hosts are some of its nodes
//
// The latter two take ?tls=true; Sentinels' own password is ?sentinel_password=.
func OpenRedis(ctx context.Context, rawURL string, log *slog.Logger) (*Redis, error) {
	r := &Redis{log: log, conns: &redisConns{open: map[*redisConn]struct{}{}}}
	scheme, _, _ := strings.Cut(rawURL, "://")
	var err error
	switch scheme {
	case "embedded":
		err = r.openEmbedded()
	case "redis", "rediss":
		var o *redis.Options
		if o, err = redis.ParseURL(rawURL); err == nil {
			prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled, &o.DisableIdentity)
			o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
			r.conns.tls, o.Dialer = o.TLSConfig, r.conns.dial
			r.client, r.db = redis.NewClient(o), o.DB
		} else {
			err = errors.New("not a Redis URL") // the text of the error may hold the password
		}
	case "redis+sentinel":
		err = r.openSentinel(rawURL)
	case "redis+cluster":
		err = r.openCluster(rawURL)
	default:
		err = fmt.Errorf("want embedded, redis://, rediss://, redis+sentinel:// or redis+cluster://, not %.16q", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("Redis URL: %w", err)
	}
	r.client.AddHook(r.conns)
	return r, nil
}

// prepare sets what all kinds of client have in common. A command is retried by the client (three times by default): all of ours may
// run twice.
func prepare(dial, read, write *time.Duration, dials *int, obeyContext, noIdentity *bool) {
	*dial, *read, *write = redisTimeout, redisTimeout, redisTimeout
	*dials = 1 // it is tried again anyway, with pauses of our own
	*obeyContext, *noIdentity = true, true
}

func (r *Redis) openEmbedded() error {
	m := miniredis.NewMiniRedis()
	first, err := m.Dial() // which starts it without a port: by one, any user of this machine could tell viewers of goals
	if err != nil {
		return err
	}
	_ = first.Close()
	server := m.Server()
	o := &redis.Options{Addr: "embedded", MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := pipe()
			server.ServeConn(theirs)
			return ours, nil
		}}
	prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled, &o.DisableIdentity)
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

func (r *Redis) openSentinel(rawURL string) error {
	u, hosts, err := splitHosts(rawURL)
	if err != nil {
		return err
	}
	o := &redis.FailoverOptions{SentinelAddrs: hosts, MasterName: strings.Trim(u.Path, "/"), Username: u.User.Username(),
		SentinelPassword: u.Query().Get("sentinel_password"), SentinelUsername: u.Query().Get("sentinel_username")}
	o.Password, _ = u.User.Password()
	if o.MasterName == "" {
		return errors.New("redis+sentinel:// wants the master's name as its path")
	}
	if db := u.Query().Get("db"); db != "" {
		if o.DB, err = strconv.Atoi(db); err != nil {
			return fmt.Errorf("db: want a number, not %.10q", db)
		}
	}
	if o.TLSConfig, err = tlsOf(u); err != nil {
		return err
	}
	prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled, &o.DisableIdentity)
	r.conns.tls, o.Dialer = o.TLSConfig, r.conns.dial
	r.client, r.db = redis.NewFailoverClient(o), o.DB
	return nil
}

func (r *Redis) openCluster(rawURL string) error {
	u, hosts, err := splitHosts(rawURL)
	if err != nil {
		return err
	}
	o := &redis.ClusterOptions{Addrs: hosts, Username: u.User.Username(),
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}}
	o.Password, _ = u.User.Password()
	if o.TLSConfig, err = tlsOf(u); err != nil {
		return err
	}
	prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled, &o.DisableIdentity)
	r.conns.tls, o.Dialer = o.TLSConfig, r.conns.dial
	cluster := redis.NewClusterClient(o)
	r.conns.reload = func() { cluster.ReloadState(context.Background()) }
	r.client, r.cluster = cluster, true
	return nil
}

// splitHosts reads a URL with several hosts, which net/url refuses. Its errors do not show the password.
func splitHosts(rawURL string) (*url.URL, []string, error) {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@') + 1
	hosts := strings.Split(rest[at:end], ",")
	for _, h := range hosts {
		if host, port, err := net.SplitHostPort(h); err != nil || host == "" || port == "" {
			return nil, nil, fmt.Errorf("want host:port,host:port, not %.60q", h)
		}
	}
	u, err := url.Parse(scheme + "://" + rest[:at] + "hosts" + rest[end:])
	if err != nil {
		return nil, nil, errors.New("not a URL")
	}
	return u, hosts, nil
}

func tlsOf(u *url.URL) (*tls.Config, error) {
	switch text := u.Query().Get("tls"); text {
	case "", "false":
		return nil, nil
	case "true":
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	default:
		return nil, fmt.Errorf("tls: want true or false, not %.10q", text)
	}
}

// Client is for what store does not do itself: rate limits.
func (r *Redis) Client() redis.UniversalClient { return r.client }

// Ping asks whether Redis answers; ErrUnavailable otherwise.
func (r *Redis) Ping(ctx context.Context) error {
	return wrapRedis("ping Redis", r.client.Ping(ctx).Err())
}

// Close ends all connections, and the server if it is embedded. Stop the bus and the queue first.
func (r *Redis) Close() error {
	err := r.client.Close()
	if r.embedded != nil {
		r.stop()
		r.embedded.Close()
	}
	return err
}

// wrapRedis says what was being done. An error that is no answer of the server is ErrUnavailable, and so are the answers of a server that
// is not the one to ask, or cannot now (see redisconns.go); not the caller's own giving up.
func wrapRedis(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	var answer redis.Error
	if errors.As(err, &answer) && !cannotNow(err) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, goalcast.ErrUnavailable, err)
}

// LogRedisTo sends what the Redis client itself has to say (connections that break) to the log. It is for the whole process, and called once,
// by the command, before OpenRedis.
func LogRedisTo(log *slog.Logger) { redis.SetLogger(redisLog{log}) }

type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}
