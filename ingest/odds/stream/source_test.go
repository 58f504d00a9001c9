package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"goalcast/ingest/odds"
)

// provider is a provider's server: TLS, and what it does with a connection.
type provider struct {
	*httptest.Server
	tls *tls.Config
}

func newProvider(t *testing.T, h http.HandlerFunc) provider {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return provider{s, s.Client().Transport.(*http.Transport).TLSClientConfig}
}

// config asks the provider for a path.
func (p provider) config(transport Transport, path string) Config {
	at := p.URL + path
	if transport == WebSocket {
		at = "wss" + strings.TrimPrefix(at, "https")
	}
	return Config{Name: "test", Transport: transport, URL: at, TLS: p.tls, TTL: patience}
}

// answerWith sends pieces, each by itself, then waits for its client to go if it is told to stay.
func answerWith(media string, stay bool, pieces ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		for _, piece := range pieces {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
		if stay {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}
}

// webSocketWith sends messages.
func webSocketWith(stay bool, messages ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for _, m := range messages {
			if conn.Write(r.Context(), websocket.MessageText, []byte(m)) != nil {
				return
			}
		}
		if stay {
			_, _, _ = conn.Read(r.Context())
			return
		}
		_ = conn.Close(websocket.StatusNormalClosure, "bye")
	}
}

// run runs a source to its end.
func run(t *testing.T, cfg Config, sink *recorder) (counts, error) {
	t.Helper()
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	m := newCounts(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return m, New(cfg, quietLog, m.Metrics).Run(ctx, sink)
}

// Lines come the same by all transports, wherever they are cut and however many come at once; when
// the other side ends, all is shut.
func TestAllTransportsTellTheSame(t *testing.T) {
	a, b, s := img("a"), img("b"), `{"type":"suspend","event":"a"}`
	want := []string{toldImg("a"), toldImg("b"), "suspend a -", "quota 40 100", "down connection"}
	last := `{"type":"quota","remaining":40,"limit":100}`
	for name, tt := range map[string]struct {
		transport Transport
		handler   http.HandlerFunc
	}{
		"websocket": {WebSocket, webSocketWith(false, a, b+"\n"+s+"\r\n", last)},
		"sse": {SSE, answerWith("text/event-stream; charset=utf-8", false, "event: odds\nid: 1\nda", "ta: "+a[:9],
			a[9:]+"\n\n:x\n\ndata: "+b+"\ndata: "+s+"\n\ndata: "+last+"\n\n")},
		"json": {JSON, answerWith("application/json", false, a+b[:1], b[1:30], b[30:]+"\n"+s+last[:3], last[3:])},
	} {
		t.Run(name, func(t *testing.T) {
			sink := newRecorder(t)
			m, err := run(t, newProvider(t, tt.handler).config(tt.transport, "/"), sink)
			if !errors.Is(err, io.EOF) {
				t.Errorf("ended with %v", err)
			}
			sink.want(want...)
			m.want("connections", m.connections, "ended", 1)
			m.want("lines", m.lines, "image", 2)
		})
	}
}

func TestSilenceEndsTheConnection(t *testing.T) {
	noise := func(w http.ResponseWriter, r *http.Request) { // bytes, and never a line
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, ": ping\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}
	for name, tt := range map[string]struct {
		transport Transport
		handler   http.HandlerFunc
		told      []string
	}{
		"websocket": {WebSocket, webSocketWith(true, img("a")), []string{toldImg("a"), "down connection"}},
		"sse":       {SSE, noise, []string{"down connection"}},
		"json":      {JSON, answerWith("application/json", true, img("a")), []string{toldImg("a"), "down connection"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := newProvider(t, tt.handler).config(tt.transport, "/")
			cfg.TTL = time.Second
			sink := newRecorder(t)
			m, err := run(t, cfg, sink)
			if !errors.Is(err, errSilent) {
				t.Errorf("ended with %v", err)
			}
			sink.want(tt.told...)
			m.want("connections", m.connections, "silent", 1)
		})
	}
}

// Each line gives the connection, or the request, its time to live again.
func TestLinesKeepTheConnection(t *testing.T) {
	const ttl = time.Second
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		for until := time.Now().Add(2 * ttl); time.Now().Before(until); time.Sleep(ttl / 20) {
			_, _ = io.WriteString(w, `{"type":"alive"}`)
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, img("a"))
	})
	cfg := p.config(JSON, "/")
	cfg.TTL = ttl
	sink := newRecorder(t)
	if _, err := run(t, cfg, sink); !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v", err)
	}
	sink.want(toldImg("a"), "down connection")

	d := newDesk(t, FeedConfig{TTL: ttl})
	s := d.open(true)
	for until := time.Now().Add(2 * ttl); time.Now().Before(until); time.Sleep(ttl / 20) {
		s.send(`{"type":"alive"}`)
	}
	_ = s.body.Close()
	if got := s.next(); !strings.Contains(got, `"refused":0}`) {
		t.Errorf("ended with %s", got)
	}
}

