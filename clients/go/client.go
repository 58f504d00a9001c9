// Package client listens to a goalcast hub: goals, cards, prices and everything else that happens
// in the matches followed, each revision once and in order, whatever networks and servers do
// meanwhile.
//
//	for event, err := range client.Live(ctx, client.Options{
//		URL:    "https://live.example",
//		Topics: []goalcast.Topic{goalcast.ForTeam(174), goalcast.ForMatch(1009316)},
//	}) {
//		if err != nil {
//			return err // the hub refused for good what was asked for; nothing follows
//		}
//		fmt.Println(event.Kind, event.Now.Score)
//	}
//
// It connects by WebSocket, or where that does not get through by an event stream or by long poll;
// it keeps the cursor, and comes back with it after a cut. docs/wire.md has the rules that it
// follows. It is what clients/js is for scripts, without what a CDN keeps.
//
// All is done, and every function of Options called, by the goroutine that ranges. The methods of a
// Client may be called by any.
package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"goalcast"
)

// Transport is a way to the hub.
type Transport string

// The ways there are, the best first.
const (
	WebSocket   Transport = "websocket"
	EventStream Transport = "eventsource" // text/event-stream; topics change by a new connection
	Poll        Transport = "poll"        // requests that wait for news; prices come once a second
)

var transports = []Transport{WebSocket, EventStream, Poll}

// The defaults of Options.
const (
	DefaultBackoff      = 500 * time.Millisecond
	DefaultMaxBackoff   = 30 * time.Second
	DefaultSettled      = time.Minute
	DefaultHelloTimeout = 10 * time.Second
	DefaultPongTimeout  = 10 * time.Second
	DefaultUpgradeAfter = 5 * time.Minute
)

// Options say what to listen to, and how. Zero fields but URL have sensible meanings.
type Options struct {
	URL    string // of the hub, "https://live.example"; its path is left out
	Topics []goalcast.Topic

	// Cursor and Matches are those of an earlier session, to go on from there.
	Cursor  string
	Matches []goalcast.Snapshot

	// Conflate is how seldom prices and other states may come, the newest of each; 0 is as they
	// happen, a minute the most. Events are never held back.
	Conflate time.Duration

	// Kinds are the kinds of event to hear of, "goal" and "card" for instance; none is all. What is
	// left out does not reach matches either: without goalcast.KindPeriod one that was scheduled
	// stays so.
	Kinds []goalcast.Kind

	// Replay: a match that is over, the only one of Topics, is played again as it was told, Speed
	// times as fast (1 to 60; 0 is 1). The events end with it, without an error.
	Replay bool
	Speed  int

	// Transport is the only way to go by; empty is the best that gets through, and up again when
	// that may have changed.
	Transport Transport

	// Token brings the token of who watches (docs/identity.md). It is asked for before each
	// connection and before the token ends, and has HelloTimeout to answer; an empty text is nobody
	// in particular, as is nil.
	Token func(context.Context) (string, error)

	// HTTP makes the requests. Its Timeout has to be 0, since answers have no end; nil is
	// http.DefaultClient.
	HTTP *http.Client

	OnStatus  func(Status)
	OnMatch   func(Change)         // a snapshot changed: by an event, or because the hub sent a new one
	OnState   func(goalcast.State) // the newest value of something, a price for instance
	OnReset   func(goalcast.Reason)
	OnProblem func(Problem) // a subscription was refused; nil: it is logged
	Log       *slog.Logger  // nil: slog.Default()

	Backoff    time.Duration // the n-th try in a row waits a random time up to Backoff * 2^n ...
	MaxBackoff time.Duration // ... and at most this
	// Settled is how long a connection has to hold before tries are counted from the beginning: the
	// hub may cut one that was greeted, again and again.
	Settled      time.Duration
	HelloTimeout time.Duration // until the hub must have said hello
	PongTimeout  time.Duration // until it must have answered a ping
	UpgradeAfter time.Duration // on a lesser transport until better ones are tried again, beside it

	random func() float64 // in tests; 0 <= x < 1
}

