package testservers

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRedisRestartsEmpty(t *testing.T) {
	r := NewRedis(t)
	r.Do("SET", "a", "1")
	if got := r.Do("EXISTS", "a"); got != ":1" {
		t.Fatalf("EXISTS = %s, want :1", got)
	}
	r.RestartEmpty()
	if got := r.Do("EXISTS", "a"); got != ":0" {
		t.Fatalf("EXISTS after a restart = %s, want :0", got)
	}
	r.Stop()
	if answer, err := r.command("PING"); err == nil {
		t.Fatalf("a stopped server answers %q", answer)
	}
}

func TestPostgresSchemas(t *testing.T) {
	count := func(url, statement string) (n int) {
		t.Helper()
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow(statement).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	a, b := Postgres(t), Postgres(t)
	if db, err := sql.Open("pgx", a); err != nil {
		t.Fatal(err)
	} else if _, err = db.Exec("CREATE TABLE x AS SELECT 7 AS n"); err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	if n := count(a, "SELECT n FROM x"); n != 7 {
		t.Errorf("n = %d, want 7", n)
	}
	if n := count(b, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()"); n != 0 {
		t.Errorf("another test's schema has %d tables, want none", n)
	}
}

// A server must not outlive the test binary, not even one that is killed: the binary runs
// itself and dies by SIGKILL.
func TestServersDieWithTheTest(t *testing.T) {
	const key = "TESTSERVERS_CHILD"
	if os.Getenv(key) != "" {
		r := NewRedis(t)
		os.WriteFile(os.Getenv(key), []byte(r.Addr), 0o600)
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	file := t.TempDir() + "/addr"
	cmd := exec.Command(os.Args[0], "-test.run=^TestServersDieWithTheTest$")
	cmd.Env = append(os.Environ(), key+"="+file)
	out, _ := cmd.CombinedOutput() // ends by SIGKILL
	addr, err := os.ReadFile(file)
	if err != nil {
		missing(t, "no server was started: %s", out)
	}
	r := &RedisServer{Addr: string(addr)}
	err = eventually(10*time.Second, func() error {
		if answer, err := r.command("PING"); err == nil {
			return &stillThere{answer}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

type stillThere struct{ answer string }

func (e *stillThere) Error() string { return "the server still answers " + strings.TrimSpace(e.answer) }

func TestFailover(t *testing.T) {
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		p := NewPostgresPair(t)
		db, err := sql.Open("pgx", p.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for n, query := range []string{"CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)",
			"INSERT INTO t VALUES (2)"} {
			if n > 0 {
				p.FailOver()
			}
			db.SetMaxIdleConns(0) // none to the one that died
			if _, err := db.ExecContext(t.Context(), query); err != nil {
				t.Fatalf("%s: %v", query, err)
			}
		}
		var count int
		if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&count); err != nil || count != 2 {
			t.Errorf("%d rows, %v", count, err)
		}
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		p := NewRedisPair(t)
		p.master.Do("SET", "a", "1")
		if err := eventually(startLimit, func() error { // WAIT would be of a connection of its own
			if got := p.replica.Do("STRLEN", "a"); got != ":1" {
				return fmt.Errorf("the replica has %s of it", got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		first := p.master
		p.FailOver()
		if p.master == first || p.master.Do("STRLEN", "a") != ":1" {
			t.Error("the replica was not promoted with what it had")
		}
	})
}

func TestRabbitMQIsKilledAndComesBack(t *testing.T) {
	r := NewRabbitMQ(t)
	if err := r.answers(); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	if err := r.answers(); err == nil {
		t.Fatal("a killed server answers")
	}
	r.Start(t)
	if err := r.answers(); err != nil {
		t.Fatal(err)
	}
}
