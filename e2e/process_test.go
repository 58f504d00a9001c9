package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// program is the path of goalcast as it is tested: built once, with the race detector and the tag
// "faults". GOALCAST_BIN names one that is there; else make builds it, which knows how.
var program string

func TestMain(m *testing.M) {
	if program = os.Getenv("GOALCAST_BIN"); program == "" {
		program = filepath.Join("..", "tmp", "goalcast-under-test")
		make := exec.Command("make", "--silent", "-C", "..", "program")
		make.Stderr = os.Stderr
		if err := make.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "make program:", err)
			os.Exit(1)
		}
	}
	// Tests wait for processes, servers and leases more than they compute: so there may be more of
	// them than processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// process is a running goalcast.
type process struct {
	t             testing.TB
	cmd           *exec.Cmd
	public, admin string // base URLs
	log           *logBuffer
	done          chan struct{}
	err           error // after done
}

// logBuffer keeps what the process logs and finds the addresses in it.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs goalcast with the arguments and waits until it is ready. It is killed at the end of the test if it still runs.
func start(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := launch(t, env, args...)
	p.waitReady()
	return p
}

// launch is start without waiting for readiness; the addresses are known when it returns.
func launch(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	return launchUnder(t, nil, env, args...)
}

// launchUnder is launch by another program, which is given goalcast's path and arguments.
func launchUnder(t testing.TB, parent, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, log: &logBuffer{}, done: make(chan struct{})}
	if len(args) > 0 && (args[0] == "serve" || args[0] == "demo") {
		args = slices.Concat(args[:1], []string{"--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}, args[1:])
	}
	command := slices.Concat(parent, []string{program}, args)
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env = append(append(os.Environ(), "GORACE=halt_on_error=1", "GOALCAST_FEEDS_OPEN=true"), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stdout = p.log
	out, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addresses := make(chan [2]string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(io.TeeReader(out, p.log))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var line struct{ Msg, Public, Admin string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				addresses <- [2]string{line.Public, line.Admin}
			}
		}
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of %v:\n%s", args, tail(p.log.String(), 6000))
		}
		if strings.Contains(p.log.String(), "DATA RACE") {
			t.Errorf("data race in the process:\n%s", tail(p.log.String(), 12000))
		}
	})
	select {
	case a := <-addresses:
		p.public, p.admin = "http://"+a[0], "http://"+a[1]
	case <-p.done:
		t.Fatalf("goalcast ended at once: %v\n%s", p.err, p.log)
	case <-time.After(60 * time.Second):
		t.Fatalf("goalcast does not listen:\n%s", p.log)
	}
	return p
}

func tail(text string, most int) string {
	if len(text) > most {
		return "..." + text[len(text)-most:]
	}
	return text
}

func (p *process) waitReady() {
	p.t.Helper()
	waitFor(p.t, 60*time.Second, "goalcast to be ready", func() error {
		answer, err := http.Get(p.admin + "/readyz")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("%s: %s", answer.Status, text)
		}
		return nil
	})
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end and fails the test if it does not within the time or ends with an error.
func (p *process) stop(within time.Duration) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Fatalf("goalcast ended with %v\n%s", p.err, tail(p.log.String(), 6000))
		}
	case <-time.After(within):
		p.t.Fatalf("goalcast did not end within %s\n%s", within, tail(p.log.String(), 6000))
	}
}

// waitFor asks again and again until there is no error, at most for the time given.
func waitFor(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", within, what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// post posts a document to the opta feed and returns what the answer says of it.
func (p *process) post(header http.Header, body []byte) (document int64, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.public+"/feeds/opta", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header = header.Clone()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	var kept struct{ Document int64 }
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s", answer.Status, text)
	}
	return kept.Document, json.Unmarshal(text, &kept)
}

// snapshot asks REST for a match.
func (p *process) snapshot(match goalcast.MatchID) (goalcast.Snapshot, error) {
	var s goalcast.Snapshot
	answer, err := http.Get(fmt.Sprintf("%s/v1/matches/%d", p.public, match))
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return s, fmt.Errorf("match %d: %s", match, answer.Status)
	}
	return s, json.NewDecoder(answer.Body).Decode(&s)
}

// operator asks the admin address as an operator.
func (p *process) operator(path string, to any) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.admin+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+operatorToken)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(to)
}

// applied waits until the document was worked on.
func (p *process) applied(document int64) {
	p.t.Helper()
	waitFor(p.t, 60*time.Second, fmt.Sprintf("document %d to be applied", document), func() error {
		var d struct{ State, Error string }
		if err := p.operator(fmt.Sprintf("/admin/documents/%d", document), &d); err != nil || d.State != string(goalcast.DocumentApplied) {
			return fmt.Errorf("state %q %s: %w", d.State, d.Error, err)
		}
		return nil
	})
}

// operatorToken is the token of the role operator in all tests.
const operatorToken = "operator-token-of-the-tests"

// system is goalcast as a test runs it: one embedded process, or one that takes feeds in and one that serves viewers, on PostgreSQL and Redis.
type system struct {
	ingest, hub *process
	redis       *testservers.RedisServer // nil when embedded
	env         []string
}

var adminEnv = []string{"GOALCAST_ADMIN_TOKENS=operator=" + operatorToken, "GOALCAST_DRAIN_TIME=100ms"}

func startEmbedded(t *testing.T) system {
	t.Helper()
	env := append(slices.Clone(adminEnv), "GOALCAST_DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "goalcast.db"))
	p := start(t, env, "serve")
	return system{ingest: p, hub: p, env: env}
}

func startClustered(t *testing.T) system {
	t.Helper()
	s := system{redis: testservers.NewRedis(t)}
	s.env = append(slices.Clone(adminEnv), "GOALCAST_DATABASE_URL="+testservers.Postgres(t), "GOALCAST_REDIS_URL="+s.redis.URL)
	s.ingest = start(t, s.env, "serve", "--roles=ingest,rest")
	s.hub = start(t, s.env, "serve", "--roles=hub,rest")
	return s
}

// unfinished counts the documents that are kept and not worked on, of all processes.
func (p *process) unfinished() (int, error) {
	var list struct{ Documents []json.RawMessage }
	err := p.operator("/admin/documents?state=received", &list)
	return len(list.Documents), err
}
