package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// documentsShown is how many documents a page lists.
const documentsShown = 50

// bodyShown is how much of a document is shown, in bytes.
const bodyShown = 128 << 10

// filter is what the list of documents is chosen by: the text that somebody wrote into the form.
type filter struct{ Provider, Feed, Match, State, Before string }

func (f filter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"provider": f.Provider, "feed": f.Feed, "match": f.Match,
		"state": f.State, "before": f.Before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// Any says whether it leaves anything out.
func (f filter) Any() bool { return f != filter{} }

type feedsPage struct {
	Feeds       []feed
	FeedsNo     *apiError
	Filter      filter
	Documents   []document
	DocumentsNo *apiError
	More        string // where the older ones are
}

// States are what documents can be chosen by; empty for all.
func (feedsPage) States() []string { return []string{"", "failed", "received", "applied", "ignored"} }

func (c *Console) feeds(v *view) error {
	v.Template, v.Title, v.Page, v.Refresh = "feeds.html", "Feeds and documents", "feeds", 10
	q := v.r.URL.Query()
	value := func(name string) string { return strings.TrimSpace(q.Get(name)) }
	p := &feedsPage{Filter: filter{value("provider"), value("feed"), value("match"), value("state"), value("before")}}
	var feeds struct{ Feeds []feed }
	var documents struct{ Documents []document }
	asked := p.Filter.query()
	asked.Set("limit", fmt.Sprint(documentsShown))
	together(v.loadAlarms,
		func() { p.FeedsNo = v.part("/admin/feeds", &feeds) },
		func() { p.DocumentsNo = v.part("/admin/documents?"+asked.Encode(), &documents) })
	if p.DocumentsNo != nil && p.FeedsNo != nil {
		return p.DocumentsNo
	}
	p.Feeds, p.Documents = feeds.Feeds, documents.Documents
	if n := len(p.Documents); n == documentsShown {
		older := p.Filter
		older.Before = fmt.Sprint(p.Documents[n-1].ID)
		p.More = Path + "feeds?" + older.query().Encode() + "#documents"
	}
	v.Body = p
	return nil
}

type documentPage struct {
	Document document
	Text     string
	Cut      bool // there is more of it
	TextNo   *apiError
}

func (c *Console) document(v *view) error {
	id := pathOf(v.r.PathValue("id"))
	v.Template, v.Title, v.Page = "document.html", "Document "+v.r.PathValue("id"), "feeds"
	p := &documentPage{}
	if err := v.get("/admin/documents/"+id, &p.Document); err != nil {
		return err
	}
	a, err := v.ask(http.MethodGet, "/admin/documents/"+id+"/body", nil)
	if p.TextNo = asAPI(err); a != nil {
		p.Text, p.Cut = textOf(a.body.Bytes())
		p.Cut = p.Cut || a.cut
	}
	v.Body = p
	return nil
}

// textOf is the beginning of a document as text. What is no text is shown as question marks.
func textOf(body []byte) (text string, cut bool) {
	if cut = len(body) > bodyShown; cut {
		body = body[:bodyShown]
		for i := 1; i < utf8.UTFMax && !utf8.RuneStart(body[len(body)-1]); i++ {
			body = body[:len(body)-1]
		}
		if r, _ := utf8.DecodeLastRune(body); r == utf8.RuneError && len(body) > 0 {
			body = body[:len(body)-1]
		}
	}
	return strings.ToValidUTF8(strings.ReplaceAll(string(body), "\x00", "\uFFFD"), "\uFFFD"), cut
}

// rawDocument hands the bytes on as the API gives them: to be saved, not shown.
func (c *Console) rawDocument(w http.ResponseWriter, r *http.Request) {
	v, cancel := c.begin(w, r, writeTime)
	if v == nil {
		return
	}
	defer cancel()
	req, err := v.request(http.MethodGet, "/admin/documents/"+pathOf(r.PathValue("id"))+"/body", nil)
	if err != nil {
		c.fail(w, r, v, notFound)
		return
	}
	c.cfg.API.ServeHTTP(w, req)
}

func (c *Console) replay(v *view) (string, error) {
	id := pathOf(v.r.PathValue("id"))
	return Path + "documents/" + id + "?done=replayed",
		v.call(http.MethodPost, "/admin/documents/"+id+"/replay", nil, nil)
}

// pathOf is a part of a path.
func pathOf(text string) string { return url.PathEscape(text) }

// withQuery is a path ready for one more parameter.
func withQuery(to string) string {
	to, _, _ = strings.Cut(to, "#")
	if before, after, ok := strings.Cut(to, "?"); ok {
		q, err := url.ParseQuery(after)
		if q.Del("done"); err != nil || len(q) == 0 {
			return before + "?"
		}
		return before + "?" + q.Encode() + "&"
	}
	return to + "?"
}
