// Package letters reads text that is not written as its format wants it: bytes of another encoding,
// characters that no screen shows, names that never end. What can be read is read, what cannot is
// replaced, and a Mended says so. It is pure and belongs to no provider.
package letters

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// What can be wrong with a document's letters. Each is the value of a metric's label.
const (
	Encoding  = "encoding"  // bytes that are not of the encoding, or another encoding than the document declares
	Reference = "reference" // an entity or character reference that XML does not know, or a bare &
	Control   = "control"   // control characters
	Escape    = "escape"    // an escape that JSON does not know, or half a surrogate pair
	Junk      = "junk"      // text around the document
	Length    = "length"    // a text that was cut, or an address that was left out
	Time      = "time"      // a year that no match is played in
)

// Kinds are all of these.
var Kinds = []string{Encoding, Reference, Control, Escape, Junk, Length, Time}

// Mended is what was wrong with a document's letters, by kind, each with what was found first. A
// nil one is of a document that is as it should be.
type Mended map[string]string

// Note notes one kind, unless it is noted already. at says what was found where.
func (m *Mended) Note(kind, at string, args ...any) {
	if _, noted := (*m)[kind]; noted {
		return
	}
	if *m == nil {
		*m = Mended{}
	}
	(*m)[kind] = fmt.Sprintf(at, args...)
}

// Join adds what another one has.
func (m *Mended) Join(o Mended) {
	for kind, at := range o {
		m.Note(kind, "%s", at)
	}
}

// String lists all kinds in one order.
func (m Mended) String() string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(m)) {
		out = append(out, kind+": "+m[kind])
	}
	return strings.Join(out, "; ")
}

// UTF16 makes UTF-8 of text that begins with a byte order mark of UTF-16; false for other text.
func UTF16(text []byte) ([]byte, bool) {
	if len(text) < 2 || text[0]^text[1] != 0xFE^0xFF || text[0] < 0xFE {
		return text, false
	}
	high := int(text[0] & 1) // FE FF is big endian: the high byte comes first
	units := make([]uint16, 0, len(text)/2)
	for i := 2; i+1 < len(text); i += 2 {
		units = append(units, uint16(text[i+high])<<8|uint16(text[i+1-high]))
	}
	out := make([]byte, 0, len(units)+len(units)/8)
	for _, r := range utf16.Decode(units) {
		out = utf8.AppendRune(out, r)
	}
	return out, true
}

// Valid makes valid UTF-8 without NUL of text: what is not becomes U+FFFD. The result is always a
// copy, with room for one byte more.
func Valid(text []byte, m *Mended) []byte {
	out := make([]byte, 0, len(text)+len(text)/16+1)
	for i := 0; i < len(text); {
		c, size := utf8.DecodeRune(text[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			m.Note(Encoding, "byte 0x%02x at offset %d is not UTF-8", text[i], i)
		case c == 0:
			m.Note(Control, "a NUL at offset %d", i)
			c = utf8.RuneError
		}
		out = utf8.AppendRune(out, c)
		i += size
	}
	return out
}

// Ellipsis stands at the end of a text that was cut.
const Ellipsis = "…"

// Line makes one line of text that a screen can show, at most limit bytes long: white space is one
// kind of space, control characters and what is not UTF-8 become U+FFFD, and what is too long is
// cut at a whole character, with an ellipsis. limit must be above 3. Text that is as it should be
// is returned as it is.
func Line(text string, limit int, m *Mended) string {
	if len(text) <= limit && fine(text) {
		return text
	}
	if most := 4 * limit; len(text) > most { // nobody sees the rest; white space around what is shown is left out first
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	if !fine(text) {
		text = shown(text, m)
	}
	return Cut(text, limit, m)
}

// fine says whether a text has no space around it and nothing in it that is replaced.
func fine(text string) bool {
	if text == "" {
		return true
	}
	if text[0] == ' ' || text[len(text)-1] == ' ' {
		return false
	}
	ascii := true
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c == 0x7F {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if ascii {
		return true
	}
	for _, c := range text {
		if c == utf8.RuneError || c >= 0x80 && c < 0xA0 {
			return false
		}
	}
	return true
}

func shown(text string, m *Mended) string {
	var out strings.Builder
	for i, c := range text {
		switch {
		case c == '\t' || c == '\n' || c == '\r':
			c = ' '
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			m.Note(Encoding, "byte 0x%02x in %.40q is not UTF-8", text[i], text)
		case c < ' ' || c >= 0x7F && c < 0xA0:
			m.Note(Control, "character %U in %.40q", c, text)
			c = utf8.RuneError
		}
		out.WriteRune(c)
	}
	return strings.TrimSpace(out.String())
}

// Cut cuts a text that is longer than limit bytes at a whole character, and puts an ellipsis there.
// limit must be above 3.
func Cut(text string, limit int, m *Mended) string {
	if len(text) <= limit {
		return text
	}
	m.Note(Length, "a text of %d bytes, %.40q..., was cut to %d", len(text), text, limit)
	end := limit - len(Ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.TrimRight(text[:end], " ") + Ellipsis
}
