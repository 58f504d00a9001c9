package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // tz= works in an image without zone files too
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"goalcast"
	"goalcast/internal/problem"
)

// query reads a request's query parameters one by one and keeps the first thing that is wrong with
// them.
type query struct {
	values url.Values
	err    error
}

// newQuery refuses parameters that are not known (a typo must not look like an answer, and every
// spelling of a URL is a new entry in a CDN's cache) and those that are there twice.
func newQuery(r *http.Request, known ...string) *query {
	if r.URL.RawQuery == "" {
		return &query{}
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{values: values}
	if err != nil {
		q.err = problem.New(http.StatusBadRequest, "bad_parameter", "the query string cannot be read")
		return q
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case !slices.Contains(known, name):
			q.fail("query", "no parameter %.40q here", name)
		case len(values[name]) > 1:
			q.fail(name, "given more than once")
		}
	}
	return q
}

func (q *query) fail(name, format string, args ...any) {
	if q.err == nil {
		q.err = badParameter(name, format, args...)
	}
}

func (q *query) has(name string) bool { return q.values.Get(name) != "" }

// id is a number above 0; 0 if it is not there.
func (q *query) id(name string) int64 {
	text := q.values.Get(name)
	if text == "" {
		return 0
	}
	n, ok := parseID(text)
	if !ok {
		q.fail(name, "want a number above 0")
	}
	return n
}

// number is one from 1 to high, or the default.
func (q *query) number(name string, def, high int) int {
	text := q.values.Get(name)
	if text == "" {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > high {
		q.fail(name, "want a number from 1 to %d", high)
		return def
	}
	return n
}

// time is an RFC 3339 time, or zero.
func (q *query) time(name string) time.Time {
	text := q.values.Get(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.fail(name, "want a time like 2026-05-17T14:30:00Z")
	}
	return t.UTC()
}

// delay is how long ago what is answered has to have been told; 0 if it is not there.
func (q *query) delay() time.Duration {
	text := q.values.Get("delay")
	if text == "" {
		return 0
	}
	s, err := strconv.Atoi(text)
	if err != nil || s < 0 || s > goalcast.MaxDelay {
		q.fail("delay", "want whole seconds, 0 to %d", goalcast.MaxDelay)
		return 0
	}
	return time.Duration(s) * time.Second
}

// place is where a page of a list begins, as placeText wrote it; zero if it is not there.
func (q *query) place() goalcast.MatchPlace {
	text := q.values.Get("after")
	if text == "" {
		return goalcast.MatchPlace{}
	}
	at, rest, _ := strings.Cut(text, "-")
	ms, err := strconv.ParseInt(at, 10, 64)
	id, ok := parseID(rest)
	if err != nil || ms < 0 || !ok {
		q.badAfter()
		return goalcast.MatchPlace{}
	}
	return goalcast.MatchPlace{Time: time.UnixMilli(ms).UTC(), ID: goalcast.MatchID(id)}
}

// placeText names a match by its time and id, so that what is added or moved elsewhere changes
// nothing for who goes on from there.
func placeText(m goalcast.Snapshot) string {
	p := m.Place()
	return fmt.Sprintf("%d-%d", p.Time.UnixMilli(), p.ID)
}

// page is a part of a list: at most limit entries, those after a place that the page before named.
// Each list has its own way to name places: by what an entry is, so that what is added or moved
// elsewhere changes nothing for who goes on from there.
type page struct {
	limit int
	after string
}

// maxAfter is how long the name of a place may be.
const maxAfter = 160

// page reads limit and after.
func (q *query) page(def, high int) page {
	p := page{q.number("limit", def, high), q.values.Get("after")}
	if len(p.after) > maxAfter {
		q.badAfter()
	}
	return p
}

func (q *query) badAfter() { q.fail("after", "want the after of the page before") }

// errBadAfter refuses a place that a list does not have.
var errBadAfter = badParameter("after", "want the after of the page before")

// afterID is the after of a list by id; 0 if it is not there.
func (q *query) afterID() int64 {
	text := q.values.Get("after")
	if text == "" {
		return 0
	}
	n, ok := parseID(text)
	if !ok {
		q.badAfter()
	}
	return n
}

// afterOrBefore is the after of a list by id, the highest first. before is its older name.
func (q *query) afterOrBefore() int64 {
	if !q.has("before") {
		return q.afterID()
	}
	if q.has("after") {
		q.fail("after", "want after or before")
	}
	return q.id("before")
}

// pageEnd is how a page of a list ends.
type pageEnd struct {
	More  bool   `json:"more,omitempty"`  // there were more than the limit
	After string `json:"after,omitempty"` // with More: of the next page
}

// endPage cuts a list, of which one entry more than the limit was asked for, to a page.
func endPage[T any](list []T, limit int, place func(T) string) ([]T, pageEnd) {
	if len(list) <= limit {
		return append(make([]T, 0, len(list)), list...), pageEnd{}
	}
	list = list[:limit]
	return list, pageEnd{More: true, After: place(list[limit-1])}
}

// link is the Link header to the next page of a request, empty if this is the last one. more are
// names and values of parameters that it has besides.
func (e pageEnd) link(r *http.Request, more ...string) string {
	if !e.More {
		return ""
	}
	next := r.URL.Query()
	for i := 0; i+1 < len(more); i += 2 {
		next.Set(more[i], more[i+1])
	}
	next.Del("before") // see afterOrBefore
	next.Set("after", e.After)
	return fmt.Sprintf(`<%s?%s>; rel="next"`, r.URL.EscapedPath(), next.Encode())
}

// writePage writes a page of a list that no cache keeps.
func writePage(w http.ResponseWriter, r *http.Request, end pageEnd, page any) error {
	if link := end.link(r); link != "" {
		w.Header().Set("Link", link)
	}
	return writeJSON(w, http.StatusOK, page)
}

// word is one of few words, or empty.
func (q *query) word(name string, of ...string) string {
	text := q.values.Get(name)
	if text != "" && !slices.Contains(of, text) {
		q.fail(name, "want one of %v", of)
		return ""
	}
	return text
}

// label is a short name as providers and feeds have, or empty.
func (q *query) label(name string) string {
	text := q.values.Get(name)
	if text != "" && !labelText.MatchString(text) {
		q.fail(name, "want at most 40 letters, digits, - or _")
		return ""
	}
	return text
}

// text is some printable text, or empty.
func (q *query) text(name string, most int) string {
	text := q.values.Get(name)
	if len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || r < ' ' }) {
		q.fail(name, "want at most %d letters", most)
		return ""
	}
	return text
}

