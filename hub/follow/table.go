package follow

import (
	"container/list"
	"encoding/json"
	"slices"
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
	read    uint64     // counts calls of Replace
	slots   map[string]*list.Element
	order   list.List // of *slot, the newest change last
	text    []byte    // JSON of all values as of textAt
	textAt  uint64
	gate    gate
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

// Take takes in a value that has just come, and says whether viewers may be given it, or whether
// there are more than maxKeys. Older versions are no news, nor are prices behind a gate that is
// shut. gate is what viewers have to be told of the gate first; nil mostly.
func (t *Table) Take(st goalcast.State, now time.Time, maxKeys int, d *frame.Deflater) (news, full bool,
	gate *GateChange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st.Key == goalcast.GateKey {
		return false, false, t.gateLocked(st, now, d)
	}
	if t.gate.version > 0 {
		if t.gate.bus.State != goalcast.GateOpen {
			return false, false, nil
		}
		gate = t.heardLocked(now, d)
	}
	news, full = t.setLocked(st, now, maxKeys, d)
	return news && t.gate.open(), full, gate
}

// Replace takes in all values of the topic as they were read. Prices are hidden until the topic is
// heard of: nothing says yet that what was read is still right. What was read before the gate that
// the table has is passed over.
func (t *Table) Replace(all []goalcast.State, now time.Time, maxKeys int, d *frame.Deflater) (news, full bool,
	gate *GateChange) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.read++
	if t.Topic.Kind.StatesOnly() && !t.readGateLocked(all) {
		return false, false, nil
	}
	for _, st := range all {
		if st.Key == goalcast.GateKey {
			continue
		}
		one, over := t.setLocked(st, now, maxKeys, d)
		news, full = news || one, full || over
	}
	return news && t.gate.open(), full, t.tellLocked(now, d)
}

// Read is how often the table was replaced.
func (t *Table) Read() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read
}

// readGateLocked takes in the gate among the values that were read, unless it is older than the
// gate that is known. A gate that is gone is shut: the bus has lost its memory.
func (t *Table) readGateLocked(all []goalcast.State) bool {
	g := &t.gate
	i := slices.IndexFunc(all, func(st goalcast.State) bool { return st.Key == goalcast.GateKey })
	switch {
	case i >= 0 && all[i].Version < g.version:
		return false
	case i >= 0 && all[i].Version > g.version:
		g.renewed(all[i])
	case i >= 0:
		g.bus = goalcast.ReadGate(all[i].Value) // an earlier reading may not have found it
	case g.version > 0:
		g.bus = goalcast.Gate{State: goalcast.GateSuspended, Reason: goalcast.GateStart}
	default:
		return true
	}
	t.voidLocked()
	if g.heard = (time.Time{}); g.local != goalcast.GateBus {
		g.local = goalcast.GateStart
	}
	return true
}

// Set takes a value in and says whether it is news. More than maxKeys keys and older versions are
// not.
func (t *Table) Set(st goalcast.State, now time.Time, maxKeys int, d *frame.Deflater) (news, full bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.setLocked(st, now, maxKeys, d)
}

func (t *Table) setLocked(st goalcast.State, now time.Time, maxKeys int, d *frame.Deflater) (news, full bool) {
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
	s := &slot{state: st, Update: frame.Update{Change: t.changes, Came: now, Frame: &frame.Message{
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
	if e == nil || !t.gate.open() || e.Value.(*slot).Change <= change {
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
		text, err := json.Marshal(t.shownLocked())
		if err != nil {
			panic("states: " + err.Error()) // values are JSON texts, checked by those who put them on the bus
		}
		t.text, t.textAt = text, t.changes
	}
	return t.text, t.textAt
}

// shownLocked lists what viewers may see: the gate, and what is behind it if it is open.
func (t *Table) shownLocked() []goalcast.State {
	states := make([]goalcast.State, 0, len(t.slots)+1)
	if t.gate.version > 0 {
		states = append(states, t.gate.told)
	}
	if !t.gate.open() {
		return states
	}
	for e := t.order.Front(); e != nil; e = e.Next() {
		if st := e.Value.(*slot).state; !st.Removed() {
			states = append(states, st)
		}
	}
	return states
}
