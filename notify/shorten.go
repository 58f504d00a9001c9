package notify

import (
	"sort"
	"strings"

	"github.com/rivo/uniseg"
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
	for characters := uniseg.NewGraphemes(text); characters.Next(); {
		_, next := characters.Positions()
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
