package edge

import "goalcast"

// ring holds the newest events as they are on the bus, for edges that come back. It is guarded by
// Server.mu.
type ring struct {
	maxEvents, maxBytes int

	epoch       string
	first, last uint64 // offsets: that before the oldest event, and that of the newest
	events      [][]byte
	bytes       int
}

// restart empties the ring; what comes next is the event after the cursor.
func (r *ring) restart(c goalcast.Cursor) {
	r.epoch, r.first, r.last, r.events, r.bytes = c.Epoch, c.Offset, c.Offset, nil, 0
}

// add takes the next event in, nil for one that edges are not told, and drops the oldest ones that
// are too many.
func (r *ring) add(raw []byte) {
	r.last++
	r.events = append(r.events, raw)
	r.bytes += len(raw)
	for len(r.events) > r.maxEvents || r.bytes > r.maxBytes && len(r.events) > 1 {
		r.bytes -= len(r.events[0])
		r.events[0] = nil // what lies before the slice must not keep it alive
		r.events = r.events[1:]
		r.first++
	}
}

// after is the event that follows an offset, which has to be one of the ring's and not the last.
func (r *ring) after(offset uint64) []byte { return r.events[offset-r.first] }

func (r *ring) cursor(offset uint64) goalcast.Cursor {
	return goalcast.Cursor{Epoch: r.epoch, Offset: offset}
}
