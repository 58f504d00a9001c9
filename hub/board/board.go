package board

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
	"goalcast/internal/cache"
)

// Source is where the board reads matches it does not hold yet; store.Store is one. One that also
// has Known spares the board the question for what does not exist.
type Source interface {
	Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error) // goalcast.ErrNotFound
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
}

// Config holds the board's limits; zero fields are the defaults.
type Config struct {
	Before, After time.Duration // kick-offs of a team's or competition's matches, from now
	// matches held beside those in lists; some 50 kB each; those nobody asked for longest go first
	MaxMatches  int
	MaxLists    int           // teams and competitions held
	ListMatches int           // matches of one list
	ListAge     time.Duration // after which a list is read again, as its window moves
	Unknown     time.Duration // how long "no such match" is believed without asking again
	MaxUnknown  int           // such answers kept
	// how old a reading may be that is served while the bus is silent, and four times what it took
	StaleAge      time.Duration
	Patience      time.Duration // how long one waits for a newer reading of what is held
	Retry         time.Duration // after a reading of what is held failed, until the next
	LoadTimeout   time.Duration // of one reading
	Loads         int           // readings at one time
	MaxWaiting    int           // readings that wait for their turn; more are refused
	MaxPerAddress int           // of these, for viewers of one address (IPv6: one /64)

	Private goalcast.Private // competitions that not everybody may see: View leaves them out
}

func (c Config) WithDefaults() Config {
	c.Before = cmp.Or(c.Before, 24*time.Hour)
	c.After = cmp.Or(c.After, 48*time.Hour)
	c.MaxMatches = cmp.Or(c.MaxMatches, 2000)
	c.MaxLists = cmp.Or(c.MaxLists, 5000)
	c.ListMatches = cmp.Or(c.ListMatches, 5000)
	c.ListAge = cmp.Or(c.ListAge, 10*time.Minute)
	c.Unknown = cmp.Or(c.Unknown, 10*time.Second)
	c.MaxUnknown = cmp.Or(c.MaxUnknown, 20_000)
	c.StaleAge = cmp.Or(c.StaleAge, time.Second)
	c.Patience = cmp.Or(c.Patience, time.Second)
	c.Retry = cmp.Or(c.Retry, 5*time.Second)
	c.LoadTimeout = cmp.Or(c.LoadTimeout, 5*time.Second)
	c.Loads = cmp.Or(c.Loads, 8)
	c.MaxWaiting = cmp.Or(c.MaxWaiting, 1024)
	c.MaxPerAddress = cmp.Or(c.MaxPerAddress, 256)
	return c
}

// maxRanges is how many answers of days that are not held are kept, for StaleAge.
const maxRanges = 64

// Board holds the matches as they stand. A match or list is read from the source when somebody
// first asks for it, once however many ask, and kept fresh by the events of the bus from then on.
// The Hub feeds its board; in a process without hub the board itself is the bus's listener. Its
// readers never wait for anything but a first reading, and a moment for a newer one where what is
// held may be old.
type Board struct {
	cfg     Config
	source  Source
	log     *slog.Logger
	metrics *metrics
	now     func() time.Time // time.Now; tests set it
	slots   chan struct{}    // one in it per reading under way
	ranges  *cache.Cache[goalcast.MatchFilter, []goalcast.Snapshot]
	guests  guests

	mended func(goalcast.MatchID, goalcast.Snapshot) // see OnMended; nil: nobody asked

	mu      sync.Mutex // guards the rest
	cursor  goalcast.Cursor
	reset   int  // counts resets: a reading begun before one is worth nothing
	silent  bool // the bus is
	blind   bool // the last reading failed
	held    held
	catalog catalog
	loads   loads
}

// New makes an empty board. A Config may follow; it reads nothing until it is asked.
func New(source Source, log *slog.Logger, reg prometheus.Registerer, cfg ...Config) *Board {
	b := &Board{source: source, log: log, now: time.Now, metrics: newMetrics(reg)}
	if len(cfg) > 0 {
		b.cfg = cfg[0]
	}
	b.cfg = b.cfg.WithDefaults()
	now := func() time.Time { return b.now() }
	b.slots = make(chan struct{}, b.cfg.Loads)
	b.ranges = cache.New[goalcast.MatchFilter, []goalcast.Snapshot](cache.Options{Size: maxRanges, Age: b.cfg.StaleAge,
		Timeout: b.cfg.LoadTimeout,
		Slots:   b.slots, Now: now})
	b.guests = newGuests(now)
	b.held = held{cfg: b.cfg, now: now, evicted: b.metrics.evicted.Inc}
	b.held.forget()
	b.catalog = catalog{cfg: b.cfg, now: now, unknown: make(map[goalcast.Topic]time.Time)}
	b.loads = newLoads(b.cfg)
	return b
}

