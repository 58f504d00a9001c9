package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"goalcast/internal/httpserver"
)

// inProcess is a node of the test's own process with short limits.
type inProcess struct {
	*node
	public, admin string // addresses
}

const (
	jsonSecret    = "secret-of-the-json-feed"
	operatorToken = "operator-token-of-the-tests"
)

func startNode(t *testing.T, wall httpserver.Config, s shares) *inProcess {
	t.Helper()
	var cli commands
	if _, err := parse([]string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--drain-time=0s",
		"--feed-secrets=json=" + jsonSecret,
		"--edge-secrets=partner=secret-of-an-edge",
		"--admin-tokens=operator=" + operatorToken, "--database-url=sqlite:" + filepath.Join(t.TempDir(),
			"goalcast.db")}, &cli); err != nil {
		t.Fatal(err)
	}
	c := cli.Serve
	n, err := newNode(t.Context(), config{serving: c.serving, stores: c.stores, roles: c.Roles, migrate: c.Migrate,
		wall: wall}, options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n.shares = s
	p := &inProcess{node: n}
	ctx, stop := context.WithCancel(context.Background())
	listening, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- n.run(ctx, http.HandlerFunc(http.NotFound), func(public, admin string) {
			p.public, p.admin = public, admin
			close(listening)
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		n.close()
	})
	<-listening
	waitFor(t, 20*time.Second, "readiness", func() error {
		res, err := http.Get("http://" + p.admin + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	})
	return p
}

func (p *inProcess) send(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// routes are all that the node answers, by address.
func (p *inProcess) routes(t *testing.T) map[string][]string {
	t.Helper()
	public := []string{"GET /v1/live?topics=match:1&wait=0s", "POST /v1/live?topics=match:1", "OPTIONS /v1/live",
		"GET /edge/v1/bus", "GET /edge/v1/matches/match:1", "GET /edge/v1/told/1", "GET /edge/v1/known",
		"POST /edge/v1/bus",
		"POST /feeds/json", "POST /feeds/opta", "POST /feeds/nobody",
		"GET /feeds/json", "POST /callbacks/brightcove/a/1", "GET /", "POST /", "OPTIONS *",
		"PUT /nowhere", "BREW /"}
	admin := []string{"GET /healthz", "POST /healthz", "GET /readyz", "GET /metrics", "GET /debug/pprof/",
		"POST /debug/pprof/symbol", "GET /debug/pprof/heap", "POST /nowhere",
		"GET /console/", "GET /console/login", "POST /console/login", "GET /console/documents/1/raw"}
	variable := regexp.MustCompile(`\{[^}]*\}`)
	for list, handler := range map[*[]string]http.Handler{&public: p.rest.Public(), &admin: p.rest.Admin()} {
		found := 0
		err := chi.Walk(handler.(chi.Routes), func(method, route string, _ http.Handler,
			_ ...func(http.Handler) http.Handler) error {
			found++
			*list = append(*list, method+" "+variable.ReplaceAllString(route, "1"))
			return nil
		})
		if err != nil || found < 5 {
			t.Fatalf("%d routes: %v", found, err)
		}
	}
	return map[string][]string{p.public: public, p.admin: admin}
}

// TestNoRouteWaitsForABodyWithoutEnd asks every route of both addresses with every credential, and
// sends nothing of the body that it announces.
func TestNoRouteWaitsForABodyWithoutEnd(t *testing.T) {
	t.Parallel()
	const soon = 200 * time.Millisecond
	p := startNode(t, httpserver.Config{HeaderTimeout: soon, BodyGrace: soon, AnswerTimeout: soon, IdleTimeout: soon},
		shares{requests: 1000, admin: 1000})
	conns := map[string]net.Conn{}
	for address, routes := range p.routes(t) {
		for _, route := range routes {
			for _, token := range []string{"", operatorToken, jsonSecret, "abcdefghijklmnopqrstuvwxyz0123456789"} {
				for _, body := range []string{"Content-Length: 10\r\n\r\n",
					"Transfer-Encoding: chunked\r\n\r\n5\r\n{"} {
					request := fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nContent-Type: "+
						"application/json\r\nAuthorization: Bearer %s\r\n%s", route, token, body)
					conns[request] = p.send(t, address, request)
				}
			}
		}
	}
	until := time.Now().Add(20 * time.Second)
	for request, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(max(time.Until(until), time.Second)))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("still waiting: %s", request)
		}
	}
}

// TestEveryAnswerIsForItsOwnPage asks every route of both addresses without showing anything:
// whatever comes back, a browser takes it for what it says it is, loads nothing for it that we did
// not allow, and shows it in nobody's frame.
func TestEveryAnswerIsForItsOwnPage(t *testing.T) {
	t.Parallel()
	p := startNode(t, httpserver.Config{}, shares{requests: 1000, admin: 1000})
	for address, routes := range p.routes(t) {
		for _, route := range routes {
			c := p.send(t, address, route+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Errorf("%s: %v", route, err)
				continue
			}
			_ = res.Body.Close()
			if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Referrer-Policy") == "" ||
				!strings.Contains(res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
				t.Errorf("%s: %s %v", route, res.Status, res.Header)
			}
		}
	}
}

// TestPageHasOneAddress: whoever writes a slash behind it is led there.
func TestPageHasOneAddress(t *testing.T) {
	t.Parallel()
	p := startNode(t, httpserver.Config{}, shares{requests: 1000, admin: 1000})
	plain := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]string{"/docs/": "308 /docs", "/docs": "200 ", "/docs/swagger-ui.css": "200 ",
		"/docs/nothing": "404 "} {
		res, err := plain.Get("http://" + p.public + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := fmt.Sprint(res.StatusCode, " ", res.Header.Get("Location")); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestEveryRouteBoundsWhatIsSent sends each route of both addresses, with every credential, a
// header and a body that are far larger than any that it takes.
func TestEveryRouteBoundsWhatIsSent(t *testing.T) {
	t.Parallel()
	p := startNode(t, httpserver.Config{}, shares{requests: 1000, admin: 1000})
	large := strings.Repeat("a", 1<<20)
	for address, routes := range p.routes(t) {
		for _, route := range routes {
			for _, token := range []string{"", operatorToken, jsonSecret, "abcdefghijklmnopqrstuvwxyz0123456789"} {
				head := route + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + token + "\r\n"
				c := p.send(t, address, head+"X-Large: "+large[:64<<10])
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				if res, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil &&
					res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
					t.Errorf("%s: a header of 64 kB: %s", route, res.Status)
				}
				c = p.send(t, address, head+fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
					64<<20))
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				sent := 0
				for ; sent < 64; sent++ { // until nobody reads any more
					if _, err := io.WriteString(c, large); err != nil {
						break
					}
				}
				if sent == 64 {
					t.Errorf("%s: took a body of 64 MB", route)
				}
			}
		}
	}
}

func TestDescriptorsAreSharedOut(t *testing.T) {
	for _, tt := range []struct {
		files int
		want  shares
	}{
		{0, shares{requests: 4096, admin: 256}},
		{256, shares{viewers: 168, requests: 24, admin: 32}},
		{20_000, shares{viewers: 17_052, requests: 2436, admin: 256}},
		{1 << 20, shares{viewers: 1<<20 - 512 - 4096, requests: 4096, admin: 256}},
	} {
		got := shareOut(tt.files)
		if got != tt.want {
			t.Errorf("%d files: %+v, want %+v", tt.files, got, tt.want)
		}
		if tt.files > 0 && got.viewers+got.requests+2*got.admin > tt.files {
			t.Errorf("%d files are too few for %+v", tt.files, got)
		}
	}
}
