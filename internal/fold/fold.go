// Package fold makes names comparable: lower case, without accents, taken apart into words. What is
// stored and what is asked for go through it alike. It is pure.
package fold

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// letters are those that Unicode does not take apart into a letter and an accent.
var letters = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "þ", "th", "ł", "l",
	"ı", "i", "ħ", "h", "ŋ", "n")

// maxWord is how many bytes of a word count.
const maxWord = 60

// Text is a name folded, its words with one space between them. Apostrophes join: "N'Golo" is
// "ngolo".
func Text(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(letters.Replace(strings.ToLower(name))) {
		switch {
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’', r == 'ʼ', r == '‘':
		case unicode.IsLetter(r), unicode.IsDigit(r):
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Words are the words of a name, each once, in their order. What an apostrophe joins is there by
// itself too: who looks for "golo" finds "N'Golo".
func Words(name string) (words []string) {
	apart := strings.NewReplacer("'", " ", "’", " ", "ʼ", " ", "‘", " ").Replace(name)
	for _, text := range []string{name, apart} {
		for w := range strings.FieldsSeq(Text(text)) {
			if w = cut(w); !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
	}
	return words
}

// Query are the words that a search looks for.
func Query(text string) (words []string) {
	for w := range strings.FieldsSeq(Text(text)) {
		if w = cut(w); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	return words
}

// cut keeps the beginning of a word, at the end of a letter.
func cut(w string) string {
	if len(w) <= maxWord {
		return w
	}
	return strings.ToValidUTF8(w[:maxWord], "")
}
