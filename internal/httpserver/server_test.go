package httpserver_test

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
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"goalcast/internal/httpserver"
)

func TestMain(m *testing.M) {
	// net/http lingers half a second over a connection that it closes with bytes unread:
	// longer than goleak waits.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// patience is how long a test waits for anything before it fails; soon is a
// server's limits in tests.
const (
	patience = 60 * time.Second
	soon     = 150 * time.Millisecond
)

var quick = httpserver.Config{Name: "test", HeaderTimeout: soon, BodyGrace: soon, AnswerTimeout: soon,
	IdleTimeout: soon, Yield: soon}

type server struct {
	*httpserver.Server
	address string
	reg     *prometheus.Registry
}

func start(t *testing.T, cfg httpserver.Config, h http.Handler) *server {
	t.Helper()
	reg := prometheus.NewRegistry()
	s := &server{Server: httpserver.New(cfg, h, reg), reg: reg}
	l, err := s.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) cut(t *testing.T, reason string) float64 {
	t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "goalcast_http_cut_total" && l.GetName() == "reason" && l.GetValue() == reason {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	t.Fatalf("no counter of %s", reason)
	return 0
}

// send opens a connection and sends text; nothing is read.
func (s *server) send(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// end reads until the server closes; it fails if it does not.
func end(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("still open after %v; got %q", patience, text)
	}
	return string(text)
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begin := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// readAll answers with the length of the body, or with what was wrong with it.
func readAll(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintln(w, len(b))
}

func ignore(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

func TestNothingIsWaitedForWithoutEnd(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{"read": readAll, "not read": ignore} {
		for _, request := range []string{
			"",
			"GET / HT",
			"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n",
			"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHo",
			"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
			"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
			"DELETE / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\nabc",
			"OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
			"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123456789",
			"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
			"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x",
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
			"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
			"PRI * HTTP/2.0\r\n\r\nS",
		} {
			t.Run(name+" "+strings.ReplaceAll(request, "\r\n", "|"), func(t *testing.T) {
				t.Parallel()
				s := start(t, quick, h)
				end(t, s.send(t, request))
			})
		}
	}
}

// A GET that announces a body is answered at once.
func TestAnswerDoesNotWaitForABodyNobodyWants(t *testing.T) {
	t.Parallel()
	s := start(t, httpserver.Config{Name: "test"}, http.HandlerFunc(ignore))
	c := s.send(t, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	begin := time.Now()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusOK || time.Since(begin) > 5*time.Second { // the grace is 10 s
		t.Errorf("%v %v after %v", res, err, time.Since(begin))
	}
}

// drip sends a byte at a time until it is cut off.
func TestDrippingIsCutOff(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{"header": "GET / HTTP/1.1\r\nA: ",
		"body": "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, quick, http.HandlerFunc(readAll))
			c := s.send(t, request)
			wait(t, "an end", func() bool {
				time.Sleep(10 * time.Millisecond)
				_, err := c.Write([]byte("a"))
				return err != nil
			})
			wait(t, "its counter", func() bool { return s.cut(t, name) == 1 })
		})
	}
}

// A document comes in for longer than the grace, as long as it comes.
func TestSlowLineIsNotCutOff(t *testing.T) {
	t.Parallel()
	cfg := quick
	s := start(t, cfg, http.HandlerFunc(readAll))
	const chunks, size = 20, 16 << 10 // each earns a quarter of a second
	c := s.send(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
		chunks*size))
	for range chunks {
		time.Sleep(2 * soon / chunks)
		if _, err := c.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if text := end(t, c); !strings.HasSuffix(text, fmt.Sprintf("\r\n%d\n", chunks*size)) {
		t.Errorf("got %q", text)
	}
}

// A handler may take longer than a request may: its context does not end, and its answer arrives.
func TestLongWorkIsNotCutShort(t *testing.T) {
	t.Parallel()
	cfg := quick
	cfg.AnswerTimeout = patience
	s := start(t, cfg, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		readAll(w, r)
		select {
		case <-time.After(3 * soon):
		case <-r.Context().Done():
			t.Error(r.Context().Err())
		}
	}))
	for _, body := range []io.Reader{nil, strings.NewReader("hello")} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.address, body)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

// Whoever asks again and again and never reads is cut off, and until then costs the kernel little.
func TestAnswersThatNobodyReads(t *testing.T) {
	t.Parallel()
	var written atomic.Int64
	s := start(t, quick, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n, _ := w.Write(make([]byte, 32<<10))
		written.Add(int64(n))
	}))
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
		})
	}}
	c, err := dialer.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400)) }()
	wait(t, "an end", func() bool { return s.cut(t, "answer") == 1 })
	if n := written.Load(); n > 512<<10 {
		t.Errorf("%d bytes were written to somebody who reads nothing", n)
	}
	if n := testutil.CollectAndCount(s.reg, "goalcast_http_connections"); n != 1 {
		t.Errorf("%d gauges", n)
	}
}

