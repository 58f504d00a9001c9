package rest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"goalcast"
)

// pageText reads HTML as browsers do: what elements hold by their names, and what links and meta
// say.
func pageText(t *testing.T, body []byte) (texts, said map[string]string) {
	t.Helper()
	texts, said = map[string]string{}, map[string]string{}
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		attributes := map[string]string{}
		for _, a := range n.Attr {
			attributes[a.Key] = a.Val
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Errorf("attribute %s", a.Key)
			}
		}
		switch n.Data {
		case "html":
			said["lang"] = attributes["lang"]
		case "meta":
			said[attributes["name"]+attributes["property"]] = attributes["content"]
		case "link":
			said[attributes["rel"]+attributes["type"]+attributes["hreflang"]] = attributes["href"]
		}
		if n.Data == "script" && attributes["type"] != "application/ld+json" {
			t.Errorf("a script: %v", attributes)
		}
		if n.FirstChild != nil && n.FirstChild.Type == html.TextNode {
			texts[n.Data] += n.FirstChild.Data + "|"
		}
	}
	return texts, said
}

// The names of everything in the match are an attack on the page.
func attacked(m *goalcast.Snapshot) {
	m.Home.Name, m.Away.Name = `</title><script>alert("1")</script>`, `R&D "United" \u2028 ' onload=alert(1)`
	m.Competition.Name, m.Venue, m.City = "Cup </script> Shield", "The <b>Pier</b>", "Harbour"
}

func TestCardsAsPages(t *testing.T) {
	h := open(t)
	m := planned(7, kickoff, 174, 999, 5)
	attacked(&m)
	h.with(func() { h.matches[7] = m })
	host := strings.TrimPrefix(h.public.URL, "http://")

	a := h.get(t, "/v1/matches/7/card.html?lang=nl-BE")
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/html; charset=utf-8" ||
		a.header.Get("Content-Language") != "nl" || a.header.Get("Cache-Control") !=
		h.get(t, "/v1/matches/7").header.Get("Cache-Control") || strings.Contains(a.header.Get("Vary"), "Language") ||
		!strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-") {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	texts, said := pageText(t, a.body)
	name := m.Home.Name + " – " + m.Away.Name
	own := "http://" + host + "/v1/matches/7/card."
	for what, want := range map[string]string{
		"lang": "nl", "og:title": name, "og:url": own + "html?lang=nl", "og:image": own + "svg?lang=nl",
		"canonical": own + "html?lang=nl", "alternatede": own + "html?lang=de", "alternatex-default": own + "html",
		"alternateapplication/json+oembed": "http://" + host + "/v1/oembed?format=json&url=" +
			url.QueryEscape(own+"html?lang=nl"),
	} {
		if said[what] != want {
			t.Errorf("%s is %q, want %q", what, said[what], want)
		}
	}
	if texts["title"] != name+"|" || texts["time"] != kickoff.UTC().Format("2006-01-02 15:04")+" UTC|" ||
		texts["span"] != m.Home.Name+"|"+m.Away.Name+"|" {
		t.Errorf("%q", texts)
	}
	var event struct {
		Context   string `json:"@context"`
		Type      string `json:"@type"`
		Name      string
		StartDate time.Time
		Status    string `json:"eventStatus"`
		HomeTeam  struct{ Name string }
		Location  struct{ Name, Address string }
	}
	if err := json.Unmarshal([]byte(strings.TrimSuffix(texts["script"], "|")), &event); err != nil {
		t.Fatalf("%v in %s", err, texts["script"])
	}
	if event.Context != "https://schema.org" || event.Type != "SportsEvent" || event.Name != name ||
		!event.StartDate.Equal(kickoff) || event.Status != "https://schema.org/EventScheduled" ||
		event.HomeTeam.Name != m.Home.Name || event.Location.Name != m.Venue || event.Location.Address != "Harbour" {
		t.Errorf("%+v", event)
	}
	if again := h.get(t, "/v1/matches/7/card.html?lang=nl-BE", "If-None-Match: "+a.header.Get("ETag")); again.status !=
		http.StatusNotModified {
		t.Errorf("the same again: %d", again.status)
	}
	for path, status := range map[string]int{"/v1/matches/8/card.html": 404, "/v1/matches/7/card.html?lang=%3C": 400,
		"/v1/matches/7/card.html?size=9": 400} {
		if a := h.get(t, path); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestCardPagesTellTheMatch(t *testing.T) {
	h := open(t)
	a := h.get(t, "/v1/matches/1009316/card.html?lang=fr")
	texts, said := pageText(t, a.body)
	m := fullMatch()
	lines := strings.Split(strings.TrimSuffix(texts["li"], "|"), "|")
	want := 0
	for _, e := range m.Timeline {
		if e.Counts() && (e.Goal != nil || e.Card != nil && e.Card.Type != goalcast.Yellow) {
			want++
		}
	}
	if want == 0 || len(lines) != want || !strings.Contains(texts["li"], "′ But") {
		t.Errorf("%d lines, want %d: %q", len(lines), want, lines)
	}
	score := strings.TrimSuffix(texts["b"], "|")
	if !strings.Contains(said["og:title"], score) || !strings.Contains(texts["script"], score) ||
		!strings.Contains(score, " – ") {
		t.Errorf("score %q, told as %q", score, said["og:title"])
	}
	h.with(func() {
		m := planned(7, kickoff, 174, 999, 5)
		m.State = goalcast.Postponed
		h.matches[7] = m
	})
	texts, _ = pageText(t, h.get(t, "/v1/matches/7/card.html?lang=de").body)
	if !strings.Contains(texts["p"], "Verschoben|") || !strings.Contains(texts["script"], "EventPostponed") {
		t.Errorf("%q", texts)
	}
}

// A card speaks one language: who asks for none gets that of the browser, words and names alike.
func TestCardsSpeakTheReadersLanguage(t *testing.T) {
	h := open(t)
	for _, file := range []string{"card.svg", "card.html"} {
		for accepted, want := range map[string]string{"": "en", "nl-BE,en;q=0.5": "nl", "pt, de;q=0.3": "de",
			"pt": "en", "en-GB, fr;q=0.9": "en"} {
			a := h.get(t, "/v1/matches/1009316/"+file, "Accept-Language: "+accepted)
			if got := a.header.Get("Content-Language"); got != want ||
				strings.Count(strings.Join(a.header.Values("Vary"), ","), "Accept-Language") != 1 {
				t.Errorf("%s for %q is in %q: %v", file, accepted, got, a.header)
			}
		}
	}
}

func TestAddressesOfCardsAreTheReaders(t *testing.T) {
	h := open(t)
	for host, status := range map[string]int{"live.example": 200, "[::1]:8080": 200, "live.example:8080": 200,
		"evil'example": 400, strings.Repeat("x", 300): 400} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/matches/1009316/card.html?lang=en", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Proto", "https") // of nobody who is trusted
		w := httptest.NewRecorder()
		h.server.Public().ServeHTTP(w, r)
		if w.Code != status || status == 200 && !strings.Contains(w.Body.String(),
			`<link rel="canonical" href="http://`+host+`/v1/matches/1009316/card.html?lang=en">`) {
			t.Errorf("%s: %d %s", host, w.Code, w.Body)
		}
	}
}

