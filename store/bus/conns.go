package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"goalcast/internal/dial"
)

// dropPause is the least time between two drops of all connections: a server that is loading its
// data says so for a while.
const dropPause = time.Second

// conns are the open connections to Redis, of all kinds: pools, subscriptions, every node of a
// cluster. When a server says that it is not the one to ask (any more), all are dropped: a proxy, a
// name or a Sentinel may lead to another one now, and open connections stay with the old one for
// good. The client itself would drop one connection at a time, and only if the answer begins with
// READONLY.
type conns struct {
	tls    *tls.Config // nil: none
	reload func()      // asks a cluster who is who; nil otherwise

	mu      sync.Mutex
	open    map[*trackedConn]struct{}
	dropped time.Time
}

// trackedConn is a connection that leaves the list when it is closed.
type trackedConn struct {
	*net.TCPConn
	list *conns
}

func (c *trackedConn) Close() error {
	c.list.mu.Lock()
	delete(c.list.open, c)
	c.list.mu.Unlock()
	return c.TCPConn.Close()
}

// useTLS takes a configuration for servers of many names: each must prove its own.
func (l *conns) useTLS(config *tls.Config) {
	if config != nil {
		config.ServerName = ""
	}
	l.tls = config
}

// dial makes a connection; it is the client's Dialer.
func (l *conns) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	raw, err := dial.New().DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	socket, ok := raw.(*net.TCPConn)
	if !ok {
		return raw, nil
	}
	c := &trackedConn{socket, l}
	l.mu.Lock()
	l.open[c] = struct{}{}
	l.mu.Unlock()
	if l.tls == nil {
		return c, nil
	}
	config := l.tls
	if config.ServerName == "" && !config.InsecureSkipVerify {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(c, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return secure, nil
}

// drop ends every connection: a call that waits for an answer on one fails, and the client repeats
// it on a new one.
func (l *conns) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.dropped) < dropPause {
		return
	} else {
		l.dropped = now
	}
	for c := range l.open {
		_ = c.CloseRead() // it is closed by whoever reads
	}
	if l.reload != nil {
		l.reload()
	}
}

// DialHook is part of redis.Hook, as the next two are.
func (l *conns) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook looks at what became of a command.
func (l *conns) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		l.observe(ctx, err)
		return err
	}
}

// ProcessPipelineHook looks at what became of several.
func (l *conns) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		l.observe(ctx, err)
		for _, cmd := range cmds {
			l.observe(ctx, cmd.Err())
		}
		return err
	}
}

func (l *conns) observe(ctx context.Context, err error) {
	if err == nil || errors.Is(err, redis.Nil) {
		return
	}
	var network net.Error
	if wrongServer(err) || errors.As(err, &network) && network.Timeout() && ctx.Err() == nil {
		l.drop()
	}
}

// wrongServer reports whether a server answered that it is not the one to ask: a replica, one
// without its master, one that is loading its data, one of a cluster that is not whole. Managed
// servers and scripts put other words in front.
func wrongServer(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false
	}
	text := answer.Error()
	for _, code := range []string{"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "UNBLOCKED"} {
		if saysCode(text, code) {
			return true
		}
	}
	return false
}

// cannotNow reports whether a server answered that it cannot do now what it could do at another
// time.
func cannotNow(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false
	}
	text := answer.Error()
	for _, code := range []string{"OOM", "MISCONF", "NOREPLICAS", "TRYAGAIN", "BUSY", "ERR max number of clients"} {
		if saysCode(text, code) {
			return true
		}
	}
	return wrongServer(err)
}

// saysCode looks for an error code at the beginning of the text, after "ERR", or as a script
// repeats it: "... @user_script: 1: -READONLY You can't write".
func saysCode(text, code string) bool {
	text = strings.TrimPrefix(strings.TrimPrefix(text, "ERR "), "-")
	rest, begins := strings.CutPrefix(text, code)
	return begins && (rest == "" || rest[0] == ' ' || rest[0] == ':') || strings.Contains(text, "-"+code+" ")
}