// h2 opens an HTTP/2 connection whose streams get no window.
func h2(t *testing.T, s *server, window uint32) (net.Conn, *http2.Framer) {
	t.Helper()
	c := s.send(t, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}); err != nil {
		t.Fatal(err)
	}
	return c, f
}

func ask(t *testing.T, f *http2.Framer, stream uint32, method string, ends bool) {
	t.Helper()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", method}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"}} {
		_ = e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true,
		EndStream: ends}); err != nil {
		t.Fatal(err)
	}
}

// Streams have ends like connections: of a body that does not come, of an answer that is not taken,
// whether by the stream's window or the connection's.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method string
		ends, reads  bool // the request's end is sent; the client reads, but gives no window
		h            http.HandlerFunc
	}{
		{"a body that never comes", "PUT", false, true, readAll},
		{"a body that nobody wants", "PUT", false, true, ignore},
		{"an answer without a window", "GET", true, true, ignore},
		{"an answer that nobody reads", "GET", true, false, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 1<<20))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var running, begun atomic.Int64
			s := start(t, quick, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				running.Add(1)
				begun.Add(1)
				defer running.Add(-1)
				tt.h(w, r)
			}))
			window := uint32(0)
			if !tt.reads {
				window = 1 << 30
			}
			c, f := h2(t, s, window)
			if !tt.reads {
				_ = f.WriteWindowUpdate(0, 1<<30)
			}
			for i := range uint32(20) {
				ask(t, f, 1+2*i, tt.method, tt.ends)
			}
			if tt.reads {
				go func() { _, _ = io.Copy(io.Discard, c) }()
			}
			wait(t, "all streams to begin and end", func() bool { return begun.Load() == 20 && running.Load() == 0 })
		})
	}
}

// When there are as many connections as may be, those that say nothing make room, and those that
// live viewers have do not.
func TestTheSilentMakeRoom(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/", ignore)
	mux.Handle("/live", httpserver.Live(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Time{})
		_, _ = io.WriteString(w, "begin ")
		_ = control.Flush()
		select {
		case <-release:
		case <-r.Context().Done():
			t.Error("a viewer was cut off")
		}
		_, _ = io.WriteString(w, "goal")
	})))
	const most = 8
	s := start(t, httpserver.Config{Name: "test", MaxConns: most, Yield: soon}, mux)
	var viewers []*http.Response
	for range 2 * most {
		c := s.send(t, "GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		viewers = append(viewers, res)
	}
	var stuck []net.Conn
	for i := range 3 * most {
		stuck = append(stuck, s.send(t, []string{"", "GET / HTTP/1.1\r\n",
			"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", http2.ClientPreface}[i%4]))
	}
	for range 3 {
		c := s.send(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if text := end(t, c); !strings.HasSuffix(text, "fine") {
			t.Errorf("got %q", text)
		}
	}
	if n := s.cut(t, "crowded"); n < most {
		t.Errorf("%v made room", n)
	}
	end(t, stuck[0])
	close(release)
	for _, v := range viewers {
		if text, err := io.ReadAll(v.Body); string(text) != "begin goal" {
			t.Errorf("a viewer got %q, %v", text, err)
		}
	}
}

// A live route's body may come as slowly as its handler lets it.
func TestLiveBodyTakesItsTime(t *testing.T) {
	t.Parallel()
	s := start(t, quick, httpserver.Live(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{})
		n, err := io.Copy(io.Discard, r.Body)
		_ = control.SetWriteDeadline(time.Now().Add(patience))
		_, _ = fmt.Fprintf(w, "%d bytes, %v", n, err)
	})))
	const piece = 20 << 10 // after which the deadlines of other routes' bodies are moved
	c := s.send(t, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "+strconv.Itoa(2*piece)+
		"\r\n\r\n")
	for range 2 {
		time.Sleep(2 * soon)
		if _, err := io.WriteString(c, strings.Repeat("x", piece)); err != nil {
			t.Fatal(err)
		}
	}
	if text := end(t, c); !strings.HasSuffix(text, "40960 bytes, <nil>") {
		t.Errorf("got %q", text)
	}
	if n := s.cut(t, "body"); n != 0 {
		t.Errorf("%v bodies counted as cut", n)
	}
}

// A server that is full and is told to stop stops.
func TestFullServerStops(t *testing.T) {
	t.Parallel()
	s := start(t, httpserver.Config{Name: "test", MaxConns: 1, Yield: time.Hour}, http.HandlerFunc(ignore))
	s.send(t, "")
	c := s.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(soon))
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes from a full server", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_ = s.Close()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
