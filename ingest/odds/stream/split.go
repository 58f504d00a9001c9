package stream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Errors of the readers.
var (
	errTooLong  = errors.New("a line is longer than the limit")
	errNoObject = errors.New("what stands between two lines is no JSON object")
)

// lineReader cuts NDJSON at the ends of lines.
type lineReader struct {
	from *bufio.Reader
	max  int
	n    int // the number of the line read last, from 1
}

func newLineReader(from io.Reader, most int) *lineReader {
	return &lineReader{from: bufio.NewReaderSize(from, most+len("\r\n")), max: most}
}

// next is the next line without its end; it is overwritten by the next call. A last line needs no
// end. Errors: errTooLong, after which the line behind it is next; the reader's own.
func (l *lineReader) next() ([]byte, error) {
	text, err := l.from.ReadSlice('\n')
	if errors.Is(err, io.EOF) && len(text) > 0 {
		err = nil
	}
	switch {
	case err == nil:
		l.n++
	case errors.Is(err, bufio.ErrBufferFull):
		l.n++
		return nil, l.skip()
	default:
		return nil, err
	}
	if text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")); len(text) > l.max {
		return nil, errTooLong
	}
	return text, nil
}

// skip goes behind the line that is being read.
func (l *lineReader) skip() error {
	for {
		switch _, err := l.from.ReadSlice('\n'); {
		case err == nil || errors.Is(err, io.EOF):
			return errTooLong
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// objectReader cuts JSON objects out of a stream, wherever its pieces end: several may stand in a
// piece, with or without white space between them, and one may span several.
type objectReader struct {
	from io.Reader
	max  int // bytes of an object

	buf        []byte
	begin, end int // of what is not read yet, in buf
	err        error
}

func newObjectReader(from io.Reader, most int) *objectReader {
	return &objectReader{from: from, max: most}
}

// newTextReader reads the objects of a text.
func newTextReader(text []byte, most int) *objectReader {
	return &objectReader{max: most, buf: text, end: len(text), err: io.EOF}
}

// next is the next object; it is overwritten by the next call. After an error there is no more.
// Errors: errTooLong, errNoObject, io.ErrUnexpectedEOF within an object; the reader's own.
func (o *objectReader) next() ([]byte, error) {
	if err := o.seek(); err != nil {
		return nil, err
	}
	depth, inString, escaped := 0, false, false
	for at := o.begin; ; at++ {
		if at == o.end {
			size := at - o.begin
			if err := o.fill(); err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return nil, err
			}
			at = o.begin + size
		}
		switch b := o.buf[at]; {
		case escaped:
			escaped = false
		case inString:
			escaped, inString = b == '\\', b != '"'
		case b == '"':
			inString = true
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		}
		if at-o.begin >= o.max {
			return nil, errTooLong
		}
		if depth == 0 {
			object := o.buf[o.begin : at+1]
			o.begin = at + 1
			return object, nil
		}
	}
}

// recordSeparator stands before each text of a JSON text sequence (RFC 7464).
const recordSeparator = 0x1e

// seek goes to the next object.
func (o *objectReader) seek() error {
	for {
		for ; o.begin < o.end; o.begin++ {
			switch o.buf[o.begin] {
			case ' ', '\t', '\n', '\r', recordSeparator:
			case '{':
				return nil
			default:
				return errNoObject
			}
		}
		if err := o.fill(); err != nil {
			return err
		}
	}
}

// readSize is how many bytes are asked for at once.
const readSize = 16 << 10

// fill reads more behind what is there.
func (o *objectReader) fill() error {
	if o.err != nil {
		return o.err
	}
	if cap(o.buf)-o.end < readSize {
		held := o.end - o.begin
		grown := o.buf
		if held > cap(o.buf)/2 || cap(o.buf) == 0 {
			grown = make([]byte, 2*held+2*readSize)
		}
		copy(grown[:held], o.buf[o.begin:o.end])
		o.buf, o.begin, o.end = grown, 0, held
	}
	for range maxEmptyReads {
		var n int
		n, o.err = o.from.Read(o.buf[o.end:cap(o.buf)])
		o.end += n
		switch {
		case n > 0:
			return nil
		case o.err != nil:
			return o.err
		}
	}
	return io.ErrNoProgress
}

// maxEmptyReads is how often a reader may give nothing.
const maxEmptyReads = 100
