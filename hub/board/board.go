package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"goalcast"
)

// Source is where the board reads matches it does not hold yet; store.Store is one. One that also has Known spares the board the question for
// what does not exist.
type Source interface {
	Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error) // goalcast.ErrNotFound
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
}

// Config holds the board's limits; zero fields are the defaults.
type Config struct {
	Before, After time.Duration // kick-offs of a team's or competition's matches, from now; default 24 h and 48 h
	MaxMatches    int           // matches held beside those in lists; default 2,000, some 50 kB each; those nobody asked for longest go first
	MaxLists      int           // teams and competitions held; default 5,000
	ListMatches   int           // matches of one list; default 5,000
	ListAge       time.Duration // after which a list is read again, as its window moves; default 10 min
	Unknown       time.Duration // how long "no such match" is believed without asking again; default 10 s
	MaxUnknown    int           // such answers kept; default 20,000
	StaleAge      time.Duration // how old a reading may be that is served while the bus is silent; default 1 s, and four times what it took
	Patience      time.Duration // how long one waits for a newer reading of what is held; default 1 s
	Retry         time.Duration // after a reading of what is held failed, until the next; default 5 s
	LoadTimeout   time.Duration // of one reading; default 5 s
	Loads         int           // readings at one time; default 8
	MaxWaiting    int           // readings that wait for their turn; default 1,024; more are refused
	MaxPerAddress int           // of these, for viewers of one address (IPv6: one /64); default 256
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

// Board holds the matches as they stand. A match or list is read from the source when somebody first asks for it, once however many
// ask, and kept fresh by the events of the bus from then on. The Hub feeds its board; in a process without hub the board itself is the bus's
// listener. Its readers never wait for anything but a first reading, and a moment for a newer one where what is held may be old.
type Board struct {
	source  Source
	log     *slog.Logger
	cfg     Config
	metrics *metrics
	now     func() time.Time // time.Now; tests set it
	slots   chan struct{}    // one in it per reading under way

	mended func(goalcast.MatchID, goalcast.Snapshot) // see OnMended; nil: nobody asked

	mu      sync.Mutex // guards the rest
	cursor  goalcast.Cursor
	reset   int  // counts resets: a reading begun before one is worth nothing
	silent  bool // the bus is
	blind   bool // the last reading failed
	matches map[goalcast.MatchID]*match
	lists   map[goalcast.Topic]*list
	listed  int                          // matches that are in lists
	unknown map[goalcast.Topic]time.Time // matches that the source does not have, and when it said so
	known   known
	flights map[goalcast.Topic]*flight   // readings under way, and those that wait for their turn
	reading map[*flight]struct{}         // those under way: at most Loads
	askers  map[netip.Addr]int           // flights by the address they are for, as clientip.Counted has it
	madeUp  map[netip.Addr]*rate.Limiter // of topics that do not exist, by address
	ranges  map[goalcast.MatchFilter]*rangeRead

	glimpses map[goalcast.MatchID]glimpse // of matches that are not held
}

// everything is the list of all matches in the window; no viewer can follow it, REST reads it.
var everything = goalcast.Topic{}

// match is one match.
type match struct {
	snap goalcast.Snapshot
	asOf
	used time.Time        // when somebody asked for it last
	in   []goalcast.Topic // lists it is in; such a match stays
	told uint64           // seq in the hub's count of its newest event: who followed then knows the match; 0 if nobody can be sure
	late bool             // it was put into a list after that was read: who joined before does not know it
	hole bool             // a revision was missed

	view  *View  // nil until somebody asks, and after a change
	intro *Intro // likewise
}

// asOf says how good what is held is.
type asOf struct {
	read  time.Time // when the source was asked
	took  time.Duration
	retry time.Time // a reading failed: not again before
}

// list is the matches of a team or a competition in the window.
type list struct {
	ids      map[goalcast.MatchID]struct{}
	from, to time.Time
	asOf
	used  time.Time
	whole bool // the source had no more matches in the window than are held
	view  *View
}

// New makes an empty board. A Config may follow; it reads nothing until it is asked.
func New(source Source, log *slog.Logger, reg prometheus.Registerer, cfg ...Config) *Board {
	b := &Board{
		source: source, log: log, now: time.Now, metrics: newMetrics(reg),
		matches:  make(map[goalcast.MatchID]*match),
		lists:    make(map[goalcast.Topic]*list),
		unknown:  make(map[goalcast.Topic]time.Time),
		flights:  make(map[goalcast.Topic]*flight),
		reading:  make(map[*flight]struct{}),
		askers:   make(map[netip.Addr]int),
		madeUp:   make(map[netip.Addr]*rate.Limiter),
		glimpses: make(map[goalcast.MatchID]glimpse),
		ranges:   make(map[goalcast.MatchFilter]*rangeRead),
	}
	if len(cfg) > 0 {
		b.cfg = cfg[0]
	}
	b.cfg = b.cfg.WithDefaults()
	b.slots = make(chan struct{}, b.cfg.Loads)
	return b
}

// Match returns a match as it stands and the cursor up to which all events are in it. Errors: goalcast.ErrNotFound, those of the
// source, and the context's.
func (b *Board) Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, goalcast.Cursor, error) {
	t := goalcast.ForMatch(id)
	for {
		if err := b.Load(ctx, []goalcast.Topic{t}); err != nil {
			return goalcast.Snapshot{}, goalcast.Cursor{}, fmt.Errorf("match %d: %w", id, err)
		}
		b.mu.Lock()
		m, cursor := b.matches[id], b.cursor
		switch {
		case m != nil:
			snap := m.snap
			b.mu.Unlock()
			return snap, cursor, nil
		case b.unknownLocked(t):
			b.mu.Unlock()
			return goalcast.Snapshot{}, cursor, fmt.Errorf("match %d: %w", id, goalcast.ErrNotFound)
		}
		b.mu.Unlock() // a reset, or evicted at once
	}
}

