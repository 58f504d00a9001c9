package httpserver_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"goalcast/internal/httpserver"
)

// TestGatheredAnswersAreWhole asks over one connection for answers of every length around those at
// which net/http's buffer before a connection is full, and one that is gathered in several writes.
func TestGatheredAnswersAreWhole(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 2<<10)
	s := start(t, httpserver.Config{Name: "test"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		length, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(length))
		written := httpserver.Gather(r)
		_, _ = w.Write(long[:length])
		written()
	}))
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(6 * patience))
	in := bufio.NewReader(conn)
	for base := range 5 {
		for length := max(0, base<<12-400); length <= base<<12+40; length++ {
			if _, err := fmt.Fprintf(conn, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", length); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%d bytes: %v", length, err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(body, long[:length]) {
				t.Fatalf("%d bytes: %d came, %v", length, len(body), err)
			}
		}
	}
}

// TestALiveRouteTakesTheSocketItself is for the hub, which takes a connection's descriptor.
func TestALiveRouteTakesTheSocketItself(t *testing.T) {
	taken := make(chan net.Conn, 1)
	s := start(t, httpserver.Config{Name: "test"}, httpserver.Live(http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
		}
		taken <- conn
	})))
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	theirs := <-taken
	defer theirs.Close()
	if _, ok := theirs.(*net.TCPConn); !ok {
		t.Errorf("it is a %T", theirs)
	}
}
