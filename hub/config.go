package hub

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"time"

	"goalcast"
	"goalcast/hub/shard"
	"goalcast/internal/ratelimit"
	"goalcast/internal/tracing"
)

// Config holds the hub's limits. The zero value is the default of every field; where 0 means "no
// limit" it says so.
type Config struct {
	Shards int // goroutines that own connections; default GOMAXPROCS
	// give each connection a goroutine instead of taking its descriptor: what is done anyway for
	// TLS, HTTP/2 and other systems
	Portable bool

	// Origins are the patterns (path.Match) of web pages that may connect: "example.com",
	// "*.example.com", "https://example.com", an app's "capacitor://localhost", and "null" for
	// pages from files and sandboxes. Empty: any page may, since nothing here depends on cookies.
	Origins []string
	// Identity says who viewers are; nil: nobody is known, and tokens are not looked at.
	Identity Identity
	// Revoked says whose tickets were revoked in the last minutes, with whatever tells a user's
	// last revocation from the one before. Streams by those tickets end. nil: none ever is.
	Revoked     func(context.Context) (map[goalcast.UserID]int64, error)
	RevokedLook time.Duration // how often that is asked, while anybody is here by a ticket
	// Trace notes when events were written to viewers; nil: nobody does.
	Trace *tracing.Tracer
	// Seen notes which phones have shown which events, so that they get no push of them; it may be
	// told the same again. nil: nobody wants to know, and viewers are not asked.
	Seen   func(context.Context, []goalcast.Seen) error
	NoOdds bool // topics of prices need goalcast.RightOdds
	// ClientIP names the address a connection counts for; nil: the peer's. Set it behind a proxy.
	ClientIP func(*http.Request) string

	Ring      int // events kept for those who come back
	RingBytes int // and bytes
	// events that one of them is sent at most; who missed more gets a reset and
	// snapshots, which are shorter
	MaxReplay int

	// bytes of events that may wait for one connection that takes nothing; over it: close 4008
	MaxPending   int
	MaxTopics    int     // topics per connection
	MessageRate  float64 // frames per second from one client; over it: close 1008
	MessageBurst int     // at once; at most 600
	// bytes of one message from a client, by MaxTopics, at most 1 MB; over it: close 1009
	MaxMessage int
	MaxConns   int // connections of this process; 0: no limit; over it: 503
	// connections per address; 0: no limit (mobile carriers put thousands behind one); over it: 503
	MaxConnsPerIP int
	HandshakeRate float64 // new connections and polls per second; 0: no limit; over it: 503 with Retry-After
	HandshakeMax  int     // of these, at once
	// AddressRate limits new connections and polls of one address, of all processes together; 0: no
	// limit (mobile carriers put thousands behind one); over it: 503 with Retry-After.
	AddressRate ratelimit.Rate
	// GuessRate limits the wrong tokens and tickets from one address; over it: 503 with
	// Retry-After.
	GuessRate ratelimit.Rate
	Limiter   ratelimit.Limiter // counts them; nil: in this process
	// how long a viewer waits for a match to be read from the database; over it: 503
	JoinTimeout time.Duration
	MaxWait     time.Duration // longest long poll; below the 60 s at which many proxies give up

	// Replay reads what was told of a match, at most so many revisions, in that order. nil: nothing
	// is played again.
	Replay     func(ctx context.Context, match goalcast.MatchID, limit int) ([]goalcast.Revision, error)
	MaxReplays int // replays of matches at one time; over it: 503

	PingInterval  time.Duration // something is sent to each connection at least this often
	MaxUnanswered int           // WebSocket pings without any answer before a peer is taken for dead
	WriteTimeout  time.Duration // how long a socket may take nothing; over it: cut
	// SO_SNDBUF in bytes, which bounds the kernel's memory for a slow viewer; 0: the kernel decides
	SendBuffer int

	// decline permessage-deflate; it is accepted otherwise, since it costs little CPU and no
	// memory per connection
	NoDeflate  bool
	DeflateMin int // bytes of a frame from which on it is compressed: of few, little can be saved

	StateInterval time.Duration // a topic's new states are sent at most this often
	// part of a shard's time that goes into states at most, 0 to 1; flushes are
	// further apart if they would take more
	StateShare   float64
	MaxStates    int           // keys of one topic; more are dropped
	FollowLinger time.Duration // how long the states of a topic without viewers are still listened to

	DrainTime   time.Duration // over which Drain spreads its goodbyes if its context has no deadline
	RetrySpread time.Duration // how far the retry delays of goodbyes are spread
}

