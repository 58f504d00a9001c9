// Package brightcove brings videos to Brightcove Video Cloud: it makes a video, has a master file
// fetched from a URL (dynamic ingest), asks what became of it, and takes the notifications that
// Brightcove posts meanwhile. Package wsc calls it for clips; cmd/goalcast serves Callbacks.
//
// Client speaks with three services, OAuth, CMS and Dynamic Ingest, each with an address of its
// own so that tests can put brightcovetest in their place. What it learns is only ever an id:
// the addresses of the video's sources carry tokens that expire, so a viewer's player resolves
// the id when it is watched.
//
// One token serves all callers; it is renewed before it ends, by one of them while the others go on
// with the old one or wait. When Brightcove says that there were too many requests, all calls of
// this process wait: until then they return an *Error with Wait set, without a request.
package brightcove

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says whose account it is and where the services are. Zero fields take the defaults.
type Config struct {
	Account      string // the account's number; without it there is no upload
	ClientID     string // client credentials with video-cloud/video/{create,read,update} and the right to ingest
	ClientSecret string
	Profile      string // ingest profile; empty is the account's default

	// CallbackURL is where this goalcast's /callbacks/brightcove can be reached from outside:
	// "https://feeds.example.org". Empty: no callbacks, jobs are polled.
	CallbackURL string
	// CallbackSecret makes callback URLs that nobody can guess. The same in all processes;
	// needed with CallbackURL.
	CallbackSecret string

	OAuthURL  string
	CMSURL    string
	IngestURL string

	Timeout    time.Duration // of one request
	RenewEarly time.Duration // before its end a token is renewed; at most half of the token's life
	MaxAnswer  int64         // bytes of an answer that are read
	Pause      time.Duration // after 429 without Retry-After, doubled with each further one up to a minute
}

func (c Config) WithDefaults() Config {
	orText := func(v *string, d string) {
		if *v = strings.TrimRight(*v, "/"); *v == "" {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orText(&c.OAuthURL, "https://oauth.brightcove.com")
	orText(&c.CMSURL, "https://cms.api.brightcove.com")
	orText(&c.IngestURL, "https://ingest.api.brightcove.com")
	orText(&c.CallbackURL, "")
	orTime(&c.Timeout, 15*time.Second)
	orTime(&c.RenewEarly, time.Minute)
	orTime(&c.Pause, 2*time.Second)
	if c.MaxAnswer <= 0 {
		c.MaxAnswer = 1 << 20
	}
	return c
}

// Source begins the sources of readings that tell where a clip plays, each of one clip.
const Source = "brightcove:"

// Client calls Brightcove. Its methods may be called by many goroutines; each makes one request,
// two where the token turned out to be bad.
type Client struct {
	cfg     Config
	http    *http.Client
	log     *slog.Logger
	metrics *metrics
	token   tokens

	mu     sync.Mutex // guards the rest
	until  time.Time  // no request before: Brightcove said 429
	limits int        // times 429 in a row
}

// New prepares a client; it starts nothing and asks nobody.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) *Client {
	cfg = cfg.WithDefaults()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	c := &Client{cfg: cfg, log: log, metrics: newMetrics(reg), http: &http.Client{
		Transport: transport,
		Timeout:   cfg.Timeout,
		// A token must not travel to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	c.token.renew = c.fetchToken
	c.token.early = cfg.RenewEarly
	return c
}

// Account is the number of the account that videos are in: a player needs it to find one.
func (c *Client) Account() string { return c.cfg.Account }

// Close waits for the renewal of a token that may be under way, at most the time-out of a request,
// and lets go of idle connections. Nothing may be called after it.
func (c *Client) Close() {
	c.token.running.Wait()
	c.http.CloseIdleConnections()
}
