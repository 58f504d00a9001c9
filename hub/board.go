package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast"
)

// Source is where the board reads matches it does not hold yet; store.Store is one.
type Source interface {
	Match(context.Context, goalcast.MatchID) (goalcast.Snapshot, error) // goalcast.ErrNotFound
	Matches(context.Context, goalcast.MatchFilter) ([]goalcast.Snapshot, error)
}

// BoardConfig holds the board's limits; zero fields are the defaults.
type BoardConfig struct {
	Before, After time.Duration // kick-offs of a team's or competition's matches, from now; default 24 h and 48 h
	MaxMatches    int           // matches held; default 2,000, some 50 kB each; those nobody asked for longest go first
	MaxLists      int           // teams and competitions held; default 1,000
	ListMatches   int           // matches of one list; default 500
	ListAge       time.Duration // after which a list is read anew, as its window moves; default 10 min
	Unknown       time.Duration // how long "no such match" is believed without asking again; default 10 s
	LoadTimeout   time.Duration // of one reading; default 5 s
	Loads         int           // readings at one time; default 8
}

func (c BoardConfig) withDefaults() BoardConfig {
	c.Before = cmp.Or(c.Before, 24*time.Hour)
	c.After = cmp.Or(c.After, 48*time.Hour)
	c.MaxMatches = cmp.Or(c.MaxMatches, 2000)
	c.MaxLists = cmp.Or(c.MaxLists, 1000)
	c.ListMatches = cmp.Or(c.ListMatches, 500)
	c.ListAge = cmp.Or(c.ListAge, 10*time.Minute)
	c.Unknown = cmp.Or(c.Unknown, 10*time.Second)
	c.LoadTimeout = cmp.Or(c.LoadTimeout, 5*time.Second)
	c.Loads = cmp.Or(c.Loads, 8)
	return c
}

// Board holds the matches as they stand. A match or list is read from the source when somebody first asks for it, once however many
// ask, and kept fresh by the events of the bus from then on. The Hub feeds its board; in a process without hub the board itself is the bus's
// listener. Its readers never wait for anything but a first reading.
type Board struct {
	source  Source
	log     *slog.Logger
	cfg     BoardConfig
	metrics *boardMetrics
	now     func() time.Time // time.Now; tests set it
	slots   chan struct{}    // one in it per reading under way

	deflater *deflater // of the hub that sends what the board shows; nil: none does, or it does not compress

	mu      sync.Mutex // guards the rest
	cursor  goalcast.Cursor
	reset   int // counts resets: a reading begun before one is worth nothing
	matches map[goalcast.MatchID]*boardMatch
	lists   map[goalcast.Topic]*boardList
	flights map[goalcast.Topic]*flight
}

// everything is the list of all matches in the window; no viewer can follow it, REST reads it.
var everything = goalcast.Topic{}

// boardMatch is one match; found is false for an id that the source does not know.
type boardMatch struct {
	snap  goalcast.Snapshot
	found bool
	read  time.Time        // when the source said so
	used  time.Time        // when somebody asked for it last
	in    []goalcast.Topic // lists it is in; such a match stays
	face
}

// boardList is the matches of a team or a competition in the window.
type boardList struct {
	ids      map[goalcast.MatchID]struct{}
	from, to time.Time
	read     time.Time
	used     time.Time
	whole    bool // the source had no more matches in the window than it was asked for
	face
}

// NewBoard makes an empty board. A BoardConfig may follow; it reads nothing until it is asked.
func NewBoard(source Source, log *slog.Logger, reg prometheus.Registerer, cfg ...BoardConfig) *Board {
	b := &Board{
		source: source, log: log, now: time.Now, metrics: newBoardMetrics(reg),
		matches: make(map[goalcast.MatchID]*boardMatch),
		lists:   make(map[goalcast.Topic]*boardList),
		flights: make(map[goalcast.Topic]*flight),
	}
	if len(cfg) > 0 {
		b.cfg = cfg[0]
	}
	b.cfg = b.cfg.withDefaults()
	b.slots = make(chan struct{}, b.cfg.Loads)
	return b
}

// Match returns a match as it stands and the cursor up to which all events are in it. Errors: goalcast.ErrNotFound, those of the
// source, and the context's.
func (b *Board) Match(ctx context.Context, id goalcast.MatchID) (goalcast.Snapshot, goalcast.Cursor, error) {
	t := goalcast.ForMatch(id)
	for {
		if err := b.ensure(ctx, []goalcast.Topic{t}); err != nil {
			return goalcast.Snapshot{}, goalcast.Cursor{}, fmt.Errorf("match %d: %w", id, err)
		}
		b.mu.Lock()
		m, cursor := b.matches[id], b.cursor
		if m == nil { // a reset, or evicted at once
			b.mu.Unlock()
			continue
		}
		snap, found := m.snap, m.found
		b.mu.Unlock()
		if !found {
			return goalcast.Snapshot{}, cursor, fmt.Errorf("match %d: %w", id, goalcast.ErrNotFound)
		}
		return snap, cursor, nil
	}
}

