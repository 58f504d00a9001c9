package frame

import (
	"sync"
	"sync/atomic"
)

// Compression with context. RFC 7692 has the client keep the last 32 kB of what it inflated, its
// window, and lets the server refer to that. The server need not keep it as well if it knows how
// the window ends. So a connection remembers, in eight bytes, what it was sent last of all
// compressed: an event, or a batch of states. An event has, besides the form that stands for
// itself, a form for those whose windows end with a certain earlier event. Viewers of one match
// were all sent the same event last, so that one such form, made once, serves nearly all of them; a
// few more serve those who follow several things. Whoever has anything else in its window (nothing
// yet, a snapshot, a batch of states, an event of long ago) is sent the form that stands for
// itself. Frames that are not compressed leave the window as it is.
//
// The forms are made when they are first needed, from the earlier event's text in the ring. Nothing
// keeps an event alive for the sake of a later one.

// Window says what a connection's deflate window ends with: the Seq of an event, or a batch of
// states, counted by its shard; 0 for anything else.
type Window uint64

// batchWindow is set for batches.
const batchWindow Window = 1 << 63

// BatchWindow is what windows end with after a shard's nth batch.
func BatchWindow(n uint64) Window { return batchWindow | Window(n) }

// maxContextForms is the number of an event's forms that refer to another. Each takes 4 µs to make
// and some 80 bytes. What the most viewers were sent last is likely among the first few that are
// asked for.
const maxContextForms = 8

// contextForm is an event compressed for those whose window ends with base.
type contextForm struct {
	base  Window
	frame []byte // nil: the base is gone, the form is not shorter than the other, or there is no room for it
}

// contextForms are an event's; all shards use them. Together they are no longer than the event's
// plain frame.
type contextForms struct {
	list atomic.Pointer[[]contextForm]

	making sync.Mutex // guards the rest, and who changes the list
	bytes  int
}

// find gives the form for a base, which may be nil; ok is false if it can still be made.
func (c *contextForms) find(base Window) (frame []byte, ok bool) {
	list := c.list.Load()
	if list == nil {
		return nil, false
	}
	for i := range *list {
		if (*list)[i].base == base {
			return (*list)[i].frame, true
		}
	}
	return nil, len(*list) >= maxContextForms
}

func (c *contextForms) add(made contextForm) {
	var list []contextForm
	if old := c.list.Load(); old != nil {
		list = append(list, *old...)
	}
	list = append(list, made)
	c.list.Store(&list)
}

// Encode gives what is to be written of a message to a connection whose window ends so, and how it
// ends after that. Every list that is written goes through it in the order of the bytes.
func (m *Message) Encode(e Encoding, window Window) ([]byte, Window) {
	b := m.Bytes(e)
	if e != Context {
		return b, window
	}
	if short := m.after(window); short != nil {
		b = short
	}
	if isCompressed(b) {
		window = Window(m.Seq)
	}
	return b, window
}

// after gives the form of an event that refers to the one which a window ends with; nil if the form
// that stands for itself is to be taken.
func (m *Message) after(base Window) []byte {
	if base == 0 || m.Seq == 0 || base >= Window(m.Seq) || m.Deflater == nil { // batches are above all events
		return nil
	}
	frame, ok := m.context.find(base)
	if ok {
		return frame
	}
	m.context.making.Lock()
	defer m.context.making.Unlock()
	if frame, ok = m.context.find(base); ok {
		return frame
	}
	made := contextForm{base: base}
	if before := m.Deflater.Earlier(base); before != nil {
		made.frame = m.Deflater.after(before, m.text)
		if n := len(made.frame); n >= len(m.Bytes(Deflate)) || m.context.bytes+n > len(m.Bytes(WebSocket)) {
			made.frame = nil
		}
		m.context.bytes += len(made.frame)
	}
	m.context.add(made)
	return made.frame
}
