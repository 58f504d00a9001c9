package odds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

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
	step    time.Duration
	now     func() time.Time
	log     *slog.Logger

	mu    sync.Mutex
	inbox chan func(*Books, time.Time) // of the turn; nil between turns
}

// RunnerConfig is what a runner is told; all of it is needed but Step.
type RunnerConfig struct {
	Sources []Named
	Bus     Bus
	Leases  Leases
	Mapper  Mapper
	Keeper  Keeper
	Step    time.Duration    // default 50 ms
	Now     func() time.Time // the database's clock
}

// NewRunner makes a runner; it starts nothing.
func NewRunner(cfg RunnerConfig, log *slog.Logger) *Runner {
	if cfg.Step <= 0 {
		cfg.Step = DefaultStep
	}
	for i := range cfg.Sources {
		if cfg.Sources[i].TTL <= 0 {
			cfg.Sources[i].TTL = DefaultTTL
		}
	}
	return &Runner{sources: cfg.Sources, bus: cfg.Bus, leases: cfg.Leases, mapper: cfg.Mapper, keeper: cfg.Keeper,
		step: cfg.Step, now: cfg.Now, log: log}
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
	g, ctx := errgroup.WithContext(ctx)
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

// publish owns the books: it takes in what sources tell and publishes in steps.
func (r *Runner) publish(ctx context.Context, fence int64, inbox <-chan func(*Books, time.Time)) error {
	var configs []SourceConfig
	for _, s := range r.sources {
		configs = append(configs, s.SourceConfig)
	}
	books := NewBooks(configs, beat)
	tick := time.NewTicker(r.step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case do := <-inbox:
			if do(books, r.now()); !books.Urgent() {
				continue
			}
			if err := r.steps(ctx, books, fence); err != nil {
				return err
			}
		case <-tick.C:
			if err := r.steps(ctx, books, fence); err != nil {
				return err
			}
		}
	}
}

// steps publishes what the books have to say. While the bus is away they keep it.
func (r *Runner) steps(ctx context.Context, books *Books, fence int64) error {
	now := r.now()
	steps := books.Steps(fence, now)
	if len(steps) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	done, err := r.bus.PublishOdds(limited, now, steps)
	for i, d := range done {
		if d.Outcome == goalcast.OddsFenced {
			return errFenced
		}
		books.Done(steps[i], d, now)
	}
	for _, step := range steps[len(done):] {
		books.Lost(step)
	}
	if err != nil && ctx.Err() == nil {
		r.log.Warn("odds not published, will be tried again", "matches", len(steps)-len(done), "error", err)
	}
	return nil
}

// source runs a source again and again.
func (r *Runner) source(ctx context.Context, s Named, inbox chan<- func(*Books, time.Time)) error {
	sink := &sink{Runner: r, ctx: ctx, name: s.Name, inbox: inbox}
	pause := firstPause
	for ctx.Err() == nil {
		begin := time.Now()
		kept, err := r.keeper.KeptOdds(ctx, s.Name)
		if err == nil {
			sink.kept = kept
			err = s.Run(ctx, sink)
		}
		sink.Down(goalcast.GateConnection)
		if ctx.Err() != nil {
			break
		}
		if time.Since(begin) > lastPause {
			pause = firstPause
		}
		r.log.Warn("odds source ended, will be run again", "source", s.Name, "in", pause, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
	return ctx.Err()
}

// sink gives what one source tells to the books.
type sink struct {
	*Runner
	ctx   context.Context // of the turn
	name  string
	inbox chan<- func(*Books, time.Time)
	kept  []byte
}

// post waits for the books: a source that is faster than they are is read more slowly.
func (s *sink) post(do func(*Books, time.Time)) {
	select {
	case s.inbox <- do:
	case <-s.ctx.Done():
	}
}

// of has something taken in of the match that an event is, if anybody knows which.
func (s *sink) of(event string, do func(b *Books, id goalcast.MatchID, now time.Time)) {
	s.prices(event, func(b *Books, id goalcast.MatchID, now time.Time) {
		if b.Heard(s.name, now); id > 0 {
			do(b, id, now)
		}
	})
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

func (s *sink) Alive(time.Time) { s.post(func(b *Books, now time.Time) { b.Heard(s.name, now) }) }

func (s *sink) Down(reason Reason) { s.post(func(b *Books, _ time.Time) { b.Down(s.name, reason) }) }

func (s *sink) Fixture(f Fixture) {
	if err := s.mapper.Describe(s.name, f); err != nil && !errors.Is(err, goalcast.ErrTooMany) { // which is counted
		s.log.Warn("odds: event not mapped", "source", s.name, "event", f.Event, "error", err)
	}
}

func (s *sink) Image(event string, _ time.Time, markets []Market) {
	s.prices(event, func(b *Books, id goalcast.MatchID, now time.Time) { b.Image(s.name, id, markets, now) })
}

func (s *sink) Change(event string, _ time.Time, markets []Market) {
	s.prices(event, func(b *Books, id goalcast.MatchID, now time.Time) { b.Change(s.name, id, markets, now) })
}

func (s *sink) Suspend(event string, _ time.Time, keys ...string) {
	s.prices(event, func(b *Books, id goalcast.MatchID, now time.Time) { b.Suspend(s.name, id, keys, now) })
}

// Settle is not published yet.
func (s *sink) Settle(string, time.Time, []Settlement) {}

// Quota is not watched yet.
func (s *sink) Quota(int, int) {}

func (s *sink) Kept() []byte { return s.kept }

func (s *sink) Keep(text []byte) {
	if err := s.keeper.KeepOdds(s.ctx, s.name, text); err != nil && s.ctx.Err() == nil {
		s.log.Warn("odds: place not kept", "source", s.name, "error", fmt.Errorf("keep: %w", err))
	}
}