// Event is one revision of something that happened.
type Event struct {
	goalcast.Event
	// Cursor is good for Options.Cursor of a later session, together with Matches; empty if the hub
	// gave none with this event.
	Cursor string
	// Now is the match with the event, Before without it; both nil for what changes no match, such
	// as messages. Not to be changed.
	Now, Before *goalcast.Snapshot
	Latency     Latency
}

// Latency says how long each part of the way took; 0 where that is not known, as in replays. The
// client's clock is put right by the hub's.
type Latency struct {
	Provider time.Duration // from the provider's document to its last byte here
	Ingest   time.Duration // until it was given to the bus
	Hub      time.Duration // until a hub made the frame
	Network  time.Duration // until it was read
	Total    time.Duration // from the document's last byte until it was read
}

// Change is a new snapshot of a match. Neither is to be changed.
type Change struct {
	Now    *goalcast.Snapshot
	Before *goalcast.Snapshot // nil: the match was not known
	Event  *goalcast.Event    // nil: the hub sent the snapshot
}

// Phase is where a connection stands.
type Phase string

// The phases.
const (
	Connecting   Phase = "connecting"
	Connected    Phase = "live"
	Stale        Phase = "stale"        // the hub itself hears nothing new
	Reconnecting Phase = "reconnecting" // it was lost or refused, and is tried again after Retry
	Closed       Phase = "closed"       // before the first and after the last
)

// Status is how the connection is.
type Status struct {
	Phase  Phase
	Reason string        // why it is so: a goalcast.Code, a goalcast.Reason, or words
	Detail string        // what the hub said, if it refused
	Retry  time.Duration // of Reconnecting: until the next try
}

// Problem is what the hub did not like.
type Problem struct {
	Code   goalcast.Code
	Detail string
	// Topics are those of the subscription. They are followed no more, unless the code may be over
	// soon: then they are asked for again.
	Topics []goalcast.Topic
}

// Refusal is the error of a connection that the hub refused for good: only another request can be
// right.
type Refusal struct {
	Code   goalcast.Code
	Detail string // for a developer's eyes
}

func (r *Refusal) Error() string { return fmt.Sprintf("the hub refuses: %s (%s)", r.Detail, r.Code) }

// ErrInUse is the error of who ranges over a client's events twice at the same time.
var ErrInUse = errors.New("the client's events are being listened to already")

// Live listens until ctx ends or the loop is left, or the hub refuses for good: then it gives a
// *Refusal as the last. It is New and Client.Events in one.
func Live(ctx context.Context, o Options) iter.Seq2[Event, error] {
	c, err := New(o)
	if err != nil {
		return func(yield func(Event, error) bool) { yield(Event{}, err) }
	}
	return c.Events(ctx)
}

// Client is what is known of the topics followed, and a place to go on from.
type Client struct {
	o      Options
	origin string        // scheme and host of the hub
	ways   []Transport   // those that may be tried, the best first
	wake   chan struct{} // holds one token while topics were changed

	mu        sync.Mutex // guards the rest
	inUse     bool
	topics    []goalcast.Topic // each once
	unjoined  map[goalcast.Topic]bool
	cursor    string
	matches   map[goalcast.MatchID]*goalcast.Snapshot // not changed: another takes the place
	outdated  map[goalcast.MatchID]bool               // known before a reset: the next snapshot counts whatever it says
	told      revisions
	prices    prices
	status    Status
	transport Transport
	clock     time.Duration // to add to this machine's clock for the hub's ...
	clockRTT  time.Duration // ... by a round trip that took so long; 0: not known
}

