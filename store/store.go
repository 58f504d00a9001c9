// Package store holds the only SQL of goalcast.
//
// Store is the truth, in PostgreSQL or in an SQLite file: what providers sent (documents), what was
// made of it (matches, events), who wants to know (devices, follows) and the outbox, which ties a
// committed change to everything that has to follow from it. Relay brings the outbox to the bus
// (store/bus), and Jobs runs what one process of all does from time to time. Nobody owns the room:
// any goroutine may call it; only the Run methods have goroutines of their own, which end first.
//
// ingest, hub, notify and rest call it through small interfaces of their own; cmd/goalcast opens it
// and passes it to them.
//
// # How to add SQL
//
// Write one text for both databases: placeholders are $1, $2, ...; times are BIGINT, ms since 1970
// UTC (toMillis, fromMillis), 0 where not known; JSON is TEXT; bytes are BYTEA or BLOB; ON
// CONFLICT, RETURNING and FILTER are the same in both. What differs has a name in dialect. Read
// with s.query and s.queryRow, or with s.lagging what may be a little old (replicas.go says what
// that is); change with s.tx and only with the tx it gives:
//
//	err := s.tx(ctx, "save device", func(tx *tx) error {
//		_, err := tx.exec(ctx, `INSERT INTO devices (token, owner) VALUES ($1, $2)
//			ON CONFLICT (token) DO UPDATE SET owner = excluded.owner`, token, user)
//		return err
//	})
//
// The function may run more than once (two transactions in each other's way, or a connection that
// was lost, perhaps after the commit), so it changes nothing outside until tx has returned nil. A
// table comes with a migration of the same number in migrations/postgres and migrations/sqlite.
// valuesList writes the placeholders of many rows, collect reads them.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"goalcast"
	"goalcast/internal/seal"
)

// Store is the database. Open makes it; its methods may be called by many goroutines.
type Store struct {
	log        *slog.Logger
	dialect    dialect
	write      *sql.DB // transactions; one connection for SQLite
	read       *sql.DB // single statements that change nothing; write, but for an SQLite file
	keep       *sql.DB // an idle connection that keeps a database in memory from vanishing; else nil
	compressor *compressor
	clock      clock
	aside      atomic.Int64 // see SetAside
	hooks      hooks

	replicas *Replicas // nil: none
	sessions sessions  // of PostgreSQL
	file     *file     // of SQLite; nil in memory
	health   health
	keys     *seal.Keys  // of the tokens of devices; nil: they are kept in the clear
	away     atomic.Bool // nobody answered for lostPatience, and has not since
}

// hooks let the package's own tests stop the machine between two steps; nil otherwise.
type hooks struct {
	beforeCommit func() error
}

// Open connects to the database named by the URL: "sqlite:<path>", "sqlite::memory:" (gone with
// Close) or "postgres://...", whose parameters are pgx's own (search_path, sslmode,
// target_session_attrs; several hosts may be named, of which the primary is taken). It asks the
// server once, so that a wrong URL is told at the start: ErrUnavailable when nobody answers. It
// creates no tables: Migrate does.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	s := &Store{log: log}
	var err error
	if s.compressor, err = newCompressor(); err != nil {
		return nil, err
	}
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		err = s.openSQLite(ctx, rest)
	case "postgres", "postgresql":
		if err = s.openPostgres(url); err != nil {
			err = fmt.Errorf("database URL: %w", err)
		}
	default:
		return nil, fmt.Errorf("database URL: want sqlite:<path> or postgres://..., not %.12q", scheme+":")
	}
	if err != nil {
		return nil, err
	}
	if err := s.readClock(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Exists reports whether there is something to open: ErrNotFound if the URL names an SQLite file
// that is not there, which Open would create. For PostgreSQL only Open can tell.
func Exists(url string) error {
	scheme, path, _ := strings.Cut(url, ":")
	if scheme != "sqlite" || path == ":memory:" {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: no file %s", goalcast.ErrNotFound, path)
	}
	return nil
}

// Ping checks that the database answers; ErrUnavailable otherwise.
func (s *Store) Ping(ctx context.Context) error {
	return s.wrap("ping database", s.write.PingContext(ctx))
}

// Close ends all connections. It waits for calls that are running.
func (s *Store) Close() error {
	errs := []error{s.file.close(), s.replicas.close()}
	if s.keep != nil {
		errs = append(errs, s.keep.Close())
	}
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	return errors.Join(errs...)
}

func (s *Store) query(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	query = s.dialect.sql(query)
	err = s.again(ctx, func() error {
		rows, err = s.read.QueryContext(ctx, query, args...)
		return err
	})
	return rows, err
}

func (s *Store) queryRow(ctx context.Context, query string, args ...any) scanner {
	return askedRow{s.read, s, ctx, s.dialect.sql(query), args}
}

// askedRow is a query for one row, sent when it is read.
type askedRow struct {
	db    *sql.DB
	store *Store
	ctx   context.Context
	query string
	args  []any
}

func (r askedRow) Scan(to ...any) error {
	return r.store.again(r.ctx, func() error { return r.db.QueryRowContext(r.ctx, r.query, r.args...).Scan(to...) })
}

// exec runs a single statement, which is a transaction by itself. Like s.tx, it may run it again
// after it succeeded.
func (s *Store) exec(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	query = s.dialect.sql(query)
	if err = s.file.check(); err != nil {
		return nil, err
	}
	err = s.again(ctx, func() error {
		result, err = s.write.ExecContext(ctx, query, args...)
		return err
	})
	return result, err
}

// wrap adds what was being done and classifies the error: nil stays nil, a missing row is
// ErrNotFound, a server that is silent, or did not answer before the caller's deadline, is
// ErrUnavailable.
func (s *Store) wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, goalcast.ErrNotFound)
	case errors.Is(err, context.DeadlineExceeded), s.dialect.unavailable(err):
		return fmt.Errorf("%s: %w: %w", doing, goalcast.ErrUnavailable, hint(err))
	case s.dialect.refused(err):
		return fmt.Errorf("%s: %w: %w", doing, goalcast.ErrPermanent, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// toMillis is how times are kept: ms since 1970 UTC, 0 for the zero time.
func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
