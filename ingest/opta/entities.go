package opta

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// decoded replaces entities; text without any is returned as it is.
func (r *reader) decoded(text []byte) []byte {
	at := bytes.IndexByte(text, '&')
	if at < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for at >= 0 {
		out = append(out, text[:at]...)
		text = text[at+1:]
		end := bytes.IndexByte(text, ';')
		c, ok := entity(text[:max(end, 0)])
		if !ok {
			r.fail("unknown entity &%.20s", text)
			return nil
		}
		out = utf8.AppendRune(out, c)
		text = text[end+1:]
		at = bytes.IndexByte(text, '&')
	}
	return append(out, text...)
}

// checked says whether all entities in text are known, and fails if not. Attributes are checked even when nobody asks for them.
func (r *reader) checked(text []byte) bool {
	r.decoded(text)
	return r.err == nil
}

func entity(name []byte) (rune, bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, numeric := bytes.CutPrefix(name, []byte("#"))
	digits, hexadecimal := bytes.CutPrefix(digits, []byte("x"))
	base := 10
	if hexadecimal {
		base = 16
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	if !numeric || err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return 0, false
	}
	return rune(n), true
}