// Matches returns the matches a filter chooses, by their time, then id: from memory where the filter's days are those the board holds.
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
	l := b.lists[t]
	if l == nil {
		unknown := b.unknownLocked(t)
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
	snaps := b.snapsLocked(l)
	b.mu.Unlock()
	snaps = slices.DeleteFunc(snaps, func(s goalcast.Snapshot) bool { return !f.Chooses(s) })
	if f.Limit > 0 && len(snaps) > f.Limit {
		snaps = snaps[:f.Limit]
	}
	return snaps, nil
}

// snapsLocked lists a list's matches by their time, then id.
func (b *Board) snapsLocked(l *list) []goalcast.Snapshot {
	snaps := make([]goalcast.Snapshot, 0, len(l.ids))
	for id := range l.ids {
		snaps = append(snaps, b.matches[id].snap)
	}
	slices.SortFunc(snaps, goalcast.ByTime)
	return snaps
}

// Doubtful says whether what is served may be old: the bus is silent, and the source did not answer when it was asked last.
func (b *Board) Doubtful() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.silent && b.blind
}

// OnMended has f called for each match that was read again since revisions were missed: whoever follows it was not sent them. It is called
// before the first event.
func (b *Board) OnMended(f func(goalcast.MatchID, goalcast.Snapshot)) { b.mended = f }

// Event keeps the board fresh; part of goalcast.Listener.
func (b *Board) Event(p goalcast.Published) { b.Apply(p, 0) }

// Apply is Event for a hub, in whose count the event has the place seq. It returns what brings the match along to those who may not know it, nil
// mostly; or unsure, where they may not and the match is not held.
func (b *Board) Apply(p goalcast.Published, seq uint64) (in *Intro, unsure bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor = p.Cursor
	e := p.Event
	if e.Match == 0 || e.Kind == goalcast.KindMessage {
		return nil, false
	}
	if e.Seq <= 1 || e.Kind == goalcast.KindFixture { // others bring nothing new into being
		b.known.heard(e)
	}
	for f := range b.reading {
		f.heard(e)
	}
	in, unsure = b.introLocked(e)
	if m := b.applyLocked(e); m != nil {
		m.told, m.late = seq, false
	} else {
		b.glimpseLocked(e)
	}
	return in, unsure
}

// applyLocked brings an event into the match and the lists that hold it, and the match into lists it belongs to now. It returns the match, nil if
// it is not held.
func (b *Board) applyLocked(e goalcast.Event) *match {
	m := b.matches[e.Match]
	if m == nil {
		t := goalcast.ForMatch(e.Match)
		_, wanted := b.unknown[t]
		if !wanted && b.lists[everything] == nil && !slices.ContainsFunc(e.Topics, func(t goalcast.Topic) bool { return b.lists[t] != nil }) {
			return nil
		}
		delete(b.unknown, t)
		if e.Seq != 1 { // its beginning is not known here
			b.readForEventLocked(t)
			return nil
		}
		m = b.putLocked(e.Match, goalcast.Snapshot{ID: e.Match}, asOf{read: b.now()})
	}
	if e.Seq > m.snap.Seq+1 {
		m.hole = true
		b.readForEventLocked(goalcast.ForMatch(e.Match))
	}
	m.snap = goalcast.Apply(m.snap, e)
	b.changedLocked(m)
	return m
}

