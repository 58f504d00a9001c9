package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast"
)

// javaApp is docs/mobile/Live.java, run from its source.
type javaApp struct {
	cmd   *exec.Cmd
	phone io.Writer // what happens to the phone, in lines
	out   *logBuffer
	done  chan struct{}
}

func startJava(t *testing.T, base, topics string, env ...string) *javaApp {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		t.Fatal("no JDK: scripts/install-test-servers.sh installs one")
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &javaApp{out: &logBuffer{}, done: make(chan struct{})}
	a.cmd = exec.CommandContext(ctx, "java", "-XX:TieredStopAtLevel=1", "../docs/mobile/Live.java", base, topics)
	a.cmd.Env = append(os.Environ(), env...)
	a.cmd.Stdout, a.cmd.Stderr = a.out, a.out
	var err error
	if a.phone, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(a.done)
		_ = a.cmd.Wait() // its state says how it ended
	}()
	t.Cleanup(func() {
		cancel()
		<-a.done
		if t.Failed() {
			t.Logf("%s printed:\n%s", topics, a.out)
		}
	})
	return a
}

// says waits for a line, which comes so often.
func (a *javaApp) says(t *testing.T, want string, times int) {
	t.Helper()
	waitFor(t, 3*time.Minute, fmt.Sprintf("%q", want), func() error {
		n := 0
		for line := range strings.Lines(a.out.String()) {
			if strings.TrimSuffix(line, "\n") == want {
				n++
			}
		}
		select {
		case <-a.done:
			t.Fatalf("it ended: %v", a.cmd.ProcessState)
		default:
		}
		if n > times {
			t.Fatalf("%q came %d times", want, n)
		}
		if n < times {
			return fmt.Errorf("%d times", n)
		}
		return nil
	})
}

// TestMobileExample: the example in Java of docs/mobile.md registers a phone, follows a match in
// the foreground, goes on where it was after a time in the background, and ends when it is refused.
func TestMobileExample(t *testing.T) {
	t.Parallel()
	r := newQuietRig(t)
	if _, err := r.p.postTo("json", nil, []byte(r.goals(0))); err != nil {
		t.Fatal(err)
	}
	const device = "a-device-token-of-java"
	app := startJava(t, r.p.public, goalcast.ForMatch(quietMatch).String(), "GOALCAST_USER="+rand.Text()+rand.Text(),
		"GOALCAST_DEVICE="+device)
	refused := startJava(t, r.p.public, "mach:1")
	app.says(t, "= Millpond Athletic 0-0 Quarry Town", 1)
	r.post(1)
	app.says(t, "goal confirmed 10 Millpond Athletic 1-0 Quarry Town", 1)
	waitFor(t, time.Minute, "the phone's push", func() error {
		for _, d := range r.phones.Deliveries() {
			if d.Token == device && d.Data["event"] == "json:goal-1" {
				return nil
			}
		}
		return errors.New("none")
	})
	tell := func(line string) {
		t.Helper()
		if _, err := io.WriteString(app.phone, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	tell("background")
	app.says(t, "# reconnecting: connection lost", 1)
	waitFor(t, time.Minute, "the connection to be gone", func() error {
		if n := r.p.metric("goalcast_hub_connections"); n != 1 { // the rig's own viewer
			return fmt.Errorf("%v connections", n)
		}
		return nil
	})
	r.post(2)
	tell("foreground")
	app.says(t, "goal confirmed 11 Millpond Athletic 2-0 Quarry Town", 1)
	app.says(t, "# live", 2)
	app.says(t, "goal confirmed 10 Millpond Athletic 1-0 Quarry Town", 1) // not a second time

	select {
	case <-refused.done:
	case <-time.After(3 * time.Minute):
		t.Fatal("who was refused goes on")
	}
	if text := refused.out.String(); refused.cmd.ProcessState.ExitCode() != 1 ||
		!strings.HasPrefix(text, "# refused: bad_topic, ") {
		t.Errorf("ended with %v after %q", refused.cmd.ProcessState, text)
	}
}

// The examples that no test can run are those of the document, and say so.
func TestMobileExamplesAreMarked(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/mobile.md")
	if err != nil {
		t.Fatal(err)
	}
	const mark = "Reviewed as text; no test runs it."
	parts := bytes.Split(text, []byte("\n## "))
	for _, name := range []string{"Kotlin", "Swift"} {
		if i := slices.IndexFunc(parts, func(p []byte) bool { return bytes.HasPrefix(p, []byte(name)) }); i < 0 ||
			!bytes.Contains(parts[i], []byte(mark)) || !bytes.Contains(parts[i], []byte("```")) {
			t.Errorf("the part about %s has no example with the words %q", name, mark)
		}
	}
}
