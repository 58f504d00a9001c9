package letters

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Values walks through a JSON document without parsing it and calls visit for each string and
// number in it, with its path: keys in lower case, joined with dots, and "0" for what stands in a
// list; null is left out. It ends when visit says false, after most values, at the end, or where it
// finds no way on. It makes nothing of what is not asked for, so that it costs next to nothing.
func Values(body []byte, most int, visit func(path string, value func() string) bool) {
	v := values{text: body, left: most, visit: visit}
	if len(body) >= 3 && string(body[:3]) == "\xEF\xBB\xBF" {
		v.at = 3
	}
	v.value("")
}

type values struct {
	text  []byte
	at    int
	depth int
	left  int
	visit func(string, func() string) bool
}

func (v *values) space() byte {
	for v.at < len(v.text) {
		switch c := v.text[v.at]; c {
		case ' ', '\t', '\n', '\r', 0, ',', ':':
			v.at++
		default:
			return c
		}
	}
	return 0
}

// value goes behind one value; false to end.
func (v *values) value(path string) bool {
	if v.left--; v.left < 0 {
		return false
	}
	switch c := v.space(); c {
	case 0, '}', ']':
		return false
	case '{', '[':
		return v.inside(path, c == '{')
	case '"':
		raw, ok := v.quoted()
		return ok && v.visit(path, func() string { return unquoted(raw) })
	}
	from := v.at
	for v.at < len(v.text) && !strings.ContainsRune(" \t\r\n,:{}[]\"", rune(v.text[v.at])) {
		v.at++
	}
	raw := v.text[from:v.at]
	return string(raw) == "null" || v.visit(path, func() string { return string(raw) })
}

// inside goes through an object or a list.
func (v *values) inside(path string, object bool) bool {
	if v.depth++; v.depth > MaxDepth {
		return false
	}
	v.at++
	element := join(path, "0")
	for {
		switch c := v.space(); {
		case c == 0:
			return false
		case c == '}' || c == ']':
			v.at++
			v.depth--
			return true
		case object:
			if c != '"' {
				return false
			}
			raw, ok := v.quoted()
			if !ok {
				return false
			}
			element = join(path, strings.ToLower(unquoted(raw)))
		}
		if !v.value(element) {
			return false
		}
	}
}

func join(path, key string) string {
	const most = 200 // bytes of a path; nobody asks for a longer one
	if path == "" {
		return key
	}
	if len(path)+len(key) > most {
		return "…"
	}
	return path + "." + key
}

// quoted goes behind a string and returns it with its quotes.
func (v *values) quoted() ([]byte, bool) {
	from := v.at
	for v.at++; ; v.at++ {
		next := bytes.IndexAny(v.text[min(v.at, len(v.text)):], `"\`)
		if next < 0 {
			return nil, false
		}
		if v.at += next; v.text[v.at] == '"' {
			v.at++
			return v.text[from:v.at], true
		}
		v.at++
	}
}

// unquoted is a string's text; empty if its escapes cannot be read.
func unquoted(raw []byte) string {
	if len(raw) <= 1000 {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			return text
		}
	}
	return ""
}
