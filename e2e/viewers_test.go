package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// enter follows match 1 by a WebSocket that reads nothing before it is asked to,
// and so answers no pings.
func enter(t *testing.T, p *process) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), p.live("topics=match:1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// talk has a viewer say something so many times.
func talk(text string, times int) func(*testing.T, *process) *websocket.Conn {
	return func(t *testing.T, p *process) *websocket.Conn {
		t.Helper()
		c := enter(t, p)
		for range times {
			if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
}

// overflow publishes until a viewer who does not read was cut.
func overflow(t *testing.T, p *process) *websocket.Conn {
	t.Helper()
	c := enter(t, p)
	for n := 0; p.metric("goalcast_hub_closed_total") == 0; n++ {
		if n > 5000 {
			t.Fatal("a viewer who reads nothing is kept")
		}
		if err := p.tellMore(n, strings.Repeat("x", 8000)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestLimitsOfViewers: who goes over a limit is told so, and counted.
func TestLimitsOfViewers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings string
		over     func(*testing.T, *process) *websocket.Conn // a viewer goes over the limit, or up to it:
		status   int                                        // if not 0, of the next one
		code     websocket.StatusCode                       // else with which it is closed; -1 without a word
		reason   string                                     // in the counter
	}{
		{"GOALCAST_MAX_CONNECTIONS=1", enter, 503, 0, "connections"},
		{"GOALCAST_MAX_CONNECTIONS_PER_IP=1", enter, 503, 0, "connections_per_ip"},
		{"GOALCAST_HANDSHAKE_RATE=0.001", enter, 503, 0, "handshake_rate"},
		{"GOALCAST_MAX_TOPICS=1", enter, 400, 0, "topics"},
		{"GOALCAST_MESSAGE_RATE=0.001", talk(`{"type":"ping"}`, 2), 0, 1008, "rate"},
		{"", talk(strings.Repeat(" ", 4097), 1), 0, 1009, "too_big"},
		{"GOALCAST_PING_INTERVAL=1s", enter, 0, 4009, "no_pong"},
		{"GOALCAST_MAX_PENDING=10000 GOALCAST_SEND_BUFFER=8192", overflow, 0, 4008, "too_slow"},
	} {
		t.Run(tt.settings, func(t *testing.T) {
			t.Parallel()
			p := startEmbedded(t, strings.Fields(tt.settings)...).hub
			c := tt.over(t, p)
			if tt.status > 0 {
				answer, err := http.Get(p.live("topics=match:1,match:2"))
				if err != nil {
					t.Fatal(err)
				}
				_ = answer.Body.Close()
				counted := p.metric("goalcast_hub_refused_total", `reason="`+tt.reason+`"`)
				if again := answer.Header.Get("Retry-After"); answer.StatusCode != tt.status ||
					(again != "") != (tt.status == 503) || counted != 1 {
					t.Errorf("%s, Retry-After %q, %v counted", answer.Status, again, counted)
				}
				return
			}
			waitFor(t, 60*time.Second, "the viewer to be counted", func() error {
				if n := p.metric("goalcast_hub_closed_total", `reason="`+tt.reason+`"`); n != 1 {
					return fmt.Errorf("%v closed as %s, %v in all", n, tt.reason, p.metric("goalcast_hub_closed_total"))
				}
				return nil
			})
			var err error
			for err == nil {
				_, _, err = c.Read(t.Context())
			}
			if got := websocket.CloseStatus(err); got != tt.code {
				t.Errorf("ends with %v, want code %d", err, tt.code)
			}
		})
	}
}

// TestDemoEndsSoon: the demo's viewers are on this machine, so that Ctrl-C says what happens and is
// done in a moment, whatever the drain time of a real hub.
func TestDemoEndsSoon(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo", "--database-url=sqlite::memory:", "--matches=1")
	enter(t, p) // reads nothing, and does not go by itself
	for _, path := range []string{"/demo/pushes", "/v1/live?topics=competition:901"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.public+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/event-stream")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(8 * time.Second): // on a busy machine; the drain time of serve is 15 s
		t.Error("it does not end")
	}
	if p.err != nil || !strings.Contains(p.log.String(), "draining viewers; Ctrl-C again ends at once") {
		t.Errorf("ended with %v and says\n%s", p.err, p.log.String())
	}
}

// TestStateInterval: nobody gets states more often than the program is set to.
func TestStateInterval(t *testing.T) {
	t.Parallel()
	p := startEmbedded(t, "GOALCAST_STATE_INTERVAL=3s").hub
	for asked, want := range map[string]int64{"1": 3000, "4000": 4000} {
		c, _, err := websocket.Dial(t.Context(), p.live("topics=odds:1&conflate_ms="+asked), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, text, err := c.Read(t.Context())
		_ = c.CloseNow()
		if err != nil {
			t.Fatal(err)
		}
		if f, err := decodeFrame(text); err != nil || f.ConflateMs != want {
			t.Errorf("asked for %s ms: %s %v", asked, text, err)
		}
	}
}

// TestEventStreamsOverHTTP2 has a proxy's view: many event streams on one connection without
// encryption, and curl's.
func TestEventStreamsOverHTTP2(t *testing.T) {
	t.Parallel()
	const streams = 20
	p := startEmbedded(t, "GOALCAST_PING_INTERVAL=1s").hub
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	dialed := make(chan struct{}, streams)
	client := http.Client{Transport: &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context,
		network, addr string) (net.Conn, error) {
		dialed <- struct{}{}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	var bodies []*bufio.Reader
	for range streams {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.live("topics=match:1"), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/event-stream")
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = answer.Body.Close() })
		if answer.ProtoMajor != 2 || answer.Header.Get("Content-Type") != "text/event-stream" ||
			answer.Header.Get("X-Accel-Buffering") != "no" {
			t.Fatalf("%s %s %v", answer.Proto, answer.Status, answer.Header)
		}
		bodies = append(bodies, bufio.NewReader(answer.Body))
	}
	if len(dialed) != 1 {
		t.Errorf("%d connections for %d streams", len(dialed), streams)
	}
	bodies = append(bodies, curlEvents(t, p))
	waits := map[string]bool{}
	for _, body := range bodies {
		waits[block(t, body, `^retry: \d+\nevent: hello\ndata: .*\n\n$`)] = true
		block(t, body, `^event: snapshot\ndata: .*\n\n$`)
		block(t, body, `^id: \S+-0\n\n$`)
	}
	if len(waits) < streams/2 {
		t.Errorf("%d different waits of %d: all would come back at once", len(waits), streams)
	}
	for _, body := range bodies {
		block(t, body, `^event: pong\nid: \S+-0\ndata: .*\n\n$`) // nothing happens: a pong keeps it alive
	}
	if err := p.tell(1); err != nil {
		t.Fatal(err)
	}
	for _, body := range bodies {
		const pong = "event: pong"
		text := pong
		for strings.HasPrefix(text, pong) {
			text = block(t, body, `^(event: pong\nid: \S+\ndata: .*|`+
				`event: event\nid: \S+-1\ndata: .*"message:rolling-1".*)\n\n$`)
		}
	}
	p.stop(20 * time.Second) // with a goodbye on each
	for i, body := range bodies {
		if rest, err := io.ReadAll(body); err != nil || !strings.Contains(string(rest), "event: bye\n") {
			t.Errorf("stream %d ends with %q, %v", i, rest, err)
		}
	}
}

// block reads a stream up to the next empty line; the text has to match.
func block(t *testing.T, body *bufio.Reader, want string) string {
	t.Helper()
	text := ""
	for !strings.HasSuffix(text, "\n\n") {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		text += line
	}
	if !regexp.MustCompile(want).MatchString(text) {
		t.Fatalf("got %q, want %s", text, want)
	}
	return text
}

// curlEvents reads match 1 with curl, over HTTP/2 from the first byte on.
func curlEvents(t *testing.T, p *process) *bufio.Reader {
	t.Helper()
	curl := exec.CommandContext(t.Context(), "curl", "--silent", "--no-buffer", "--http2-prior-knowledge",
		"--header", "Accept: text/event-stream", p.live("topics=match:1"))
	out, err := curl.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := curl.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = curl.Process.Kill(); _ = curl.Wait() })
	return bufio.NewReader(out)
}

// TestSecondSignal: a process that says its goodbyes ends at once when it is told again.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := startEmbedded(t, "GOALCAST_DRAIN_TIME=10m").hub
	for range 10 {
		enter(t, p)
	}
	signal := func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	if err := signal(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 60*time.Second, "the process to be leaving", func() error {
		if why := p.readiness(); !strings.Contains(why, "leaving") {
			return errors.New(why)
		}
		return nil
	})
	// The first may still be on its way through the process: then the second does not count, and
	// who is at the keyboard asks again.
	waitFor(t, time.Minute, "the process to end at once", func() error {
		_ = signal()
		select {
		case <-p.done:
			return nil
		case <-time.After(100 * time.Millisecond):
			return errors.New("a second signal changes nothing")
		}
	})
	var ended *exec.ExitError
	if !errors.As(p.err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v, want by the signal", p.err)
	}
}
