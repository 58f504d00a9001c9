package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"math/rand/v2"
	"time"
)

// txAttempts is how often a transaction that lost against another one is run; the pause before
// attempt n is up to n*txPause.
const (
	txAttempts = 6
	txPause    = 10 * time.Millisecond
)

// tx is a transaction. Everything inside the function given to Store.tx goes through it: with
// SQLite there is only one connection that writes, and it is taken.
type tx struct {
	tx      *sql.Tx
	dialect *dialect
}

func (t *tx) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.tx.ExecContext(ctx, t.dialect.sql(query), args...)
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, t.dialect.sql(query), args...)
}

func (t *tx) queryRow(ctx context.Context, query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(ctx, t.dialect.sql(query), args...)
}

// How long a request is repeated after its connection was lost. It bridges a cut of all sessions,
// and a failover that has happened; not a server that is away: then callers get an error soon, and
// as long as it is away at once.
const (
	lostPatience   = time.Second
	lostFirstPause = 10 * time.Millisecond
	lostLastPause  = 200 * time.Millisecond
)

// again runs f, which asks the database, and runs it again if the connection was lost. A commit
// whose answer was lost may have happened: f may run after it succeeded.
func (s *Store) again(ctx context.Context, f func() error) error {
	var begin time.Time // of the loss: what came before may have taken long
	for pause := lostFirstPause; ; pause = min(2*pause, lostLastPause) {
		lost := s.sessions.lost.Load()
		err := f()
		if err == nil || !s.dialect.lost(err) {
			s.away.Store(false)
			return err
		}
		s.sessions.lose(lost)
		if begin.IsZero() {
			begin = time.Now()
		}
		if time.Since(begin)+pause > lostPatience {
			s.away.Store(true)
		}
		if s.away.Load() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

// errRollback ends a transaction without an error and without a change.
var errRollback = errors.New("roll back")

// errAgain ends a transaction without a change and has it run again.
var errAgain = errors.New("run again")

// tx runs f in a transaction and commits it if f returns nil. It runs f again, a few times, when
// the transaction lost against another one (serialization failure, deadlock, SQLite busy) or its
// connection was lost, even in the commit. f's own error ends it and is returned as it is, with
// doing in front; errRollback ends it with nil. PostgreSQL's isolation is READ COMMITTED: lock what
// a change is based on with SELECT ... FOR UPDATE (dialect.forUpdate).
func (s *Store) tx(ctx context.Context, doing string, f func(*tx) error) error {
	var err error
	for attempt := range txAttempts {
		if attempt > 0 {
			select {
			case <-ctx.Done():
				return s.wrap(doing, err)
			case <-time.After(rand.N(time.Duration(attempt) * txPause)):
			}
		}
		err = s.again(ctx, func() error { return s.txOnce(ctx, f) })
		if err == nil || !s.dialect.retry(err) && !errors.Is(err, errAgain) {
			break
		}
	}
	if errors.Is(err, errRollback) {
		return nil
	}
	return s.wrap(doing, err)
}

func (s *Store) txOnce(ctx context.Context, f func(*tx) error) error {
	if err := s.file.check(); err != nil {
		return err
	}
	t, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback() // says ErrTxDone after the commit; before it, the error of f is the one that counts
	if err := f(&tx{t, &s.dialect}); err != nil {
		return err
	}
	if s.hooks.beforeCommit != nil {
		if err := s.hooks.beforeCommit(); err != nil {
			return err
		}
	}
	return t.Commit()
}

// isEOF says that the other side closed the connection.
func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