// Match returns a match as it stands and the cursor up to which all events are in it. The snapshot
// is shared, and nobody changes it: as long as the pointer is the same, so is the match. Errors:
// goalcast.ErrNotFound, those of the source, and the context's.
func (b *Board) Match(ctx context.Context, id goalcast.MatchID) (*goalcast.Snapshot, goalcast.Cursor, error) {
	t := goalcast.ForMatch(id)
	b.mu.Lock()
	fresh, _ := b.lookLocked(t)
	if m := b.held.matches[id]; m != nil && fresh { // what is asked for most, at no cost
		defer b.mu.Unlock()
		return m.show(), b.cursor, nil
	}
	b.mu.Unlock()
	for {
		if err := b.Load(ctx, []goalcast.Topic{t}); err != nil {
			return nil, goalcast.Cursor{}, fmt.Errorf("match %d: %w", id, err)
		}
		b.mu.Lock()
		m, cursor := b.held.matches[id], b.cursor
		switch {
		case m != nil:
			snap := m.show()
			b.mu.Unlock()
			return snap, cursor, nil
		case b.catalog.lacks(t, b.silent):
			b.mu.Unlock()
			return nil, cursor, fmt.Errorf("match %d: %w", id, goalcast.ErrNotFound)
		}
		b.mu.Unlock() // a reset, or evicted at once
	}
}

// Changes counts what changed on the board. While it stays the same, so does what Match and Matches
// return of what is held.
func (b *Board) Changes() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held.changes
}

// Matches returns the matches a filter chooses, by their time, then id: from memory where the
// filter's days are those the board holds.
func (b *Board) Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	now := b.now()
	if f.From.IsZero() || f.To.IsZero() || f.From.Before(now.Add(-b.cfg.Before)) || f.To.After(now.Add(b.cfg.After)) {
		return b.readRange(ctx, f)
	}
	t := everything
	switch {
	case f.Team > 0:
		t = goalcast.ForTeam(f.Team)
	case f.Competition > 0:
		t = goalcast.ForCompetition(f.Competition)
	}
	if err := b.Load(ctx, []goalcast.Topic{t}); err != nil {
		return nil, fmt.Errorf("matches: %w", err)
	}
	b.mu.Lock()
	l := b.held.lists[t]
	if l == nil {
		unknown := b.catalog.lacks(t, b.silent)
		b.mu.Unlock()
		if unknown {
			return nil, nil
		}
		return b.readRange(ctx, f)
	}
	if !l.whole {
		b.mu.Unlock()
		return b.readRange(ctx, f)
	}
	snaps := b.held.snaps(l)
	b.mu.Unlock()
	snaps = slices.DeleteFunc(snaps, func(s goalcast.Snapshot) bool { return !f.Chooses(s) })
	if f.Limit > 0 && len(snaps) > f.Limit {
		snaps = snaps[:f.Limit]
	}
	return snaps, nil
}

// Doubtful says whether what is served may be old: the bus is silent, and the source did not answer
// when it was asked last.
func (b *Board) Doubtful() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.silent && b.blind
}

// View returns a topic as viewers of it with such rights are shown it, and the cursor up to which
// all events are in it; false if the topic is not on the board. What they may not see is left out,
// as if it did not exist.
func (b *Board) View(t goalcast.Topic, rights goalcast.Rights) (*View, goalcast.Cursor, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.held.view(t, rights)
	if v == nil {
		if !b.catalog.lacks(t, b.silent) {
			return nil, goalcast.Cursor{}, false
		}
		v = nothing()
	}
	return v, b.cursor, true
}

// Private says which competitions not everybody may see.
func (b *Board) Private() goalcast.Private { return b.cfg.Private }

// Needs are the rights that make a difference to what viewers of a topic are shown; none if it is
// not on the board.
func (b *Board) Needs(t goalcast.Topic) goalcast.Rights {
	if len(b.cfg.Private) == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held.needs(t)
}

