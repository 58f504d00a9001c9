package notify

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/template"
	"time"

	"golang.org/x/text/unicode/bidi"

	"goalcast"
)

// languages have one file each in texts/.
var languages = goalcast.PushLanguages

// fallback is the language of devices whose own is not one of ours.
const fallback = goalcast.PushFallback

//go:embed texts
var files embed.FS

// Templates are the texts of pushes in all languages. They do not change and may be used by many
// goroutines.
type Templates map[string]*template.Template // by language

// LoadTemplates reads the texts that are built in and checks them: see check. The error names all
// that is wrong, by file, language and kind of push.
func LoadTemplates() (Templates, error) {
	t, err := readTemplates(files)
	if err != nil {
		return nil, err
	}
	return t, t.check()
}

func readTemplates(from fs.FS) (Templates, error) {
	t := Templates{}
	for _, language := range languages {
		parsed, err := template.New(language).ParseFS(from, fileOf(language))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fileOf(language), err)
		}
		t[language] = parsed
	}
	return t, nil
}

func fileOf(language string) string { return "texts/" + language + ".tmpl" }

// facts is all that the text of a push is made of.
type facts struct {
	kind   string // Content.Kind
	status string // with kindStatus: see statusOf
	event  goalcast.Event
	match  goalcast.Snapshot
	score  goalcast.Score
	extra  bool // of a full time: there was extra time
}

// template is the name of the template that writes the push: a kind of push, or what of it.
func (t facts) template() string {
	switch t.kind {
	case kindRed:
		if t.event.Card.Type == goalcast.SecondYellow {
			return string(goalcast.SecondYellow)
		}
	case kindStatus:
		status, _, _ := strings.Cut(t.status, " ")
		return status
	case kindPeriod:
		switch t.event.Period {
		case goalcast.FirstHalf, goalcast.HalfTime, goalcast.SecondHalf, goalcast.FullTime90, goalcast.Shootout:
			return string(t.event.Period)
		}
		return string(goalcast.FullTime)
	}
	return t.kind
}

// scored says whether a push is about a goal: whoever wants no scores is not told of whom.
func (t facts) scored() bool {
	return t.kind == kindGoal || t.kind == kindGoalOff || t.kind == kindClip
}

// said is what a template is given. With NoScores it has neither the score, nor how a match ended,
// nor who scored for whom.
type said struct {
	NoScores    bool
	Pair        string // "Home - Away"; never empty
	Line        string // "Home 1-0 Away"; Pair with NoScores
	Team        string // that the event is for; empty only with NoScores
	Player      string // empty if not known
	Minute      string // "90+3' ", with a space behind it; empty if not known
	Competition string // empty if not known
	OwnGoal     bool
	Penalty     bool   // the goal is one
	Shootout    string // "4-3"; empty if there was none
	ExtraTime   bool   // there was extra time
	Date        string // of the new kick-off, in figures as all languages read them
}

// writer writes pushes in one language.
type writer struct {
	templates *template.Template
	language  string
	names     *goalcast.Names
	zone      *time.Location
	noScores  bool
}

func (n *Notifier) texts(t facts, noScores bool) (map[string]Text, error) {
	if t.kind == kindMessage {
		texts := make(map[string]Text, len(t.event.Push))
		for language, text := range t.event.Push { // an editor's own words
			texts[language] = Text(text)
		}
		return texts, nil
	}
	var names *goalcast.Names
	if n.cfg.Names != nil {
		names = n.cfg.Names.Names()
	}
	return n.cfg.Templates.write(t, names, n.cfg.Zone, noScores)
}

// write writes a push in all languages.
func (t Templates) write(f facts, names *goalcast.Names, zone *time.Location, noScores bool) (map[string]Text, error) {
	out := make(map[string]Text, len(languages))
	for _, l := range languages {
		text, err := writer{t[l], l, names, zone, noScores}.write(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %s in %s: %w", fileOf(l), f.template(), l, err)
		}
		out[l] = text
	}
	return out, nil
}

var errLines = errors.New("a text has two lines, a title and a body")

func (w writer) write(f facts) (Text, error) {
	s, err := w.say(f)
	if err != nil {
		return Text{}, err
	}
	text, err := w.execute(f.template(), s)
	if err != nil {
		return Text{}, err
	}
	title, body, _ := strings.Cut(strings.Trim(text, "\n"), "\n")
	if body == "" {
		body = s.Pair
	}
	if title == "" || strings.Contains(body, "\n") {
		return Text{}, fmt.Errorf("%w: %q", errLines, text)
	}
	return Text{title, body}, nil
}

func (w writer) execute(name string, data any) (string, error) {
	var out strings.Builder
	err := w.templates.ExecuteTemplate(&out, name, data)
	return out.String(), err
}

// say gathers what a template is given.
func (w writer) say(f facts) (said, error) {
	home, err1 := w.team(f.match.Home, "home")
	away, err2 := w.team(f.match.Away, "away")
	s := said{NoScores: w.noScores, Pair: home + " - " + away,
		Competition: name(w.names.Competition(f.match.Competition, w.language).Name)}
	s.Line = s.Pair
	if f.event.Clock != "" {
		s.Minute = f.event.Clock + "' "
	}
	if f.event.Fixture != nil {
		s.Date = f.event.Fixture.Kickoff.In(w.zone).Format("02.01.2006 15:04")
	}
	if !f.scored() || !w.noScores {
		s.Player, s.Team = player(f.event), home
		if f.event.Team == f.match.Away.ID {
			s.Team = away
		}
		if g := f.event.Goal; g != nil { // nil: what was taken for a goal is something else
			s.OwnGoal, s.Penalty = g.Type == goalcast.OwnGoal, g.Type == goalcast.PenaltyGoal
		}
	}
	if !w.noScores {
		s.Line, s.ExtraTime = fmt.Sprintf("%s %d-%d %s", home, f.score.Home, f.score.Away, away), f.extra
		if kicks := f.match.Shootout; kicks != nil {
			s.Shootout = fmt.Sprintf("%d-%d", kicks.Home, kicks.Away)
		}
	}
	return s, errors.Join(err1, err2)
}

// team is a team's name in the language, else the provider's, else what the side is called.
func (w writer) team(t goalcast.Team, side string) (string, error) {
	if known := name(w.names.Team(t, w.language).Name); known != "" {
		return known, nil
	}
	return w.execute(side, nil)
}

func player(e goalcast.Event) string {
	if e.Player == nil {
		return ""
	}
	return name(e.Player.Name)
}

// Marks of Unicode around a text that is read in its own direction (first strong isolate, pop
// directional isolate).
const (
	isolate    = "\u2068"
	endIsolate = "\u2069"
)

// name is a name as it can stand in a text: in one line, and where it is read from right to left,
// marked as such, so that the score beside it is not turned round. Marks of its own, which might
// turn what comes after it, are left out.
func name(text string) string {
	toLeft := false
	text = strings.Map(func(r rune) rune {
		p, _ := bidi.LookupRune(r)
		switch p.Class() {
		case bidi.R, bidi.AL:
			toLeft = true
		case bidi.LRO, bidi.RLO, bidi.LRE, bidi.RLE, bidi.PDF, bidi.LRI, bidi.RLI, bidi.FSI, bidi.PDI:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if toLeft {
		text = isolate + text + endIsolate
	}
	return text
}
