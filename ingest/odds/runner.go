package odds

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"goalcast"
)

// How the runner works.
const (
	DefaultStep = 50 * time.Millisecond // prices of one match are published together once in this time
	DefaultTTL  = 3 * time.Second
	beat        = time.Second // an open gate is vouched for once in this time; hubs shut it after three
	inboxSize   = 4096        // what sources have told and the books have not taken in yet
	publishTime = 2 * time.Second
	firstPause  = time.Second // before a source is run again; it doubles up to lastPause
	lastPause   = 30 * time.Second
	// refusedPause is for a source that a person has to mend: an account that is refused, a delayed
	// key. Providers lock out who tries often.
	refusedPause = time.Minute
	longestPause = 10 * time.Minute // that a provider may ask for: prices are gone meanwhile
)

// Bus takes prices.
type Bus interface {
	PublishOdds(ctx context.Context, now time.Time, steps []goalcast.OddsStep) ([]goalcast.OddsDone, error)
}

// Leases give one process of all the turn to hold the sources. All of them are held together, since
// the prices of a match are chosen from several.
type Leases interface {
	Hold(ctx context.Context, name string, run func(ctx context.Context, fence int64) error) error
}

// Mapper knows which match an event of a provider is, and which matches operators have shut.
type Mapper interface {
	// Run works until ctx ends, while this process holds the sources. It has the books take in what
	// changes.
	Run(ctx context.Context, tell func(func(*Books, time.Time))) error
	// Describe is called with what a source says of an event. It does not wait.
	Describe(source string, f Fixture) error
	// Match finds the match of an event; 0 while nobody knows.
	Match(source, event string) goalcast.MatchID
}

// Keeper remembers what sources need to resume, for whatever process holds them next.
type Keeper interface {
	KeepOdds(ctx context.Context, source string, text []byte) error
	KeptOdds(ctx context.Context, source string) ([]byte, error)
}

// Named is a source with its place among the others.
type Named struct {
	SourceConfig
	Source
}

// Runner runs the sources and publishes what they tell, in the process that holds them.
type Runner struct {
	sources []Named
	bus     Bus
	leases  Leases
	mapper  Mapper
	keeper  Keeper

	history     History
	settlements Settlements
	publisher   Publisher
	alarm       func(context.Context, []goalcast.Alarm) error
	maxStates   int

	step    time.Duration
	now     func() time.Time
	log     *slog.Logger
	metrics metrics
	health  health

	mu    sync.Mutex
	inbox chan func(*Books, time.Time) // of the turn; nil between turns
	renew map[string]func()            // by source: ends its connection
}

// RunnerConfig is what a runner is told; all of it is needed but Step.
type RunnerConfig struct {
	Sources []Named
	Bus     Bus
	Leases  Leases
	Mapper  Mapper
	Keeper  Keeper

	History     History
	Settlements Settlements
	Publisher   Publisher
	// Alarm is given what operators should know of, now and then, all of the kinds AlarmKinds.
	Alarm     func(context.Context, []goalcast.Alarm) error
	MaxStates int // markets of a match that hubs show

	Step time.Duration
	Now  func() time.Time // the database's clock
}

// WithDefaults fills in what is zero.
func (c RunnerConfig) WithDefaults() RunnerConfig {
	c.Step = cmp.Or(max(c.Step, 0), DefaultStep)
	return c
}

// NewRunner makes a runner; it starts nothing.
func NewRunner(cfg RunnerConfig, log *slog.Logger, reg prometheus.Registerer) *Runner {
	cfg = cfg.WithDefaults()
	for i := range cfg.Sources {
		if cfg.Sources[i].TTL <= 0 {
			cfg.Sources[i].TTL = DefaultTTL
		}
	}
	r := &Runner{sources: cfg.Sources, bus: cfg.Bus, leases: cfg.Leases, mapper: cfg.Mapper, keeper: cfg.Keeper,
		history: cfg.History, settlements: cfg.Settlements, publisher: cfg.Publisher, alarm: cfg.Alarm,
		maxStates: cfg.MaxStates, step: cfg.Step, now: cfg.Now, log: log, metrics: newMetrics(reg),
		renew: map[string]func(){}}
	for _, s := range cfg.Sources {
		r.metrics.begin(s.Name)
	}
	return r
}

