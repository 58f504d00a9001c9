package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestEveryTypeOfLineIsTold(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`{"type":"image","event":"sr:match:1","at":1795900000123,"markets":[{"market":"1x2","status":"open",` +
			`"prices":{"home":"2.35","draw":3.4,"away":null}},{"market":"ou:2.5","status":"suspended"}]}`,
			"image sr:match:1 1795900000123 1x2=open,home:2350(2.35),draw:3400(3.4),away:0() ou:2.5=suspended"},
		{`{"type":"image","event":"e","markets":[]}`, "image e -"},
		{`{"event":"e", "markets" : [ {"prices":{"yes":"1.001"},"status":"closed","market":"btts"} ] ,"type":"change"}`,
			"change e - btts=closed,yes:1001(1.001)"},
		{`{"type":"suspend","event":"e","at":"2026-11-28T20:00:00.5Z","markets":["1x2","ou:2.5"]}`,
			"suspend e 1795896000500 1x2 ou:2.5"},
		{`{"type":"suspend","event":"e"}`, "suspend e -"},
		{`{"type":"settle","event":"e","settlements":[{"market":"1x2","results":{"home":"won","draw":"lost"}},` +
			`{"market":"top","results":{"a":{"outcome":"won","dead_heat":"0.3339"},"b":"half_lost"}},` +
			`{"market":"dnb","cancelled":true}]}`,
			"settle e - 1x2 cancelled=false,home:won:0,draw:lost:0 top cancelled=false,a:won:333,b:half_lost:0 " +
				"dnb cancelled=true"},
		{`{"type":"alive","at":1795900000000}`, "alive 1795900000000"},
		{`{"type":"down"}`, "down provider"},
		{`{"type":"fixture","event":"e","competition":"Cup","kickoff":"2026-11-28T20:00:00Z","home":"Höme","away":"\u0041way"}`,
			"fixture e Cup 1795896000000 Höme-Away"},
		{`{"type":"quota","remaining":40,"limit":500}`, "quota 40 500"},
		{`{"type":"quota","remaining":0}`, "quota 0 0"},
	} {
		l, err := readLine([]byte(tt.line))
		if err != nil || len(l.doubts) > 0 {
			t.Errorf("%s: %v, %v", tt.line, err, l.doubts)
			continue
		}
		sink := newRecorder(t)
		newCounts(t).tell("test", sink, &l)
		if sink.calls[0] != tt.want {
			t.Errorf("%s: told %q, want %q", tt.line, sink.calls[0], tt.want)
		}
		// Whoever is down was heard and is not believed.
		if heard := strings.HasPrefix(sink.calls[len(sink.calls)-1], "alive"); heard == (l.kind == down) {
			t.Errorf("%s: told %q", tt.line, sink.calls)
		}
	}
}