func TestEmbeds(t *testing.T) {
	h := open(t)
	m := planned(7, kickoff, 174, 999, 5)
	attacked(&m)
	h.with(func() { h.matches[7] = m })
	own := h.public.URL
	ask := func(target, more string) answer {
		return h.get(t, "/v1/oembed?url="+url.QueryEscape(target)+more)
	}
	read := func(target, more string) (e struct {
		Version, Type, Title, HTML string
		Width, Height              int
		CacheAge                   int    `json:"cache_age"`
		Thumbnail                  string `json:"thumbnail_url"`
	}) {
		t.Helper()
		a := ask(target, more)
		if err := json.Unmarshal(a.body, &e); err != nil || a.status != http.StatusOK || e.Version != "1.0" ||
			e.Type != "rich" || e.Title != m.Home.Name+" – "+m.Away.Name {
			t.Errorf("%s%s: %v, %d %s", target, more, err, a.status, a.body)
		}
		return e
	}
	for _, target := range []string{own + "/v1/matches/7/card.html?lang=nl", own + "/v1/matches/7", own + "/#m7",
		own + "/v1/matches/7/card.svg", strings.Replace(own, "http:", "https:", 1) + "/v1/matches/7/card.html"} {
		e := read(target, "&format=json&dnt=1")
		if e.Width != 480 || e.Height != 306 || e.CacheAge != 300 {
			t.Errorf("%s: %+v", target, e)
		}
		doc, err := html.Parse(strings.NewReader(e.HTML))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]map[string]string{}
		for n := range doc.Descendants() {
			if n.Type == html.ElementNode {
				found[n.Data] = map[string]string{}
				for _, a := range n.Attr {
					found[n.Data][a.Key] = a.Val
				}
			}
		}
		site, _, _ := strings.Cut(target, "/v1/")
		site = strings.TrimSuffix(site, "/#m7")
		language := ""
		if strings.HasSuffix(target, "nl") {
			language = "?lang=nl"
		}
		if len(found) != 7 || found["script"]["src"] != site+"/widget/v1.js" ||
			found["goalcast-match"]["match"] != "7" || found["goalcast-match"]["rows"] != "5" ||
			found["img"]["src"] != site+"/v1/matches/7/card.svg"+language ||
			found["img"]["alt"] != e.Title || found["a"]["href"] != site+"/v1/matches/7/card.html"+language {
			t.Errorf("%s: %v", target, found)
		}
	}
	if e := read(own+"/#m7", "&maxwidth=300&maxheight=200"); e.Width != 300 || e.Height != 198 ||
		!strings.Contains(e.HTML, `rows="2"`) {
		t.Errorf("%+v", e)
	}
	if e := read(own+"/#m7", "&maxheight=75"); e.Width != 240 || e.Height != 75 || strings.Contains(e.HTML, "<script") {
		t.Errorf("%+v", e)
	}
	m.State = goalcast.Finished
	h.with(func() { h.matches[7] = m })
	if e := read(own+"/#m7", ""); e.CacheAge != 24*60*60 {
		t.Errorf("over, and kept for %d s", e.CacheAge)
	}
	for _, tt := range []struct {
		target, more string
		status       int
	}{
		{own + "/#m7", "&format=xml", 501},
		{own + "/#m8", "", 404},
		{own + "/#m07", "", 404},
		{own + "/#m7", "&maxwidth=0", 400},
		{own + "/#d2026-05-17", "", 404},
		{own + "/v1/matches/7/odds", "", 404},
		{own + "/v1/matches/7/card.html?lang=%3C", "", 400},
		{"https://elsewhere.example/v1/matches/7", "", 404},
		{"https://user@" + strings.TrimPrefix(own, "http://") + "/v1/matches/7", "", 404},
		{"javascript:alert(1)", "", 404},
		{"", "", 400},
	} {
		if a := ask(tt.target, tt.more); a.status != tt.status {
			t.Errorf("%s %s: %d %s", tt.target, tt.more, a.status, a.body)
		}
	}
}
