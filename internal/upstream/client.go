package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"

	"goalcast/internal/dial"
)

// Config says how requests go out to addresses that others name: a phone's app, a partner. Zero
// fields take the default of net/http.
type Config struct {
	// Endpoint is the address of a server that gets all requests instead, whatever host they are
	// for: for tests.
	Endpoint string
	Resolver *net.Resolver  // finds the addresses of hosts; nil: the system's
	RootCAs  *x509.CertPool // that certificates are checked by; nil: the system's
	Connect  time.Duration  // how long a connection may take
	PerHost  int            // idle connections that are kept to a host; twice as many in all
	Header   int64          // bytes of an answer's header; more is an error
}

// NewClient makes a client that connects to public addresses only, and follows no redirect. done
// closes its idle connections. Where the environment names a proxy, it is the proxy that finds the
// address, and that has to keep our network closed.
func NewClient(cfg Config) (client *http.Client, done func()) {
	transport, done := newTransport(cfg)
	return &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, done
}

func newTransport(cfg Config) (next http.RoundTripper, done func()) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost, base.MaxIdleConns = cfg.PerHost, 2*cfg.PerHost
	base.MaxResponseHeaderBytes = cfg.Header
	if cfg.RootCAs != nil {
		base.TLSClientConfig = &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	}
	if cfg.Endpoint != "" {
		return detour{cfg.Endpoint, base}, base.CloseIdleConnections
	}
	direct := base.Clone()
	direct.Proxy = nil
	dialer := dial.Public()
	dialer.Timeout, dialer.Resolver = cfg.Connect, cfg.Resolver
	direct.DialContext = dialer.DialContext
	return fork{direct: direct, proxied: base}, func() {
		direct.CloseIdleConnections()
		base.CloseIdleConnections()
	}
}

// fork sends a request through the environment's proxy if there is one for it, else itself.
type fork struct{ direct, proxied *http.Transport }

func (f fork) RoundTrip(req *http.Request) (*http.Response, error) {
	if proxy, err := f.proxied.Proxy(req); err != nil || proxy != nil {
		return f.proxied.RoundTrip(req)
	}
	return f.direct.RoundTrip(req)
}

// detour sends all requests to one server, which sees by their Host where they would have gone.
type detour struct {
	to   string
	next http.RoundTripper
}

func (d detour) RoundTrip(req *http.Request) (*http.Response, error) {
	to, err := url.Parse(d.to)
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.Host, out.URL.Scheme, out.URL.Host = req.URL.Host, to.Scheme, to.Host
	return d.next.RoundTrip(out)
}
