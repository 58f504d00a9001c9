// Package clientip says whom a request counts for where limits count by address.
package clientip

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

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

// New says whom a request counts for, by the same rules as Middleware, and makes nothing of memory:
// the zero address where it cannot be told. A test holds one to the other.
func New(proxies []netip.Prefix) func(*http.Request) netip.Addr {
	return func(r *http.Request) netip.Addr {
		peer := peerOf(r.RemoteAddr)
		if !within(proxies, peer.WithZone("")) {
			return peer
		}
		fields := r.Header["X-Forwarded-For"]
		for n := len(fields) - 1; n >= 0; n-- {
			for field := fields[n]; field != ""; { // from the end: before a hop that is not ours, anybody wrote
				i := strings.LastIndexByte(field, ',')
				hop := strings.TrimSpace(field[i+1:])
				field = field[:max(i, 0)]
				if hop == "" {
					continue
				}
				a, err := netip.ParseAddr(hop)
				if err != nil {
					return netip.Addr{}
				}
				if a = a.Unmap().WithZone(""); !within(proxies, a) {
					return a
				}
			}
		}
		return netip.Addr{}
	}
}

// TLS says whether a request came by HTTPS: to us, or by the word of a trusted proxy to that one.
func TLS(proxies []netip.Prefix) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" &&
			within(proxies, peerOf(r.RemoteAddr).WithZone(""))
	}
}

func within(networks []netip.Prefix, a netip.Addr) bool {
	for _, p := range networks {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// peerOf is the address in a request's RemoteAddr.
func peerOf(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote // without a port, as tests have it
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
