package follow

import (
	"container/list"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// Table holds the newest value of each key of a topic, ordered by when it changed, for all shards.
// Viewers have no queue of states: they remember the change up to which they know the table.
type Table struct {
	Topic goalcast.Topic

	told []atomic.Bool // by shard: it has been told of a change and has not looked yet

	mu      sync.Mutex // guards the rest
	changes uint64     // counts changes; the newest slot has this number
	slots   map[string]*list.Element
	order   list.List // of *slot, the newest change last
	text    []byte    // JSON of all values as of textAt
	textAt  uint64
}

type slot struct {
	frame.Update
	state goalcast.State
}

// NewTable makes an empty table for so many shards.
func NewTable(t goalcast.Topic, shards int) *Table {
	return &Table{Topic: t, told: make([]atomic.Bool, shards)}
}

// Tell says whether a shard is to be told of a change: not if it has been and has not looked yet.
func (t *Table) Tell(shard int) bool { return !t.told[shard].Swap(true) }

// Look is called by a shard before it looks at what has changed.
func (t *Table) Look(shard int) { t.told[shard].Store(false) }

// Set takes a value in and says whether it is news. More than maxKeys keys and older versions are
// not.
func (t *Table) Set(st goalcast.State, now time.Time, maxKeys int, d *frame.Deflater) (news, full bool) {
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
	s := &slot{state: st, Update: frame.Update{Change: t.changes, Frame: &frame.Message{
		Kind: goalcast.FrameState, Class: frame.ClassState, Deflater: d,
		Text: goalcast.Frame{Type: goalcast.FrameState, State: &st, Sent: now.UnixMilli()}.Encode,
	}}}
	if e == nil {
		t.slots[st.Key] = t.order.PushBack(s)
		return true, false
	}
	e.Value = s
	t.order.MoveToBack(e)
	return true, false
}

// Since lists what changed after a change, oldest first, and the newest change.
func (t *Table) Since(change uint64) ([]*frame.Update, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.order.Back()
	if e == nil || e.Value.(*slot).Change <= change {
		return nil, t.changes
	}
	n := 1
	for p := e.Prev(); p != nil && p.Value.(*slot).Change > change; p = p.Prev() {
		e = p
		n++
	}
	updates := make([]*frame.Update, 0, n)
	for ; e != nil; e = e.Next() {
		updates = append(updates, &e.Value.(*slot).Update)
	}
	return updates, t.changes
}

// Snapshot gives all values as JSON and the newest change in them; nil and 0 if there are none. A
// nil table has none.
func (t *Table) Snapshot() ([]byte, uint64) {
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
