package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// newTestNode makes a node of roles on an SQLite file; nothing of it runs.
func newTestNode(t *testing.T, path string, roles ...string) *node {
	t.Helper()
	var cli commands
	if _, err := parse([]string{"serve", "--database-url=sqlite:" + path, "--listen=127.0.0.1:0",
		"--admin-listen=127.0.0.1:0", "--drain-time=0s", "--feeds-open"}, &cli); err != nil {
		t.Fatal(err)
	}
	c := cli.Serve
	n, err := newNode(t.Context(), config{serving: c.serving, stores: c.stores, roles: roles, migrate: c.Migrate},
		options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.close)
	return n
}

// readyzOf is what /readyz answers to a question.
func readyzOf(t *testing.T, n *node, query string, leaving bool) (int, readiness) {
	t.Helper()
	w := httptest.NewRecorder()
	n.readyz(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz"+query, nil), leaving)
	var r readiness
	if w.Code != http.StatusBadRequest {
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
	}
	return w.Code, r
}

// Each role says for itself what it can do when something that it stands on is gone.
func TestReadinessIsOfEachRole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "goalcast.db")
	n := newTestNode(t, path, allRoles...)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	started := make(chan string, 1)
	go func() { done <- n.run(ctx, nil, func(public, _ string) { started <- public }) }()
	defer func() {
		stop()
		<-done
	}()
	public := <-started
	waitFor(t, 20*time.Second, "all roles", func() error {
		if code, r := readyzOf(t, n, "", false); code != http.StatusOK || !r.Ready || len(r.Roles) != len(allRoles) {
			return &notReady{r}
		}
		return nil
	})
	if code, r := readyzOf(t, n, "", true); code != http.StatusServiceUnavailable ||
		r.Roles[roleHub].Reason != "leaving" {
		t.Errorf("leaving: %d %+v", code, r)
	}
	if code, _ := readyzOf(t, n, "?role=cook", false); code != http.StatusBadRequest {
		t.Errorf("a role that there is not: %d", code)
	}

	if err := os.Rename(path, path+".gone"); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"": 503, "?role=ingest": 503, "?role=notify": 503, "?role=hub": 200,
		"?role=rest": 200, "?role=hub,rest": 200, "?role=hub,ingest": 503} {
		code, r := readyzOf(t, n, query, false)
		if code != want || r.Ready != (want == 200) {
			t.Errorf("without the database %q answers %d, want %d: %+v", query, code, want, r)
		}
		if state, there := r.Roles[roleIngest]; there &&
			(state.Ready || !strings.Contains(state.Reason, "deleted or replaced")) {
			t.Errorf("%q: ingest says %+v", query, state)
		}
		if state, there := r.Roles[roleREST]; there && (!state.Ready || state.Degraded == "") {
			t.Errorf("%q: rest says %+v", query, state)
		}
	}
	res, err := http.Post("http://"+public+"/feeds/json", "application/json", strings.NewReader(`{"match":9000000001}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a document that a restart would not keep is answered %s", res.Status)
	}
	if err := os.Rename(path+".gone", path); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the file put back", func() error {
		if code, r := readyzOf(t, n, "", false); code != http.StatusOK {
			return &notReady{r}
		}
		return nil
	})
}

type notReady struct{ answer readiness }

func (e *notReady) Error() string {
	b, _ := json.Marshal(e.answer)
	return string(b)
}

func TestARoleThatIsNotHereIsNotReady(t *testing.T) {
	t.Parallel()
	n := newTestNode(t, filepath.Join(t.TempDir(), "x.db"), roleIngest)
	if code, r := readyzOf(t, n, "", false); code != http.StatusOK || len(r.Roles) != 1 {
		t.Errorf("ingest alone: %d %+v", code, r)
	}
	if code, r := readyzOf(t, n, "?role=hub", false); code != http.StatusServiceUnavailable ||
		r.Roles[roleHub].Reason == "" {
		t.Errorf("hub, which is not here: %d %+v", code, r)
	}
}

// A bus that is heard now and then does not make a balancer send viewers here and away.
func TestReadinessDoesNotFlap(t *testing.T) {
	now := time.Date(2025, 8, 16, 18, 45, 0, 0, time.UTC)
	s := &steadiness{now: func() time.Time { return now }}
	step := func(after time.Duration, what func(), ready bool) {
		t.Helper()
		now = now.Add(after)
		if what != nil {
			what()
		}
		if err := s.err(); (err == nil) != ready {
			t.Errorf("ready = %v, want ready %v", err, ready)
		}
	}
	heard, silent := func() { s.Stale(false) }, func() { s.Stale(true) }
	step(0, nil, false)
	step(time.Second, heard, true) // at the start nobody waits
	step(time.Hour, nil, true)
	for range 5 {
		step(3*time.Second, silent, false)
		step(3*time.Second, heard, false)
	}
	step(steadyAfter-time.Second, nil, false)
	step(2*time.Second, nil, true)
}

// A setting that became a constant is named, and is no setting any more.
func TestRetiredVariablesAreNamed(t *testing.T) {
	set := retiredVariables([]string{"HOME=/", "GOALCAST_MAX_UNANSWERED=3", "GOALCAST_LISTEN=:1"})
	if !slices.Equal(set, []string{"GOALCAST_MAX_UNANSWERED"}) {
		t.Errorf("named %v", set)
	}
	for _, name := range retired {
		flag := "--" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "GOALCAST_")), "_", "-")
		if _, err := parse([]string{"serve", flag + "=1"}, &commands{}); err == nil ||
			!strings.Contains(err.Error(), "unknown flag") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestUnknownVariablesAreRefused(t *testing.T) {
	for _, tt := range []struct {
		variable string
		want     []string // in the error; none: no error
	}{
		{"GOALCAST_DATABSE_URL", []string{"GOALCAST_DATABSE_URL", "did you mean GOALCAST_DATABASE_URL?"}},
		{"GOALCAST_REDIS_URI", []string{"did you mean GOALCAST_REDIS_URL?"}},
		{"GOALCAST_FEED_SECRET_FILES", []string{"did you mean GOALCAST_FEED_SECRET_FILE?"}},
		{"GOALCAST_LISTEN_FILE", []string{"GOALCAST_LISTEN_FILE"}}, // it is no secret, and nobody would read it
		{"GOALCAST_COFFEE_MACHINE_TEMPERATURE", []string{"GOALCAST_COFFEE_MACHINE_TEMPERATURE; goalcast serve --help"}},
		{"GOALCAST_MAX_UNANSWERED", nil}, // retired
		{"GOALCAST_TEST_ANYTHING", nil},
		{"GOALCAST_SAMPLES", nil},
		{"GOALCAST_SPEED", nil}, // of another command
		{"GOALCAST_HUB_SERVICE_HOST", nil},
		{"GOALCAST_PORT", nil},
		{"GOALCAST_CORE_PORT_80_TCP_ADDR", nil},
		{"GOALCASTLE", nil},
	} {
		t.Run(tt.variable, func(t *testing.T) {
			t.Setenv(tt.variable, "1")
			_, err := parse([]string{"serve"}, &commands{})
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v", err)
			}
			for _, words := range tt.want {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("got %q, want %q in it", err, words)
				}
			}
			if _, err := parse([]string{"version"}, &commands{}); err != nil {
				t.Errorf("version: %v", err)
			}
		})
	}
}

// The embedded Redis is of one process: parts that want to hear from another are refused.
func TestTheEmbeddedRedisIsNotShared(t *testing.T) {
	t.Parallel()
	for roles, good := range map[string]bool{
		"hub,ingest,notify,rest": true, "hub,ingest": true, "ingest,rest": true, "ingest": true, "ingest,notify": true,
		"notify": true,
		"hub":    false, "rest": false, "hub,rest": false, "rest,notify": false,
	} {
		if _, err := parse([]string{"serve", "--roles=" + roles}, &commands{}); (err == nil) != good || err != nil &&
			!strings.Contains(err.Error(), "GOALCAST_REDIS_URL: embedded") {
			t.Errorf("%s: %v", roles, err)
		}
		if _, err := parse([]string{"serve", "--roles=" + roles, "--redis-url=redis://127.0.0.1"},
			&commands{}); err != nil {
			t.Errorf("%s with a Redis of its own: %v", roles, err)
		}
	}
}

// A command that looks at a database does not make one.
func TestCommandsWantADatabaseThatIsThere(t *testing.T) {
	folder := t.TempDir()
	missing, empty := filepath.Join(folder, "goalcst.db"), filepath.Join(folder, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"documents", "--database-url=sqlite:" + missing},
		{"documents", "show", "1", "--database-url=sqlite:" + missing},
		{"replay", "--failed", "--database-url=sqlite:" + missing}, {"migrate", "--database-url=sqlite:" + missing},
		{"documents", "--database-url=sqlite:" + empty}, {"replay", "--failed", "--database-url=sqlite:" + empty},
	} {
		if status := run(args, options{}); status == 0 {
			t.Errorf("%q succeeded", args)
		}
		if _, err := os.Stat(missing); err == nil {
			t.Fatalf("%q made a database", args)
		}
	}
	if status := run([]string{"migrate", "--create", "--database-url=sqlite:" + missing}, options{}); status != 0 {
		t.Errorf("migrate --create: status %d", status)
	}
	if status := run([]string{"documents", "--database-url=sqlite:" + missing}, options{}); status != 0 {
		t.Errorf("documents of the new database: status %d", status)
	}
}

// A database without this version's tables is refused where nobody is to make them.
func TestServeWantsItsTables(t *testing.T) {
	var cli commands
	if _, err := parse([]string{"serve", "--no-migrate", "--database-url=sqlite:" + filepath.Join(t.TempDir(), "x.db")},
		&cli); err != nil {
		t.Fatal(err)
	}
	c := cli.Serve
	n, err := newNode(t.Context(), config{serving: c.serving, stores: c.stores, roles: c.Roles, migrate: c.Migrate},
		options{}, slog.New(slog.DiscardHandler))
	if err == nil {
		n.close()
		t.Fatal("a node on an empty database")
	}
	if !strings.Contains(err.Error(), "GOALCAST_MIGRATE") || !strings.Contains(err.Error(), "goalcast migrate") {
		t.Errorf("got %v", err)
	}
}

// A replica of the database that is away is nothing that anybody has to wait for, and its password
// is shown nowhere.
func TestAReplicaThatIsAwayDoesNotMatter(t *testing.T) {
	const password = "Tribune-Vak-Oost-3"
	t.Setenv("GOALCAST_DATABASE_URL", testservers.Postgres(t))
	t.Setenv("GOALCAST_DATABASE_READ_URLS", "postgres://goalcast:"+password+"@127.0.0.1:1/x,"+
		"postgres://goalcast:"+password+"@127.0.0.1:2/x")
	var cli commands
	if _, err := parse([]string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
		"--drain-time=0s"}, &cli); err != nil {
		t.Fatal(err)
	}
	c := cli.Serve
	var log safeText
	n, err := newNode(t.Context(), config{serving: c.serving, stores: c.stores, replicas: c.Replicas, roles: c.Roles,
		migrate: c.Migrate}, options{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.run(ctx, nil, nil) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	waitFor(t, 20*time.Second, "all roles, and a word about each replica", func() error {
		if code, r := readyzOf(t, n, "", false); code != http.StatusOK {
			return &notReady{r}
		}
		if strings.Count(log.String(), "replica is not read") < 2 {
			return errors.New(log.String())
		}
		return nil
	})
	if _, err := n.db.Team(ctx, 1); !errors.Is(err, goalcast.ErrNotFound) {
		t.Errorf("a team that there is not: %v", err)
	}
	if strings.Contains(log.String(), password) {
		t.Errorf("the log shows the password:\n%s", log.String())
	}
}

// safeText is a log that is read while it is written.
type safeText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *safeText) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *safeText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
