// Package betfair reads the prices of the Betfair Exchange: the Exchange Stream API, which is JSON
// in lines over TLS. A market is told with the best price that is available to back.
//
// A Source is one connection and one subscription. Run owns everything: the connection, the book of
// markets and the place to resume from, which outlive a connection that breaks. Two goroutines help
// it, one that keeps the session alive and one that asks for the names of events; both end with
// Run. The book, the keys of markets and settlements are pure.
//
// What is told is what Betfair says now. No price is told as open while Betfair says that its
// stream is unreliable (status 503), while messages are older than Config.LagLimit, or before an
// image is complete. A delayed application key is refused with ErrDelayed.
package betfair

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// The errors of Run that mean that a person has to do something. Others end by themselves.
var (
	// ErrDelayed means that the application key is a delayed one: its prices are minutes old.
	ErrDelayed = fmt.Errorf("betfair: prices are delayed: this application key is not a live one (%w)",
		goalcast.ErrPermanent)
	// ErrRefused means that Betfair does not accept the key, the session or the subscription.
	ErrRefused = fmt.Errorf("betfair: refused (%w)", goalcast.ErrPermanent)
)

// NoAPI is the value of Config.API that asks nobody.
const NoAPI = "none"

// Config says what is read with whose key. Zero fields take the defaults.
type Config struct {
	Address string      // of the stream
	TLS     *tls.Config // default: the system's authorities and the name in Address
	AppKey  string      // a live application key

	// Session gives a session token. It is called before each connection, and every SessionEvery
	// while there is one. FileSession and Certificate.Session are two.
	Session      func(context.Context) (string, error)
	SessionEvery time.Duration

	// API is asked whether the key is a delayed one, and for the names of events, which the stream
	// does not have. NoAPI asks nobody.
	API        string
	APITimeout time.Duration // of one request
	NamesEvery time.Duration // an event that has no names is asked for again after

	Filter  Filter
	Virtual bool // prices as the website shows them, with what other selections' offers imply; 150 ms later

	Heartbeat time.Duration // how often Betfair says something at least, 0.5 to 5 s
	Silence   time.Duration // a connection that says nothing for so long is given up
	Connect   time.Duration // for each of: dialing, TLS, greeting, authentication, a write
	ImageTime time.Duration // for an image, and for the segments of one message

	LagAlarm time.Duration // behind Betfair's time by so much is an alarm
	LagLimit time.Duration // behind by more than this no price is told as open
	// DelayedFrom tells a delayed key, or a clock that is wrong, from a slow network: messages that
	// stay older than this for ImageTime end the connection with ErrDelayed
	DelayedFrom time.Duration

	MaxLine      int           // bytes of a line; a longer one ends the connection
	MaxSegmented int           // bytes of a message in segments; more ends the connection
	MaxMarkets   int           // of Betfair; others are not taken
	MaxRunners   int           // of a market, with their handicaps; a market with more is not taken
	MaxKept      int           // bytes of the place to resume from
	KeepEvery    time.Duration // how often that is kept
	ClosedFor    time.Duration // a market that was closed is forgotten after
}

// WithDefaults returns the configuration with its defaults filled in.
func (c Config) WithDefaults() Config {
	c.Address = cmp.Or(c.Address, "stream-api.betfair.com:443")
	c.API = cmp.Or(c.API, "https://api.betfair.com")
	c.SessionEvery = cmp.Or(c.SessionEvery, 10*time.Minute)
	c.APITimeout = cmp.Or(c.APITimeout, 10*time.Second)
	c.NamesEvery = cmp.Or(c.NamesEvery, time.Minute)
	c.Heartbeat = cmp.Or(c.Heartbeat, time.Second)
	c.Silence = cmp.Or(c.Silence, 5*time.Second)
	c.Connect = cmp.Or(c.Connect, 10*time.Second)
	c.ImageTime = cmp.Or(c.ImageTime, time.Minute)
	c.LagAlarm = cmp.Or(c.LagAlarm, 2*time.Second)
	c.LagLimit = cmp.Or(c.LagLimit, 3*time.Second)
	c.DelayedFrom = cmp.Or(c.DelayedFrom, 30*time.Second)
	c.MaxLine = cmp.Or(c.MaxLine, 8<<20)
	c.MaxSegmented = cmp.Or(c.MaxSegmented, 64<<20)
	c.MaxMarkets = cmp.Or(c.MaxMarkets, 2000)
	c.MaxRunners = cmp.Or(c.MaxRunners, 500)
	c.MaxKept = cmp.Or(c.MaxKept, 256<<10)
	c.KeepEvery = cmp.Or(c.KeepEvery, 5*time.Second)
	c.ClosedFor = cmp.Or(c.ClosedFor, time.Hour)
	c.Filter = c.Filter.withDefaults()
	return c
}

// Filter says which markets are subscribed to; what is empty does not narrow. Betfair refuses a
// subscription with more markets than it allows the account, usually 200.
type Filter struct {
	EventTypes  []string `json:"eventTypeIds,omitempty"` // default: football, "1"
	MarketTypes []string `json:"marketTypes,omitempty"`  // default: DefaultMarketTypes
	Events      []string `json:"eventIds,omitempty"`     // Betfair's ids
	Markets     []string `json:"marketIds,omitempty"`    // Betfair's ids
	Countries   []string `json:"countryCodes,omitempty"` // ISO 3166-1
	InPlay      *bool    `json:"turnInPlayEnabled,omitempty"`
}

// DefaultMarketTypes are those that have a key in goalcast's words and whose selections are known
// by their ids or by their order.
var DefaultMarketTypes = []string{"MATCH_ODDS", "OVER_UNDER_05", "OVER_UNDER_15", "OVER_UNDER_25", "OVER_UNDER_35",
	"OVER_UNDER_45", "BOTH_TEAMS_TO_SCORE", "ASIAN_HANDICAP", "DRAW_NO_BET", "CORRECT_SCORE"}

func (f Filter) withDefaults() Filter {
	if len(f.EventTypes) == 0 {
		f.EventTypes = []string{"1"}
	}
	if len(f.MarketTypes) == 0 {
		f.MarketTypes = slices.Clone(DefaultMarketTypes)
	}
	return f
}

// Source is an odds.Source. What it remembers from one Run to the next is the book and its place.
type Source struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	api     *api

	book *book // used by Run only; nil before the first image
	live bool  // Betfair has said that the key is not a delayed one
}

// New prepares a source; it starts nothing. Several sources of a process each need a registerer
// that labels them.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) *Source {
	cfg = cfg.WithDefaults()
	s := &Source{cfg: cfg, log: log, metrics: newMetrics(reg)}
	if cfg.API != NoAPI {
		s.api = &api{base: cfg.API, appKey: cfg.AppKey, http: newHTTP(cfg.TLS, cfg.APITimeout)}
	}
	return s
}

// newHTTP makes a client with connections of its own, that takes no session to another host.
func newHTTP(config *tls.Config, timeout time.Duration) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if config != nil {
		transport.TLSClientConfig = config.Clone()
	}
	return &http.Client{
		Transport:     transport,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
