// Package follow knows which topics viewers follow, how many follow each, and what the states of a
// topic are: the bus is asked for the states of a topic as long as somebody follows it.
//
// It is shared by all requests and shards: a mutex guards the Registry, another each Table. Each
// question to the bus has a goroutine of its own, which Wait waits for.
package follow

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// Bus is where states come from.
type Bus interface {
	// Follow makes the bus deliver the topic's states from now on and returns those known.
	// unfollow ends it.
	Follow(context.Context, goalcast.Topic) (known []goalcast.State, unfollow func(), err error)
}

// Config is what a Registry is told. All of it is needed except Lacks.
type Config struct {
	Shards    int           // that are told of changes
	MaxStates int           // keys of one topic; more are dropped
	Linger    time.Duration // how long a topic without viewers is still followed on the bus
	Timeout   time.Duration // of one question to the bus

	Deflater *frame.Deflater           // nil: frames are not compressed
	Changed  func(*Table)              // has viewers told
	Gate     func(*Table, *GateChange) // has them told of a gate, before anything that Changed is called for next
	// there certainly is no such match, so its topics have no states; nil: nobody knows
	Lacks func(goalcast.Topic) bool
	// what one has to have to get anything by a topic, as far as its name says; nil: nothing
	Need func(goalcast.Topic) goalcast.Rights
}

// Registry holds the topics that are followed here.
type Registry struct {
	bus   Bus // nil: there are no states
	cfg   Config
	log   *slog.Logger
	slots chan struct{} // one in it per Follow under way

	telling sync.Mutex // held while a gate changes and viewers are told: one after the other

	mu       sync.Mutex
	topics   map[goalcast.Topic]*Topic
	viewed   int // topics that have viewers
	followed int // topics that the bus is asked for, or about to be
	asking   sync.WaitGroup
	dropped  atomic.Int64 // values of keys over the limit
}

// Topic is a topic that somebody follows, or did a moment ago.
type Topic struct {
	Name  goalcast.Topic
	Table *Table // nil: it has no states

	registry *Registry
	need     atomic.Uint32 // Rights

	// guarded by the registry's mutex
	viewers  int           // those who are about to join included
	idle     time.Time     // when it lost its last viewer
	busy     chan struct{} // closed when Follow or its end, which is under way, has ended; nil otherwise
	ready    bool          // the bus follows it
	unfollow func()        // ends that
	err      error         // of the last Follow
	pause    time.Duration // before it is tried again
	retry    time.Time     // when that is
}

// Claim is a viewer's: it is counted in each of the topics until it leaves them.
type Claim []*Topic

const (
	maxFollowed = 20_000 // topics that are followed on the bus at once; more have no states
	maxAsking   = 16     // topics that are asked for at one time: the bus has goals to carry
	// statesWait is how long a snapshot waits for what is counted in a match. Prices are waited
	// for: they are all that their topic has.
	statesWait = 250 * time.Millisecond
	// A Follow that failed is tried again after a pause that doubles from the first to the last.
	firstFollowPause, lastFollowPause = time.Second, 30 * time.Second
)

// New makes a registry of nothing. The bus may be nil, then there are no states.
func New(bus Bus, cfg Config, log *slog.Logger) *Registry {
	return &Registry{bus: bus, cfg: cfg, log: log,
		slots: make(chan struct{}, maxAsking), topics: make(map[goalcast.Topic]*Topic)}
}

// Follow counts a viewer in topics and has the bus follow their states. It waits for prices, and
// returns their error; other states are waited for a moment, and come when they come.
func (r *Registry) Follow(ctx context.Context, topics []goalcast.Topic) (Claim, error) {
	claim := make(Claim, 0, len(topics))
	var wait []*Topic
	now := time.Now()
	r.mu.Lock()
	for _, name := range topics {
		t := r.topicLocked(name)
		claim = append(claim, t)
		if t.viewers++; t.viewers == 1 {
			r.viewed++
		}
		switch {
		case t.Table == nil:
		case t.err != nil && name.Kind != goalcast.OddsTopic && now.Before(t.retry):
		case !t.ready && r.lacks(name): // followed by Sweep when there is such a match
		default:
			if r.followLocked(t); !t.ready {
				wait = append(wait, t)
			}
		}
	}
	r.mu.Unlock()
	if len(wait) == 0 {
		return claim, nil
	}
	moment, cancel := context.WithTimeout(ctx, statesWait)
	defer cancel()
	for _, t := range wait {
		required := t.Name.Kind.StatesOnly() // a snapshot without them would be empty
		patience := moment
		if required {
			patience = ctx
		}
		if err := r.await(patience, t); err != nil && required {
			claim.Leave()
			return nil, err
		}
	}
	return claim, nil
}

// Leave uncounts the viewer in all topics.
func (c Claim) Leave() {
	for _, t := range c {
		t.Leave()
	}
}

