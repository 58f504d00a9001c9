package main

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"goalcast/internal/clientip"
	"goalcast/internal/problem"
)

// networksConfig says from where what strangers have no business with can be reached.
type networksConfig struct {
	Feeds []netip.Prefix `name:"feed-networks" env:"GOALCAST_FEED_NETWORKS" placeholder:"CIDR,..." help:"Networks that may post to /feeds, besides showing a secret; others are answered 403. Empty is any."`
	Admin []netip.Prefix `name:"admin-networks" env:"GOALCAST_ADMIN_NETWORKS" placeholder:"CIDR,..." help:"Networks that may use the admin address, besides showing a token; others are answered 403, but for /healthz and /readyz. Empty is any."`
}

// fence lets in only what comes from the networks it is given.
type fence struct {
	address func(*http.Request) netip.Addr
	refused *prometheus.CounterVec
}

func newFence(proxies []netip.Prefix, reg prometheus.Registerer) *fence {
	f := &fence{address: clientip.New(proxies), refused: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "goalcast_http_outside_total",
		Help: "Requests refused since their address is in none of the networks of GOALCAST_FEED_NETWORKS (feeds) or " +
			"GOALCAST_ADMIN_NETWORKS (admin)."}, []string{"what"})}
	for _, what := range []string{"feeds", "admin"} {
		f.refused.WithLabelValues(what)
	}
	return f
}

// around answers requests from elsewhere. Without networks there is no elsewhere.
func (f *fence) around(what string, networks []netip.Prefix, next http.Handler) http.Handler {
	if len(networks) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := f.address(r).Unmap().WithZone("")
		if !slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(from) }) {
			f.refused.WithLabelValues(what).Inc()
			problem.Write(w, r, problem.New(http.StatusForbidden, "address", "not from this network"))
			return
		}
		next.ServeHTTP(w, r)
	})
}
