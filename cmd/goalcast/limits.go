package main

import (
	"net/http"
	"time"

	"goalcast/internal/clientip"
	"goalcast/internal/ratelimit"
	"goalcast/store/bus"
)

// limitConfig says what limits per user and address are, and how many processes share them.
type limitConfig struct {
	Instances     int `env:"GOALCAST_INSTANCES" range:"1.." default:"2" placeholder:"N" help:"How many goalcast processes take requests: they share limits per user and address through Redis, and each keeps to its part while that is away. Too low lets more through, too high less."`
	HandshakeRate int `name:"handshake-rate-per-ip" env:"GOALCAST_HANDSHAKE_RATE_PER_IP" range:"0.." default:"0" placeholder:"PER-MINUTE" help:"New viewers and polls per minute of one address (IPv6: one /64), of all processes together; more are answered 503 with Retry-After. 0 is no limit: mobile carriers put thousands behind one."`
	ReadRate      int `name:"read-rate-per-ip" env:"GOALCAST_READ_RATE_PER_IP" range:"0.." default:"120000" placeholder:"PER-MINUTE" help:"Matches and parts of one that one address (IPv6: one /64) may ask for per minute, of all processes together; half as many lists, a twentieth as many searches, a two-hundredth as many matches as they stood. More are answered 429 with Retry-After. 0 is no limit: for where all come from one address, as in a benchmark."`
}

// limiterKeys is how many users and addresses a process remembers, in each of two generations:
// 10 MB.
const limiterKeys = 100_000

// feedGuesses limits the wrong secrets that one address may show to /feeds.
var feedGuesses = ratelimit.Rate{PerMinute: 60, Burst: 60}

// makeLimiter makes what counts users and addresses: with other processes, unless there are none.
func (n *node) makeLimiter() {
	if n.cfg.RedisURL == "embedded" {
		n.limiter = nil
		return
	}
	n.limiter = bus.NewLimiter(n.redis, bus.LimiterOptions{Prefix: n.cfg.RedisPrefix,
		Instances: n.cfg.Limits.Instances, Keys: limiterKeys}, n.log, n.reg)
}

// guesses counts wrong secrets by address, and says how long one has to wait that showed too many.
func (n *node) guesses(class string) func(*http.Request) time.Duration {
	address, limiter := clientip.New(n.cfg.Proxies), n.limiter
	if limiter == nil {
		limiter = ratelimit.NewBuckets[string](limiterKeys, time.Now, func() {})
	}
	return func(r *http.Request) time.Duration {
		turn, err := limiter.Take(r.Context(), "guess:"+class+":"+clientip.Counted(address(r)).String(), feedGuesses)
		if err != nil {
			return 0
		}
		return turn.Wait
	}
}

// handshakes is the limit of one address.
func (c limitConfig) handshakes() ratelimit.Rate {
	return ratelimit.Rate{PerMinute: c.HandshakeRate, Burst: max(1, c.HandshakeRate)}
}
