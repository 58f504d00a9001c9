package testservers

import (
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// PostgresPair is a PostgreSQL server with a standby that has every commit before
// it is acknowledged (synchronous replication), so that a failover loses nothing
// that anybody was told of.
type PostgresPair struct {
	URL string // of both; target_session_attrs chooses the one that takes writes

	relays  [2]*Relay // of FarURL
	tb      testing.TB
	primary *PostgresServer
	standby *PostgresServer
}

// NewPostgresPair starts both for this test alone. It takes about five seconds.
func NewPostgresPair(tb testing.TB) *PostgresPair {
	tb.Helper()
	p := &PostgresPair{tb: tb, primary: NewPostgres(tb), standby: NewPostgres(tb)}
	p.URL = fmt.Sprintf("postgres://goalcast@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write",
		p.primary.addr(tb), p.standby.addr(tb))
	p.follow()
	return p
}

// FailOver kills the primary and promotes the standby; the one that died follows it from then on.
func (p *PostgresPair) FailOver() {
	p.tb.Helper()
	p.primary.Stop()
	p.primary, p.standby = p.standby, p.primary
	p.primary.Do(p.tb, "SELECT pg_promote(true, 60)")
	p.follow()
}

// FarURL is URL by a way that SetDelay makes long.
func (p *PostgresPair) FarURL() string {
	url := p.URL
	for i, server := range []*PostgresServer{p.primary, p.standby} {
		p.relays[i] = NewRelay(p.tb, server.addr(p.tb))
		url = strings.Replace(url, server.addr(p.tb), p.relays[i].Addr, 1)
	}
	return url
}

// SetDelay has all that goes to and fro by FarURL arrive so much later.
func (p *PostgresPair) SetDelay(d time.Duration) {
	for _, r := range p.relays {
		r.SetDelay(d)
	}
}

// Restart kills the primary and starts it again. It is over when the standby follows again, for
// which commits wait: it tries every 5 s.
func (p *PostgresPair) Restart() {
	p.tb.Helper()
	p.primary.Stop()
	p.primary.Start(p.tb)
	p.primary.haveCommitsWait(p.tb)
}

// follow makes the standby a copy of the primary, and has commits wait for it.
func (p *PostgresPair) follow() {
	p.tb.Helper()
	p.standby.follow(p.tb, p.primary)
	p.primary.haveCommitsWait(p.tb)
}

// haveCommitsWait has commits wait for the server that follows.
func (p *PostgresServer) haveCommitsWait(tb testing.TB) {
	tb.Helper()
	p.Do(tb, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
	p.Do(tb, "SELECT pg_reload_conf()")
	err := eventually(startLimit, func() error {
		state := p.Do(tb, "SELECT coalesce(max(sync_state), 'nobody') FROM pg_stat_replication")
		if state != "sync" {
			return fmt.Errorf("the standby is %s", state)
		}
		return nil
	})
	if err != nil {
		tb.Fatalf("%v\n%s", err, p.output())
	}
}

// follow makes a server a streaming copy of another, "standby" by name.
func (p *PostgresServer) follow(tb testing.TB, primary *PostgresServer) {
	tb.Helper()
	p.Stop()
	data := filepath.Join(p.folder, "data")
	if err := os.RemoveAll(data); err != nil {
		tb.Fatal(err)
	}
	host, port, err := net.SplitHostPort(primary.addr(tb))
	if err != nil {
		tb.Fatal(err)
	}
	p.baseBackup(tb, data, primary, "-X", "stream")
	follows := fmt.Sprintf("primary_conninfo = 'host=%s port=%s user=goalcast application_name=standby'\n", host, port)
	for name, text := range map[string]string{"postgresql.auto.conf": follows, "standby.signal": ""} {
		path := filepath.Join(data, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		if p.user != nil {
			if err := os.Chown(path, int(p.user.Uid), int(p.user.Gid)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	p.Start(tb)
}

// addr is where the server listens.
func (p *PostgresServer) addr(tb testing.TB) string {
	u, err := url.Parse(p.URL)
	if err != nil {
		tb.Fatal(err)
	}
	return u.Host
}

// Do runs a statement, and returns the first column of a SELECT.
func (p *PostgresServer) Do(tb testing.TB, query string) (answer string) {
	tb.Helper()
	db, err := sql.Open("pgx", p.URL)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	if strings.HasPrefix(query, "SELECT") {
		err = db.QueryRowContext(tb.Context(), query).Scan(&answer)
	} else {
		_, err = db.ExecContext(tb.Context(), query)
	}
	if err != nil {
		tb.Fatalf("%s: %v\n%s", query, err, p.output())
	}
	return answer
}

// RedisPair is a Redis server with a replica, and a Sentinel that promotes the replica when the
// master dies. Replication is not synchronous: the last writes may be lost, as in life.
type RedisPair struct {
	URL string // "redis+sentinel://127.0.0.1:<port>/main"

	tb              testing.TB
	sentinel        *RedisServer
	master, replica *RedisServer
}

// NewRedisPair starts all three for this test alone.
func NewRedisPair(tb testing.TB) *RedisPair {
	tb.Helper()
	p := &RedisPair{tb: tb, master: NewRedis(tb), replica: NewRedis(tb)}
	p.replica.Do("REPLICAOF", "127.0.0.1", strconv.Itoa(p.master.port))
	p.sentinel = NewSentinel(tb, "main", p.master.Addr)
	p.URL = "redis+sentinel://" + p.sentinel.Addr + "/main"
	p.settle()
	return p
}

// FailOver kills the master, waits until the Sentinel has promoted the replica, and has the
// one that died follow it.
func (p *RedisPair) FailOver() {
	p.tb.Helper()
	p.master.Stop()
	err := eventually(startLimit, func() error {
		return p.knows(p.replica)
	})
	if err != nil {
		p.tb.Fatalf("%v\n%s", err, p.sentinel.output())
	}
	p.master, p.replica = p.replica, p.master
	p.replica.Start()
	p.replica.Do("REPLICAOF", "127.0.0.1", strconv.Itoa(p.master.port))
	p.settle()
}

// Master is the address of the server that is the master now.
func (p *RedisPair) Master() string { return p.master.Addr }

// Away has both gone for a while. They come back with nothing.
func (p *RedisPair) Away(d time.Duration) {
	p.tb.Helper()
	p.replica.Stop()
	p.master.Stop()
	time.Sleep(d)
	p.master.Start()
	p.replica.Start()
	p.replica.Do("REPLICAOF", "127.0.0.1", strconv.Itoa(p.master.port))
	p.settle()
}

// Wipe deletes everything, on both.
func (p *RedisPair) Wipe() { p.master.FlushAll() }

// settle waits until the replica follows and the Sentinel knows it.
func (p *RedisPair) settle() {
	p.tb.Helper()
	err := eventually(startLimit, func() error {
		answer, err := p.master.info("replication")
		if err != nil {
			return err
		}
		if !strings.Contains(answer, "state=online") {
			return fmt.Errorf("the replica does not follow: %q", answer)
		}
		return p.knows(p.master)
	})
	if err != nil {
		p.tb.Fatalf("%v\n%s", err, p.sentinel.output())
	}
}

// knows says, as an error, if the Sentinel does not have the server for the
// master, with one replica.
func (p *RedisPair) knows(master *RedisServer) error {
	answer, err := p.sentinel.info("sentinel")
	if err == nil && !strings.Contains(answer, "status=ok,address="+master.Addr+",slaves=1") {
		err = fmt.Errorf("the Sentinel says %q", answer)
	}
	return err
}
