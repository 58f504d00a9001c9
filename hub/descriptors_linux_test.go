package hub_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"goalcast/hub"
)

// asFullHub makes the test's own binary a hub that may open few files; its standard input plays
// goals.
const asFullHub = "GOALCAST_TEST_FULL_HUB"

// TestFullHub is not a test: it is the process that TestOutOfDescriptors starts.
func TestFullHub(t *testing.T) {
	if os.Getenv(asFullHub) == "" {
		t.Skip("started by TestOutOfDescriptors")
	}
	w := newWorld()
	n := start(t, w, hub.Config{PingInterval: time.Hour}, false)
	w.fixture(1)
	few := uint64(descriptors(t) + 40)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: few, Max: few}); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("hub at %s\n", n.web.Listener.Addr())
	goals := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		goals++
		w.goal(1, goals)
	}
}

// TestOutOfDescriptors has a hundred viewers come to a hub that can open forty files. Those who got
// in are served as ever, the hub takes no harm, and when some leave others get in.
func TestOutOfDescriptors(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestFullHub$", "-test.v")
	child.Env = append(os.Environ(), asFullHub+"=1")
	child.Stderr = os.Stderr
	orders, _ := child.StdinPipe()
	out, _ := child.StdoutPipe()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	lines := bufio.NewScanner(out)
	address := ""
	for address == "" && lines.Scan() {
		_, address, _ = strings.Cut(lines.Text(), "hub at ")
	}
	var said strings.Builder
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
		}
		if err := lines.Err(); err != nil {
			said.WriteString(err.Error())
		}
	}()

	var conns []net.Conn
	var inside []*bufio.Reader
	for range 100 {
		c, in := knock(t, address)
		t.Cleanup(func() { c.Close() })
		if in != nil {
			conns, inside = append(conns, c), append(inside, in)
		}
	}
	if len(inside) < 15 || len(inside) > 50 {
		t.Errorf("%d of 100 got in", len(inside))
	}
	goal := func() {
		t.Helper()
		fmt.Fprintln(orders, "goal")
		for i, in := range inside {
			_ = conns[i].SetReadDeadline(time.Now().Add(limit))
			for line := ""; !strings.Contains(line, `"type":"event"`); {
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					t.Fatalf("viewer %d of %d: %v", i, len(inside), err)
				}
			}
		}
	}
	goal()
	for range 10 { // these make room
		conns[0].Close()
		conns, inside = conns[1:], inside[1:]
	}
	before := len(inside)
	wait(t, "somebody else gets in", func() bool {
		c, in := knock(t, address)
		t.Cleanup(func() { c.Close() })
		if in != nil {
			conns, inside = append(conns, c), append(inside, in)
		}
		return len(inside) > before
	})
	goal()
	orders.Close()
	<-read
	if err := child.Wait(); err != nil {
		t.Errorf("the hub ended with %v:\n%s", err, said.String())
	}
}

// knock asks for an event stream; the reader is nil if it did not begin within a moment.
func knock(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /v1/live?topics=match:1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		c.Close()
		return c, nil
	}
	body := bufio.NewReader(res.Body)
	for line := ""; !strings.Contains(line, `"type":"snapshot"`); {
		if line, err = body.ReadString('\n'); err != nil {
			c.Close()
			return c, nil
		}
	}
	return c, body
}