// New makes a client; nothing happens before Events. The error says what is wrong with the options.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("url of the hub: %w", err)
	}
	if u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("url of the hub: %q does not begin with http:// or https://", o.URL)
	}
	ways := transports
	if o.Transport != "" {
		if ways = []Transport{o.Transport}; !slices.Contains(transports, o.Transport) {
			return nil, fmt.Errorf("transport %q: want one of %s", o.Transport, transports)
		}
	}
	if o.Replay && o.Transport == "" {
		ways = transports[:2] // polls bring none
	}
	o.fill()
	c := &Client{o: o, origin: u.Scheme + "://" + u.Host, ways: ways, wake: make(chan struct{}, 1),
		unjoined: map[goalcast.Topic]bool{}, cursor: o.Cursor, matches: map[goalcast.MatchID]*goalcast.Snapshot{},
		outdated: map[goalcast.MatchID]bool{}, prices: newPrices(), status: Status{Phase: Closed}, transport: ways[0]}
	for _, m := range o.Matches {
		c.matches[m.ID] = &m
	}
	for _, t := range o.Topics {
		if !slices.Contains(c.topics, t) {
			c.topics = append(c.topics, t)
		}
	}
	return c, nil
}

func (o *Options) fill() {
	for field, otherwise := range map[*time.Duration]time.Duration{
		&o.Backoff: DefaultBackoff, &o.MaxBackoff: DefaultMaxBackoff, &o.Settled: DefaultSettled,
		&o.HelloTimeout: DefaultHelloTimeout, &o.PongTimeout: DefaultPongTimeout, &o.UpgradeAfter: DefaultUpgradeAfter,
	} {
		if *field <= 0 {
			*field = otherwise
		}
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.random == nil {
		o.random = random
	}
	o.Speed = max(1, o.Speed)
}

// Events connects and gives what happens, until ctx ends, the loop is left, a replay is over, or
// the hub refuses for good; then the last is a *Refusal. A body that takes its time makes the hub
// wait and, if it lasts, cut the connection; what was missed comes with the next one. Called again
// later, it goes on where it ended: so does an app that was in the background.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if !c.take() {
			yield(Event{}, ErrInUse)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		l := newListener(c, ctx, cancel, yield)
		defer l.close() // also where the body panics
		if err := l.run(); err != nil {
			l.give(Event{}, err)
		}
	}
}

func (c *Client) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inUse {
		return false
	}
	c.inUse = true
	return true
}

// Topics are those that are followed.
func (c *Client) Topics() []goalcast.Topic {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.topics)
}

// Subscribe follows more topics. On a WebSocket the hub is asked at once; other connections are
// made anew.
func (c *Client) Subscribe(topics ...goalcast.Topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range topics {
		if !slices.Contains(c.topics, t) {
			c.topics = append(c.topics, t)
			c.unjoined[t] = true
		}
	}
	c.nudge()
}

// Unsubscribe follows topics no more. What is known of their matches stays.
func (c *Client) Unsubscribe(topics ...goalcast.Topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(topics)
	c.nudge()
}

func (c *Client) dropLocked(topics []goalcast.Topic) {
	c.topics = slices.DeleteFunc(c.topics, func(t goalcast.Topic) bool { return slices.Contains(topics, t) })
	for _, t := range topics {
		delete(c.unjoined, t)
		delete(c.prices.heard, t)
	}
}

func (c *Client) nudge() {
	select {
	case c.wake <- struct{}{}:
	default: // one is there already
	}
}

// Match is a match as it stands. Not to be changed.
func (c *Client) Match(id goalcast.MatchID) (*goalcast.Snapshot, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.matches[id]
	return m, ok
}

// Matches are all matches that are known, by kick-off. Timelines and line-ups are not to be
// changed.
func (c *Client) Matches() []goalcast.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]goalcast.Snapshot, 0, len(c.matches))
	for _, m := range slices.SortedFunc(maps.Values(c.matches), func(a, b *goalcast.Snapshot) int {
		return goalcast.ByTime(*a, *b)
	}) {
		all = append(all, *m)
	}
	return all
}

// Cursor is the place up to which everything was seen; empty before the first. It is good for
// Options.Cursor of a later session, together with Matches.
func (c *Client) Cursor() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unjoined) > 0 { // it would leave those out
		return ""
	}
	return c.cursor
}

// Status is how the connection is now, and by which way.
func (c *Client) Status() (Status, Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.transport
}

// Now is the hub's clock, as far as it is known.
func (c *Client) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.clock)
}
