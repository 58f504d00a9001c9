package swarm

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// inflater undoes permessage-deflate without context takeover. All viewers of an event get the same bytes: it remembers the last ones.
type inflater struct {
	in     bytes.Reader
	reader io.ReadCloser
	raw    []byte
	text   bytes.Buffer
}

// deflateTail is what a sender leaves away (RFC 7692, 7.2.1), and an empty last block so that the reader finds an end.
var deflateTail = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}

// inflate's result is valid until the next call.
func (i *inflater) inflate(payload []byte) ([]byte, error) {
	if i.reader != nil && bytes.Equal(payload, i.raw[:max(0, len(i.raw)-len(deflateTail))]) {
		return i.text.Bytes(), nil
	}
	i.raw = append(append(i.raw[:0], payload...), deflateTail...)
	i.in.Reset(i.raw)
	if i.reader == nil {
		i.reader = flate.NewReader(&i.in)
	} else if err := i.reader.(flate.Resetter).Reset(&i.in, nil); err != nil {
		return nil, err
	}
	i.text.Reset()
	if _, err := i.text.ReadFrom(i.reader); err != nil {
		i.raw = i.raw[:0]
		return nil, err
	}
	return i.text.Bytes(), nil
}
