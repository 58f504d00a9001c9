package clientip_test

import (
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
