package goalcast_test

import (
	"strings"
	"testing"

	"goalcast"
)

func TestParseLanguage(t *testing.T) {
	for text, want := range map[string]string{
		"nl": "nl", "NL": "nl", "nl-be": "nl-BE", "zh-hant": "zh-Hant", "zh-hant-tw": "zh-Hant-TW", "es-419": "es-419",
		"iw": "he", "gsw": "gsw",
		"": "", "und": "", "n": "", "nl_BE": "", "nl-": "", "dutch": "", "qq": "", "nl-YY": "", "en-u-co-phonebk": "",
		"x-goal": "", "*": "", "nl\n": "", "nl, fr": "",
	} {
		if got, ok := goalcast.ParseLanguage(text); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, ok, want)
		}
	}
}

func TestGoodName(t *testing.T) {
	for text, want := range map[string]bool{
		"Luik": true, "Борусія": true, "Bayern München": true, strings.Repeat("é", goalcast.MaxNameLength): true,
		"": false, " ": false, "Luik ": false, "\tLuik": false, "Lu\nik": false, "Lu\x00ik": false, "Lu\u2028ik": false,
		"Lu\xffik": false, strings.Repeat("é", goalcast.MaxNameLength+1): false,
	} {
		if got := goalcast.GoodName(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// A thing is called by its name in the language, else in one that is wider, else by the provider's.
func TestNamesInALanguage(t *testing.T) {
	n := goalcast.NewNames("1", []goalcast.Name{
		{Kind: goalcast.FoundTeam, ID: 7, Language: "nl", Name: "Luik"},
		{Kind: goalcast.FoundTeam, ID: 7, Language: "nl-BE", Name: "Standard Luik"},
		{Kind: goalcast.FoundTeam, ID: 8, Language: "nl", Name: "Bergen"},
		{Kind: goalcast.FoundCompetition, ID: 7, Language: "de", Name: "Pokal"},
		{Kind: goalcast.FoundTeam, ID: 9, Language: "fr", Name: ""},
	})
	for _, tt := range []struct {
		wanted, language string
		team7, team8     string
		competition7     string
	}{
		{"nl", "nl", "Luik", "Bergen", "Cup"},
		{"NL-be", "nl-BE", "Standard Luik", "Bergen", "Cup"},
		{"nl-NL", "nl", "Luik", "Bergen", "Cup"},
		{"nl-Latn-BE", "nl", "Luik", "Bergen", "Cup"},
		{"de-AT", "de", "Liège", "Mons", "Pokal"},
		{"fr", "", "Liège", "Mons", "Cup"},
		{"nld", "", "Liège", "Mons", "Cup"},
		{"", "", "Liège", "Mons", "Cup"},
	} {
		language := n.Language(tt.wanted)
		team7 := n.Team(goalcast.Team{ID: 7, Name: "Liège"}, language)
		team8 := n.Team(goalcast.Team{ID: 8, Name: "Mons"}, language)
		competition7 := n.Competition(goalcast.Competition{ID: 7, Name: "Cup"}, language)
		if language != tt.language || team7.Name != tt.team7 || team8.Name != tt.team8 ||
			competition7.Name != tt.competition7 || team7.ID != 7 || competition7.ID != 7 {
			t.Errorf("%q: %q, %v, %v, %v", tt.wanted, language, team7, team8, competition7)
		}
	}
	if n.Len() != 4 || n.Version() != "1" {
		t.Errorf("%d names of version %q", n.Len(), n.Version())
	}
	var none *goalcast.Names
	if got := none.Team(goalcast.Team{ID: 7, Name: "Liège"}, "nl"); got.Name != "Liège" || none.Language("nl") != "" ||
		none.Len() != 0 || none.Version() != "" {
		t.Errorf("without names: %v", got)
	}
}