// Leave uncounts one viewer.
func (t *Topic) Leave() {
	r := t.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.viewers--; t.viewers > 0 {
		return
	}
	r.viewed--
	t.idle = time.Now()
	if !t.ready && t.busy == nil && t.err == nil {
		delete(r.topics, t.Name) // it was never followed on the bus
	}
}

// await waits until a topic that somebody follows is followed on the bus, or cannot be.
func (r *Registry) await(ctx context.Context, t *Topic) error {
	for {
		r.mu.Lock()
		ready, busy, err := t.ready, t.busy, t.err
		r.mu.Unlock()
		switch {
		case ready:
			return nil
		case busy == nil:
			if err == nil {
				err = fmt.Errorf("%w: too many topics", goalcast.ErrUnavailable)
			}
			return fmt.Errorf("follow %s: %w", t.Name, err)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return fmt.Errorf("%w: follow %s: %w", goalcast.ErrUnavailable, t.Name, ctx.Err())
		}
	}
}

func (r *Registry) topicLocked(name goalcast.Topic) *Topic {
	t := r.topics[name]
	if t == nil {
		t = &Topic{Name: name, registry: r, idle: time.Now()}
		if r.cfg.Need != nil {
			t.need.Store(uint32(r.cfg.Need(name)))
		}
		if r.bus != nil && name.Kind.HasStates() {
			t.Table = NewTable(name, r.cfg.Shards)
		}
		r.topics[name] = t
	}
	return t
}

// lacks says whether a topic is made up, or of a match still to come. The bus is not asked for
// those.
func (r *Registry) lacks(t goalcast.Topic) bool { return r.cfg.Lacks != nil && r.cfg.Lacks(t) }

// followLocked has the bus follow a topic, unless it does.
func (r *Registry) followLocked(t *Topic) {
	if t.ready || t.busy != nil || r.followed >= maxFollowed {
		return
	}
	r.followed++
	t.busy = make(chan struct{})
	r.asking.Go(func() { r.follow(t) })
}

// follow asks the bus for a topic's states; one caller at a time per topic.
func (r *Registry) follow(t *Topic) {
	r.slots <- struct{}{}
	read := t.Table.Read()
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Timeout)
	known, unfollow, err := r.bus.Follow(ctx, t.Name)
	cancel()
	<-r.slots
	now := time.Now()
	if err == nil {
		r.replace(t.Table, known, now, func() bool { return t.Table.Read() == read })
	}
	r.mu.Lock()
	t.ready, t.unfollow, t.err, t.idle = err == nil, unfollow, err, now
	t.pause = min(max(2*t.pause, firstFollowPause), lastFollowPause)
	if err == nil {
		t.pause = 0
	} else {
		r.followed--
	}
	t.retry = now.Add(t.pause)
	close(t.busy)
	t.busy = nil
	r.mu.Unlock()
}

// Sweep ends what nobody has needed for a while, and tries again what could not be followed. It is
// called every tick.
func (r *Registry) Sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range r.topics {
		switch {
		case t.Table == nil, t.busy != nil:
		case t.viewers > 0:
			if !t.ready && now.After(t.retry) && !r.lacks(name) {
				r.followLocked(t)
			}
		case now.Sub(t.idle) <= r.cfg.Linger:
		case !t.ready:
			delete(r.topics, name)
		default:
			t.busy = make(chan struct{}) // who comes now waits and has it followed again
			t.ready = false
			r.asking.Go(func() { r.end(t) })
		}
	}
}

// end has the bus no longer follow a topic.
func (r *Registry) end(t *Topic) {
	t.unfollow()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followed--
	busy := t.busy
	t.busy = nil
	if t.viewers > 0 {
		r.followLocked(t)
	} else {
		delete(r.topics, t.Name)
	}
	close(busy)
}

// Wait returns when no question to the bus is under way.
func (r *Registry) Wait() { r.asking.Wait() }

// Set takes in a value that has just come, and has viewers told. What nobody follows here is not
// kept.
func (r *Registry) Set(st goalcast.State, now time.Time) {
	if table := r.Table(st.Topic); table != nil {
		r.telling.Lock()
		defer r.telling.Unlock()
		news, full, gate := table.Take(st, now, r.cfg.MaxStates, r.cfg.Deflater)
		r.tell(table, news, full, gate)
	}
}

// newsTime is how long after its document came an event shuts a gate, as the bus has it.
const newsTime = 5 * time.Minute

// Event shuts the gate of a match's prices ahead of an event that they do not know, if the bus has
// not told yet that it is shut.
func (r *Registry) Event(e *goalcast.Event, now time.Time) {
	reason, published := e.ShutsGate(), e.Times.Published
	if reason == "" || published-e.Times.Received > newsTime.Milliseconds() {
		return
	}
	if table := r.Table(goalcast.ForOdds(e.Match)); table != nil {
		r.telling.Lock()
		defer r.telling.Unlock()
		r.tell(table, false, false, table.Outdate(reason, published, now, r.cfg.Deflater))
	}
}

