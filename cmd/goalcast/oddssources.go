package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"goalcast/ingest/odds"
	"goalcast/ingest/odds/betfair"
	"goalcast/ingest/odds/stream"
	"goalcast/ingest/odds/uof"
)

// The kinds of source of odds. Three of them are ways on which goalcast fetches lines of the format
// in docs/odds.md; with post others bring them.
const (
	kindBetfair   = "betfair"
	kindUOF       = "uof"
	kindWebSocket = "websocket"
	kindSSE       = "sse"
	kindJSON      = "json"
	kindPost      = "post"
)

var oddsKinds = []string{kindBetfair, kindUOF, kindWebSocket, kindSSE, kindJSON, kindPost}

// uofTTL is the time to live of the Unified Odds Feed, whose producers say something every 10 s.
const uofTTL = 20 * time.Second

// oddsSource is an entry of GOALCAST_ODDS_SOURCES_FILE. The tag kinds says who may have a field;
// without it all may. A field that ends with File names a file that holds the value.
type oddsSource struct {
	Name     string `yaml:"name"`
	Kind     string `yaml:"kind"`
	Priority int    `yaml:"priority"`

	URL     string `yaml:"url" kinds:"betfair uof websocket sse json"`
	URLFile string `yaml:"url_file" kinds:"websocket sse json"` // one that holds a secret

	Headers     map[string]string `yaml:"headers" kinds:"websocket sse json"`
	HeaderFiles map[string]string `yaml:"header_files" kinds:"websocket sse json"`
	Subscribe   []string          `yaml:"subscribe" kinds:"websocket"`

	API             string   `yaml:"api" kinds:"betfair uof"`
	AppKeyFile      string   `yaml:"app_key_file" kinds:"betfair"`
	SessionFile     string   `yaml:"session_file" kinds:"betfair"`
	User            string   `yaml:"user" kinds:"betfair"`
	PasswordFile    string   `yaml:"password_file" kinds:"betfair"`
	CertificateFile string   `yaml:"certificate_file" kinds:"betfair"`
	KeyFile         string   `yaml:"key_file" kinds:"betfair"`
	MarketTypes     []string `yaml:"market_types" kinds:"betfair"`
	Countries       []string `yaml:"countries" kinds:"betfair"`
	Events          []string `yaml:"events" kinds:"betfair"`
	Virtual         bool     `yaml:"virtual" kinds:"betfair"`

	TokenFile string `yaml:"token_file" kinds:"uof"`
	Producers []int  `yaml:"producers" kinds:"uof"`
	Node      int    `yaml:"node" kinds:"uof"`
	Language  string `yaml:"language" kinds:"uof"`

	secrets map[string]string // the contents of the files, by path
}

