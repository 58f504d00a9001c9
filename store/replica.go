package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// replicaTime is how long a replica may take for a read, and half of what the caller still has
	// at most: then the primary is asked, which needs the rest.
	replicaTime = time.Second
	// lookTime is how long a look at a replica may take, a new connection included.
	lookTime = 2 * time.Second
	// fitAfter is how many looks in a row have to find a replica fit before it is read again.
	fitAfter = 3
)

// Why a replica is not read.
var (
	errNotStandby = errors.New("not a standby: it was promoted, or is the primary itself")
	errOtherBeat  = fmt.Errorf("its newest beat is not the primary's: it is more than %s behind, or a copy of another "+
		"database, or follows a primary that was replaced", beatsKept)
	errLags = errors.New("too far behind the primary")
)

// replica is one of them. It reads like a Store, but repeats nothing.
type replica struct {
	of       *Replicas
	name     string // host:port
	db       *sql.DB
	sessions sessions

	reads, failed, missing prometheus.Counter

	mu   sync.Mutex
	asOf time.Time // what was committed before this is there
	good int       // looks in a row that found it fit, up to fitAfter
	why  error     // it is not read, as was logged last
}

// newReplica makes the pool; nothing is connected yet.
func newReplica(of *Replicas, url string) (*replica, error) {
	cfg, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	if severalHosts(cfg) {
		return nil, errors.New("several hosts in one URL: what is known of one says nothing of another")
	}
	cfg.ConnectTimeout = min(cfg.ConnectTimeout, lookTime)
	cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsStandby
	r := &replica{of: of, name: net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), asOf: time.Now()}
	r.db = r.sessions.pool(url, cfg)
	return r, nil
}

func (r *replica) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return r.db.QueryContext(ctx, query, args...)
}

func (r *replica) queryRow(ctx context.Context, query string, args ...any) scanner {
	return r.db.QueryRowContext(ctx, query, args...)
}

// read runs f on the replica. One that does not answer is left out.
func (r *replica) read(ctx context.Context, f func(context.Context, querier) error) error {
	patience := replicaTime
	if end, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(end)/2)
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := f(limited, r)
	switch {
	case err == nil:
		r.reads.Inc()
	case ctx.Err() != nil: // the caller's time is over, or he left
	case noRows(err):
		r.missing.Inc()
	default:
		r.failed.Inc()
		away := postgresLost(err) || postgresUnavailable(err)
		if limited.Err() != nil {
			away = patience == replicaTime // else it had no time to show that it is there
		}
		if away {
			r.leaveOut(err)
		}
	}
	return err
}

// look finds out how far the replica is behind.
func (r *replica) look(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	beat, err := r.newestBeat(limited)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		r.leaveOut(err)
		return
	}
	asked := time.Now()
	var age int64
	err = r.of.store.queryRow(limited, `SELECT `+r.of.store.dialect.now+` - at FROM replica_beats
		WHERE token = $1`, beat).Scan(&age)
	switch {
	case noRows(err), err == nil && age < 0: // a clock that was put back: the next beat deletes this one
		r.leaveOut(errOtherBeat)
	case err == nil:
		r.found(asked.Add(-time.Duration(age) * time.Millisecond))
	}
	// The primary does not answer: what was known holds, and grows old.
}

// newestBeat reads the newest beat that a standby has.
func (r *replica) newestBeat(ctx context.Context) (token string, err error) {
	var standby bool
	ask := func() error {
		return r.queryRow(ctx, `SELECT pg_is_in_recovery(), COALESCE((SELECT token FROM replica_beats
			ORDER BY at DESC LIMIT 1), '')`).Scan(&standby, &token)
	}
	if err = ask(); errors.Is(err, errPooler) { // the next connection suits it
		err = ask()
	}
	if err == nil && !standby || errors.Is(err, pgconn.ErrPrimaryConnection) {
		err = errNotStandby
	}
	return token, err
}

// found notes that what was committed before a time is there.
func (r *replica) found(asOf time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asOf = asOf
	if time.Since(asOf) > r.of.maxLag {
		r.leaveOutLocked(errLags)
		return
	}
	if r.good < fitAfter {
		if r.good++; r.good == fitAfter {
			r.of.log.Info("replica is read", "replica", r.name)
			r.why = nil
		}
	}
}

// leaveOut has the replica not read before it was found fit several times.
func (r *replica) leaveOut(why error) {
	r.sessions.lose(r.sessions.lost.Load()) // a connection is not used again: it may be to a server that is gone
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaveOutLocked(why)
}

func (r *replica) leaveOutLocked(why error) {
	if r.why == nil || !sameReason(why, r.why) {
		r.of.log.Warn("replica is not read", "replica", r.name, "lag", time.Since(r.asOf).Round(time.Millisecond),
			"error", why)
	}
	r.good, r.why = 0, why
}

// sameReason says whether two errors are of one kind, and the second need not be logged.
func sameReason(a, b error) bool {
	for _, kind := range []error{errNotStandby, errOtherBeat, errLags} {
		if errors.Is(a, kind) != errors.Is(b, kind) {
			return false
		}
	}
	var x, y *pgconn.PgError
	return errors.As(a, &x) == errors.As(b, &y) && (x == nil || x.Code == y.Code)
}

// fit says whether the replica may be read now.
func (r *replica) fit() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.good == fitAfter && time.Since(r.asOf) <= r.of.maxLag
}

// lag is how far the replica may be behind.
func (r *replica) lag() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.asOf)
}
