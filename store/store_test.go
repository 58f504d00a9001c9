package store

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"goalcast"
	"goalcast/internal/testservers"
)

// onBoth runs a test on every database that goalcast can stand on.
func onBoth(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "goal cast.db") },
		"memory":   func(*testing.T) string { return "sqlite::memory:" },
		"postgres": func(t *testing.T) string { return testservers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, openTest(t, url(t)))
		})
	}
}

// onAll is onBoth, and PostgreSQL with a replica whose reads are as new as the primary's.
func onAll(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Run("replica", func(t *testing.T) {
		t.Parallel()
		primary, replica := testservers.ReplicatedPostgres(t)
		s := openTest(t, primary)
		rs, unwatch := attach(t, s, anyLag, testLog(t), replica)
		await(t, "the replica is read", rs.list[0].fit)
		unwatch() // it stays as it was found
		test(t, s)
	})
	onBoth(t, test)
}

func openTest(t testing.TB, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Processes that open a file at once all have it, though SQLite refuses some of those who turn on
// its log at the same moment.
func TestOpenFromSeveralProcessesAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				s, err := Open(t.Context(), url, testLog(t))
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
			})
		}
		wg.Wait()
	}
}

// testLog writes what went wrong to the test's output, and everything with GOALCAST_TEST_LOG set.
func testLog(t testing.TB) *slog.Logger {
	level := slog.LevelError
	if os.Getenv("GOALCAST_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

func TestOpenWrongURLs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		url  string
		want error // nil: any
	}{
		{"", nil},
		{"mysql://x", nil},
		{"sqlite:", nil},
		{"postgres://user:secret@%zz/", nil},
		{"sqlite:/nowhere/at/all/x.db", goalcast.ErrUnavailable},
		{"postgres://goalcast@127.0.0.1:1/postgres?sslmode=disable", goalcast.ErrUnavailable},
	} {
		s, err := Open(t.Context(), tt.url, testLog(t))
		if err == nil {
			s.Close()
			t.Errorf("Open(%q) succeeded", tt.url)
		} else if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("Open(%q) = %v, want %v", tt.url, err, tt.want)
		}
	}
}

func TestMigrateFromSeveralProcessesAtOnce(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"sqlite":   "sqlite:" + filepath.Join(t.TempDir(), "x.db"),
		"postgres": testservers.Postgres(t),
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					s, err := Open(t.Context(), url, testLog(t))
					if err != nil {
						t.Error(err)
						return
					}
					defer s.Close()
					if err := s.Migrate(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			s := openTest(t, url)
			if _, err := s.write.Exec("SELECT COUNT(*) FROM outbox"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTxRollsBackAndRetries(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := context.Background()
		insert := func(tx *tx) error {
			_, err := tx.exec(ctx, `INSERT INTO teams (id, name) VALUES ($1, $2)`, 1, "Eerste")
			return err
		}
		count := func() (n int) {
			t.Helper()
			if err := s.queryRow(ctx, `SELECT COUNT(*) FROM teams`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		mine := errors.New("mine")
		if err := s.tx(ctx, "try", func(tx *tx) error { return errors.Join(insert(tx), mine) }); !errors.Is(err,
			mine) || count() != 0 {
			t.Errorf("tx = %v, want mine and no rows", err)
		}
		if err := s.tx(ctx, "try", func(tx *tx) error { return errors.Join(insert(tx), errRollback) }); err != nil ||
			count() != 0 {
			t.Errorf("rolled back tx = %v, want nil and no rows", err)
		}
		retry := s.dialect.retry
		s.dialect.retry = func(err error) bool { return errors.Is(err, mine) || retry(err) }
		runs := 0
		err := s.tx(ctx, "try", func(tx *tx) error {
			if runs++; runs < 3 {
				return errors.Join(insert(tx), mine)
			}
			return insert(tx)
		})
		if err != nil || runs != 3 || count() != 1 {
			t.Errorf("tx = %v after %d runs with %d rows, want nil after 3 with 1", err, runs, count())
		}
	})
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"SELECT 1": "SELECT 1", "a = $1 AND b = $2": "a = ? AND b = ?", "a = $1 OR b = $1": "a = ?1 OR b = ?1",
		"a = $2": "a = ?2", "$1$12": "?1?12",
		valuesList(5, 3, 1): strings.Repeat(",(?,?,?)", 5)[1:],
	} {
		if got := questionMarks(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}
