package live

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// Lease is the name of the lease whose holder does everything for Apple; for another service, its
// name comes after it and a colon.
const Lease = "live-activities"

// Apple is the name of Apple's push service.
const Apple = "apns"

// Service is a push service by which one request moves all phones that show a match. Its errors
// are the package's.
type Service interface {
	// Name is what channels are kept by: Apple, or "fcm:" and the project's id.
	Name() string
	// CreateChannel returns the id of a channel for a match. It makes one if the service is a
	// Keeper. ErrFull.
	CreateChannel(ctx context.Context, match goalcast.MatchID) (string, error)
	// Broadcast sends an Update or End to all phones that listen to a channel. ErrNoChannel.
	Broadcast(ctx context.Context, channel string, p Push) error
}

// Keeper is a Service that keeps channels until they are deleted, and that starts activities. What
// is none has topics, which need not be made: phones listen to them when they want.
type Keeper interface {
	Service
	// DeleteChannel deletes a channel. ErrNoChannel.
	DeleteChannel(ctx context.Context, id string) error
	// Channels lists the ids of all channels of the app.
	Channels(ctx context.Context) ([]string, error)
	// Start starts an activity on the device whose token it is. ErrNoDevice.
	Start(ctx context.Context, token string, p Push) error
}

// Store is what is needed of the database.
type Store interface {
	// Now is the clock that all who share the store go by.
	Now() time.Time
	// Match returns the match as it stands, or ErrNotFound.
	Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, error)
	// Matches lists matches by kick-off, then id.
	Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error)
	// LiveChannels lists the channels of all matches at all services.
	LiveChannels(ctx context.Context) ([]goalcast.LiveChannel, error)
	// AddLiveChannel keeps a channel that was just created; false if the match has one at
	// that service.
	AddLiveChannel(ctx context.Context, c goalcast.LiveChannel) (bool, error)
	// StampLivePush notes the time that a push is about to carry; false if another process has
	// sent one of that time or later, or there is no such channel.
	StampLivePush(ctx context.Context, c goalcast.LiveChannel, at time.Time) (bool, error)
	// SaveLivePush keeps Shown, Opened and Ended.
	SaveLivePush(ctx context.Context, c goalcast.LiveChannel) error
	// SaveLiveStarts notes up to which device activities are started.
	SaveLiveStarts(ctx context.Context, c goalcast.LiveChannel, device int64) error
	// DeleteLiveChannel forgets a channel.
	DeleteLiveChannel(ctx context.Context, c goalcast.LiveChannel) error
	// LiveAudience lists the next devices, by id, of those who follow any of the topics.
	LiveAudience(ctx context.Context, topics []goalcast.Topic, after int64, limit int) ([]goalcast.LiveDevice, error)
	// ForgetLiveToken forgets how to start activities on a device.
	ForgetLiveToken(ctx context.Context, device int64, token string) error
}

// Leases make one process of all the holder. store.Leases is one.
type Leases interface {
	Hold(ctx context.Context, name string, run func(ctx context.Context, fence int64) error) error
}

// Config are the limits of a Runner. Zero fields take the default.
type Config struct {
	Lead    time.Duration // how long before kick-off a match gets its channel; 24 h
	Look    time.Duration // how often all matches are looked at; hints come sooner; 10 s
	Sweep   time.Duration // how often channels that are nobody's are looked for; 1 min
	Keep    time.Duration // how long the channel of a match that is over is kept, for phones that are off; 1 h
	Fresh   time.Duration // how long a phone takes a state of a match in play for fresh; 5 min
	Pause   time.Duration // after the service denied us, before the next try; 5 min
	Workers int           // requests at one time; 32

	// Private says which competitions not everybody may see: their matches get no channel.
	Private goalcast.Private
	// Fault is called at points where a test may want the process to die: "created" and "added"
	// after a channel was, "stamped" and "sent" around a push, "deleted" between the push service
	// and the database. nil for nothing.
	Fault func(point string)
}

func (c Config) withDefaults() Config {
	c.Lead = cmp.Or(max(c.Lead, 0), 24*time.Hour)
	c.Look = cmp.Or(max(c.Look, 0), 10*time.Second)
	c.Sweep = cmp.Or(max(c.Sweep, 0), time.Minute)
	c.Keep = cmp.Or(max(c.Keep, 0), time.Hour)
	c.Fresh = cmp.Or(max(c.Fresh, 0), 5*time.Minute)
	c.Pause = cmp.Or(max(c.Pause, 0), 5*time.Minute)
	c.Workers = cmp.Or(max(c.Workers, 0), 32)
	if c.Fault == nil {
		c.Fault = func(string) {}
	}
	return c
}

// Limits that are no settings.
const (
	interval    = time.Second      // between two pushes of a channel: Apple slows down who sends more
	keepShown   = 30 * time.Minute // how long a phone shows the result after the end
	startLimit  = 15 * time.Minute // after kick-off: then no more activities are started
	startPage   = 200              // devices that a crash may leave without an activity
	startsAtime = 64               // starts under way at one time
	maxPause    = time.Minute      // between two tries of what does not work
	endBefore   = time.Minute      // an activity is ended so long before phones would
)

// Runner keeps what phones show of all matches up to date through one push service, in one process
// of all. Each service has a Runner of its own: what one does not take holds up no other.
type Runner struct {
	cfg     Config
	store   Store
	service Service
	keeper  Keeper // the same; nil if it is none
	leases  Leases
	log     *slog.Logger
	metrics *metrics

	mu    sync.Mutex
	hints map[goalcast.MatchID]bool // matches that may have changed; nil: it is not this process's turn
	wake  chan struct{}             // one token: there are hints
}

// New makes a runner; it starts nothing.
func New(cfg Config, store Store, service Service, leases Leases, log *slog.Logger, reg prometheus.Registerer) *Runner {
	keeper, _ := service.(Keeper)
	return &Runner{cfg: cfg.withDefaults(), store: store, service: service, keeper: keeper, leases: leases,
		log:     log.With("service", service.Name()),
		metrics: newMetrics(prometheus.WrapRegistererWith(prometheus.Labels{"service": service.Name()}, reg)),
		wake:    make(chan struct{}, 1)}
}

// Wake says that a match may have changed. It never blocks and may be called at any time.
func (r *Runner) Wake(match goalcast.MatchID) {
	r.mu.Lock()
	if r.hints != nil && match != 0 {
		r.hints[match] = true
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works whenever it is this process's turn, until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	lease := Lease
	if name := r.service.Name(); name != Apple {
		lease += ":" + name
	}
	return r.leases.Hold(ctx, lease, func(ctx context.Context, _ int64) error { return r.turn(ctx) })
}

// take takes the hints there are.
func (r *Runner) take() map[goalcast.MatchID]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.hints
	r.hints = map[goalcast.MatchID]bool{}
	return all
}

func (r *Runner) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hints = nil
}
