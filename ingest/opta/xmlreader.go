package opta

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/xml"

	"goalcast/ingest/letters"
)

// Limits of a document. Opta's own have 7 levels and 25 attributes; the limits only
// keep hostile input cheap.
const (
	maxDepth      = 64
	maxAttributes = 64
	maxText       = 16 << 10 // bytes of one element's text that are read; ingest cuts names and texts to much less
)

// reader walks through an XML document from start to end: a lexer does the letters, reader the
// grammar. It gives slices of the document and allocates next to nothing. Errors stick: after the
// first one it behaves as if the document had ended, and close tells what was wrong.
//
// A visitor sees one element at a time. Attributes and name hold until the next element is read, so
// read them before going into children.
type reader struct {
	lex   *xml.Lexer
	input *parse.Input
	open  [][]byte // names of the open elements, outermost first
	attrs []attribute
	void  bool // the innermost open element was written <so/>: its end is still to be told
	cdata bool // the text token is CDATA: no entities in it
	ended bool // the root element is closed
	stamp time.Time
	err   error

	mended letters.Mended // of what was asked for
}

type attribute struct{ name, value []byte } // value without quotes, entities not decoded

type token uint8

const (
	tokenStart token = iota
	tokenEnd
	tokenText
	tokenOver // nothing follows, or an error
)

// errStopped ends reading where a visitor has seen enough.
var errStopped = errors.New("stopped")

// newReader starts reading UTF-8 text, which it takes over: the lexer writes into it. It stands on
// the root element, or has an error.
func newReader(text []byte) *reader {
	input := parse.NewInputBytes(text)
	r := &reader{lex: xml.NewLexer(input), input: input, attrs: make([]attribute, 0, 24), open: make([][]byte, 0, 12)}
	for {
		switch r.next() {
		case tokenStart, tokenOver:
			return r
		}
	}
}

// root is the name of the root element, while the reader still stands there; "" if there is none.
func (r *reader) root() string {
	if len(r.open) == 0 {
		return ""
	}
	return string(r.open[0])
}

// name is the name of the element that the reader stands on.
func (r *reader) name() string { return string(r.open[len(r.open)-1]) }

// attr is the value of an attribute of the element that the reader stands on; nil if it
// has none of that name.
func (r *reader) attr(name string) []byte {
	for _, a := range r.attrs {
		if string(a.name) == name {
			return r.decoded(a.value)
		}
	}
	return nil
}

// each calls visit for every child element of the one the reader stands on, in order. What visit
// leaves unread of a child is skipped.
func (r *reader) each(visit func()) {
	depth := len(r.open)
	for depth > 0 {
		switch r.next() {
		case tokenStart:
			visit()
			r.leave(depth)
		case tokenEnd, tokenOver:
			return
		}
		if r.err != nil {
			return
		}
	}
}

// text reads the element that the reader stands on to its end and returns the text in it, children
// left out, without white space around.
func (r *reader) text() string {
	depth := len(r.open)
	var all []byte
	for {
		switch r.next() {
		case tokenText:
			part := r.lex.Text()
			if !r.cdata {
				part = r.decoded(part)
			}
			if len(all) <= maxText { // one byte more, so that who cuts it sees that there was more
				all = append(all, part[:min(len(part), maxText+1-len(all))]...)
			}
		case tokenStart:
			r.leave(depth)
		case tokenEnd, tokenOver:
			return string(bytes.TrimSpace(all))
		}
	}
}

// leave reads on until only depth elements are open.
func (r *reader) leave(depth int) {
	for len(r.open) > depth && r.next() != tokenOver {
	}
}

// stop ends reading; close will not complain.
func (r *reader) stop() { r.err = errStopped }

// close reads the rest of the document, so that an error anywhere in it is found, and
// returns the first error.
func (r *reader) close() error {
	for r.next() != tokenOver {
	}
	if errors.Is(r.err, errStopped) {
		return nil
	}
	return r.err
}

// produced is the time in the production header, a comment before the root element;
// zero if there is none.
func (r *reader) produced() time.Time { return r.stamp }

// fail sets the error, unless there is one, with the line it was found in.
func (r *reader) fail(format string, args ...any) token {
	if r.err == nil {
		read := r.input.Bytes()
		line := 1 + bytes.Count(read[:min(r.input.Offset(), len(read))], []byte("\n"))
		r.err = fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
	}
	return tokenOver
}

