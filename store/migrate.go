package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"

	"goalcast"
)

// How often, and after at most which pause, an SQLite file is opened or migrated when another
// process is at it too.
const (
	migrateAttempts = 5
	migratePause    = 200 * time.Millisecond
	// migrateWait is how long another process's migrations are waited for, on PostgreSQL: a big
	// table may take that long.
	migrateWait = 5 * time.Minute
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the tables up to this version of the program: an empty database gets them as they
// are, of any other the migrations that it lacks are run. Several processes may call it at
// once: on PostgreSQL one does it under an advisory lock and the others wait for it; on SQLite the
// second one fails, tries again and finds the work done.
func (s *Store) Migrate(ctx context.Context) error {
	provider, err := s.migrations()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	release, err := s.lockMigrations(ctx)
	if err != nil {
		return s.wrap("migrate: wait for the lock", err)
	}
	defer release()
	var done []*goose.MigrationResult
	clash := func(error) bool { return s.dialect.name == "sqlite" } // whatever the other one has done by then
	err = besideOthers(ctx, clash, func() error {
		err := s.create(ctx, provider)
		if err == nil {
			done, err = provider.Up(ctx)
		}
		return err
	})
	if err != nil {
		return s.wrap("migrate", err)
	}
	if len(done) > 0 {
		s.log.Info("database migrated", "to", done[len(done)-1].Source.Version, "database", s.dialect.name)
		s.sessions.lose(s.sessions.lost.Load()) // what connections know of the tables is out of date
	}
	return nil
}

// besideOthers runs f, and again a few times where another process was at the SQLite file.
func besideOthers(ctx context.Context, clash func(error) bool, f func() error) (err error) {
	for range migrateAttempts {
		if err = f(); err == nil || !clash(err) || ctx.Err() != nil {
			break
		}
		time.Sleep(rand.N(migratePause))
	}
	return err
}

// lockMigrations waits, on PostgreSQL, until no other process migrates. The lock is of a
// transaction that stays open on a connection of its own, since goose's, which is of a session,
// does not work through a pooler; the number is goose's.
func (s *Store) lockMigrations(ctx context.Context) (release func(), err error) {
	if s.dialect.name != "postgres" {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, migrateWait)
	t, err := s.write.BeginTx(context.WithoutCancel(ctx), nil) // it outlives the waiting
	if err != nil {
		cancel()
		return nil, err
	}
	release = func() {
		cancel()
		_ = t.Rollback() // an error means that the lock is gone already
	}
	if _, err = t.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err == nil {
		_, err = t.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lock.DefaultLockID)
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// Migrated checks that the tables are this version's: nil, ErrPermanent with the versions that are
// missing, or why it could not be checked.
func (s *Store) Migrated(ctx context.Context) error {
	const doing = "look at the schema"
	provider, err := s.migrations()
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	var books int
	if err := s.queryRow(ctx, s.books()).Scan(&books); err != nil {
		return s.wrap(doing, err)
	}
	if books == 0 {
		return fmt.Errorf("%s: %w: the database is empty, run goalcast migrate", doing, goalcast.ErrPermanent)
	}
	rows, err := s.query(ctx, `SELECT version_id FROM `+goose.DefaultTablename+` WHERE is_applied`)
	applied, err := collect(rows, err, func(row scanner) (version int64, err error) {
		return version, row.Scan(&version)
	})
	if err != nil {
		return s.wrap(doing, err)
	}
	for _, source := range provider.ListSources() {
		if !slices.Contains(applied, source.Version) {
			return fmt.Errorf("%s: %w: migration %d is missing, run goalcast migrate", doing, goalcast.ErrPermanent,
				source.Version)
		}
	}
	return nil
}

// migrations reads the files. goose numbers and orders them and keeps the books, but each is run as
// the one text that it is: goose's own parser takes 4 MB of memory for every statement, which was
// most of what an empty database costs.
func (s *Store) migrations() (*goose.Provider, error) {
	folder := "migrations/" + s.dialect.name
	files, err := fs.ReadDir(migrations, folder)
	if err != nil {
		return nil, err
	}
	var list []*goose.Migration
	for _, file := range files {
		version, err := goose.NumericComponent(file.Name())
		if err != nil {
			return nil, err
		}
		text, err := fs.ReadFile(migrations, folder+"/"+file.Name())
		if err != nil {
			return nil, err
		}
		up, down, _ := strings.Cut(string(text), "-- +goose Down")
		list = append(list, goose.NewGoMigration(version, statements(up), statements(down)))
	}
	// Out of order: two branches may each have added a migration, and a database may have the later
	// one already.
	return goose.NewProvider(s.gooseDialect(), s.write, nil, goose.WithGoMigrations(list...),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log), goose.WithAllowOutofOrder(true))
}

// books is the query that tells whether goose's books are there: 1 or 0.
func (s *Store) books() string {
	if s.dialect.name == "postgres" {
		return `SELECT COUNT(to_regclass('` + goose.DefaultTablename + `'))`
	}
	return `SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '` + goose.DefaultTablename + `'`
}

func (s *Store) gooseDialect() database.Dialect {
	if s.dialect.name == "postgres" {
		return database.DialectPostgres
	}
	return database.DialectSQLite3
}

func statements(text string) *goose.GoFunc {
	return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text)
		return err
	}}
}
