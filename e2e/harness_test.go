// Package e2e tests goalcast as a whole: the program itself, as processes on real servers, between
// the fakes of providers and push services on one side and viewers on the other. All tests stand on
// the same harness: goalcast (this file, process_test.go) and viewers (viewer_test.go).
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goalcast/internal/testservers"
	"goalcast/loadtest/swarm"
	"goalcast/store"
)

// program is the path of goalcast as it is tested: built once, with the race detector and the tag
// "faults". GOALCAST_BIN names one that is there; else make builds it, which knows how.
var program string

func TestMain(m *testing.M) {
	swarm.RunWorker()
	if program = os.Getenv("GOALCAST_BIN"); program == "" {
		program = filepath.Join("..", "tmp", "goalcast-under-test")
		if whole, err := filepath.Abs(program); err == nil { // some tests run it elsewhere
			program = whole
		}
		build := exec.Command("make", "--silent", "-C", "..", "program")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "make program:", err)
			os.Exit(1)
		}
	}
	// Tests wait for processes, servers and leases more than they compute: so there may be more of
	// them than processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// operatorToken is the token of the role operator in all tests.
const operatorToken = "operator-token-of-the-tests"

// settings are environment variables for goalcast, "GOALCAST_RING=100"; of two of one
// name the later counts.
type settings []string

// with is the same and more.
func (s settings) with(more ...string) settings { return slices.Concat(s, more) }

// database is the address of the database.
func (s settings) database() (url string) {
	for _, pair := range s {
		if value, ok := strings.CutPrefix(pair, "GOALCAST_DATABASE_URL="); ok {
			url = value
		}
	}
	return url
}

// common are the settings of all tests.
var common = settings{"GOALCAST_ADMIN_TOKENS=operator=" + operatorToken, "GOALCAST_DRAIN_TIME=100ms"}

// onFile is for one process with all that it needs inside.
func onFile(t testing.TB, more ...string) settings {
	return common.with("GOALCAST_DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "goalcast.db")).with(more...)
}

// onServers is for any number of processes on a PostgreSQL schema and a Redis of their own.
func onServers(t testing.TB, more ...string) settings {
	return common.with("GOALCAST_DATABASE_URL="+testservers.Postgres(t),
		"GOALCAST_REDIS_URL="+testservers.Redis(t)).with(more...)
}

// system is goalcast as a test runs it: one embedded process, or one that takes feeds in and
// one that serves viewers.
type system struct {
	ingest, hub *process
	redis       *testservers.RedisServer // nil when embedded
	env         settings
}

// startEmbedded starts one process that does everything.
func startEmbedded(t testing.TB, more ...string) system {
	t.Helper()
	env := onFile(t, more...)
	p := start(t, env, "serve")
	return system{ingest: p, hub: p, env: env}
}

// startClustered starts two on PostgreSQL and Redis.
func startClustered(t testing.TB, more ...string) system {
	t.Helper()
	redis := testservers.NewRedis(t)
	s := startPair(t, common.with("GOALCAST_DATABASE_URL="+testservers.Postgres(t),
		"GOALCAST_REDIS_URL="+redis.URL).with(more...))
	s.redis = redis
	return s
}

// startPair starts two processes, of which one takes feeds in and the other serves viewers.
func startPair(t testing.TB, env settings) system {
	t.Helper()
	s := system{env: env}
	s.ingest = launch(t, env, "serve", "--roles=ingest,rest")
	s.hub = launch(t, env, "serve", "--roles=hub,rest")
	s.ingest.waitReady()
	s.hub.waitReady()
	return s
}

// openStore opens the database of the settings beside goalcast.
func openStore(t testing.TB, env settings) *store.Store {
	t.Helper()
	db, err := store.Open(context.Background(), env.database(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// waitFor asks again and again until there is no error, at most for the time given.
func waitFor(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return
		}
		waited := time.Since(began)
		if waited > within {
			t.Fatalf("waited %s for %s: %v", within, what, err)
		}
		time.Sleep(max(5*time.Millisecond, min(waited/8, 100*time.Millisecond)))
	}
}

// request sends a request and reads the answer.
func request(method, url string, header http.Header, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if header != nil {
		r.Header = header.Clone()
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// ask is request of what has to answer, however.
func ask(t testing.TB, method, url string, header http.Header, body string) (status int, text string) {
	t.Helper()
	status, answer, err := request(method, url, header, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return status, string(answer)
}

// get asks for JSON that has to be there.
func get(url string, header http.Header, to any) error {
	status, answer, err := request(http.MethodGet, url, header, nil)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("%s: %d %s", url, status, answer)
	case to == nil:
		return nil
	}
	return json.Unmarshal(answer, to)
}

// bearer is the header of who shows a secret; of an empty one none.
func bearer(secret string) http.Header {
	h := http.Header{}
	if secret != "" {
		h.Set("Authorization", "Bearer "+secret)
	}
	return h
}

func tail(text string, most int) string {
	if len(text) > most {
		return "..." + text[len(text)-most:]
	}
	return text
}
