package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"goalcast"
	"goalcast/internal/testservers"
)

// healthNow forgets the last look, so that the next one is a new one.
func (s *Store) healthNow(t *testing.T) error {
	t.Helper()
	s.health.looking.Lock()
	s.health.looked = time.Time{}
	s.health.looking.Unlock()
	return s.Health(t.Context())
}

func TestHealthyDatabase(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for range 2 {
			if err := s.healthNow(t); err != nil {
				t.Errorf("health = %v", err)
			}
		}
	})
}

// SQLite goes on with a file that is not there any more; what it would keep is gone with the
// process.
func TestAFileThatIsGoneKeepsNothing(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, path string){
		"deleted": func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"replaced": func(t *testing.T, path string) {
			must(t, os.Rename(path, path+".old"))
			must(t, os.WriteFile(path, nil, 0o600))
		},
		"emptied":     func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"overwritten": func(t *testing.T, path string) { overwrite(t, path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			s := openTest(t, "sqlite:"+path)
			keep(t, s, goalcast.Document{Provider: "opta", Body: []byte("<x/>"), Received: kickoff})
			if err := s.Health(t.Context()); err != nil {
				t.Fatal(err)
			}
			harm(t, path)
			if err := s.Health(t.Context()); !errors.Is(err, goalcast.ErrUnavailable) {
				t.Errorf("health = %v, want ErrUnavailable at once", err)
			}
			d := goalcast.Document{Provider: "opta", Body: []byte("<y/>"), Received: kickoff}
			if err := s.KeepDocument(t.Context(), &d); !errors.Is(err, goalcast.ErrUnavailable) {
				t.Errorf("keep = %v, want ErrUnavailable", err)
			}
			err := s.UpdateMatch(t.Context(), 5, func(r goalcast.MatchRecord) (goalcast.MatchRecord, []goalcast.Event,
				error) {
				return r, goals(5, 1, 1), nil
			})
			if !errors.Is(err, goalcast.ErrUnavailable) {
				t.Errorf("update = %v, want ErrUnavailable", err)
			}
			if name == "deleted" {
				if _, err := os.Stat(path); err == nil {
					t.Error("an empty file was made in its place")
				}
			}
		})
	}
}

// Pages in the middle are damaged; what SQLite has in memory hides it from the connections that are
// open.
func TestADamagedFileIsNotHealthy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	s := openTest(t, "sqlite:"+path)
	if _, err := s.write.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	must(t, err)
	for at := int64(4096); at < info.Size(); at += 4096 {
		overwrite(t, path, at)
	}
	if err := s.healthNow(t); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("health = %v, want ErrUnavailable", err)
	}
}

// A document that found no room makes the database unhealthy until there is room for one as large,
// though a small row still finds it.
func TestAFullDiskIsNotHealthy(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	var pages int
	must(t, s.write.QueryRow(`PRAGMA page_count`).Scan(&pages))
	limit := func(n int) {
		t.Helper()
		if _, err := s.write.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 4)
	if err := s.healthNow(t); err != nil {
		t.Fatalf("a small row: %v", err)
	}
	d := goalcast.Document{Provider: "opta", Body: noise(200 << 10), Received: kickoff}
	if err := s.KeepDocument(t.Context(), &d); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Fatalf("keep = %v, want ErrUnavailable", err)
	}
	for range 2 {
		if err := s.healthNow(t); !errors.Is(err, goalcast.ErrUnavailable) {
			t.Errorf("health = %v, want ErrUnavailable", err)
		}
	}
	limit(pages + 1000)
	if err := s.healthNow(t); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	if list, err := s.Documents(t.Context(), goalcast.DocumentFilter{}); err != nil || len(list) != 0 {
		t.Errorf("the trial left %d documents, %v", len(list), err)
	}
	if err := s.KeepDocument(t.Context(), &d); err != nil {
		t.Error(err)
	}
}

// A database that answers every question and keeps nothing.
func TestAStandbyIsNotHealthy(t *testing.T) {
	t.Parallel()
	s := openTest(t, testservers.Postgres(t)+
		"&target_session_attrs=any&options=-c%20default_transaction_read_only%3Doff")
	if err := s.healthNow(t); err != nil {
		t.Fatal(err)
	}
	s.dialect.lost = func(error) bool { return false } // there is no other server
	warm(t, s, "SET default_transaction_read_only = on")
	if err := s.healthNow(t); !errors.Is(err, goalcast.ErrUnavailable) {
		t.Errorf("health = %v, want ErrUnavailable", err)
	}
}

func TestMigratedSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "x.db"),
		"postgres": testservers.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), url, testLog(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			if err := s.Migrated(t.Context()); !errors.Is(err, goalcast.ErrPermanent) ||
				!strings.Contains(err.Error(), "empty") {
				t.Errorf("an empty database: %v", err)
			}
			must(t, s.Migrate(t.Context()))
			if err := s.Migrated(t.Context()); err != nil {
				t.Errorf("this version's: %v", err)
			}
			if _, err := s.write.Exec(`DELETE FROM goose_db_version WHERE version_id = 9`); err != nil {
				t.Fatal(err)
			}
			if err := s.Migrated(t.Context()); !errors.Is(err, goalcast.ErrPermanent) ||
				!strings.Contains(err.Error(), "migration 9") {
				t.Errorf("an older version's: %v", err)
			}
		})
	}
}

func TestExists(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := Exists("sqlite:" + path); !errors.Is(err, goalcast.ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	must(t, os.WriteFile(path, nil, 0o600))
	for _, url := range []string{"sqlite:" + path, "sqlite::memory:", "postgres://somewhere/x"} {
		if err := Exists(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// noise cannot be packed.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// overwrite writes a page of noise into a file.
func overwrite(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt(noise(4096), at)
	must(t, err)
}
