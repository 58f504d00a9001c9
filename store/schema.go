package store

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// schemas has, for each database, what all migrations make of an empty one. Running them one by one
// takes ten times as long on SQLite, and twice on PostgreSQL. TestSchema writes the files, and
// compares.
//
//go:embed schema
var schemas embed.FS

// schemaUntil is the first line of a schema: the newest migration that it has.
const schemaUntil = "-- What the migrations up to %d make of an empty database, " +
	"written by go test ./store -run TestSchema -update\n"

// create makes the tables of an empty database, and writes into goose's books that the migrations
// which the schema has are done. It does nothing where there are such books. It is one transaction.
func (s *Store) create(ctx context.Context, p *goose.Provider) error {
	text, err := schemas.ReadFile("schema/" + s.dialect.name + ".sql")
	if err != nil {
		return err
	}
	var until int64
	if _, err := fmt.Sscanf(string(text), schemaUntil, &until); err != nil {
		return fmt.Errorf("schema of %s: %w", s.dialect.name, err)
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	var books int
	if err := tx.QueryRowContext(ctx, s.books()).Scan(&books); err != nil || books > 0 {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return err
	}
	keeper, err := database.NewStore(s.gooseDialect(), goose.DefaultTablename)
	if err != nil {
		return err
	}
	if err := keeper.CreateVersionTable(ctx, tx); err != nil {
		return err
	}
	done := []string{"(0, TRUE)"} // goose's own: there are books
	for _, source := range p.ListSources() {
		if source.Version <= until {
			done = append(done, fmt.Sprintf("(%d, TRUE)", source.Version))
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO `+goose.DefaultTablename+` (version_id, is_applied) VALUES `+
		strings.Join(done, ", "))
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.log.Info("database created", "version", until, "database", s.dialect.name)
	s.sessions.lose(s.sessions.lost.Load()) // what connections know of the tables is out of date
	return nil
}
