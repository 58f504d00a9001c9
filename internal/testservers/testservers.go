// Package testservers starts real servers for tests (Redis, PostgreSQL, RabbitMQ and what stands
// in front of them), on free ports of the loopback interface, and sees to it that none of them
// outlives the test binary, however that ends. Tests of every package call it; nothing else does.
//
// A missing server skips the test; with CI=true it fails it.
package testservers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a server may take to answer; test machines are busy.
const startLimit = 180 * time.Second

// guard is the shell that starts a server and outlives this process for a moment: its standard
// input is a pipe whose other end only this process holds, so that cat ends when this process does,
// even by SIGKILL. Then the server goes, and its folder with it. Arguments: the signal, the folder
// to delete (or nothing; a file "keep" in it saves it) and the command.
const guard = `sig=$1 dir=$2; shift 2
"$@" & pid=$!
cat >/dev/null
kill -"$sig" $pid 2>/dev/null
wait $pid
[ -z "$dir" ] || [ -e "$dir/keep" ] || rm -rf "$dir"`

// server is a process under the guard.
type server struct {
	cmd  *exec.Cmd
	hold *os.File // the pipe's end that keeps it alive
}

// launch starts the command as the account (nil: ours); its output goes to the file.
func launch(signal, folder, output string, account *syscall.Credential, command ...string) (*server, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	log, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", guard, "guard", signal, folder}, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, log, log
	// A group of its own: Ctrl-C reaches this process only, and the guard then does its work.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: account}
	cmd.Dir = "/"
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &server{cmd, w}, nil
}

// stop ends the server and waits for it.
func (s *server) stop() {
	s.hold.Close()
	s.cmd.Wait()
}

// missing skips the test, or fails it where everything must be there.
func missing(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// freePort finds a port that nobody listens on. Someone else may take it before the server does;
// then the start fails and is tried again.
func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// find looks for a program in PATH and then in the places given as patterns, the last match
// first: the newest version.
func find(name string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, p := range patterns {
		found, err := filepath.Glob(filepath.Join(p, name))
		if err == nil && len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// unprivileged gives the account of a user without rights when we are root (PostgreSQL refuses to
// run as root), else nil.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	var err error
	for _, name := range []string{"postgres", "nobody"} {
		var u *user.User
		if u, err = user.Lookup(name); err != nil {
			continue
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("no user to run PostgreSQL as: %w", err)
}

// eventually calls f until it returns nil, for at most the limit, and returns its last error.
func eventually(limit time.Duration, f func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
