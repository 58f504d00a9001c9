package opta

import (
	"bytes"
	"errors"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"goalcast/ingest/letters"
)

// maxReference is how long a reference may be, from & to ;. The longest name that
// HTML has takes 33 bytes.
const maxReference = 40

// decoded replaces references; text without any is returned as it is. References that XML does not
// know are read as HTML reads them, and what is none at all stays as it stands there: an & in a
// name is no reason to lose a goal.
func (r *reader) decoded(text []byte) []byte {
	at := bytes.IndexByte(text, '&')
	if at < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for at >= 0 {
		out = append(out, text[:at]...)
		text = text[at:]
		found, size := r.reference(text)
		out = append(out, found...)
		text = text[size:]
		at = bytes.IndexByte(text, '&')
	}
	return append(out, text...)
}

// reference reads what begins with the & that text begins with: what it stands
// for, and how long it is.
func (r *reader) reference(text []byte) (found string, size int) {
	end := bytes.IndexByte(text[:min(len(text), maxReference)], ';')
	if end < 0 {
		r.mended.Note(letters.Reference, "an & that stands alone, in %.40q", text)
		return "&", 1
	}
	switch string(text[1:end]) {
	case "lt":
		return "<", end + 1
	case "gt":
		return ">", end + 1
	case "amp":
		return "&", end + 1
	case "quot":
		return `"`, end + 1
	case "apos":
		return "'", end + 1
	}
	c, numeric, ok := numbered(text[1:end])
	if ok {
		return string(c), end + 1
	}
	r.mended.Note(letters.Reference, "%q", text[:end+1])
	switch {
	case numeric:
		return string(c), end + 1
	case end > 1 && text[1] == '#':
		return "&", 1
	}
	// HTML also knows names that have more letters behind them, which would be left
	// over; they are none here.
	named := html.UnescapeString(string(text[:end+1]))
	if named != string(text[:end+1]) && (!strings.HasSuffix(named, ";") || string(text[1:end]) == "semi") {
		return named, end + 1
	}
	return "&", 1
}

// numbered reads #233 and #xe9. ok is false for what is not written so, and for numbers of no
// character: then numeric is true, and c what is shown for it. The numbers from 128 to 159 are
// control characters which nobody means: as in HTML, they are those of Windows-1252.
func numbered(name []byte) (c rune, numeric, ok bool) {
	digits, found := bytes.CutPrefix(name, []byte("#"))
	base := 10
	if len(digits) > 0 && digits[0]|0x20 == 'x' {
		digits, base = digits[1:], 16
	}
	if !found || len(digits) == 0 {
		return 0, false, false
	}
	n, err := strconv.ParseUint(string(digits), base, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, false, false
	case err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)):
		return utf8.RuneError, true, false
	case n >= 0x80 && n < 0xA0:
		return charmap.Windows1252.DecodeByte(byte(n)), true, false
	}
	return rune(n), true, true
}
