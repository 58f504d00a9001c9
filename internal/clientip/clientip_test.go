package clientip_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"goalcast/internal/clientip"
)

func TestAnIPv6CustomerIsOneAddress(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.9":          "203.0.113.9",
		"::ffff:203.0.113.9":   "203.0.113.9",
		"::ffff:cb00:7109":     "203.0.113.9",
		"2001:db8:1:2::1":      "2001:db8:1:2::",
		"2001:db8:1:2:ffff::9": "2001:db8:1:2::",
		"2001:db8:1:3::1":      "2001:db8:1:3::",
		"fe80::1%eth0":         "fe80::",
		"::1":                  "::",
	} {
		got := clientip.Counted(netip.MustParseAddr(text))
		if got.String() != want || clientip.Counted(got) != got {
			t.Errorf("%s counts as %s, want %s", text, got, want)
		}
	}
	if got := clientip.Counted(netip.Addr{}); got.IsValid() {
		t.Errorf("no address counts as %s", got)
	}
}

func TestOnlyTrustedProxiesSayThatItWasHTTPS(t *testing.T) {
	isTLS := clientip.TLS([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	for _, tt := range []struct {
		peer, scheme string
		tls          *tls.ConnectionState
		want         bool
	}{
		{"10.0.0.1:80", "https", nil, true},
		{"[::ffff:10.0.0.1]:80", "https", nil, true},
		{"10.0.0.1:80", "http", nil, false},
		{"10.0.0.1:80", "", nil, false},
		{"203.0.113.9:80", "https", nil, false},
		{"203.0.113.9:80", "", &tls.ConnectionState{}, true},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr, r.TLS = tt.peer, tt.tls
		r.Header.Set("X-Forwarded-Proto", tt.scheme)
		if got := isTLS(r); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}
