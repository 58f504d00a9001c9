package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync"
	"time"

	"goalcast"
)

// How Health checks.
const (
	// healthFresh is how long an answer of Health is reused, however often it is asked: each check
	// writes to disk.
	healthFresh = 2 * time.Second
	// healthLimit is how long a check may take.
	healthLimit = 2 * time.Second
	// maxTrial is how much is written to find out whether there is room again for a document that
	// could not be stored; 1 MB is the largest that comes every day.
	maxTrial = 1 << 20
)

// health is what is known about whether the database stores what it is given.
type health struct {
	refused struct { // by KeepDocument, since the last document that was kept or a trial that succeeded
		sync.Mutex
		bytes int // of the document; 0 is none
	}

	looking sync.Mutex // one look at a time; guards the rest
	looked  time.Time
	err     error
}

// Health reports whether the database stores what it is given now: nil, or ErrUnavailable with the
// reason. It writes a row and, after a document could not be stored, something as large as that. An
// SQLite file is read as another process would find it. It may be called at any rate.
func (s *Store) Health(ctx context.Context) error {
	h := &s.health
	h.looking.Lock()
	defer h.looking.Unlock()
	if err := s.file.check(); err != nil { // costs nothing
		h.looked, h.err = time.Now(), s.wrap("database", err)
	}
	if time.Since(h.looked) < healthFresh && !h.looked.IsZero() {
		return h.err
	}
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	err := s.look(ctx)
	if err != nil && !errors.Is(err, goalcast.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", goalcast.ErrUnavailable, err)
	}
	h.looked, h.err = time.Now(), err
	return err
}

func (s *Store) look(ctx context.Context) error {
	if err := s.file.read(ctx); err != nil {
		return s.wrap("read the database file", err)
	}
	s.health.refused.Lock()
	trial := s.health.refused.bytes
	s.health.refused.Unlock()
	if trial > 0 {
		if err := s.tryKeeping(ctx, min(trial, maxTrial)); err != nil {
			return err
		}
		s.health.refused.Lock()
		s.health.refused.bytes = 0
		s.health.refused.Unlock()
	}
	result, err := s.exec(ctx, `UPDATE heartbeat SET at = `+s.dialect.now+` WHERE id = 1`)
	if err == nil {
		var n int64
		if n, err = result.RowsAffected(); err == nil && n != 1 {
			err = errors.New("the row of the table heartbeat is gone")
		}
	}
	return s.wrap("write to the database", err)
}

// tryKeeping stores a document of a size and deletes it again.
func (s *Store) tryKeeping(ctx context.Context, size int) error {
	noise := make([]byte, size)
	_, _ = rand.Read(noise) // it never fails
	d := goalcast.Document{Provider: "heartbeat", Feed: "trial", Body: noise, Received: s.Now()}
	if err := s.keepDocument(ctx, &d); err != nil {
		return err
	}
	return s.tx(ctx, "delete the trial", func(tx *tx) error {
		if _, err := tx.exec(ctx, `DELETE FROM document_bodies WHERE received = $1
			AND document = $2`, toMillis(d.Received), d.ID); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `DELETE FROM documents WHERE id = $1`, d.ID)
		return err
	})
}

// kept notes whether a document could be stored.
func (s *Store) kept(size int, err error) error {
	r := &s.health.refused
	r.Lock()
	defer r.Unlock()
	switch {
	case err == nil:
		r.bytes = 0
	case errors.Is(err, goalcast.ErrUnavailable) && !errors.Is(err, context.Canceled):
		r.bytes = max(r.bytes, size, 1)
	}
	return err
}

// file is an open SQLite file; nil where there is none. SQLite goes on with a file that was deleted
// or replaced, and with its cache of one that was overwritten: what is stored then is gone with the
// process.
type file struct {
	path   string
	opened os.FileInfo
	fresh  *sql.DB // connects again for every question, so that it finds what another process would
}

// errFileGone and errNotSQLite say what happened to a file.
var (
	errFileGone = errors.New("the database file was deleted or replaced while goalcast had it open: " +
		"put it back, or restart goalcast with the right one")
	errNotSQLite = errors.New("the database file was overwritten: it is no SQLite file any more")
)

// sqliteMagic begins every SQLite file.
var sqliteMagic = []byte("SQLite format 3\x00")

func openFile(path string) (*file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	fresh, err := sqliteDB(path, url.Values{"mode": {"rw"},
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "query_only(1)"}}, 1)
	if err != nil {
		return nil, err
	}
	fresh.SetMaxIdleConns(0)
	return &file{path, info, fresh}, nil
}

// check reports whether the path still leads to the file that was opened, and whether that begins
// as it should: two system calls.
func (f *file) check() error {
	if f == nil {
		return nil
	}
	in, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return errFileGone
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, f.opened) {
		return errFileGone
	}
	begin := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(in, begin); err != nil || !bytes.Equal(begin, sqliteMagic) {
		return errNotSQLite
	}
	return nil
}

// read reads the tables' names and the newest document, as another process would.
func (f *file) read(ctx context.Context) error {
	if f == nil {
		return nil
	}
	var n int
	return f.fresh.QueryRowContext(ctx, `SELECT COUNT(*)
		FROM sqlite_master, (SELECT body FROM document_bodies ORDER BY document DESC LIMIT 1)`).Scan(&n)
}

func (f *file) close() error {
	if f == nil {
		return nil
	}
	return f.fresh.Close()
}
