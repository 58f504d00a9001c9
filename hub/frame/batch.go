package frame

import "time"

// Update is the frame of a state's newest value, and the number of the change with which it came.
type Update struct {
	Change uint64
	Came   time.Time // when the hub got it, or could show it again
	Frame  *Message
}

// Batch is the state frames of a topic that changed between two moments, put together once for all
// connections of a shard that need the same.
type Batch struct {
	Since, Upto uint64 // changes
	Updates     []*Update

	alone [encodings]*Run

	// For connections with context the frames of a batch that several need are one stream, each
	// referring to those before. What a viewer alone lacks is put together from the frames as they
	// are: nothing is compressed for one.
	window Window // after it; 0: nobody but one has needed it yet
	before Window // after the topic's batch before this one; 0 if that is not known or was not compressed
	said   []byte // what that batch ended with
	fresh  *Run   // for any window
	next   *Run   // for those that end with the batch before
}

// Run is a batch's frames in one piece.
type Run struct {
	Bytes      []byte
	Ends       []int // of each update's frame
	compressed bool  // at least one of them is
}

func (r *Run) add(frame []byte) {
	r.Bytes = append(r.Bytes, frame...)
	r.Ends = append(r.Ends, len(r.Bytes))
	r.compressed = r.compressed || isCompressed(frame)
}

// Next is the batch that a topic gives out after this one. Windows end with the given one after it.
func (b *Batch) Next(since, upto uint64, updates []*Update, window Window) Batch {
	next := Batch{Since: since, Upto: upto, Updates: updates, window: window}
	if b.fresh != nil && b.fresh.compressed || b.next != nil && b.next.compressed {
		next.before, next.said = b.window, b.text()
	}
	return next
}

// Shared says whether it is known that several connections need the batch.
func (b *Batch) Shared() bool { return b.window != 0 }

// Share notes that several do. Windows end with the given one after it.
func (b *Batch) Share(window Window) { b.window = window }

// Alone gives the frames in an encoding, each understandable by itself.
func (b *Batch) Alone(e Encoding) *Run {
	if e == Context {
		e = Deflate
	}
	if b.alone[e] == nil {
		r := &Run{Bytes: make([]byte, 0, 256*len(b.Updates)), Ends: make([]int, 0, len(b.Updates))}
		for _, u := range b.Updates {
			r.add(u.Frame.Bytes(e))
		}
		b.alone[e] = r
	}
	return b.alone[e]
}

// Encode gives what is to be written of the batch to a connection whose window ends so, and how it
// ends after that.
func (b *Batch) Encode(e Encoding, window Window) (*Run, Window) {
	var r *Run
	switch {
	case e != Context:
		return b.Alone(e), window
	case b.window == 0:
		r = b.Alone(e)
	case b.before != 0 && window == b.before:
		if b.next == nil {
			b.next = b.stream(b.said)
			b.said = nil
		}
		r = b.next
	default:
		if b.fresh == nil {
			b.fresh = b.stream(nil)
		}
		r = b.fresh
	}
	if r.compressed {
		window = b.window
	}
	return r, window
}

// stream compresses the frames as one stream for windows that end with the text of before. Short
// ones stay as they are, outside of it.
func (b *Batch) stream(before []byte) *Run {
	r := &Run{Ends: make([]int, 0, len(b.Updates))}
	if len(b.Updates) == 0 {
		return r
	}
	d := b.Updates[0].Frame.Deflater
	c := d.compressors.Get().(*compressor)
	defer d.compressors.Put(c)
	c.begin(before)
	for _, u := range b.Updates {
		plain, text := u.Frame.Bytes(WebSocket), u.Frame.text
		if len(text) < d.least {
			r.add(plain)
			continue
		}
		compressed := c.next(text)
		d.InContext.add(len(text), len(compressed))
		r.add(appendCompressed(nil, compressed))
	}
	return r
}

// text gives the end of what a batch's stream says, for the next one to refer to. A few frames are
// enough: they differ in figures only.
func (b *Batch) text() (text []byte) {
	const enough = 4 << 10
	from := len(b.Updates)
	for size := 0; from > 0 && size < enough; from-- {
		size += len(b.Updates[from-1].Frame.text)
	}
	for _, u := range b.Updates[from:] {
		if m := u.Frame; len(m.text) >= m.Deflater.least {
			text = append(text, m.text...)
		}
	}
	return text
}

// Cut finds the frame in which byte n of a batch's run lies: the change up to which all was written
// with it, and what of it is left.
func (b *Batch) Cut(r *Run, n int) (upto uint64, rest []byte) {
	begin := 0
	for i, end := range r.Ends {
		if n < end {
			if n == begin {
				return upto, nil
			}
			return b.Updates[i].Change, r.Bytes[n:end]
		}
		begin, upto = end, b.Updates[i].Change
	}
	return upto, nil
}
