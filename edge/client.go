package edge

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
	"goalcast/internal/upstream"
)

// ClientConfig says where a Client's upstream is; zero fields are the defaults.
type ClientConfig struct {
	URL     string // of the upstream's public address, without a path
	Secret  string
	History int            // events of the past that it wants at the start; 20,000
	RootCAs *x509.CertPool // that its certificate is checked by; nil: the system's

	Beat       time.Duration // how often it says that it is alive; 1 s
	StaleAfter time.Duration // silence after which the listener is told and the connection is replaced; 2.8 s
	LastPause  time.Duration // longest one between attempts to connect; 5 s
}

func (c ClientConfig) withDefaults() ClientConfig {
	c.URL = strings.TrimSuffix(c.URL, "/")
	c.History = cmp.Or(max(c.History, 0), 20_000)
	c.Beat = cmp.Or(max(c.Beat, 0), time.Second)
	c.StaleAfter = cmp.Or(max(c.StaleAfter, 0), 2800*time.Millisecond) // viewers are promised to know within 3 s
	c.LastPause = cmp.Or(max(c.LastPause, 0), 5*time.Second)
	return c
}

// firstPause is the longest pause before the first attempt to connect again. It doubles with each
// that fails.
const firstPause = 100 * time.Millisecond

// connectTime is for one attempt to connect.
const connectTime = 10 * time.Second

// maxMessage is how many bytes a message of the upstream has at most: all states of a topic, or an
// event and its batch.
const maxMessage = 32 << 20

// Client is the bus of a hub that has another hub for its bus, and its source of matches.
type Client struct {
	cfg     ClientConfig
	log     *slog.Logger
	metrics *clientMetrics
	http    *http.Client

	turn     sync.Mutex // at the listener; guards these
	listener goalcast.Listener
	seen     goalcast.Cursor // the last event delivered
	lastSign time.Time       // when the upstream was last known to be alive and to hear its bus
	stale    bool            // until the listener was told that it is live, and again after a silence
	reported bool            // the listener knows of the silence; at first it does not

	mu       sync.Mutex // guards the rest
	followed map[goalcast.Topic]*followed
	commands [][]byte      // for the connection
	wake     chan struct{} // of the connection; nil while there is none
}

// followed is a topic that somebody follows here.
type followed struct {
	count   int
	waiters []chan []goalcast.State // closed without a value when the connection is gone
}

// NewClient makes a client; it connects when it listens.
func NewClient(cfg ClientConfig, log *slog.Logger, reg prometheus.Registerer) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8 // as many as a board asks at one time
	if cfg.RootCAs != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12}
	}
	return &Client{cfg: cfg.withDefaults(), log: log, metrics: newClientMetrics(reg),
		followed: map[goalcast.Topic]*followed{}, stale: true,
		http: &http.Client{Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Close frees its idle connections, after Listen has returned.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Listen delivers what the upstream hears of its bus to the listener until ctx ends, and returns
// ctx's error. It keeps what goalcast.Listener promises: the upstream may go and come back, or be
// another of its hubs, and nothing is missed or told twice. One Listen at a time.
func (c *Client) Listen(ctx context.Context, l goalcast.Listener) error {
	c.turn.Lock()
	c.listener, c.lastSign = l, time.Now()
	c.turn.Unlock()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.again(ctx) })
	g.Go(func() error { return c.watch(ctx) })
	return g.Wait()
}

// again connects over and over until ctx ends, with growing pauses while that gets nowhere. Pauses
// are taken at random, since the upstream's other edges come back at the same time.
func (c *Client) again(ctx context.Context) error {
	longest := firstPause
	for {
		begin := time.Now()
		up, wait, err := c.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if up && time.Since(begin) > c.cfg.LastPause {
			longest = firstPause
		}
		if up {
			c.log.Warn("connection lost", "to", "upstream", "error", err)
		} else if longest == firstPause {
			c.log.Warn("no connection", "to", "upstream", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait + rand.N(longest)):
		}
		longest = min(2*longest, c.cfg.LastPause)
	}
}

// watch tells the listener when the upstream has been silent for too long.
func (c *Client) watch(ctx context.Context) error {
	t := time.NewTicker(c.cfg.StaleAfter / 20)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		c.turn.Lock()
		if silence := time.Since(c.lastSign); silence >= c.cfg.StaleAfter {
			c.silentLocked()
		}
		c.turn.Unlock()
	}
}

func (c *Client) silentLocked() {
	if c.reported {
		return
	}
	c.stale, c.reported = true, true
	c.log.Warn("the upstream is silent")
	c.metrics.stale.Set(1)
	c.listener.Stale(true)
}

