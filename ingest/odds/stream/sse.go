package stream

import (
	"bufio"
	"bytes"
	"io"
)

// eventReader cuts the data out of server-sent events. What an event is called, its id and how long
// to wait before the next connection are not of interest: a line says all itself, and a new
// connection begins with images.
type eventReader struct {
	from *bufio.Reader
	max  int // bytes of an event's data, and of a line

	line, data []byte
	begun      bool // the first line has been read
	afterCR    bool // the end of the last line was a CR, to which an LF may belong
}

func newEventReader(from io.Reader, most int) *eventReader {
	return &eventReader{from: bufio.NewReaderSize(from, readSize), max: most}
}

// next is the data of the next event that has some; it is overwritten by the next call. An event
// that the end of the stream cuts off is none. Errors: errTooLong; the reader's own.
func (e *eventReader) next() ([]byte, error) {
	e.data = e.data[:0]
	for some := false; ; {
		line, err := e.nextLine()
		switch {
		case err != nil:
			return nil, err
		case len(line) == 0 && some:
			return e.data, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "data" {
			continue
		}
		if some {
			e.data = append(e.data, '\n')
		}
		some = true
		if e.data = append(e.data, bytes.TrimPrefix(value, []byte(" "))...); len(e.data) > e.max {
			return nil, errTooLong
		}
	}
}

// nextLine reads up to CR, LF or both. It does not wait for what follows a CR.
func (e *eventReader) nextLine() ([]byte, error) {
	for e.line = e.line[:0]; ; {
		b, err := e.from.ReadByte()
		if err != nil {
			return nil, err
		}
		belongs := e.afterCR && b == '\n'
		if e.afterCR = false; belongs {
			continue
		}
		if b != '\n' && b != '\r' {
			if e.line = append(e.line, b); len(e.line) > e.max+len("data: ") {
				return nil, errTooLong
			}
			continue
		}
		e.afterCR = b == '\r'
		line := e.line
		if !e.begun {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		e.begun = true
		return line, nil
	}
}
