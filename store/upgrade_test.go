package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"goalcast/internal/testservers"
)

// released is the number of the newest migration that the version before has. Whoever makes a
// release writes into the file what was the newest in the release before.
func released(t testing.TB) int64 {
	t.Helper()
	text, err := fs.ReadFile(migrations, "migrations/released")
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		t.Fatalf("migrations/released: %v", err)
	}
	return number
}

// newer are the texts, without the ways down, of the migrations that the version before has not.
func newer(t testing.TB, database string) (names, texts []string) {
	t.Helper()
	folder := "migrations/" + database
	files, err := fs.ReadDir(migrations, folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		version, err := goose.NumericComponent(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		if version <= released(t) {
			continue
		}
		text, err := fs.ReadFile(migrations, folder+"/"+file.Name())
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		names, texts = append(names, file.Name()), append(texts, up)
	}
	return names, texts
}

var (
	contractMark = regexp.MustCompile(`-- contract: \S`)
	created      = regexp.MustCompile(`\bcreate (?:or replace )?(?:unique )?(?:table|index|trigger|function|view) ` +
		`(?:if not exists )?(\w+)`)
	// The first group is what is changed.
	breaking = []struct {
		what    string
		pattern *regexp.Regexp
	}{
		{"drops", regexp.MustCompile(`\bdrop (?:table|index|trigger|function|view) (?:if exists )?(\w+)`)},
		{"drops a part", regexp.MustCompile(`\balter table (?:if exists |only )*(\w+)\b.*\bdrop\b`)},
		{"renames", regexp.MustCompile(`\balter \w+ (?:if exists |only )*(\w+)\b.*\brename\b`)},
		{"tightens", regexp.MustCompile(`\balter table (?:if exists |only )*(\w+)\b.*\bset not null\b`)},
		{"changes a type", regexp.MustCompile(`\balter table (?:if exists |only )*(\w+)\b.*\balter (?:column )?\w+ ` +
			`(?:set data )?type\b`)},
		{"constrains", regexp.MustCompile(`\balter table (?:if exists |only )*(\w+)\b.*\badd ` +
			`(?:constraint|check|unique|primary|foreign|exclude)\b`)},
		{"constrains", regexp.MustCompile(`\bcreate unique index (?:if not exists )?\w* ?on (\w+)`)},
		{"deletes rows", regexp.MustCompile(`^(?:delete from|truncate(?: table)?) (\w+)`)},
	}
	altered   = regexp.MustCompile(`\balter table (?:if exists |only )*(\w+) (.*)`)
	addsParts = regexp.MustCompile(`\badd `)
)

// breaks names the statements of migrations, in their order, by which a program that knows none of
// them may fail: they drop, rename or tighten something that was there before. A statement with
// "-- contract: REASON" beside it is excused.
func breaks(texts ...string) (list []string) {
	fresh := map[string]bool{} // made by these migrations
	for _, text := range texts {
		var code []string
		excused := false
		for line := range strings.Lines(text) {
			excused = excused || contractMark.MatchString(line)
			words, _, _ := strings.Cut(line, "--")
			code = append(code, strings.Fields(strings.ToLower(words))...)
			if !strings.HasSuffix(strings.TrimSpace(words), ";") {
				continue
			}
			statement := strings.Join(code, " ")
			if what := breaksBy(statement, fresh); what != "" && !excused {
				list = append(list, what+": "+statement)
			}
			for _, m := range created.FindAllStringSubmatch(statement, -1) {
				fresh[m[1]] = true
			}
			code, excused = nil, false
		}
	}
	return list
}

// breaksBy says what a statement does that breaks, or "". It is lower case, with single spaces.
func breaksBy(statement string, fresh map[string]bool) string {
	for _, b := range breaking {
		if m := b.pattern.FindStringSubmatch(statement); m != nil && !fresh[m[1]] {
			return b.what
		}
	}
	if m := altered.FindStringSubmatch(statement); m != nil && !fresh[m[1]] {
		for _, part := range addsParts.Split(m[2], -1)[1:] {
			if strings.Contains(part, "not null") && !strings.Contains(part, "default") {
				return "adds what must be given"
			}
		}
	}
	return ""
}

// The version before works on this version's schema: see "Upgrading" in docs/operations.md.
func TestMigrationsLeaveWhatTheVersionBeforeUses(t *testing.T) {
	for _, database := range []string{"postgres", "sqlite"} {
		names, texts := newer(t, database)
		for n := range texts {
			earlier := breaks(texts[:n]...)
			for _, b := range breaks(texts[:n+1]...)[len(earlier):] {
				t.Errorf("%s/%s %s\nThe version before may use it. If it does not, say so behind the statement: "+
					"-- contract: REASON", database, names[n], b)
			}
		}
	}
}

func TestBreakingStatementsAreFound(t *testing.T) {
	for text, want := range map[string]string{
		"DROP TABLE pushes;":                                                  "drops",
		"drop index if exists\n\tpushes_open;":                                "drops",
		"ALTER TABLE pushes DROP COLUMN open, ADD COLUMN b TEXT;":             "drops a part",
		"ALTER TABLE pushes\n\tADD COLUMN b TEXT,\n\tDROP CONSTRAINT c;":      "drops a part",
		"ALTER TABLE pushes ALTER COLUMN a DROP DEFAULT;":                     "drops a part",
		"ALTER TABLE ONLY pushes RENAME COLUMN a TO b;":                       "renames",
		"ALTER INDEX pushes_open RENAME TO b;":                                "renames",
		"ALTER TABLE pushes ALTER COLUMN a SET NOT NULL;":                     "tightens",
		"ALTER TABLE pushes ALTER COLUMN a TYPE BIGINT;":                      "changes a type",
		"ALTER TABLE pushes ALTER a SET DATA TYPE BIGINT;":                    "changes a type",
		"ALTER TABLE pushes ADD UNIQUE (a);":                                  "constrains",
		"ALTER TABLE pushes ADD CONSTRAINT c CHECK (a > 0);":                  "constrains",
		"CREATE UNIQUE INDEX a ON pushes (b);":                                "constrains",
		"DELETE FROM pushes;":                                                 "deletes rows",
		"TRUNCATE pushes;":                                                    "deletes rows",
		"ALTER TABLE pushes ADD COLUMN a TEXT NOT NULL;":                      "adds what must be given",
		"ALTER TABLE p ADD a TEXT NOT NULL DEFAULT '', ADD b TEXT NOT NULL;":  "adds what must be given",
		"CREATE TABLE p_new (a INT);\nDROP TABLE p;":                          "drops",
		"DROP TABLE pushes; -- contract:":                                     "drops", // no reason
		"-- contract: of the next only\nDROP TABLE a;\nDROP TABLE pushes;":    "drops",
		"ALTER TABLE pushes ADD COLUMN a TEXT; -- NOT NULL comes later, DROP": "",
		"ALTER TABLE pushes ADD COLUMN a TEXT NOT NULL DEFAULT '';":           "",
		"ALTER TABLE pushes ALTER COLUMN a SET DEFAULT FALSE;":                "",
		"CREATE TABLE n (a INT NOT NULL);\nCREATE UNIQUE INDEX n_a ON n (a);": "",
		"CREATE TABLE n (a INT);\nALTER TABLE n RENAME TO m;":                 "",
		"CREATE INDEX a ON pushes (b);\nDROP INDEX a;":                        "",
		"DROP TABLE pushes; -- contract: nobody has read it since 1.3":        "",
		"-- contract: nobody reads it\nALTER TABLE p\n\tDROP COLUMN a;":       "",
	} {
		found := breaks(text)
		switch {
		case want == "" && len(found) > 0:
			t.Errorf("%q is refused: %s", text, found)
		case want != "" && (len(found) != 1 || !strings.HasPrefix(found[0], want+":")):
			t.Errorf("%q: %q, want one that %s", text, found, want)
		}
	}
	if found := breaks("CREATE TABLE n (a INT);", "DROP TABLE n;", "DROP TABLE o;"); len(found) != 1 {
		t.Errorf("of three migrations, the last of which drops what was there: %q", found)
	}
}

// A number that no migration has would let all pass, or hold old ones against the rule.
func TestReleasedIsAMigration(t *testing.T) {
	for _, database := range []string{"postgres", "sqlite"} {
		files, err := fs.Glob(migrations, fmt.Sprintf("migrations/%s/%05d_*.sql", database, released(t)))
		if err != nil || len(files) != 1 {
			t.Errorf("migration %d for %s: %v, %v", released(t), database, files, err)
		}
	}
}

// openReleased opens a database with the schema of the version before.
func openReleased(t testing.TB, url string) *Store {
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
	provider, err := s.migrations()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), released(t)); err != nil {
		t.Fatal(err)
	}
	s.sessions.lose(s.sessions.lost.Load())
	return s
}

