package uof_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast/ingest/odds"
	"goalcast/ingest/odds/uof"
	"goalcast/ingest/odds/uof/uoftest"
	"goalcast/internal/samples"
)

// TestProvidersOwnMessages plays the provider's samples: the book is that of a naive reader.
func TestProvidersOwnMessages(t *testing.T) {
	t.Parallel()
	read := func(name string) string { return string(samples.Read(t, "odds/uof/"+name)) }
	change, settled := read("odds_change-0.xml"), read("bet_settlement.xml")
	cancel, rollback, names := read("bet_cancel.xml"), read("rollback_bet_cancel.xml"), read("fixture-0.xml")
	p := uoftest.Start(t, append(slices.Clone(uoftest.Producers), uoftest.Producer{ID: 2, Product: "mts", Scope: "live",
		Window: time.Hour})...)
	p.Fixture("sr:match:123", names)
	cfg := quick(p)
	cfg.Producers = []int{1, 2, 3}
	v := newViewer()
	begin(t, cfg, v)
	v.until(t, "open", func() bool { return len(p.Recoveries()) == 3 })
	key := "hi.-.live.odds_change.1.sr:match.123.-"
	for _, text := range []string{change, settled, cancel, rollback} {
		p.Send(key, text)
	}
	want := naive(t, []string{change})
	if len(want) < 30 {
		t.Fatalf("the sample has %d prices", len(want))
	}
	v.untilShown(t, "odds_change", want)
	for _, s := range []string{"sr:match:16807109 uof:193 74=lost 76=won",
		"sr:match:16807109 uof:204:setnr:1/total:9.5 12=lost 13=won",
		"sr:match:16807109 uof:201 863=void 864=half_lost 861=half_won 862=lost",
		"sr:match:18941600 uof:62:goalnr:1 void 1564597838000 1564598513000",
		"sr:match:4444 uof:48:score:41.5 taken back void"} {
		v.untilSettled(t, s)
	}
	v.until(t, "names", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		f := v.fixtures["sr:match:123"]
		return f.Home == "Ajax Amsterdam" && f.Away == "Tottenham Hotspur" &&
			f.Competition == "UEFA Champions League" && f.Kickoff.Equal(time.Date(2019, 5, 8, 19, 0, 0, 0, time.UTC))
	})
}

// TestMessageThatCannotBeRead suspends its match, which may be another by now, until it is quoted
// again; others go on.
func TestMessageThatCannotBeRead(t *testing.T) {
	t.Parallel()
	p := uoftest.Start(t)
	cfg := quick(p)
	cfg.MaxMessage = 2000
	v := newViewer()
	begin(t, cfg, v)
	p.Odds(1, cup, uoftest.Market(29, "", 1, "74=1.7", "76=2.1"))
	others := map[string]odds.Price{cup + " btts yes": 1700, cup + " btts no": 2100}
	for _, text := range []string{"", "<odds_change", "<odds_change product='1'><odds></odds_change>", "<a/><b/>",
		`<odds_change product="one"/>`, `<!DOCTYPE x [<!ENTITY y "z">]><x/>`,
		`<odds_change product="1"><odds><market id=""/></odds></odds_change>`, strings.Repeat("<a>", 100),
		`<odds_change product="1">` + strings.Repeat(" ", 2000) + `</odds_change>`} {
		p.Odds(1, derby, uoftest.Market(1, "", 1, "1=2.1", "2=3", "3=3.9"), uoftest.Market(18, "total=2.5", 1, "12=2"))
		v.untilShown(t, "quoted", naive(t, p.Said()))
		p.Send("hi.-.live.odds_change.1."+strings.Replace(derby, "h:", "h.", 1)+".-", text)
		v.untilShown(t, "suspended after "+text[:min(40, len(text))], others)
		p.Odds(1, derby, uoftest.Market(18, "total=2.5", 1, "12=2"))
		v.until(t, "the market that was quoted is shown", func() bool {
			shown := v.prices()
			return shown[derby+" ou:2.5 over"] == 2000 && shown[derby+" 1x2 home"] == 0
		})
	}
}

