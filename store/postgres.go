package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"goalcast/internal/dial"
)

const (
	// PoolSize is how many connections to PostgreSQL a process opens at most. On the goal's way a
	// connection is held for about 2 ms, so that 16 carry thousands of matches; PostgreSQL allows
	// 100 by default, for all processes together.
	PoolSize = 16
	// connectTimeout is how long a new connection to PostgreSQL may take, unless the URL says
	// otherwise (connect_timeout); with several hosts that is for each, and one that is dead keeps
	// every new connection waiting.
	connectTimeout     = 5 * time.Second
	connectTimeoutEach = 2 * time.Second
	// idlePing is after how long without use a connection is tried before it is used, and
	// pingTimeout how long that may take.
	idlePing    = time.Second
	pingTimeout = time.Second
)

// sessions is what the connections of a pool have in common. Nobody owns it.
type sessions struct {
	// lost counts how often a server was found to be gone, or not the primary any more. A
	// connection that was made before the last time is not used again: those waiting in the pool
	// went with the server, or would have to find out one by one.
	lost atomic.Int64
	// pooler: something between us and PostgreSQL (pgbouncer, for example) gives each transaction
	// another session, so that nothing may be left in one.
	pooler atomic.Bool
}

// session is what is known of one connection, in its custom data.
type session struct {
	lost int64     // sessions.lost when it was made
	used time.Time // when it was last taken from the pool
}

const sessionKey = "goalcast"

// errPooler ends the first connection through a pooler: the next one is made in the way that suits
// it.
var errPooler = errors.New("a connection pooler was found")

// openPostgres makes the pool; nothing is connected yet.
func (s *Store) openPostgres(url string) error {
	cfg, err := postgresConfig(url)
	if err != nil {
		return err
	}
	// a standby is of no use
	if !strings.Contains(url, "target_session_attrs=") && os.Getenv("PGTARGETSESSIONATTRS") == "" {
		cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	db := s.sessions.pool(url, cfg)
	s.read, s.write = db, db
	s.dialect = dialect{
		name:        "postgres",
		now:         "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
		forUpdate:   " FOR UPDATE",
		sql:         func(q string) string { return q },
		retry:       postgresRetry,
		unavailable: postgresUnavailable,
		lost:        postgresLost,
		refused:     postgresRefused,
		maxArgs:     60000, // the protocol counts them in 16 bits
	}
	return nil
}

// postgresConfig reads a URL, and adds what all our connections have in common. Its error shows
// nothing of the URL.
func postgresConfig(url string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("not a PostgreSQL URL") // pgx's own text may hold the password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
		if severalHosts(cfg) {
			cfg.ConnectTimeout = connectTimeoutEach
		}
	}
	cfg.DialFunc = dial.New().DialContext
	closesOnError := cfg.OnPgError
	cfg.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return closesOnError(conn, err) && !lostRole(err)
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "goalcast"
	}
	return cfg, nil
}

func severalHosts(cfg *pgx.ConnConfig) bool {
	return slices.ContainsFunc(cfg.Fallbacks, func(f *pgconn.FallbackConfig) bool {
		return f.Host != cfg.Host || f.Port != cfg.Port
	})
}

// pool makes a pool of connections that have p in common.
func (p *sessions) pool(url string, cfg *pgx.ConnConfig) *sql.DB {
	options := []stdlib.OptionOpenDB{
		stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }), // reuse does
		stdlib.OptionResetSession(p.reuse),
	}
	if strings.Contains(url, "default_query_exec_mode=") {
		options = append(options, stdlib.OptionAfterConnect(p.begin))
	} else {
		options = append(options, stdlib.OptionBeforeConnect(p.chooseMode), stdlib.OptionAfterConnect(p.findPooler))
	}
	db := stdlib.OpenDB(*cfg, options...)
	db.SetMaxOpenConns(PoolSize)
	db.SetMaxIdleConns(PoolSize)
	db.SetConnMaxIdleTime(10 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // so that a pool moves to a new primary behind the same name sooner or later
	return db
}

