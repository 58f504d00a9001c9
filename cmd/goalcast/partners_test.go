package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goalcast"
)

// partnersFile writes a file of partners with secrets beside it: DIR stands for their folder.
func partnersFile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"secret": "whsec_aGlkZGVuLWhpZGRlbi1oaWRkZW4taGlkZGVu\n",
		"short": "whsec_aGlkZGVu\n", "lines": "a\nb\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "partners.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPartnersFile(t *testing.T) {
	path := partnersFile(t, `# the contract is in docs/partners.md
- name: gazette
  url: https://hooks.gazette.example.org/goals
  secret_files: [DIR/secret]
  secrets: [whsec_b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI=]
  topics: [competition:8, team:174]
- {name: texts, url: 'https://texts.example.org/', secret_files: [DIR/secret], topics: [all], kinds: [goal, card]}
`)
	list, err := readPartners(path)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d, %v", len(list), err)
	}
	gazette, texts := list[0], list[1]
	if gazette.Name != "gazette" || gazette.All || len(gazette.Secrets) != 2 || len(gazette.Topics) != 2 ||
		string(gazette.Secrets[0]) != "other-other-other-other-other" ||
		gazette.Topics[0] != goalcast.ForCompetition(8) {
		t.Errorf("%s %v %d secrets", gazette.Name, gazette.Topics, len(gazette.Secrets))
	}
	if !texts.All || len(texts.Topics) != 0 || len(texts.Kinds) != 2 || len(texts.Secrets) != 1 {
		t.Errorf("%s %v %v", texts.Name, texts.Topics, texts.Kinds)
	}
}

func TestAWrongPartnerNamesItsLine(t *testing.T) {
	const right = "  url: https://a.example.org/hidden\n  secret_files: [DIR/secret]\n"
	for _, tt := range []struct{ text, want string }{
		{"", "want a list of partners"},
		{"name: a\n", "want a list of partners"},
		{"\n- a\n", "line 2: want a partner"},
		{"- name: a\n  urls: x\n", `line 2: no field "urls"`},
		{"- name: A b\n" + right + "  topics: [all]\n", `line 1: name "A b"`},
		{"- name: a\n  secret_files: [DIR/secret]\n  topics: [all]\n", "line 1: url: want one that begins"},
		{"- name: a\n  url: http://a.example.org/hidden\n  secret_files: [DIR/secret]\n  topics: [all]\n",
			"line 1: url"},
		{"- name: a\n  url: https://a.example.org\n  topics: [all]\n", "line 1: want one secret"},
		{"- name: a\n  secrets:\n  - hidden\n", "line 3: secrets: want whsec_"},
		{"- name: a\n  secret_files: [DIR/none]\n", "line 2: secret_files: open"},
		{"- name: a\n  secret_files: [DIR/short]\n", "line 2: secret_files:"},
		{"- name: a\n  secret_files: [DIR/lines]\n", "line 2: secret_files:"},
		{"- name: a\n" + right, "line 1: topics: want"},
		{"- name: a\n" + right + "  topics: [all, club:1]\n", "line 4: topics:"},
		{"- name: a\n" + right + "  topics: ['odds:1']\n", "line 1: topics: odds:1 has no events"},
		{"- name: a\n" + right + "  topics: [all]\n  kinds: [gaol]\n", `line 1: kinds: there is no kind "gaol"`},
		{"- name: a\n" + right + "  topics: [all]\n- name: a\n" + right + "  topics: [all]\n",
			`line 5: name "a" is there twice`},
		{strings.Repeat("- {name: a}\n", 33), "want at most 32 partners"},
	} {
		t.Setenv("GOALCAST_PARTNERS_FILE", partnersFile(t, tt.text))
		_, err := parse([]string{"serve"}, &commands{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(),
			"GOALCAST_PARTNERS_FILE") || strings.Contains(err.Error(), "hidden") ||
			strings.Contains(err.Error(), "aGlkZGVu") {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
	t.Setenv("GOALCAST_PARTNERS_FILE", "")
	t.Setenv("GOALCAST_PARTNERS_ENDPOINT", "http://127.0.0.1:9")
	if _, err := parse([]string{"serve"}, &commands{}); err == nil || !strings.Contains(err.Error(),
		"GOALCAST_PARTNERS_FILE: not set, though GOALCAST_PARTNERS_ENDPOINT is") {
		t.Errorf("%v", err)
	}
}
