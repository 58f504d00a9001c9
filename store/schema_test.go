package store

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"goalcast/internal/testservers"
)

var update = flag.Bool("update", false, "rewrite the files in store/schema")

// TestSchema holds what an empty database gets against what the migrations make of it.
func TestSchema(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(t.TempDir(), "goalcast.db") },
		"postgres": func() string { return testservers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url := empty()
			migrated, err := Open(t.Context(), url, testLog(t))
			must(t, err)
			t.Cleanup(func() { must(t, migrated.Close()) })
			provider, err := migrated.migrations()
			must(t, err)
			_, err = provider.Up(t.Context())
			must(t, err)
			want := schemaOf(t, migrated, url)
			if *update {
				sources := provider.ListSources()
				text := fmt.Sprintf(schemaUntil, sources[len(sources)-1].Version) + "\n" + want
				must(t, os.WriteFile("schema/"+name+".sql", []byte(text), 0o600))
				return // what is built in is the one before
			}
			url = empty()
			created := openTest(t, url)
			if got := schemaOf(t, created, url); got != want {
				t.Errorf("run this with -update? What is created:\n%s\nWhat the migrations make:\n%s", got, want)
			}
			must(t, created.Migrated(t.Context()))
		})
	}
}

// schemaOf is the schema and its first rows as statements that make them, without goose's books.
func schemaOf(t *testing.T, s *Store, url string) string {
	t.Helper()
	if s.dialect.name == "postgres" {
		return dumpOf(t, url)
	}
	list := texts(t, s, `SELECT sql FROM sqlite_master
		WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND tbl_name <> $1 ORDER BY rowid`, goose.DefaultTablename)
	for _, table := range texts(t, s, `SELECT name FROM sqlite_master
		WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> $1 ORDER BY rowid`, goose.DefaultTablename) {
		columns := columnsOf(t, s, table)
		list = append(list, texts(t, s, fmt.Sprintf(`SELECT 'INSERT INTO %s (%s) VALUES (' || quote(%s) || ')' FROM %[1]s`,
			table, strings.Join(columns, ", "), strings.Join(columns, ") || ', ' || quote(")))...)
	}
	return strings.Join(list, ";\n") + ";\n"
}

func texts(t *testing.T, s *Store, query string, args ...any) []string {
	t.Helper()
	rows, err := s.query(t.Context(), query, args...)
	list, err := collect(rows, err, func(row scanner) (text string, err error) {
		err = row.Scan(&text)
		return text, err
	})
	must(t, err)
	return list
}

// notSchema is what pg_dump writes besides: comments, and settings for whoever reads its text.
var notSchema = regexp.MustCompile(`(?m)^(--.*|\\.*|SET .*|SELECT pg_catalog\.set.*|CREATE SCHEMA .*)\n`)

// dumpOf is what pg_dump tells, for a schema of any name.
func dumpOf(t *testing.T, url string) string {
	t.Helper()
	server, schema, _ := strings.Cut(url, "&search_path=")
	cmd := exec.CommandContext(t.Context(), "pg_dump", "--inserts", "--no-owner", "--no-privileges", "--schema", schema,
		"--exclude-table", "*."+goose.DefaultTablename, server)
	var problem strings.Builder
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err, problem.String())
	}
	text := notSchema.ReplaceAllString(strings.ReplaceAll(string(out), schema+".", ""), "")
	return strings.TrimSpace(regexp.MustCompile(`\n{3,}`).ReplaceAllString(text, "\n\n")) + "\n"
}