func TestWrongFieldIsNamed(t *testing.T) {
	market := func(text string) string { return `{"type":"image","event":"e","markets":[` + text + `]}` }
	settle := func(text string) string { return `{"type":"settle","event":"e","settlements":[` + text + `]}` }
	many := `{"market":"m","status":"open","prices":{` + strings.Repeat(`"a":"2",`, 3) + `"b":"2"}}`
	for _, tt := range []struct{ line, field string }{
		{`[]`, ""}, {`"image"`, ""}, {`{}`, "type"}, {`{"type":null}`, "type"}, {`{"type":"Image","event":"e"}`, "type"},
		{`{"type":"imag","event":"e"}`, "type"}, {`{"type":"alive","type":"alive"}`, "type"},
		{`{"type":"alive","Type":"down"}`, "Type"}, {`{"type":"alive","event":"e"}`, "event"},
		{`{"type":"image","markets":[]}`, "event"}, {`{"type":"image","event":"e"}`, "markets"},
		{`{"type":"image","event":"","markets":[]}`, "event"}, {`{"type":"image","event":"a b","markets":[]}`, "event"},
		{`{"type":"image","event":5,"markets":[]}`, "event"}, {`{"type":"image","event":"e","markets":null}`, "markets"},
		{`{"type":"image","event":"` + strings.Repeat("e", 101) + `","markets":[]}`, "event"},
		{`{"type":"image","event":"e","at":1.5,"markets":[]}`, "at"},
		{`{"type":"image","event":"e","at":1795900000,"markets":[]}`, "at"}, // seconds
		{`{"type":"image","event":"e","at":"yesterday","markets":[]}`, "at"},
		{market(`5`), "markets[0]"}, {market(`{"status":"open","prices":{}}`), "markets[0].market"},
		{market(`{"market":"1 x 2","status":"open","prices":{}}`), "markets[0].market"},
		{market(`{"market":"a","status":"open","price":{}}`), "markets[0].price"},
		{market(`{"market":"a","status":1,"prices":{}}`), "markets[0].status"},
		{market(`{"market":"a","status":"open","prices":{"x":"2"}},{"market":"a","status":"closed"}`), "markets[1].market"},
		{market(`{"market":"a","status":"open","prices":{"x":true}}`), "markets[0].prices.x"},
		{market(`{"market":"a","status":"open","prices":{"x":["2"]}}`), "markets[0].prices.x"},
		{market(`{"market":"a","status":"open","prices":{"":"2"}}`), "markets[0].prices"},
		{market(many), "markets[0].prices.a"},
		{`{"type":"suspend","event":"e","markets":[]}`, "markets"},
		{`{"type":"suspend","event":"e","markets":["a",7]}`, "markets[1]"},
		{settle(``), "settlements"}, {settle(`{"market":"a"}`), "settlements[0].results"},
		{settle(`{"market":"a","results":{"x":"wins"}}`), "settlements[0].results.x"},
		{settle(`{"market":"a","results":{"x":{"dead_heat":"0.5"}}}`), "settlements[0].results.x.outcome"},
		{settle(`{"market":"a","results":{"x":{"outcome":"won","dead_heat":"1.5"}}}`), "settlements[0].results.x.dead_heat"},
		{settle(`{"market":"a","cancelled":"true"}`), "settlements[0].cancelled"},
		{`{"type":"fixture","event":"e","kickoff":"2026-11-28T20:00:00Z","home":"a"}`, "away"},
		{`{"type":"fixture","event":"e","kickoff":"2026-11-28T20:00:00Z","home":"a\u0007","away":"b"}`, "home"},
		{`{"type":"quota","remaining":-1}`, "remaining"}, {`{"type":"quota","remaining":"5"}`, "remaining"},
	} {
		_, err := readLine([]byte(tt.line))
		var e *fieldError
		if !errors.As(err, &e) || e.field != tt.field || e.text == "" {
			t.Errorf("%s: %v, want field %q", tt.line, err, tt.field)
		}
	}
	for _, text := range []string{`{"type":"alive"`, `{"type":"alive"}{}`, `{"type":"al` + "\xff" + `ive"}`, `NaN`, `{'type':1}`} {
		if _, err := readLine([]byte(text)); !errors.Is(err, errNotJSON) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A market whose price or status makes no sense is suspended; the others of its line count.
func TestMarketThatMakesNoSenseIsSuspendedAlone(t *testing.T) {
	for _, tt := range []struct {
		market, field string
		reason        reason
	}{
		{`"status":"open","prices":{"home":"1.000","away":"3"}`, "markets[1].prices.home", badPrice},
		{`"status":"open","prices":{"home":1}`, "markets[1].prices.home", badPrice},
		{`"status":"open","prices":{"home":"NaN"}`, "markets[1].prices.home", badPrice},
		{`"status":"open","prices":{"home":"-2"}`, "markets[1].prices.home", badPrice},
		{`"status":"open","prices":{"home":2.5e0}`, "markets[1].prices.home", badPrice},
		{`"status":"open","prices":{"home":1000000.001}`, "markets[1].prices.home", badPrice},
		{`"status":"open","prices":{"home":"2.` + strings.Repeat("5", 60) + `"}`, "markets[1].prices.home", badPrice},
		{`"status":"open"`, "markets[1].prices", badPrice},
		{`"status":"opened","prices":{"home":"2"}`, "markets[1].status", badStatus},
		{`"prices":{"home":"2"}`, "markets[1].status", badStatus},
	} {
		text := `{"type":"change","event":"e","markets":[{"market":"a","status":"open","prices":{"x":"2"}},{"market":"b",` +
			tt.market + `}]}`
		l, err := readLine([]byte(text))
		if err != nil || len(l.markets) != 2 || l.markets[0].Status != "open" || l.markets[1].Status != "suspended" {
			t.Errorf("%s: %+v, %v", text, l.markets, err)
			continue
		}
		var e *fieldError
		if len(l.doubts) != 1 || l.doubts[0].market != "b" || l.doubts[0].reason != tt.reason ||
			!errors.As(l.doubts[0].err, &e) || e.field != tt.field {
			t.Errorf("%s: %+v", text, l.doubts)
		}
		for _, s := range l.markets[1].Selections {
			if len(s.Text) > maxPriceText {
				t.Errorf("a text of %d bytes", len(s.Text))
			}
		}
	}
}

// A number is the text that it is: no float comes between.
func TestPricesAreText(t *testing.T) {
	for text, want := range map[string]int32{`4.35`: 4350, `"4.35"`: 4350, `1.0019`: 1001, `1.1`: 1100, `2.675`: 2675, `8.2`: 8200,
		`999999.9999`: 999_999_999, `2`: 2000, `1.00100000000000000000001`: 1001, `"2.50"`: 2500} {
		l, err := readLine([]byte(`{"type":"change","event":"e","markets":[{"market":"a","status":"open","prices":{"x":` + text + `}}]}`))
		if err != nil || len(l.doubts) > 0 {
			t.Errorf("%s: %v %v", text, err, l.doubts)
			continue
		}
		if s := l.markets[0].Selections[0]; int32(s.Price) != want || s.Text != strings.Trim(text, `"`) {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

func TestWhatAnUnreadableLineMayBeAbout(t *testing.T) {
	for _, tt := range []struct {
		line, event string
		harmless    bool
	}{
		{`{"type":"suspend","event":"e","market":"1x2"}`, "e", false},
		{`{"type":"close","event":"e"}`, "e", false},
		{`{"event":"e"}`, "e", false},
		{`{"type":"suspend","event":"e"`, "", false},
		{`{"type":"suspend","event":"a","event":"b"}`, "", false},
		{`{"type":"suspend","event":7}`, "", false},
		{`{"x":1,"type":"suspend","event":"e","type":"alive"}`, "", false},
		{`{"type":"suspend","event":"e","Type":"alive"}`, "e", false},
		{`{"type":"down","why":"maintenance"}`, "", false},
		{`{"type":"fixture","event":"e"}`, "", true},
		{`{"type":"alive","seq":5}`, "", true},
		{`{"type":"quota"}`, "", true},
	} {
		_, err := readLine([]byte(tt.line))
		if event, harmless := about([]byte(tt.line)); err == nil || event != tt.event || harmless != tt.harmless {
			t.Errorf("%s: %q, %v (%v)", tt.line, event, harmless, err)
		}
	}
}

// readLines reads all of a text; a line that is too long is "-".
func readLines(t testing.TB, from io.Reader, most int) (out []string) {
	lines := newLineReader(from, most)
	for {
		text, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return out
		case errors.Is(err, errTooLong):
			out = append(out, "-")
		case err != nil:
			t.Fatal(err)
		default:
			out = append(out, string(text))
		}
		if lines.n != len(out) {
			t.Fatalf("line %d has the number %d", len(out), lines.n)
		}
	}
}

func TestLineOfTheLimitAndOneLonger(t *testing.T) {
	fits := strings.Repeat("x", 64<<10)
	for _, end := range []string{"\n", "\r\n"} {
		text := "a" + end + fits + end + end + fits + "x" + end + strings.Repeat(fits, 5) + end + "b" + end + fits + "x"
		want := []string{"a", fits, "", "-", "-", "b", "-"}
		for _, r := range []io.Reader{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)),
			iotest.DataErrReader(strings.NewReader(text))} {
			if got := readLines(t, r, 64<<10); !slices.Equal(got, want) {
				t.Errorf("%d lines, %d", len(got), len(want))
			}
		}
	}
}

// readObjects reads all of a stream, up to its error.
func readObjects(from io.Reader, most int) (out []string, err error) {
	objects := newObjectReader(from, most)
	for {
		object, err := objects.next()
		if err != nil {
			return out, err
		}
		out = append(out, string(object))
	}
}

func TestObjectsCutAnywhere(t *testing.T) {
	want := []string{`{"a":"}\\\"{[","b":[{}]}`, `{}`, `{"x":1}`, "{\n\"y\":\n2}", `{"long":"` + strings.Repeat("é", 40_000) + `"}`, `{}`}
	text := want[0] + want[1] + "\r\n \x1e" + want[2] + want[3] + "\n" + want[4] + want[5] + "\n\n"
	for name, r := range map[string]io.Reader{
		"whole":        strings.NewReader(text),
		"bytes":        iotest.OneByteReader(strings.NewReader(text)),
		"halves":       iotest.HalfReader(strings.NewReader(text)),
		"with the end": iotest.DataErrReader(strings.NewReader(text)),
	} {
		if got, err := readObjects(r, 100_000); !errors.Is(err, io.EOF) || !slices.Equal(got, want) {
			t.Errorf("%s: %d objects, %v", name, len(got), err)
		}
	}
	for text, want := range map[string]error{`{"a":1`: io.ErrUnexpectedEOF, `{}x{}`: errNoObject, `[]`: errNoObject, `{}{"a":"123456789"}`: errTooLong} {
		if got, err := readObjects(strings.NewReader(text), 15); !errors.Is(err, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestServerSentEvents(t *testing.T) {
	text := "\ufeffdata: one\n\n: comment\nevent: ping\nid: 5\nretry: 5000\n\ndata:two\ndata:  three\n\n" +
		"event: odds\r\ndata: four\r\n\r\ndata: five\r\rdata\n\nfield: x\ndata: six\n\ndata: cut off\n"
	want := []string{"one", "two\n three", "four", "five", "", "six"}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text),
		"bytes": iotest.OneByteReader(strings.NewReader(text)),
	} {
		events := newEventReader(r, 20)
		var got []string
		for {
			data, err := events.next()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Error(err)
				}
				break
			}
			got = append(got, string(data))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, text := range []string{"data: " + strings.Repeat("x", 21) + "\n\n",
		"data: 123456789\ndata: 1234567890\ndata: 1\n\n",
		strings.Repeat("x", 99)} {
		if _, err := newEventReader(strings.NewReader(text), 20).next(); !errors.Is(err, errTooLong) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzLines: no text ends the process; lines are those of a naive reader; objects are the same
// wherever they are cut; what is accepted is JSON within the limits.
func FuzzLines(f *testing.F) {
	for _, text := range []string{img("e"), img("a") + "\n" + img("b"), `{"type":"suspend","event":"e","markets":["1x2"]}` + "\r\n\r\n{",
		`{"type":"settle","event":"e","settlements":[{"market":"a","results":{"x":{"outcome":"won","dead_heat":"0.5"}}}]}`,
		`{"type":"fixture","event":"e","kickoff":"2026-11-28T20:00:00Z","home":"\ud83d\ude00","away":"b"}`, "{\"\\u0074ype\":\"alive\"}",
		`{"type":"quota","remaining":5}` + "\x1e{}", `{"type":"alive","at":1795900000000}` + "\xff"} {
		f.Add([]byte(text), byte(40))
	}
	f.Fuzz(func(t *testing.T, text []byte, size byte) {
		most := int(size) + 16
		var want []string
		for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
			if line = strings.TrimSuffix(line, "\r"); len(line) > most {
				line = "-"
			}
			want = append(want, line)
		}
		if len(text) == 0 {
			want = nil
		}
		if got := readLines(t, iotest.HalfReader(bytes.NewReader(text)), most); !slices.Equal(got, want) {
			t.Fatalf("%q: lines %q, want %q", text, got, want)
		}
		whole, err1 := readObjects(bytes.NewReader(text), most)
		bits, err2 := readObjects(iotest.OneByteReader(bytes.NewReader(text)), most)
		if !slices.Equal(whole, bits) || fmt.Sprint(err1) != fmt.Sprint(err2) {
			t.Fatalf("%q: %q %v, byte by byte %q %v", text, whole, err1, bits, err2)
		}
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			checkLine(t, line)
		}
	})
}

func checkLine(t *testing.T, text []byte) {
	l, err := readLine(text)
	if err != nil {
		about(text)
		if err.Error() == "" || len(err.Error()) > 1000 {
			t.Fatalf("%q: an error of %d bytes", text, len(err.Error()))
		}
		return
	}
	if !json.Valid(text) || !slices.Contains(kinds, l.kind) || len(l.markets) > maxMarkets {
		t.Fatalf("%q: accepted as %+v", text, l)
	}
	for _, m := range l.markets {
		for _, s := range m.Selections {
			if !validKey(m.Key) || !validKey(s.Key) || s.Price != 0 && (s.Price < 1001 || s.Price > 1_000_000_000) {
				t.Fatalf("%q: accepted %+v", text, m)
			}
		}
	}
}

func BenchmarkReadLine(b *testing.B) {
	text := []byte(`{"type":"change","event":"sr:match:12345678","at":1795900000123,"markets":[{"market":"1x2","status":"open",` +
		`"prices":{"home":"2.35","draw":"3.40","away":"3.10"}}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readLine(text); err != nil {
			b.Fatal(err)
		}
	}
}

// The examples of the documentation are lines.
func TestExamplesAreLines(t *testing.T) {
	page, err := os.ReadFile("../../../docs/odds.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(page), "### The lines\n\n```json\n")
	block, _, _ := strings.Cut(after, "```")
	seen := map[kind]bool{}
	for text := range strings.Lines(block) {
		l, err := readLine([]byte(text))
		if err != nil || len(l.doubts) > 0 {
			t.Errorf("%s: %v, %v", text, err, l.doubts)
		}
		seen[l.kind] = true
	}
	if len(seen) != len(kinds) {
		t.Errorf("examples of %v", seen)
	}
}
