package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"goalcast"
)

// cardWords are the words on score cards by language. The first language is that of who asks for
// another one. Those from goal on are on cards as pages only.
var cardWords = []struct {
	language                                       string
	halfTime, over, postponed, abandoned, shootout string
	goal, own, penalty, red, live                  string
}{
	{"en", "Half time", "Full time", "Postponed", "Abandoned", "penalties",
		"Goal", "own goal", "penalty", "Red card", "Follow it live"},
	{"nl", "Rust", "Afgelopen", "Uitgesteld", "Gestaakt", "strafschoppen",
		"Doelpunt", "eigen doelpunt", "strafschop", "Rode kaart", "Live volgen"},
	{"fr", "Mi-temps", "Terminé", "Reporté", "Arrêté", "tirs au but",
		"But", "contre son camp", "penalty", "Carton rouge", "Suivre en direct"},
	{"de", "Halbzeit", "Beendet", "Verschoben", "Abgebrochen", "Elfmeterschießen",
		"Tor", "Eigentor", "Elfmeter", "Rote Karte", "Live verfolgen"},
}

// cardLanguage is the language of cardWords that a language tag is of, or one of its regions; empty
// for others.
func cardLanguage(tag string) string {
	for _, words := range cardWords {
		if base, _, _ := strings.Cut(tag, "-"); strings.EqualFold(base, words.language) {
			return words.language
		}
	}
	return ""
}

// wording chooses the language of a card's words, as an index in cardWords: that of lang, or else
// what Accept-Language likes best, as for names. The header of the answer says so.
func wording(w http.ResponseWriter, r *http.Request, q *query) (index int) {
	language := cardLanguage(q.language("lang"))
	if !q.has("lang") {
		if h := w.Header(); !slices.Contains(h["Vary"], "Accept-Language") {
			h.Add("Vary", "Accept-Language")
		}
		language = acceptedLanguage(r.Header["Accept-Language"], cardLanguage)
	}
	for i, words := range cardWords {
		if words.language == language {
			index = i
		}
	}
	w.Header()["Content-Language"] = []string{cardWords[index].language}
	return index
}

// cardStyle dresses a card for light and dark surroundings.
const cardStyle = `svg{color-scheme:light dark}` +
	`.b{fill:#fff;stroke:#d5dbe1}.t{fill:#14191f}.q{fill:#566270}.l{fill:#b3261e}` +
	`text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}` +
	`@media(prefers-color-scheme:dark){.b{fill:#10161d;stroke:#2b3641}.t{fill:#f2f5f8}.q{fill:#9aa7b4}.l{fill:#ff8a80}}`

