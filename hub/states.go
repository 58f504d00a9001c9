package hub

import (
	"container/list"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"goalcast"
)

// stateTable holds the newest value of each key of a topic, ordered by when it changed, for all shards. Viewers have no queue of
// states: they remember the change up to which they know the table.
type stateTable struct {
	topic  goalcast.Topic
	hinted []atomic.Bool // by shard: it has been told of a change and has not looked yet

	mu      sync.Mutex // guards the rest
	changes uint64     // counts changes; the newest slot has this number
	slots   map[string]*list.Element
	order   list.List // of *slot, the newest change last
	text    []byte    // JSON of all values as of textAt
	textAt  uint64
}

type slot struct {
	state  goalcast.State
	change uint64
	frame  *message
}

func newStateTable(t goalcast.Topic, shards int) *stateTable {
	return &stateTable{topic: t, hinted: make([]atomic.Bool, shards)}
}

// set takes a value in and says whether it is news; more than maxKeys keys and older versions are not.
func (t *stateTable) set(st goalcast.State, now time.Time, maxKeys int, d *deflater) (news, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.slots[st.Key]
	if e == nil && len(t.slots) >= maxKeys {
		return false, true
	}
	if e != nil && e.Value.(*slot).state.Version >= st.Version {
		return false, false
	}
	if t.slots == nil {
		t.slots = make(map[string]*list.Element)
	}
	t.changes++
	frame := newMessage(goalcast.FrameState, classState, goalcast.Frame{Type: goalcast.FrameState, State: &st, Sent: now.UnixMilli()}.Encode)
	frame.deflater = d
	s := &slot{state: st, change: t.changes, frame: frame}
	if e == nil {
		t.slots[st.Key] = t.order.PushBack(s)
		return true, false
	}
	e.Value = s
	t.order.MoveToBack(e)
	return true, false
}

// since lists the slots that changed after a change, oldest first, and the newest change.
func (t *stateTable) since(change uint64) ([]*slot, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.order.Back()
	if e == nil || e.Value.(*slot).change <= change {
		return nil, t.changes
	}
	n := 1
	for p := e.Prev(); p != nil && p.Value.(*slot).change > change; p = p.Prev() {
		e = p
		n++
	}
	slots := make([]*slot, 0, n)
	for ; e != nil; e = e.Next() {
		slots = append(slots, e.Value.(*slot))
	}
	return slots, t.changes
}

