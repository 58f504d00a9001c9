package board

import (
	"context"
	"net/netip"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

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
// not as fast as a machine makes them up: each costs little, thousands a second do not.
const (
	madeUpRate   = 200 // a second
	madeUpBurst  = 2_000
	maxAddresses = 10_000 // that are counted at one time
)

// guests counts topics that do not exist by the address that asks for them. It is safe for
// concurrent use.
type guests struct {
	now    func() time.Time
	limits *otter.Cache[netip.Addr, *rate.Limiter]
}

func newGuests(now func() time.Time) guests {
	// until an address that asks for no more is as good as a new one
	const full = madeUpBurst / madeUpRate * time.Second
	return guests{now, otter.Must(&otter.Options[netip.Addr, *rate.Limiter]{
		MaximumSize:      maxAddresses,
		ExpiryCalculator: otter.ExpiryAccessing[netip.Addr, *rate.Limiter](full),
		Clock:            cache.Clock(now),
		Executor:         func(task func()) { task() },
	})}
}

// take says whether an address may have n more.
func (g guests) take(address netip.Addr, n int) bool {
	l, _ := g.limits.ComputeIfAbsent(address, func() (*rate.Limiter, bool) {
		return rate.NewLimiter(madeUpRate, madeUpBurst), false
	})
	return l.AllowN(g.now(), min(n, madeUpBurst))
}
