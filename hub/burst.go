package hub

// burst is the state frames of a topic that changed between two moments, put together once for all connections that need the same.
type burst struct {
	since, upto uint64
	slots       []*slot
	forms       [encodings]*frames

	// For connections with context the frames of a burst that several need are one stream, each referring to those before. What a viewer
	// alone lacks is put together from the frames as they are: nothing is compressed for one.
	ending ending  // of windows after it; 0: nobody but one has needed it yet
	before ending  // of windows after the topic's round before this one; 0 if that is not known or was not compressed
	said   []byte  // what that round ended with
	fresh  *frames // for any window
	next   *frames // for those that end with the round before
}

// frames is a burst's frames in one piece.
type frames struct {
	bytes  []byte
	ends   []int // of each slot's frame
	packed bool  // at least one of them is compressed
}

func (f *frames) add(frame []byte) {
	f.bytes = append(f.bytes, frame...)
	f.ends = append(f.ends, len(f.bytes))
	f.packed = f.packed || isPacked(frame)
}

// alone gives the frames in an encoding, each understandable by itself.
func (b *burst) alone(e encoding) *frames {
	if e == encContext {
		e = encDeflate
	}
	if b.forms[e] == nil {
		f := &frames{bytes: make([]byte, 0, 256*len(b.slots)), ends: make([]int, 0, len(b.slots))}
		for _, s := range b.slots {
			f.add(s.frame.bytes(e))
		}
		b.forms[e] = f
	}
	return b.forms[e]
}

// follow gives what is to be written of the burst to a connection whose window ends so, and how it ends after that.
func (b *burst) follow(e encoding, window ending) (*frames, ending) {
	var f *frames
	switch {
	case e != encContext:
		return b.alone(e), window
	case b.ending == 0:
		f = b.alone(e)
	case b.before != 0 && window == b.before:
		if b.next == nil {
			b.next = b.stream(b.said)
			b.said = nil
		}
		f = b.next
	default:
		if b.fresh == nil {
			b.fresh = b.stream(nil)
		}
		f = b.fresh
	}
	if f.packed {
		window = b.ending
	}
	return f, window
}

// stream compresses the frames as one stream for windows that end with the text of before. Short ones stay as they are, outside of it.
func (b *burst) stream(before []byte) *frames {
	f := &frames{ends: make([]int, 0, len(b.slots))}
	if len(b.slots) == 0 {
		return f
	}
	d := b.slots[0].frame.deflater
	p := d.packers.Get().(*packer)
	defer d.packers.Put(p)
	p.begin(before)
	for _, s := range b.slots {
		plain := s.frame.bytes(encWS)
		if len(s.frame.text) < d.least {
			f.add(plain)
			continue
		}
		packed := p.next(s.frame.text)
		d.context.add(len(s.frame.text), len(packed))
		f.add(appendPacked(nil, packed))
	}
	return f
}

// text gives the end of what a round's stream says, for the next one to refer to. A few frames are enough: they differ in figures only.
func (b *burst) text() (text []byte) {
	const enough = 4 << 10
	from := len(b.slots)
	for size := 0; from > 0 && size < enough; from-- {
		size += len(b.slots[from-1].frame.text)
	}
	for _, s := range b.slots[from:] {
		if m := s.frame; len(m.text) >= m.deflater.least {
			text = append(text, m.text...)
		}
	}
	return text
}

// burst gives the state frames that a connection lacks of a topic. Nearly all need the round that was just given out; who is held back, or was blocked, needs
// what has changed for longer, as do others of its kind.
func (s *shard) burst(b behind) *burst {
	t := b.topic
	if t.round.since == b.since && t.round.upto == t.flushed {
		return &t.round
	}
	for _, known := range t.longer {
		if known.since == b.since {
			if known.ending == 0 {
				known.ending = s.nextRound() // wanted by more than one
			}
			return known
		}
	}
	slots, upto := t.table.since(b.since)
	longer := &burst{since: b.since, upto: upto, slots: slots}
	const most = 32 // phases of those who are held back
	if len(t.longer) < most {
		t.longer = append(t.longer, longer)
	}
	return longer
}

func (s *shard) nextRound() ending {
	s.counted++
	return roundEnding | ending(s.counted)
}

// round begins a topic's next round.
func (s *shard) round(t *topic, slots []*slot, upto uint64) burst {
	t.longer = nil
	next := burst{since: t.flushed, upto: upto, slots: slots, ending: s.nextRound()}
	last := &t.round
	if last.fresh != nil && last.fresh.packed || last.next != nil && last.next.packed {
		next.before, next.said = last.ending, last.text()
	}
	return next
}

// cut finds the frame in which byte n of a burst's run lies: the change up to which all was written with it, and what of it is left.
func (b *burst) cut(f *frames, n int) (upto uint64, rest []byte) {
	begin := 0
	for i, end := range f.ends {
		if n < end {
			if n == begin {
				return upto, nil
			}
			return b.slots[i].change, f.bytes[n:end]
		}
		begin, upto = end, b.slots[i].change
	}
	return upto, nil
}