// Matches returns the matches a filter chooses, by kick-off, then id: from memory where the filter's days are those the board holds.
func (b *Board) Matches(ctx context.Context, f goalcast.MatchFilter) ([]goalcast.Snapshot, error) {
	now := b.now()
	if f.From.IsZero() || f.To.IsZero() || f.From.Before(now.Add(-b.cfg.Before)) || f.To.After(now.Add(b.cfg.After)) {
		return b.source.Matches(ctx, f)
	}
	t := everything
	switch {
	case f.Team > 0:
		t = goalcast.ForTeam(f.Team)
	case f.Competition > 0:
		t = goalcast.ForCompetition(f.Competition)
	}
	if err := b.ensure(ctx, []goalcast.Topic{t}); err != nil {
		return nil, fmt.Errorf("matches: %w", err)
	}
	b.mu.Lock()
	l := b.lists[t]
	if l == nil || !l.whole || f.From.Before(l.from) || f.To.After(l.to) {
		b.mu.Unlock()
		return b.source.Matches(ctx, f)
	}
	snaps := b.snapsLocked(l)
	b.mu.Unlock()
	snaps = slices.DeleteFunc(snaps, func(s goalcast.Snapshot) bool {
		return s.Kickoff.Before(f.From) || !s.Kickoff.Before(f.To) ||
			f.Competition > 0 && s.Competition.ID != f.Competition || f.Team > 0 && s.Home.ID != f.Team && s.Away.ID != f.Team
	})
	if f.Limit > 0 && len(snaps) > f.Limit {
		snaps = snaps[:f.Limit]
	}
	return snaps, nil
}

// snapsLocked lists a list's matches by kick-off, then id.
func (b *Board) snapsLocked(l *boardList) []goalcast.Snapshot {
	snaps := make([]goalcast.Snapshot, 0, len(l.ids))
	for id := range l.ids {
		snaps = append(snaps, b.matches[id].snap)
	}
	slices.SortFunc(snaps, func(a, b goalcast.Snapshot) int { return cmp.Or(a.Kickoff.Compare(b.Kickoff), cmp.Compare(a.ID, b.ID)) })
	return snaps
}

// Event keeps the board fresh; part of goalcast.Listener.
func (b *Board) Event(p goalcast.Published) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor = p.Cursor
	e := p.Event
	if e.Match == 0 || e.Kind == goalcast.KindMessage {
		return
	}
	for _, f := range b.flights {
		f.heard(e)
	}
	b.applyLocked(e)
}

// applyLocked brings an event into the match and the lists that hold it, and the match into lists it belongs to now.
func (b *Board) applyLocked(e goalcast.Event) {
	m := b.matches[e.Match]
	if m == nil || !m.found {
		wanted := m != nil || slices.ContainsFunc(e.Topics, func(t goalcast.Topic) bool { return b.lists[t] != nil }) || b.lists[everything] != nil
		if !wanted {
			return
		}
		if e.Seq != 1 { // its beginning is not known here
			b.flyLocked(goalcast.ForMatch(e.Match))
			return
		}
		m = b.putLocked(e.Match, goalcast.Snapshot{ID: e.Match}, true)
	}
	m.snap = goalcast.Apply(m.snap, e)
	b.changedLocked(m)
}

// changedLocked makes the match's and its lists' frames void and puts it into the lists it belongs to.
func (b *Board) changedLocked(m *boardMatch) {
	m.face = face{}
	for _, t := range append(m.snap.Topics(m.snap.ID), everything) {
		if l := b.lists[t]; l != nil && !m.snap.Kickoff.Before(l.from) && m.snap.Kickoff.Before(l.to) {
			b.enlistLocked(m, t)
		}
	}
	for _, t := range m.in { // also those it no longer belongs to: a moved kick-off must be seen there
		b.lists[t].face = face{}
	}
}

// enlistLocked puts a match into a list; once is enough.
func (b *Board) enlistLocked(m *boardMatch, t goalcast.Topic) {
	if !slices.Contains(m.in, t) {
		m.in = append(m.in, t)
		b.lists[t].ids[m.snap.ID] = struct{}{}
	}
}

// putLocked stores what is known of a match in place of what was.
func (b *Board) putLocked(id goalcast.MatchID, snap goalcast.Snapshot, found bool) *boardMatch {
	m := b.matches[id]
	if m == nil {
		m = &boardMatch{used: b.now()}
		b.matches[id] = m
		b.evictLocked(id)
	}
	m.snap, m.found, m.read, m.face = snap, found, b.now(), face{}
	return m
}

// evictLocked makes room: the matches that nobody asked for longest go, a tenth at a time, so that the search is rare.
func (b *Board) evictLocked(keep goalcast.MatchID) {
	if len(b.matches) <= b.cfg.MaxMatches {
		return
	}
	ids := slices.Collect(maps.Keys(b.matches))
	ids = slices.DeleteFunc(ids, func(id goalcast.MatchID) bool { return id == keep || len(b.matches[id].in) > 0 })
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
		m.in = slices.DeleteFunc(m.in, func(in goalcast.Topic) bool { return in == t })
	}
	delete(b.lists, t)
}

// State does nothing: states are not part of matches. Part of goalcast.Listener.
func (b *Board) State(goalcast.State) {}

// Stale does nothing: the board is as good as its last event. Part of goalcast.Listener.
func (b *Board) Stale(bool) {}

// Reset forgets everything, as events were lost; part of goalcast.Listener. What is asked for after it is read anew.
func (b *Board) Reset(c goalcast.Cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cursor = c
	b.reset++
	clear(b.matches)
	clear(b.lists)
}

// notFound says whether an error means that the source has no such match.
func notFound(err error) bool { return errors.Is(err, goalcast.ErrNotFound) }
