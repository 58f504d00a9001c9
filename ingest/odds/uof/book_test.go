package uof

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"goalcast/ingest/odds"
)

// TestBook plays messages and looks at one market, as "status selection=price ...".
func TestBook(t *testing.T) {
	const open = `<market id="1" status="1"><outcome id="1" odds="2.5"/><outcome id="2" odds="3" active="0"/></market>`
	from := func(producer, at int, inner string) string {
		return fmt.Sprintf(`<odds_change product="%d" event_id="sr:match:1" timestamp="%d"><odds>%s</odds></odds_change>`,
			producer, at, inner)
	}
	stop := func(producer, at int, groups string) string {
		return fmt.Sprintf(`<bet_stop product="%d" event_id="sr:match:1" timestamp="%d" groups="%s"/>`, producer, at, groups)
	}
	status := func(s string) string { return `<market id="1" ` + s + `/>` }
	priced := func(odds string) string {
		return `<market id="1" status="1"><outcome id="1" odds="` + odds + `" active="1"/></market>`
	}
	for _, tt := range []struct {
		name, want string
		refused    []string
		messages   []string
	}{
		{"prices", "open home=2500 draw=0", nil, []string{from(1, 10, open)}},
		{"status missing at first", "open home=2500", nil,
			[]string{from(1, 10, `<market id="1"><outcome id="1" odds="2.5"/></market>`)}},
		{"status missing is as before", "suspended home=3000", nil, []string{from(1, 10, open),
			from(1, 11, status(`status="-1"`)),
			from(1, 12, `<market id="1"><outcome id="1" odds="3"/></market>`)}},
		{"suspended", "suspended home=2500 draw=0", nil, []string{from(1, 10, open),
			from(1, 11, status(`status="-1"`))}},
		{"inactive", "suspended home=2500 draw=0", nil, []string{from(1, 10, open), from(1, 11, status(`status="0"`))}},
		{"settled", "closed home=2500 draw=0", nil, []string{from(1, 10, open), from(1, 11, status(`status="-3"`))}},
		{"cancelled", "closed home=2500 draw=0", nil, []string{from(1, 10, open), from(1, 11, status(`status="-4"`))}},
		{"a state that nobody knows", "suspended home=2500 draw=0", []string{refusedStatus},
			[]string{from(1, 10, open), from(1, 11, status(`status="5"`))}},
		{"opened without prices", "suspended home=2500 draw=0", []string{refusedOutcomes}, []string{from(1, 10, open),
			from(1, 11, status(`status="-1"`)), from(1, 12, status(`status="1"`))}},
		{"still open, without prices", "open home=2500 draw=0", nil, []string{from(1, 10, open),
			from(1, 11, status(`status="1"`))}},
		{"a price of one", "suspended", []string{refusedPrice}, []string{from(1, 10, priced("1.0"))}},
		{"no number", "suspended", []string{refusedPrice}, []string{from(1, 10, open), from(1, 11, priced("NaN"))}},
		{"too much", "suspended", []string{refusedPrice}, []string{from(1, 10, priced("1000001"))}},
		{"negative", "suspended", []string{refusedPrice}, []string{from(1, 10, priced("-2"))}},
		{"an outcome twice", "suspended", []string{refusedOutcomes}, []string{from(1, 10,
			`<market id="1" status="1"><outcome id="1" odds="2"/><outcome id="1" odds="3"/></market>`)}},
		{"too many outcomes", "suspended", []string{refusedOutcomes}, []string{from(1, 10, `<market id="1" status="1">`+
			strings.Repeat(`<outcome id="1" odds="2"/>`, 6)+`</market>`)}},
		{"an outcome without name", "suspended", []string{refusedKey}, []string{from(1, 10,
			`<market id="1" status="1"><outcome id="a b" odds="2"/></market>`)}},
		{"active is neither yes nor no", "suspended", []string{refusedStatus}, []string{from(1, 10,
			`<market id="1" status="1"><outcome id="1" odds="2" active="2"/></market>`)}},
		{"an older message", "open home=2500 draw=0", nil, []string{from(1, 10, open), from(1, 9, priced("9"))}},
		{"the same time again", "open home=9000", nil, []string{from(1, 10, open), from(1, 10, priced("9"))}},
		{"the live producer goes first", "open home=9000", nil, []string{from(3, 20, open), from(1, 10, priced("9")),
			from(3, 30, open)}},
		{"handed over before the other quotes", "suspended home=2500 draw=0", nil, []string{from(3, 20, open),
			from(3, 21, status(`status="-2"`))}},
		{"handed over afterwards", "open home=2500 draw=0", nil, []string{from(3, 20, open), from(1, 21, open),
			from(3, 22, status(`status="-2"`))}},
		{"bet stop", "suspended home=2500 draw=0", nil, []string{from(1, 10, open), stop(1, 11, "all")}},
		{"bet stop of no group is of all", "suspended home=2500 draw=0", nil, []string{from(1, 10, open),
			stop(1, 11, "")}},
		{"bet stop of a group", "suspended home=2500 draw=0", nil, []string{from(1, 10, open), stop(1, 11, "x|score")}},
		{"bet stop of another group", "open home=2500 draw=0", nil, []string{from(1, 10, open),
			stop(1, 11, "corners")}},
		{"an older bet stop", "open home=2500 draw=0", nil, []string{from(1, 10, open), stop(1, 9, "all")}},
		{"odds older than a bet stop", "suspended home=2500 draw=0", nil, []string{stop(1, 11, "score"),
			from(1, 10, open)}},
		{"odds newer than a bet stop", "open home=2500 draw=0", nil, []string{stop(1, 11, "score"), from(1, 12, open)}},
		{"bet stop before the match leaves the live producer", "open home=2500 draw=0", nil, []string{from(1, 10, open),
			stop(3, 12, "all"), from(1, 11, open)}},
		{"bet stop in the match suspends what is from before", "suspended home=2500 draw=0", nil,
			[]string{from(3, 10, open), stop(1, 12, "all"), from(3, 11, open)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{MaxSelections: 5}.WithDefaults()
			var refused []string
			b := newBook(&cfg, func(reason string) { refused = append(refused, reason) })
			b.groups = map[int64][]string{1: {"all", "score"}}
			for _, text := range tt.messages {
				m, err := read([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				e := b.event(&m, start)
				if m.kind == kindBetStop {
					b.betStop(e, &m, m.producer == 1)
				} else {
					b.oddsChange(e, &m, m.producer == 1)
				}
			}
			mk := b.events["sr:match:1"].markets["1x2"]
			got := string(mk.Status)
			for _, s := range mk.Selections {
				got += fmt.Sprintf(" %s=%d", s.Key, s.Price)
			}
			if got != tt.want || !slices.Equal(refused, tt.refused) {
				t.Errorf("%s, refused %v; want %s, %v", got, refused, tt.want, tt.refused)
			}
		})
	}
}

func TestBookIsLimited(t *testing.T) {
	cfg := Config{MaxEvents: 2, MaxMarkets: 2}.WithDefaults()
	refused := map[string]int{}
	b := newBook(&cfg, func(reason string) { refused[reason]++ })
	for i := range 3 {
		m, err := read(fmt.Appendf(nil, `<odds_change product="1" event_id="sr:match:%d" timestamp="1"><odds><market id="1"/>`+
			`<market id="2"/><market id="3"/><market id="4" specifiers="a=&#x1f4a9;"/></odds></odds_change>`, i))
		if err != nil {
			t.Fatal(err)
		}
		if e := b.event(&m, start); e != nil {
			b.oddsChange(e, &m, true)
		}
	}
	if refused[refusedEvents] != 1 || refused[refusedMarkets] != 2 || refused[refusedKey] != 2 ||
		len(b.events) != 2 || len(b.events["sr:match:1"].markets) != 2 {
		t.Errorf("refused %v", refused)
	}
	b.events["sr:match:1"].markets["1x2"].Status = odds.Open
	b.clean(start.Add(keepFor + 1))
	if len(b.events) != 1 {
		t.Errorf("%d matches are left", len(b.events))
	}
}

func TestResults(t *testing.T) {
	for attributes, want := range map[string]string{
		`result="1"`: "won 0", `result="0"`: "lost 0", `result="0" void_factor="1"`: "void 0",
		`result="1" void_factor="1.0"`: "void 0", `result="1" void_factor="0.5"`: "half_won 0",
		`result="0" void_factor="0.5"`: "half_lost 0", `result="1" dead_heat_factor="0.5"`: "won 500",
		`result="1" dead_heat_factor="0.3333"`: "won 333", `result="1" dead_heat_factor="1"`: "won 0",
		`result="0" dead_heat_factor="0.5"`: "lost 0", `result="1" void_factor="0"`: "won 0",
		`result="1" void_factor="0.3"`: "none", `result="2"`: "none", ``: "none", `result="1" void_factor="x"`: "none",
		`result="1" dead_heat_factor="7"`: "none", `result="1" dead_heat_factor="NaN"`: "none", `result="-1"`: "none",
	} {
		cfg := Config{}.WithDefaults()
		b := newBook(&cfg, func(string) {})
		m, err := read([]byte(`<bet_settlement product="1" event_id="sr:match:1" timestamp="5"><outcomes><market id="1"><outcome id="1" ` +
			attributes + `/></market></outcomes></bet_settlement>`))
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if all := b.settlements(&m); len(all) > 0 {
			got = fmt.Sprint(all[0].Results[0].Outcome, " ", int(all[0].Results[0].DeadHeat))
		}
		if got != want {
			t.Errorf("%s: %s, want %s", attributes, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><odds_change product="1" event_id="sr:match:1" timestamp="1"><odds><market id="1" specifiers="a=b|c=d">` +
		`<outcome id="1" odds="2.5" active="1"/></market></odds></odds_change>`))
	f.Add([]byte(`<bet_stop groups="all|x"/>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := read(text)
		if err != nil {
			return
		}
		cfg := Config{}.WithDefaults()
		b := newBook(&cfg, func(string) {})
		for _, mk := range b.oddsChange(b.event(&m, start), &m, true) {
			if !isKey(mk.Key) {
				t.Errorf("key %q", mk.Key)
			}
			for _, s := range mk.Selections {
				if !isKey(s.Key) || s.Price != 0 && (s.Price < odds.MinPrice || s.Price > odds.MaxPrice) {
					t.Errorf("selection %+v", s)
				}
			}
		}
	})
}

// BenchmarkChanges reads and books messages of ten markets; an operation is one market.
func BenchmarkChanges(b *testing.B) {
	var text strings.Builder
	text.WriteString(`<odds_change product="1" event_id="sr:match:1" timestamp="5"><odds>`)
	for i := range 10 {
		fmt.Fprintf(&text, `<market favourite="1" status="1" id="18" specifiers="total=%d.5"><outcome id="12" odds="2.15" `+
			`probabilities="0.4569811" active="1"/><outcome id="13" odds="1.75" probabilities="0.5430189" active="1"/></market>`, i)
	}
	text.WriteString(`</odds></odds_change>`)
	cfg := Config{}.WithDefaults()
	book := newBook(&cfg, func(string) {})
	b.ReportAllocs()
	for n := 0; n < b.N; n += 10 {
		m, err := read([]byte(text.String()))
		if err != nil {
			b.Fatal(err)
		}
		if got := book.oddsChange(book.event(&m, start), &m, true); len(got) != 10 {
			b.Fatal(len(got))
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