// day is a calendar day in a time zone: today where no date is given.
func (q *query) day(s *Server) day {
	zone := time.UTC
	name := "UTC"
	if q.has("tz") {
		name = q.values.Get("tz")
		var ok bool
		if zone, ok = s.zone(name); !ok {
			q.fail("tz", "want the name of a time zone, like Europe/Brussels")
			zone = time.UTC
		}
	}
	at := s.cfg.Now().In(zone)
	if q.has("date") {
		t, err := time.Parse(time.DateOnly, q.values.Get("date")) // only its year, month and day are used
		if err != nil || t.Year() < 1900 || t.Year() > 2200 {
			q.fail("date", "want a day like 2026-05-17")
		} else {
			at = t
		}
	}
	y, m, d := at.Date()
	return day{
		date: time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), zone: name,
		from: time.Date(y, m, d, 0, 0, 0, 0, zone), to: time.Date(y, m, d+1, 0, 0, 0, 0, zone),
	}
}

// day is from one midnight to the next, 23 to 25 hours, or to that of a later day.
type day struct {
	date, zone string
	from, to   time.Time
}

// maxDays is how many days a list may have.
const maxDays = 31

// through is so many days, of which d is the first.
func (d day) through(days int) day {
	d.to = d.from.AddDate(0, 0, days)
	return d
}

var (
	labelText = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)
	zoneText  = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]{0,30}(/[A-Za-z0-9_+-]{1,30}){0,2}$`)
)

// zone looks a time zone up by its IANA name. "Local", the machine's own, is none.
func (s *Server) zone(name string) (*time.Location, bool) {
	s.zonesMu.Lock()
	defer s.zonesMu.Unlock()
	if z, ok := s.zones[name]; ok {
		return z, true
	}
	if name == "Local" || !zoneText.MatchString(name) {
		return nil, false
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil, false
	}
	s.zones[name] = z
	return z, true
}

// pathID reads the {id} of a route. What cannot be an id is not found: there is no such page.
func pathID(r *http.Request) (int64, error) {
	return pathNumber(r, "id")
}

func pathNumber(r *http.Request, name string) (int64, error) {
	n, ok := parseID(chi.URLParam(r, name))
	if !ok {
		p := problem.New(http.StatusNotFound, "not_found", name+": want a number above 0")
		p.Parameter = name
		return 0, p
	}
	return n, nil
}

// parseID reads a number in its one spelling: no sign, no leading zero, so that a match has one
// URL.
func parseID(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || text[0] == '0' || text[0] == '+' {
		return 0, false
	}
	return n, true
}

// pathText is a path parameter as it was meant: chi hands it over still escaped where the path has
// an escape that matters.
func pathText(r *http.Request, name string) (string, error) {
	text := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return text, nil
	}
	plain, err := url.PathUnescape(text)
	if err != nil {
		return "", badParameter(name, "cannot be unescaped")
	}
	return plain, nil
}