// changedLocked makes the match's and its lists' views void and puts it into the lists it belongs to.
func (b *Board) changedLocked(m *match) {
	m.view, m.intro = nil, nil
	at := m.snap.Time()
	for _, t := range append(m.snap.Topics(m.snap.ID), everything) {
		if l := b.lists[t]; l != nil && (!at.Before(l.from) && at.Before(l.to) || b.playsLocked(m.snap)) {
			b.enlistLocked(m, t)
		}
	}
	for _, t := range m.in { // also those it no longer belongs to: a moved kick-off must be seen there
		b.lists[t].view = nil
	}
}

// playsLocked says whether a match is in play, whenever it was planned: it is in lists then. One of which nothing was heard for long is not.
func (b *Board) playsLocked(s goalcast.Snapshot) bool {
	return s.State == goalcast.Live && !time.UnixMilli(s.Updated).Before(b.now().Add(-b.cfg.Before))
}

// enlistLocked puts a match into a list; once is enough.
func (b *Board) enlistLocked(m *match, t goalcast.Topic) {
	if !slices.Contains(m.in, t) {
		if len(m.in) == 0 {
			b.listed++
		}
		m.in = append(m.in, t)
		b.lists[t].ids[m.snap.ID] = struct{}{}
	}
}

// putLocked stores what is known of a match in place of what was.
func (b *Board) putLocked(id goalcast.MatchID, snap goalcast.Snapshot, how asOf) *match {
	m := b.matches[id]
	if m == nil {
		m = &match{used: b.now()}
		b.matches[id] = m
		b.evictLocked(id)
	}
	m.snap, m.asOf, m.view, m.intro = snap, how, nil, nil
	delete(b.glimpses, id)
	return m
}

// evictLocked makes room: of the matches that are in no list, those that nobody asked for longest go, a tenth at a time, so that the search is rare.
func (b *Board) evictLocked(keep goalcast.MatchID) {
	if len(b.matches)-b.listed <= b.cfg.MaxMatches {
		return
	}
	ids := make([]goalcast.MatchID, 0, len(b.matches)-b.listed)
	for id, m := range b.matches {
		if id != keep && len(m.in) == 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y goalcast.MatchID) int { return b.matches[x].used.Compare(b.matches[y].used) })
	for _, id := range ids[:min(len(ids), b.cfg.MaxMatches/10+1)] {
		delete(b.matches, id)
		b.metrics.evicted.Inc()
	}
}

// dropListLocked forgets a list; its matches may then be evicted.
func (b *Board) dropListLocked(t goalcast.Topic) {
	for id := range b.lists[t].ids {
		m := b.matches[id]
		if m.in = slices.DeleteFunc(m.in, func(in goalcast.Topic) bool { return in == t }); len(m.in) == 0 {
			b.listed--
		}
	}
	delete(b.lists, t)
}

// evictListsLocked makes room as evictLocked does.
func (b *Board) evictListsLocked(keep goalcast.Topic) {
	if len(b.lists) <= b.cfg.MaxLists {
		return
	}
	topics := slices.Collect(maps.Keys(b.lists))
	topics = slices.DeleteFunc(topics, func(t goalcast.Topic) bool { return t == keep || t == everything })
	slices.SortFunc(topics, func(x, y goalcast.Topic) int { return b.lists[x].used.Compare(b.lists[y].used) })
	for _, t := range topics[:min(len(topics), b.cfg.MaxLists/10+1)] {
		b.dropListLocked(t)
		b.metrics.evicted.Inc()
	}
}

// State does nothing: states are not part of matches. Part of goalcast.Listener.
func (b *Board) State(goalcast.State) {}

// Stale says that the bus is silent, or is heard again; part of goalcast.Listener. While it is silent, what is asked for is read from the source
// when it is older than StaleAge.
func (b *Board) Stale(silent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent = silent
}

// Reset forgets everything, as events were lost; part of goalcast.Listener. What is asked for after it is read again.
func (b *Board) Reset(c goalcast.Cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor = c
	b.reset++
	b.known.forget()
	b.listed = 0
	clear(b.matches)
	clear(b.lists)
	clear(b.unknown)
	clear(b.ranges)
	clear(b.glimpses)
}

// notFound says whether an error means that the source has no such match.
func notFound(err error) bool { return errors.Is(err, goalcast.ErrNotFound) }
