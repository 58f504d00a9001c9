package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Limits of the connections to SQLite; those to PostgreSQL are in postgres.go.
const (
	// sqliteReaders is how many reads of the SQLite file run beside the one writer.
	sqliteReaders = 4
	// busyTimeout is how long SQLite waits for another process's lock (a `migrate` or a backup
	// beside the server).
	busyTimeout = 5 * time.Second
)

// dialect is what differs between the two databases.
type dialect struct {
	name      string // of the migrations' folder
	now       string // an expression: the database's clock, ms since 1970
	forUpdate string // ends a SELECT whose rows are about to be changed; SQLite's writer is alone anyway
	sql       func(string) string
	// retry reports whether the transaction lost against another one and may be run again.
	retry func(error) bool
	// unavailable reports whether the database does not answer, as opposed to answering with an
	// error.
	unavailable func(error) bool
	// lost reports whether a connection broke, or its server does not serve us any more: the
	// request may be repeated on a new one.
	lost func(error) bool
	// refused reports whether the data itself is not acceptable (a number that another row has, a
	// value out of range): it will be refused again.
	refused func(error) bool
	// maxArgs is how many parameters a statement may have.
	maxArgs int
}

// openSQLite makes one connection that writes and some that read.
//
// The file is in WAL mode with synchronous=FULL: the log is flushed at every commit. NORMAL would
// survive a kill -9 too, since the operating system has what was written; FULL also survives a
// power cut, and "kept" is what a provider is told. It costs one fsync a document. Transactions
// begin IMMEDIATE: two that read before they write would otherwise fail instead of waiting for each
// other.
//
// In memory there is one database for all connections of this Store, and reads go through the one
// connection too: SQLite's in-memory databases have no WAL, so that a reader would make the writer
// fail.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	if path == "" {
		return errors.New("database URL: neither a path nor :memory: after sqlite")
	}
	s.dialect = dialect{
		name:        "sqlite",
		now:         "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
		sql:         questionMarks,
		retry:       sqliteRetry,
		unavailable: sqliteUnavailable,
		lost:        func(error) bool { return false },
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
	if Exists("sqlite:"+path) != nil {
		s.log.Info("a new database file is made", "path", path)
	}
	// The writer creates the file and turns on WAL; a reader that came first could not. Of several
	// processes that do so at once SQLite refuses one, without waiting.
	if err := besideOthers(ctx, sqliteRetry, func() error { return s.write.PingContext(ctx) }); err != nil {
		return errors.Join(s.wrap("open SQLite file", err), s.Close())
	}
	if s.file, err = openFile(path); err != nil {
		return errors.Join(s.wrap("open SQLite file", err), s.Close())
	}
	// Without mode=rw a reader that connects later would make an empty file where ours was deleted.
	readers := url.Values{"mode": {"rw"}, "_pragma": {pragmas["_pragma"][0], "query_only(1)"}}
	if s.read, err = sqliteDB(path, readers, sqliteReaders); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

func sqliteDB(path string, parameters url.Values, connections int) (*sql.DB, error) {
	name := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(),
		RawQuery: parameters.Encode()}).String()
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// questionMarks writes placeholders as SQLite's: $2 becomes ?2, or just ? where all are in order,
// since the driver compares the name of each parameter with that of each argument, and a statement
// of many rows has thousands. Statements hold no $ but in placeholders.
func questionMarks(q string) string {
	var b strings.Builder
	for i, part := range strings.Split(q, "$") {
		if i > 0 {
			rest, inOrder := strings.CutPrefix(part, strconv.Itoa(i))
			if !inOrder || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
				return strings.ReplaceAll(q, "$", "?")
			}
			b.WriteByte('?')
			part = rest
		}
		b.WriteString(part)
	}
	return b.String()
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

// sqliteUnavailable: locked for longer than busyTimeout, disk full, unreadable, damaged or gone.
func sqliteUnavailable(err error) bool {
	switch sqliteCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, errFileGone) ||
		errors.Is(err, errNotSQLite)
}