// TestNetworkThatGoesAwayInSilence cuts the way to the server, with TLS, without a word to either
// side: nothing is shown soon, and the source dials anew.
func TestNetworkThatGoesAwayInSilence(t *testing.T) {
	t.Parallel()
	p := uoftest.Start(t)
	w := newWay(t, p.Queue.Addr)
	cfg := quick(p)
	cfg.AMQP, cfg.TLS = "amqps://"+w.addr, w.client
	cfg.Producers = []int{1}
	v := newViewer()
	begin(t, cfg, v)
	p.Odds(1, derby, uoftest.Market(1, "", 1, "1=2.1", "2=3", "3=3.9"))
	want := naive(t, p.Said())
	v.untilShown(t, "there", want)
	for range 2 {
		w.cut()
		v.untilShown(t, "cut", map[string]odds.Price{})
		p.Odds(1, derby, uoftest.Market(1, "", 1, "1=2.2", "2=3", "3=3.9"))
		dialed := w.count()
		v.until(t, "it dials anew", func() bool { return w.count() > dialed })
		w.mend()
		v.untilShown(t, "mended", naive(t, p.Said()))
	}
	if maps.Equal(want, v.prices()) {
		t.Error("nothing has changed")
	}
}

// way is a TLS server in front of another, whose connections can be cut in silence.
type way struct {
	addr   string
	client *tls.Config

	mu    sync.Mutex
	flow  chan struct{} // closed while messages pass
	dials int
}

func newWay(t *testing.T, to string) *way {
	t.Helper()
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	certified.Close()
	w := &way{flow: make(chan struct{}), client: &tls.Config{RootCAs: certified.Client().Transport.(*http.Transport).
		TLSClientConfig.RootCAs, ServerName: "example.com", MinVersion: tls.VersionTLS12}}
	close(w.flow)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates,
		MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			w.mu.Lock()
			w.dials++
			w.mu.Unlock()
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = from.Close()
				continue
			}
			context.AfterFunc(ctx, func() { _, _ = from.Close(), server.Close() })
			running.Go(func() { w.pass(ctx, server, from) })
			running.Go(func() { w.pass(ctx, from, server) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cancel()
		running.Wait()
	})
	return w
}

// pass copies; while the way is cut it reads on and what it read is late.
func (w *way) pass(ctx context.Context, to io.WriteCloser, from io.Reader) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		flow := w.flow
		w.mu.Unlock()
		select {
		case <-flow:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (w *way) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flow = make(chan struct{})
}

func (w *way) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.flow)
}

func (w *way) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials
}

// TestServerThatNeverAnswers is given up, wherever it stops to answer.
func TestServerThatNeverAnswers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, and nobody reads
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/users/whoami.xml" {
			_, _ = io.WriteString(w, `<bookmaker_details bookmaker_id="1"/>`)
			return
		}
		_, _ = io.WriteString(w, `<producers><producer id="1" api_url="https://x/liveodds/" scope="live"/></producers>`)
	}))
	defer api.Close()
	for _, scheme := range []string{"amqp://", "amqps://"} {
		s := uof.New(uof.Config{AMQP: scheme + silent.Addr().String(), API: api.URL, Token: uoftest.Token,
			Producers: []int{1}, DialTime: 200 * time.Millisecond, WriteTime: 100 * time.Millisecond},
			slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err := s.Run(t.Context(), newViewer()); !errors.Is(err, context.DeadlineExceeded) ||
			strings.Contains(err.Error(), uoftest.Token) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
	s := uof.New(uof.Config{API: "http://" + silent.Addr().String(), CallTime: 200 * time.Millisecond},
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := s.Run(t.Context(), newViewer()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("API: %v", err)
	}
}

// TestWrongToken is refused by the API, and by the feed.
func TestWrongToken(t *testing.T) {
	t.Parallel()
	p := uoftest.Start(t)
	lenient := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Access-Token", uoftest.Token)
		r.RequestURI = ""
		u := *r.URL
		r.URL, _ = u.Parse(p.API + strings.TrimPrefix(u.Path, "/v1"))
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer answer.Body.Close()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	defer lenient.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	cfg := quick(p)
	cfg.Token = "wrong-token"
	for _, api := range []string{p.API, lenient.URL + "/v1"} {
		cfg.API = api
		err := uof.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry()).Run(t.Context(), newViewer())
		if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), cfg.Token) {
			t.Errorf("%s: %v", api, err)
		}
	}
}
