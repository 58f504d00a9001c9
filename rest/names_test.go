package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"goalcast"
	"goalcast/rest"
)

// bookOfNames shows what the fake has saved, once it was looked at.
type bookOfNames struct{ *fake }

func (b bookOfNames) Names() *goalcast.Names {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.shown
}

func (b bookOfNames) Refresh(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown = goalcast.NewNames("1", b.names)
	return nil
}

func (f *fake) ListNames(_ context.Context, q goalcast.NameFilter) (list []goalcast.Name, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.names {
		if (q.Kind == "" || q.Kind == n.Kind) && (q.ID == 0 || q.ID == n.ID) &&
			(q.Language == "" || q.Language == n.Language) && n.Compare(q.After) > 0 && len(list) < q.Limit {
			list = append(list, n)
		}
	}
	return list, f.err
}

func (f *fake) SaveNames(_ context.Context, list []goalcast.Name) (before []goalcast.Name, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := cmp.Or(f.saving, f.err); err != nil {
		return nil, err
	}
	for _, n := range list {
		i, there := slices.BinarySearchFunc(f.names, n, goalcast.Name.Compare)
		was := n
		was.Name = ""
		switch {
		case there && f.names[i] == n, !there && n.Name == "":
			continue
		case there && n.Name == "":
			was = f.names[i]
			f.names = slices.Delete(f.names, i, i+1)
		case there:
			was, f.names[i] = f.names[i], n
		default:
			f.names = slices.Insert(f.names, i, n)
		}
		before = append(before, was)
	}
	slices.SortFunc(before, goalcast.Name.Compare)
	return before, nil
}

