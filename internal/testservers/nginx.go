package testservers

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Nginx starts an nginx that passes everything on to the base URL and is configured no further, and
// returns its own base URL. It ends with the test.
func Nginx(tb testing.TB, base string) string {
	tb.Helper()
	program, err := find("nginx", "/usr/sbin", "/usr/local/sbin")
	if err != nil {
		missing(tb, "%v", err)
	}
	folder := tb.TempDir()
	port := freePort(tb)
	config := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error; events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
server { listen 127.0.0.1:%[2]d; location / { proxy_pass %[3]s; } } }
`, folder, port, base)
	if os.Geteuid() == 0 { // its workers would be somebody who may not enter the folder
		config = "user root;\n" + config
	}
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	s, err := launch("TERM", "", filepath.Join(folder, "output"), nil, program, "-p", folder, "-c", file, "-e",
		filepath.Join(folder, "error"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.stop)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	if err := eventually(startLimit, func() error {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err
	}); err != nil {
		text, _ := os.ReadFile(filepath.Join(folder, "output"))
		tb.Fatalf("nginx: %v\n%s", err, text)
	}
	tb.Cleanup(http.DefaultClient.CloseIdleConnections)
	return "http://" + address
}