// snapshot gives all values as JSON and the newest change in them; nil and 0 if there are none. A nil table has none.
func (t *stateTable) snapshot() ([]byte, uint64) {
	if t == nil {
		return nil, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.textAt != t.changes {
		states := make([]goalcast.State, 0, len(t.slots))
		for e := t.order.Front(); e != nil; e = e.Next() {
			states = append(states, e.Value.(*slot).state)
		}
		text, err := json.Marshal(states)
		if err != nil {
			panic("states: " + err.Error()) // values are JSON texts, checked by those who put them on the bus
		}
		t.text, t.textAt = text, t.changes
	}
	return t.text, t.textAt
}

// states holds the tables, and has the bus follow the topics with states that somebody looks at.
type states struct {
	bus      Bus // nil: there are no states
	cfg      Config
	log      *slog.Logger
	deflater *deflater
	changed  func(*stateTable)         // has viewers told
	lacks    func(goalcast.Topic) bool // there certainly is no such match, so its topics have no states; nil: nobody knows
	slots    chan struct{}             // one in it per Follow under way

	mu       sync.Mutex
	tables   map[goalcast.Topic]*tableEntry
	followed int // tables that are followed, or about to be
	wait     sync.WaitGroup
	dropped  atomic.Int64 // values of keys over the limit
}

// tableEntry says who needs a table.
type tableEntry struct {
	table    *stateTable
	holders  int           // connections, and those about to be
	idle     time.Time     // when it lost its last holder
	busy     chan struct{} // closed when Follow or its end, which is under way, has ended; nil otherwise
	ready    bool          // followed
	unfollow func()        // ends that
	err      error         // of the last Follow
	pause    time.Duration // before it is tried again
	retry    time.Time     // when that is
}

const (
	maxTables = 20_000 // topics that are followed at once; more have no states
	maxFollow = 16     // topics that are asked for at one time: the bus has goals to carry
	// statesWait is how long a snapshot waits for what is counted in a match. Prices are waited for: they are all that their topic has.
	statesWait = 250 * time.Millisecond
	// A Follow that failed is tried again after a pause that doubles from the first to the last.
	firstFollowPause, lastFollowPause = time.Second, 30 * time.Second
)

func newStates(bus Bus, cfg Config, log *slog.Logger, changed func(*stateTable)) *states {
	return &states{bus: bus, cfg: cfg, log: log, changed: changed, slots: make(chan struct{}, maxFollow), tables: make(map[goalcast.Topic]*tableEntry)}
}

// hold counts one who needs the states of topics and has the bus follow them; release gives it back. It waits for prices, whose error it returns and then
// has counted nothing; other states are waited for a moment, and come when they come.
func (s *states) hold(ctx context.Context, topics []goalcast.Topic) error {
	if s.bus == nil {
		return nil
	}
	var wait []*tableEntry
	now := time.Now()
	s.mu.Lock()
	for _, t := range topics {
		if !t.Kind.HasStates() {
			continue
		}
		e := s.entryLocked(t)
		e.holders++
		if e.err != nil && t.Kind != goalcast.OddsTopic && now.Before(e.retry) {
			continue
		}
		if !e.ready && s.lacking(t) {
			continue // followed by sweep when there is such a match
		}
		s.followLocked(e)
		if !e.ready {
			wait = append(wait, e)
		}
	}
	s.mu.Unlock()
	if len(wait) == 0 {
		return nil
	}
	moment, cancel := context.WithTimeout(ctx, statesWait)
	defer cancel()
	for _, e := range wait {
		prices := e.table.topic.Kind == goalcast.OddsTopic
		patience := moment
		if prices {
			patience = ctx
		}
		if err := s.await(patience, e); err != nil && prices {
			s.release(topics)
			return err
		}
	}
	return nil
}

// await waits until a topic that somebody holds is followed, or cannot be.
func (s *states) await(ctx context.Context, e *tableEntry) error {
	for {
		s.mu.Lock()
		ready, busy, err := e.ready, e.busy, e.err
		s.mu.Unlock()
		switch {
		case ready:
			return nil
		case busy == nil:
			if err == nil {
				err = fmt.Errorf("%w: too many topics", goalcast.ErrUnavailable)
			}
			return fmt.Errorf("follow %s: %w", e.table.topic, err)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return fmt.Errorf("%w: follow %s: %w", goalcast.ErrUnavailable, e.table.topic, ctx.Err())
		}
	}
}

func (s *states) entryLocked(t goalcast.Topic) *tableEntry {
	e := s.tables[t]
	if e == nil {
		e = &tableEntry{table: newStateTable(t, s.cfg.Shards), idle: time.Now()}
		s.tables[t] = e
	}
	return e
}

// lacking says whether a topic is made up, or of a match still to come. The bus is not asked for those.
func (s *states) lacking(t goalcast.Topic) bool { return s.lacks != nil && s.lacks(t) }

// followLocked has a topic followed that is not.
func (s *states) followLocked(e *tableEntry) {
	if e.ready || e.busy != nil || s.followed >= maxTables {
		return
	}
	s.followed++
	e.busy = make(chan struct{})
	s.wait.Add(1)
	go s.follow(e)
}

// follow asks the bus for a topic's states; one caller at a time per topic.
func (s *states) follow(e *tableEntry) {
	defer s.wait.Done()
	s.slots <- struct{}{}
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.JoinTimeout)
	known, unfollow, err := s.bus.Follow(ctx, e.table.topic)
	cancel()
	<-s.slots
	now, news := time.Now(), false
	for _, st := range known {
		one, _ := e.table.set(st, now, s.cfg.MaxStates, s.deflater)
		news = news || one
	}
	s.mu.Lock()
	e.ready, e.unfollow, e.err, e.idle = err == nil, unfollow, err, now
	e.pause = min(max(2*e.pause, firstFollowPause), lastFollowPause)
	if err == nil {
		e.pause = 0
	} else {
		s.followed--
	}
	e.retry = now.Add(e.pause)
	close(e.busy)
	e.busy = nil
	s.mu.Unlock()
	if news {
		s.changed(e.table) // to those who did not wait
	}
}

// release is called once for each hold.
func (s *states) release(topics []goalcast.Topic) {
	if s.bus == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range topics {
		if e := s.tables[t]; e != nil && t.Kind.HasStates() {
			e.holders--
			e.idle = time.Now()
			if e.holders == 0 && !e.ready && e.busy == nil && e.err == nil {
				delete(s.tables, t) // it was never followed
			}
		}
	}
}

// following counts the topics that are followed.
func (s *states) following() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.followed)
}

// table finds a topic's table; nil if there is none.
func (s *states) table(t goalcast.Topic) *stateTable {
	if !t.Kind.HasStates() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.tables[t]; e != nil {
		return e.table
	}
	return nil
}

// set takes a value in and returns the table if viewers have to be told. What nobody follows here is not kept.
func (s *states) set(st goalcast.State, now time.Time) *stateTable {
	table := s.table(st.Topic)
	if table == nil {
		return nil
	}
	news, full := table.set(st, now, s.cfg.MaxStates, s.deflater)
	if full {
		s.dropped.Add(1)
	}
	if !news {
		return nil
	}
	return table
}

// sweep ends what nobody has needed for a while, and tries again what could not be followed. It is called every tick.
func (s *states) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, e := range s.tables {
		switch {
		case e.busy != nil:
		case e.holders > 0:
			if !e.ready && now.After(e.retry) && !s.lacking(t) {
				s.followLocked(e)
			}
		case now.Sub(e.idle) <= s.cfg.FollowLinger:
		case !e.ready:
			delete(s.tables, t)
		default:
			e.busy = make(chan struct{}) // who comes now waits and has it followed again
			e.ready = false
			s.wait.Add(1)
			go s.unfollow(t, e)
		}
	}
}

func (s *states) unfollow(t goalcast.Topic, e *tableEntry) {
	defer s.wait.Done()
	e.unfollow()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.followed--
	busy := e.busy
	e.busy = nil
	if e.holders > 0 {
		s.followLocked(e)
	} else {
		delete(s.tables, t)
	}
	close(busy)
}
