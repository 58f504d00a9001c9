package testservers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// VarnishOf starts a Varnish with a configuration of deploy/, whose backend becomes the base URL,
// and returns its own base URL. It ends with the test.
func VarnishOf(tb testing.TB, file, base string) string {
	tb.Helper()
	program, err := find("varnishd", "/usr/sbin", "/usr/local/sbin")
	if err != nil {
		missing(tb, "%v", err)
	}
	host, backend, err := net.SplitHostPort(strings.TrimPrefix(base, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	folder, port := tb.TempDir(), freePort(tb)
	config := configured(tb, file, map[string]string{`"127.0.0.1"`: `"` + host + `"`, `"8080"`: `"` + backend + `"`})
	vcl := filepath.Join(folder, "goalcast.vcl")
	if err := os.WriteFile(vcl, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	return frontend(tb, folder, port, "TERM", program, "-F", "-n", filepath.Join(folder, "work"), "-f", vcl,
		"-a", fmt.Sprintf("127.0.0.1:%d", port), "-T", "none", "-s", "malloc,64m", "-j", "none",
		"-p", "http_gzip_support=off", "-p", "pipe_timeout=90")
}