func TestConnectionThatDoesNotOpen(t *testing.T) {
	p := newProvider(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for _, transport := range []Transport{WebSocket, SSE, JSON} {
		cfg := p.config(transport, "/")
		cfg.Connect = 100 * time.Millisecond
		m, err := run(t, cfg, newRecorder(t))
		if !errors.Is(err, errSlow) {
			t.Errorf("%s: ended with %v", transport, err)
		}
		m.want("connections", m.connections, "unreachable", 1)
	}
}

// What could not be understood may have been a suspension.
func TestUnreadableLineShutsWhatItMayBeAbout(t *testing.T) {
	for name, tt := range map[string]struct {
		line string
		told []string // after image a, before image b
		ends bool
	}{
		"an event":   {`{"type":"suspend","event":"a","market":"1x2"}`, []string{"suspend a -"}, false},
		"nothing":    {`{"type":"fixture","event":"a"}`, nil, false},
		"anything":   {`{"type":"closed"}`, nil, true},
		"no object":  {`[{"type":"suspend","event":"a"}]`, nil, true},
		"too long":   {`{"type":"suspend","event":"a","x":"` + strings.Repeat("x", 64<<10) + `"}`, nil, true},
		"half":       {`{"type":"suspend","event":"a"`, nil, true},
		"no JSON":    {`{"type":"suspend",'event':"a"}`, nil, true},
		"two a line": {`{"type":"alive"}{"type":"suspend","event":"a","x":1}`, []string{"suspend a -"}, false},
	} {
		for transport, h := range map[Transport]http.HandlerFunc{
			WebSocket: webSocketWith(false, img("a"), tt.line, img("b")),
			SSE: answerWith("text/event-stream", false, "data: "+img("a")+"\n\ndata: "+tt.line+"\n\n",
				"data: "+img("b")+"\n\n"),
			JSON: answerWith("application/json", false, img("a")+"\n"+tt.line+"\n"+img("b")+"\n"),
		} {
			t.Run(fmt.Sprint(transport, " ", name), func(t *testing.T) {
				sink := newRecorder(t)
				_, err := run(t, newProvider(t, h).config(transport, "/"), sink)
				want := append([]string{toldImg("a")}, tt.told...)
				if !tt.ends {
					want = append(want, toldImg("b"))
				}
				sink.want(append(want, "down connection")...)
				// io.EOF: the other side was heard out
				if tt.ends == errors.Is(err, io.EOF) {
					t.Errorf("ended with %v", err)
				}
			})
		}
	}
}

func TestMessageThatIsTooLongOrBinaryEndsAll(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"long": webSocketWith(true, strings.Repeat(" ", 2000)),
		"binary": func(w http.ResponseWriter, r *http.Request) {
			if conn, err := websocket.Accept(w, r, nil); err == nil {
				defer func() { _ = conn.CloseNow() }()
				_ = conn.Write(r.Context(), websocket.MessageBinary, []byte(img("a")))
				_, _, _ = conn.Read(r.Context())
			}
		},
	} {
		cfg := newProvider(t, h).config(WebSocket, "/")
		cfg.Limits.Message = 1000
		sink := newRecorder(t)
		m, err := run(t, cfg, sink)
		if !errors.Is(err, errUnread) {
			t.Errorf("%s: ended with %v", name, err)
		}
		sink.want("down connection")
		m.want("connections", m.connections, "unreadable", 1)
	}
}