// errSecret is what an upstream answers that does not know the secret.
var errSecret = errors.New("the upstream does not know the secret (GOALCAST_UPSTREAM_SECRET)")

// dial connects. wait is how long the upstream asks not to come again.
func (c *Client) dial(ctx context.Context) (conn *websocket.Conn, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	c.turn.Lock()
	after := c.seen
	c.turn.Unlock()
	query := url.Values{"after": {after.String()}, "history": {strconv.Itoa(c.cfg.History)}}
	conn, answer, err := websocket.Dial(ctx, c.cfg.URL+Path+"bus?"+query.Encode(), &websocket.DialOptions{
		HTTPClient: c.http, HTTPHeader: c.header()})
	result := connected
	if err != nil {
		result = connectError
		if answer != nil {
			wait = upstream.RetryAfter(answer.Header.Get("Retry-After"), time.Now(), c.cfg.LastPause)
			switch answer.StatusCode {
			case http.StatusUnauthorized, http.StatusTooManyRequests:
				result, err = connectRefused, errSecret
			case http.StatusServiceUnavailable:
				result, err = connectNotReady, errors.New("the upstream is not ready, or has too many edges")
			case http.StatusNotFound:
				err = errors.New("the upstream has no edges: it is no hub, or GOALCAST_EDGE_SECRETS is not set there")
			}
		}
		err = upstream.WithoutURL(err)
	}
	c.metrics.connects.WithLabelValues(result).Inc()
	return conn, wait, err
}

func (c *Client) header() http.Header {
	return http.Header{"Authorization": {"Bearer " + c.cfg.Secret}}
}

// session connects and delivers until something breaks. up says that the stream went on.
func (c *Client) session(ctx context.Context) (up bool, wait time.Duration, err error) {
	conn, wait, err := c.dial(ctx)
	if err != nil {
		return false, wait, err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxMessage)
	c.metrics.connected.Set(1)
	defer c.metrics.connected.Set(0)
	wake := c.attach()
	defer c.detach()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.write(ctx, conn, wake) })
	g.Go(func() error {
		for {
			limited, cancel := context.WithTimeout(ctx, c.cfg.StaleAfter)
			_, text, err := conn.Read(limited)
			cancel()
			if err != nil {
				return fmt.Errorf("read: %w", err)
			}
			for line := range bytes.SplitSeq(text, []byte("\n")) {
				if err := c.take(line); err != nil {
					return err
				}
			}
			up = true
		}
	})
	err = g.Wait()
	return up, 0, err
}

// attach has commands sent over the new connection: all that is followed is asked for again.
func (c *Client) attach() (wake chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commands, c.wake = nil, make(chan struct{}, 1)
	for t := range c.followed {
		c.commandLocked("+" + t.String())
	}
	return c.wake
}

func (c *Client) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commands, c.wake = nil, nil
	for _, f := range c.followed {
		for _, waiter := range f.waiters {
			close(waiter)
		}
		f.waiters = nil
	}
}

