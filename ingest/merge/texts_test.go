package merge

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"goalcast"
	"goalcast/ingest/letters"
)

// fill puts text into every string that a value holds, ids and words that are checked elsewhere
// left out, and one element into every list and map.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		switch v.Interface().(type) {
		case goalcast.Kind, goalcast.Status, goalcast.Period, goalcast.MatchState, goalcast.Topic, goalcast.Edition,
			goalcast.DelayType:
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
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Name != "Edition" &&
				v.Type() != reflect.TypeFor[time.Time]() {
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
	m := MatchReading{Match: 7, Fixture: new(goalcast.Fixture), Facts: make([]goalcast.Event, 1),
		Players: map[goalcast.PlayerID]string{5: text}, Claims: &Claims{}}
	fill(reflect.ValueOf(m.Fixture).Elem(), text)
	fill(reflect.ValueOf(&m.Facts[0]).Elem(), text)
	fill(reflect.ValueOf(m.Claims).Elem(), text)
	r.Matches = []MatchReading{m}
	return r
}

// Whatever text a provider sends, and wherever: what goes out is short, is whole characters, and
// can be shown. A field that is added is found by this test.
func TestNoTextOfAProviderIsLong(t *testing.T) {
	ours := map[string]bool{".Matches.Facts.ID": true, ".Matches.Facts.Clock": true, ".Commentary.Language": true,
		".Commentary.Lines.Clock": true}
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
	want.Matches[0].Facts[0].Settlement, want.Matches[0].Claims.Events[0].Settlement = nil, nil // not a document's
	r.tidy()
	if !reflect.DeepEqual(r, want) {
		t.Errorf("%+v", r)
	}
}

func TestTimesThatNoMatchHas(t *testing.T) {
	far, zone := time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -23*3600)), time.Date(2026, 5, 1, 1, 0, 0, 0,
		time.UTC)
	r := Reading{Matches: []MatchReading{{Match: 7, Fixture: &goalcast.Fixture{Kickoff: far},
		Facts: []goalcast.Event{{At: far}, {At: time.Time{}.Add(time.Hour)}, {At: zone}}}}}
	r.tidy()
	m := r.Matches[0]
	if !m.Fixture.Kickoff.IsZero() || !m.Facts[0].At.IsZero() || !m.Facts[1].At.IsZero() || m.Facts[2].At != zone ||
		r.Mended[letters.Time] == "" {
		t.Errorf("%+v %v", m, r.Mended)
	}
}
