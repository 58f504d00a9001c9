package opta

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"goalcast/ingest/letters"
)

// open makes UTF-8 of a body and starts reading it. The body itself is not changed. What is valid
// UTF-8 is UTF-8, whatever the document declares: text in another encoding practically never is. In
// a document that declares an encoding of one byte each, bytes are what they are there; in all
// others those that are not UTF-8 become U+FFFD.
func open(body []byte) (*reader, error) {
	var mended letters.Mended
	text, wide := letters.UTF16(body)
	if wide {
		mended.Note(letters.Encoding, "the document is UTF-16")
	}
	if text = fromFirstTag(text); len(text) == 0 {
		return nil, errors.New("no XML in it")
	}
	name := declaredEncoding(text)
	table, known := tableOf(name)
	if !known && !wide {
		mended.Note(letters.Encoding, "the encoding %.40q is not known, it was taken for UTF-8", name)
	}
	switch valid := utf8.Valid(text); {
	case valid && bytes.IndexByte(text, 0) < 0:
		text = append(make([]byte, 0, len(text)+1), text...)
	case valid || table == nil:
		text = letters.Valid(text, &mended)
	default:
		text = decoded(text, table, &mended)
	}
	r := newReader(text)
	r.mended.Join(mended)
	return r, nil
}

// decoded makes UTF-8 of text in an encoding of one byte a character. NUL, which the lexer takes
// for the end, becomes U+FFFD like all that the encoding does not have.
func decoded(text []byte, table *charmap.Charmap, mended *letters.Mended) []byte {
	out := make([]byte, 0, len(text)+len(text)/16+1)
	for i, c := range text {
		r := table.DecodeByte(c)
		if r == utf8.RuneError || c == 0 {
			mended.Note(letters.Encoding, "byte 0x%02x at offset %d is nothing in the declared encoding", c, i)
			r = utf8.RuneError
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// tableOf finds an encoding of one byte a character by its name, as it is declared: "ISO-8859-15",
// "windows-1250", "cp1252". It is nil for UTF-8 and what is a part of it. Whoever declares
// ISO-8859-1 may have written Windows-1252, which has the same letters and some more.
func tableOf(name string) (table *charmap.Charmap, known bool) {
	plain := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, strings.ToLower(name))
	switch plain {
	case "", "utf8", "usascii", "ascii":
		return nil, true
	case "iso88591", "latin1", "l1", "cp1252":
		return charmap.Windows1252, true
	}
	if digits, ok := strings.CutPrefix(plain, "cp125"); ok {
		plain = "windows125" + digits
	}
	for _, e := range charmap.All {
		table, ok := e.(*charmap.Charmap)
		if ok && plain == strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(table.String())) {
			return table, true
		}
	}
	return nil, false
}

// fromFirstTag leaves out a byte order mark, white space and whatever else stands before the first
// "<": copies of documents come with such.
func fromFirstTag(body []byte) []byte {
	if at := bytes.IndexByte(body, '<'); at >= 0 {
		return body[at:]
	}
	return nil
}

// declaredEncoding reads encoding="..." in <?xml ...?>; "" if there is none.
func declaredEncoding(text []byte) string {
	declaration, _, found := bytes.Cut(text, []byte("?>"))
	if !found || !bytes.HasPrefix(declaration, []byte("<?xml")) {
		return ""
	}
	_, after, found := bytes.Cut(declaration, []byte("encoding"))
	after = bytes.TrimLeft(after, " \t\r\n=")
	if !found || len(after) == 0 {
		return ""
	}
	name, _, _ := bytes.Cut(after[1:], after[:1])
	return string(name)
}
