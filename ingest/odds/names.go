package odds

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
)

// Words of names, in small ASCII letters.
const (
	// clubWords say what a team is, not which; as do numbers.
	clubWords = "ac aff afc as bk bsc bv ca calcio cd cf club clube cp de del ec fc ff fk football fotbal fsv fv gd" +
		" hk if ifk ik jk kf kk kv nk ofk os rc rcd sa sad sc scr sd sfc sg sk ss ssc ssd sv tsg tsv ud us vfb vfl vv"
	womenWords = "women womens woman ladies wfc frauen vrouwen dames femenino femenina femenil feminin feminine" +
		" feminines feminino feminina femminile kvinner kvinder damer damen"
	youthWords   = "youth juvenil primavera"
	reserveWords = "reserves reserve res jong amateure"
	// lastWords are markers at the end of a name only.
	lastWords = "w b c ii iii 2 3"
)

// otherWords are words that are written in several ways.
var otherWords = map[string]string{"utd": "united", "st": "saint", "sankt": "saint", "munich": "munchen",
	"muenchen": "munchen", "koeln": "koln", "cologne": "koln", "und": "", "and": "", "the": ""}

// name is the name of a team or a competition, as it is compared.
type name struct {
	words   []string // folded and sorted, each once
	markers []string // "women", "u21", "reserve": which team of the club it is; likewise
}

// likeness says how much two names have in common.
type likeness int

const (
	unlike likeness = iota
	partly          // all words of one are in the other
	same
)

func (n name) like(o name) likeness {
	switch {
	case len(n.words) == 0 || len(o.words) == 0:
		return unlike
	case slices.Equal(n.words, o.words):
		return same
	case holds(n.words, o.words), holds(o.words, n.words):
		return partly
	}
	return unlike
}

func holds(all, some []string) bool {
	return !slices.ContainsFunc(some, func(w string) bool { return !slices.Contains(all, w) })
}

// maxNames is how many names a nameReader remembers.
const maxNames = 50_000

// nameReader reads names. It is for one goroutine.
type nameReader struct {
	collator *collate.Collator // knows which letters are the same but for case and accents
	buffer   collate.Buffer
	known    map[string]name
	limit    int               // of known
	kinds    map[string]string // club words and markers, folded
	last     map[string]string
	others   map[string]string
}

func newNameReader() *nameReader {
	r := &nameReader{collator: collate.New(language.Und, collate.Loose), known: map[string]name{}, limit: maxNames,
		kinds: map[string]string{}, last: map[string]string{}, others: map[string]string{}}
	for kind, words := range map[string]string{"club": clubWords, "women": womenWords, "youth": youthWords,
		"reserve": reserveWords} {
		for _, w := range strings.Fields(words) {
			r.kinds[r.fold(w)] = kind
		}
	}
	for _, w := range strings.Fields(lastWords) {
		kind := "reserve"
		switch w {
		case "w":
			kind = "women"
		case "c", "iii", "3":
			kind = "third"
		}
		r.last[r.fold(w)] = kind
	}
	for from, to := range otherWords {
		r.others[r.fold(from)] = ""
		if to != "" {
			r.others[r.fold(from)] = r.fold(to)
		}
	}
	return r
}

// fold gives words the same text that differ in case, accents and width only: "Malmö", "MALMO".
func (r *nameReader) fold(word string) string {
	defer r.buffer.Reset()
	return string(r.collator.KeyFromString(&r.buffer, strings.ReplaceAll(word, "ı", "i")))
}

// team reads the name of a team.
func (r *nameReader) team(text string) name { return r.cached("team:"+text, text, true) }

// competition reads the name of a competition; what is an id has no words.
func (r *nameReader) competition(text string) name {
	if strings.Contains(text, ":") || !strings.ContainsFunc(text, unicode.IsLetter) {
		return name{}
	}
	return r.cached("competition:"+text, text, false)
}

func (r *nameReader) cached(key, text string, team bool) name {
	n, ok := r.known[key]
	if !ok {
		if len(r.known) >= r.limit {
			clear(r.known)
		}
		n = r.read(text, team)
		r.known[key] = n
	}
	return n
}

// read reads a name. Only a team has markers at its end: "Serie B" is no reserve team.
func (r *nameReader) read(text string, team bool) name {
	list := words(text)
	kept, markers := map[string]bool{}, map[string]bool{}
	for team && len(list) > 1 {
		kind, ok := r.last[r.fold(list[len(list)-1])]
		if !ok {
			break
		}
		markers[kind] = true
		list = list[:len(list)-1]
	}
	all := map[string]bool{}
	for i := 0; i < len(list); i++ {
		if age, used := youthAge(list[i:]); used > 0 {
			markers["u"+age] = true
			i += used - 1
			continue
		}
		key := r.fold(list[i])
		if to, ok := r.others[key]; ok {
			key = to
		}
		if key == "" {
			continue
		}
		switch kind := r.kinds[key]; {
		case kind == "club", strings.Trim(list[i], "0123456789") == "":
			all[key] = true
		case kind != "":
			markers[kind] = true
		default:
			kept[key] = true
		}
	}
	if len(kept) == 0 {
		kept = all // it has nothing else
	}
	return name{slices.Sorted(maps.Keys(kept)), slices.Sorted(maps.Keys(markers))}
}

// words are the words of a text: "F.C. Nott'm (W)" has FC, Nottm and W.
func words(text string) (list []string) {
	text = strings.NewReplacer("'", "", "’", "", "‘", "", "`", "", "´", "").Replace(text)
	for _, field := range strings.FieldsFunc(text, func(c rune) bool {
		return c != '.' && !unicode.In(c, unicode.L, unicode.N, unicode.M)
	}) {
		parts := strings.FieldsFunc(field, func(c rune) bool { return c == '.' })
		initials := !slices.ContainsFunc(parts, func(p string) bool {
			c := []rune(p)
			return len(c) != 1 || !unicode.IsLetter(c[0])
		})
		if initials {
			parts = []string{strings.Join(parts, "")}
		}
		for _, p := range parts {
			if p != "" {
				list = append(list, p)
			}
		}
	}
	return list
}

// youthAge reads "U21", "U 21", "under 21" and "sub 21" at the beginning of a list of words: the
// age, and how many words it takes; 0 if it is something else.
func youthAge(list []string) (age string, used int) {
	word := strings.ToLower(list[0])
	for _, before := range []string{"under", "sub", "u"} {
		rest, ok := strings.CutPrefix(word, before)
		used := 1
		if ok && rest == "" && len(list) > 1 {
			rest, used = list[1], 2
		}
		if n, err := strconv.Atoi(rest); ok && err == nil && n >= 13 && n <= 23 {
			return strconv.Itoa(n), used
		}
	}
	return "", 0
}
