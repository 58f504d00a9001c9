package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"goalcast"
	"goalcast/internal/problem"
)

// NameBook has the names by language in memory.
type NameBook interface {
	// Names are those that this process knows; nil: none. It asks nobody.
	Names() *goalcast.Names
	// Refresh looks whether they have changed.
	Refresh(context.Context) error
}

// NameStore keeps the names by language.
type NameStore interface {
	// ListNames lists by kind, id and language.
	ListNames(context.Context, goalcast.NameFilter) ([]goalcast.Name, error)
	// SaveNames returns what changed, as it was, in order; an empty name is none. ErrTooMany.
	SaveNames(context.Context, []goalcast.Name) ([]goalcast.Name, error)
}

const (
	// maxNamesBody is how long the body of a change of names may be, in bytes.
	maxNamesBody = 256 << 10
	// maxRanges is how many languages of an Accept-Language count, the first ones.
	maxRanges = 20
)

// naming is how an answer names teams and competitions: in a language, as far as there are names in
// it. The zero one names them as the provider does. What is encoded is kept by it too: other names
// make other answers.
type naming struct {
	names    *goalcast.Names
	language string
}

// naming chooses the language of an answer's names: lang, or else what Accept-Language likes best
// of those that there are names in. The header of the answer says which it was, and that others may
// be answered in another one. While there are no names it says and costs nothing.
func (s *Server) naming(w http.ResponseWriter, r *http.Request, q *query) naming {
	names := s.nameBook.Names()
	var language string
	switch wanted := q.language("lang"); {
	case names.Len() == 0:
		return naming{}
	case wanted != "":
		language = names.Language(wanted)
	default:
		w.Header().Add("Vary", "Accept-Language")
		language = acceptedLanguage(r.Header["Accept-Language"], names.Language)
	}
	if language == "" {
		return naming{}
	}
	w.Header()["Content-Language"] = []string{language} // a problem, which is in English, takes it away
	return naming{names, language}
}

// acceptedLanguage is what a client likes best of the languages that there are (RFC 9110, 12.5.4);
// empty if none is. have finds the one that a range stands for, as RFC 4647 looks it up. Of equals
// the first counts. What cannot be read counts as not there.
func acceptedLanguage(fields []string, have func(string) string) (best string) {
	most, ranges := 0, 0
	for _, field := range fields {
		for field != "" && ranges < maxRanges {
			var item string
			item, field, _ = strings.Cut(field, ",")
			tag, params, _ := strings.Cut(item, ";")
			ranges++
			if weight := weightOf(params); weight > most {
				if language := have(strings.TrimSpace(tag)); language != "" {
					best, most = language, weight
				}
			}
		}
	}
	return best
}

func (n naming) team(t goalcast.Team) goalcast.Team { return n.names.Team(t, n.language) }

func (n naming) competition(c goalcast.Competition) goalcast.Competition {
	return n.names.Competition(c, n.language)
}

// match names what a match has. Nothing that is shared is changed.
func (n naming) match(m goalcast.Snapshot) goalcast.Snapshot {
	if n.names != nil {
		m.Competition, m.Home, m.Away = n.competition(m.Competition), n.team(m.Home), n.team(m.Away)
	}
	return m
}

func (n naming) standings(s goalcast.Standings) goalcast.Standings {
	s.Competition = n.competition(s.Competition)
	s.Groups = slices.Clone(s.Groups)
	for i := range s.Groups {
		rows := slices.Clone(s.Groups[i].Rows)
		for j := range rows {
			rows[j].Team = n.team(rows[j].Team)
		}
		s.Groups[i].Rows = rows
	}
	return s
}

func (n naming) squad(s goalcast.Squad) goalcast.Squad {
	s.Competition, s.Team = n.competition(s.Competition), n.team(s.Team)
	return s
}

func (n naming) found(f goalcast.Found) goalcast.Found {
	switch f.Kind {
	case goalcast.FoundTeam:
		f.Name = n.team(goalcast.Team{ID: goalcast.TeamID(f.ID), Name: f.Name}).Name
	case goalcast.FoundCompetition:
		f.Name = n.competition(goalcast.Competition{ID: goalcast.CompetitionID(f.ID), Name: f.Name}).Name
	}
	return f
}

// language is a language tag, or empty.
func (q *query) language(name string) string {
	text := q.values.Get(name)
	if text == "" {
		return ""
	}
	tag, ok := goalcast.ParseLanguage(text)
	if !ok {
		q.fail(name, "want a language like nl, or nl-BE")
	}
	return tag
}

// afterName is a place in the list of names, as nameText wrote it; zero if it is not there.
func (q *query) afterName() goalcast.Name {
	text := q.values.Get("after")
	if text == "" {
		return goalcast.Name{}
	}
	kind, rest, _ := strings.Cut(text, ":")
	number, language, _ := strings.Cut(rest, ":")
	id, ok := parseID(number)
	if _, isTag := goalcast.ParseLanguage(language); !ok || !isTag || !slices.Contains(goalcast.NameKinds, kind) {
		q.badAfter()
		return goalcast.Name{}
	}
	return goalcast.Name{Kind: kind, ID: id, Language: language}
}

