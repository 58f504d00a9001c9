package uof

import (
	"cmp"
	"crypto/tls"
	"strings"
	"time"
)

// Config says where the feed is and who we are. Zero fields take the defaults.
type Config struct {
	AMQP  string // amqp(s)://host:port without credentials
	API   string
	Token string // access token of the bookmaker; the user of the feed, and a header of each request
	TLS   *tls.Config

	// Producers are the ids of those whose odds are wanted; default 1 (live odds) and 3 (before the
	// match).
	Producers []int
	// Node is told with every recovery, so that its messages reach no other system of the same
	// bookmaker; 0 is none.
	Node     int
	Language string // of the names of teams

	// AliveLimit is for how long a producer may not be heard. The default of 19 s ends before the
	// source's time to live of 20 s does, so that whatever is shut for silence is recovered too.
	AliveLimit   time.Duration
	Silence      time.Duration // a connection on which nothing comes for so long is given up
	DialTime     time.Duration // from the first packet to the subscription
	WriteTime    time.Duration // of one write to the feed's server
	CallTime     time.Duration // of one request to the API, to the last byte
	RecoveryTime time.Duration // a recovery that is not complete by then is asked for again
	// CompleteWait is how long a producer with several scopes may be quiet between the
	// snapshot_completes that it sends for one recovery; then one is enough
	CompleteWait time.Duration
	AskEvery     time.Duration // between two recoveries of a producer, at least
	RetryFirst   time.Duration // pause after a failed call; doubles
	RetryLast    time.Duration // the longest pause
	Tick         time.Duration // how often times are looked at

	MaxMessage    int // bytes of a message of the feed
	MaxAnswer     int // bytes of an answer of the API
	MaxEvents     int // matches
	MaxMarkets    int // of a match
	MaxSelections int // of a market
	Prefetch      int // messages that the server sends ahead
}

// WithDefaults fills in what is zero.
func (c Config) WithDefaults() Config {
	c.AMQP = cmp.Or(strings.TrimRight(c.AMQP, "/"), "amqps://mq.betradar.com:5671")
	c.API = cmp.Or(strings.TrimRight(c.API, "/"), "https://api.betradar.com/v1")
	if len(c.Producers) == 0 {
		c.Producers = []int{1, 3}
	}
	c.Language = cmp.Or(c.Language, "en")
	c.AliveLimit = cmp.Or(c.AliveLimit, 19*time.Second)
	c.Silence = cmp.Or(c.Silence, 30*time.Second)
	c.DialTime = cmp.Or(c.DialTime, 10*time.Second)
	c.WriteTime = cmp.Or(c.WriteTime, 5*time.Second)
	c.CallTime = cmp.Or(c.CallTime, 15*time.Second)
	c.RecoveryTime = cmp.Or(c.RecoveryTime, 15*time.Minute)
	c.CompleteWait = cmp.Or(c.CompleteWait, 30*time.Second)
	c.AskEvery = cmp.Or(c.AskEvery, 30*time.Second)
	c.RetryFirst = cmp.Or(c.RetryFirst, 5*time.Second)
	c.RetryLast = cmp.Or(c.RetryLast, 5*time.Minute)
	c.Tick = cmp.Or(c.Tick, 500*time.Millisecond)
	c.MaxMessage = cmp.Or(c.MaxMessage, 8<<20)
	c.MaxAnswer = cmp.Or(c.MaxAnswer, 32<<20)
	c.MaxEvents = cmp.Or(c.MaxEvents, 10_000)
	c.MaxMarkets = cmp.Or(c.MaxMarkets, 5_000)
	c.MaxSelections = cmp.Or(c.MaxSelections, 500)
	c.Prefetch = cmp.Or(c.Prefetch, 2_000)
	return c
}