// cardPolicy lets a card that is opened as a page use its style and nothing else; pages show it as
// an image, which runs no script in any case.
var cardPolicy = func() string {
	sum := sha256.Sum256([]byte(cardStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; sandbox; frame-ancestors *"
}()

// cardOf names a score card.
type cardOf struct {
	match  *goalcast.Snapshot // the board has another one when it changes
	minute int
	words  int // index in cardWords
	names  naming
	site   string // of a card as a page, where it is: "https://live.example"; empty for the image
}

// getCard serves the score of a match as an image for pages without script.
func (s *Server) getCard(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	q := newQuery(r, "lang")
	key := cardOf{names: s.naming(w, r, q), words: wording(w, r, q)}
	if q.err != nil {
		return q.err
	}
	m, _, err := s.match(w, r, goalcast.MatchID(id))
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	key.match, key.minute = m, m.Minute(now)
	a, err := s.cards.Get(r.Context(), key, func(context.Context) (*answer, error) {
		return s.encoder.text("image/svg+xml; charset=utf-8", key.draw(), cacheLive), nil
	})
	if err != nil {
		return err
	}
	mayKeep(w, policyOf(m, now).field())
	h := w.Header()
	h["Content-Security-Policy"] = []string{cardPolicy}
	h["Cross-Origin-Resource-Policy"] = []string{"cross-origin"} // pages of others show it
	return s.serveFromBoard(w, r, a, now)
}

// texts are what stands between the teams, the score or when it begins, and how the match stands.
func (k cardOf) texts() (middle, status string) {
	m, words := k.match, cardWords[k.words]
	middle = fmt.Sprintf("%d – %d", m.Score.Home, m.Score.Away)
	switch m.State {
	case goalcast.Live:
		if status = goalcast.ClockText(m.Period, k.minute); status != "" {
			status += "′"
		} else if m.Period == goalcast.HalfTime {
			status = words.halfTime
		}
	case goalcast.Finished:
		status = words.over
	case goalcast.Postponed:
		middle, status = "–", words.postponed
	case goalcast.Abandoned:
		status = words.abandoned
	default:
		middle = "–"
		if !m.Kickoff.IsZero() {
			middle, status = m.Kickoff.UTC().Format("15:04"), m.Kickoff.UTC().Format("2006-01-02")+" UTC"
		}
	}
	if m.Shootout != nil {
		status = fmt.Sprintf("%s (%d–%d %s)", status, m.Shootout.Home, m.Shootout.Away, words.shootout)
	}
	return middle, status
}

// draw makes the card.
func (k cardOf) draw() []byte {
	m := k.names.match(*k.match)
	words := cardWords[k.words]
	middle, status := k.texts()
	class := "q"
	if m.State == goalcast.Live {
		class = "l"
	}
	title := cutTo(fmt.Sprintf("%s %s %s, %s", m.Home.Name, middle, m.Away.Name, status), 3000)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="480" height="150" viewBox="0 0 480 150" `+
		`role="img" aria-labelledby="t" lang="%s" xml:lang="%[1]s"><title id="t">%s</title><style>%s</style>`+
		`<rect class="b" x=".5" y=".5" width="479" height="149" rx="12"/>`, words.language, xmlText(title), cardStyle)
	line := func(x, y, size int, anchor, class, text string) {
		fmt.Fprintf(&b, `<text class="%s" x="%d" y="%d" font-size="%d" text-anchor="%s">%s</text>`, class, x, y, size,
			anchor, xmlText(text))
	}
	line(240, 32, 14, "middle", "q", cutTo(m.Competition.Name, 320))
	line(240, 88, 32, "middle", "t", middle)
	line(240, 126, 15, "middle", class, cutTo(status, 300))
	name := func(x int, anchor, text string) {
		lines := nameLines(text, 94) // of 160 pixels
		for i, text := range lines {
			line(x, 83+21*i-21*(len(lines)-1)/2, 17, anchor, "t", text)
		}
	}
	name(172, "end", m.Home.Name)
	name(308, "start", m.Away.Name)
	b.WriteString("</svg>")
	return b.Bytes()
}

// nameLines breaks a name into two lines at most, each so wide at most, in tenths of the font's
// size.
func nameLines(name string, most int) []string {
	var first, second string
	for word := range strings.FieldsSeq(name) {
		switch {
		case first == "":
			first = word
		case second == "" && width(first+" "+word) <= most:
			first += " " + word
		case second == "":
			second = word
		default:
			second += " " + word
		}
	}
	lines := []string{cutTo(first, most)}
	if second != "" {
		lines = append(lines, cutTo(second, most))
	}
	return lines
}

// cutTo is text no wider than that, in tenths of the font's size.
func cutTo(text string, most int) string {
	if width(text) <= most {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && width(string(runes))+width("…") > most {
		runes = runes[:len(runes)-1]
	}
	return strings.TrimRight(string(runes), " ") + "…"
}

// width is about how wide text is in a wide font, in tenths of its size: the reader's fonts differ.
func width(text string) (tenths int) {
	for _, r := range text {
		switch {
		case strings.ContainsRune("WMmw…@%", r) || r >= 0x1100: // from there on most are as wide as high
			tenths += 10
		case strings.ContainsRune("fijlrtI .,:;'-()!|", r):
			tenths += 4
		case unicode.IsUpper(r):
			tenths += 7
		default:
			tenths += 6
		}
	}
	return tenths
}

// xmlText is text for an element. What XML cannot hold is replaced.
func xmlText(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes everything
	return b.String()
}

// cardAge is how long a card is held in memory; when the match changes there is another one.
const cardAge = 10 * time.Second
