package rest

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// embed is an answer of oEmbed 1.0 (https://oembed.com), of type rich.
type embed struct {
	Version      string `json:"version"`
	Type         string `json:"type"`
	Title        string `json:"title"`
	Provider     string `json:"provider_name"`
	ProviderURL  string `json:"provider_url"`
	CacheAge     int    `json:"cache_age"` // s
	HTML         string `json:"html"`
	Width        int    `json:"width"`
	Height       int    `json:"height"`
	Thumbnail    string `json:"thumbnail_url"`
	ThumbWidth   int    `json:"thumbnail_width"`
	ThumbnHeight int    `json:"thumbnail_height"`
}

// Sizes in pixels of the card as an image, and of the match's widget: its head, each row of its
// timeline, and how many rows it has by default (docs/widgets.md).
const (
	cardWidth, cardHeight           = 480, 150
	widgetHead, widgetRow, rowsMost = 126, 36, 5
)

// What an embed shows is live by itself. What is kept with it, teams and title, hardly changes, and
// the sooner the nearer the match is.
var embedAges = map[policy]time.Duration{cacheLive: 5 * time.Minute, cachePlanned: time.Hour,
	cacheFinished: 24 * time.Hour}

// matchPath is where pages and cards of a match are.
var matchPath = regexp.MustCompile(`^/v1/matches/([0-9]{1,19})(/card\.(?:html|svg))?$`)

// matchFragment is how the live page names a match.
var matchFragment = regexp.MustCompile(`^m([0-9]{1,19})$`)

// getEmbed says how a page of others shows the match at one of our addresses. Parameters that it
// does not know are taken: whoever asks adds their own (WordPress: dnt).
func (s *Server) getEmbed(w http.ResponseWriter, r *http.Request) error {
	q := &query{values: r.URL.Query()}
	width, height := q.number("maxwidth", cardWidth, 1<<20), q.number("maxheight", 1<<20, 1<<20)
	if !q.has("url") {
		q.fail("url", "missing")
	}
	if q.err != nil {
		return q.err
	}
	if format := q.values.Get("format"); format != "" && format != "json" { // oEmbed's own status for it
		return problem.New(http.StatusNotImplemented, "no_format", "format: there is only json")
	}
	own, err := s.site(r)
	if err != nil {
		return err
	}
	site, id, wanted := matchAddress(q.values.Get("url"))
	// its scheme is the address's own: who is behind a proxy of ours does not see it
	if _, host, _ := strings.Cut(own, "://"); id == 0 || id == goalcast.CanaryMatch ||
		!strings.EqualFold(site.Host, host) {
		return fmt.Errorf("embed: %w", goalcast.ErrNotFound)
	}
	named := &query{values: url.Values{"lang": {wanted}}}
	names, language := s.naming(w, r, named), named.language("lang")
	if named.err != nil {
		return named.err
	}
	m, _, err := s.match(w, r, id)
	if err != nil {
		return err
	}
	kept := policyOf(m, s.cfg.Now())
	a, err := s.encoder.json(newEmbed(site.String(), names.match(*m), language, width, height, embedAges[kept]), kept)
	if err != nil {
		return err
	}
	mayKeep(w, kept.field())
	return s.serveFromBoard(w, r, a, s.cfg.Now())
}

// matchAddress reads the address of a match: its card, its data, or the live page showing it. The
// id is 0 if it is none.
func matchAddress(text string) (site url.URL, id goalcast.MatchID, language string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.User != nil {
		return url.URL{}, 0, ""
	}
	found := matchPath.FindStringSubmatch(u.Path)
	if u.Path == "/" || u.Path == "" {
		found = matchFragment.FindStringSubmatch(u.Fragment)
	}
	if found == nil {
		return url.URL{}, 0, ""
	}
	number, _ := parseID(found[1])
	return url.URL{Scheme: u.Scheme, Host: u.Host}, goalcast.MatchID(number), u.Query().Get("lang")
}

// newEmbed makes the answer for a place of that size, in pixels.
func newEmbed(site string, m goalcast.Snapshot, language string, width, height int, age time.Duration) embed {
	width = min(width, cardWidth)
	image := min(width, height*cardWidth/cardHeight) // so wide
	e := embed{
		Version: "1.0", Type: "rich", Title: m.Home.Name + " – " + m.Away.Name, Provider: "goalcast",
		ProviderURL: site + "/", CacheAge: int(age / time.Second),
		Thumbnail: cardAddress(site, m.ID, "card.svg", language), ThumbWidth: max(image, 1),
		ThumbnHeight: max(image*cardHeight/cardWidth, 1),
	}
	card := fmt.Sprintf(`<a href="%s"><img src="%s" width="%d" height="%d" alt="%s"></a>`,
		cardAddress(site, m.ID, "card.html", language), e.Thumbnail, e.ThumbWidth, e.ThumbnHeight,
		html.EscapeString(e.Title))
	if height < widgetHead {
		e.HTML, e.Width, e.Height = card, e.ThumbWidth, e.ThumbnHeight
		return e
	}
	rows := min((height-widgetHead)/widgetRow, rowsMost)
	// the card is what is shown where scripts are taken out, and until ours is there
	said := ""
	if language != "" {
		said = ` lang="` + language + `"`
	}
	e.HTML = fmt.Sprintf(`<script async src="%s/widget/v1.js" crossorigin="anonymous"></script>`+
		`<goalcast-match match="%d" rows="%s"%s>%s</goalcast-match>`, site, m.ID, strconv.Itoa(rows), said, card)
	e.Width, e.Height = width, widgetHead+rows*widgetRow
	return e
}
