package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// keptBeforeKill runs the test once more as a process with this in its environment, kills it when
// it has said "kept ID" so often, and gives the ids.
func keptBeforeKill(t *testing.T, env string, count int) (kept []string) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.Command(os.Args[0], "-test.run=^"+name+"$")
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if id, ok := strings.CutPrefix(lines.Text(), "kept "); ok {
			if kept = append(kept, id); len(kept) == count {
				cmd.Process.Kill()
			}
		}
	}
	cmd.Wait()
	if len(kept) < count {
		t.Fatalf("only %d were kept", len(kept))
	}
	return kept
}

// A document that was acknowledged is there after kill -9: the test runs itself as a process that
// keeps documents and says so, and kills it.
func TestKilledProcessLosesNoDocument(t *testing.T) {
	const key = "STORE_TEST_KEEP_IN"
	if url := os.Getenv(key); url != "" {
		keepForEver(t, url)
		return
	}
	for name, url := range map[string]string{
		"sqlite":   "sqlite:" + filepath.Join(t.TempDir(), "x.db"),
		"postgres": testservers.Postgres(t),
	} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, url)
			acknowledged := len(keptBeforeKill(t, key+"="+url, 50))
			list, err := s.Documents(t.Context(), goalcast.DocumentFilter{Limit: maxDocuments})
			if err != nil || len(list) < acknowledged {
				t.Fatalf("%d documents after the kill, %v; %d were acknowledged", len(list), err, acknowledged)
			}
			for _, d := range list {
				full, err := s.Document(t.Context(), d.ID)
				if err != nil || !bytes.Equal(full.Body, crashBody(full.Match)) {
					t.Errorf("document %d is damaged: %v", d.ID, err)
				}
			}
		})
	}
}

func crashBody(n goalcast.MatchID) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "<Goal n=\"%d\"/>", n), 2000)
}

// keepForEver keeps documents until it is killed.
func keepForEver(t *testing.T, url string) {
	s, err := Open(t.Context(), url, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	for n := goalcast.MatchID(1); n < 100_000; n++ {
		d := goalcast.Document{Provider: "opta", Match: n, Body: crashBody(n), Received: kickoff}
		if err := s.KeepDocument(t.Context(), &d); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("kept %d\n", d.ID)
	}
}

// Two processes on one SQLite file, as a `migrate` or an admin's command beside the server: they
// wait for each other.
func TestTwoStoresOnOneFile(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	stores := []*Store{openTest(t, url), openTest(t, url)}
	const each = 15
	var wg sync.WaitGroup
	for _, s := range stores {
		for range 2 {
			wg.Go(func() {
				for range each {
					score(t, s, 5, 1)
				}
			})
		}
	}
	wg.Wait()
	if m, err := stores[0].Match(t.Context(), 5); err != nil || m.Score.Home != 4*each {
		t.Errorf("score = %v, %v; want %d", m.Score, err, 4*each)
	}
}

// PostgreSQL goes and comes back: the error says so, and nothing has to be opened again.
func TestPostgresAwayAndBack(t *testing.T) {
	t.Parallel()
	server := testservers.NewPostgres(t)
	s := openTest(t, server.URL)
	score(t, s, 5, 1)
	server.Stop()
	d := goalcast.Document{Provider: "opta", Body: []byte("x")}
	noEvents := func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event, error) { return r, nil, nil }
	for what, err := range map[string]error{
		"ping":   s.Ping(t.Context()),
		"keep":   s.KeepDocument(t.Context(), &d),
		"update": s.UpdateMatch(t.Context(), 5, noEvents),
		"health": s.Health(t.Context()),
		"match":  func() error { _, err := s.Match(t.Context(), 5); return err }(),
	} {
		if !errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("%s = %v, want ErrUnavailable", what, err)
		}
	}
	server.Start(t)
	deadline := time.Now().Add(patience)
	for s.Ping(t.Context()) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the store does not come back")
		}
		time.Sleep(10 * time.Millisecond)
	}
	score(t, s, 5, 1)
	if m, err := s.Match(t.Context(), 5); err != nil || m.Score.Home != 2 {
		t.Errorf("score = %v, %v; want 2", m.Score, err)
	}
}

// The caller gives up: that is no fault of the database.
func TestCancelledIsNotUnavailable(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d := goalcast.Document{Provider: "opta", Body: []byte("x")}
		if err := s.KeepDocument(ctx, &d); !errors.Is(err, context.Canceled) ||
			errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("keep = %v, want only context.Canceled", err)
		}
		score(t, s, 5, 1) // and the database is none the worse for it
	})
}
