package notify

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"goalcast"
)

func TestSamplesAreOfAllKinds(t *testing.T) {
	sampled := map[string]bool{}
	for _, s := range samples() {
		sampled[s.facts.kind] = true
	}
	ours := slices.DeleteFunc(kinds(), func(kind string) bool { return kind == kindMessage }) // an editor's own words
	for _, kind := range ours {
		if !sampled[kind] {
			t.Errorf("no sample of %s: its texts are not checked", kind)
		}
	}
	if len(sampled) != len(ours) {
		t.Errorf("samples of %v, kinds are %v", sampled, ours)
	}
}

// Whoever does not want to know the score is told neither that, nor how it came about or ended.
func TestTextsWithoutScores(t *testing.T) {
	templates, err := LoadTemplates()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples() {
		f := s.facts
		other := f
		other.event.Team, other.event.Player, other.score = 1, nil, goalcast.Score{Home: 7}
		other.extra, other.match.Shootout = false, nil
		got, err1 := templates.write(f, nil, time.UTC, true)
		same, err2 := templates.write(other, nil, time.UTC, true)
		open, err3 := templates.write(f, nil, time.UTC, false)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(err1, err2, err3)
		}
		for language, text := range got {
			all := text.Title + text.Body
			if strings.Contains(all, "2-1") || strings.Contains(all, "4-3") {
				t.Errorf("%s in %s tells the score: %q", s.name, language, text)
			}
			if goal := f.scored(); (goal || f.kind == kindPeriod) &&
				text != same[language] {
				t.Errorf("%s in %s tells who scored or how it ended: %q, %q", s.name, language, text, same[language])
			} else if goal && text == open[language] {
				t.Errorf("%s in %s: %q with and without", s.name, language, text)
			}
		}
	}
}

// changed is the built-in texts, one file of which has another text.
func changed(t *testing.T, language, from, to string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, l := range languages {
		text, err := fs.ReadFile(files, fileOf(l))
		if err != nil {
			t.Fatal(err)
		}
		if l == language {
			if !strings.Contains(string(text), from) {
				t.Fatalf("%s has no %q", fileOf(l), from)
			}
			text = []byte(strings.Replace(string(text), from, to, 1))
		}
		out[fileOf(l)] = &fstest.MapFile{Data: text}
	}
	return out
}

func TestFaultsInTexts(t *testing.T) {
	for name, tt := range map[string]struct {
		language, from, to string
		want               []string
	}{
		"syntax":      {"fr", `{{define "goal"}}`, `{{define goal}}`, []string{"texts/fr.tmpl"}},
		"no template": {"nl", `{{define "half_time"}}`, `{{define "rust"}}`, []string{"texts/nl.tmpl", "half_time in nl"}},
		"no field": {"de", `TOR! {{.Minute}}`, `TOR! {{.Minutes}}`, []string{"texts/de.tmpl", "goal in de",
			"Minutes"}},
		"empty title": {"en", `Postponed: {{.Pair}}`, `{{if .Competition}}Postponed: {{.Pair}}{{end}}`,
			[]string{"postponed in en", "no competition's name"}},
		"space at the end": {"en", `{{or .Player .Competition}}`, `by {{.Player}}`, []string{"penalty_missed in en",
			"no player", "space at its ends"}},
		"two spaces": {"nl", `GOAL! {{.Minute}}{{.Line}}`, `GOAL! {{.Minute}} {{.Line}}`, []string{"goal in nl",
			"two together"}},
		"too long": {"fr", `Terminé : `, strings.Repeat("fini ", 16) + ": ", []string{"full_time in fr",
			"more than the 80"}},
		"three lines": {"en", `New date: {{.Pair}}`, "New date:\n{{.Pair}}", []string{"new_date in en", "two lines"}},
		"not UTF-8":   {"en", "Kick-off: ", "Kick-off\xff: ", []string{"first_half in en", "UTF-8"}},
		"scorer for who wants no scores": {"de", `{{if .NoScores}}{{.Competition}}{{else}}{{template "scorer" .}}{{end}}`,
			`{{template "scorer" .}}`, []string{"goal in de", "no scores"}},
		"nothing": {"en", `{{.Team}}`, `{{index .Team 99}}`, []string{"texts/en.tmpl"}},
	} {
		t.Run(name, func(t *testing.T) {
			templates, err := readTemplates(changed(t, tt.language, tt.from, tt.to))
			if err == nil {
				err = templates.check()
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: want %q in it", err, want)
				}
			}
		})
	}
	if _, err := readTemplates(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), "texts/nl.tmpl") {
		t.Errorf("no files: %v", err)
	}
}

func TestNamesInTexts(t *testing.T) {
	for text, want := range map[string]string{
		"  KV \t Oost\u00a0 ": "KV Oost",
		"Léon Hardi":          "Léon Hardi",
		"\u202eRoodendal":     "Roodendal",
		"a\u2069b\u2067c":     "abc",
		"הפועל באר שבע":       "\u2068הפועל באר שבע\u2069",
		"FC النصر":            "\u2068FC النصر\u2069",
		"👨‍👩‍👧‍👦 FC":          "👨‍👩‍👧‍👦 FC",
		"bad\xff":             "bad\uFFFD",
		" \n ":                "",
	} {
		if got := name(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
