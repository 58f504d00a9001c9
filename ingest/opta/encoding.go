package opta

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// open makes UTF-8 of a body and starts reading it. The body itself is not changed.
func open(body []byte) (*reader, error) {
	text := fromFirstTag(body)
	switch {
	case bytes.HasPrefix(body, []byte{0xFE, 0xFF}) || bytes.HasPrefix(body, []byte{0xFF, 0xFE}):
		return nil, errors.New("the encoding is UTF-16, which is not read")
	case len(text) == 0:
		return nil, errors.New("no XML in it")
	}
	table := (*charmap.Charmap)(nil)
	switch name := declaredEncoding(text); strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
	case "iso-8859-1", "latin1", "latin-1":
		table = charmap.ISO8859_1
	case "windows-1252", "cp1252":
		table = charmap.Windows1252
	default:
		return nil, fmt.Errorf("the encoding %.40q is not read", name)
	}
	if table == nil {
		if !utf8.Valid(text) {
			return nil, fmt.Errorf("not UTF-8: byte 0x%02x at offset %d", text[invalidAt(text)], len(body)-len(text)+invalidAt(text))
		}
		return newReader(append(make([]byte, 0, len(text)+1), text...)), nil
	}
	decoded := make([]byte, 0, len(text)+len(text)/16+1)
	for _, c := range text {
		decoded = utf8.AppendRune(decoded, table.DecodeByte(c))
	}
	return newReader(decoded), nil
}

// fromFirstTag leaves out a byte order mark, white space and whatever else stands before the first "<": copies of documents come with such.
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

func invalidAt(text []byte) int {
	at := 0
	for at < len(text) {
		c, size := utf8.DecodeRune(text[at:])
		if c == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
	return 0
}
