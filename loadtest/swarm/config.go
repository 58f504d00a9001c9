package swarm

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The protocols and transports.
const (
	Goalcast = "goalcast"
	Plain    = "plain"

	WebSocket = "websocket"
	SSE       = "sse"
)

// Config says who the viewers are. Zero fields take the default.
type Config struct {
	// URLs of the servers, "http://127.0.0.1:8080"; viewers are dealt out to them in turn. A path
	// is taken as it is, without one it is /v1/live. "{n}" is the viewer's first number.
	URLs      []string
	Protocol  string            // Goalcast (default) or Plain
	Transport string            // WebSocket (default) or SSE
	Header    map[string]string // more headers of each request: Authorization
	// WebSocket: offer permessage-deflate, as browsers do: messages may refer to those before
	Deflate   bool
	NoContext bool // and ask that they do not

	Conns     int // viewers
	PerWorker int // viewers of one process: it may open 20,000 files

	// Topics is what each of a viewer's numbers follows: "match:{n},odds:{n}"; Also what all follow
	// besides. Numbers are First to First+Numbers-1 (1 and 1), PerConn (1) of them for each viewer:
	// in turn, or if Zipf > 1 drawn by Zipf's law with that exponent, or if Random drawn evenly.
	Topics         string
	Also           string
	First, Numbers int
	PerConn        int
	Zipf           float64
	Random         bool
	Seed           uint64

	Rate    float64       // viewers that connect per second, all workers together; 0: as fast as they can
	Dialing int           // of them under way in one worker; since listeners have short queues
	Timeout time.Duration // from dialing to joined; over it the viewer tries again
	Retry   time.Duration // before a viewer that failed tries again, give or take a half
	// Reconnect brings back, with its cursor, who was cut by the server, after the delay that its
	// goodbye tells. Else it stays away.
	Reconnect bool

	Slow float64 // share of viewers that never read once they have joined, until Revive
	// FromPost has the latency of events without marks count from their document's last byte, and
	// not from when they were given to the bus. Changes of fixtures then have none: they come in
	// lists, and the last match of fifty waits for those before it.
	FromPost bool
	// FromOne says that all streams begin after the viewers have joined: a first number
	// above 1 counts as missed.
	FromOne bool
}

func (c Config) withDefaults() Config {
	c.Protocol = cmp.Or(c.Protocol, Goalcast)
	c.Transport = cmp.Or(c.Transport, WebSocket)
	c.PerWorker = cmp.Or(c.PerWorker, 19_000)
	c.First = cmp.Or(c.First, 1)
	c.Numbers = cmp.Or(c.Numbers, 1)
	c.PerConn = cmp.Or(c.PerConn, 1)
	c.Dialing = cmp.Or(c.Dialing, 250)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.Retry = cmp.Or(c.Retry, 500*time.Millisecond)
	return c
}

func (c Config) check() error {
	switch {
	case len(c.URLs) == 0:
		return errors.New("no URL")
	case c.Conns < 1:
		return errors.New("no viewers: Conns is 0")
	case c.Protocol != Goalcast && c.Protocol != Plain:
		return fmt.Errorf("protocol %q: want %s or %s", c.Protocol, Goalcast, Plain)
	case c.Transport != WebSocket && c.Transport != SSE:
		return fmt.Errorf("transport %q: want %s or %s", c.Transport, WebSocket, SSE)
	case c.Protocol == Goalcast && c.Topics == "" && c.Also == "":
		return errors.New("no topics")
	case c.PerConn > c.Numbers:
		return fmt.Errorf("%d numbers for each viewer of %d", c.PerConn, c.Numbers)
	case c.Zipf != 0 && c.Zipf <= 1:
		return errors.New("the exponent of Zipf's law has to be over 1")
	case c.Slow < 0 || c.Slow > 1:
		return errors.New("slow viewers are a share, 0 to 1")
	}
	_, err := c.targets()
	return err
}

// workers is over how many processes the viewers are spread.
func (c Config) workers() int { return (c.Conns + c.PerWorker - 1) / c.PerWorker }

