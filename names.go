package goalcast

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
)

// Limits of names by language. They are held in memory by every process that tells names.
const (
	MaxNames         = 20_000 // of all things in all languages; about 4 MB of memory
	MaxNameLanguages = 20     // languages that there are names in: a match is encoded once for each
	MaxNameLength    = 100    // letters of one
	MaxNamesAtOnce   = 500    // that one request may change: the audit can mostly hold them

	maxLanguageTag = 35 // letters of a tag that is looked at (RFC 5646, 4.4.1)
)

// NameKinds are the kinds of thing that have names by language.
var NameKinds = []string{FoundTeam, FoundCompetition}

// Name is what a team or a competition is called in a language. Editors give it; what has none in a
// language is called as the provider calls it.
type Name struct {
	Kind     string `json:"kind"`     // one of NameKinds
	ID       int64  `json:"id"`       // above 0; a name may be there before the thing is
	Language string `json:"language"` // as ParseLanguage returns it
	Name     string `json:"name"`     // where names are saved, an empty one removes what there is
}

// Compare orders names by kind, id and language.
func (n Name) Compare(o Name) int {
	return cmp.Or(strings.Compare(n.Kind, o.Kind), cmp.Compare(n.ID, o.ID), strings.Compare(n.Language, o.Language))
}

// key is the name without itself.
func (n Name) key() Name {
	n.Name = ""
	return n
}

// NameFilter chooses names; zero fields choose all.
type NameFilter struct {
	Kind     string
	ID       int64
	Language string
	After    Name // those behind it, in order; its Name does not count
	Limit    int  // at most so many; 0 is the store's limit
}

var languageText = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$`)

// ParseLanguage reads a language tag (BCP 47) of a language, and a script and a region if it has
// them: "nl", "nl-BE", "zh-Hant". The tag is returned in its usual spelling. false: it is none, or
// has an unknown part.
func ParseLanguage(text string) (tag string, ok bool) {
	if !languageText.MatchString(text) {
		return "", false
	}
	t, err := language.Parse(text)
	if err != nil || t == language.Und || !languageText.MatchString(t.String()) {
		return "", false
	}
	return t.String(), true
}

// GoodName says whether a text can be shown as a name: 1 to MaxNameLength letters in one line,
// without space around them.
func GoodName(text string) bool {
	n := utf8.RuneCountInString(text)
	return utf8.ValidString(text) && n > 0 && n <= MaxNameLength && strings.TrimSpace(text) == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}

// Names are all names by language as they are at one time. They do not change; nil has none.
type Names struct {
	version   string
	languages []string // that there are
	names     map[Name]string
}

// NewNames makes Names of a list. version tells them from those of another time.
func NewNames(version string, list []Name) *Names {
	n := &Names{version: version, names: make(map[Name]string, len(list))}
	languages := map[string]bool{}
	for _, name := range list {
		if name.Name == "" {
			continue
		}
		n.names[name.key()] = name.Name
		languages[name.Language] = true
	}
	n.languages = slices.Sorted(maps.Keys(languages))
	return n
}

// Version is what NewNames was given; empty for nil.
func (n *Names) Version() string {
	if n == nil {
		return ""
	}
	return n.version
}

// Len is how many names there are.
func (n *Names) Len() int {
	if n == nil {
		return 0
	}
	return len(n.names)
}

// Language finds the language to name things in for one who wants another: that itself if there are
// names in it, else the nearest that is wider (for "nl-BE" it is "nl"). Upper and lower case are
// the same. Empty: there is none.
func (n *Names) Language(wanted string) string {
	if n == nil || len(wanted) > maxLanguageTag {
		return ""
	}
	for ; wanted != ""; wanted = wider(wanted) {
		for _, have := range n.languages {
			if strings.EqualFold(have, wanted) {
				return have
			}
		}
	}
	return ""
}

// wider is a tag without its last part; empty for the language alone.
func wider(tag string) string { return tag[:max(strings.LastIndexByte(tag, '-'), 0)] }

// in is the name of a thing in a language or one that is wider; the provider's if there is none.
func (n *Names) in(kind string, id int64, tag, provider string) string {
	if n == nil {
		return provider
	}
	for ; tag != ""; tag = wider(tag) {
		if name, ok := n.names[Name{Kind: kind, ID: id, Language: tag}]; ok {
			return name
		}
	}
	return provider
}

// Team is a team with its name in a language, in the spelling of ParseLanguage; else in one that is
// wider, else as it is.
func (n *Names) Team(t Team, language string) Team {
	t.Name = n.in(FoundTeam, int64(t.ID), language, t.Name)
	return t
}

// Competition is a competition with its name in a language, likewise.
func (n *Names) Competition(c Competition, language string) Competition {
	c.Name = n.in(FoundCompetition, int64(c.ID), language, c.Name)
	return c
}
