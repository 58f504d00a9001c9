package opta

import (
	"bytes"
	"strings"
	"testing"
)

func TestEncodings(t *testing.T) {
	for name, tt := range map[string]struct{ body, text, err string }{
		"UTF-8":                      {"<?xml version='1.0' encoding='UTF-8'?><a>é</a>", "é", ""},
		"nothing declared":           {"<a>é</a>", "é", ""},
		"ISO-8859-1":                 {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<a>\xe9\xff</a>", "éÿ", ""},
		"iso-8859-1 in small":        {"<?xml version='1.0' encoding='iso-8859-1' ?><a>\xc5</a>", "Å", ""},
		"windows-1252":               {"<?xml version='1.0' encoding=\"windows-1252\"?><a>\x80\x93</a>", "€“", ""},
		"byte order mark":            {"\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a>é</a>", "é", ""},
		"white space before":         {"\r\n \t<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>", "é", ""},
		"junk before":                {"\x00\x01HTTP junk\n<a>x</a>", "x", ""},
		"invalid UTF-8":              {"xx<a>\xe9t\xe9</a>", "\uFFFDt\uFFFD", ""},
		"declared as UTF-8, is not":  {"<?xml version='1.0' encoding='UTF-8'?><a>Nu\xf1ez é</a>", "Nu\uFFFDez é", ""},
		"declared as Latin, is not":  {"<?xml version='1.0' encoding='ISO-8859-1'?><a>Nuñez €</a>", "Nuñez €", ""},
		"Windows in Latin's clothes": {"<?xml version='1.0' encoding='ISO-8859-1'?><a>O\x92Dowd</a>", "O’Dowd", ""},
		"ISO-8859-15":                {"<?xml version='1.0' encoding='ISO-8859-15'?><a>\xa4</a>", "€", ""},
		"cp1250":                     {"<?xml version='1.0' encoding='cp1250'?><a>\x8aime</a>", "Šime", ""},
		"an encoding nobody expects": {"<?xml version='1.0' encoding='EBCDIC-US'?><a>é\xe9</a>", "é\uFFFD", ""},
		"UTF-16, big endian":         {"\xfe\xff\x00<\x00a\x00>\x01\x60\x00<\x00/\x00a\x00>", "Š", ""},
		"UTF-16, little endian":      {"\xff\xfe<\x00a\x00>\x00\x60\x01<\x00/\x00a\x00>\x00", "Š", ""},
		"half a pair in UTF-16":      {"\xfe\xff\x00<\x00a\x00>\xd8\x00\x00<\x00/\x00a\x00>", "\uFFFD", ""},
		"a NUL":                      {"<a>x\x00y</a>\x00\x00", "x\uFFFDy", ""},
		"no XML at all":              {`{"json":1}`, "", "no XML"},
	} {
		body := []byte(tt.body)
		r, err := open(body)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want one with %q", name, err, tt.err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := r.text(); got != tt.text {
			t.Errorf("%s: %q, want %q", name, got, tt.text)
		}
		if err := r.close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(body, []byte(tt.body)) {
			t.Errorf("%s: the body was changed", name)
		}
	}
}

// A document is shared by whoever works on it: the lexer writes into its text (a tab in an
// attribute becomes a space), so it must have its own copy.
func TestReadLeavesTheBodyAlone(t *testing.T) {
	body := f24("<Event\tid=\"1\"\n type_id=\"16\" period_id=\"1\" note=\"a\tb\" />")
	doc := document("F24", body)
	if _, err := New().Read(doc); err != nil {
		t.Fatal(err)
	}
	New().Describe(nil, doc.Body)
	if string(doc.Body) != body {
		t.Error("the body was changed")
	}
}