func (c Config) WithDefaults() Config {
	c.Shards = cmp.Or(max(c.Shards, 0), runtime.GOMAXPROCS(0))
	c.Ring = cmp.Or(max(c.Ring, 0), 20_000)
	c.RingBytes = cmp.Or(max(c.RingBytes, 0), 64<<20)
	c.MaxReplay = cmp.Or(max(c.MaxReplay, 0), 5000)
	c.MaxPending = cmp.Or(max(c.MaxPending, 0), 256<<10)
	c.MaxTopics = cmp.Or(max(c.MaxTopics, 0), 100)
	c.MessageRate = cmp.Or(max(c.MessageRate, 0), 20)
	c.MessageBurst = min(cmp.Or(max(c.MessageBurst, 0), max(1, int(2*c.MessageRate))), 600)
	least := 4 << 10
	if c.Identity != nil {
		least = 12 << 10 // tokens are up to 8 KiB
	}
	c.MaxMessage = min(cmp.Or(max(c.MaxMessage, 0), max(40*c.MaxTopics, least)), 1<<20)
	c.HandshakeMax = cmp.Or(max(c.HandshakeMax, 0), int(c.HandshakeRate)+1)
	c.GuessRate = c.GuessRate.Or(ratelimit.Rate{PerMinute: 600, Burst: 300})
	if c.Limiter == nil {
		c.Limiter = ratelimit.NewBuckets[string](100_000, time.Now, func() {})
	}
	c.RevokedLook = cmp.Or(max(c.RevokedLook, 0), revokedLook)
	c.JoinTimeout = cmp.Or(max(c.JoinTimeout, 0), 5*time.Second)
	c.MaxWait = cmp.Or(max(c.MaxWait, 0), 55*time.Second)
	c.MaxReplays = cmp.Or(max(c.MaxReplays, 0), 64)
	c.PingInterval = cmp.Or(max(c.PingInterval, 0), 25*time.Second)
	c.MaxUnanswered = min(cmp.Or(max(c.MaxUnanswered, 0), 3), 200)
	c.WriteTimeout = cmp.Or(max(c.WriteTimeout, 0), 10*time.Second)
	c.DeflateMin = cmp.Or(max(c.DeflateMin, 0), 128)
	c.StateInterval = cmp.Or(max(c.StateInterval, 0), 100*time.Millisecond)
	if c.StateShare <= 0 || c.StateShare > 1 {
		c.StateShare = 0.33
	}
	c.MaxStates = cmp.Or(max(c.MaxStates, 0), 2000)
	c.FollowLinger = cmp.Or(max(c.FollowLinger, 0), 5*time.Second)
	c.DrainTime = cmp.Or(max(c.DrainTime, 0), 15*time.Second)
	c.RetrySpread = cmp.Or(max(c.RetrySpread, 0), 10*time.Second)
	return c
}

// shard is what shards are told.
func (c Config) shard() shard.Config {
	return shard.Config{
		Shards: c.Shards, MaxPending: c.MaxPending, MaxTopics: c.MaxTopics,
		MessageRate: c.MessageRate, MessageBurst: c.MessageBurst, MaxMessage: c.MaxMessage,
		PingInterval: c.PingInterval, MaxUnanswered: c.MaxUnanswered, WriteTimeout: c.WriteTimeout,
		SendBuffer: c.SendBuffer, StateInterval: c.StateInterval, StateShare: c.StateShare, RetrySpread: c.RetrySpread,
	}
}
