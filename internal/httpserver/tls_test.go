package httpserver_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"goalcast/internal/httpserver"
	"goalcast/internal/testservers"
)

// secured is a server's configuration with TLS, and that of a client that trusts it.
func secured(t *testing.T, cfg httpserver.Config) (httpserver.Config, *tls.Config) {
	t.Helper()
	authority := testservers.NewAuthority(t)
	pair, err := tls.X509KeyPair(authority.Issue(time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	return cfg, &tls.Config{RootCAs: authority.Pool, ServerName: "127.0.0.1"}
}

// handshakeErrors is how many handshakes failed.
func (s *server) handshakeErrors(t *testing.T) (n float64) {
	t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "goalcast_http_handshake_errors_total" {
			n = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// Browsers are told to come by TLS alone, over both versions of HTTP; on a plain server nothing is
// said of it, since what stands in front knows.
func TestTLSAnswersSayStrictTransport(t *testing.T) {
	t.Parallel()
	const header = "Strict-Transport-Security"
	cfg, trust := secured(t, httpserver.Config{Name: "test"})
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.Proto) })
	s := start(t, cfg, answer)
	for _, want := range []string{"HTTP/1.1", "HTTP/2.0"} {
		transport := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: want == "HTTP/2.0"}
		if want == "HTTP/1.1" {
			transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
		}
		res, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://" + s.address)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		transport.CloseIdleConnections()
		if err != nil || string(text) != want || res.Header.Get(header) != "max-age=31536000" {
			t.Errorf("%s: got %q, %v, %q", want, text, err, res.Header.Get(header))
		}
	}
	plain := start(t, httpserver.Config{Name: "test"}, answer)
	c := plain.send(t, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if text := end(t, c); !strings.HasSuffix(text, "HTTP/1.1") || strings.Contains(text, header) {
		t.Errorf("plain: %q", text)
	}
}

// A client that begins no handshake, or never ends it, is cut like one that sends no header; and
// what strangers do wrong is counted.
func TestHandshakesHaveAnEnd(t *testing.T) {
	t.Parallel()
	cfg, trust := secured(t, quick)
	s := start(t, cfg, http.HandlerFunc(ignore))
	for i, text := range []string{"", "\x16\x03\x01\x02\x00\x01", "\x16"} {
		end(t, s.send(t, text))
		wait(t, "the cut to be counted", func() bool { return s.cut(t, "header") == float64(i+1) })
	}
	if text := end(t, s.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")); !strings.Contains(text, " 400 ") {
		t.Errorf("without TLS: %q", text)
	}
	old := trust.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if c, err := tls.Dial("tcp", s.address, old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	wait(t, "failed handshakes to be counted", func() bool { return s.handshakeErrors(t) == 5 })

	c, err := tls.Dial("tcp", s.address, trust) // which then says nothing
	if err != nil {
		t.Fatal(err)
	}
	end(t, c)
}

// Connections that are silent make room over TLS as well, wherever they stand.
func TestTheSilentMakeRoomOverTLS(t *testing.T) {
	t.Parallel()
	cfg, trust := secured(t, httpserver.Config{Name: "test", MaxConns: 4, Yield: soon, HeaderTimeout: time.Hour,
		IdleTimeout: time.Hour})
	s := start(t, cfg, http.HandlerFunc(ignore))
	first := s.send(t, "")
	for i := range 8 {
		if i%2 == 0 {
			s.send(t, "\x16\x03\x01")
			continue
		}
		c, err := tls.Dial("tcp", s.address, trust)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", res, err)
		}
	}
	end(t, first)
	if n := s.cut(t, "crowded"); n < 5 {
		t.Errorf("%v made room", n)
	}
}