// put saves names by the admin API: "team 174 nl Havenstad" in each line.
func (h *house) put(t *testing.T, lines ...string) answer {
	t.Helper()
	list := []goalcast.Name{}
	for _, line := range lines {
		part := strings.SplitN(line+" ", " ", 4)
		n := goalcast.Name{Kind: part[0], Language: part[2], Name: strings.TrimSpace(part[3])}
		if _, err := fmt.Sscan(part[1], &n.ID); err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	body, err := json.Marshal(map[string]any{"names": list})
	if err != nil {
		t.Fatal(err)
	}
	return h.ask(t, http.MethodPut, "/admin/names", string(body), as(editorToken))
}

// named are the paths whose answers name team 174 and competition 23 (standings, teams and players
// have one or both).
var named = []string{"/v1/matches?date=2026-05-17", "/v1/matches/1009316", "/v1/teams/174", "/v1/teams/174/squad",
	"/v1/competitions/23?date=2026-05-17", "/v1/competitions/23/standings", "/v1/competitions/23/standings?live=true",
	"/v1/competitions", "/v1/players/5",
	"/v1/search?q=po"}

// and is a path with one more parameter.
func and(path, parameter string) string {
	if strings.Contains(path, "?") {
		return path + "&" + parameter
	}
	return path + "?" + parameter
}

// Wherever a team or a competition is named, it is in the language that was asked for, from the
// moment on that an editor has said so; without such names nothing is different.
func TestNamesByLanguage(t *testing.T) {
	h := open(t)
	before := map[string]answer{}
	for _, path := range named {
		a := h.get(t, path, "Accept-Language: nl-BE, en;q=0.5")
		before[path] = a
		if a.status != http.StatusOK || a.header.Get("Content-Language") != "" ||
			strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Language") {
			t.Errorf("%s without names: %d %v", path, a.status, a.header)
		}
	}
	if a := h.put(t, "team 174 nl Havenstad", "team 174 nl-BE Havenstad aan Zee", "competition 23 nl Kustliga",
		"team 174 de Hafenstadt", "team 999999 nl Nergens"); a.status != http.StatusOK || string(a.body) != `{"changed":5}` {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for _, path := range named {
		for _, tt := range []struct{ lang, accept, language, team, competition string }{
			{"nl", "de", "nl", "Havenstad", "Kustliga"},
			{"NL-be", "", "nl-BE", "Havenstad aan Zee", "Kustliga"},
			{"nl-NL", "", "nl", "Havenstad", "Kustliga"},
			{"fr", "nl", "", "", ""},
			{"", "", "", "", ""},
			{"", "fr, en;q=0.8", "", "", ""},
			{"", "nl-NL,nl;q=0.9,en;q=0.8", "nl", "Havenstad", "Kustliga"},
			{"", "de;q=0.4, nl-BE;q=0.7", "nl-BE", "Havenstad aan Zee", "Kustliga"},
			{"", "de-CH", "de", "Hafenstadt", ""},
		} {
			at, vary := path, "Accept-Encoding"
			if tt.lang != "" {
				at = and(path, "lang="+tt.lang)
			} else {
				vary = "Accept-Language, Accept-Encoding"
			}
			var headers []string
			if tt.accept != "" {
				headers = append(headers, "Accept-Language: "+tt.accept)
			}
			a := h.get(t, at, headers...)
			if a.status != http.StatusOK || a.header.Get("Content-Language") != tt.language ||
				strings.Join(a.header.Values("Vary"), ", ") != vary ||
				a.header.Get("Cache-Control") != before[path].header.Get("Cache-Control") {
				t.Errorf("%s, %q: %d %v", at, tt.accept, a.status, a.header)
			}
			text, was := string(a.body), string(before[path].body)
			if tt.language == "" && tt.lang == "" && a.header.Get("Etag") != before[path].header.Get("Etag") {
				t.Errorf("%s, %q: %s", at, tt.accept, a.body)
			}
			hasTeam := strings.Contains(was, `"id":174,"name"`)
			hasCompetition := strings.Contains(was, `"id":23,`) || strings.Contains(was, `"id":23}`)
			if !hasTeam && !hasCompetition {
				t.Fatalf("%s names neither", path)
			}
			if tt.team != "" && hasTeam != strings.Contains(text, `"id":174,"name":"`+tt.team+`"`) ||
				tt.competition != "" && hasCompetition != strings.Contains(text, `"id":23,"name":"`+tt.competition+`"`) ||
				tt.team == "" && strings.Contains(text, "aven") {
				t.Errorf("%s, %q: %s", at, tt.accept, text)
			}
			_, again := h.send(t, http.MethodGet, at, "", append(headers, "If-None-Match: "+a.header.Get("ETag"))...)
			if again.status != http.StatusNotModified || strings.Join(again.header.Values("Vary"), ", ") != vary {
				t.Errorf("%s, %q, again: %d %v", at, tt.accept, again.status, again.header)
			}
		}
	}
	// players are called as the provider calls them, also those with a team's number
	if a := h.get(t, "/v1/search?q=po&lang=nl"); !strings.Contains(string(a.body), "Wout Pypaertsz") {
		t.Errorf("%s", a.body)
	}
	// the next page is in the same language
	if a := h.get(t, "/v1/competitions?limit=1&lang=nl"); !strings.Contains(a.header.Get("Link"), "lang=nl") {
		t.Errorf("Link %q", a.header.Get("Link"))
	}
	if a := h.put(t, "team 174 nl Haven"); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	h.put(t, "competition 23 nl")
	for _, path := range named {
		if a := h.get(t, and(path, "lang=nl")); strings.Contains(string(a.body), "Havenstad") ||
			strings.Contains(string(a.body), "Kustliga") {
			t.Errorf("%s has the names of before: %s", path, a.body)
		}
	}
}

// What cannot be a language is refused, and so is a language where the names are those of the
// moment.
func TestLanguagesThatAreRefused(t *testing.T) {
	h := open(t)
	for _, names := range []bool{false, true} {
		for _, path := range named {
			for _, lang := range []string{"dutch", "qq", "nl_BE", "nl,fr", "*", "nl-BE-x-goal"} {
				p := h.get(t, and(path, "lang="+lang), "Accept-Language: nl")
				p.problem(t, http.StatusBadRequest, "bad_parameter")
				if p.header.Get("Content-Language") != "" {
					t.Errorf("a problem in %s", p.header.Get("Content-Language"))
				}
			}
		}
		h.with(func() { h.revisions, h.texts = nil, textsOf(fullMatch()) })
		for _, path := range []string{"/v1/matches/1009316?seq=1&lang=nl", "/v1/matches/1009316/deltas/4?lang=nl",
			"/v1/matches/1009316/timeline?lang=nl"} {
			h.get(t, path).problem(t, http.StatusBadRequest, "bad_parameter")
		}
		if a := h.get(t, "/v1/matches/1009316/deltas/4", "Accept-Language: nl"); strings.Contains(
			strings.Join(a.header.Values("Vary"), ","), "Language") {
			t.Errorf("a delta varies by %v", a.header.Values("Vary"))
		}
		if !names {
			h.put(t, "team 174 nl Havenstad")
		}
	}
	a := h.get(t, "/v1/matches/77", "Accept-Language: nl")
	a.problem(t, http.StatusNotFound, "not_found")
	if a.header.Get("Content-Language") != "" {
		t.Errorf("a problem in %s", a.header.Get("Content-Language"))
	}
}

func TestAcceptLanguageIsKeptTo(t *testing.T) {
	h := open(t)
	h.put(t, "team 174 nl Havenstad", "team 174 fr Le Port", "team 174 de Hafenstadt")
	for accept, want := range map[string]string{
		"nl": "nl", "NL": "nl", "nl-BE": "nl", "nl ; q=0.5": "nl", "nl,fr": "nl", "fr,nl": "fr",
		"nl;q=0.1, fr;q=0.9": "fr", "en, de;q=0.3": "de", "nl;q=0, fr;q=0.001": "fr", "nl;q=0": "", "*": "", "": "",
		"en": "", "nl;q=2, de": "de", ";;,,=": "", "nl_BE": "", "nlx": "",
		strings.Repeat("en,", 19) + "nl": "nl", strings.Repeat("en,", 20) + "nl": "",
		"nl-" + strings.Repeat("a-", 500) + "b": "",
	} {
		a := h.get(t, "/v1/matches/1009316", "Accept-Language: "+accept)
		if a.status != http.StatusOK || a.header.Get("Content-Language") != want {
			t.Errorf("%q: %d %q, want %q", accept, a.status, a.header.Get("Content-Language"), want)
		}
	}
}

// A match is encoded once in each language, and for those without names once, whatever languages
// they like; while nobody has given names, only once.
func TestAnswersAreMadeOncePerLanguage(t *testing.T) {
	h, _ := openWithBoard(t)
	ask := func(want float64) {
		t.Helper()
		for range 2 {
			for _, accept := range []string{"nl", "nl-BE", "nl, fr;q=0.5", "fr", "en", "*"} {
				h.send(t, http.MethodGet, "/v1/matches/1009316", "", "Accept-Language: "+accept)
			}
		}
		if got := h.counted(t, "goalcast_rest_answers_made_total", "identity"); got != want {
			t.Errorf("made %v, want %v", got, want)
		}
	}
	ask(1)
	h.put(t, "team 174 nl Havenstad")
	ask(2)
	h.put(t, "team 174 fr Le Port")
	ask(4)
}

func TestNamesAreListed(t *testing.T) {
	h := open(t)
	if a := h.get(t, "/admin/names", as(editorToken)); string(a.body) != `{"names":[]}` {
		t.Errorf("%s", a.body)
	}
	h.put(t, "team 174 nl-be Havenstad", "team 20 nl Bergen", "competition 23 nl Kustliga", "team 174 nl Haven")
	all := "competition:23:nl Kustliga, team:20:nl Bergen, team:174:nl Haven, team:174:nl-BE Havenstad"
	type page struct {
		Names []goalcast.Name
		More  bool
		After string
	}
	list := func(query string) (text []string, p page) {
		t.Helper()
		a := h.get(t, "/admin/names"+query, as(editorToken))
		p = decode[page](t, a.body)
		if p.More != strings.Contains(a.header.Get("Link"), `rel="next"`) || p.More != (p.After != "") {
			t.Errorf("%s: %s, Link %q", query, a.body, a.header.Get("Link"))
		}
		for _, n := range p.Names {
			text = append(text, fmt.Sprintf("%s:%d:%s %s", n.Kind, n.ID, n.Language, n.Name))
		}
		return text, p
	}
	for query, want := range map[string]string{"": all,
		"?kind=team&language=NL": "team:20:nl Bergen, team:174:nl Haven", "?id=23": "competition:23:nl Kustliga",
		"?language=fr": "", "?after=team:174:nl": "team:174:nl-BE Havenstad"} {
		if got, _ := list(query); strings.Join(got, ", ") != want {
			t.Errorf("%s: %v", query, got)
		}
	}
	var pages []string
	for after := ""; ; {
		some, p := list("?limit=2" + after)
		pages = append(pages, some...)
		if after = "&after=" + p.After; !p.More {
			break
		}
	}
	if strings.Join(pages, ", ") != all {
		t.Errorf("by pages: %v", pages)
	}
	for _, query := range []string{"?after=team:174", "?after=player:1:nl", "?after=team:0:nl", "?after=team:1:qq",
		"?kind=player", "?id=0", "?language=dutch", "?limit=501", "?lang=nl"} {
		h.get(t, "/admin/names"+query, as(editorToken)).problem(t, http.StatusBadRequest, "bad_parameter")
	}
}

func TestBadNames(t *testing.T) {
	h := open(t)
	one := func(field, value string) string {
		n := map[string]string{"kind": `"team"`, "id": "1", "language": `"nl"`, "name": `"x"`}
		n[field] = value
		return fmt.Sprintf(`{"kind":%s,"id":%s,"language":%s,"name":%s}`, n["kind"], n["id"], n["language"], n["name"])
	}
	many := strings.TrimSuffix(strings.Repeat(one("", "")+",", goalcast.MaxNamesAtOnce+1), ",")
	for _, tt := range []struct{ names, code, parameter string }{
		{"", "bad_parameter", "names"},
		{many, "bad_parameter", "names"},
		{one("kind", `"player"`), "bad_parameter", "names[0].kind"},
		{one("kind", `""`), "bad_parameter", "names[0].kind"},
		{one("id", "0"), "bad_parameter", "names[0].id"},
		{one("", "") + "," + one("id", "-1"), "bad_parameter", "names[1].id"},
		{one("language", `""`), "bad_parameter", "names[0].language"},
		{one("language", `"qq"`), "bad_parameter", "names[0].language"},
		{one("name", `"x\ny"`), "bad_parameter", "names[0].name"},
		{one("name", `" x"`), "bad_parameter", "names[0].name"},
		{one("name", `" "`), "bad_parameter", "names[0].name"},
		{one("name", `"`+strings.Repeat("x", goalcast.MaxNameLength+1)+`"`), "bad_parameter", "names[0].name"},
		{one("", "") + "," + one("language", `"NL"`), "bad_parameter", "names[1].language"},
		{one("id", `"x"`), "bad_parameter", "names.id"},
		{one("extra", "1") + `,{"team":1}`, "bad_parameter", "team"},
	} {
		a := h.ask(t, http.MethodPut, "/admin/names", `{"names":[`+tt.names+`]}`, as(editorToken))
		if p := a.problem(t, http.StatusBadRequest, tt.code); p.Parameter != tt.parameter {
			t.Errorf("%.80s: %q %s", tt.names, p.Parameter, p.Detail)
		}
	}
	h.ask(t, http.MethodPut, "/admin/names", `{"names":[`+one("name", `"`+strings.Repeat("x", 256<<10)+`"`)+`]}`,
		as(editorToken)).problem(t, http.StatusRequestEntityTooLarge, "too_large")
	h.ask(t, http.MethodPut, "/admin/names?x=1", `{}`, as(editorToken)).problem(t, http.StatusBadRequest,
		"bad_parameter")
	if len(h.names) != 0 {
		t.Errorf("saved %v", h.names)
	}
	h.with(func() { h.saving = fmt.Errorf("save: %w", goalcast.ErrTooMany) })
	h.put(t, "team 1 nl Luik").problem(t, http.StatusConflict, "too_many")
	h.with(func() { h.saving = fmt.Errorf("save: %w", goalcast.ErrUnavailable) })
	h.put(t, "team 1 nl Luik").problem(t, http.StatusServiceUnavailable, "unavailable")
}

// A process without a book of names serves the provider's.
func TestNamesWithoutABook(t *testing.T) {
	h := open(t, func(_ *rest.Config, d *rest.Deps) { d.Names = nil })
	h.put(t, "team 174 nl Havenstad")
	if a := h.get(t, "/v1/matches/1009316?lang=nl"); a.status != http.StatusOK ||
		a.header.Get("Content-Language") != "" || strings.Contains(string(a.body), "Havenstad") {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}
