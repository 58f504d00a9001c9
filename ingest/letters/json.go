package letters

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// ErrTooMuch says that a document has more in it than its reader is willing to look at.
var ErrTooMuch = errors.New("too much in one document")

// MaxDepth is how deep lists and objects of a JSON document may stand in one another. Real
// ones have up to 8 levels.
const MaxDepth = 64

// JSON looks through a JSON document once and makes its letters right: a byte order mark is left
// out, what is not UTF-8 becomes U+FFFD, control characters in strings become spaces or U+FFFD, and
// escapes that JSON does not know are read as JavaScript reads them. It returns the body itself
// where all is right, else a copy. The grammar is left to the parser. Errors: ErrTooMuch for more
// than maxElements values, or deeper than MaxDepth, so that a parser's cost has a bound.
func JSON(body []byte, maxElements int, m *Mended) ([]byte, error) {
	if text, is := UTF16(body); is {
		m.Note(Encoding, "the document is UTF-16")
		body = text
	}
	s := jsonScan{in: body, m: m}
	if len(body) >= 3 && string(body[:3]) == "\xEF\xBB\xBF" {
		s.replace(0, 3, "")
		s.at = 3
	}
	depth, elements := 0, 0
	for s.at < len(s.in) {
		switch c := s.in[s.at]; {
		case c == '"':
			s.text()
			continue
		case c == '{' || c == '[':
			depth++
			elements++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			elements++
		case c == 0:
			m.Note(Control, "a NUL at offset %d", s.at)
			s.replace(s.at, s.at+1, " ")
		}
		s.at++
		if depth > MaxDepth {
			return nil, fmt.Errorf("%w: deeper than %d levels", ErrTooMuch, MaxDepth)
		}
		if elements > maxElements {
			return nil, fmt.Errorf("%w: more than %d values", ErrTooMuch, maxElements)
		}
	}
	return s.done(), nil
}

// jsonScan copies a document from the first thing on that has to be replaced.
type jsonScan struct {
	in     []byte
	at     int // in in
	out    []byte
	copied int // of in, to out
	m      *Mended
}

func (s *jsonScan) replace(from, to int, by string) {
	if s.out == nil {
		s.out = make([]byte, 0, len(s.in)+64)
	}
	s.out = append(append(s.out, s.in[s.copied:from]...), by...)
	s.copied = to
}

func (s *jsonScan) done() []byte {
	if s.out == nil {
		return s.in
	}
	return append(s.out, s.in[s.copied:]...)
}

// text goes behind the string that begins here.
func (s *jsonScan) text() {
	s.at++
	for s.at < len(s.in) {
		switch c := s.in[s.at]; {
		case c == '"':
			s.at++
			return
		case c == '\\':
			s.escape()
		case c < ' ':
			by := "\uFFFD"
			if c == '\t' || c == '\n' || c == '\r' {
				by = " "
			}
			s.m.Note(Control, "character %U at offset %d", c, s.at)
			s.replace(s.at, s.at+1, by)
			s.at++
		case c < utf8.RuneSelf:
			s.at++
		default:
			r, size := utf8.DecodeRune(s.in[s.at:])
			if r == utf8.RuneError && size == 1 {
				s.m.Note(Encoding, "byte 0x%02x at offset %d is not UTF-8", c, s.at)
				s.replace(s.at, s.at+1, "\uFFFD")
			}
			s.at += size
		}
	}
}

// escape goes behind an escape, and writes one that JSON does not know in its own way.
func (s *jsonScan) escape() {
	from := s.at
	rest := s.in[from+1:]
	if len(rest) == 0 {
		s.at++
		return
	}
	switch rest[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return
	case 'u':
		if n, ok := hex(rest[1:], 4); ok {
			s.surrogate(n)
			return
		}
	case 'x':
		if n, ok := hex(rest[1:], 2); ok {
			s.m.Note(Escape, "%.4q at offset %d", s.in[from:], from)
			s.at += 4
			s.replace(from, s.at, fmt.Sprintf(`\u%04x`, n))
			return
		}
	}
	// Any other: what is escaped stands for itself. A quote is none of them, so that strings
	// end where they seem to.
	s.m.Note(Escape, "%.2q at offset %d", s.in[from:], from)
	s.replace(from, from+1, "")
	s.at++ // at what was escaped, which is read as if nothing stood before it
}

// surrogate goes behind \uXXXX, and replaces half a pair.
func (s *jsonScan) surrogate(n uint64) {
	from := s.at
	s.at += 6
	switch {
	case n < 0xD800 || n > 0xDFFF:
		return
	case n < 0xDC00 && len(s.in) >= s.at+6 && s.in[s.at] == '\\' && s.in[s.at+1] == 'u':
		if low, ok := hex(s.in[s.at+2:], 4); ok && low >= 0xDC00 && low <= 0xDFFF {
			s.at += 6
			return
		}
	}
	s.m.Note(Escape, "half a surrogate pair at offset %d", from)
	s.replace(from, s.at, `\ufffd`)
}

func hex(text []byte, digits int) (uint64, bool) {
	if len(text) < digits {
		return 0, false
	}
	for _, c := range text[:digits] { // ParseUint would take a sign or an underscore
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(text[:digits]), 16, 32)
	return n, err == nil
}