// Replace takes in all values of a topic as they were read.
func (r *Registry) Replace(name goalcast.Topic, all []goalcast.State, now time.Time) {
	if table := r.Table(name); table != nil {
		r.replace(table, all, now, func() bool { return true })
	}
}

// replace takes in values, if they are still the newest ones: the bus reads a topic again once it
// is subscribed to, and that may be here before the answer to Follow, which is older.
func (r *Registry) replace(table *Table, all []goalcast.State, now time.Time, still func() bool) {
	r.telling.Lock()
	defer r.telling.Unlock()
	if !still() {
		return
	}
	news, full, gate := table.Replace(all, now, r.cfg.MaxStates, r.cfg.Deflater)
	r.tell(table, news, full, gate)
}

func (r *Registry) tell(table *Table, news, full bool, gate *GateChange) {
	if full {
		r.dropped.Add(1)
	}
	if gate != nil {
		r.cfg.Gate(table, gate)
	}
	if news || gate != nil {
		r.cfg.Changed(table)
	}
}

// Silence shuts all gates while the bus is silent.
func (r *Registry) Silence(silent bool, now time.Time) {
	r.telling.Lock()
	defer r.telling.Unlock()
	for _, table := range r.gated() {
		if silent {
			r.tell(table, false, false, table.Shut(goalcast.GateBus, now, r.cfg.Deflater))
		} else {
			r.tell(table, false, false, table.Unshut(now, r.cfg.Deflater))
		}
	}
}

// Watch looks after the gates: it is called a few times a second.
func (r *Registry) Watch(now time.Time) {
	r.telling.Lock()
	defer r.telling.Unlock()
	for _, table := range r.gated() {
		r.tell(table, false, false, table.Watch(now, r.cfg.Deflater))
	}
}

// gated lists the tables of topics that can have a gate.
func (r *Registry) gated() (tables []*Table) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, t := range r.topics {
		if name.Kind.StatesOnly() && t.Table != nil {
			tables = append(tables, t.Table)
		}
	}
	return tables
}

// Need is what one has to have to get anything by the topic.
func (t *Topic) Need() goalcast.Rights { return goalcast.Rights(t.need.Load()) }

// Need is that of a topic; nobody gets anything by one that is not here.
func (r *Registry) Need(name goalcast.Topic) goalcast.Rights {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.topics[name]; t != nil {
		return t.Need()
	}
	return goalcast.RightOfNobody
}

// Know notes what a match needs: its topics need it too.
func (r *Registry) Know(id goalcast.MatchID, need goalcast.Rights) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range []goalcast.Topic{goalcast.ForMatch(id), goalcast.ForOdds(id)} {
		if t := r.topics[name]; t != nil {
			t.need.Store(uint32(need))
		}
	}
}

// Table finds a topic's table; nil if there is none.
func (r *Registry) Table(t goalcast.Topic) *Table {
	if !t.Kind.HasStates() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.topics[t]; t != nil {
		return t.Table
	}
	return nil
}

// Followed is how many topics the bus is asked for.
func (r *Registry) Followed() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(r.followed)
}

// Dropped counts the values of keys over the limit.
func (r *Registry) Dropped() int64 { return r.dropped.Load() }

// Nobody says that no topic has a viewer.
func (r *Registry) Nobody() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.viewed == 0
}

// AnyInLists says whether anybody follows one of the topics whose snapshot is a list of matches.
func (r *Registry) AnyInLists(topics []goalcast.Topic) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range topics {
		if t := r.topics[name]; name.Kind.Info().Matches.Lists() && t != nil && t.viewers > 0 {
			return true
		}
	}
	return false
}

// Viewed lists the topics that have viewers, those with the most first.
func (r *Registry) Viewed() []goalcast.Topic {
	all := r.Audience()
	topics := make([]goalcast.Topic, len(all))
	for i, a := range all {
		topics[i] = a.Topic
	}
	return topics
}

// Audience counts the viewers of the topics that have any, those with the most first.
func (r *Registry) Audience() []goalcast.TopicViewers {
	r.mu.Lock()
	all := make([]goalcast.TopicViewers, 0, r.viewed)
	for name, t := range r.topics {
		if t.viewers > 0 {
			all = append(all, goalcast.TopicViewers{Topic: name, Viewers: t.viewers})
		}
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b goalcast.TopicViewers) int {
		return cmp.Or(cmp.Compare(b.Viewers, a.Viewers), cmp.Compare(a.Topic.Kind, b.Topic.Kind),
			cmp.Compare(a.Topic.ID, b.Topic.ID))
	})
	return all
}
