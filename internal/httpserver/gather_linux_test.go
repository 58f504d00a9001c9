package httpserver_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goalcast/internal/httpserver"
)

// TestAGatheredAnswerIsOneSegment has the client's kernel count what came: one segment for each
// call of the server's.
func TestAGatheredAnswerIsOneSegment(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 12_000)
	s := start(t, httpserver.Config{Name: "test"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "12000")
		written := httpserver.Gather(r)
		_, _ = w.Write(body)
		written()
	}))
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !bytes.HasSuffix(answer, body) {
		t.Fatalf("%d bytes, %v", len(answer), err)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var info *unix.TCPInfo
	if no := raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); no != nil || err != nil {
		t.Fatal(no, err)
	}
	if info.Data_segs_in != 1 {
		t.Errorf("the answer came in %d segments", info.Data_segs_in)
	}
}
