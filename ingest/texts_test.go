package ingest

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"goalcast"
	"goalcast/ingest/letters"
)

// fill puts text into every string that a value holds, ids and words that are checked elsewhere left out, and one element into every list and map.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		switch v.Interface().(type) {
		case goalcast.Kind, goalcast.Status, goalcast.Period, goalcast.MatchState, goalcast.Topic, goalcast.Edition, goalcast.DelayType:
		default:
			v.SetString(text)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Name != "Edition" && v.Type() != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), text)
			}
		}
	}
}

// texts visits every string that a value holds.
func texts(path string, v reflect.Value, visit func(path, text string)) {
	switch v.Kind() {
	case reflect.String:
		visit(path, v.String())
	case reflect.Pointer:
		if !v.IsNil() {
			texts(path, v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(path, v.Index(i), visit)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			texts(path, v.MapIndex(key), visit)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && v.Type() != reflect.TypeFor[time.Time]() {
				texts(path+"."+f.Name, v.Field(i), visit)
			}
		}
	}
}

// longReading has the text wherever a provider could put one.
func longReading(text string) Reading {
	var r Reading
	fill(reflect.ValueOf(&r.Standings).Elem(), text)
	fill(reflect.ValueOf(&r.Squads).Elem(), text)
	fill(reflect.ValueOf(&r.Commentary).Elem(), text)
	m := MatchReading{Match: 7, Fixture: new(goalcast.Fixture), Facts: make([]goalcast.Event, 1), Players: map[goalcast.PlayerID]string{5: text}, Claims: &Claims{}}
	fill(reflect.ValueOf(m.Fixture).Elem(), text)
	fill(reflect.ValueOf(&m.Facts[0]).Elem(), text)
	fill(reflect.ValueOf(m.Claims).Elem(), text)
	r.Matches = []MatchReading{m}
	return r
}

// Whatever text a provider sends, and wherever: what goes out is short, is whole characters, and can be shown. A field that is added is found by this test.
func TestNoTextOfAProviderIsLong(t *testing.T) {
	ours := map[string]bool{".Matches.Facts.ID": true, ".Matches.Facts.Clock": true, ".Commentary.Language": true, ".Commentary.Lines.Clock": true}
	r := longReading("x\x01\n" + strings.Repeat("é", 2<<20))
	r.tidy()
	texts("", reflect.ValueOf(r), func(path, text string) {
		if path == ".Mended" || ours[strings.Replace(path, ".Claims.Events.", ".Facts.", 1)] {
			return
		}
		if len(text) > maxLine || !utf8.ValidString(text) || strings.ContainsAny(text, "\x01\n") {
			t.Errorf("%s: %d bytes, %.20q", path, len(text), text)
		}
		if text != "" && !strings.HasSuffix(text, letters.Ellipsis) {
			t.Errorf("%s: %.20q...%q has no ellipsis", path, text, text[max(0, len(text)-9):])
		}
	})
	if r.Mended[letters.Length] == "" || r.Mended[letters.Control] == "" {
		t.Errorf("noted %v", r.Mended)
	}
}

// What is as it should be stays as it is.
func TestTextsThatAreFineStay(t *testing.T) {
	r, want := longReading("Nuñez’s “Šport” – 日本"), longReading("Nuñez’s “Šport” – 日本")
	r.tidy()
	if !reflect.DeepEqual(r, want) {
		t.Errorf("%+v", r)
	}
}

func TestTimesThatNoMatchHas(t *testing.T) {
	far, zone := time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -23*3600)), time.Date(2026, 5, 1, 1, 0, 0, 0, time.UTC)
	r := Reading{Matches: []MatchReading{{Match: 7, Fixture: &goalcast.Fixture{Kickoff: far}, Facts: []goalcast.Event{{At: far}, {At: time.Time{}.Add(time.Hour)}, {At: zone}}}}}
	r.tidy()
	m := r.Matches[0]
	if !m.Fixture.Kickoff.IsZero() || !m.Facts[0].At.IsZero() || !m.Facts[1].At.IsZero() || m.Facts[2].At != zone || r.Mended[letters.Time] == "" {
		t.Errorf("%+v %v", m, r.Mended)
	}
}

// A document with wrong letters is applied; it is counted, and alarms once for a provider's feed. The counters are there before.
func TestWrongLettersAlarmOnceAndAreNoFailure(t *testing.T) {
	b := newBench(t, Config{})
	if n := testutil.CollectAndCount(b.metrics.mended); n != len(letters.Kinds) {
		t.Errorf("%d counters at the start", n)
	}
	for i := range 3 {
		said := says(sourceF24, 27+i, fixture(), goal(1, home, 27+i, 5))
		said.m.Fixture.Venue = "The\x01Green"
		said.m.Fixture.Home.Name = strings.Repeat("long ", 1<<18)
		b.send(t, b.url+"?wait=10s", body(said), "X-Meta-Feed-Type", "F24")
		b.await(t, "the document", applied(i+1))
	}
	if s := b.memory.Record(77).Snapshot; s.Score.Home != 1 || s.Venue != "The\uFFFDGreen" || len(s.Home.Name) > maxName {
		t.Errorf("score %v, venue %q, %d bytes of a name", s.Score, s.Venue, len(s.Home.Name))
	}
	for what, want := range map[string]float64{letters.Control: 3, letters.Length: 3, letters.Encoding: 0} {
		if n := testutil.ToFloat64(b.metrics.mended.WithLabelValues("plain", what)); n != want {
			t.Errorf("%s: %v documents", what, n)
		}
	}
	if n := testutil.ToFloat64(b.metrics.alarms.WithLabelValues("plain", "mended")); n != 1 || strings.Count(b.logged.String(), "letters are wrong") != 1 {
		t.Errorf("%v alarms, log: %s", n, b.logged)
	}
}
