package board

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"goalcast"
	"goalcast/internal/cache"
	"goalcast/internal/clientip"
)

// addressKey is the context key of the address for which something is asked.
type addressKey struct{}

// ForAddress says for which address a request asks: so many readings wait for one address at most.
func ForAddress(ctx context.Context, ip netip.Addr) context.Context {
	if !ip.IsValid() {
		return ctx
	}
	return context.WithValue(ctx, addressKey{}, clientip.Counted(ip))
}

// addressOf is the address for which a request asks, as clientip.Counted has it.
func addressOf(ctx context.Context) (netip.Addr, bool) {
	address, ok := ctx.Value(addressKey{}).(netip.Addr)
	return address, ok
}

// A customer may ask for some topics that do not exist (a link to a match that was removed), but
// not as fast as a machine makes them up: each costs little, thousands a second do not. One that
// somebody asked for lately costs nothing more: the fans of a team that has no fixture yet can be
// thousands behind the one address of their mobile network.
const (
	madeUpRate   = 200 // a second
	madeUpBurst  = 2_000
	madeUpKept   = 10 * time.Minute // since somebody last asked for it
	maxMadeUp    = 20_000           // that are remembered; some 2 MB
	maxAddresses = 10_000           // that are counted at one time
)

// guests counts topics that do not exist by the address that asks for them. It is safe for
// concurrent use.
type guests struct {
	now    func() time.Time
	limits *cache.Recent[netip.Addr, *rate.Limiter]
	asked  *cache.Recent[goalcast.Topic, struct{}]
}

func newGuests(now func() time.Time) guests {
	// until an address that asks for no more is as good as a new one
	const full = madeUpBurst / madeUpRate * time.Second
	return guests{now, cache.NewRecent[netip.Addr, *rate.Limiter](maxAddresses, full, now),
		cache.NewRecent[goalcast.Topic, struct{}](maxMadeUp, madeUpKept, now)}
}

// take says whether an address may have topics that do not exist.
func (g guests) take(address netip.Addr, topics []goalcast.Topic) bool {
	topics = slices.DeleteFunc(topics, func(t goalcast.Topic) bool {
		_, asked := g.asked.Get(t)
		return asked
	})
	if len(topics) == 0 {
		return true
	}
	if !g.takeNew(address, len(topics)) {
		return false
	}
	for _, t := range topics {
		g.asked.Set(t, struct{}{})
	}
	return true
}

func (g guests) takeNew(address netip.Addr, n int) bool {
	l := g.limits.OrMade(address, func() *rate.Limiter { return rate.NewLimiter(madeUpRate, madeUpBurst) })
	return l.AllowN(g.now(), min(n, madeUpBurst))
}