// columnsOf are the columns of a table, by name.
func columnsOf(t testing.TB, s *Store, table string) []string {
	t.Helper()
	rows, err := s.query(t.Context(), `SELECT * FROM `+table+` LIMIT 0`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := rows.Columns()
	if err := errors.Join(err, rows.Close()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// content is what a table's columns hold, a line for each row, in order.
func content(t testing.TB, s *Store, table string, columns []string) []string {
	t.Helper()
	rows, err := s.query(t.Context(), `SELECT `+strings.Join(columns, ", ")+` FROM `+table)
	lines, err := collect(rows, err, func(row scanner) (string, error) {
		values := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		err := row.Scan(to...)
		return fmt.Sprint(values), err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// Rows of the version before stay as they are, and it can write them still.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/before.sql")
	if err != nil {
		t.Fatal(err)
	}
	var tables []string
	for _, m := range regexp.MustCompile(`(?m)^INSERT INTO (\w+)`).FindAllSubmatch(text, -1) {
		tables = append(tables, string(m[1]))
	}
	for name, url := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(t.TempDir(), "goalcast.db") },
		"postgres": func() string { return testservers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openReleased(t, url())
			if _, err := s.write.ExecContext(t.Context(), string(text)); err != nil {
				t.Fatal("write at the schema before: ", err)
			}
			columns, before := map[string][]string{}, map[string][]string{}
			for _, table := range tables {
				columns[table] = columnsOf(t, s, table)
				before[table] = content(t, s, table, columns[table])
			}
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, table := range tables {
				after := content(t, s, table, columns[table])
				if len(after) == 0 || !slices.Equal(after, before[table]) {
					t.Errorf("%s, before:\n%s\nafter:\n%s", table, before[table], after)
				}
			}

			s = openTest(t, url())
			if _, err := s.write.ExecContext(t.Context(), string(text)); err != nil {
				t.Error("the version before cannot write at this one's schema: ", err)
			}
		})
	}
}

// BenchmarkMigrations times each newer migration on 100,000 documents, events, outbox rows, devices
// and batches, and tells what it locks and how long somebody who writes has to wait. Run it with
// -benchtime 1x.
func BenchmarkMigrations(b *testing.B) {
	text, err := os.ReadFile("testdata/100000.sql")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s := openReleased(b, testservers.DurablePostgres(b))
		if _, err := s.write.ExecContext(b.Context(), string(text)); err != nil {
			b.Fatal(err)
		}
		names, texts := newer(b, "postgres")
		for n, name := range names {
			waits := writeMeanwhile(b, s)
			begin := time.Now()
			locks := applyWatched(b, s, texts[n])
			took := time.Since(begin)
			b.Logf("%s took %v, with %s. The longest write took %s", name, took.Round(time.Millisecond),
				strings.Join(locks, ", "), waits())
		}
	}
}

// applyWatched applies a migration and tells which locks it had that keep writers of tables out.
func applyWatched(b *testing.B, s *Store, text string) (locks []string) {
	b.Helper()
	tx, err := s.write.BeginTx(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // an error means that it is committed
	if _, err := tx.ExecContext(b.Context(), text); err != nil {
		b.Fatal(err)
	}
	rows, err := tx.QueryContext(b.Context(), `SELECT DISTINCT mode || ' on ' || c.relname FROM pg_locks l
		JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_user_tables t ON t.relid = c.oid
		WHERE pid = pg_backend_pid() AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
			'AccessExclusiveLock') ORDER BY 1`)
	locks, err = collect(rows, err, func(row scanner) (lock string, err error) { return lock, row.Scan(&lock) })
	if err := cmp.Or(err, tx.Commit()); err != nil {
		b.Fatal(err)
	}
	return locks
}

// writeMeanwhile changes a row of each table again and again until waits is called, which tells the
// longest time that each took.
func writeMeanwhile(b *testing.B, s *Store) (waits func() string) {
	ctx, stop := context.WithCancel(b.Context())
	var busy sync.WaitGroup
	begun := sync.WaitGroup{}
	longest := map[string]*time.Duration{"documents": new(time.Duration), "devices": new(time.Duration),
		"push_batches": new(time.Duration), "events": new(time.Duration), "outbox": new(time.Duration)}
	for table, most := range longest {
		begun.Add(1)
		busy.Go(func() {
			once := sync.OnceFunc(begun.Done)
			defer once()
			query := `UPDATE ` + table + ` SET created = created WHERE id IN (SELECT id FROM ` + table + ` LIMIT 1)`
			if table == "documents" {
				query = strings.ReplaceAll(query, "created", "received")
			}
			for ctx.Err() == nil {
				begin := time.Now()
				if _, err := s.write.ExecContext(context.WithoutCancel(ctx), query); err != nil {
					b.Error(err)
					return
				}
				*most = max(*most, time.Since(begin))
				once()
			}
		})
	}
	begun.Wait()
	return func() string {
		stop()
		busy.Wait()
		var list []string
		for table, most := range longest {
			list = append(list, fmt.Sprintf("%s %v", table, most.Round(time.Millisecond)))
		}
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
}