// Need is what one has to have to see a match; false if that is not held.
func (b *Board) Need(id goalcast.MatchID) (goalcast.Rights, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.held.matches[id]
	if m == nil {
		return 0, false
	}
	return b.cfg.Private.Match(&m.snap), true
}

// Encode encodes the matches of topics, so that nobody has to do it at a place where others wait.
func (b *Board) Encode(topics []goalcast.Topic, rights goalcast.Rights) {
	for _, t := range topics {
		b.mu.Lock()
		v := b.held.view(t, rights)
		b.mu.Unlock()
		if v != nil {
			v.JSON()
		}
	}
}

// Intro gives the snapshot of a match as it stands, for those who were sent an event of it that
// nothing could be told of then; nil if it is not held.
func (b *Board) Intro(id goalcast.MatchID) *Intro {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := b.held.matches[id]; m != nil {
		return b.held.introOf(m)
	}
	return nil
}

// MayLack says whether viewers of teams and competitions may not know the match of an event, and it
// is not held.
func (b *Board) MayLack(e goalcast.Event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held.mayLack(e)
}

// Lacks says that there certainly is no match of a topic.
func (b *Board) Lacks(t goalcast.Topic) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learnLocked()
	return b.catalog.certainlyLacks(t, b.silent)
}

// Admit counts the topics that certainly do not exist against the address for which they are asked
// (ForAddress), and says whether it may have them.
func (b *Board) Admit(ctx context.Context, topics []goalcast.Topic) bool {
	address, ok := addressOf(ctx)
	if !ok {
		return true
	}
	b.mu.Lock()
	var made []goalcast.Topic
	for _, t := range topics {
		if b.catalog.certainlyLacks(t, b.silent) {
			made = append(made, t)
		}
	}
	b.mu.Unlock()
	return b.guests.take(address, made)
}

// OnMended has f called for each match that was read again since revisions were missed: whoever
// follows it was not sent them. It is called before the first event.
func (b *Board) OnMended(f func(goalcast.MatchID, goalcast.Snapshot)) { b.mended = f }

// Event keeps the board fresh; part of goalcast.Listener.
func (b *Board) Event(p goalcast.Published) { b.Apply(p, 0) }

// Apply is Event for a hub, in whose count the event has the place seq. It returns what brings the
// match along to those who may not know it, nil mostly; or unsure, where they may not and the match
// is not held.
func (b *Board) Apply(p goalcast.Published, seq uint64) (in *Intro, unsure bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor = p.Cursor
	e := p.Event
	if e.Seq == 0 { // it changes no match
		return nil, false
	}
	if e.Seq <= 1 || e.Kind == goalcast.KindFixture { // others bring nothing new into being
		b.catalog.heard(e)
	}
	b.loads.heard(e)
	in, unsure = b.held.introFor(e)
	if m := b.applyLocked(e); m != nil {
		m.told, m.late = seq, false
	} else {
		b.held.note(e)
	}
	return in, unsure
}

// applyLocked brings an event into what is held, and has its match read where that takes more than
// the event. It returns the match, nil if it is not held.
func (b *Board) applyLocked(e goalcast.Event) *match {
	t := goalcast.ForMatch(e.Match)
	_, wanted := b.catalog.unknown[t]
	m, read := b.held.apply(e, wanted)
	if m != nil || read {
		delete(b.catalog.unknown, t)
	}
	if read {
		b.loadForEventLocked(t)
	}
	return m
}

// State does nothing: states are not part of matches. Part of goalcast.Listener.
func (b *Board) State(goalcast.State) {}

// Reread is part of goalcast.Listener; the board has no states.
func (b *Board) Reread(goalcast.Topic, []goalcast.State) {}

// Stale says that the bus is silent, or is heard again; part of goalcast.Listener. While it is
// silent, what is asked for is read from the source when it is older than StaleAge.
func (b *Board) Stale(silent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent = silent
}

// Reset forgets everything, as events were lost; part of goalcast.Listener. What is asked for after
// it is read again.
func (b *Board) Reset(c goalcast.Cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor = c
	b.reset++
	b.held.forget()
	b.catalog.forget()
	b.ranges.Clear()
}

// Cursor is the place of the last event on the board.
func (b *Board) Cursor() goalcast.Cursor {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cursor
}
