package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"goalcast"
	"goalcast/internal/problem"
)

// A card as a page is for who runs no script: search engines, programs that preview links, old
// browsers. It says what the match is in the words of schema.org and OpenGraph too.

// cardPageStyle dresses it for light and dark surroundings.
const cardPageStyle = `:root{color-scheme:light dark}` +
	`body{margin:0 auto;max-width:40rem;padding:1rem;font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;` +
	`background:light-dark(#fff,#10161d);color:light-dark(#14191f,#f2f5f8);text-align:center}` +
	`h1{display:grid;grid-template-columns:1fr auto 1fr;gap:1rem;align-items:center;font-size:1.25rem}` +
	`b{font-size:2rem}ul{list-style:none;padding:0}p{color:light-dark(#566270,#9aa7b4)}` +
	`a{color:light-dark(#0b57d0,#8ab4f8)}`

// cardPagePolicy lets the page have its style and nothing else. Its data is none that runs.
var cardPagePolicy = func() string {
	sum := sha256.Sum256([]byte(cardPageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors *"
}()

var cardPage = template.Must(template.New("card").Parse(`<!doctype html>
<html lang="{{.Language}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<meta name="description" content="{{.Description}}">
<link rel="canonical" href="{{.Address}}">
{{- range .Others}}
<link rel="alternate" hreflang="{{.Language}}" href="{{.Address}}">
{{- end}}
<link rel="alternate" type="application/json+oembed" href="{{.Embed}}" title="{{.Name}}">
<meta property="og:type" content="website">
<meta property="og:site_name" content="goalcast">
<meta property="og:title" content="{{.Title}}">
<meta property="og:description" content="{{.Description}}">
<meta property="og:url" content="{{.Address}}">
<meta property="og:image" content="{{.Image}}">
<meta property="og:image:type" content="image/svg+xml">
<meta property="og:image:width" content="480">
<meta property="og:image:height" content="150">
<meta property="og:image:alt" content="{{.Title}}">
<script type="application/ld+json">{{.Data}}</script>
<style>` + cardPageStyle + `</style>
</head>
<body>
<main>
<p>{{.Competition}}</p>
<h1><span>{{.Home}}</span> <b>{{.Middle}}</b> <span>{{.Away}}</span></h1>
<p>{{if .Kickoff}}<time datetime="{{.Kickoff}}">{{.Status}}</time>{{else}}{{.Status}}{{end}}</p>
{{- with .Events}}
<ul>
{{- range .}}
<li>{{.}}</li>
{{- end}}
</ul>
{{- end}}
{{- with .Place}}
<p>{{.}}</p>
{{- end}}
<p><a href="{{.Live}}">{{.FollowIt}}</a></p>
</main>
</body>
</html>
`))

// cardPageText is what the template shows.
type cardPageText struct {
	Language, Title, Name, Description      string
	Competition, Home, Middle, Away, Status string
	Kickoff                                 string // RFC 3339, if it is what Status says
	Place, FollowIt                         string
	Events                                  []string // goals and red cards, in order
	Others                                  []cardPageLink
	Address, Embed, Image, Live             string
	Data                                    sportsEvent
}

// cardPageLink is the page in another language.
type cardPageLink struct{ Language, Address string }

// sportsEvent is a match in the words of schema.org, which has none for a score: it is in the
// description.
type sportsEvent struct {
	Context     string       `json:"@context"`
	Type        string       `json:"@type"`
	ID          string       `json:"@id"`
	URL         string       `json:"url"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Image       string       `json:"image"`
	Sport       string       `json:"sport"`
	Start       *time.Time   `json:"startDate,omitempty"`
	Status      string       `json:"eventStatus,omitempty"`
	Home        sportsThing  `json:"homeTeam"`
	Away        sportsThing  `json:"awayTeam"`
	Series      *sportsThing `json:"superEvent,omitempty"`
	Location    *sportsThing `json:"location,omitempty"`
}

// sportsThing is a team, a competition or a place.
type sportsThing struct {
	Type    string `json:"@type"`
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
}

// siteText is what a Host header looks like that addresses can be made of.
var siteText = regexp.MustCompile(`^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)

// site is where the client reached us, "https://live.example": proxies hand the Host header
// through.
func (s *Server) site(r *http.Request) (string, error) {
	if !siteText.MatchString(r.Host) {
		return "", problem.New(http.StatusBadRequest, "bad_host", "Host: want the name of this server")
	}
	if s.isTLS(r) {
		return "https://" + r.Host, nil
	}
	return "http://" + r.Host, nil
}

// getCardPage serves the score of a match as a page without script.
func (s *Server) getCardPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "lang")
	key := cardOf{names: s.naming(w, r, q), words: wording(w, r, q)}
	if q.err != nil {
		return q.err
	}
	if key.site, err = s.site(r); err != nil {
		return err
	}
	m, _, err := s.match(w, r, goalcast.MatchID(id))
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	key.match, key.minute = m, m.Minute(now)
	a, err := s.cards.Get(r.Context(), key, func(context.Context) (*answer, error) {
		text, err := key.page()
		if err != nil {
			return nil, err
		}
		return s.encoder.text("text/html; charset=utf-8", text, cacheLive), nil
	})
	if err != nil {
		return err
	}
	mayKeep(w, policyOf(m, now).field())
	w.Header()["Content-Security-Policy"] = []string{cardPagePolicy}
	return s.serveFromBoard(w, r, a, now)
}

