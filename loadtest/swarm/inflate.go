package swarm

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"

	"github.com/klauspost/compress/flate"
)

// windowSize is how far back a compressed message may refer (RFC 7692, 7.1.2.1: 15 bits).
const windowSize = 32 << 10

// window is the end of all that was said to a viewer in compressed messages, up to windowSize, to
// which the next message may refer. It never changes. Viewers to whom the same was said share one,
// so that ten thousand of them take 32 kB and not 320 MB; those of different pasts do so once the
// same was said to them for 32 kB.
type window struct{ text []byte }

// inflater undoes permessage-deflate for all viewers of a worker, each with its own past. What
// nearly all of them get is unpacked once.
type inflater struct {
	json   bool // messages have to be JSON
	in     bytes.Reader
	raw    []byte
	reader io.ReadCloser
	seed   maphash.Seed

	known  map[step]unpacked
	recent [256]step // what is known; the oldest gives way
	next   int
	last   step // what was asked last, as most ask the same
	result unpacked
	bySum  map[uint64]*window // the windows after those steps, by their hash
}

// step is a compressed message to somebody with a window.
type step struct {
	from   *window
	packed string
}

// unpacked is what a step says, and the window after it.
type unpacked struct {
	text  []byte
	after *window
	sum   uint64
}

func newInflater(json bool) inflater {
	return inflater{json: json, seed: maphash.MakeSeed(), known: make(map[step]unpacked),
		bySum: make(map[uint64]*window)}
}

// deflateTail is what a sender leaves away (RFC 7692, 7.2.1), and an empty last block so that
// the reader finds an end.
var deflateTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

var errNonsense = errors.New("unpacked message is not JSON")

// inflate gives what a message says to a viewer with a window, nil for nothing, and the window
// after it. Neither may be changed.
func (i *inflater) inflate(from *window, packed []byte) ([]byte, *window, error) {
	if i.last.from == from && i.last.packed == string(packed) {
		return i.result.text, i.result.after, nil
	}
	s := step{from, string(packed)}
	result, ok := i.known[s]
	if !ok {
		var err error
		if result, err = i.unpack(from, packed); err != nil {
			return nil, nil, err
		}
		i.remember(s, result)
	}
	i.last, i.result = s, result
	return result.text, result.after, nil
}

func (i *inflater) unpack(from *window, packed []byte) (result unpacked, err error) {
	var past []byte
	if from != nil {
		past = from.text
	}
	i.raw = append(append(i.raw[:0], packed...), deflateTail...)
	i.in.Reset(i.raw)
	if i.reader == nil {
		i.reader = flate.NewReaderDict(&i.in, past)
	} else if err := i.reader.(flate.Resetter).Reset(&i.in, past); err != nil {
		return result, err
	}
	if result.text, err = io.ReadAll(i.reader); err != nil {
		return result, err
	}
	if i.json && !json.Valid(result.text) { // it referred to what was not said, and got something else
		return result, errNonsense
	}
	text := result.text[max(0, len(result.text)-windowSize):]
	past = past[max(0, len(past)+len(text)-windowSize):]
	after := &window{append(append(make([]byte, 0, len(past)+len(text)), past...), text...)}
	result.sum = maphash.Bytes(i.seed, after.text)
	if same := i.bySum[result.sum]; same != nil && bytes.Equal(same.text, after.text) {
		after = same
	}
	result.after = after
	return result, nil
}

// remember keeps a result in place of the oldest.
func (i *inflater) remember(s step, result unpacked) {
	old := &i.recent[i.next%len(i.recent)]
	i.next++
	if gone, ok := i.known[*old]; ok {
		delete(i.known, *old)
		if i.bySum[gone.sum] == gone.after {
			delete(i.bySum, gone.sum)
		}
	}
	*old = s
	i.known[s], i.bySum[result.sum] = result, result.after
}
