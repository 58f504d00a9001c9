package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goalcast"
)

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

// start runs goalcast with the arguments and waits until it is ready. It is killed at the end of
// the test if it still runs.
func start(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	p := launch(t, env, args...)
	p.waitReady()
	return p
}

// goRace ends a process at its first data race. Without races it ends at once: the detector would
// wait for a second, in case another goroutine is about to tell of one.
const goRace = "GORACE=halt_on_error=1 atexit_sleep_ms=0"

// launch is start without waiting for readiness; the addresses are known when it returns.
func launch(t testing.TB, env []string, args ...string) *process {
	t.Helper()
	return launchUnder(t, nil, env, args...)
}

// launchUnder is launch by another program, which is given goalcast's path and arguments.
func launchUnder(t testing.TB, parent, env []string, args ...string) *process {
	t.Helper()
	return launchCommand(t, slices.Concat(parent, []string{program}), env, args...)
}

// launchCommand is launch of the command: a goalcast's path, or what takes it and goalcast's
// arguments.
func launchCommand(t testing.TB, command, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, log: &logBuffer{}, done: make(chan struct{})}
	if len(args) > 0 && slices.Contains([]string{"serve", "edge", "demo"}, args[0]) {
		args = slices.Concat(args[:1], []string{"--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"}, args[1:])
	}
	command = slices.Concat(command, args)
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env = append(append(os.Environ(), goRace, "GOALCAST_FEEDS_OPEN=true", "GOALCAST_ODDS_PUBLIC=true"), env...)
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
		if err := lines.Err(); err != nil {
			_, _ = fmt.Fprintln(p.log, "log:", err)
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

func (p *process) waitReady() {
	p.t.Helper()
	waitFor(p.t, 60*time.Second, "goalcast to be ready", func() error {
		return get(p.admin+"/readyz", nil, nil)
	})
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// paused does something while the process stands still.
func (p *process) paused(do func()) {
	p.t.Helper()
	signal := func(s syscall.Signal) {
		if err := p.cmd.Process.Signal(s); err != nil {
			p.t.Error(err)
		}
	}
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	do()
}

// stop asks the process to end and fails the test if it does not within the time
// or ends with an error.
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
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // what it waits for
		<-p.done
		p.t.Fatalf("goalcast did not end within %s\n%s", within, tail(p.log.String(), 30000))
	}
}

// post posts a document to the opta feed and returns its number in the archive.
func (p *process) post(d delivery) (document int64, err error) {
	return p.postTo("opta", d.header, d.body)
}

func (p *process) postTo(feed string, header http.Header, body []byte) (document int64, err error) {
	status, answer, err := request(http.MethodPost, p.public+"/feeds/"+feed, header, body)
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, fmt.Errorf("%d: %s", status, answer)
	}
	var kept struct{ Document int64 }
	return kept.Document, json.Unmarshal(answer, &kept)
}

// take posts documents one after another, each when the one before is applied.
func (p *process) take(docs ...delivery) {
	p.t.Helper()
	for _, d := range docs {
		document, err := p.post(d)
		if err != nil {
			p.t.Fatal(err)
		}
		p.applied(document)
	}
}

// snapshot asks REST for a match.
func (p *process) snapshot(match goalcast.MatchID) (s goalcast.Snapshot, err error) {
	return s, get(fmt.Sprintf("%s/v1/matches/%d", p.public, match), nil, &s)
}

// match is snapshot of a match that has to be there.
func (p *process) match(id goalcast.MatchID) goalcast.Snapshot {
	p.t.Helper()
	s, err := p.snapshot(id)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// operator asks the admin address as an operator.
func (p *process) operator(path string, to any) error {
	return get(p.admin+path, bearer(operatorToken), to)
}

// applied waits until the document was worked on.
func (p *process) applied(document int64) {
	p.t.Helper()
	waitFor(p.t, 60*time.Second, fmt.Sprintf("document %d to be applied", document), func() error {
		var d struct{ State, Error string }
		if err := p.operator(fmt.Sprintf("/admin/documents/%d", document), &d); err != nil ||
			d.State != string(goalcast.DocumentApplied) {
			return fmt.Errorf("state %q %s: %w", d.State, d.Error, err)
		}
		return nil
	})
}

// unfinished is nil if each document that is kept was worked on, in all processes.
func (p *process) unfinished() error {
	var list struct{ Documents []struct{ ID int64 } }
	err := p.operator("/admin/documents?state=received&limit=1", &list)
	if err == nil && len(list.Documents) > 0 {
		err = fmt.Errorf("document %d is not", list.Documents[0].ID)
	}
	return err
}

// waitFinished waits until no document is left to be worked on, in any process on that database.
func (p *process) waitFinished() {
	p.t.Helper()
	waitFor(p.t, 3*time.Minute, "all documents to be applied", p.unfinished)
}

// metric sums the process's samples of a metric; of those with labels, the ones that have them all
// (`reason="rate"`).
func (p *process) metric(name string, labels ...string) float64 {
	p.t.Helper()
	sum := 0.0
samples:
	for line := range strings.Lines(p.metrics()) {
		sample, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if got, _, _ := strings.Cut(sample, "{"); got != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(sample, l) {
				continue samples
			}
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			p.t.Fatalf("%s: %v", line, err)
		}
		sum += n
	}
	return sum
}

// metrics is all that the process tells Prometheus.
func (p *process) metrics() string {
	p.t.Helper()
	status, text := ask(p.t, http.MethodGet, p.admin+"/metrics", nil, "")
	if status != http.StatusOK {
		p.t.Fatalf("metrics: %d", status)
	}
	return text
}

// readiness is the answer to /readyz.
func (p *process) readiness() string {
	p.t.Helper()
	status, text := ask(p.t, http.MethodGet, p.admin+"/readyz", nil, "")
	return fmt.Sprint(status, " ", text)
}

// live is the address of the hub with a query.
func (p *process) live(query string) string { return p.public + "/v1/live?" + query }

// tell posts an editor's message to match 1.
func (p *process) tell(n int) error { return p.tellMore(n, "") }

// tellMore posts one with more text in it.
func (p *process) tellMore(n int, more string) error {
	body := fmt.Appendf(nil, `{"topic":"match:1","id":"rolling-%d","body":{"n":%d,"more":%q}}`, n, n, more)
	header := bearer(operatorToken)
	header.Set("Content-Type", "application/json")
	status, answer, err := request(http.MethodPost, p.admin+"/admin/messages", header, body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("message %d: %d %s", n, status, answer)
	}
	return err
}
