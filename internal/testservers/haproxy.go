package testservers

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// HAProxy is a HAProxy that stands in front of goalcast.
type HAProxy struct {
	URL string // its base URL

	tb     testing.TB
	socket string
}

// NewHAProxy starts one that ends with the test. In its configuration {listen} becomes the address
// that it is to listen on, {socket} the path of its runtime API.
func NewHAProxy(tb testing.TB, config string) *HAProxy {
	tb.Helper()
	program, err := find("haproxy", "/usr/sbin", "/usr/local/sbin")
	if err != nil {
		missing(tb, "%v", err)
	}
	folder, port := tb.TempDir(), freePort(tb)
	h := &HAProxy{tb: tb, socket: filepath.Join(folder, "api")}
	file := filepath.Join(folder, "haproxy.cfg")
	config = strings.NewReplacer("{listen}", fmt.Sprintf("127.0.0.1:%d", port), "{socket}", h.socket).Replace(config)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	h.URL = frontend(tb, folder, port, "TERM", program, "-db", "-f", file)
	return h
}

// Do sends a command to the runtime API and returns the answer, which of most commands is empty
// if all went well.
func (h *HAProxy) Do(command string) string {
	h.tb.Helper()
	c, err := net.Dial("unix", h.socket)
	if err != nil {
		h.tb.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		h.tb.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		h.tb.Fatalf("%s: %v", command, err)
	}
	return strings.TrimSpace(string(answer))
}