// Run holds the sources whenever it is this process's turn, until ctx ends.
func (r *Runner) Run(ctx context.Context) error { return r.leases.Hold(ctx, "odds", r.turn) }

// errFenced ends a turn that another process has taken.
var errFenced = errors.New("another process holds the sources")

// turn runs all sources until ctx ends, or another process turns out to hold them.
func (r *Runner) turn(ctx context.Context, fence int64) error {
	inbox := make(chan func(*Books, time.Time), inboxSize)
	r.open(inbox)
	defer r.open(nil)
	r.health.begin()
	r.metrics.holds.Set(1)
	defer r.metrics.holds.Set(0)
	defer r.metrics.show(Stats{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.alarms(ctx) })
	for _, s := range r.sources {
		g.Go(func() error { return r.source(ctx, s, inbox) })
	}
	g.Go(func() error { return r.publish(ctx, fence, inbox) })
	g.Go(func() error {
		return r.mapper.Run(ctx, func(do func(*Books, time.Time)) {
			select {
			case inbox <- do:
			case <-ctx.Done():
			}
		})
	})
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (r *Runner) open(inbox chan func(*Books, time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inbox = inbox
}

// Event takes in what happens in a match. The bus's listener calls it; it does not block for long.
func (r *Runner) Event(p goalcast.Published) {
	r.tell(func(b *Books, now time.Time) { b.Event(p.Event, now) })
}

// Shut shuts a match at once, for the reason operator or unmapped, until the mapper has asked what
// is so; with "" it may open again.
func (r *Runner) Shut(id goalcast.MatchID, reason goalcast.GateReason) {
	r.tell(func(b *Books, _ time.Time) { b.Shut(id, reason) })
}

// tell has the books take something in, if this process holds them.
func (r *Runner) tell(do func(*Books, time.Time)) {
	r.mu.Lock()
	inbox := r.inbox
	r.mu.Unlock()
	if inbox == nil {
		return
	}
	select {
	case inbox <- do:
	case <-time.After(publishTime):
		r.log.Error("odds: the books are not keeping up, an event was left out")
	}
}

// source runs a source again and again, and what saves what it tells beside it.
func (r *Runner) source(ctx context.Context, s Named, inbox chan<- func(*Books, time.Time)) error {
	saver := r.newSaver(s.Name)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		saver.run(ctx)
		return nil
	})
	g.Go(func() error {
		return r.again(ctx, s, &sink{Runner: r, ctx: ctx, name: s.Name, inbox: inbox, saver: saver})
	})
	err := g.Wait()
	saver.finish(ctx)
	return err
}

