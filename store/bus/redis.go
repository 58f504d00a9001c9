// Package bus holds the only Redis of goalcast: the bus (Bus: events in order, and the newest
// values of states), the queue of work for later (Queue) and limits that processes share (Rate).
// Redis may be wiped at any moment, and nothing is lost but seconds: what still has to happen is in
// the database, and callers bring it back. Keys lists all that is in Redis.
//
// Its goroutines are those of Listen and Queue.Run, which end before these return; everything else
// runs on the caller's.
package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"goalcast"
)

// redisTimeout is how long a connection to Redis may take to be made, and a command to be answered:
// longer than any healthy answer, and short enough that a dead server is noticed before viewers
// have to be told (Options.StaleAfter).
const redisTimeout = 2 * time.Second

// Redis is a Redis server, a master chosen by Sentinels, a cluster, or a server inside this
// process.
type Redis struct {
	client   redis.UniversalClient
	db       int // number of the database; 0 in clusters, which have but one
	conns    *conns
	cluster  bool
	embedded *miniredis.Miniredis // nil but for "embedded"
	stop     func()               // ends and waits for what makes time pass in the embedded server
}

// OpenRedis reads the URL and makes a client; nothing is connected yet, so that goalcast starts
// while Redis is away. The URLs:
//
//	embedded                                      in this process, empty at start, for nobody else
//	redis://[user:password@]host:port[/db]        one server; rediss:// with TLS
//	redis+sentinel://[user:password@]host:port,.../master[?db=0]
//	                                              the master of that name; the hosts are Sentinels
//	redis+cluster://[user:password@]host:port,... a cluster; the hosts are some of its nodes
//
// The latter two take ?tls=true; Sentinels' own password is ?sentinel_password=. All take the
// parameters of go-redis' URLs.
func OpenRedis(rawURL string) (*Redis, error) {
	r := &Redis{conns: &conns{open: map[*trackedConn]struct{}{}}}
	open := map[string]func(string) error{
		"embedded": r.openEmbedded, "redis": r.openServer, "rediss": r.openServer, "redis+sentinel": r.openSentinel,
		"redis+cluster": r.openCluster,
	}
	scheme, _, _ := strings.Cut(rawURL, "://")
	if open[scheme] == nil {
		return nil, fmt.Errorf("Redis URL: want embedded, redis://, rediss://, redis+sentinel:// or redis+cluster://, "+
			"not %.16q", scheme)
	}
	if err := open[scheme](rawURL); err != nil {
		return nil, fmt.Errorf("Redis URL: %w", err)
	}
	r.client.AddHook(r.conns)
	return r, nil
}

// names are those of an installation; without a prefix, of the default one.
func (r *Redis) names(prefix string) names { return names{cmp.Or(prefix, defaultPrefix), r.db} }

func (r *Redis) openServer(rawURL string) error {
	o, err := redis.ParseURL(rawURL)
	if err != nil {
		return errNotURL
	}
	prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled,
		&o.DisableIdentity)
	o.MaintNotificationsConfig = noMaintNotifications()
	r.conns.tls, o.Dialer = o.TLSConfig, r.conns.dial
	r.client, r.db = redis.NewClient(o), o.DB
	return nil
}

func (r *Redis) openSentinel(rawURL string) error {
	u, err := oneHost(rawURL)
	if err != nil {
		return err
	}
	// go-redis expects the master's name and account among the parameters, and the Sentinels' own
	// account in front of the host.
	q := u.Query()
	password, _ := u.User.Password()
	q.Set("master_name", strings.Trim(u.Path, "/"))
	q.Set("username", u.User.Username())
	q.Set("password", password)
	u.User = url.UserPassword(q.Get("sentinel_username"), q.Get("sentinel_password"))
	q.Del("sentinel_username")
	q.Del("sentinel_password")
	u.Path, u.RawQuery = "", q.Encode()
	o, err := redis.ParseFailoverURL(u.String())
	switch {
	case err != nil:
		return err
	case o.MasterName == "":
		return errors.New("redis+sentinel:// wants the master's name as its path")
	}
	prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled,
		&o.DisableIdentity)
	r.conns.useTLS(o.TLSConfig)
	o.Dialer = r.conns.dial
	r.client, r.db = redis.NewFailoverClient(o), o.DB
	return nil
}

func (r *Redis) openCluster(rawURL string) error {
	u, err := oneHost(rawURL)
	if err != nil {
		return err
	}
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return err
	}
	prepare(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout, &o.DialerRetries, &o.ContextTimeoutEnabled,
		&o.DisableIdentity)
	o.MaintNotificationsConfig = noMaintNotifications()
	r.conns.useTLS(o.TLSConfig)
	o.Dialer = r.conns.dial
	cluster := redis.NewClusterClient(o)
	r.conns.reload = func() { cluster.ReloadState(context.Background()) }
	r.client, r.cluster = cluster, true
	return nil
}

// errNotURL does not show the URL: it may hold a password.
var errNotURL = errors.New("not a Redis URL")

// oneHost rewrites a URL with several hosts as one that go-redis' own parsers read: the first host
// stays in its place, the others become parameters, and TLS goes into the scheme.
func oneHost(rawURL string) (*url.URL, error) {
	_, rest, _ := strings.Cut(rawURL, "://")
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@') + 1
	hosts := strings.Split(rest[at:end], ",")
	u, err := url.Parse("redis://" + rest[:at] + hosts[0] + rest[end:])
	if err != nil {
		return nil, errNotURL
	}
	if u.Hostname() == "" || u.Port() == "" {
		return nil, fmt.Errorf("want host:port,host:port, not %.60q", hosts[0])
	}
	q := u.Query()
	for _, host := range hosts[1:] {
		q.Add("addr", host)
	}
	switch tls := q.Get("tls"); tls {
	case "", "false":
	case "true":
		u.Scheme = "rediss"
	default:
		return nil, fmt.Errorf("tls: want true or false, not %.10q", tls)
	}
	q.Del("tls")
	u.RawQuery = q.Encode()
	return u, nil
}

// prepare sets what all kinds of client have in common. The client repeats a command (three times
// by default): all of ours may run twice.
func prepare(dial, read, write *time.Duration, dials *int, obeyContext, noIdentity *bool) {
	*dial, *read, *write = redisTimeout, redisTimeout, redisTimeout
	*dials = 1 // it is tried again anyway, with pauses of our own
	*obeyContext, *noIdentity = true, true
}

// noMaintNotifications asks for no pushes of a managed server's maintenance.
func noMaintNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// Ping checks that Redis answers; ErrUnavailable otherwise.
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

// wrapRedis adds what was being done. An error that is no answer of the server is ErrUnavailable,
// and so are the answers of a server that is not the one to ask, or cannot answer now (conns.go);
// the caller's own cancellation is not.
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

// LogRedisTo sends what the Redis client itself logs (broken connections) to the log. It is for the
// whole process: the command calls it once, before OpenRedis.
func LogRedisTo(log *slog.Logger) { redis.SetLogger(redisLog{log}) }

type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client: "+fmt.Sprintf(format, args...))
}
