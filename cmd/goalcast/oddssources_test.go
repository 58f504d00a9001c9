package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"goalcast/ingest/odds/stream"
)

// sourcesFile writes a file of sources with secrets beside it: DIR stands for their folder.
func sourcesFile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"token": "the-token-that-is-hidden\n", "empty": "\n",
		"lines": "hidden-one\nhidden-two\n", "address": "wss://odds.example.org/feed?key=hidden\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "sources.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSourcesOfOdds(t *testing.T) {
	path := sourcesFile(t, `# the best first
- name: exchange
  kind: betfair
  priority: 1
  app_key_file: DIR/token
  session_file: DIR/token
  market_types: [MATCH_ODDS]
- name: book
  kind: uof
  priority: 2
  token_file: DIR/token
  producers: [1]
- {name: partner, kind: websocket, priority: 3, url_file: DIR/address, subscribe: ['{"all":true}']}
- name: lines
  kind: sse
  priority: 4
  url: https://odds.example.org/lines
  header_files: {Authorization: DIR/token}
- {name: posted, kind: post, priority: 5}
`)
	list, err := readOddsSources(path)
	if err != nil || len(list) != 5 {
		t.Fatalf("%+v, %v", list, err)
	}
	reg := prometheus.NewRegistry()
	metrics := stream.NewMetrics(reg)
	var ttls []time.Duration
	posts := 0
	for _, s := range list {
		named, post, err := s.open(slog.New(slog.DiscardHandler), reg, metrics)
		if err != nil || named.Source == nil || named.Name != s.Name {
			t.Fatalf("%s: %+v, %v", s.Name, named, err)
		}
		ttls = append(ttls, named.TTL)
		if post != nil {
			posts++
		}
	}
	if posts != 1 || ttls[0] != 3*time.Second || ttls[1] != 20*time.Second {
		t.Errorf("%d posts, times to live %v", posts, ttls)
	}
	if cfg := list[2].stream(); cfg.URL != "wss://odds.example.org/feed?key=hidden" || len(cfg.Subscribe) != 1 {
		t.Errorf("%+v", cfg)
	}
	if cfg := list[3].stream(); cfg.Header.Get("Authorization") != "the-token-that-is-hidden" {
		t.Errorf("%+v", cfg)
	}
}

func TestAWrongSourceOfOddsNamesItsLine(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "want a list of sources"},
		{"name: a\n", "want a list of sources"},
		{"- name: [\n", "line 1"},
		{"\n- a\n", "line 2: want a source"},
		{"- name: a\n  kind: magic\n", `line 2: kind "magic"`},
		{"- name: a\n  kind: post\n  priority: first\n", "line 3: cannot unmarshal"},
		{"- name: a\n  kind: post\n  priorty: 1\n", `line 3: no field "priorty"`},
		{"- name: a\n  kind: post\n  token_file: x\n", "line 3: token_file: a source of kind post has none"},
		{"- name: A b\n  kind: post\n", `line 1: name "A b"`},
		{"- name: a\n  kind: post\n  priority: 1\n- name: a\n  kind: sse\n  priority: 2\n  url: https://x.org/\n",
			`line 4: name "a" is there twice`},
		{"- {name: a, kind: post}\n- {name: b, kind: sse, url: 'https://x.org/'}\n",
			"line 2: priority 0 is there twice"},
		{"- {name: a, kind: post}\n- {name: b, kind: post, priority: 1}\n", "line 2: kind post is there twice"},
		{"- name: a\n  kind: uof\n", "line 1: token_file is missing"},
		{"- name: a\n  kind: uof\n  token_file: DIR/nothing\n", "line 3: token_file: open"},
		{"- name: a\n  kind: uof\n  token_file: DIR/empty\n", "line 3: token_file"},
		{"- name: a\n  kind: uof\n  token_file: DIR/lines\n", "line 3: token_file"},
		{"- name: a\n  kind: uof\n  token_file: DIR/token\n  api: http://api.example.org\n",
			"line 1: want an https URL"},
		{"- name: a\n  kind: betfair\n  app_key_file: DIR/token\n", "line 1: want session_file"},
		{"- name: a\n  kind: betfair\n  app_key_file: DIR/token\n  user: u\n  password_file: DIR/token\n" +
			"  certificate_file: DIR/token\n  key_file: DIR/token\n", "line 1: certificate_file and key_file"},
		{"- name: a\n  kind: sse\n", "line 1: want url, or url_file"},
		{"- name: a\n  kind: sse\n  url: ftp://x.org\n", "line 1: url: want one that begins with https://"},
		{"- name: a\n  kind: sse\n  url: https://x.org\n  subscribe: [a]\n", "line 4: subscribe: a source of kind sse"},
	} {
		t.Setenv("GOALCAST_ODDS_SOURCES_FILE", sourcesFile(t, tt.text))
		_, err := parse([]string{"serve"}, &commands{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(),
			"GOALCAST_ODDS_SOURCES_FILE") || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}