func (r *Runner) again(ctx context.Context, s Named, sink *sink) error {
	pause := firstPause
	for ctx.Err() == nil {
		sink.imaged.Store(nil)
		kept, err := r.keeper.KeptOdds(ctx, s.Name)
		if err == nil {
			sink.kept = kept
			err = r.once(ctx, s, sink)
		}
		sink.Down(goalcast.GateConnection)
		if ctx.Err() != nil {
			break
		}
		pause = pauseAfter(err, sink.well(), pause)
		r.log.Warn("odds source ended, will be run again", "source", s.Name, "in", pause, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = max(pause, min(2*pause, lastPause))
	}
	return ctx.Err()
}

// pauseAfter is how long a source is not run after it ended; planned is what comes without a reason
// for another one. A source that had prices for longer than that is none that cannot come up: a cut
// in each minute must not cost more with every cut.
func pauseAfter(err error, well, planned time.Duration) time.Duration {
	var later Later
	switch {
	case errors.As(err, &later):
		return min(max(later.After, firstPause), longestPause)
	case errors.Is(err, goalcast.ErrPermanent):
		return refusedPause
	case well > planned, planned > lastPause:
		return firstPause
	}
	return planned
}

// once runs a source until it ends, or until it is renewed.
func (r *Runner) once(ctx context.Context, s Named, sink *sink) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.mu.Lock()
	r.renew[s.Name] = func() { cancel(errSilent) }
	r.mu.Unlock()
	err := s.Run(ctx, sink)
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

// errSilent ends a connection whose source was taken for silent and goes on: what it told before
// counts no more, and it has to tell everything again.
var errSilent = errors.New("it was not heard for its time to live, and has to begin again")

// beginAgain ends the connections of sources, so that they tell everything again.
func (r *Runner) beginAgain(sources []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range sources {
		if renew := r.renew[name]; renew != nil {
			renew()
		}
	}
}

// sink gives what one source tells to the books.
type sink struct {
	*Runner
	ctx   context.Context // of the turn
	name  string
	inbox chan<- func(*Books, time.Time)
	saver *saver
	kept  []byte

	imaged atomic.Pointer[time.Time] // when the first image came since the source was last run
}

// well is for how long there were prices since the source was last run.
func (s *sink) well() time.Duration {
	if first := s.imaged.Load(); first != nil {
		return time.Since(*first)
	}
	return 0
}

// post waits for the books: a source that is faster than they are is read more slowly.
func (s *sink) post(do func(*Books, time.Time)) {
	select {
	case s.inbox <- do:
	case <-s.ctx.Done():
	}
}

// prices has prices of an event taken in, those of one that is not mapped too: see Books.place.
func (s *sink) prices(event string, do func(b *Books, id goalcast.MatchID, now time.Time)) {
	s.post(func(b *Books, now time.Time) {
		id := b.place(eventKey{s.name, event}, s.mapper.Match(s.name, event), now)
		if id == 0 {
			b.Heard(s.name, now)
			return
		}
		do(b, id, now)
	})
}

// stamped notes when markets were told. They stay the source's own.
func (s *sink) stamped(at time.Time, markets []Market) []Market {
	told := stamp{provider: at, received: s.now()}
	s.metrics.told(s.name, len(markets), told)
	s.health.told(s.name, told)
	markets = slices.Clone(markets)
	for i := range markets {
		markets[i].stamp = told
	}
	return markets
}

func (s *sink) Alive(at time.Time) {
	s.health.told(s.name, stamp{provider: at, received: s.now()})
	s.post(func(b *Books, now time.Time) { b.Heard(s.name, now) })
}

func (s *sink) Down(reason Reason) { s.post(func(b *Books, _ time.Time) { b.Down(s.name, reason) }) }

func (s *sink) Fixture(f Fixture) {
	if err := s.mapper.Describe(s.name, f); err != nil && s.ctx.Err() == nil {
		s.log.Warn("odds: event not mapped", "source", s.name, "event", f.Event, "error", err)
	}
}

func (s *sink) Image(event string, at time.Time, markets []Market) {
	first := time.Now()
	s.imaged.CompareAndSwap(nil, &first)
	markets = s.stamped(at, markets)
	s.prices(event, func(b *Books, id goalcast.MatchID, now time.Time) { b.Image(s.name, id, markets, now) })
}

func (s *sink) Change(event string, at time.Time, markets []Market) {
	markets = s.stamped(at, markets)
	s.prices(event, func(b *Books, id goalcast.MatchID, now time.Time) { b.Change(s.name, id, markets, now) })
}

func (s *sink) Suspend(event string, _ time.Time, keys ...string) {
	s.prices(event, func(b *Books, id goalcast.MatchID, now time.Time) { b.Suspend(s.name, id, keys, now) })
}

func (s *sink) Quota(remaining, limit int) {
	limit = s.health.quota(s.name, remaining, limit)
	s.metrics.quotaRemaining.WithLabelValues(s.name).Set(float64(remaining))
	s.metrics.quotaLimit.WithLabelValues(s.name).Set(float64(limit))
}

func (s *sink) Kept() []byte { return s.kept }

// Keep has the place kept once everything told before is saved.
func (s *sink) Keep(text []byte) {
	text = slices.Clone(text)
	s.saver.add(s.ctx, func(ctx context.Context) error { return s.keeper.KeepOdds(ctx, s.name, text) })
}