// cardAddress is where a site has a card of a match, "card.svg" or "card.html", in a language.
func cardAddress(site string, match goalcast.MatchID, file, language string) string {
	address := fmt.Sprintf("%s/v1/matches/%d/%s", site, match, file)
	if language != "" {
		address += "?lang=" + language
	}
	return address
}

// page makes the card as a page.
func (k cardOf) page() ([]byte, error) {
	m, words := k.names.match(*k.match), cardWords[k.words]
	middle, status := k.texts()
	t := cardPageText{
		Language: words.language, Name: m.Home.Name + " – " + m.Away.Name,
		Competition: m.Competition.Name, Home: m.Home.Name, Middle: middle, Away: m.Away.Name, Status: status,
		Place: placeOf(m), FollowIt: words.live, Events: k.events(m),
		Address: cardAddress(k.site, m.ID, "card.html", words.language),
		Image:   cardAddress(k.site, m.ID, "card.svg", words.language),
		Live:    fmt.Sprintf("%s/#m%d", k.site, m.ID),
	}
	t.Title = t.Name
	if m.State != goalcast.Scheduled && m.State != goalcast.Postponed {
		t.Title = fmt.Sprintf("%s %s %s", m.Home.Name, middle, m.Away.Name)
	}
	t.Description = t.Title
	for _, part := range []string{status, t.Competition, t.Place} {
		if part != "" {
			t.Description += ", " + part
		}
	}
	if m.State == goalcast.Scheduled && !m.Kickoff.IsZero() {
		t.Kickoff = m.Kickoff.UTC().Format(time.RFC3339)
		t.Middle, t.Status = "–", m.Kickoff.UTC().Format("2006-01-02 15:04")+" UTC"
	}
	for _, other := range cardWords {
		t.Others = append(t.Others, cardPageLink{other.language,
			cardAddress(k.site, m.ID, "card.html", other.language)})
	}
	t.Others = append(t.Others, cardPageLink{"x-default", cardAddress(k.site, m.ID, "card.html", "")})
	t.Embed = k.site + "/v1/oembed?" + url.Values{"format": {"json"}, "url": {t.Address}}.Encode()
	t.Data = k.sportsEvent(m, t)
	var b bytes.Buffer
	if err := cardPage.Execute(&b, t); err != nil {
		return nil, fmt.Errorf("page of match %d: %w", m.ID, err)
	}
	return b.Bytes(), nil
}

// events are the goals and red cards of a match in words.
func (k cardOf) events(m goalcast.Snapshot) (lines []string) {
	words := cardWords[k.words]
	for _, e := range m.Timeline {
		var what string
		switch {
		case e.Status == goalcast.Cancelled:
			continue
		case e.Goal != nil:
			what = words.goal
			switch e.Goal.Type {
			case goalcast.OwnGoal:
				what += " (" + words.own + ")"
			case goalcast.PenaltyGoal:
				what += " (" + words.penalty + ")"
			}
		case e.Card != nil && e.Card.Type != goalcast.Yellow:
			what = words.red
		default:
			continue
		}
		if e.Clock != "" {
			what = e.Clock + "′ " + what
		}
		who := m.Home.Name
		if e.Team == m.Away.ID {
			who = m.Away.Name
		}
		if e.Player != nil && e.Player.Name != "" {
			who = e.Player.Name + ", " + who
		}
		lines = append(lines, what+": "+who)
	}
	return lines
}

// sportsEvent says the same in the words of schema.org.
func (k cardOf) sportsEvent(m goalcast.Snapshot, t cardPageText) sportsEvent {
	e := sportsEvent{
		Context: "https://schema.org", Type: "SportsEvent", ID: cardAddress(k.site, m.ID, "card.html", ""),
		URL: t.Address, Name: t.Name, Description: t.Description, Image: t.Image, Sport: "Association football",
		Home: sportsThing{Type: "SportsTeam", Name: m.Home.Name},
		Away: sportsThing{Type: "SportsTeam", Name: m.Away.Name},
	}
	if !m.Kickoff.IsZero() {
		start := m.Kickoff.UTC()
		e.Start = &start
	}
	switch m.State {
	case goalcast.Postponed:
		e.Status = "https://schema.org/EventPostponed"
	case goalcast.Abandoned: // there is no word for what was begun
	default:
		e.Status = "https://schema.org/EventScheduled" // also while it is on, and when it is over
	}
	if m.Competition.Name != "" {
		e.Series = &sportsThing{Type: "EventSeries", Name: m.Competition.Name}
	}
	if m.Venue != "" {
		e.Location = &sportsThing{Type: "Place", Name: m.Venue, Address: m.City}
	}
	return e
}
