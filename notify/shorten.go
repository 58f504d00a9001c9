package notify

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis stands at the end of a text that was cut.
const ellipsis = "…"

// Fit is the text, shortened as little as makes a message with it small enough: size says how many
// bytes that has. Title and body are cut to one length, so that the longer one is cut first. Its
// size is above the limit only if it would be so without a text.
func (t Text) Fit(limit int, size func(Text) int) Text {
	if size(t) <= limit {
		return t
	}
	cut := func(most int) Text { return Text{Cut(t.Title, most), Cut(t.Body, most)} }
	tooLong := sort.Search(max(len(t.Title), len(t.Body)), func(n int) bool { return size(cut(n)) > limit })
	return cut(max(tooLong-1, 0))
}

// Cut is the text, or its beginning and an ellipsis if it has more than so many bytes. It is cut
// between characters as people see them: no accent, no part of an emoji family, no half of a flag
// is left.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := 0
	for {
		next := end + cluster(text[end:])
		if next > most-len(ellipsis) {
			break
		}
		end = next
	}
	if end == 0 && most < len(ellipsis) {
		return ""
	}
	return strings.TrimRight(text[:end], " ") + ellipsis
}

// cluster is how many bytes the first character of a text has as people see it: UAX #29's grapheme
// cluster, but that what follows a joiner always belongs to it.
func cluster(text string) int {
	before, end := utf8.DecodeRuneInString(text)
	flag := isRegional(before) // the first letter of one
	for end < len(text) {
		r, size := utf8.DecodeRuneInString(text[end:])
		switch {
		case r == joiner || before == joiner || extends(r) || isHangul(before) && isJamo(r):
		case flag && isRegional(r):
			flag = false
		default:
			return end
		}
		before, end = r, end+size
	}
	return end
}

const joiner = '\u200D' // of emoji, and of letters

// extends says whether a character is shown with the one before it: accents, vowel signs, colours
// of skin, the letters of a region's flag.
func extends(r rune) bool {
	return unicode.In(r, unicode.M, unicode.Other_Grapheme_Extend) || r >= 0x1F3FB && r <= 0x1F3FF ||
		r >= 0xE0020 && r <= 0xE007F
}

// isRegional says whether two of such characters are a flag.
func isRegional(r rune) bool { return unicode.Is(unicode.Regional_Indicator, r) }

// isHangul says whether letters of a Korean syllable may follow; isJamo, whether it is a vowel or
// last letter of one.
func isHangul(r rune) bool {
	return r >= 0x1100 && r <= 0x11FF || r >= 0xA960 && r <= 0xA97C || r >= 0xAC00 && r <= 0xD7FB
}

func isJamo(r rune) bool { return r >= 0x1160 && r <= 0x11FF || r >= 0xD7B0 && r <= 0xD7FB }
