package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// fieldError says what is wrong with which field of a line.
type fieldError struct {
	field string // "markets[2].prices.home"; empty for the line as a whole
	text  string
}

func (e *fieldError) Error() string {
	if e.field == "" {
		return e.text
	}
	return e.field + ": " + e.text
}

func wrong(format string, args ...any) error {
	return &fieldError{text: fmt.Sprintf(format, args...)}
}

// below puts the name of what holds a field before it.
func below(name string, err error) error {
	var e *fieldError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.field == "":
		e.field = name
	case e.field[0] == '[':
		e.field = name + e.field
	default:
		e.field = name + "." + e.field
	}
	return e
}

// cursor walks through JSON that json.Valid has approved. It is there since encoding/json takes
// names in any case and twice, and does not say which field was wrong; and it reads a number as the
// text that it is.
type cursor struct {
	text []byte
	at   int
}

// next is the first byte of the next value or sign.
func (c *cursor) next() byte {
	for {
		switch c.text[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return c.text[c.at]
		}
	}
}

// raw is the next value's own text.
func (c *cursor) raw() []byte {
	first := c.next()
	from := c.at
	switch first {
	case '"':
		c.skipString()
	case '{', '[':
		c.skipNested()
	default:
		for c.at < len(c.text) && !endsScalar(c.text[c.at]) {
			c.at++
		}
	}
	return c.text[from:c.at]
}

func endsScalar(b byte) bool {
	switch b {
	case ',', '}', ']', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

func (c *cursor) skipNested() {
	for depth := 0; ; {
		switch c.text[c.at] {
		case '"':
			c.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		c.at++
		if depth == 0 {
			return
		}
	}
}

// skipString goes behind a string; the cursor is at its quote.
func (c *cursor) skipString() {
	for c.at++; c.text[c.at] != '"'; c.at++ {
		if c.text[c.at] == '\\' {
			c.at++
		}
	}
	c.at++
}

// object calls field with the name of each member of an object; field has to read its value.
func (c *cursor) object(most int, field func(name string) error) error {
	if c.next() != '{' {
		return wrong("want an object, not %s", shown(c.raw()))
	}
	c.at++
	var some [16]string
	seen := some[:0]
	for c.next() != '}' {
		if c.text[c.at] == ',' {
			c.at++
		}
		name := unquote(c.raw())
		if len(seen) == most {
			return wrong("more than %d members", most)
		}
		for _, known := range seen {
			if known == name {
				return below(cut(name), wrong("stands here twice"))
			}
		}
		seen = append(seen, name)
		c.next() // the colon
		c.at++
		if err := field(name); err != nil {
			return below(cut(name), err)
		}
	}
	c.at++
	return nil
}

// list calls element for each element of a list; element has to read it.
func (c *cursor) list(most int, element func() error) error {
	if c.next() != '[' {
		return wrong("want a list, not %s", shown(c.raw()))
	}
	c.at++
	for i := 0; c.next() != ']'; i++ {
		if c.text[c.at] == ',' {
			c.at++
		}
		if i == most {
			return wrong("more than %d elements", most)
		}
		if err := element(); err != nil {
			return below("["+strconv.Itoa(i)+"]", err)
		}
	}
	c.at++
	return nil
}

func (c *cursor) string() (string, error) {
	raw := c.raw()
	if raw[0] != '"' {
		return "", wrong("want text, not %s", shown(raw))
	}
	return unquote(raw), nil
}

// unquote reads a JSON string.
func unquote(raw []byte) string {
	inside := raw[1 : len(raw)-1]
	for _, b := range inside {
		if b == '\\' {
			var text string
			_ = json.Unmarshal(raw, &text) // it is valid
			return text
		}
	}
	return string(inside)
}

// maxShown is how many bytes of what is wrong an error repeats.
const maxShown = 40

func cut(text string) string { return text[:min(len(text), maxShown)] }

// shown is a value for an error.
func shown(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return strconv.Quote(cut(unquote(raw)))
	}
	return cut(string(raw))
}
