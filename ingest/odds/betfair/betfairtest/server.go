// Package betfairtest is a made-up Betfair for tests: the Exchange Stream over TLS, and the
// requests for sessions, keys and names. It keeps every change that it was given, so that it can
// answer a subscription with an image and a resumed one with what has changed since.
//
// It is as unkind as a network: it cuts connections anywhere, splits lines and messages, repeats,
// delays, falls silent, and sends what it should not. One lock guards all of a Server; its
// goroutines end with the test.
package betfairtest

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// What the server accepts.
const (
	AppKey   = "live-key"
	User     = "somebody"
	Password = "pass word&"
	Token    = "token+1/=" // a session that is alive from the beginning
)

// beat is how often the server sends a heartbeat; it does not wait for as long as asked.
const beat = 20 * time.Millisecond

// Server is a made-up Betfair.
type Server struct {
	Address string // of the stream
	URL     string // of everything else

	tb       testing.TB
	web      *httptest.Server
	listener net.Listener
	done     sync.WaitGroup

	mu       sync.Mutex // guards the rest
	closed   bool
	streams  map[*stream]bool
	history  [][]json.RawMessage // the changes of markets, by message
	epoch    int                 // clocks of another are not known
	requests []Subscription
	last     int64      // Betfair's time of the newest message, in ms; no two messages have the same
	random   *rand.Rand // nil: lines are written whole
	faults   faults
	tokens   map[string]bool
	logins   int
	keys     string
	names    map[string]string // the answers' elements by event
	asked    int
}

// faults are what is wrong from now on.
type faults struct {
	silent     bool
	unreliable bool
	unknown    bool
	segments   bool
	cut        bool // in the next message
	unfinished bool // the next message
	delay      time.Duration
	conflate   int
	marked     bool   // messages say that they are delayed
	refuseAuth string // error codes
	refuseSub  string
}

// Subscription is what a client asked for.
type Subscription struct {
	Op          string          `json:"op"`
	ID          int             `json:"id"`
	AppKey      string          `json:"appKey"`
	Session     string          `json:"session"`
	Segments    bool            `json:"segmentationEnabled"`
	Filter      json.RawMessage `json:"marketFilter"`
	Data        json.RawMessage `json:"marketDataFilter"`
	HeartbeatMS int             `json:"heartbeatMs"`
	ConflateMS  int             `json:"conflateMs"`
	InitialClk  string          `json:"initialClk"`
	Clk         string          `json:"clk"`
}

// Start starts a server for the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{tb: tb, streams: map[*stream]bool{}, tokens: map[string]bool{Token: true},
		names: map[string]string{}, keys: keys(AppKey, false)}
	s.web = httptest.NewUnstartedServer(s.routes())
	s.web.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.web.Config.ErrorLog = log.New(io.Discard, "", 0) // clients give up connections all the time
	s.web.StartTLS()
	s.URL = s.web.URL
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: s.web.TLS.Certificates})
	if err != nil {
		tb.Fatal(err)
	}
	s.listener, s.Address = listener, listener.Addr().String()
	s.done.Go(s.accept)
	tb.Cleanup(s.close)
	return s
}

// ClientTLS trusts the server and nobody else.
func (s *Server) ClientTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8),
		RootCAs: s.web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
}

// ClientCertificate is one that the server takes for a client's.
func (s *Server) ClientCertificate() tls.Certificate { return s.web.TLS.Certificates[0] }

func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	_ = s.listener.Close()
	for c := range s.streams {
		_ = c.net.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
	s.web.Close()
}