// readOddsSources reads the file. Its errors name the line.
func readOddsSources(path string) ([]oddsSource, error) {
	document, err := readDocument(path)
	if err != nil {
		return nil, err
	}
	if document.Kind != yaml.SequenceNode || len(document.Content) == 0 {
		return nil, fmt.Errorf("%s: want a list of sources, each beginning with \"- name:\"", path)
	}
	var list []oddsSource
	for _, node := range document.Content {
		s, err := readOddsSource(node)
		if err == nil {
			err = wrongAt(node, s.among(list))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// readOddsSource reads one entry.
func readOddsSource(node *yaml.Node) (s oddsSource, err error) {
	if err := readEntry(node, &s, "a source", oddsKinds); err != nil {
		return s, err
	}
	if s.secrets, err = s.readFiles(node); err != nil {
		return s, err
	}
	return s, wrongAt(node, s.check())
}

// readFiles reads the files that hold secrets. Betfair's session and certificate are read again at
// each login, by themselves.
func (s oddsSource) readFiles(node *yaml.Node) (map[string]string, error) {
	secrets := map[string]string{}
	paths := map[string]string{"url_file": s.URLFile, "app_key_file": s.AppKeyFile, "password_file": s.PasswordFile,
		"token_file": s.TokenFile}
	for name, path := range paths {
		if path == "" {
			continue
		}
		text, err := readSecret(path)
		if err != nil {
			return nil, wrongAt(nodeOf(node, name), fmt.Errorf("%s: %w", name, err))
		}
		secrets[path] = text
	}
	for header, path := range s.HeaderFiles {
		text, err := readSecret(path)
		if err != nil {
			return nil, wrongAt(nodeOf(node, "header_files"), fmt.Errorf("header_files: %s: %w", header, err))
		}
		secrets[path] = text
	}
	return secrets, nil
}

var oddsSourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)

// among checks the source beside those before it.
func (s oddsSource) among(before []oddsSource) error {
	switch {
	case slices.ContainsFunc(before, func(o oddsSource) bool { return o.Name == s.Name }):
		return fmt.Errorf("name %q is there twice", s.Name)
	case slices.ContainsFunc(before, func(o oddsSource) bool { return o.Priority == s.Priority }):
		return fmt.Errorf("priority %d is there twice: of two sources of a match one has to be first", s.Priority)
	case s.Kind == kindPost && slices.ContainsFunc(before, func(o oddsSource) bool { return o.Kind == kindPost }):
		return errors.New("kind post is there twice: POST /feeds/odds is one source")
	}
	return nil
}

// check says what is wrong with the source by itself.
func (s oddsSource) check() error {
	if !oddsSourceName.MatchString(s.Name) {
		return fmt.Errorf("name %q: want 1 to 40 of a-z, 0-9, - and _", s.Name)
	}
	switch s.Kind {
	case kindBetfair:
		certificate := s.User != "" && s.PasswordFile != "" && s.CertificateFile != "" && s.KeyFile != ""
		switch {
		case s.AppKeyFile == "":
			return errors.New("app_key_file is missing")
		case s.SessionFile == "" && !certificate:
			return errors.New("want session_file, or user, password_file, certificate_file and key_file")
		case s.SessionFile != "" && certificate:
			return errors.New("want session_file or a certificate, not both")
		case certificate:
			if _, err := tls.LoadX509KeyPair(s.CertificateFile, s.KeyFile); err != nil {
				return fmt.Errorf("certificate_file and key_file: %w", err)
			}
		}
	case kindUOF:
		if s.TokenFile == "" {
			return errors.New("token_file is missing")
		}
		return serviceURL(s.API)
	case kindWebSocket, kindSSE, kindJSON:
		if (s.URL == "") == (s.URLFile == "") {
			return errors.New("want url, or url_file where it holds a secret")
		}
		return s.stream().Check()
	}
	return nil
}

func (s oddsSource) stream() stream.Config {
	header := http.Header{}
	for name, value := range s.Headers {
		header.Set(name, value)
	}
	for name, path := range s.HeaderFiles {
		header.Set(name, s.secrets[path])
	}
	return stream.Config{Name: s.Name, Transport: stream.Transport(s.Kind), URL: cmp.Or(s.URL, s.secrets[s.URLFile]),
		Header: header, Subscribe: s.Subscribe}
}

func (s oddsSource) uof() uof.Config {
	return uof.Config{AMQP: s.URL, API: s.API, Token: s.secrets[s.TokenFile], Producers: s.Producers, Node: s.Node,
		Language: s.Language}
}

func (s oddsSource) betfair(log *slog.Logger) (betfair.Config, error) {
	cfg := betfair.Config{Address: s.URL, API: s.API, AppKey: s.secrets[s.AppKeyFile], Virtual: s.Virtual,
		Filter: betfair.Filter{MarketTypes: s.MarketTypes, Countries: s.Countries, Events: s.Events}}
	if s.SessionFile != "" {
		cfg.Session = betfair.FileSession(s.SessionFile)
		return cfg, nil
	}
	certificate, err := tls.LoadX509KeyPair(s.CertificateFile, s.KeyFile)
	if err != nil {
		return cfg, err
	}
	cfg.Session = betfair.NewCertificate(betfair.CertificateConfig{AppKey: cfg.AppKey, User: s.User,
		Password: s.secrets[s.PasswordFile], Certificate: certificate}, log).Session
	return cfg, nil
}

// ttl is the time to live of a source of this kind.
func (s oddsSource) ttl() time.Duration {
	if s.Kind == kindUOF {
		return uofTTL
	}
	return odds.DefaultTTL
}

// open makes the source. post is the feed that others post to, if this is it.
func (s oddsSource) open(log *slog.Logger, reg prometheus.Registerer, metrics *stream.Metrics) (named odds.Named,
	post *stream.Feed, err error) {
	named.SourceConfig = odds.SourceConfig{Name: s.Name, Priority: s.Priority, TTL: s.ttl()}
	labelled := log.With("source", s.Name)
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"source": s.Name}, reg)
	switch s.Kind {
	case kindBetfair:
		cfg, err := s.betfair(labelled)
		if err != nil {
			return named, nil, err
		}
		named.Source = betfair.New(cfg, labelled, reg)
	case kindUOF:
		named.Source = uof.New(s.uof(), labelled, reg)
	case kindPost:
		post = stream.NewFeed(stream.FeedConfig{Name: s.Name}, log, metrics)
		named.Source = post
	default:
		named.Source = stream.New(s.stream(), log, metrics)
	}
	return named, post, nil
}
