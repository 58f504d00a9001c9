package testservers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Redis starts a Redis server for this test alone, empty and without persistence, and returns its
// URL. It is gone when the test is.
func Redis(tb testing.TB) string {
	tb.Helper()
	return NewRedis(tb).URL
}

// RedisServer is a Redis server that the test may kill, freeze and wipe. Its methods fail the test
// when they cannot do what they should.
type RedisServer struct {
	URL  string // "redis://127.0.0.1:<port>"; stays the same over restarts
	Addr string

	tb     testing.TB
	port   int
	args   []string
	folder string
	proc   *server // nil while stopped
}

// NewRedis starts a Redis server for this test alone; args are added to the command line
// ("--cluster-enabled", "yes"). It takes about 30 ms.
func NewRedis(tb testing.TB, args ...string) *RedisServer {
	tb.Helper()
	return newRedis(tb, "", append([]string{"--save", "", "--appendonly", "no"}, args...)...)
}

// newRedis starts it with a file of settings, if one is named.
func newRedis(tb testing.TB, settings string, args ...string) *RedisServer {
	tb.Helper()
	path, err := find("redis-server", "/usr/local/bin", "/opt/redis*/bin")
	if err != nil {
		missing(tb, "%v", err)
	}
	r := &RedisServer{tb: tb, folder: tb.TempDir()}
	tb.Cleanup(r.Stop)
	for range 3 {
		r.port = freePort(tb)
		r.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port))
		r.URL = "redis://" + r.Addr
		r.args = []string{path}
		if settings != "" {
			r.args = append(r.args, settings)
		}
		r.args = append(r.args, "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", r.folder, "--daemonize",
			"no", "--loglevel", "warning")
		r.args = append(r.args, args...)
		if err = r.start(); err == nil {
			return r
		}
		r.Stop()
	}
	tb.Fatalf("start redis-server: %v\n%s", err, r.output())
	return nil
}

// NewSentinel starts a Sentinel for this test alone, alone to decide, that watches the master of
// the name at the address. RedisServer's methods are those of the Sentinel.
func NewSentinel(tb testing.TB, name, master string) *RedisServer {
	tb.Helper()
	host, port, err := net.SplitHostPort(master)
	if err != nil {
		tb.Fatal(err)
	}
	settings := filepath.Join(tb.TempDir(), "sentinel.conf") // which it writes to
	text := fmt.Sprintf("sentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %[1]s 1500\nsentinel "+
		"failover-timeout %[1]s 5000\n", name, host, port)
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return newRedis(tb, settings, "--sentinel")
}

func (r *RedisServer) start() error {
	proc, err := launch("KILL", "", filepath.Join(r.folder, "log"), nil, r.args...)
	if err != nil {
		return err
	}
	r.proc = proc
	return r.answers()
}

// answers waits until the server answers.
func (r *RedisServer) answers() error {
	return eventually(startLimit/6, func() error {
		answer, err := r.command("PING")
		if err == nil && !strings.HasPrefix(answer, "+PONG") {
			err = fmt.Errorf("answers %q", answer)
		}
		return err
	})
}

func (r *RedisServer) output() string {
	text, _ := os.ReadFile(filepath.Join(r.folder, "log"))
	return string(text)
}

// Stop kills the server (SIGKILL); all it held is gone.
func (r *RedisServer) Stop() {
	if r.proc != nil {
		r.proc.stop()
		r.proc = nil
	}
}

// Start starts it again, empty, on the same port.
func (r *RedisServer) Start() {
	r.tb.Helper()
	if err := r.start(); err != nil {
		r.tb.Fatalf("restart redis-server: %v\n%s", err, r.output())
	}
}

// RestartEmpty kills the server and starts it again: connections break, and nothing is
// left of what it held.
func (r *RedisServer) RestartEmpty() {
	r.tb.Helper()
	r.Stop()
	r.Start()
}

// FlushAll deletes everything; connections and subscriptions stay.
func (r *RedisServer) FlushAll() { r.Do("FLUSHALL") }

// Pause freezes all clients for a while: connections stay open and nothing is answered.
func (r *RedisServer) Pause(d time.Duration) {
	r.tb.Helper()
	r.Do("CLIENT", "PAUSE", strconv.FormatInt(d.Milliseconds(), 10), "ALL")
}

// KillSubscribers breaks the connections of all subscribers, and only those; it
// returns how many there were.
func (r *RedisServer) KillSubscribers() int {
	r.tb.Helper()
	n, err := strconv.Atoi(strings.TrimPrefix(r.Do("CLIENT", "KILL", "TYPE", "pubsub"), ":"))
	if err != nil {
		r.tb.Fatalf("client kill: %v", err)
	}
	return n
}

// Try sends one command; the error is the server's, or that of the way to it.
func (r *RedisServer) Try(args ...string) error {
	answer, err := r.command(args...)
	if err == nil && strings.HasPrefix(answer, "-") {
		err = errors.New(answer)
	}
	return err
}

// Do sends one command and returns the first line of the answer, with RESP's mark in
// front (":1", "+OK", "$5").
func (r *RedisServer) Do(args ...string) string {
	r.tb.Helper()
	answer, err := r.command(args...)
	if err != nil {
		r.tb.Fatalf("redis %q: %v", args, err)
	}
	if strings.HasPrefix(answer, "-") {
		r.tb.Fatalf("redis %q: %s", args, answer)
	}
	return answer
}

// Commands is how many commands the server has been sent.
func (r *RedisServer) Commands() int {
	r.tb.Helper()
	text, err := r.info("stats")
	if err != nil {
		r.tb.Fatalf("redis info: %v", err)
	}
	_, rest, _ := strings.Cut(text, "total_commands_processed:")
	count, _, _ := strings.Cut(rest, "\r")
	n, err := strconv.Atoi(count)
	if err != nil {
		r.tb.Fatalf("redis info: %v", err)
	}
	return n
}

// Calls is how often clients have called a command, "subscribe".
func (r *RedisServer) Calls(command string) int {
	r.tb.Helper()
	text, err := r.info("commandstats")
	if err != nil {
		r.tb.Fatalf("redis info: %v", err)
	}
	_, rest, found := strings.Cut(text, "cmdstat_"+command+":calls=")
	if !found {
		return 0
	}
	count, _, _ := strings.Cut(rest, ",")
	n, err := strconv.Atoi(count)
	if err != nil {
		r.tb.Fatalf("redis info: %v", err)
	}
	return n
}

// info is a section of what the server tells of itself.
func (r *RedisServer) info(section string) (string, error) {
	return r.ask(func(in *bufio.Reader) (string, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		size, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(line), "$"))
		if err != nil {
			return "", fmt.Errorf("answers %q", line)
		}
		text := make([]byte, size)
		_, err = io.ReadFull(in, text)
		return string(text), err
	}, "INFO", section)
}

func (r *RedisServer) command(args ...string) (string, error) {
	line, err := r.ask(func(in *bufio.Reader) (string, error) { return in.ReadString('\n') }, args...)
	return strings.TrimRight(line, "\r\n"), err
}

// ask sends one command and has its answer read.
func (r *RedisServer) ask(read func(*bufio.Reader) (string, error), args ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := conn.Write([]byte(b.String())); err != nil {
		return "", err
	}
	return read(bufio.NewReader(conn))
}
