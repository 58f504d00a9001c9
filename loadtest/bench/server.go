//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"goalcast/loadtest/swarm"
)

// bench is one run.
type bench struct {
	settings
	goalcast string            // binary
	missing  map[string]string // why a peer is not there, by its name
	serial   int               // for names of files
}

// build makes the goalcast that is measured and looks for what else is needed.
func (b *bench) build(ctx context.Context) error {
	if b.goalcast = b.binary; b.goalcast == "" {
		b.goalcast = filepath.Join(b.folder, "goalcast")
		cmd := exec.CommandContext(ctx, "go", "build", "-o", b.goalcast, "./cmd/goalcast")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build goalcast, from the repository's root: %w", err)
		}
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		return fmt.Errorf("redis-server: %w; make deps installs it", err)
	}
	b.missing = missingPeers()
	return nil
}

// server is a process under measurement.
type server struct {
	name  string
	url   string // for viewers; with "{n}" for peers
	admin string // goalcast: metrics, profiles and /admin; peers: where events are posted
	pids  []int
	cmd   *exec.Cmd
	log   string
	done  chan error

	family bool   // the children that it has then are counted with it
	folder string // goes when it is stopped, if there is one
}

// launch starts a process that dies with this one; its output goes to a file.
func (b *bench) launch(name string, args ...string) (*server, error) {
	return b.launchAs(nil, name, args...)
}

// launchAs is launch under another account.
func (b *bench) launchAs(account *syscall.Credential, name string, args ...string) (*server, error) {
	b.serial++
	s := &server{name: name, log: filepath.Join(b.folder, fmt.Sprintf("%s-%d.log", name, b.serial)),
		done: make(chan error, 1)}
	file, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = file, file
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true, Credential: account}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.pids = []int{s.cmd.Process.Pid}
	go func() { s.done <- s.cmd.Wait() }()
	return s, nil
}

// stop ends the process and waits for it.
func (s *server) stop() {
	if s.folder != "" {
		defer os.RemoveAll(s.folder)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGKILL} {
		// the second one cuts draining short
		_ = s.cmd.Process.Signal(signal)
		select {
		case <-s.done:
			return
		case <-time.After(3 * time.Second):
		}
	}
	<-s.done
}

// ready waits until get succeeds.
func (s *server) ready(ctx context.Context, get func() error) error {
	var err error
	for begin := time.Now(); time.Since(begin) < 20*time.Second && ctx.Err() == nil; time.Sleep(30 * time.Millisecond) {
		if err = get(); err == nil {
			return nil
		}
		select {
		case <-s.done:
			text, _ := os.ReadFile(s.log)
			s.done <- nil
			return fmt.Errorf("%s ended at its start: %s", s.name, text)
		default:
		}
	}
	s.stop()
	return fmt.Errorf("%s does not answer: %w", s.name, errors.Join(err, ctx.Err()))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (b *bench) redis(ctx context.Context) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s, err := b.launch("redis", "redis-server", "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "",
		"--appendonly", "no", "--dir", b.folder)
	if err != nil {
		return nil, err
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	s.url = "redis://" + addr
	return s, s.ready(ctx, func() error {
		_, err := redisCommand(addr, "PING")
		return err
	})
}

// redisCommand sends one command and returns the answer's text.
func redisCommand(addr, command string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "$") {
		return line, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
	if err != nil {
		return "", err
	}
	text := make([]byte, n)
	_, err = io.ReadFull(in, text)
	return string(text), err
}

// redisCalls is how many commands the server has run; asking is one of them.
func redisCalls(url string) (int64, error) {
	text, err := redisCommand(strings.TrimPrefix(url, "redis://"), "INFO stats")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(text, "total_commands_processed:")
	line, _, _ := strings.Cut(rest, "\r\n")
	return strconv.ParseInt(line, 10, 64)
}

const editorToken = "bench-editor-of-messages"

// hub starts a goalcast; without roles it is one of role hub alone. redis is a URL or "embedded".
func (b *bench) hub(ctx context.Context, redis string, roles string, args ...string) (*server, error) {
	public, err := freePort()
	if err != nil {
		return nil, err
	}
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	b.serial++
	database := filepath.Join(b.folder, fmt.Sprintf("bench-%d.db", b.serial))
	for _, end := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(database + end)
	}
	if roles == "" {
		roles = "hub"
	}
	all := append([]string{b.goalcast, "serve", "--roles", roles, "--listen", "127.0.0.1:" + strconv.Itoa(public),
		"--admin-listen", "127.0.0.1:" + strconv.Itoa(admin), "--redis-url", redis, "--database-url",
		"sqlite:" + database,
		"--admin-tokens", "editor=" + editorToken, "--drain-time", "0s", "--odds-public"}, args...)
	s, err := b.launch("goalcast", all...)
	if err != nil {
		return nil, err
	}
	s.url, s.admin = fmt.Sprintf("http://127.0.0.1:%d", public), fmt.Sprintf("http://127.0.0.1:%d", admin)
	return s, s.ready(ctx, func() error { _, err := get(s.admin + "/readyz"); return err })
}

// children lists a process's children.
func children(pid int) ([]int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, n)
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("process %d has no children", pid)
	}
	return pids, nil
}

// get reads a page.
func get(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, bytes.TrimSpace(text))
	}
	return string(text), err
}

// metric adds up the series of a metric that have a text in their labels.
func (s *server) metric(name, label string) (float64, error) {
	text, err := get(s.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	var sum float64
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(rest, label) {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(strings.TrimSpace(rest), ' ')+1:]),
			64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum += v
	}
	return sum, nil
}

// liveHeap has a hub collect its garbage, and gives the bytes of heap that are left. Twice, since
// what has a finalizer or came from a pool outlives one collection.
func (s *server) liveHeap() (float64, error) {
	for range 2 {
		if _, err := get(s.admin + "/debug/pprof/heap?gc=1"); err != nil {
			return 0, err
		}
	}
	return s.metric("go_memstats_heap_alloc_bytes", "")
}

// profile keeps a CPU profile of the next seconds; the channel says when it is done.
func (b *bench) profile(s *server, name string, d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	if b.profiles == "" || s.name != "goalcast" {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		client := http.Client{Timeout: d + 10*time.Second}
		resp, err := client.Get(fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", s.admin, max(1, int(d.Seconds()))))
		if err != nil {
			return
		}
		defer resp.Body.Close()
		if file, err := os.Create(filepath.Join(b.profiles, name+".pprof")); err == nil {
			_, _ = io.Copy(file, resp.Body)
			_ = file.Close()
		}
	}()
	return done
}

func (s *server) use() (swarm.Use, error) {
	pids := s.pids
	if s.family {
		more, err := children(pids[0])
		if err != nil {
			return swarm.Use{}, err
		}
		pids = append(slices.Clip(pids), more...)
	}
	return swarm.Usage(pids...)
}
