package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"goalcast"
	"goalcast/internal/testservers"
)

// warm opens several connections and leaves them in the pool; with a statement, each is given that.
func warm(t *testing.T, s *Store, statement string) {
	t.Helper()
	var conns []*sql.Conn
	for range 6 {
		c, err := s.write.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		if _, err := c.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range conns {
		c.Close()
	}
}

// everyWay asks the database in every way that the store has, twice as often as there are
// connections, and wants no error.
func everyWay(t *testing.T, s *Store) {
	t.Helper()
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			d := goalcast.Document{Provider: "opta", Feed: "F9", Match: 1, Body: fmt.Appendf(nil, "<x n=%q/>",
				rand.Text()), Received: kickoff}
			if err := s.KeepDocument(t.Context(), &d); err != nil {
				t.Errorf("keep: %v", err)
			}
			if d.Repeats != 0 {
				t.Error("a document that was kept once counts as a repetition")
			}
			score(t, s, goalcast.MatchID(100+n), 1)
			if err := s.FinishDocument(t.Context(), d.ID, goalcast.DocumentApplied, ""); err != nil {
				t.Errorf("exec: %v", err)
			}
			if _, err := s.Documents(t.Context(), goalcast.DocumentFilter{}); err != nil {
				t.Errorf("query: %v", err)
			}
			if _, err := s.Match(t.Context(), goalcast.MatchID(100+n)); err != nil {
				t.Errorf("query a row: %v", err)
			}
		})
	}
	wg.Wait()
}

// What the pool holds is connections to a server that became a standby: they refuse to write, and
// would do so for an hour.
func TestConnectionsToAFormerPrimaryAreThrownAway(t *testing.T) {
	t.Parallel()
	s := openTest(t, testservers.Postgres(t))
	warm(t, s, "SET default_transaction_read_only = on")
	everyWay(t, s)
}

// An operator, a failover or a pooler ends all sessions: nobody notices.
func TestSessionsThatWereCutAreReplaced(t *testing.T) {
	t.Parallel()
	u := testservers.Postgres(t)
	name := strings.ToLower(rand.Text())
	s := openTest(t, u+"&application_name="+name)
	admin := openTest(t, u)
	for range 3 {
		warm(t, s, "SELECT 1")
		const cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
		if _, err := admin.write.ExecContext(t.Context(), cut, name); err != nil {
			t.Fatal(err)
		}
		everyWay(t, s)
	}
}

// A transaction whose session is cut in the middle, and one whose commit's answer is lost, are run
// again and change what they should once.
func TestTransactionsOutliveTheirSession(t *testing.T) {
	t.Parallel()
	u := testservers.Postgres(t)
	s, admin := openTest(t, u), openTest(t, u)
	runs := 0
	err := s.tx(t.Context(), "insert", func(tx *tx) error {
		runs++
		if _, err := tx.exec(t.Context(), `INSERT INTO teams (id, name) VALUES (1, 'Eerste')`); err != nil {
			return err
		}
		if runs > 1 {
			return nil
		}
		var pid int
		if err := tx.queryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		_, err := admin.write.ExecContext(t.Context(), `SELECT pg_terminate_backend($1, 5000)`, pid)
		return err
	})
	if team, wrong := s.Team(t.Context(), 1); err != nil || wrong != nil || runs != 2 {
		t.Errorf("tx = %v after %d runs, team %v, %v", err, runs, team, wrong)
	}
}

func TestOfSeveralHostsThePrimaryIsTaken(t *testing.T) {
	t.Parallel()
	base := testservers.Postgres(t)
	admin := openTest(t, base)
	role := "standby_" + strings.ToLower(rand.Text())[:10]
	for _, q := range []string{"CREATE ROLE " + role + " LOGIN SUPERUSER",
		"ALTER ROLE " + role + " SET default_transaction_read_only = on"} {
		if _, err := admin.write.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { admin.write.ExecContext(context.Background(), "DROP ROLE "+role) })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	several := *u
	several.Host = "127.0.0.1:1," + u.Host
	s := openTest(t, several.String())
	everyWay(t, s)

	u.User = url.User(role)
	s, err = Open(t.Context(), u.String(), testLog(t))
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, goalcast.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "standby") {
		t.Errorf("open a standby: %v, want ErrUnavailable that names it", err)
	}
	s, err = Open(t.Context(), u.String()+"&target_session_attrs=any", testLog(t))
	if err != nil {
		t.Fatalf("open a standby that is asked for: %v", err)
	}
	s.Close()
}

// Through a pooler in transaction mode every transaction may be in another session.
func TestThroughAPooler(t *testing.T) {
	t.Parallel()
	direct := testservers.Postgres(t)
	s := openTest(t, testservers.PgBouncer(t, direct)) // which migrates
	if !s.sessions.pooler.Load() {
		t.Error("the pooler was not found")
	}
	for range 3 {
		everyWay(t, s)
	}
	// A pooler that comes later, behind the same name.
	s = openTest(t, testservers.PgBouncer(t, direct))
	s.sessions.pooler.Store(false)
	s.sessions.lose(s.sessions.lost.Load())
	everyWay(t, s)
	if s = openTest(t, direct); s.sessions.pooler.Load() {
		t.Error("a pooler was found where there is none")
	}
}

// A server that is away costs every caller a moment at first, and none once that is known.
func TestAServerThatIsAwayIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	s := openTest(t, testservers.Postgres(t))
	s.dialect.lost = func(error) bool { return true }
	runs := 0
	ask := func() error {
		return s.again(t.Context(), func() error {
			runs++
			return sql.ErrConnDone
		})
	}
	if err := ask(); !errors.Is(err, sql.ErrConnDone) || runs < 3 {
		t.Errorf("%v after %d runs", err, runs)
	}
	if runs = 0; !errors.Is(ask(), sql.ErrConnDone) || runs != 1 {
		t.Errorf("asked %d times for a server that is known to be away", runs)
	}
	if err := s.again(t.Context(), func() error { return nil }); err != nil {
		t.Error(err)
	}
	if runs = 0; !errors.Is(ask(), sql.ErrConnDone) || runs < 3 {
		t.Errorf("asked %d times after the server had come back", runs)
	}
}