// share is how many viewers a worker has, and the number of its first.
func (c Config) share(worker int) (first, count int) {
	n := c.workers()
	first = c.Conns * worker / n
	return first, c.Conns*(worker+1)/n - first
}

// numbers draws those of a viewer; always the same ones for the same seed.
func (c Config) numbers(viewer int) []int64 {
	list := make([]int64, 0, c.PerConn)
	rng := rand.New(rand.NewPCG(c.Seed, uint64(viewer)))
	var zipf *rand.Zipf
	if c.Zipf > 1 {
		zipf = rand.NewZipf(rng, c.Zipf, 1, uint64(c.Numbers-1))
	}
	for i := 0; len(list) < c.PerConn; i++ {
		n := int64((viewer*c.PerConn + i) % c.Numbers)
		switch {
		case zipf != nil:
			n = int64(zipf.Uint64())
		case c.Random:
			n = rng.Int64N(int64(c.Numbers))
		}
		if n += int64(c.First); !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// slow says whether a viewer never reads: of every hundred at 0.01 it is the first, so that it is
// known what they follow.
func (c Config) slow(viewer int) bool {
	return c.Slow > 0 && viewer%int(math.Round(1/c.Slow)) == 0
}

// topics lists what a viewer with these numbers follows.
func (c Config) topics(numbers []int64) []string {
	var list []string
	for _, text := range append(slices.Repeat([]string{c.Topics}, len(numbers)), c.Also) {
		i := len(list)
		list = append(list, strings.FieldsFunc(text, func(r rune) bool { return r == ',' })...)
		for ; i < len(list) && len(numbers) > 0; i++ {
			list[i] = strings.ReplaceAll(list[i], "{n}", strconv.FormatInt(numbers[0], 10))
		}
		if len(numbers) > 0 && text == c.Topics {
			numbers = numbers[1:]
		}
	}
	return list
}

// target is a server.
type target struct {
	ip   net.IP // IPv4
	port int
	host string
	path string // with query and "{n}"
}

func (c Config) targets() ([]target, error) {
	var list []target
	for _, text := range c.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%q is no URL", text)
		}
		if u.Scheme != "http" && u.Scheme != "ws" {
			return nil, fmt.Errorf("%q: want http:// or ws://; encryption is measured apart", text)
		}
		addr, err := net.ResolveTCPAddr("tcp4", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		path, _ := url.PathUnescape(u.RequestURI())
		if c.Protocol == Goalcast && (u.Path == "" || u.Path == "/") {
			path = "/v1/live"
		}
		list = append(list, target{ip: addr.IP.To4(), port: addr.Port, host: u.Host, path: path})
	}
	return list, nil
}

// request is the text of a viewer's handshake; since is its cursor, if it has one.
func (c Config) request(t target, numbers []int64, since string) []byte {
	path := t.path
	if len(numbers) > 0 {
		path = strings.ReplaceAll(path, "{n}", strconv.FormatInt(numbers[0], 10))
	}
	if c.Protocol == Goalcast {
		path += "?topics=" + strings.Join(c.topics(numbers), ",")
		if since != "" && c.Transport == WebSocket {
			path += "&since=" + since
		}
	}
	b := make([]byte, 0, 256)
	b = fmt.Appendf(b, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, t.host)
	if c.Transport == SSE {
		b = append(b, "Accept: text/event-stream\r\n"...)
		if since != "" {
			b = fmt.Appendf(b, "Last-Event-ID: %s\r\n", since)
		}
	} else {
		b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+
			"c3dhcm0gb2Ygdmlld2Vycw==\r\n"...)
		if c.Deflate {
			offer := "permessage-deflate; client_max_window_bits"
			if c.NoContext {
				offer += "; server_no_context_takeover"
			}
			b = fmt.Appendf(b, "Sec-WebSocket-Extensions: %s\r\n", offer)
		}
	}
	for name, value := range c.Header {
		b = fmt.Appendf(b, "%s: %s\r\n", name, value)
	}
	return append(b, "\r\n"...)
}
