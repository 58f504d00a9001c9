package testservers

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	"golang.org/x/sys/unix"
)

// shared holds the servers of this test binary that are started once: the only state of the
// package. A test binary is one process and starting PostgreSQL takes seconds.
var shared struct {
	sync.Mutex
	fast, durable       *PostgresServer
	replicated, replica *PostgresServer
}

// Postgres returns the URL of an empty schema, made for this test and dropped after it, on a server
// that all tests of the binary share. The server does not flush to disk (fsync=off): it is fast,
// and not to be measured.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return schema(tb, started(tb, &shared.fast, false))
}

// DurablePostgres is Postgres on a server that flushes every commit to disk, for benchmarks.
func DurablePostgres(tb testing.TB) string {
	tb.Helper()
	return schema(tb, started(tb, &shared.durable, true))
}

// ReplicatedPostgres is Postgres on a server with a replica, and the URL of the same schema there.
// What was committed by way of the first URL is seen by the second at once: commits wait for it.
func ReplicatedPostgres(tb testing.TB) (primary, replica string) {
	tb.Helper()
	p := started(tb, &shared.replicated, false)
	r := follower(tb, p)
	url := schema(tb, p) + "&synchronous_commit=remote_apply"
	return url, strings.Replace(url, p.addr(tb), r.addr(tb), 1)
}

// follower is the shared replica, started by the first test that wants it.
func follower(tb testing.TB, primary *PostgresServer) *PostgresServer {
	tb.Helper()
	r := started(tb, &shared.replica, false)
	shared.Lock()
	defer shared.Unlock()
	if r.Do(tb, "SELECT pg_is_in_recovery()::text") != "true" {
		r.follow(tb, primary)
		primary.haveCommitsWait(tb)
	}
	return r
}

// PostgresServer is a server that the test may stop and start.
type PostgresServer struct {
	URL string // of the database, without search_path; stays the same over restarts

	folder string
	args   []string
	proc   *server // nil while stopped
	user   *syscall.Credential
}

// NewPostgres starts a server for this test alone. It takes two seconds or more.
func NewPostgres(tb testing.TB) *PostgresServer {
	tb.Helper()
	p := newPostgres(tb, false, "")
	tb.Cleanup(func() {
		p.Stop()
		os.RemoveAll(p.folder)
	})
	return p
}

// NewPostgresReplica starts a server for this test alone that follows another by streaming
// replication. It has everything that the primary had when it was called. Commits do not wait for
// it.
func NewPostgresReplica(tb testing.TB, primary *PostgresServer) *PostgresServer {
	tb.Helper()
	p := NewPostgres(tb)
	p.follow(tb, primary)
	return p
}

// Stop ends the server as a crash would, by its immediate shutdown; what was committed
// is there after Start.
func (p *PostgresServer) Stop() {
	if p.proc != nil {
		os.WriteFile(filepath.Join(p.folder, "keep"), nil, 0o600) // tells the guard not to delete what Start needs
		p.proc.stop()
		p.proc = nil
	}
}

// Start starts it again on the same port.
func (p *PostgresServer) Start(tb testing.TB) {
	tb.Helper()
	if err := p.start(); err != nil {
		tb.Fatalf("restart postgres: %v\n%s", err, p.output())
	}
}

func schema(tb testing.TB, p *PostgresServer) string {
	tb.Helper()
	db, err := sql.Open("pgx", p.URL)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	name := "test_" + strings.ToLower(rand.Text())[:12]
	if _, err := db.ExecContext(tb.Context(), "CREATE SCHEMA "+name); err != nil {
		tb.Fatalf("create schema: %v\n%s", err, p.output())
	}
	tb.Cleanup(func() {
		db, err := sql.Open("pgx", p.URL)
		if err != nil {
			return
		}
		defer db.Close()
		// Best effort: the server goes with the test binary anyway. Not waiting for ever for a
		// connection that the test left open.
		db.Exec("SET lock_timeout = '2s'; DROP SCHEMA " + name + " CASCADE")
	})
	return p.URL + "&search_path=" + name
}

// started is the shared server, started by the first test that wants it. Where that fails, the next
// one tries.
func started(tb testing.TB, server **PostgresServer, durable bool) *PostgresServer {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock() // newPostgres may end the test
	if *server == nil {
		*server = newPostgres(tb, durable, roomFor(durable))
	}
	return *server
}

// newPostgres starts a server that has its data below a folder, "" for the usual one.
func newPostgres(tb testing.TB, durable bool, below string) *PostgresServer {
	tb.Helper()
	places := []string{"/usr/lib/postgresql/*/bin", "/usr/local/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin"}
	initdb, err := find("initdb", places...)
	if err != nil {
		missing(tb, "%v", err)
	}
	postgres, err := find("postgres", append([]string{filepath.Dir(initdb)}, places...)...)
	if err != nil {
		missing(tb, "%v", err)
	}
	p := &PostgresServer{}
	if p.user, err = unprivileged(); err != nil {
		missing(tb, "%v", err)
	}
	if p.folder, err = os.MkdirTemp(below, "goalcast-postgres-"); err != nil {
		tb.Fatal(err)
	}
	if p.user != nil {
		if err := os.Chown(p.folder, int(p.user.Uid), int(p.user.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	data := filepath.Join(p.folder, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "goalcast", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
		"--no-instructions")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(p.folder)
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
	flush := "off"
	if durable {
		flush = "on"
	}
	for range 3 {
		port := strconv.Itoa(freePort(tb))
		p.URL = "postgres://goalcast@" + net.JoinHostPort("127.0.0.1", port) + "/postgres?sslmode=disable"
		p.args = []string{postgres, "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c",
			"unix_socket_directories=",
			"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "fsync=" + flush, "-c",
			"synchronous_commit=on",
			"-c", "full_page_writes=" + flush, "-c", "max_wal_size=128MB"}
		if err = p.start(); err == nil {
			return p
		}
		p.Stop()
	}
	tb.Fatalf("start postgres: %v\n%s", err, p.output())
	return nil
}

// roomFor is where a shared server has its data: in memory where there is enough of it, unless it
// is to flush to disk. Each schema has hundreds of files; on disk they took half of its time.
func roomFor(durable bool) string {
	const memory, enough = "/dev/shm", 4 << 30
	var fs unix.Statfs_t
	if durable || unix.Statfs(memory, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return "" // the usual one
	}
	return memory
}

// start runs the server. SIGQUIT is its immediate shutdown: it ends its children, and recovers from
// the log the next time.
func (p *PostgresServer) start() error {
	os.Remove(filepath.Join(p.folder, "keep"))
	proc, err := launch("QUIT", p.folder, filepath.Join(p.folder, "log"), p.user, p.args...)
	if err != nil {
		return err
	}
	p.proc = proc
	db, err := sql.Open("pgx", p.URL)
	if err != nil {
		return err
	}
	defer db.Close()
	err = eventually(startLimit, db.Ping)
	if err != nil {
		return fmt.Errorf("no answer after %v: %w", startLimit, err)
	}
	return nil
}

// Log is what the server has said so far: of a connection with log_statement=all, each statement.
func (p *PostgresServer) Log() string { return p.output() }

func (p *PostgresServer) output() string {
	text, _ := os.ReadFile(filepath.Join(p.folder, "log"))
	return string(text)
}
