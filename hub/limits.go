package hub

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"goalcast/internal/clientip"
)

// limits counts connections and refuses those that are too many.
type limits struct {
	cfg   Config
	rate  *rate.Limiter // nil: no limit
	conns atomic.Int64

	mu   sync.Mutex
	byIP map[netip.Addr]int // by clientip.Counted; nil: no limit
}

func newLimits(cfg Config) *limits {
	l := &limits{cfg: cfg}
	if cfg.HandshakeRate > 0 {
		l.rate = rate.NewLimiter(rate.Limit(cfg.HandshakeRate), cfg.HandshakeMax)
	}
	if cfg.MaxConnsPerIP > 0 {
		l.byIP = make(map[netip.Addr]int)
	}
	return l
}

// enter counts a connection, or returns the reason why it is refused. Who entered leaves, by leave or leaveIP.
func (l *limits) enter(ip netip.Addr) (reason string) {
	if l.rate != nil && !l.rate.Allow() {
		return "handshake_rate"
	}
	if n := l.conns.Add(1); l.cfg.MaxConns > 0 && n > int64(l.cfg.MaxConns) {
		l.conns.Add(-1)
		return "connections"
	}
	if l.byIP == nil {
		return ""
	}
	ip = clientip.Counted(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byIP[ip] >= l.cfg.MaxConnsPerIP {
		l.conns.Add(-1)
		return "connections_per_ip"
	}
	l.byIP[ip]++
	return ""
}

// full returns the reason why enter would refuse, and counts nothing.
func (l *limits) full(ip netip.Addr) (reason string) {
	switch {
	case l.rate != nil && l.rate.Tokens() < 1:
		return "handshake_rate"
	case l.cfg.MaxConns > 0 && l.conns.Load() >= int64(l.cfg.MaxConns):
		return "connections"
	case l.byIP == nil:
		return ""
	}
	ip = clientip.Counted(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byIP[ip] >= l.cfg.MaxConnsPerIP {
		return "connections_per_ip"
	}
	return ""
}

// leave uncounts a connection.
func (l *limits) leave(c *conn) {
	var ip netip.Addr
	if c.origin != nil {
		ip = c.origin.ip
	}
	l.leaveIP(ip)
}

func (l *limits) leaveIP(ip netip.Addr) {
	l.conns.Add(-1)
	if l.byIP == nil {
		return
	}
	ip = clientip.Counted(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byIP[ip]--; l.byIP[ip] <= 0 {
		delete(l.byIP, ip)
	}
}

func (l *limits) connections() int64 { return l.conns.Load() }
