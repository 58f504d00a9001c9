package uof

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"strconv"
	"time"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/xml"
)

// Limits of a document. The provider's own have 7 levels and 15 attributes.
const (
	maxDepth      = 32
	maxAttributes = 64
)

// element is a start tag. Everything that is read of this provider's documents is in attributes.
type element struct {
	name  []byte
	root  bool
	attrs []attribute
}

type attribute struct{ name, value []byte } // value without quotes, entities not decoded

// text is the value of an attribute; "" if there is none.
func (e *element) text(name string) string {
	for _, a := range e.attrs {
		if string(a.name) == name {
			if bytes.IndexByte(a.value, '&') >= 0 {
				return html.UnescapeString(string(a.value))
			}
			return string(a.value)
		}
	}
	return ""
}

// number is the value of an attribute that is a whole number; missing where there is none, and what
// is not a number is an error.
func (e *element) number(name string, missing int64) (int64, error) {
	text := e.text(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: attribute %s is no number", e.name, name)
	}
	return n, nil
}

// time is the value of an attribute in RFC 3339, or zero.
func (e *element) time(name string) time.Time {
	t, err := time.Parse(time.RFC3339, e.text(name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

var errNotWellFormed = errors.New("not well-formed")

// walk calls visit for each start tag of an XML document, in order, and checks that the document is
// whole. It takes text over: the lexer writes into it. The element is visit's until it returns.
func walk(text []byte, visit func(*element) error) error {
	lexer := xml.NewLexer(parse.NewInputBytes(text))
	open := make([][]byte, 0, 8)
	var e element
	ended := false // the root is closed
	for {
		kind, data := lexer.Next()
		switch kind {
		case xml.StartTagToken, xml.StartTagPIToken:
			e = element{name: lexer.Text(), root: len(open) == 0, attrs: e.attrs[:0]}
			if kind == xml.StartTagPIToken {
				break
			}
			if len(open) >= maxDepth || ended {
				return fmt.Errorf("%w: more than %d levels, or several roots", errNotWellFormed, maxDepth)
			}
			open = append(open, e.name)
		case xml.AttributeToken:
			if err := e.add(lexer); err != nil {
				return err
			}
		case xml.StartTagCloseToken, xml.StartTagCloseVoidToken:
			if err := visit(&e); err != nil {
				return err
			}
			if kind == xml.StartTagCloseVoidToken {
				open = open[:len(open)-1]
				ended = len(open) == 0
			}
		case xml.EndTagToken:
			if len(open) == 0 || !bytes.Equal(open[len(open)-1], lexer.Text()) {
				return fmt.Errorf("%w: unexpected %.40q", errNotWellFormed, data)
			}
			open = open[:len(open)-1]
			ended = len(open) == 0
		case xml.DOCTYPEToken:
			return fmt.Errorf("%w: a DOCTYPE", errNotWellFormed)
		case xml.ErrorToken:
			if err := lexer.Err(); !errors.Is(err, io.EOF) {
				return fmt.Errorf("%w: %w", errNotWellFormed, err)
			}
			if !ended {
				return fmt.Errorf("%w: it ends too soon", errNotWellFormed)
			}
			return nil
		}
	}
}

// add takes the attribute that the lexer stands on.
func (e *element) add(lexer *xml.Lexer) error {
	value := lexer.AttrVal()
	last := len(value) - 1
	if len(e.attrs) >= maxAttributes || last < 1 || value[0] != value[last] || value[0] != '"' && value[0] != '\'' {
		return fmt.Errorf("%w: attributes of %.40q", errNotWellFormed, e.name)
	}
	e.attrs = append(e.attrs, attribute{lexer.Text(), value[1:last]})
	return nil
}