// chooseMode makes a connection through a pooler keep no named statements: the next transaction may
// be in a session that does not know them. Column descriptions are cached all the same, so that a
// statement still takes one round trip; PostgreSQL plans it every time.
func (p *sessions) chooseMode(_ context.Context, cfg *pgx.ConnConfig) error {
	if p.pooler.Load() {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

// begin notes the count of losses under which a connection was made.
func (p *sessions) begin(_ context.Context, conn *pgx.Conn) error {
	conn.PgConn().CustomData()[sessionKey] = &session{p.lost.Load(), time.Now()}
	return nil
}

// findPooler asks the server for its number in the list of processes. A pooler cannot know it when
// a client connects, and makes one up.
func (p *sessions) findPooler(ctx context.Context, conn *pgx.Conn) error {
	if !p.pooler.Load() {
		var pid uint32
		err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
		if err == nil && pid != conn.PgConn().PID() {
			p.pooler.Store(true)
			err = errPooler
		}
		if err != nil {
			_ = conn.Close(ctx)
			return err
		}
	}
	return p.begin(ctx, conn)
}

// reuse reports whether a connection that waited in the pool may be used again; driver.ErrBadConn
// makes database/sql take another one.
func (p *sessions) reuse(ctx context.Context, conn *pgx.Conn) error {
	s, _ := conn.PgConn().CustomData()[sessionKey].(*session)
	lost := p.lost.Load()
	if s == nil || s.lost != lost {
		return driver.ErrBadConn
	}
	now := time.Now()
	if now.Sub(s.used) > idlePing {
		ping, cancel := context.WithTimeout(ctx, pingTimeout)
		defer cancel()
		if err := conn.PgConn().Ping(ping); err != nil {
			if ctx.Err() == nil {
				p.lose(lost)
			}
			return driver.ErrBadConn
		}
	}
	s.used = now
	return nil
}

// lose counts a loss, unless another caller has since lost was read.
func (p *sessions) lose(lost int64) { p.lost.CompareAndSwap(lost, lost+1) }

// lostRole reports whether the server will refuse everything else that we ask on this connection: a
// primary that became a standby, one that is shutting down or starting, or one that ended the
// session.
func lostRole(err *pgconn.PgError) bool {
	switch err.Code[:2] {
	case "08": // of a pooler: it has no server
		return true
	case "25", "57", "58", "XX": // read-only; shut down, crashed, not up yet, idle for too long
		return err.Code == "25006" || err.SeverityUnlocalized == "FATAL" || err.SeverityUnlocalized == "PANIC"
	}
	return false
}

// forgotStatement reports whether a prepared statement is missing, or exists already: a pooler has
// come since we connected.
func forgotStatement(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "26000" || pg.Code == "42P05")
}

// postgresLost: the connection is of no use any more, or there is none. A new one, perhaps to
// another server, may be.
func postgresLost(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return lostRole(pg) || forgotStatement(err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // by the caller
	}
	return noConnection(err)
}

// postgresRetry: serialization failure, deadlock, lock not available.
func postgresRetry(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03")
}

// postgresUnavailable: no connection, the server is going down or coming up, or it has no
// connection or disk left to give.
func postgresUnavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "53", "57", "58", "28", "3D", "25", "26":
			return pg.Code != "57014" // query cancelled: by us
		}
		return pg.Code == "42P05"
	}
	if errors.Is(err, context.Canceled) {
		return false // by the caller
	}
	return noConnection(err)
}

func noConnection(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, errPooler) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, net.ErrClosed) || isEOF(err) || pgconn.SafeToRetry(err)
}

// postgresRefused: data exceptions and broken constraints.
func postgresRefused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code[:2] == "22" || pg.Code[:2] == "23")
}

// hint adds to an error what to do about it, where PostgreSQL's own words do not tell.
func hint(err error) error {
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return fmt.Errorf("%w (a standby? name the primary, or all hosts)", err)
	}
	return err
}
