package fold_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"goalcast/internal/fold"
)

func TestNamesAreFolded(t *testing.T) {
	for name, want := range map[string][]string{
		"Standard Liège": {"standard", "liege"}, "FC København": {"fc", "kobenhavn"}, "Łódź": {"lodz"},
		"N'Golo Kanté": {"ngolo", "kante", "n", "golo"}, "O’Neil": {"oneil", "o", "neil"},
		"Paris Saint-Germain": {"paris", "saint", "germain"}, "1. FC Köln": {"1", "fc", "koln"}, "": nil, " - ": nil,
		"Straße Strasse": {"strasse"}, "İstanbul": {"istanbul"}, "大阪 FC": {"大阪", "fc"},
	} {
		if got := fold.Words(name); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := fold.Query("n'golo  KANTÉ kanté"); !slices.Equal(got, []string{"ngolo", "kante"}) {
		t.Errorf("%q", got)
	}
	if w := fold.Words(strings.Repeat("大", 100))[0]; len(w) > 60 || !utf8.ValidString(w) {
		t.Errorf("%d bytes %q", len(w), w)
	}
}

// What is folded stays so when it is folded again.
func FuzzFoldedTwiceIsFolded(f *testing.F) {
	for _, name := range []string{"Liège", "N'Golo", "ẞ", "\xff", "a\u0300b", "ǅ", "K"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		once := fold.Text(name)
		if twice := fold.Text(once); twice != once || !utf8.ValidString(once) {
			t.Errorf("%q: %q, then %q", name, once, twice)
		}
	})
}
