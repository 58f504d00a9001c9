package hub

import (
	"cmp"
	"slices"

	"goalcast"
	"goalcast/hub/frame"
	"goalcast/hub/shard"
)

// resumed is how a request to resume ends well; otherwise it ends with the reason of a reset. Both
// are labels of a counter.
const resumed goalcast.Reason = "ring"

// ring holds the last events, so that viewers who come back are answered from memory. It is guarded
// by Hub.mu.
type ring struct {
	maxEvents, maxBytes int

	epoch       string
	first, last uint64 // offsets: the lowest that can be resumed from, and the newest
	broken      bool   // between a reset and the new snapshots: nobody can resume
	events      queue
	topics      map[goalcast.Topic]*queue // the same events by topic: a resume looks at no others
	bytes       int
	gone        func(*shard.Event) // told of what makes room
}

// ringForms is what an event is counted with, in sizes of its WebSocket frame: the SSE form, the
// compressed one and those that refer to others may come to it.
const ringForms = 4

// ringSize is what an event is counted with, its match's snapshot included if it brings that along.
func ringSize(m *shard.Event) int {
	n := ringForms * m.Size(frame.WebSocket)
	if m.Intro != nil {
		n += m.Intro.Size
	}
	return n
}

// queue is a list that grows at the end and is eaten from the front, both in constant time.
type queue struct{ list []*shard.Event }

func (q *queue) push(m *shard.Event) { q.list = append(q.list, m) }

func (q *queue) pop() *shard.Event {
	m := q.list[0]
	q.list[0] = nil // what lies before the slice must not keep it alive
	q.list = q.list[1:]
	return m
}

// restart empties the ring; what comes next is the event after the cursor.
func (r *ring) restart(c goalcast.Cursor) {
	r.epoch, r.first, r.last = c.Epoch, c.Offset, c.Offset
	r.events, r.bytes = queue{}, 0
	r.topics = make(map[goalcast.Topic]*queue)
}

func (r *ring) cursor() goalcast.Cursor { return goalcast.Cursor{Epoch: r.epoch, Offset: r.last} }

// add takes the next event in and drops the oldest ones that are too many.
func (r *ring) add(m *shard.Event) {
	r.last = m.Cursor.Offset
	r.events.push(m)
	r.bytes += ringSize(m)
	for _, t := range m.Topics {
		q := r.topics[t]
		if q == nil {
			q = &queue{}
			r.topics[t] = q
		}
		if n := len(q.list); n == 0 || q.list[n-1] != m { // an event may name a topic twice
			q.push(m)
		}
	}
	for len(r.events.list) > r.maxEvents || r.bytes > r.maxBytes && len(r.events.list) > 1 {
		r.evict()
	}
}

func (r *ring) evict() {
	m := r.events.pop()
	r.first = max(r.first, m.Cursor.Offset) // after a refresh it may be higher
	r.bytes -= ringSize(m)
	if r.gone != nil {
		r.gone(m)
	}
	for _, t := range m.Topics {
		q := r.topics[t]
		if q == nil || q.list[0] != m {
			continue
		}
		if q.pop(); len(q.list) == 0 {
			delete(r.topics, t)
		}
	}
}

// at finds an event by its place in the hub's count; nil if it is no longer here.
func (r *ring) at(seq uint64) *shard.Event {
	list := r.events.list
	if len(list) == 0 || seq < list[0].Seq || seq-list[0].Seq >= uint64(len(list)) {
		return nil
	}
	return list[seq-list[0].Seq]
}

// outcome says how a resume from a cursor ends. More than limit events are not replayed: they would
// hold memory for each of those who return, and snapshots are shorter. An event of two of the
// topics counts twice.
func (r *ring) outcome(c goalcast.Cursor, topics []goalcast.Topic, limit int) goalcast.Reason {
	switch {
	case c.Epoch != r.epoch:
		return goalcast.ResetEpoch
	case r.broken:
		return goalcast.ResetRefresh
	case c.Offset > r.last:
		return goalcast.ResetAhead
	case c.Offset < r.first:
		return goalcast.ResetTooOld
	}
	n := 0
	for _, t := range topics {
		if n += len(r.after(c, t)); n > limit {
			return goalcast.ResetTooMuch
		}
	}
	return resumed
}

// after gives a topic's events after a cursor.
func (r *ring) after(c goalcast.Cursor, t goalcast.Topic) []*shard.Event {
	q := r.topics[t]
	if q == nil {
		return nil
	}
	i, _ := slices.BinarySearchFunc(q.list, c.Offset+1, byOffset)
	return q.list[i:]
}

// byOffset is for searching among events in their order.
func byOffset(m *shard.Event, offset uint64) int { return cmp.Compare(m.Cursor.Offset, offset) }

// since collects the events after a cursor that belong to any of the topics, in order, each once,
// and says how it went; none unless the outcome is resumed.
func (r *ring) since(c goalcast.Cursor, topics []goalcast.Topic, limit int) ([]*shard.Event, goalcast.Reason) {
	if outcome := r.outcome(c, topics, limit); outcome != resumed {
		return nil, outcome
	}
	var found []*shard.Event
	for _, t := range topics {
		found = append(found, r.after(c, t)...)
	}
	slices.SortFunc(found, func(a, b *shard.Event) int { return cmp.Compare(a.Cursor.Offset, b.Cursor.Offset) })
	return slices.Compact(found), resumed
}

// earlier gives the text of an event that is still in the ring.
func (h *Hub) earlier(base frame.Window) []byte {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if m := h.ring.at(uint64(base)); m != nil {
		return m.JSON()
	}
	return nil
}
