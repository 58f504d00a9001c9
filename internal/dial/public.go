package dial

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// ErrNotPublic means that a name leads to an address that is not one of the public internet.
var ErrNotPublic = errors.New("not a public address")

// Public returns a dialer like New's that connects to public addresses only. The address is looked
// at when it is connected to: a name may mean another one than a moment ago. Its error is an
// ErrNotPublic.
func Public() *net.Dialer {
	d := New()
	next := d.Control
	d.Control = func(network, address string, c syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !IsPublic(at.Addr()) {
			return fmt.Errorf("%w: %s", ErrNotPublic, address)
		}
		return next(network, address, c)
	}
	return d
}

// notPublic are parts of the address space that net/netip has no word for: shared, documentation,
// benchmarks, reserved, and tunnels that lead to other addresses.
var notPublic = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16",
	"3fff::/20")

// All public addresses of IPv6 are in globalSix; those in translated are of IPv4, in their last
// four bytes.
var (
	globalSix  = netip.MustParsePrefix("2000::/3")
	translated = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// IsPublic says whether an address is one of the public internet.
func IsPublic(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && (a.Is4() || globalSix.Contains(a)) &&
		!slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}