func nameText(n goalcast.Name) string {
	return n.Kind + ":" + strconv.FormatInt(n.ID, 10) + ":" + n.Language
}

// namesPage is the answer of GET /admin/names.
type namesPage struct {
	Names []goalcast.Name `json:"names"` // by kind, id and language
	pageEnd
}

// getNames lists the names that editors have given.
func (s *Server) getNames(w http.ResponseWriter, r *http.Request) error {
	q := newQuery(r, "kind", "id", "language", "limit", "after")
	f := goalcast.NameFilter{Kind: q.word("kind", goalcast.NameKinds...), ID: q.id("id"),
		Language: q.language("language"), After: q.afterName(),
		Limit: q.number("limit", defaultEntries, maxEntries) + 1}
	if q.err != nil {
		return q.err
	}
	list, err := s.store.ListNames(r.Context(), f)
	if err != nil {
		return fmt.Errorf("names: %w", err)
	}
	var p namesPage
	p.Names, p.pageEnd = endPage(list, f.Limit-1, nameText)
	if link := p.link(r); link != "" {
		w.Header().Set("Link", link)
	}
	return writeJSON(w, http.StatusOK, p)
}

// namesBody is what an editor puts.
type namesBody struct {
	Names []goalcast.Name `json:"names"`
}

// check reads the names, each once, with their languages in the usual spelling.
func (b namesBody) check() ([]goalcast.Name, error) {
	if n := len(b.Names); n == 0 || n > goalcast.MaxNamesAtOnce {
		return nil, badParameter("names", "want 1 to %d", goalcast.MaxNamesAtOnce)
	}
	list, seen := make([]goalcast.Name, len(b.Names)), map[string]bool{}
	for i, n := range b.Names {
		bad := func(field, format string, args ...any) error {
			return badParameter(fmt.Sprintf("names[%d].%s", i, field), format, args...)
		}
		language, ok := goalcast.ParseLanguage(n.Language)
		switch {
		case !slices.Contains(goalcast.NameKinds, n.Kind):
			return nil, bad("kind", "want one of %v", goalcast.NameKinds)
		case n.ID <= 0:
			return nil, bad("id", "want a number above 0")
		case !ok:
			return nil, bad("language", "want a language like nl, or nl-BE")
		case n.Name != "" && !goalcast.GoodName(n.Name):
			return nil, bad("name", "want at most %d letters in one line, without space around them",
				goalcast.MaxNameLength)
		}
		n.Language = language
		key := nameText(n)
		if seen[key] {
			return nil, bad("language", "%s is there twice", key)
		}
		seen[key], list[i] = true, n
	}
	return list, nil
}

// putNames gives teams and competitions names by language, or takes them away. Who reads from this
// process sees them with the answer, from others within seconds.
func (s *Server) putNames(w http.ResponseWriter, r *http.Request) error {
	if q := newQuery(r); q.err != nil {
		return q.err
	}
	var body namesBody
	if err := readJSON(w, r, maxNamesBody, &body); err != nil {
		return err
	}
	list, err := body.check()
	if err != nil {
		return err
	}
	before, err := s.store.SaveNames(r.Context(), list)
	if errors.Is(err, goalcast.ErrTooMany) {
		return problem.New(http.StatusConflict, "too_many", fmt.Sprintf("there may be %d names in %d languages; "+
			"remove some first", goalcast.MaxNames, goalcast.MaxNameLanguages))
	}
	if err != nil {
		return fmt.Errorf("save names: %w", err)
	}
	was, is := namesChanged(before, list)
	switch len(before) {
	case 0:
	case 1:
		auditTarget(r, nameText(before[0]))
	default:
		auditTarget(r, fmt.Sprintf("%d names", len(before)))
	}
	s.audit(r, "names", was, is, slog.Int("changed", len(before)))
	if err := s.nameBook.Refresh(r.Context()); err != nil {
		s.log.Warn("names are saved, and not shown by this process yet", "request", requestID(r.Context()),
			"error", err)
	}
	return writeJSON(w, http.StatusOK, struct {
		Changed int `json:"changed"`
	}{len(before)})
}

// namesChanged is what the audit keeps of a change: "team:7:nl" and the name, before and after.
func namesChanged(before, list []goalcast.Name) (was, is map[string]string) {
	was, is = map[string]string{}, map[string]string{}
	for _, n := range before {
		was[nameText(n)] = n.Name
	}
	for _, n := range list {
		if _, changed := was[nameText(n)]; changed {
			is[nameText(n)] = n.Name
		}
	}
	return was, is
}

// noNames is the book of a process that has none.
type noNames struct{}

func (noNames) Names() *goalcast.Names        { return nil }
func (noNames) Refresh(context.Context) error { return nil }
