package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Limits of the connections to the database.
const (
	// PoolSize is how many connections to PostgreSQL a process opens at most. On the goal's way a connection is held for about 2 ms,
	// so that 16 carry thousands of matches; PostgreSQL allows 100 by default, for all processes together.
	PoolSize = 16
	// sqliteReaders is how many reads of the SQLite file run beside the one writer.
	sqliteReaders = 4
	// busyTimeout is how long SQLite waits for another process's lock (a `migrate` or a backup beside the server).
	busyTimeout = 5 * time.Second
	// connectTimeout is how long a new connection to PostgreSQL may take, unless the URL says otherwise (connect_timeout).
	connectTimeout = 5 * time.Second
)

// dialect is what differs between the two databases.
type dialect struct {
	name      string // of the migrations' folder
	now       string // an expression: the database's clock, ms since 1970
	forUpdate string // ends a SELECT whose rows are about to be changed; SQLite's writer is alone anyway
	sql       func(string) string
	// retry says that the transaction lost against another one and may be run again.
	retry func(error) bool
	// unavailable says that the database does not answer, as opposed to answering with an error.
	unavailable func(error) bool
	// refused says that the data itself is not acceptable (a number that another row has, a value out of range): it will be refused again.
	refused func(error) bool
	// maxArgs is how many parameters a statement may have.
	maxArgs int
}

// openPostgres makes the pool; nothing is connected yet.
func (s *Store) openPostgres(url string) error {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return errors.New("database URL: not a PostgreSQL URL") // pgx's own text may hold the password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "goalcast"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(PoolSize)
	db.SetMaxIdleConns(PoolSize)
	db.SetConnMaxIdleTime(10 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // so that a pool moves to a new primary behind the same name sooner or later
	s.read, s.write = db, db
	s.dialect = dialect{
		name:        "postgres",
		now:         "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
		forUpdate:   " FOR UPDATE",
		sql:         func(q string) string { return q },
		retry:       postgresRetry,
		unavailable: postgresUnavailable,
		refused:     postgresRefused,
		maxArgs:     60000, // the protocol counts them in 16 bits
	}
	return nil
}

// postgresRetry: serialization failure, deadlock, lock not available.
func postgresRetry(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03")
}

// postgresUnavailable: no connection, the server is going down or coming up, or it has no connection or disk left to give.
func postgresUnavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "53", "57", "58", "28", "3D", "25":
			return pg.Code != "57014" // query cancelled: by us
		}
		return false
	}
	if errors.Is(err, context.Canceled) {
		return false // by the caller
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, net.ErrClosed) || isEOF(err) || pgconn.SafeToRetry(err)
}

// postgresRefused: data exceptions and broken constraints.
func postgresRefused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code[:2] == "22" || pg.Code[:2] == "23")
}

// openSQLite makes one connection that writes and some that read.
//
// The file is in WAL mode with synchronous=FULL: the log is flushed at every commit. NORMAL would survive a kill -9 too, since the
// operating system has what was written; FULL also survives a power cut, and "kept" is what a provider is told. It costs one fsync a document.
// Transactions begin IMMEDIATE: two that read before they write would otherwise fail instead of waiting for each other.
//
// In memory there is one database for all connections of this Store, and reads go through the one connection too: SQLite's in-memory
// databases have no WAL, so that a reader would make the writer fail.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	if path == "" {
		return errors.New("database URL: neither a path nor :memory: after sqlite")
	}
	s.dialect = dialect{
		name:        "sqlite",
		now:         "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
		sql:         questionMarks(),
		retry:       sqliteRetry,
		unavailable: sqliteUnavailable,
		refused:     func(err error) bool { return sqliteCode(err) == sqlite3.SQLITE_CONSTRAINT },
		maxArgs:     30000, // SQLITE_MAX_VARIABLE_NUMBER is 32766
	}
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(1)", "synchronous(FULL)"}}
	var err error
	if path == ":memory:" {
		pragmas.Set("vfs", "memdb")
		name := "goalcast-" + rand.Text()
		if s.write, err = sqliteDB("/"+name, pragmas, 1); err != nil {
			return err
		}
		s.read = s.write
		s.keep, err = sqliteDB("/"+name, pragmas, 1)
		if err == nil {
			err = s.keep.PingContext(ctx)
		}
		return s.wrap("open SQLite in memory", err)
	}
	pragmas.Add("_pragma", "journal_mode(WAL)")
	if s.write, err = sqliteDB(path, pragmas, 1); err != nil {
		return err
	}
	// The writer creates the file and turns on WAL; a reader that came first could not.
	if err := s.write.PingContext(ctx); err != nil {
		return errors.Join(s.wrap("open SQLite file", err), s.Close())
	}
	readers := url.Values{"_pragma": {pragmas["_pragma"][0], "query_only(1)"}}
	if s.read, err = sqliteDB(path, readers, sqliteReaders); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

func sqliteDB(path string, parameters url.Values, connections int) (*sql.DB, error) {
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: parameters.Encode()}).String()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// questionMarks rewrites $1 to ?1. Statements hold no $ but in placeholders; those with many rows are made once per number of rows.
func questionMarks() func(string) string {
	placeholder := regexp.MustCompile(`\$(\d+)`)
	return func(q string) string { return placeholder.ReplaceAllString(q, "?$1") }
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff // without the extended part
}

func sqliteRetry(err error) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}

// sqliteUnavailable: locked for longer than busyTimeout, disk full, unreadable or gone.
func sqliteUnavailable(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return true
	}
	return errors.Is(err, fs.ErrNotExist)
}