func TestFasterThanTheLimitEndsTheConnection(t *testing.T) {
	cfg := newProvider(t, answerWith("application/json", true, strings.Repeat(`{"type":"alive"}`, 1000))).config(JSON, "/")
	cfg.Limits.Rate = 10
	m, err := run(t, cfg, newRecorder(t))
	if !errors.Is(err, errTooFast) {
		t.Errorf("ended with %v", err)
	}
	m.want("connections", m.connections, "too_fast", 1)
}

func TestWebSocketIsSubscribed(t *testing.T) {
	got := make(chan string, 2)
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		for range 2 {
			_, text, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			got <- string(text)
		}
	})
	cfg := p.config(WebSocket, "/")
	cfg.Subscribe = []string{`{"op":"login"}`, `{"op":"subscribe"}`}
	_, _ = run(t, cfg, newRecorder(t))
	if a, b := <-got, <-got; a != cfg.Subscribe[0] || b != cfg.Subscribe[1] {
		t.Errorf("got %q, %q", a, b)
	}
}

// One redirect is followed, at once. Secrets go to their own host only.
func TestOneRedirectIsFollowed(t *testing.T) {
	const secret = "k3y-of-the-provider"
	other := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "" || r.Header.Get("Authorization") != "" {
			t.Error("another host got the secret")
		}
		switch r.URL.Path {
		case "/again":
			http.Redirect(w, r, "/stream", http.StatusFound)
		default:
			answerWith("application/json", false, img("other"))(w, r)
		}
	})
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != secret {
			t.Error("its own host did not get the secret")
		}
		switch r.URL.Path {
		case "/other":
			http.Redirect(w, r, other.URL+"/stream?once="+secret, http.StatusFound)
		case "/twice":
			http.Redirect(w, r, other.URL+"/again", http.StatusTemporaryRedirect)
		case "/own":
			http.Redirect(w, r, "stream", http.StatusSeeOther)
		case "/plain":
			http.Redirect(w, r, "http"+strings.TrimPrefix(other.URL, "https")+"/stream", http.StatusFound)
		case "/nowhere":
			w.WriteHeader(http.StatusFound)
		default:
			answerWith("application/json", false, img("own"))(w, r)
		}
	})
	for path, want := range map[string]string{"/own": toldImg("own"), "/other": toldImg("other"), "/twice": "",
		"/plain": "", "/nowhere": ""} {
		cfg := p.config(JSON, path)
		cfg.Header = http.Header{"X-Api-Key": {secret}, "Authorization": {"Bearer " + secret}}
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.InsecureSkipVerify = true // the two have certificates of their own
		sink := newRecorder(t)
		m, err := run(t, cfg, sink)
		if want == "" {
			sink.want("down connection")
			m.want("connections", m.connections, "refused", 1)
			if !errors.Is(err, errRefused) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		sink.want(want, "down connection")
	}
	cfg := p.config(WebSocket, "/own")
	cfg.Header = http.Header{"X-Api-Key": {secret}}
	if m, err := run(t, cfg, newRecorder(t)); !errors.Is(err, errRefused) {
		t.Errorf("a WebSocket was redirected: %v", err)
	} else {
		m.want("connections", m.connections, "refused", 1)
	}
}

