package letters

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for name, tt := range map[string]struct {
		text  string
		limit int
		want  string
		noted string
	}{
		"fine":                 {"Nuñez – 日本", 40, "Nuñez – 日本", ""},
		"empty":                {"", 40, "", ""},
		"white space":          {" a\tb\nc ", 40, "a b c", ""},
		"control characters":   {"a\x00b\x7fc\u0085d", 40, "a\uFFFDb\uFFFDc\uFFFDd", Control},
		"bytes":                {"Nu\xf1ez", 40, "Nu\uFFFDez", Encoding},
		"replaced before":      {"Nu\uFFFDez", 40, "Nu\uFFFDez", ""},
		"as long as may be":    {"0123456789", 10, "0123456789", ""},
		"cut":                  {"0123456789x", 10, "0123456…", Length},
		"cut between letters":  {"ééééééé", 10, "ééé…", Length},
		"cut at a space":       {"abcdef ghijkl", 10, "abcdef…", Length},
		"long and all letters": {strings.Repeat("日", 1<<20), 10, "日日…", Length},
	} {
		var m Mended
		if got := Line(tt.text, tt.limit, &m); got != tt.want || len(m) > 1 || tt.noted != "" && m[tt.noted] == "" ||
			tt.noted == "" && m != nil {
			t.Errorf("%s: %q, %v, want %q and %s", name, got, m, tt.want, tt.noted)
		}
	}
}

func TestJSONThatIsFineIsNotCopied(t *testing.T) {
	body := []byte(`{"a":["\"\\\/\b\f\n\r\té\ud83d\ude00", 1.5e3, null]}`)
	var m Mended
	got, err := JSON(body, 10, &m)
	if err != nil || &got[0] != &body[0] || m != nil {
		t.Errorf("%s %v %v", got, m, err)
	}
}

func TestJSONWithWrongLetters(t *testing.T) {
	for in, want := range map[string]string{
		"\xef\xbb\xbf\"a\"":            "a",
		"\"Caf\xe9\"":                  "Caf\uFFFD",
		"\"a\nb\x01\"":                 "a b\uFFFD",
		`"\ud83dx"`:                    "\uFFFDx",
		`"\ude00\ud83d\ud83d"`:         "\uFFFD\uFFFD\uFFFD",
		`"O\'Dowd \x41\xe9\q"`:         "O'Dowd Aéq",
		`"\u12"`:                       "u12",
		"\"a\"\x00\x00":                "a",
		"\xff\xfe\"\x00\xe9\x00\"\x00": "é",
	} {
		var m Mended
		got, err := JSON([]byte(in), 10, &m)
		var text string
		if err != nil || json.Unmarshal(got, &text) != nil || text != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
		if in[0] == '"' && len(m) != 1 {
			t.Errorf("%q: noted %v", in, m)
		}
	}
}

func TestJSONHasLimits(t *testing.T) {
	for name, body := range map[string]string{
		"depth": strings.Repeat("[", MaxDepth+1), "objects": strings.Repeat("{}", 101),
		"elements": "[" + strings.Repeat("1,", 101), "keys": "{" + strings.Repeat(`"a":1,`, 101),
	} {
		if _, err := JSON([]byte(body), 100, new(Mended)); !errors.Is(err, ErrTooMuch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValues(t *testing.T) {
	got := map[string]string{}
	Values([]byte(`{"Match" : 7, "a":{"B":["x", {"c":-1.5}, null]}, "e\"f":"g\\", "last":true}`), 100,
		func(path string, value func() string) bool {
			got[path] = value()
			return true
		})
	for path, want := range map[string]string{"match": "7", "a.b.0": "x", "a.b.0.c": "-1.5", `e"f`: `g\`,
		"last": "true"} {
		if got[path] != want {
			t.Errorf("%s: %q, want %q", path, got[path], want)
		}
	}
	if len(got) != 5 {
		t.Errorf("%v", got)
	}
	Values([]byte(strings.Repeat("[", 1<<20)), 1<<30, func(string, func() string) bool { return true })
}

// FuzzJSON: what comes out is valid UTF-8 where the parser takes it, a document that was fine stays
// as it is, and walking through it ends.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\ud83d\ude00",null]}`, "\xef\xbb\xbf{\"a\":\"\xe9\\q\\ud800\x01\"}", `"\`,
		`"\u`, `"\x4`, "\xfe\xff\x00{\x00}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := string(body)
		var m Mended
		out, err := JSON(body, 1000, &m)
		Values(body, 1000, func(_ string, value func() string) bool { value(); return true })
		if string(body) != before {
			t.Fatal("the body was changed")
		}
		if err != nil {
			return
		}
		if m == nil && string(out) != strings.TrimPrefix(before, "\xef\xbb\xbf") { // a byte order mark is no fault
			t.Fatalf("%q from %q, and nothing noted", out, before)
		}
		if json.Valid([]byte(before)) && !json.Valid(out) {
			t.Fatalf("%q was valid, %q is not", before, out)
		}
		if json.Valid(out) && !utf8.Valid(out) {
			t.Fatalf("%q is not UTF-8", out)
		}
	})
}

// FuzzLine: what comes out is short, valid and fine.
func FuzzLine(f *testing.F) {
	f.Add("Nuñez\x00\xff \n", 7)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 4 + max(0, limit)%1000
		got := Line(text, limit, new(Mended))
		if len(got) > limit || !utf8.ValidString(got) || Line(got, limit, new(Mended)) != got {
			t.Fatalf("%q from %q", got, text)
		}
	})
}
