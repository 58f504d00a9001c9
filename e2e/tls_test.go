package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast"
	"goalcast/internal/testservers"
)

// keyPair is the certificate file and the key file of a goalcast with TLS.
type keyPair struct{ certificate, key string }

func newKeyPair(t *testing.T, a *testservers.Authority) keyPair {
	t.Helper()
	folder := t.TempDir()
	k := keyPair{filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")}
	k.write(t)(a.Issue(time.Now().Add(time.Hour)))
	return k
}

// write exchanges the files.
func (k keyPair) write(t *testing.T) func(certificate, key []byte) {
	return func(certificate, key []byte) {
		t.Helper()
		for file, text := range map[string][]byte{k.certificate: certificate, k.key: key} {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (k keyPair) settings() []string {
	return []string{"GOALCAST_TLS_CERT_FILE=" + k.certificate, "GOALCAST_TLS_KEY_FILE=" + k.key}
}

// securely is a client that trusts the authority; over HTTP/2 or only 1.1.
func securely(t *testing.T, pool *x509.CertPool, http2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: http2}
	if !http2 {
		transport.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// lineOf waits for a line of an event stream that has the text.
func lineOf(stream *bufio.Reader, text string) error {
	for {
		line, err := stream.ReadString('\n')
		if err != nil || strings.Contains(line, text) {
			return err
		}
	}
}

// TestTLSInTheProcess: REST, WebSockets, event streams and polls over TLS; the certificate is
// exchanged while viewers stay; files that are wrong change nothing; no key is in the log.
func TestTLSInTheProcess(t *testing.T) {
	t.Parallel()
	authority := testservers.NewAuthority(t)
	pair := newKeyPair(t, authority)
	write := pair.write(t)
	p := start(t, onFile(t, pair.settings()...), "serve")
	host := strings.TrimPrefix(p.public, "http://")
	p.public = "https://" + host
	one, two := securely(t, authority.Pool, false), securely(t, authority.Pool, true)

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	answer := func(client *http.Client, url, accept string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if got := res.Header.Get("Strict-Transport-Security"); res.StatusCode != http.StatusOK ||
			(got == "max-age=31536000") != strings.HasPrefix(url, "https:") {
			t.Errorf("%s: %s, Strict-Transport-Security %q", url, res.Status, got)
		}
		return res
	}
	if got := answer(two, p.public+"/v1/matches?date=2026-08-01", "*/*").ProtoMajor; got != 2 {
		t.Errorf("REST over HTTP/%d", got)
	}
	answer(one, p.admin+"/healthz", "*/*")

	socket, res, err := websocket.Dial(ctx, "wss://"+host+"/v1/live?topics=match:1",
		&websocket.DialOptions{HTTPClient: one})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	if res.Header.Get("Strict-Transport-Security") == "" {
		t.Error("a WebSocket's answer has no Strict-Transport-Security")
	}
	streams := map[string]*bufio.Reader{}
	for name, client := range map[string]*http.Client{"HTTP/1.1": one, "HTTP/2": two} {
		streams[name] = bufio.NewReader(answer(client, p.live("topics=match:1"), "text/event-stream").Body)
		if err := lineOf(streams[name], string(goalcast.FrameHello)); err != nil {
			t.Fatal(err)
		}
	}
	if f := frameOf(t, socket); f.Type != goalcast.FrameHello {
		t.Fatalf("%+v", f)
	}
	hear := func(n int) {
		t.Helper()
		if err := p.tell(n); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("rolling-%d", n)
		for name, stream := range streams {
			if err := lineOf(stream, id); err != nil {
				t.Fatalf("event stream over %s: %v", name, err)
			}
		}
		for {
			_, text, err := socket.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), id) {
				return
			}
		}
	}
	hear(1)
	poll := answer(two, p.live("topics=match:1&wait=5s"), "*/*")
	if err := lineOf(bufio.NewReader(poll.Body), "frames"); err != nil {
		t.Errorf("poll: %v", err)
	}

	serial := func() int64 {
		t.Helper()
		c, err := tls.Dial("tcp", host, &tls.Config{RootCAs: authority.Pool})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	exchange := func(certificate, key []byte, until string) {
		t.Helper()
		before := strings.Count(p.log.String(), until)
		write(certificate, key)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		waitFor(t, 20*time.Second, until, func() error {
			if strings.Count(p.log.String(), until) == before {
				return errors.New("the log does not say so")
			}
			return nil
		})
	}
	if n := serial(); n != 1 {
		t.Fatalf("at first the certificate has number %d", n)
	}
	until := time.Now().Add(2 * time.Hour)
	second, secondKey := authority.Issue(until)
	exchange(second, secondKey, "certificate exchanged")
	if n := serial(); n != 2 {
		t.Fatalf("then number %d", n)
	}
	if got := p.metric("goalcast_http_certificate_expiry_seconds"); int64(got) != until.Unix() {
		t.Errorf("it expires at %f, want %d", got, until.Unix())
	}
	hear(2)

	expired, expiredKey := authority.Issue(time.Now().Add(-time.Minute))
	for what, wrong := range map[string][2][]byte{
		"expired": {expired, expiredKey}, "of two pairs": {second, expiredKey},
		"no PEM": {second, []byte("nonsense")}, "empty": {nil, nil}, "the wrong way round": {secondKey, second}} {
		errs := p.metric("goalcast_http_certificate_errors_total")
		exchange(wrong[0], wrong[1], "certificate not exchanged")
		if n := serial(); n != 2 {
			t.Errorf("%s: number %d is shown", what, n)
		}
		if p.metric("goalcast_http_certificate_errors_total") <= errs {
			t.Errorf("%s: not counted", what)
		}
	}
	hear(3)
	for _, key := range [][]byte{secondKey, expiredKey} {
		if secret := strings.Split(string(key), "\n")[1]; strings.Contains(p.log.String(), secret) {
			t.Error("the log shows a key")
		}
	}
	p.stop(30 * time.Second)
}

// A pair that cannot be used at the start is named, and goalcast does not start.
func TestACertificateThatIsWrongStopsTheStart(t *testing.T) {
	t.Parallel()
	authority := testservers.NewAuthority(t)
	good, other := newKeyPair(t, authority), newKeyPair(t, authority)
	missing := filepath.Join(t.TempDir(), "missing")
	for want, pair := range map[string]keyPair{
		"GOALCAST_TLS_KEY_FILE: open " + missing: {good.certificate, missing},
		"GOALCAST_TLS_CERT_FILE: open":           {missing, good.key},
		"does not match":                         {good.certificate, other.key},
	} {
		if _, log, wrong := command(t, onFile(t, pair.settings()...), "serve", "--listen=127.0.0.1:0",
			"--admin-listen=127.0.0.1:0"); !wrong || !strings.Contains(log, want) {
			t.Errorf("it says %q, want %q", log, want)
		}
	}
}