func TestRefusalTellsStatusAndQuotaAndNoSecret(t *testing.T) {
	const secret = "s3cr3t pass/wörd&+"
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Requests-Remaining", "0")
		w.Header().Set("X-Requests-Used", "500")
		w.Header().Set("Retry-After", "90")
		http.Error(w, "your key "+r.URL.RawQuery+" is bad", http.StatusTooManyRequests)
	})
	gone := newProvider(t, nil)
	gone.Close()
	for _, transport := range []Transport{WebSocket, SSE, JSON} {
		for _, tt := range []struct {
			at   provider
			text string
		}{{p, "status 429"}, {gone, "connection refused"}} {
			cfg := tt.at.config(transport, "/?key=s3cr3t+pass%2Fw%C3%B6rd%26%2B")
			cfg.Header = http.Header{"X-Api-Key": {secret}}
			sink := newRecorder(t)
			_, err := run(t, cfg, sink)
			if err == nil || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: %v", transport, err)
			}
			var later odds.Later
			if asked := errors.As(err, &later); asked != (tt.at == p) || asked && later.After != 90*time.Second {
				t.Errorf("%s: wants to be asked again after %s", transport, later.After)
			}
			if tt.at == p {
				sink.want("quota 0 500", "down connection")
			}
		}
	}
}

func TestStopEndsTheConnection(t *testing.T) {
	for transport, h := range map[Transport]http.HandlerFunc{WebSocket: webSocketWith(true, img("a")),
		SSE:  answerWith("text/event-stream", true, "data: "+img("a")+"\n\n"),
		JSON: answerWith("application/json", true, img("a"))} {
		sink, m := newRecorder(t), newCounts(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		s := New(newProvider(t, h).config(transport, "/"), quietLog, m.Metrics)
		go func() { done <- s.Run(ctx, sink) }()
		sink.wait(toldImg("a"))
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", transport, err)
		}
		sink.want(toldImg("a"), "down connection")
		m.want("connections", m.connections, "stopped", 1)
	}
}

func TestQuotaHeaders(t *testing.T) {
	for _, tt := range []struct {
		headers          []string
		remaining, limit int
		ok               bool
	}{
		{[]string{"x-requests-remaining", "450", "x-requests-used", "50", "x-requests-last", "1"}, 450, 500, true},
		{[]string{"x-requests-remaining", "450", "x-requests-limit", "1000"}, 450, 1000, true},
		{[]string{"x-ratelimit-remaining", "4999", "x-ratelimit-limit", "5000"}, 4999, 5000, true},
		{[]string{"ratelimit-limit", "100, 100;w=60", "ratelimit-remaining", "7"}, 7, 100, true},
		{[]string{"x-ratelimit-remaining", "12.0"}, 12, 0, true},
		{[]string{"x-ratelimit-remaining", "many"}, 0, 0, false},
		{[]string{"x-ratelimit-remaining", "-1"}, 0, 0, false},
		{[]string{"x-ratelimit-limit", "5000"}, 0, 0, false},
	} {
		h := http.Header{}
		for i := 0; i < len(tt.headers); i += 2 {
			h.Set(tt.headers[i], tt.headers[i+1])
		}
		if remaining, limit, ok := quotaOf(h); ok != tt.ok || ok && (remaining != tt.remaining || limit != tt.limit) {
			t.Errorf("%v: %d of %d, %v", tt.headers, remaining, limit, ok)
		}
	}
}

func TestConfigThatCannotBe(t *testing.T) {
	for _, cfg := range []Config{
		{}, {Transport: "ftp", URL: "https://x"}, {Transport: WebSocket, URL: "https://x.example"},
		{Transport: SSE, URL: "wss://x.example"},
		{Transport: JSON, URL: "https://"}, {Transport: JSON, URL: "https://x.example", Subscribe: []string{"x"}},
		{Transport: JSON, URL: "https://user:s3cr3t@x example/"},
	} {
		if err := cfg.Check(); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