// next reads up to the next start tag, end tag or text inside the root element.
func (r *reader) next() token {
	if r.void && r.err == nil {
		r.void = false
		return r.pop()
	}
	for r.err == nil {
		kind, data := r.lex.Next()
		switch kind {
		case xml.StartTagToken:
			return r.start()
		case xml.EndTagToken:
			return r.end(data)
		case xml.TextToken:
			r.cdata = false
			if len(r.open) > 0 {
				return tokenText
			}
			if junk := bytes.TrimSpace(data); len(junk) > 0 {
				r.mended.Note(letters.Junk, "%.40q outside of the root element", junk)
			}
		case xml.CDATAToken:
			if len(r.open) == 0 || !bytes.HasSuffix(data, []byte("]]>")) {
				return r.fail("CDATA that is not closed, or outside of the root element")
			}
			r.cdata = true
			return tokenText
		case xml.CommentToken:
			r.comment(data)
		case xml.DOCTYPEToken:
			r.doctype(data)
		case xml.StartTagPIToken:
			r.skipInstruction()
		case xml.ErrorToken:
			return r.over()
		}
	}
	return tokenOver
}

func (r *reader) over() token {
	switch err := r.lex.Err(); {
	case !errors.Is(err, io.EOF):
		return r.fail("a NUL character")
	case len(r.open) > 0:
		return r.fail("the document ends inside of element %q", r.name())
	case !r.ended:
		return r.fail("no XML element in it")
	}
	r.err = errStopped
	return tokenOver
}

// start reads the attributes of a start tag.
func (r *reader) start() token {
	name := r.lex.Text()
	switch {
	case r.ended:
		return r.fail("a second root element %.40q", name)
	case len(name) == 0 || !startsName(name[0]):
		return r.fail("bad element name %.40q", name)
	case len(r.open) == maxDepth:
		return r.fail("elements deeper than %d levels", maxDepth)
	}
	r.open = append(r.open, name)
	r.attrs = r.attrs[:0]
	for {
		switch kind, _ := r.lex.Next(); kind {
		case xml.AttributeToken:
			if !r.attribute() {
				return tokenOver
			}
		case xml.StartTagCloseVoidToken:
			r.void = true
			return tokenStart
		case xml.StartTagCloseToken:
			return tokenStart
		default:
			return r.fail("the start tag of %.40q is not closed", name)
		}
	}
}

func (r *reader) attribute() bool {
	name, value := r.lex.Text(), r.lex.AttrVal()
	n := len(value)
	switch {
	case len(r.attrs) == maxAttributes:
		r.fail("element %.40q has more than %d attributes", r.name(), maxAttributes)
	case len(name) == 0 || !startsName(name[0]):
		r.fail("element %.40q: bad attribute name %.40q", r.name(), name)
	case n < 2 || value[0] != '"' && value[0] != '\'' || value[n-1] != value[0]:
		r.fail("element %.40q: the value of attribute %.40q is not in quotes", r.name(), name)
	case bytes.IndexByte(value, '<') >= 0:
		r.fail("element %.40q: < in attribute %.40q", r.name(), name)
	default:
		for _, a := range r.attrs {
			if len(a.name) == len(name) && string(a.name) == string(name) {
				r.fail("element %.40q has attribute %.40q twice", r.name(), name)
				return false
			}
		}
		r.attrs = append(r.attrs, attribute{name, value[1 : n-1]})
		return true
	}
	return false
}

func (r *reader) end(data []byte) token {
	name := r.lex.Text()
	switch {
	case len(data) == 0 || data[len(data)-1] != '>':
		return r.fail("an end tag that is not closed")
	case len(r.open) == 0:
		return r.fail("end tag of %.40q, which is not open", name)
	case string(r.open[len(r.open)-1]) != string(name):
		return r.fail("end tag of %.40q where %.40q is open", name, r.name())
	}
	return r.pop()
}

func (r *reader) pop() token {
	r.open = r.open[:len(r.open)-1]
	r.ended = len(r.open) == 0
	return tokenEnd
}

// comment keeps the production time, which stands in a comment before the root element: "production
// time: 20120911T092033,103Z".
func (r *reader) comment(data []byte) {
	if len(data) < 7 || !bytes.HasSuffix(data, []byte("-->")) {
		r.fail("a comment that is not closed")
		return
	}
	if len(r.open) == 0 && !r.ended {
		if _, after, found := bytes.Cut(r.lex.Text(), []byte("production time:")); found {
			text, _, _ := bytes.Cut(bytes.TrimSpace(after), []byte("\n"))
			r.stamp = productionTime(string(bytes.TrimSpace(text)))
		}
	}
}

// doctype lets only a bare declaration pass: an internal subset could define entities.
func (r *reader) doctype(data []byte) {
	switch {
	case len(r.open) > 0 || r.ended:
		r.fail("DOCTYPE inside of the document")
	case bytes.IndexByte(data, '[') >= 0 || !bytes.HasSuffix(data, []byte(">")):
		r.fail("DOCTYPE with declarations of its own is refused")
	}
}

func (r *reader) skipInstruction() {
	for {
		switch kind, _ := r.lex.Next(); kind {
		case xml.StartTagClosePIToken:
			return
		case xml.AttributeToken:
		default:
			r.fail("a processing instruction that is not closed")
			return
		}
	}
}

func startsName(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == ':' || c >= utf8.RuneSelf
}
