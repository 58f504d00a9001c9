package follow

import (
	"cmp"
	"math/rand/v2"
	"time"

	"goalcast"
	"goalcast/hub/frame"
)

// How the gates of prices are kept.
const (
	// gateRepeat is how often viewers are told of the gate at least, so that they can tell silence
	// from a connection that is gone. GateBeat is what they are promised. Each time it is up to
	// gateSpread earlier: the gates of all matches that opened in one moment are not all repeated
	// in one, ahead of a goal.
	gateRepeat = 4 * time.Second
	gateSpread = time.Second
	GateBeat   = 5 * time.Second
)

// gate says whether the prices of a table may be shown: if the bus says so, and whoever holds the
// source was heard lately. What the bus keeps may be old, so that only a message that comes after
// it was read proves that it is right.
type gate struct {
	version int64               // on the bus; 0: there is none, and nothing is hidden
	bus     goalcast.Gate       // as the bus has it
	local   goalcast.GateReason // why this hub has shut it; empty if it has not
	heard   time.Time           // the last message of the topic
	// outdated is why the gate on the bus is older than an event that came by another connection;
	// empty if it is not. Until the next version comes, or for as long as its being late can last.
	outdated goalcast.GateReason
	until    time.Time

	told   goalcast.State // as viewers have it; its version is this hub's own
	change uint64         // of the table, when that was
	frame  *frame.Message
	again  time.Time // when the frame is to be given out again
}

// open says whether prices may be shown.
func (g *gate) open() bool {
	return g.version == 0 || g.bus.State == goalcast.GateOpen && g.own() == ""
}

// own is why this hub has shut a gate that is open on the bus; empty if it has not.
func (g *gate) own() goalcast.GateReason { return cmp.Or(g.local, g.outdated) }

// renewed takes in a gate that is newer than the one that is known.
func (g *gate) renewed(st goalcast.State) {
	g.version, g.bus, g.outdated = st.Version, goalcast.ReadGate(st.Value), ""
}

// now is what viewers are to be told.
func (g *gate) now(at time.Time) goalcast.Gate {
	if reason := g.own(); g.bus.State == goalcast.GateOpen && reason != "" {
		return goalcast.Gate{State: goalcast.GateSuspended, Reason: reason, Since: at.UnixMilli()}
	}
	return g.bus
}

// GateChange is a gate that viewers have to be told of.
type GateChange struct {
	Message *frame.Message
	Void    uint64 // prices of changes up to this one are void
}

// gateLocked takes in a gate that has just come.
func (t *Table) gateLocked(st goalcast.State, now time.Time, d *frame.Deflater) *GateChange {
	g := &t.gate
	if st.Version < g.version {
		return nil
	}
	if st.Version > g.version {
		g.renewed(st)
		t.voidLocked()
	}
	return t.heardLocked(now, d)
}

// heardLocked notes that the topic was heard of. What this hub has shut for want of that opens.
func (t *Table) heardLocked(now time.Time, d *frame.Deflater) *GateChange {
	if t.gate.heard = now; t.gate.local != goalcast.GateBus {
		t.gate.local = ""
	}
	return t.tellLocked(now, d)
}

// tellLocked gives what viewers have to be told of the gate; nil if they know it.
func (t *Table) tellLocked(now time.Time, d *frame.Deflater) *GateChange {
	g := &t.gate
	next, last := g.now(now), goalcast.ReadGate(g.told.Value)
	if g.version == 0 || g.change > 0 && next.State == last.State && next.Reason == last.Reason &&
		(g.own() != "" || next.Since == last.Since) {
		return nil
	}
	t.changes++
	g.change = t.changes
	g.told = goalcast.State{Topic: t.Topic, Key: goalcast.GateKey, Version: max(g.version, g.told.Version+1),
		Value: next.Encode(), At: now.UnixMilli()}
	if g.open() {
		t.renewLocked(now)
	}
	return t.repeatLocked(now, d)
}

// repeatLocked makes the gate's frame and counts it as given out.
func (t *Table) repeatLocked(now time.Time, d *frame.Deflater) *GateChange {
	g := &t.gate
	told := g.told
	g.again = now.Add(gateRepeat - rand.N(gateSpread))
	g.frame = &frame.Message{Kind: goalcast.FrameState, Class: frame.ClassState, Deflater: d,
		Text: goalcast.Frame{Type: goalcast.FrameState, State: &told, Sent: now.UnixMilli()}.Encode}
	return &GateChange{Message: g.frame, Void: g.change}
}

// voidLocked forgets all prices.
func (t *Table) voidLocked() {
	clear(t.slots)
	t.order.Init()
}

// renewLocked makes all prices news: they were hidden.
func (t *Table) renewLocked(now time.Time) {
	for e := t.order.Front(); e != nil; e = e.Next() {
		s := *e.Value.(*slot)
		t.changes++
		s.Change, s.Came = t.changes, now
		e.Value = &s
	}
}

// Shut hides the prices of a table that has a gate, for a reason of this hub's own. With GateBus
// they stay hidden until Unshut, else until the topic is heard of. It is nil if viewers know.
func (t *Table) Shut(reason goalcast.GateReason, now time.Time, d *frame.Deflater) *GateChange {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gate.local = reason
	return t.tellLocked(now, d)
}

// Outdate shuts the gate for an event that was published, in ms since 1970, after the gate was
// opened. Whoever published the event shut the gate before, but events and states come over
// connections of their own, of which one may lag or be broken. It is nil if viewers know.
func (t *Table) Outdate(reason goalcast.GateReason, published int64, now time.Time, d *frame.Deflater) *GateChange {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := &t.gate
	if g.version == 0 || g.bus.State != goalcast.GateOpen || g.bus.Since >= published {
		return nil
	}
	g.outdated, g.until = reason, now.Add(goalcast.GateSilence)
	return t.tellLocked(now, d)
}

// Unshut ends GateBus: from here on the next message opens the gate.
func (t *Table) Unshut(now time.Time, d *frame.Deflater) *GateChange {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gate.local != goalcast.GateBus {
		return nil
	}
	t.gate.local = goalcast.GateSilent
	return t.tellLocked(now, d)
}

// Watch shuts a gate whose topic was not heard of for too long, and repeats one that viewers have
// not been told of for long; nil if there is nothing to say.
func (t *Table) Watch(now time.Time, d *frame.Deflater) *GateChange {
	t.mu.Lock()
	defer t.mu.Unlock()
	g := &t.gate
	if g.version == 0 {
		return nil
	}
	if g.local == "" && now.Sub(g.heard) > goalcast.GateSilence {
		g.local = goalcast.GateSilent
	}
	if now.After(g.until) {
		g.outdated = ""
	}
	if told := t.tellLocked(now, d); told != nil {
		return told
	}
	if now.Before(g.again) {
		return nil
	}
	repeated := t.repeatLocked(now, d)
	repeated.Void = 0
	return repeated
}

// GateSince is the gate's frame if it changed after a change that a viewer has; nil if not.
func (t *Table) GateSince(change uint64) *frame.Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gate.change <= change {
		return nil
	}
	return t.gate.frame
}
