// Package shard is the hub's event loop. A Shard is one goroutine that owns everything about its
// share of the connections: who follows what, the lists of what waits, the sockets, the timers.
// Nothing of that is locked. What comes from outside is posted to it, typed, and done in the order
// in which it was posted.
//
// The shard appends an event's pointer to the list of each subscriber and then writes lists out, a
// few connections at a time, each with one writev of all that waits; between the groups it looks
// into the inbox, so that lists grow by themselves when events come faster than sockets take them.
// A socket that would block waits for EPOLLOUT. States (prices) are never queued: a connection only
// remembers since when it lacks the values of a topic, and gets the newest ones when it is its
// turn, after all events. State flushes take at most StateShare of a shard's time (loop.go), so
// that there is room for a goal however many prices there are.
//
// On Linux a plain TCP connection is taken from net/http after the handshake and only its
// descriptor is kept: no goroutine, no buffer. Everything else (TLS in the process, HTTP/2, other
// systems, long poll) has a goroutine of its own that does the writing, fed by the same shard from
// the same lists; see portable.go.
package shard

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"goalcast"
	"goalcast/hub/follow"
	"goalcast/hub/frame"
)

// Config is what a shard is told, by the hub, which has the defaults. All of it is needed but
// SendBuffer.
type Config struct {
	Shards int // there are

	MaxPending    int           // bytes of events that may wait for one connection that takes nothing; see isSlow
	MaxTopics     int           // per connection
	MessageRate   float64       // frames per second from one client
	MessageBurst  int           // of these, at once; at most 600
	MaxMessage    int           // bytes of one message from a client
	PingInterval  time.Duration // something is sent to each connection at least this often
	MaxUnanswered int           // pings before a peer is taken for dead; at most 200
	WriteTimeout  time.Duration // how long a socket may take nothing
	SendBuffer    int           // SO_SNDBUF in bytes; 0: the kernel decides
	StateInterval time.Duration // between two state flushes at least
	StateShare    float64       // part of the time that goes into them at most
	RetrySpread   time.Duration // how far the retry delays of goodbyes are spread
}

// tick is the step of the shard's own clock: keep-alive, stall and linger times are counted in it.
func (c Config) tick() time.Duration {
	return max(min(time.Second, c.PingInterval/4, c.WriteTimeout/4), 5*time.Millisecond)
}

// RetryIn is when somebody who was refused for now, or cut, should come back: not the same for all.
func RetryIn(spread time.Duration) time.Duration {
	const least = 500 * time.Millisecond
	return least + rand.N(spread)
}

// Door is what a shard needs of who let its connections in. It is called from the shard's goroutine
// and must not wait.
type Door interface {
	// Subscribe prepares a later subscription and posts a *Subscribed, whatever comes of it.
	Subscribe(s *Shard, c *Conn, topics []goalcast.Topic, id string)
	// Rejoin prepares the snapshots of what connections with a delay follow, and posts a *Rejoined
	// for each, whatever comes of it.
	Rejoin(s *Shard, list []Rejoining)
	// Renew looks at a viewer's new token and posts a *Renewed, whatever comes of it. topics are
	// what it follows.
	Renew(s *Shard, c *Conn, topics []goalcast.Topic, token, id string)
	// Acked is told which events a phone has shown, and of how many more it may not say so now.
	Acked(p goalcast.Phone, cursors []goalcast.Cursor, more int)
	// Written is told when the last shard has written an event.
	Written(*Event)

	// StatesWritten is told when a shard has given out what has changed, and when the oldest of it
	// had come.
	StatesWritten(oldest time.Time)
	// Refused counts something that a client asked for and did not get, with the reason.
	Refused(reason string)
}

// Shard owns a share of the connections. Its goroutine, Run, owns all fields below inbox.
type Shard struct {
	cfg    Config
	number int // among the shards
	door   Door
	log    *slog.Logger
	inbox  inbox

	began    time.Time
	conns    map[*Conn]struct{}
	sockets  []*Conn // by descriptor
	gen      int32
	poller   *poller
	buffer   []byte // for reading
	pieces   []iovec
	ops      []Op
	plan     []outgoing
	inflater frame.Inflater
	scratch  frame.Input // of whoever is read from now

	index                                  // who follows what
	lanes          map[time.Duration]*lane // the same of those with a delay
	events, states fifo                    // connections with something to send; with only states to send
	urgent         fifo                    // those of events that are not to wait for their turn there
	lists          lists
	flushes        flushes
	clock          clock
	drain          drain
	throttle       throttle
	ackers         map[*Conn]*acker // those that say what they show; nil: nobody has yet

	cursor    goalcast.Cursor // of the newest event given to the lists
	broken    bool            // that cursor must not be told, since a refresh is due
	stale     bool            // the bus is silent
	unwritten []unwritten     // events not yet written to all
	timed     []*Timing       // of events of which nothing is written yet

	stats     Stats
	published published
}

const readBuffer = 16 << 10

// New makes the shard of a number. It takes connections once it runs.
func New(number int, cfg Config, door Door, log *slog.Logger) *Shard {
	return &Shard{
		cfg: cfg, number: number, door: door, log: log, began: time.Now(),
		inbox:  inbox{wake: make(chan struct{}, 1)},
		index:  index{topics: make(map[goalcast.Topic]*topic)},
		conns:  make(map[*Conn]struct{}),
		buffer: make([]byte, readBuffer),
		clock:  newClock(cfg),
	}
}

// Open opens what Run needs. A shard that is opened is run or discarded.
func (s *Shard) Open() (err error) {
	s.poller, err = newPoller()
	return err
}

// Discard closes what Open opened, of a shard that does not run.
func (s *Shard) Discard() { s.poller.discard() }

// Post tells the shard something; false if it has ended.
func (s *Shard) Post(o Op) bool { return s.inbox.post(o) }

// StatesChanged posts that a table has news, unless the shard was told of it and has not looked
// yet.
func (s *Shard) StatesChanged(t *follow.Table) {
	if t.Tell(s.number) {
		s.Post(StatesChanged{t})
	}
}

// handleInbox does what was posted.
func (s *Shard) handleInbox() {
	s.ops = s.inbox.take(s.ops)
	for i := range s.ops {
		s.ops[i].do(s)
		s.ops[i] = nil
	}
	if cap(s.ops) > 4096 {
		s.ops = nil // after a storm of joins
	}
}
