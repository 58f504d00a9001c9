package pull_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"goalcast"
	"goalcast/ingest"
	"goalcast/ingest/opta"
	"goalcast/ingest/opta/pull"
	"goalcast/store"
	"goalcast/store/bus"
)

func TestMain(m *testing.M) {
	bus.LogRedisTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

// The password has characters that look otherwise in an address.
const (
	user     = "club-user"
	password = "s3cr3t pass/wörd&+"
)

// list is an F1 of one match, as of a minute.
func list(minute int, kickoff string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<SoccerFeed><SoccerDocument Type="RESULTS Latest" competition_id="8" competition_name="Example League" season_id="2026" timestamp="2026-10-01 12-%02d-00">
<MatchData uID="g7"><MatchInfo MatchDay="9" Period="PreMatch"><Date>%s</Date><TZ>GMT</TZ></MatchInfo>
<TeamData Score="" Side="Home" TeamRef="t1"/><TeamData Score="" Side="Away" TeamRef="t2"/></MatchData>
<Team uID="t1"><Name>Northbridge</Name></Team><Team uID="t2"><Name>Southwold</Name></Team></SoccerDocument></SoccerFeed>`, minute, kickoff)
}

// rig is a Puller on a real ingest and database, and Opta's side.
type rig struct {
	*pull.Puller
	t      *testing.T
	db     *store.Store
	ingest *ingest.Ingest
	reg    *prometheus.Registry
	log    *bytes.Buffer
	url    string

	mu     sync.Mutex // guards the rest
	answer http.HandlerFunc
	asked  []*http.Request
	events []goalcast.Event
}

func (r *rig) Publish(_ context.Context, events []goalcast.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	return nil
}

func (r *rig) Enqueue(context.Context, goalcast.Task) error { return nil }

func (r *rig) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, request)
	answer := r.answer
	r.mu.Unlock()
	answer(w, request)
}

// answers makes Opta answer so from now on.
func (r *rig) answers(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
}

func newRig(t *testing.T, cfg pull.Config, targets ...string) *rig {
	r := &rig{t: t, reg: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if r.db, err = store.Open(t.Context(), "sqlite::memory:", log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	if err := r.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	if cfg.Targets, err = pull.ParseTargets(targets); err != nil {
		t.Fatal(err)
	}
	if cfg.URL == "" {
		cfg.URL = server.URL + "/auth/"
	}
	cfg.User, cfg.Password, cfg.Jitter = user, password, -1
	r.ingest = ingest.New(ingest.Config{Reference: r.db}, r.db, r, r, []ingest.Provider{opta.New()}, log, r.reg)
	r.Puller = pull.New(cfg, r.ingest, log, r.reg)
	return r
}

func (r *rig) outcomes(feed string) map[string]float64 {
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			if family.GetName() == "goalcast_opta_pulls_total" && m.Label[0].GetValue() == feed {
				out[m.Label[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return out
}

func (r *rig) documents() []goalcast.Document {
	r.t.Helper()
	list, err := r.db.Documents(context.Background(), goalcast.DocumentFilter{})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// noSecret fails the test if one is in the text.
func noSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{user, "s3cr3t", url.QueryEscape(password), "psw=s"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %q: %s", where, secret, text)
		}
	}
}

// gauge finds the only value of a metric.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name && len(family.Metric) == 1 {
			return family.Metric[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
