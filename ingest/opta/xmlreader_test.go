package opta

import (
	"fmt"
	"strings"
	"testing"

	"goalcast/ingest/letters"
)

func TestBrokenXML(t *testing.T) {
	attributes := ""
	for i := range maxAttributes + 1 {
		attributes += fmt.Sprintf(" a%d='1'", i)
	}
	for name, tt := range map[string]struct{ body, want string }{
		"truncated in an element":     {"<a><b></b>", `ends inside of element "a"`},
		"truncated in a tag":          {"<a><b", `start tag of "b" is not closed`},
		"truncated in a value":        {`<a><b c="d`, "not in quotes"},
		"truncated in an end tag":     {"<a></a", "end tag that is not closed"},
		"truncated in a comment":      {"<a></a><!-- b", "comment that is not closed"},
		"truncated in CDATA":          {"<a><![CDATA[x", "CDATA that is not closed"},
		"truncated in an instruction": {"<?xml version='1.0'", "instruction that is not closed"},
		"tags that do not match":      {"<a><b></a></b>", `end tag of "a" where "b" is open`},
		"end tag of nothing":          {"<a></a></b>", `end tag of "b", which is not open`},
		"two roots":                   {"<a/><b/>", "second root element"},
		"NUL, which open replaces":    {"<a>\x00</a>", "NUL"},
		"no element":                  {"<!-- a -->", "no XML element"},
		"no name":                     {"< a/>", "bad element name"},
		"value without quotes":        {"<a b=c/>", "not in quotes"},
		"attribute without value":     {"<a b/>", "not in quotes"},
		"attribute twice":             {`<a b="1" b="2"/>`, "twice"},
		"tag in a value":              {`<a b="<c>"/>`, "< in attribute"},
		"attribute name that is none": {`<a <b="1"/>`, "bad attribute name"},
		"entity bomb": {`<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>`,
			"DOCTYPE with declarations"},
		"DOCTYPE inside":      {"<a><!DOCTYPE b></a>", "DOCTYPE inside"},
		"too deep":            {strings.Repeat("<a>", maxDepth+1), "deeper than 64"},
		"too many attributes": {"<a" + attributes + "/>", "more than 64 attributes"},
	} {
		r := newReader([]byte(tt.body))
		if err := r.close(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	r := newReader([]byte("<a>\n<b>\n</c>"))
	if err := r.close(); err == nil || !strings.HasPrefix(err.Error(), "line 3:") {
		t.Errorf("error %v, want one of line 3", err)
	}
}

func TestXMLThatIsFine(t *testing.T) {
	r := newReader([]byte("<?xml version='1.0'?><!DOCTYPE a SYSTEM 'a.dtd'><!-- x --><a " +
		"b='&lt;&gt;&amp;&quot;&apos;&#233;&#xe9;' c = \"1\">" +
		" one<skipped d='&amp;'>no</skipped><!-- no --> &amp; <![CDATA[<two> &amp;]]> </a>\n<!-- end -->\n"))
	if got := string(r.attr("b")); got != `<>&"'éé` {
		t.Errorf("attribute %q", got)
	}
	if got := string(r.attr("c")); got != "1" {
		t.Errorf("attribute %q", got)
	}
	if r.attr("none") != nil {
		t.Error("an attribute that is not there")
	}
	if got := r.text(); got != "one & <two> &amp;" {
		t.Errorf("text %q", got)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}

// What a visitor leaves unread is skipped, at any depth, and the next child is found.
func TestEachSkipsWhatIsNotRead(t *testing.T) {
	r := newReader([]byte(`<a><b n="1"><c><d/></c></b><b n="2"/>text<b n="3"><c>x</c><c>y</c></b></a>`))
	var got []string
	r.each(func() {
		n := string(r.attr("n"))
		if n == "3" {
			r.each(func() { n += r.text() })
		}
		got = append(got, n)
	})
	if want := "1 2 3xy"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %v", got, want)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}

func TestTextHasALimit(t *testing.T) {
	r := newReader([]byte("<a>" + strings.Repeat("é", maxText) + "</a>"))
	if got := len(r.text()); got <= maxText/2 || got > maxText+1 {
		t.Errorf("%d bytes", got)
	}
	if err := r.close(); err != nil {
		t.Error(err)
	}
}

// What stands in a name is no reason to lose a goal: it is read as HTML reads it, or
// stays as it stands there.
func TestReferencesThatXMLDoesNotKnow(t *testing.T) {
	for name, tt := range map[string]struct{ written, want, found string }{
		"what XML knows":           {"&lt;&gt;&amp;&quot;&apos;&#233;&#xE9;&#Xe9;", `<>&"'ééé`, ""},
		"an HTML name":             {"Ren&eacute; &nbsp;&ndash;", "René \u00a0–", letters.Reference},
		"a name that nobody knows": {"&lol;&;", "&lol;&;", letters.Reference},
		"a name with more behind":  {"&notit;&ampere;", "&notit;&ampere;", letters.Reference},
		"an & alone":               {"Ann & Co, A&B; &", "Ann & Co, A&B; &", letters.Reference},
		"half a pair":              {"&#xD83D;&#55357;", "\uFFFD\uFFFD", letters.Reference},
		"NUL and beyond":           {"&#0;&#x110000;&#99999999999999999999;", "\uFFFD\uFFFD\uFFFD", letters.Reference},
		"no numbers":               {"&#;&#x;&#-1;&#1_0;&#xg;", "&#;&#x;&#-1;&#1_0;&#xg;", letters.Reference},
		"Windows by numbers":       {"O&#146;Dowd", "O’Dowd", letters.Reference},
	} {
		r := newReader([]byte(`<a b="` + tt.written + `">` + tt.written + "<c>" + tt.written + "</c></a>"))
		attribute, text := string(r.attr("b")), r.text()
		if attribute != tt.want || text != strings.TrimSpace(tt.want) {
			t.Errorf("%s: attribute %q, text %q, want %q", name, attribute, text, tt.want)
		}
		if err := r.close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, noted := r.mended[letters.Reference]; noted != (tt.found != "") || len(r.mended) > 1 {
			t.Errorf("%s: noted %v", name, r.mended)
		}
	}
}

func TestTextAroundTheDocument(t *testing.T) {
	r := newReader([]byte("<?xml version='1.0'?>junk<a>x</a>junk"))
	if got := r.text(); got != "x" {
		t.Errorf("%q", got)
	}
	if err := r.close(); err != nil || r.mended[letters.Junk] == "" {
		t.Errorf("%v, %v", err, r.mended)
	}
}

// A reference costs what it is long, whatever stands behind it.
func TestManyReferencesAreRead(t *testing.T) {
	r := newReader([]byte("<a>" + strings.Repeat("&", 4<<20) + "</a>"))
	if got := r.text(); got != strings.Repeat("&", maxText+1) {
		t.Errorf("%d bytes", len(got))
	}
}
