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
	order   *list.List // of *slot, the newest change last
	text    []byte     // JSON of all values as of textAt
	textAt  uint64
}

type slot struct {
	state  goalcast.State
	change uint64
	frame  *message
}

func newStateTable(t goalcast.Topic, shards int) *stateTable {
	return &stateTable{topic: t, hinted: make([]atomic.Bool, shards), slots: make(map[string]*list.Element), order: list.New()}
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

// states holds the tables, and has the bus follow the odds topics that somebody looks at.
type states struct {
	bus      Bus
	cfg      Config
	log      *slog.Logger
	deflater *deflater

	mu      sync.Mutex
	tables  map[goalcast.Topic]*tableEntry
	wait    sync.WaitGroup
	dropped atomic.Int64 // values of keys over the limit
}

// tableEntry says who needs a table.
type tableEntry struct {
	table   *stateTable
	holders int           // connections, and those about to be
	idle    time.Time     // when it lost its last holder, or its last change
	busy    chan struct{} // closed when Follow or Unfollow, which is under way, has ended; nil otherwise
	ready   bool          // followed
	err     error         // of the last Follow
}

const maxTables = 20_000 // topics with states; more are not kept

// hold makes sure that the odds topic is followed and counts one who needs it; release gives it back.
func (s *states) hold(ctx context.Context, t goalcast.Topic) error {
	for {
		s.mu.Lock()
		e := s.entryLocked(t)
		if e.ready {
			e.holders++
			s.mu.Unlock()
			return nil
		}
		if e.busy == nil {
			e.busy = make(chan struct{})
			s.wait.Add(1)
			go s.follow(e)
		}
		busy := e.busy
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return fmt.Errorf("%w: follow %s: %w", goalcast.ErrUnavailable, t, ctx.Err())
		}
		s.mu.Lock()
		err := e.err
		s.mu.Unlock()
		if err != nil {
			return fmt.Errorf("follow %s: %w", t, err)
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

// follow asks the bus for a topic's states; one caller at a time per topic.
func (s *states) follow(e *tableEntry) {
	defer s.wait.Done()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.JoinTimeout)
	defer cancel()
	known, err := s.bus.Follow(ctx, e.table.topic)
	now := time.Now()
	for _, st := range known {
		e.table.set(st, now, s.cfg.MaxStates, s.deflater)
	}
	s.mu.Lock()
	e.ready, e.err, e.idle = err == nil, err, now
	close(e.busy)
	e.busy = nil
	s.mu.Unlock()
}

// release is called once for each hold.
func (s *states) release(t goalcast.Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.tables[t]; e != nil {
		e.holders--
		e.idle = time.Now()
	}
}

// table finds a topic's table; nil if there is none.
func (s *states) table(t goalcast.Topic) *stateTable {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.tables[t]; e != nil {
		return e.table
	}
	return nil
}

// set takes a value in and returns the table if viewers have to be told. Odds that nobody follows here are not kept.
func (s *states) set(st goalcast.State, now time.Time) *stateTable {
	s.mu.Lock()
	e := s.tables[st.Topic]
	if e == nil && st.Topic.Kind != goalcast.OddsTopic && len(s.tables) < maxTables {
		e = s.entryLocked(st.Topic)
	}
	if e == nil {
		s.mu.Unlock()
		return nil
	}
	if st.Topic.Kind != goalcast.OddsTopic {
		e.idle = now
	}
	s.mu.Unlock()
	news, full := e.table.set(st, now, s.cfg.MaxStates, s.deflater)
	if full {
		s.dropped.Add(1)
	}
	if !news {
		return nil
	}
	return e.table
}

// sweep ends what nobody has needed for a while. It is called every tick.
func (s *states) sweep(now time.Time) {
	const forget = time.Hour // after which the states of a match that no longer change are worth nothing
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, e := range s.tables {
		switch {
		case e.holders > 0 || e.busy != nil:
		case t.Kind != goalcast.OddsTopic:
			if now.Sub(e.idle) > forget {
				delete(s.tables, t)
			}
		case !e.ready:
			if now.Sub(e.idle) > s.cfg.FollowLinger {
				delete(s.tables, t)
			}
		case now.Sub(e.idle) > s.cfg.FollowLinger:
			e.busy = make(chan struct{}) // who comes now waits and follows anew
			e.ready = false
			s.wait.Add(1)
			go s.unfollow(t, e)
		}
	}
}

func (s *states) unfollow(t goalcast.Topic, e *tableEntry) {
	defer s.wait.Done()
	s.bus.Unfollow(t)
	s.mu.Lock()
	delete(s.tables, t)
	close(e.busy)
	s.mu.Unlock()
}
