package hub

import (
	"sync"
	"sync/atomic"
)

// Compression with context. RFC 7692 has the client keep the last 32 kB of what it unpacked, and lets the server refer to that. The server need not keep
// it as well if it knows how it ends. So a connection remembers, in eight bytes, what it was sent last of all compressed: an event, or a round of states. An event has,
// besides the form that stands for itself, a form for those whose windows end with a certain earlier event. Viewers of one match were all sent the same event last, so
// that one such form, made once, serves nearly all of them; a few more serve those who follow several things. Whoever has anything else in its window (nothing
// yet, a snapshot, a round of states, an event of long ago) is sent the form that stands for itself. Frames that are not compressed leave the window as it is.
//
// The forms are made when they are first needed, from the earlier event's text in the ring; nothing keeps an event alive for the sake of a later one.

// ending says what a connection's window ends with: the seq of an event, or a round of states, counted by its shard; 0 for anything else.
type ending uint64

// roundEnding is set for rounds, which a shard counts for itself.
const roundEnding ending = 1 << 63

// maxChains is the number of an event's forms that refer to another. Each takes 4 µs to make and some 80 bytes; what the most viewers were sent last is
// likely among the first few that are asked for.
const maxChains = 8

// chain is an event compressed for those whose window ends with base.
type chain struct {
	base  ending
	frame []byte // nil: the base is gone, the form is not shorter than the other, or there is no room for it
}

// chains are an event's; all shards use them. Together they are no longer than the event's plain frame.
type chains struct {
	list atomic.Pointer[[]chain]

	making sync.Mutex // guards the rest, and who changes the list
	bytes  int
}

// find gives the form for a base, which may be nil; ok is false if it can still be made.
func (c *chains) find(base ending) (frame []byte, ok bool) {
	list := c.list.Load()
	if list == nil {
		return nil, false
	}
	for i := range *list {
		if (*list)[i].base == base {
			return (*list)[i].frame, true
		}
	}
	return nil, len(*list) >= maxChains
}

func (c *chains) add(made chain) {
	var list []chain
	if old := c.list.Load(); old != nil {
		list = append(list, *old...)
	}
	list = append(list, made)
	c.list.Store(&list)
}

// follow gives what is to be written of a message to a connection whose window ends so, and how it ends after that. Every list
// that is written goes through it in the order of the bytes.
func (m *message) follow(e encoding, window ending) ([]byte, ending) {
	b := m.bytes(e)
	if e != encContext {
		return b, window
	}
	if chained := m.after(window); chained != nil {
		b = chained
	}
	if isPacked(b) {
		window = ending(m.seq)
	}
	return b, window
}

// after gives the form of an event that refers to the one which a window ends with; nil if the form that stands for itself is to be taken.
func (m *message) after(base ending) []byte {
	if base == 0 || m.seq == 0 || base >= ending(m.seq) || m.deflater == nil { // those of rounds are above all events'
		return nil
	}
	frame, ok := m.chains.find(base)
	if ok {
		return frame
	}
	m.chains.making.Lock()
	defer m.chains.making.Unlock()
	if frame, ok = m.chains.find(base); ok {
		return frame
	}
	made := chain{base: base}
	if before := m.deflater.earlier(base); before != nil {
		made.frame = m.deflater.after(before, m.text)
		if n := len(made.frame); n >= len(m.bytes(encDeflate)) || m.chains.bytes+n > len(m.bytes(encWS)) {
			made.frame = nil
		}
		m.chains.bytes += len(made.frame)
	}
	m.chains.add(made)
	return made.frame
}

// earlier gives the text of an event that is still in the ring.
func (h *Hub) earlier(base ending) []byte {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if m := h.ring.at(uint64(base)); m != nil {
		return m.text
	}
	return nil
}
