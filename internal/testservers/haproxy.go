package testservers

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// HAProxy is an HAProxy in front of goalcast, with a master and workers as in production.
type HAProxy struct {
	URL string // base URL

	tb     testing.TB
	folder string
}

// Behind is a process behind a balancer, by its base URLs.
type Behind struct{ Public, Admin string }

// HAProxyOf starts an HAProxy with a configuration file of deploy/, whose addresses, folders and
// numbers of open files become those of the test; more exchanges other text of it, for shorter
// times. The processes stand for the names of its server-templates ("hub-blue"); a name of which
// there are none has no server. It ends with the test.
func HAProxyOf(tb testing.TB, file string, behind map[string][]Behind, more map[string]string) *HAProxy {
	tb.Helper()
	folder, port := shortFolder(tb), freePort(tb)
	config := configured(tb, file, map[string]string{
		"/run/haproxy/":    folder + "/",
		"maxconn 200000":   "maxconn 2000",
		"timeout check 2s": "timeout check 30s", // test machines are slow
		"bind :80\n":       fmt.Sprintf("bind 127.0.0.1:%d\n", port),
		"bind :8404\n":     "bind " + folder + "/metrics\n",
	})
	for was, is := range more {
		if !strings.Contains(config, was) {
			tb.Fatalf("%s: no %q", file, was)
		}
		config = strings.ReplaceAll(config, was, is)
	}
	// The first start wants one without servers.
	if err := os.WriteFile(filepath.Join(folder, "servers"), []byte("1\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	template := regexp.MustCompile(`(?m)^\tserver-template (\S+-) (\d+) (\S+):8080(.*)\n`)
	config = template.ReplaceAllStringFunc(config, func(line string) string {
		part := template.FindStringSubmatch(line)
		if most, _ := strconv.Atoi(part[2]); len(behind[part[3]]) > most {
			tb.Fatalf("%s: room for %s servers of %s", file, part[2], part[3])
		}
		var lines strings.Builder
		for i, b := range behind[part[3]] {
			_, adminPort, err := net.SplitHostPort(strings.TrimPrefix(b.Admin, "http://"))
			if err != nil {
				tb.Fatal(err)
			}
			fmt.Fprintf(&lines, "\tserver %s%d %s port %s%s\n", part[1], i+1, strings.TrimPrefix(b.Public, "http://"),
				adminPort, part[4])
		}
		return lines.String()
	})
	if strings.Contains(config, "\n\tserver-template") {
		tb.Fatalf("%s: a server-template that is written otherwise", file)
	}
	return haproxy(tb, folder, port, config)
}

// NewHAProxy starts one with a configuration of the test's own, in which {listen} becomes the
// address that it is to listen on, {socket} the path of its runtime API. It ends with the test.
func NewHAProxy(tb testing.TB, config string) *HAProxy {
	tb.Helper()
	folder, port := shortFolder(tb), freePort(tb)
	return haproxy(tb, folder, port, strings.NewReplacer("{listen}", fmt.Sprintf("127.0.0.1:%d", port),
		"{socket}", filepath.Join(folder, "admin.sock")).Replace(config))
}

// haproxy starts it with a configuration that has it listen on the port.
func haproxy(tb testing.TB, folder string, port int, config string) *HAProxy {
	tb.Helper()
	program, err := find("haproxy", "/usr/sbin", "/usr/local/sbin")
	if err != nil {
		missing(tb, "%v", err)
	}
	path := filepath.Join(folder, "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		tb.Fatal(err)
	}
	h := &HAProxy{tb: tb, folder: folder}
	h.URL = frontend(tb, folder, port, "TERM", program, "-W", "-S", folder+"/master.sock", "-f", path,
		"-p", folder+"/pid")
	if err := eventually(startLimit, func() error { // it listens there a moment later than on the port
		_, err := h.ask("admin.sock", "show info")
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return h
}

// shortFolder is a TempDir with a path that is short enough for a socket, whatever the test's name.
func shortFolder(tb testing.TB) string {
	tb.Helper()
	folder, err := os.MkdirTemp("", "haproxy-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// Do sends a runtime command to the newest worker and returns the answer, which of most commands is
// empty if all went well.
func (h *HAProxy) Do(command string) string {
	h.tb.Helper()
	answer, err := h.ask("admin.sock", command)
	if err != nil {
		h.tb.Fatalf("%s: %v", command, err)
	}
	return answer
}

func (h *HAProxy) ask(socket, command string) (string, error) {
	c, err := net.DialTimeout("unix", filepath.Join(h.folder, socket), startLimit/6)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(startLimit / 6)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		return "", err
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil { // or the master waits for the next one
		return "", err
	}
	answer, err := io.ReadAll(c)
	return strings.TrimSpace(string(answer)), err
}

// Reload writes down the state of the servers, as docs/deploy.md has it, and has the master start a
// new worker (SIGUSR2); it returns when that listens, with the process ids of the workers that are
// left of those before.
func (h *HAProxy) Reload() (old []int) {
	h.tb.Helper()
	before := h.Workers()
	state := h.Do("show servers state")
	if err := os.WriteFile(filepath.Join(h.folder, "servers"), []byte(state+"\n"), 0o600); err != nil {
		h.tb.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(h.folder, "pid"))
	if err != nil {
		h.tb.Fatal(err)
	}
	master, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		h.tb.Fatal(err)
	}
	if err := syscall.Kill(master, syscall.SIGUSR2); err != nil {
		h.tb.Fatal(err)
	}
	if err := eventually(startLimit, func() error {
		if now := h.Workers(); slices.Equal(now, before) || len(now) == 0 {
			return fmt.Errorf("workers %v", now)
		}
		info, err := h.ask("admin.sock", "show info")
		if err == nil && slices.ContainsFunc(before, func(pid int) bool {
			return strings.Contains(info, fmt.Sprintf("\nPid: %d\n", pid))
		}) {
			err = fmt.Errorf("the worker before answers")
		}
		return err
	}); err != nil {
		output, _ := os.ReadFile(filepath.Join(h.folder, "output"))
		h.tb.Fatalf("reload: %v\n%s", err, output)
	}
	return before
}

// Workers are the process ids of all workers, those that are leaving too.
func (h *HAProxy) Workers() []int {
	h.tb.Helper()
	list, err := h.ask("master.sock", "show proc")
	if err != nil {
		return nil // the master is reading its configuration
	}
	var workers []int
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == "worker" {
			pid, err := strconv.Atoi(fields[0])
			if err != nil {
				h.tb.Fatalf("show proc: %s", list)
			}
			workers = append(workers, pid)
		}
	}
	slices.Sort(workers)
	return workers
}
