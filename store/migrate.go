package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

// How often, and after at most which pause, migrations of an SQLite file are tried when another process is at them too.
const (
	migrateAttempts = 5
	migratePause    = 200 * time.Millisecond
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the tables up to this version of the program. Several processes may call it at once: on PostgreSQL one does it under an
// advisory lock and the others wait for it; on SQLite who comes second fails, tries again and finds the work done.
func (s *Store) Migrate(ctx context.Context) error {
	provider, err := s.migrations()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	var done []*goose.MigrationResult
	for range migrateAttempts {
		if done, err = provider.Up(ctx); err == nil || s.dialect.name == "postgres" || ctx.Err() != nil {
			break
		}
		time.Sleep(rand.N(migratePause))
	}
	if err != nil {
		return s.wrap("migrate", err)
	}
	if len(done) > 0 {
		s.log.Info("database migrated", "to", done[len(done)-1].Source.Version, "database", s.dialect.name)
	}
	return nil
}

func (s *Store) migrations() (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations/"+s.dialect.name)
	if err != nil {
		return nil, err
	}
	kind := database.DialectSQLite3
	// Out of order: two branches may each have added a migration, and a database may have the later one already.
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log), goose.WithAllowOutofOrder(true)}
	if s.dialect.name == "postgres" {
		kind = database.DialectPostgres
		// Asked for every second, for up to five minutes: a big table may take that long in the other process.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(kind, s.write, folder, options...)
}
