// Package limits counts viewers and refuses those that are too many.
//
// What it counts is shared by all requests and shards: the total is an atomic, the addresses have a
// mutex.
package limits

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"goalcast/internal/clientip"
)

// Config holds the limits; 0 is no limit.
type Config struct {
	Conns           int     // connections at once
	ConnsPerAddress int     // of one address; of one /64 with IPv6
	Rate            float64 // new ones per second
	Burst           int     // of these, at once
}

// Reasons for which a viewer is refused; labels of a counter.
const (
	TooFast        = "handshake_rate"
	Full           = "connections"
	FullForAddress = "connections_per_ip"

	TooFastForAddress = "handshake_rate_per_ip"
	TooManyGuesses    = "guesses"
)

// Limits says who may come in.
type Limits struct {
	cfg   Config
	rate  *rate.Limiter // nil: no limit
	conns atomic.Int64
	all   Seat // what viewers share while addresses are not counted

	mu      sync.Mutex
	address map[netip.Addr]*address // by clientip.Counted; nil: they are not counted
}

// address is how many viewers an address has.
type address struct {
	Seat // what they share
	ip   netip.Addr
	n    int
}

// Seat is a viewer's place within the limits. Whoever has it leaves it, once.
//
// Viewers of one address share a Seat, so that it costs them no memory.
type Seat struct {
	limits  *Limits
	address *address // nil: it is not counted
}

// New makes limits of which nobody has taken any.
func New(cfg Config) *Limits {
	l := &Limits{cfg: cfg}
	l.all.limits = l
	if cfg.Rate > 0 {
		l.rate = rate.NewLimiter(rate.Limit(cfg.Rate), cfg.Burst)
	}
	if cfg.ConnsPerAddress > 0 {
		l.address = make(map[netip.Addr]*address)
	}
	return l
}

// Enter gives a viewer a seat, or the reason why it gets none.
func (l *Limits) Enter(ip netip.Addr) (seat *Seat, reason string) {
	if l.rate != nil && !l.rate.Allow() {
		return nil, TooFast
	}
	if n := l.conns.Add(1); l.cfg.Conns > 0 && n > int64(l.cfg.Conns) {
		l.conns.Add(-1)
		return nil, Full
	}
	if l.address == nil {
		return &l.all, ""
	}
	ip = clientip.Counted(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.address[ip]
	switch {
	case a == nil:
		a = &address{ip: ip}
		a.Seat = Seat{limits: l, address: a}
		l.address[ip] = a
	case a.n >= l.cfg.ConnsPerAddress:
		l.conns.Add(-1)
		return nil, FullForAddress
	}
	a.n++
	return &a.Seat, ""
}

// Full returns the reason why Enter would refuse, and counts nothing.
func (l *Limits) Full(ip netip.Addr) (reason string) {
	switch {
	case l.rate != nil && l.rate.Tokens() < 1:
		return TooFast
	case l.cfg.Conns > 0 && l.conns.Load() >= int64(l.cfg.Conns):
		return Full
	case l.address == nil:
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.address[clientip.Counted(ip)]; a != nil && a.n >= l.cfg.ConnsPerAddress {
		return FullForAddress
	}
	return ""
}

// Connections is how many seats are taken.
func (l *Limits) Connections() int64 { return l.conns.Load() }

// Leave gives the seat back.
func (s *Seat) Leave() {
	l, a := s.limits, s.address
	l.conns.Add(-1)
	if a == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.n--; a.n == 0 {
		delete(l.address, a.ip)
	}
}
