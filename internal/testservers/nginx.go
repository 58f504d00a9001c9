package testservers

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Nginx starts an nginx that passes everything on to the base URL and is configured no further, and
// returns its own base URL. It ends with the test.
func Nginx(tb testing.TB, base string) string {
	tb.Helper()
	folder, port := tb.TempDir(), freePort(tb)
	return nginx(tb, folder, port, fmt.Sprintf(`pid %[1]s/pid; error_log %[1]s/error; events { worker_connections 64; }
http { access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
server { listen 127.0.0.1:%[2]d; location / { proxy_pass %[3]s; } } }
`, folder, port, base))
}

// NginxOf is Nginx with a configuration file of deploy/, whose addresses and folders become those
// of the test: every upstream is the base URL.
func NginxOf(tb testing.TB, file, base string) string {
	tb.Helper()
	folder, port := tb.TempDir(), freePort(tb)
	return nginx(tb, folder, port, configured(tb, file, map[string]string{
		"user www-data;":               "",
		"worker_rlimit_nofile 262144;": "worker_rlimit_nofile 20000;",
		"worker_connections 131072;":   "worker_connections 19000;",
		"/run/nginx.pid":               folder + "/pid",
		"/var/log/nginx/":              folder + "/",
		"/var/cache/nginx/":            folder + "/",
		"listen 80 ":                   fmt.Sprintf("listen 127.0.0.1:%d ", port),
		"127.0.0.1:8080":               strings.TrimPrefix(base, "http://"),
	}))
}

// configured is a configuration file with other values in it, all of which must be there to be
// exchanged.
func configured(tb testing.TB, file string, values map[string]string) string {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	config := string(text)
	for was, is := range values {
		if !strings.Contains(config, was) {
			tb.Fatalf("%s: no %q", file, was)
		}
		config = strings.ReplaceAll(config, was, is)
	}
	return config
}

// nginx starts it with a configuration that has it listen on the port.
func nginx(tb testing.TB, folder string, port int, config string) string {
	tb.Helper()
	program, err := find("nginx", "/usr/sbin", "/usr/local/sbin")
	if err != nil {
		missing(tb, "%v", err)
	}
	if os.Geteuid() == 0 { // its workers would be somebody who may not enter the folder
		config = "user root;\n" + config
	}
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	return frontend(tb, folder, port, "TERM", program, "-p", folder, "-c", file, "-e", filepath.Join(folder, "error"),
		"-g", "daemon off;")
}

// frontend starts what listens on the port in front of goalcast, and returns its base URL. It ends
// with the test.
func frontend(tb testing.TB, folder string, port int, signal string, command ...string) string {
	tb.Helper()
	output := filepath.Join(folder, "output")
	s, err := launch(signal, "", output, nil, command...)
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
		text, _ := os.ReadFile(output)
		tb.Fatalf("%s: %v\n%s", command[0], err, text)
	}
	tb.Cleanup(http.DefaultClient.CloseIdleConnections)
	return "http://" + address
}
