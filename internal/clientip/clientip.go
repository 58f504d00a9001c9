// Package clientip says whom a request counts for where limits count by address.
package clientip

import (
	"net/http"
	"net/netip"

	"github.com/go-chi/chi/v5/middleware"
)

// Middleware puts the address of the client into the request's context (chi's
// middleware.GetClientIP): that of the peer, or what trusted proxies say.
func Middleware(proxies []netip.Prefix) func(http.Handler) http.Handler {
	if len(proxies) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	texts := make([]string, len(proxies))
	for i, p := range proxies {
		texts[i] = p.String()
	}
	return middleware.ClientIPFromXFF(texts...)
}

// Counted is the address that limits count: an IPv4 address, however it is written, or the network
// of 64 bits that an IPv6 customer has to himself. The zero address, of clients that have none,
// stays.
func Counted(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// New says whom a request counts for, by the same rules as Middleware: the zero address where that
// cannot be told.
func New(proxies []netip.Prefix) func(*http.Request) netip.Addr {
	find := Middleware(proxies)
	return func(r *http.Request) (addr netip.Addr) {
		find(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			addr = middleware.GetClientIPAddr(r.Context())
		})).ServeHTTP(nil, r)
		return addr
	}
}
