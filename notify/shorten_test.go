package notify

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCut(t *testing.T) {
	family, flag, wales := "👨‍👩‍👧‍👦", "🇧🇪", "🏴󠁧󠁢󠁷󠁬󠁳󠁿"
	for _, tt := range []struct {
		text string
		most int
		want string
	}{
		{"Noordzand", 9, "Noordzand"},
		{"Noordzand", 8, "Noord…"},
		{"KV Oost", 6, "KV…"},
		{"Noordzand", 3, "…"},
		{"Noordzand", 2, ""},
		{"", 0, ""},
		{"Zoë Maël", 7, "Zoë…"},
		{"Zoe\u0308 Mae\u0308l", 8, "Zoe\u0308…"},
		{"Zoe\u0308 Mae\u0308l", 7, "Zo…"},
		{family + family, len(family) + 3, family + "…"},
		{family + family, len(family) + 2, "…"},
		{"a" + family + "b", 8, "a…"},
		{"👍🏽👍🏽", 12, "👍🏽…"},
		{"👍🏽👍🏽", 10, "…"},
		{flag + flag + flag, 2*len(flag) + 3, flag + flag + "…"},
		{flag + flag + flag, len(flag) + 4 + 3, flag + "…"},
		{"⚽" + wales + "x", 20, "⚽…"},
		{"❤️❤️", 9, "❤️…"},
		{"❤️❤️", 8, "…"},
		{"नमस्ते", 15, "नमस्…"},
		{strings.Repeat("\u1100\u1161\u11a8", 3), 12, "\u1100\u1161\u11a8…"},
		{strings.Repeat("\u1100\u1161\u11a8", 3), 11, "…"},
		{"a" + strings.Repeat("\u0301", 5000), 100, "…"},
		{"הפועל באר שבע", 14, "הפועל…"},
	} {
		got := Cut(tt.text, tt.most)
		if got != tt.want || len(got) > max(tt.most, 0) || !utf8.ValidString(got) {
			t.Errorf("%q to %d: %q (%d bytes), want %q", tt.text, tt.most, got, len(got), tt.want)
		}
	}
}

func TestFit(t *testing.T) {
	size := func(t Text) int {
		text, _ := json.Marshal(t)
		return len(text)
	}
	for name, text := range map[string]Text{
		"short":   {"GOAL!", "Joris Wuyts"},
		"title":   {"GOAL! " + strings.Repeat("Noordzand ", 100), "Joris Wuyts"},
		"body":    {"GOAL!", strings.Repeat("ĳ", 500)},
		"both":    {strings.Repeat("⚽", 300), strings.Repeat("👨‍👩‍👧‍👦", 200)},
		"escapes": {strings.Repeat("<", 300), strings.Repeat("\u2028", 300)},
	} {
		for _, limit := range []int{30, 100, 300, 10_000} {
			got := text.Fit(limit, size)
			switch n := size(got); {
			case n > limit:
				t.Errorf("%s to %d: %d bytes: %q", name, limit, n, got)
			case size(text) <= limit && got != text:
				t.Errorf("%s to %d: %q though it fits", name, limit, got)
			case size(text) > limit && n < limit-30-limit/4:
				t.Errorf("%s to %d: only %d bytes are left: %q", name, limit, n, got)
			}
		}
	}
	if got := (Text{"GOAL!", "Joris Wuyts"}).Fit(10, func(Text) int { return 11 }); got != (Text{}) {
		t.Errorf("where no text fits: %q", got)
	}
	if got := (Text{"GOAL!", strings.Repeat("x", 100)}).Fit(60, size); got.Title != "GOAL!" {
		t.Errorf("the shorter one is cut: %q", got)
	}
}