func (c *Client) commandLocked(text string) {
	if c.wake == nil {
		return // attach asks for what is followed then
	}
	c.commands = append(c.commands, []byte(text))
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// commandsAtOnce are sent in one message.
const commandsAtOnce = 1000

// write sends commands, and something at least once per beat.
func (c *Client) write(ctx context.Context, conn *websocket.Conn, wake <-chan struct{}) error {
	beat := time.NewTicker(c.cfg.Beat)
	defer beat.Stop()
	for {
		c.mu.Lock()
		n := min(len(c.commands), commandsAtOnce)
		text := bytes.Join(c.commands[:n], []byte("\n"))
		c.commands = c.commands[n:]
		c.mu.Unlock()
		if n == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-wake:
				continue
			case <-beat.C:
				text = []byte("b")
			}
		}
		if err := conn.Write(ctx, websocket.MessageText, text); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

// take does what a line of the upstream says. An error ends the connection.
func (c *Client) take(line []byte) error {
	kind, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(kind) {
	case "r", "b", "e", "n":
		place, body, _ := bytes.Cut(rest, []byte(" "))
		at, err := goalcast.ParseCursor(string(place))
		if err != nil {
			return err
		}
		return c.advance(kind[0], at, body)
	case "l":
		c.live()
	case "q":
		c.turn.Lock()
		defer c.turn.Unlock()
		c.silentLocked()
	case "v":
		var st goalcast.State
		if err := json.Unmarshal(rest, &st); err != nil {
			return fmt.Errorf("state: %w", err)
		}
		if c.follows(st.Topic) {
			c.turn.Lock()
			defer c.turn.Unlock()
			c.lastSign = time.Now()
			c.listener.State(st)
		}
	case "a":
		return c.answer(rest)
	}
	return nil // what a later version says besides
}

// advance goes on in the stream.
func (c *Client) advance(kind byte, at goalcast.Cursor, body []byte) error {
	c.turn.Lock()
	defer c.turn.Unlock()
	switch {
	case kind == 'r':
		c.log.Info("stream begins", "after", at.String(), "before", c.seen.String())
		c.seen, c.stale = at, true
		c.metrics.resets.Inc()
		c.listener.Reset(at)
	case kind == 'b' && at == c.seen:
	case kind != 'b' && at.Epoch == c.seen.Epoch && at.Offset == c.seen.Offset+1:
		c.seen = at
		p := goalcast.Published{Cursor: at}
		if kind == 'e' {
			p.Raw = body
			if err := json.Unmarshal(body, &p.Event); err != nil { // as of a later version: no viewer gets it
				c.log.Error("unreadable event of the upstream", "cursor", at.String(), "error", err)
				p.Event = goalcast.Event{}
			}
		}
		c.metrics.events.Inc()
		if ms := p.Event.Times.Published; ms > 0 && !c.stale {
			c.metrics.lag.Observe(max(0, time.Since(time.UnixMilli(ms)).Seconds()))
		}
		c.listener.Event(p)
	default:
		return fmt.Errorf("the upstream is at %s, and this edge at %s", at, c.seen)
	}
	c.lastSign = time.Now()
	return nil
}

// live notes that all there is was told.
func (c *Client) live() {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.lastSign = time.Now()
	if !c.stale {
		return
	}
	if c.reported {
		c.log.Info("the upstream is back")
	}
	c.stale, c.reported = false, false
	c.metrics.stale.Set(0)
	c.listener.Stale(false)
}

// answer takes all values of a topic. The listener gets them in their turn, and those who asked
// after it: to who asked late, later values may have come already.
func (c *Client) answer(text []byte) error {
	name, body, _ := bytes.Cut(text, []byte(" "))
	topic, err := goalcast.ParseTopic(string(name))
	var all []goalcast.State
	if err == nil {
		err = json.Unmarshal(body, &all)
	}
	if err != nil {
		return fmt.Errorf("states: %w", err)
	}
	c.mu.Lock()
	f := c.followed[topic]
	var waiters []chan []goalcast.State
	if f != nil {
		waiters, f.waiters = f.waiters, nil
	}
	c.mu.Unlock()
	if f == nil {
		return nil
	}
	c.turn.Lock()
	c.listener.Reread(topic, all)
	c.turn.Unlock()
	for _, waiter := range waiters {
		waiter <- all
	}
	return nil
}

func (c *Client) follows(t goalcast.Topic) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.followed[t] != nil
}

// Follow has the topic's states delivered to the listener and returns the newest ones. unfollow
// ends that, once; a value that is on its way may still come. ErrUnavailable: nothing is followed,
// and unfollow is nil.
func (c *Client) Follow(ctx context.Context, t goalcast.Topic) (newest []goalcast.State, unfollow func(), err error) {
	waiter := make(chan []goalcast.State, 1)
	if !c.want(t, waiter) {
		return nil, nil, fmt.Errorf("%w: no connection to the upstream", goalcast.ErrUnavailable)
	}
	unfollow = sync.OnceFunc(func() { c.unfollow(t) })
	select {
	case all, ok := <-waiter:
		if ok {
			return all, unfollow, nil
		}
		err = fmt.Errorf("%w: the connection to the upstream was lost", goalcast.ErrUnavailable)
	case <-ctx.Done():
		err = fmt.Errorf("%w: states of %s: %w", goalcast.ErrUnavailable, t, ctx.Err())
	}
	unfollow()
	return nil, nil, err
}

// want counts one more who follows a topic, and asks for its values; false if there is no
// connection.
func (c *Client) want(t goalcast.Topic, waiter chan []goalcast.State) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wake == nil {
		return false
	}
	f := c.followed[t]
	if f == nil {
		f = &followed{}
		c.followed[t] = f
	}
	f.count++
	f.waiters = append(f.waiters, waiter)
	c.commandLocked("+" + t.String())
	return true
}

func (c *Client) unfollow(t goalcast.Topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.followed[t]
	if f.count--; f.count > 0 {
		return
	}
	delete(c.followed, t)
	c.commandLocked("-" + t.String())
}
